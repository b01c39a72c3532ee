//! The outbox's bookkeeping, pure: no file, no clock, no lock. `LIFECYCLE.md` in the room's folder has the states and the
//! numbered invariants.

mod carry;
mod expiry;
mod held;
mod keys;
mod order;
mod ring;
mod segments;
mod shelf;
mod streams;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::message::Message;
use super::notice::{DropReason, Notice};
use super::record::{Accept, Range, Record};
pub(super) use carry::{Carry, Finished, Note, Sparse, records_of};
use expiry::Expiry;
pub(super) use keys::Key;
use keys::Keys;
use ring::Ring;
pub(super) use segments::Extent;
use segments::{Entry, Place, Segments, State};
use streams::Streams;

/// How many numbers are set aside at a time for messages that leave no record of their own.
pub(super) const RESERVE_BLOCK: u64 = 1 << 16;

/// The bounds that the index keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Messages handed out and neither settled nor released.
    pub(super) window: usize,
    /// Settled keys remembered.
    pub(super) settled_keys: usize,
    pub(super) ring_messages: usize,
    pub(super) ring_bytes: usize,
    /// How long a message may wait, in milliseconds.
    pub(super) max_age_ms: u64,
    /// How long a message is fresh, in milliseconds.
    pub(super) fresh_ms: u64,
    /// The share of the line for fresh messages while older ones wait too, in percent.
    pub(super) fresh_percent: u32,
}

/// The answer to a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offer {
    /// A number of its own.
    New(u64),
    /// Its key is that of this message.
    Known(u64),
}

/// The next message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// From memory.
    Ring { seq: u64, message: Message },
    /// To be read.
    Disk { seq: u64 },
}

#[derive(Debug)]
enum Taken {
    Ring(Message),
    /// `expires` is kept here when its time ran out while it was taken.
    Disk {
        place: Place,
        expires: Option<u64>,
    },
}

/// Counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) accepted: u64,
    pub(super) settled: u64,
    pub(super) dropped: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Index {
    segments: Segments,
    ring: Ring,
    keys: Keys,
    expiry: Expiry,
    streams: Streams,
    limits: Limits,
    /// Messages below this number are not fresh any more.
    stale_below: u64,
    /// What the fresh messages have saved up of their share of the line, in percent of a message.
    credit: u32,
    /// Before this moment nothing ends because of its age.
    age_due: u64,
    /// Less urgent messages wait although they could go.
    floor: u8,
    taken: BTreeMap<u64, Taken>,
    parked: u64,
    notes: Vec<Note>,
    notices: Vec<Notice>,
    totals: Totals,
    next_seq: u64,
    /// Segments in which nothing lives and that stay for what they say.
    telling: BTreeSet<u32>,
    /// Segments in which something lives and that are not worth being written anew.
    dense: BTreeSet<u32>,
    /// One above the last number in the log. Numbers between it and `next_seq` are on their way there.
    placed: u64,
    ceiling: u64,
}

impl Index {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            segments: Segments::default(),
            ring: Ring::new(limits.ring_messages, limits.ring_bytes),
            keys: Keys::new(limits.settled_keys),
            expiry: Expiry::default(),
            streams: Streams::default(),
            limits,
            stale_below: 0,
            credit: 0,
            age_due: 0,
            floor: 0,
            taken: BTreeMap::new(),
            parked: 0,
            notes: Vec::new(),
            notices: Vec::new(),
            totals: Totals::default(),
            next_seq: 1,
            telling: BTreeSet::new(),
            dense: BTreeSet::new(),
            placed: 1,
            ceiling: 0,
        }
    }

    /// What a log says, record by record, at the start. False when a record contradicts those before it.
    pub(super) fn load(&mut self, segment: u32, offset: u32, len: u32, record: &Record<'_>) -> bool {
        match record {
            Record::Accept(accept) => {
                return accept.seq >= self.next_seq && self.load_accept(segment, offset, len, accept);
            }
            Record::Settle(ranges) => self.load_fate(segment, ranges, State::Settled),
            Record::Drop { reason, ranges } => self.load_fate(segment, ranges, State::Dropped(*reason)),
            Record::Remember { seq, uid, key } => {
                if self.keys.get(&Key { uid: *uid, text: (*key).into() }).is_none_or(|known| known <= *seq) {
                    self.keys.insert_settled(*seq, Key { uid: *uid, text: (*key).into() }, segment);
                }
            }
            Record::Reserve { ceiling } => self.ceiling = self.ceiling.max(*ceiling),
        }
        true
    }

    /// The log is read: numbers that may have been handed out without a record are never used again.
    pub(super) fn loaded(&mut self) {
        self.next_seq = self.next_seq.max(self.ceiling);
        self.ceiling = self.next_seq;
        // What was there before the start is not fresh.
        self.age_fresh(u64::MAX);
    }

    fn load_accept(&mut self, segment: u32, offset: u32, len: u32, accept: &Accept<'_>) -> bool {
        if self.next_seq == u64::MAX || !self.place(Extent { segment, offset, len }, accept) {
            return false;
        }
        if let Some(key) = accept.key {
            self.keys.insert(accept.seq, Key { uid: accept.uid, text: key.into() });
        }
        self.next_seq = accept.seq.saturating_add(1);
        true
    }

    fn load_fate(&mut self, by: u32, ranges: &[Range], state: State) {
        for range in ranges {
            for place in self.segments.in_range(range.first, range.last) {
                self.segments.refer(by, Segments::number_at(place));
                if self.segments.entry(place).is_some_and(|e| e.state.is_live()) {
                    self.end(place, state);
                }
            }
        }
    }

    /// A new newest segment.
    pub(super) fn open_segment(&mut self, number: u32) {
        self.segments.open(number, self.placed);
        self.telling.clear();
        self.dense.clear();
    }

    /// Whether the newest segment has a place for this number: it counts 24 bits on from its first.
    pub(super) fn newest_reaches(&self, seq: u64) -> bool {
        self.segments.newest_reaches(seq)
    }

    /// The message as a duplicate of which this key would be answered.
    pub(super) fn known(&self, uid: u32, key: Option<&str>) -> Option<u64> {
        self.keys.get(&Key { uid, text: key?.into() })
    }

    /// What the messages on the disk take, in bytes.
    pub(super) fn kept_bytes(&self) -> u64 {
        self.segments.live_bytes
    }

    /// How many messages on the disk are not acknowledged.
    pub(super) fn kept(&self) -> u64 {
        self.segments.live
    }

    /// What a program has on the disk and on its way there, in bytes.
    pub(super) fn bytes_of(&self, uid: u32) -> u64 {
        self.streams.bytes_of(uid)
    }

    /// So many bytes of a program are on their way to the disk, or (`false`) not any more.
    pub(super) fn on_its_way(&mut self, uid: u32, bytes: u64, is: bool) {
        self.streams.on_its_way(uid, bytes, is);
    }

    /// A QoS 1 message asks to be kept.
    pub(super) fn offer(&mut self, uid: u32, key: Option<&str>) -> Offer {
        let key = key.map(|key| Key { uid, text: key.into() });
        if let Some(seq) = key.as_ref().and_then(|key| self.keys.get(key)) {
            return Offer::Known(seq);
        }
        let seq = self.number();
        if let Some(key) = key {
            self.keys.insert(seq, key);
        }
        Offer::New(seq)
    }

    /// The offered message is durable, in the newest segment. [outbox-1]
    pub(super) fn accepted(&mut self, extent: Extent, accept: &Accept<'_>) {
        if self.place(extent, accept) {
            self.totals.accepted += 1;
        }
    }

    /// Where a message that is there lies on the disk now.
    pub(super) fn extent(&self, seq: u64) -> Option<Extent> {
        let (place, _) = self.segments.since(seq).next().filter(|(_, e)| e.seq == seq && e.state.is_live())?;
        self.segments.extent(place)
    }

    /// The offered message is not durable; its number is spent.
    pub(super) fn refused(&mut self, seq: u64) {
        self.keys.forget(seq);
    }

    /// Whether the message of a known key was acknowledged.
    pub(super) fn is_settled(&self, seq: u64) -> bool {
        self.keys.is_settled(seq)
    }

    /// A QoS 0 message: its number, or `None` while no numbers are set aside. On a disk that fails (`fails`), none will be, and it
    /// gets one that may be used again after a restart.
    pub(super) fn accept_in_memory(&mut self, message: Message, fails: bool) -> Option<u64> {
        if self.next_seq >= self.ceiling && !fails {
            return None;
        }
        let seq = self.number();
        self.totals.accepted += 1;
        self.put_in_ring(seq, message);
        Some(seq)
    }

    fn put_in_ring(&mut self, seq: u64, message: Message) {
        for gone in self.ring.push(seq, message) {
            self.tell_dropped(gone, DropReason::RingFull);
        }
    }

    fn number(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    fn place(&mut self, extent: Extent, accept: &Accept<'_>) -> bool {
        if self.segments.newest() != Some(extent.segment) {
            return false;
        }
        let stream = self.streams.join(accept.uid, accept.topic, extent.len);
        let entry = Entry {
            seq: accept.seq,
            offset: extent.offset,
            len: extent.len,
            priority: accept.priority,
            state: State::Waiting,
            expires: accept.expires_unix_ms.is_some(),
            keyed: accept.key.is_some(),
            stream,
        };
        let accepted_s = u32::try_from(accept.accepted_unix_ms / 1000).unwrap_or(u32::MAX);
        let Some(place) = self.segments.push(&entry, accepted_s) else {
            self.streams.leave(stream, extent.len);
            return false;
        };
        if let Some(at) = accept.expires_unix_ms {
            self.expiry.push(at, place);
        }
        self.placed = accept.seq.saturating_add(1);
        true
    }

    /// The cloud acknowledged it. Nothing happens when it is not out. [outbox-2]
    pub(super) fn settle(&mut self, seq: u64) {
        let Some(taken) = self.taken.remove(&seq) else { return };
        self.totals.settled += 1;
        match taken {
            Taken::Ring(_) => self.notices.push(Notice::Settled { seq }),
            Taken::Disk { place, .. } => {
                self.end(place, State::Settled);
                self.notes.push(Note { seq, segment: Segments::number_at(place), drop: None, untold: true });
            }
        }
    }

    /// It was not sent after all and goes back to its old place. [outbox-5]
    pub(super) fn release(&mut self, seq: u64) {
        match self.taken.remove(&seq) {
            Some(Taken::Ring(message)) => self.put_in_ring(seq, message),
            Some(Taken::Disk { place, expires }) => {
                self.turn(place, State::Waiting);
                self.age_due = 0;
                if let Some(at) = expires {
                    self.expiry.push(at, place);
                }
            }
            None => {}
        }
    }

    /// Its record turned out to be damaged: there is nothing left to send.
    pub(super) fn spoil(&mut self, seq: u64) {
        if let Some(Taken::Disk { place, .. }) = self.taken.remove(&seq) {
            self.drop_kept(seq, place, DropReason::Corrupt);
        }
    }

    /// Drops the oldest of the lowest priority that wait, until the messages on the disk take at most `bytes` and are at
    /// most `messages`; none that is more urgent than `priority`. False when that is not enough; then nothing was dropped.
    /// What stands aside must not be why something is refused, and waits again where it would be. [outbox-12] [outbox-22]
    pub(super) fn make_room(&mut self, bytes: u64, messages: u64, priority: u8) -> bool {
        let spare = |index: &Self| index.segments.live_bytes <= bytes && index.segments.live <= messages;
        if spare(self) {
            return true;
        }
        let firm_bytes = self.segments.live_bytes - self.segments.waiting_bytes(priority);
        let firm = self.segments.live - self.segments.waiting_count(priority);
        if firm_bytes > bytes || firm > messages {
            return self.let_go() && self.make_room(bytes, messages, priority);
        }
        while !spare(self) {
            let Some((seq, place)) = (0..=priority).find_map(|p| self.segments.first_waiting(p)) else { return false };
            self.drop_kept(seq, place, DropReason::Full);
        }
        true
    }

    /// It can never be sent: it ends here, and is told.
    pub(super) fn give_up(&mut self, seq: u64) {
        match self.taken.remove(&seq) {
            Some(Taken::Disk { place, .. }) => self.drop_kept(seq, place, DropReason::Unsendable),
            Some(Taken::Ring(_)) => self.tell_dropped(seq, DropReason::Unsendable),
            None => {}
        }
    }

    /// Its record cannot be read now: it is set aside until the next start, and blocks nobody.
    pub(super) fn park(&mut self, seq: u64) {
        if self.taken.remove(&seq).is_some() {
            self.parked += 1;
        }
    }

    fn drop_kept(&mut self, seq: u64, place: Place, reason: DropReason) {
        self.end(place, State::Dropped(reason));
        self.notes.push(Note { seq, segment: Segments::number_at(place), drop: Some(reason), untold: false });
        self.tell_dropped(seq, reason);
    }

    fn tell_dropped(&mut self, seq: u64, reason: DropReason) {
        self.totals.dropped += 1;
        self.notices.push(Notice::Dropped { seq, reason });
    }

    fn end(&mut self, place: Place, state: State) {
        let Some(entry) = self.turn(place, state) else { return };
        if entry.state.is_live() && !state.is_live() {
            self.streams.leave(entry.stream, entry.len);
        }
        if entry.keyed {
            // A program that is told of a drop may publish again under the same key.
            if state == State::Settled {
                self.keys.settled(entry.seq, Segments::number_at(place));
            } else {
                self.keys.forget(entry.seq);
            }
        }
        if entry.expires {
            self.expiry.bury(&self.segments);
        }
    }

    /// What happened since the last call.
    pub(super) fn drain_notices(&mut self) -> std::vec::Drain<'_, Notice> {
        self.notices.drain(..)
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Messages that wait.
    pub(super) fn queued(&self) -> u64 {
        let out = self.taken.values().filter(|t| matches!(t, Taken::Disk { .. })).count() as u64;
        (self.segments.live + self.ring.len() as u64).saturating_sub(out + self.parked)
    }

    pub(super) fn in_flight(&self) -> usize {
        self.taken.len()
    }

    /// Messages set aside because their records could not be read.
    pub(super) fn parked(&self) -> u64 {
        self.parked
    }

    /// Bytes of what is live: records on the disk, and the ring.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.live_bytes + self.ring.bytes() as u64
    }

    /// When the oldest live message on the disk was accepted, in seconds since 1970.
    pub(super) fn oldest_unix_s(&mut self) -> Option<u32> {
        self.segments.oldest()
    }
}
