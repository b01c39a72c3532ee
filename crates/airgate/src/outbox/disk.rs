//! The thread that writes: it gathers what arrives within the commit window, appends it, makes one fsync for all, and only
//! then answers. A disk that takes seconds stalls the acceptances that wait for it and nothing else.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::company::Company;
use super::errors::AcceptError;
use super::files::DirLock;
use super::index::{Carry, Extent, Finished, Note, records_of};
use super::log::{Log, Written};
use super::message::Message;
use super::options::Options;
use super::record::{Accept, Record};
use super::recover::CLOCK_FILE;
use super::segment::file_name;
use super::shared::{DiskHealth, Shared, State};
use super::space::Space;

/// The longest sleep while something is to expire: a host that sleeps meanwhile does not wake us.
const CLOCK_DOUBT: Duration = Duration::from_secs(60);
/// When settlements could not be written, how soon to try again: not sooner, or a full disk would cost a core.
const RETRY: Duration = Duration::from_secs(1);
/// How soon to ask again while too little is left.
const LOW_PAUSE: Duration = Duration::from_secs(10);
/// How soon to ask again whether the host's clock is known to be right.
const CLOCK_LOOK: Duration = Duration::from_secs(10);

pub(super) enum Job {
    Accept(AcceptJob),
    /// Something in the index wants attention.
    Wake,
    /// The last job.
    Close(oneshot::Sender<()>),
}

pub(super) struct AcceptJob {
    pub(super) offered: Offered,
    /// Room among the pending bytes, given back in the moment in which the message is counted as kept or is refused.
    pub(super) room: OwnedSemaphorePermit,
}

/// A message with its number, on its way to the disk.
pub(super) struct Offered {
    pub(super) seq: u64,
    pub(super) accepted_unix_ms: u64,
    pub(super) message: Message,
}

impl Offered {
    fn accept(&self) -> Accept<'_> {
        Accept::of(self.seq, self.accepted_unix_ms, &self.message)
    }
}

/// See the module.
pub(super) struct Writer {
    pub(super) log: Log,
    pub(super) shared: Arc<Shared>,
    pub(super) jobs: Receiver<Job>,
    pub(super) options: Options,
    pub(super) lock: Option<DirLock>,
    /// When what was jotted down is to be made durable, or what could not be written is tried again.
    pub(super) notes_due: Option<Instant>,
    pub(super) space: Space,
    /// When the last group with acceptances was on the disk.
    pub(super) committed: Option<Instant>,
    pub(super) company: Company,
    /// Whether the host's clock was known to be right when the time was last kept.
    pub(super) anchored: Option<bool>,
    /// When the host was last asked about its clock.
    pub(super) clock_asked: Option<Instant>,
    /// Not before this moment is a segment written anew again, after that failed.
    pub(super) compact_from: Option<Instant>,
}

/// Nobody can ask any more.
struct Gone;

impl Writer {
    /// What must be before anything is accepted: it is known what the disk has left, and numbers are set aside.
    pub(super) fn prepare(&mut self) {
        self.look_at_space();
        self.commit(Vec::new(), None);
    }

    /// Works until it is closed or nobody is left to ask.
    pub(super) fn run(mut self) {
        self.keep_time();
        self.tidy();
        let reply = loop {
            let until = self.patience();
            let job = match self.receive(until) {
                Ok(job) => job,
                Err(Gone) => break None,
            };
            let (jobs, close) = match job {
                Some(Job::Accept(first)) => self.gather(first),
                Some(Job::Close(reply)) => break Some(reply),
                Some(Job::Wake) | None if !self.is_due() => {
                    self.look_at_space();
                    self.jot();
                    continue;
                }
                Some(Job::Wake) | None => (Vec::new(), None),
            };
            self.commit(jobs, None);
            self.tidy();
            self.look_at_space();
            if self.anchored == Some(false) && self.clock_asked.is_none_or(|at| at.elapsed() >= CLOCK_LOOK) {
                self.keep_time();
            }
            if close.is_some() {
                break close;
            }
        };
        self.commit(Vec::new(), None);
        self.tidy();
        self.log.give_back();
        self.anchored = None;
        self.keep_time();
        self.lock = None;
        if let Some(reply) = reply {
            let _ = reply.send(());
        }
    }

    /// The next job; `None` when `until` has come.
    fn receive(&self, until: Option<Instant>) -> Result<Option<Job>, Gone> {
        let Some(until) = until else { return self.jobs.recv().map(Some).map_err(|_| Gone) };
        match self.jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(job) => Ok(Some(job)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }

    /// Until when there is nothing to do by itself.
    fn patience(&mut self) -> Option<Instant> {
        let (expiry, unwritten) = self
            .shared
            .with(|state, now| (state.index.next_expiry().map(|at| at.saturating_sub(now)), state.index.unwritten()));
        if unwritten > 0 && self.notes_due.is_none() {
            self.notes_due = Some(Instant::now() + self.options.settle_delay);
        }
        let low = matches!(self.shared.status.borrow().disk, DiskHealth::Low { .. });
        let space = low.then(|| Instant::now() + LOW_PAUSE);
        let expiry = expiry.map(|ms| Instant::now() + Duration::from_millis(ms).min(CLOCK_DOUBT));
        [self.notes_due, expiry, space].into_iter().flatten().min()
    }

    /// Whether something is to be written although nobody waits for it.
    fn is_due(&self) -> bool {
        let (unwritten, reserve) = self.shared.with(|state, _| {
            state.woken = false;
            (state.index.unwritten(), state.index.reserve_wanted().is_some())
        });
        let waited = self.notes_due.is_some_and(|due| due <= Instant::now());
        unwritten >= self.options.settle_batch || reserve || ((unwritten > 0 || self.log.unsynced) && waited)
    }

    /// The group that the first one opens. It waits for company until a commit window after the last group, as long as
    /// company comes: that bounds the fsyncs, and a message that comes alone does not wait.
    fn gather(&mut self, first: AcceptJob) -> (Vec<AcceptJob>, Option<oneshot::Sender<()>>) {
        let now = Instant::now();
        let window_ends = self.committed.map_or(now, |last| last + self.options.commit_window);
        let waits = self.company.expected() && window_ends > now;
        let until = if waits { window_ends } else { now };
        let mut bytes = first.offered.message.weight();
        let (mut jobs, mut close) = (vec![first], None);
        while bytes < self.options.commit_bytes {
            match self.receive(Some(until)) {
                Ok(Some(Job::Accept(job))) => {
                    bytes += job.offered.message.weight();
                    jobs.push(job);
                }
                Ok(Some(Job::Wake)) => self.shared.with(|state, _| state.woken = false),
                Ok(Some(Job::Close(reply))) => {
                    close = Some(reply);
                    break;
                }
                Ok(None) | Err(Gone) => break,
            }
        }
        self.company.came(waits, jobs.len());
        (jobs, close)
    }

    /// Writes a group: what is to be accepted, what has ended, and what a finished segment hands on. True when durable.
    pub(super) fn commit(&mut self, jobs: Vec<AcceptJob>, carry: Option<&Carry>) -> bool {
        self.notes_due = None;
        let (group, rooms): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.offered, job.room)).unzip();
        let last = group.last().map(|job| job.seq);
        let (notes, reserve, ceiling, reaches) = self.shared.with(|state, _| {
            let index = &mut state.index;
            let reaches = last.is_none_or(|seq| index.newest_reaches(seq));
            (index.take_notes(), index.reserve_wanted(), index.ceiling(), reaches)
        });
        // Accept records first: their places are then those of the group.
        let mut records: Vec<_> = group.iter().map(|offered| Record::Accept(offered.accept())).collect();
        records.extend(records_of(&notes));
        records.extend(reserve.map(|ceiling| Record::Reserve { ceiling }));
        records.extend(carry.into_iter().flat_map(Carry::records));
        if records.is_empty() {
            let synced = self.log.sync();
            return self.told("settlements cannot be made durable", synced);
        }
        let accepting = !group.is_empty();
        let written = self.log.write(&records, ceiling, !reaches);
        if accepting {
            self.committed = Some(Instant::now());
        }
        match written {
            Ok(written) => {
                self.space.wrote(written.bytes);
                // Nobody is refused by a guess: a file system counts in blocks, of which the last may have had room.
                let (left, min_free) = (self.space.left(), self.options.min_free);
                let left = if left < min_free { self.ask_what_is_left() } else { left };
                self.shared.with(|state, _| {
                    drop(rooms);
                    keep(state, group, &notes, &written, reserve, carry);
                    // What was on its way to the disk is on it now.
                    state.has_used(left, min_free);
                });
                true
            }
            Err(error) => {
                if !notes.is_empty() {
                    self.notes_due = Some(Instant::now() + self.options.settle_delay.max(RETRY));
                }
                self.shared.with(|state, _| {
                    drop(rooms);
                    refuse(state, &group, notes, error.to_string());
                });
                false
            }
        }
    }

    /// Writes what has ended, without waiting for the disk: a daemon that is killed sends nothing twice but what was in
    /// flight. The fsync comes with the next group, or after `settle_delay`.
    pub(super) fn jot(&mut self) {
        let notes = self.shared.with(|state, _| state.index.take_notes());
        if notes.is_empty() {
            return;
        }
        let records = records_of(&notes);
        let written = self.log.jot(&records);
        let due = Instant::now() + self.options.settle_delay;
        self.notes_due.get_or_insert(due);
        match written {
            Ok(true) => {
                self.space.wrote(records.iter().map(|record| record.encoded_len() as u64).sum());
                self.shared.with(|state, _| state.index.wrote_notes(&notes));
            }
            Ok(false) => self.shared.with(|state, _| state.index.return_notes(notes)),
            Err(error) => {
                self.notes_due = Some(due.max(Instant::now() + RETRY));
                self.shared.with(|state, _| refuse(state, &[], notes, error.to_string()));
            }
        }
        self.tidy();
    }

    /// Deletes the segments that are of no more use.
    pub(super) fn tidy(&mut self) {
        let mut deleted = false;
        while let Some(finished) = self.shared.with(|state, _| state.index.finished(&self.log.sizes)) {
            match finished {
                Finished::Carry(carry) => {
                    if !self.commit(Vec::new(), Some(&carry)) {
                        break;
                    }
                }
                Finished::Delete(number) => {
                    let removed = self.log.files.remove(&self.log.dir.join(file_name(number)));
                    if !self.told("a finished segment cannot be deleted", removed) {
                        break;
                    }
                    deleted = true;
                    self.log.sizes.remove(&number);
                    self.shared.with(|state, _| {
                        state.index.removed(number);
                        state.salts.remove(&number);
                    });
                }
            }
        }
        if deleted {
            let synced = self.log.files.sync_dir(&self.log.dir);
            self.told("a finished segment cannot be deleted", synced);
        }
        if !matches!(self.shared.status.borrow().disk, DiskHealth::Ok) {
            self.log.give_back();
        }
        self.empty_newest();
        self.compact();
    }

    /// Asks what the file system has left, when that could matter.
    fn look_at_space(&mut self) {
        if self.space.is_doubtful(Instant::now()) {
            let (free, min_free) = (self.ask_what_is_left(), self.options.min_free);
            self.shared.with(|state, _| state.has_left(free, min_free));
        }
    }

    fn ask_what_is_left(&mut self) -> u64 {
        let mut free = self.free();
        // What was taken ahead must not be why something is refused. [outbox-21]
        if free < self.options.min_free && self.log.give_back() {
            free = self.free();
        }
        let free = free.saturating_add(self.log.ahead());
        self.space.said(free, Instant::now());
        free
    }

    /// One that does not say is not full.
    fn free(&self) -> u64 {
        self.log.files.free(&self.log.dir).unwrap_or(u64::MAX)
    }

    /// Keeps the time: at the start, once the host's clock is known to be right, and at the end.
    pub(super) fn keep_time(&mut self) {
        let anchor = self.shared.anchor();
        self.clock_asked = Some(Instant::now());
        if self.anchored == Some(anchor.known_good()) {
            return;
        }
        self.anchored = Some(anchor.known_good());
        // Without it, messages live longer after the next start of the host, which is no harm.
        let _ = self.log.files.replace(&self.log.dir.join(CLOCK_FILE), &anchor.encode());
    }

    pub(super) fn told(&self, what: &str, result: std::io::Result<()>) -> bool {
        if let Err(error) = &result {
            let reason = format!("{what}: {error}");
            self.shared.with(|state, _| state.disk = DiskHealth::Failing { reason });
        }
        result.is_ok()
    }
}

impl Drop for Writer {
    /// However the thread ends, nobody waits for it in vain.
    fn drop(&mut self) {
        self.shared.with(|state, _| {
            state.closed = true;
            let waiting: Vec<u64> = state.waiters.keys().copied().collect();
            for seq in waiting {
                state.answer(seq, &Err(AcceptError::Closed));
            }
        });
    }
}

fn keep(
    state: &mut State,
    group: Vec<Offered>,
    notes: &[Note],
    written: &Written,
    reserve: Option<u64>,
    carry: Option<&Carry>,
) {
    if let Some(head) = written.begun {
        state.index.open_segment(head.number);
        state.salts.insert(head.number, head.salt);
    }
    for (offered, (offset, len)) in group.into_iter().zip(&written.spans) {
        state.index.accepted(Extent { segment: written.segment, offset: *offset, len: *len }, &offered.accept());
        let Offered { seq, message, .. } = offered;
        state.index.on_its_way(message.uid, message.weight() as u64, false);
        state.cache.insert(seq, message);
        state.answer(seq, &Ok(()));
    }
    state.index.wrote_notes(notes);
    state.index.reserved(reserve.unwrap_or(0));
    if let Some(carry) = carry {
        state.index.carried(carry);
    }
    if !matches!(state.disk, DiskHealth::Low { .. }) {
        state.disk = DiskHealth::Ok;
    }
}

fn refuse(state: &mut State, group: &[Offered], notes: Vec<Note>, reason: String) {
    state.index.return_notes(notes);
    for offered in group {
        state.index.on_its_way(offered.message.uid, offered.message.weight() as u64, false);
        state.index.refused(offered.seq);
        state.answer(offered.seq, &Err(AcceptError::Disk { reason: reason.clone() }));
    }
    state.disk = DiskHealth::Failing { reason };
}
