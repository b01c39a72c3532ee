//! What was accepted and not yet acknowledged by the cloud.
//!
//! QoS 1 messages lie in an append-only log of segments (`FORMAT.md`) and are answered as accepted only after the fsync
//! that covers them; QoS 0 messages lie in a small ring in memory. `LIFECYCLE.md` has a message's states and the numbered
//! invariants. The index is pure; two threads touch the disk, one to write and one to read, so that an fsync of seconds
//! stalls nothing but the acceptances that wait for it.

mod accepting;
mod browse;
mod clock;
mod compact;
mod company;
mod disk;
mod ends;
mod errors;
mod files;
mod flow;
mod index;
mod listeners;
mod log;
mod message;
mod notice;
mod options;
mod reader;
mod record;
mod recover;
mod segment;
mod shared;
mod space;
#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc};
use std::thread;

use tokio::sync::{Semaphore, oneshot, watch};

pub use accepting::Accepting;
pub use browse::{Listed, Page, read_stopped};
pub use clock::{Clock, HostTime, SystemClock};
pub use ends::Ends;
pub use errors::{AcceptError, OpenError};
pub use flow::Rates;
pub use listeners::ListenerId;
pub use message::{BatchId, KEY_MAX, Message, PAYLOAD_MAX, PRIORITY_MAX, Qos, TOPIC_MAX};
pub use notice::{DropReason, Notice};
pub use options::{Options, WhenFull};
pub use record::RECORD_MAX;
pub use recover::Opened;
pub use shared::{DiskHealth, OutboxStatus};

use disk::{Job, Writer};
use files::{DirLock, Files, RealFiles};
use index::Next;
use reader::{ReadFault, ReadJob};
use shared::{Shared, State};
use space::Space;

/// Stack of each disk thread, in bytes: their work is shallow.
const STACK: usize = 128 * 1024;

/// What was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The message's number: rising, and never used again, not even after a restart.
    pub seq: u64,
    /// The key was known: `seq` is the message that bears it, and nothing was added.
    pub duplicate: bool,
    /// It is a duplicate of a message that the cloud has acknowledged: nothing more will be told of it.
    pub settled: bool,
}

/// The next to send. It is in flight until [`Outbox::settle`] or [`Outbox::release`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its number.
    pub seq: u64,
    /// It.
    pub message: Message,
}

/// The handle; clones share one outbox. [`Outbox::close`] before opening the same directory again: when the last handle is
/// merely dropped, what is pending is still written, and the directory is free when that is done.
#[derive(Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    jobs: mpsc::Sender<Job>,
    reads: mpsc::Sender<ReadJob>,
    room: Arc<Semaphore>,
    bounds: Bounds,
}

/// See [`Options`].
#[derive(Debug, Clone, Copy)]
struct Bounds {
    pending_bytes: usize,
    max_bytes: u64,
    max_messages: u64,
    min_free: u64,
    when_full: WhenFull,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("status", &*self.inner.shared.status.borrow()).finish_non_exhaustive()
    }
}

impl Outbox {
    /// Opens or creates an outbox. Reads the whole log: call it before the event loop runs.
    ///
    /// # Errors
    /// [`OpenError`]: in use by another instance, written by a newer version, or the file system refuses. A disk that is
    /// merely full, or has become read-only, does not stop it: what waits can still be sent.
    pub fn open(options: Options) -> Result<(Self, Opened), OpenError> {
        Self::open_with(options, Arc::new(RealFiles))
    }

    fn open_with(options: Options, files: Arc<dyn Files>) -> Result<(Self, Opened), OpenError> {
        options.check()?;
        let dir = options.dir.clone();
        let io = |what| {
            let path = dir.clone();
            move |source| OpenError::Io { what, path, source }
        };
        let lock = DirLock::take(&dir).map_err(io("lock"))?.ok_or_else(|| OpenError::InUse { dir: dir.clone() })?;
        let found = recover::recover(&*files, &options)?;
        let shared = Arc::new(Shared::new(found.index, found.salts, &options, found.steady));
        if let Some(reason) = found.read_only {
            shared.with(|state, _| state.disk = DiskHealth::Failing { reason });
        }
        let (jobs, jobs_of_writer) = mpsc::channel();
        let (reads, reads_of_reader) = mpsc::channel();
        let room = Arc::new(Semaphore::new(options.pending_bytes));
        let bounds = Bounds {
            pending_bytes: options.pending_bytes,
            max_bytes: options.max_bytes,
            max_messages: options.max_messages,
            min_free: options.min_free,
            when_full: options.when_full,
        };
        let log = log::Log {
            files: Arc::clone(&files),
            dir: dir.clone(),
            active: found.active,
            next_number: found.next_number,
            segment_bytes: options.segment_bytes,
            min_free: options.min_free,
            salt: recover::salt,
            unsynced: false,
            sizes: found.sizes,
        };
        let mut writer = Writer {
            log,
            shared: Arc::clone(&shared),
            jobs: jobs_of_writer,
            space: Space::new(options.min_free),
            options,
            lock: Some(lock),
            notes_due: None,
            committed: None,
            company: company::Company::default(),
            anchored: None,
            clock_asked: None,
            compact_from: None,
        };
        writer.prepare();
        spawn("outbox-write", move || writer.run()).map_err(io("start the writer of"))?;
        let (reading, shared_with_reader) = (dir.clone(), Arc::clone(&shared));
        spawn("outbox-read", move || reader::run(&files, &reading, &shared_with_reader, &reads_of_reader))
            .map_err(io("start the reader of"))?;
        let inner = Inner { shared, jobs, reads, room, bounds };
        Ok((Self { inner: Arc::new(inner) }, found.opened))
    }

    /// The outbox's time, in milliseconds: that in which a message expires. It runs on whatever the host's clock does.
    pub fn now_ms(&self) -> u64 {
        self.inner.shared.now_ms()
    }

    /// The next to send: the highest priority first, within it the oldest. Waits while there is none, and while as many
    /// are in flight as the window allows. Cancelling it loses nothing.
    pub async fn next(&self) -> Outgoing {
        loop {
            let ready = self.inner.shared.ready.notified();
            tokio::pin!(ready);
            // From here on no notification is missed.
            ready.as_mut().enable();
            let Some((next, cached)) = self.inner.shared.with(|state, _| take(state)) else {
                ready.await;
                continue;
            };
            let seq = match (next, cached) {
                (Next::Ring { seq, message }, _) | (Next::Disk { seq }, Some(message)) => {
                    return Outgoing { seq, message };
                }
                (Next::Disk { seq }, None) => seq,
            };
            let taken = Taken { outbox: self, seq, armed: true };
            let (reply, read) = oneshot::channel();
            // A reader that is gone shows as a reply that never comes.
            let _ = self.inner.reads.send(ReadJob { seq, reply });
            let read = read.await.unwrap_or_else(|_| Err(ReadFault::Io("the reading thread is gone".to_owned())));
            taken.disarm();
            match read {
                Ok(message) => return Outgoing { seq, message },
                Err(fault) => self.unreadable(seq, fault),
            }
        }
    }

    fn unreadable(&self, seq: u64, fault: ReadFault) {
        self.inner.shared.with(|state, _| {
            match fault {
                ReadFault::Corrupt => state.index.spoil(seq),
                ReadFault::Io(reason) => {
                    state.index.park(seq);
                    state.disk = DiskHealth::Failing { reason };
                }
            }
            self.wake(state);
        });
    }

    /// The cloud acknowledged it, or a QoS 0 message was handed over. Ignored when it is not in flight.
    pub fn settle(&self, seq: u64) {
        self.finish(|state| state.index.settle(seq));
    }

    /// From now on [`Outbox::next`] gives only messages of at least this priority; above [`PRIORITY_MAX`], none.
    pub fn set_floor(&self, priority: u8) {
        self.inner.shared.with(|state, _| state.index.set_floor(priority));
    }

    /// It can never be sent: it is dropped, and told. Ignored when it is not in flight.
    pub fn give_up(&self, seq: u64) {
        self.finish(|state| state.index.give_up(seq));
    }

    /// A message that waits holds up all others: it stands aside, with those of the same program under the same topic, until
    /// [`Outbox::let_go`] or a restart. At QoS 0 it is given up. False when it does not wait any more. [outbox-22]
    pub fn hold(&self, seq: u64) -> bool {
        self.inner.shared.with(|state, _| state.index.hold(seq))
    }

    /// What stands aside has its old place again.
    pub fn let_go(&self) {
        self.inner.shared.with(|state, _| state.index.let_go());
    }

    /// It was not sent after all: it goes back to its old place. Ignored when it is not in flight.
    pub fn release(&self, seq: u64) {
        self.inner.shared.with(|state, _| {
            state.index.release(seq);
            if state.index.next_expiry().is_some() {
                self.wake(state);
            }
        });
    }

    /// What is visible, as it changes.
    pub fn status(&self) -> watch::Receiver<OutboxStatus> {
        self.inner.shared.status.subscribe()
    }

    /// How fast messages come and go.
    pub fn rates(&self) -> Rates {
        self.inner.shared.with(|state, now| {
            let waiting = state.index.queued() + state.index.in_flight() as u64;
            state.flow.rates(now, waiting)
        })
    }

    /// One who can be told how messages end.
    pub fn listen(&self) -> Ends {
        Ends::listen(&self.inner.shared)
    }

    /// Accepts nothing more, writes what is pending, and lets go of the directory.
    pub async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        self.inner.shared.with(|state, _| {
            state.closed = true;
            // When the writer is gone already, the reply is dropped here and the wait below ends at once.
            let _ = self.inner.jobs.send(Job::Close(reply));
        });
        let _ = closed.await;
    }

    /// Something ends, and the writer is to remember it. It is woken when the lock is free, which it takes first of all:
    /// this comes once for each message.
    fn finish(&self, end: impl FnOnce(&mut State)) {
        let asleep = self.inner.shared.with(|state, _| {
            end(state);
            state.index.unwritten() > 0 && !std::mem::replace(&mut state.woken, true)
        });
        if asleep {
            // A writer that is gone needs no waking.
            let _ = self.inner.jobs.send(Job::Wake);
        }
    }

    fn wake(&self, state: &mut State) {
        if !std::mem::replace(&mut state.woken, true) {
            let _ = self.inner.jobs.send(Job::Wake);
        }
    }
}

/// Puts a message back when its reading is cancelled.
struct Taken<'a> {
    outbox: &'a Outbox,
    seq: u64,
    armed: bool,
}

impl Taken<'_> {
    fn disarm(mut self) {
        self.armed = false;
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.armed {
            self.outbox.release(self.seq);
        }
    }
}

fn take(state: &mut State) -> Option<(Next, Option<Message>)> {
    let next = state.index.take()?;
    let cached = match &next {
        Next::Disk { seq } => state.cache.get(*seq),
        Next::Ring { .. } => None,
    };
    Some((next, cached))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).stack_size(STACK).spawn(work).map(drop)
}
