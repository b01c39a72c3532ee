//! What the handle and the two disk threads share inside this room: the index behind one lock, held for moments only and
//! never across a read, a write or an `await`.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot, watch};

use super::clock::{Anchor, Clock, Steady};
use super::errors::AcceptError;
use super::flow::Flow;
use super::index::{Extent, Index, Totals};
use super::listeners::Listeners;
use super::message::Message;
use super::options::Options;

/// How the disk does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiskHealth {
    /// The last thing asked of it succeeded.
    Ok,
    /// The last thing asked of it failed.
    Failing {
        /// What the system said.
        reason: String,
    },
    /// Less is free than is to stay free: nothing new is accepted.
    Low {
        /// What is free, in bytes.
        free: u64,
    },
}

/// What is visible of the outbox. Totals count from the start of the process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxStatus {
    /// Messages that wait to be sent.
    pub queued: u64,
    /// Messages handed out and not yet settled or released.
    pub in_flight: u64,
    /// Bytes of both: records on the disk, and QoS 0 messages in memory.
    pub bytes: u64,
    /// Messages accepted.
    pub accepted_total: u64,
    /// Messages acknowledged.
    pub settled_total: u64,
    /// Messages given up.
    pub dropped_total: u64,
    /// Messages whose records cannot be read now; they are tried again at the next start.
    pub unreadable: u64,
    /// When the oldest kept message was accepted, by the outbox's clock.
    pub oldest_accepted_unix_ms: Option<u64>,
    /// How the disk does.
    pub disk: DiskHealth,
}

impl OutboxStatus {
    /// The age of the oldest kept message, in milliseconds, by the outbox's clock.
    pub fn oldest_age_ms(&self, now_unix_ms: u64) -> Option<u64> {
        self.oldest_accepted_unix_ms.map(|at| now_unix_ms.saturating_sub(at))
    }
}

/// One who waits for a commit, and whether it asked for a key that was already on its way.
pub(super) struct Waiter {
    pub(super) duplicate: bool,
    pub(super) reply: oneshot::Sender<Result<bool, AcceptError>>,
}

pub(super) struct State {
    pub(super) index: Index,
    pub(super) waiters: HashMap<u64, Vec<Waiter>>,
    answers: Vec<(Waiter, Result<(), AcceptError>)>,
    pub(super) listeners: Listeners,
    pub(super) cache: Cache,
    pub(super) salts: BTreeMap<u32, u32>,
    pub(super) disk: DiskHealth,
    pub(super) closed: bool,
    /// A wake-up for the writer is already on its way.
    pub(super) woken: bool,
    /// What the file system had left when it was last asked, less what was written since, in bytes.
    pub(super) free: u64,
    pub(super) flow: Flow,
    /// What the flow has counted.
    counted: Totals,
}

impl State {
    /// Where a message that is there lies, and the salt of its segment.
    pub(super) fn extent(&self, seq: u64) -> Option<(Extent, u32)> {
        let extent = self.index.extent(seq)?;
        Some((extent, self.salts.get(&extent.segment).copied()?))
    }

    fn count(&mut self, now_ms: u64) {
        let totals = self.index.totals();
        let accepted = totals.accepted - self.counted.accepted;
        let settled = totals.settled - self.counted.settled;
        if accepted + settled > 0 {
            self.flow.count(now_ms, accepted, settled);
            self.counted = totals;
        }
    }

    /// So many bytes are left by what was written, of which so many are to stay free. Whoever is refused for it sees why, at
    /// once; that there is room again is for the file system to say.
    pub(super) fn has_used(&mut self, free: u64, min_free: u64) {
        self.free = free;
        if free < min_free {
            self.has_left(free, min_free);
        }
    }

    /// By the file system, so many bytes are left, of which so many are to stay free.
    pub(super) fn has_left(&mut self, free: u64, min_free: u64) {
        self.free = free;
        match self.disk {
            DiskHealth::Ok | DiskHealth::Low { .. } if free < min_free => self.disk = DiskHealth::Low { free },
            DiskHealth::Low { .. } => self.disk = DiskHealth::Ok,
            DiskHealth::Ok | DiskHealth::Failing { .. } => {}
        }
    }

    /// Answers all who wait for `seq`, once the status tells what they are told.
    pub(super) fn answer(&mut self, seq: u64, result: &Result<(), AcceptError>) {
        for waiter in self.waiters.remove(&seq).unwrap_or_default() {
            self.answers.push((waiter, result.clone()));
        }
        if result.is_err() {
            self.listeners.forget(seq);
        }
    }
}

/// Messages just accepted, so that the normal path needs no read. What does not fit is read when its turn comes.
pub(super) struct Cache {
    messages: HashMap<u64, Message>,
    bytes: usize,
    max_bytes: usize,
}

impl Cache {
    pub(super) fn insert(&mut self, seq: u64, message: Message) {
        if self.bytes + message.weight() <= self.max_bytes {
            self.bytes += message.weight();
            self.messages.insert(seq, message);
        }
    }

    pub(super) fn get(&self, seq: u64) -> Option<Message> {
        self.messages.get(&seq).cloned()
    }

    fn remove(&mut self, seq: u64) {
        if let Some(message) = self.messages.remove(&seq) {
            self.bytes -= message.weight();
        }
    }
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Held while a message is looked up and read, and while a segment's file is replaced.
    files: Mutex<()>,
    pub(super) ready: Notify,
    pub(super) status: watch::Sender<OutboxStatus>,
    clock: Arc<dyn Clock>,
    steady: Steady,
}

impl Shared {
    pub(super) fn new(index: Index, salts: BTreeMap<u32, u32>, options: &Options, steady: Steady) -> Self {
        let cache = Cache { messages: HashMap::new(), bytes: 0, max_bytes: options.cache_bytes };
        let mut state = State {
            index,
            waiters: HashMap::new(),
            answers: Vec::new(),
            listeners: Listeners::default(),
            cache,
            salts,
            disk: DiskHealth::Ok,
            closed: false,
            woken: false,
            free: u64::MAX,
            flow: Flow::default(),
            counted: Totals::default(),
        };
        let status = watch::Sender::new(status_of(&mut state));
        let clock = Arc::clone(&options.clock);
        Self { state: Mutex::new(state), files: Mutex::new(()), ready: Notify::new(), status, clock, steady }
    }

    /// Runs `act` with the time at hand and everything outlived dropped, then tells whoever listens what changed.
    pub(super) fn with<R>(&self, act: impl FnOnce(&mut State, u64) -> R) -> R {
        let now = self.now_ms();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.index.expire(now);
        let result = act(&mut state, now);
        state.count(now);
        self.tell(&mut state);
        let (answers, can_take) = (std::mem::take(&mut state.answers), state.index.can_take());
        // Who is woken takes this lock first of all: it must be free by then.
        drop(state);
        for (waiter, result) in answers {
            // One that does not wait any more needs no answer.
            let _ = waiter.reply.send(result.map(|()| waiter.duplicate));
        }
        if can_take {
            self.ready.notify_waiters();
        }
        result
    }

    /// While this is held, what the index says of the files is so.
    pub(super) fn hold_files(&self) -> MutexGuard<'_, ()> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The outbox's time.
    pub(super) fn now_ms(&self) -> u64 {
        self.steady.at(self.clock.boot_ms())
    }

    /// What is to be kept of the time.
    pub(super) fn anchor(&self) -> Anchor {
        self.steady.anchor(self.clock.host_time())
    }

    fn tell(&self, state: &mut State) {
        let State { index, cache, listeners, .. } = state;
        for notice in index.drain_notices() {
            cache.remove(notice.seq());
            listeners.tell(notice);
        }
        let status = status_of(state);
        self.status.send_if_modified(|old| {
            let changed = *old != status;
            *old = status;
            changed
        });
    }
}

fn status_of(state: &mut State) -> OutboxStatus {
    let index = &mut state.index;
    let totals = index.totals();
    OutboxStatus {
        queued: index.queued(),
        in_flight: index.in_flight() as u64,
        bytes: index.bytes(),
        accepted_total: totals.accepted,
        settled_total: totals.settled,
        dropped_total: totals.dropped,
        unreadable: index.parked(),
        oldest_accepted_unix_ms: index.oldest_unix_s().map(|s| u64::from(s) * 1000),
        disk: state.disk.clone(),
    }
}
