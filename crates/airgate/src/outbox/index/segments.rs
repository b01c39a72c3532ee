//! Where each kept message lies and what became of it: 16 bytes a message, in the order of the log.

use std::collections::{BTreeSet, VecDeque};

use crate::outbox::message::PRIORITIES;
use crate::outbox::record::DropReason;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum State {
    /// It waits to be sent.
    Waiting,
    /// The session has it.
    Taken,
    /// The cloud acknowledged it.
    Settled,
    /// It was given up.
    Dropped(DropReason),
}

impl State {
    pub(super) fn is_live(self) -> bool {
        matches!(self, Self::Waiting | Self::Taken)
    }

    fn code(self) -> u32 {
        match self {
            Self::Waiting => 0,
            Self::Taken => 1,
            Self::Settled => 2,
            Self::Dropped(DropReason::Ttl) => 3,
            Self::Dropped(DropReason::RingFull) => 4,
            Self::Dropped(DropReason::Corrupt) => 5,
            Self::Dropped(DropReason::Unsendable) => 6,
            Self::Dropped(DropReason::Full) => 7,
        }
    }

    fn from_code(code: u32) -> Self {
        match code {
            0 => Self::Waiting,
            1 => Self::Taken,
            2 => Self::Settled,
            3 => Self::Dropped(DropReason::Ttl),
            4 => Self::Dropped(DropReason::RingFull),
            5 => Self::Dropped(DropReason::Corrupt),
            6 => Self::Dropped(DropReason::Unsendable),
            _ => Self::Dropped(DropReason::Full),
        }
    }
}

/// A record's bytes on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct Extent {
    pub(in crate::outbox) segment: u32,
    pub(in crate::outbox) offset: u32,
    /// Header included.
    pub(in crate::outbox) len: u32,
}

/// A message's place in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    segment: u32,
    at: u32,
}

/// What the index knows of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) offset: u32,
    pub(super) len: u32,
    /// Whole seconds since 1970; 32 bits of them last until 2106.
    pub(super) accepted_unix_s: u32,
    pub(super) priority: u8,
    pub(super) state: State,
    pub(super) expires: bool,
    pub(super) keyed: bool,
}

/// An [`Entry`] in 16 bytes: the length in bits 0..20, priority 20..24, state 24..27, then two flags.
#[derive(Debug, Clone, Copy)]
struct Packed {
    delta: u32,
    offset: u32,
    accepted_unix_s: u32,
    bits: u32,
}

const _: () = assert!(size_of::<Packed>() == 16);
const LEN_MASK: u32 = (1 << 20) - 1;
const STATE_SHIFT: u32 = 24;
const STATE_MASK: u32 = 7 << STATE_SHIFT;

impl Packed {
    fn of(delta: u32, e: &Entry) -> Self {
        let bits = (e.len & LEN_MASK)
            | (u32::from(e.priority) & 15) << 20
            | e.state.code() << STATE_SHIFT
            | u32::from(e.expires) << 27
            | u32::from(e.keyed) << 28;
        Self { delta, offset: e.offset, accepted_unix_s: e.accepted_unix_s, bits }
    }

    fn priority(self) -> u8 {
        u8::try_from(self.bits >> 20 & 15).unwrap_or(0)
    }

    fn state(self) -> State {
        State::from_code((self.bits & STATE_MASK) >> STATE_SHIFT)
    }

    fn unpack(self, base: u64) -> Entry {
        Entry {
            seq: base + u64::from(self.delta),
            offset: self.offset,
            len: self.bits & LEN_MASK,
            accepted_unix_s: self.accepted_unix_s,
            priority: self.priority(),
            state: self.state(),
            expires: self.bits >> 27 & 1 == 1,
            keyed: self.bits >> 28 & 1 == 1,
        }
    }
}

#[derive(Debug)]
struct Segment {
    number: u32,
    base: u64,
    entries: Vec<Packed>,
    live: u32,
    waiting: [u32; PRIORITIES],
    /// No message of this priority waits before this entry.
    cursor: [u32; PRIORITIES],
    /// No live message lies before this entry.
    first_live: u32,
    /// Segments whose messages this one says something about: it must outlive them, or say it elsewhere first.
    about: BTreeSet<u32>,
}

impl Segment {
    fn count(&mut self, packed: Packed, sign: i32) {
        if let Some(waiting) = self.waiting.get_mut(usize::from(packed.priority()))
            && packed.state() == State::Waiting
        {
            *waiting = waiting.saturating_add_signed(sign);
        }
        if packed.state().is_live() {
            self.live = self.live.saturating_add_signed(sign);
        }
    }
}

/// All segments, oldest first; sequence numbers rise from one to the next.
#[derive(Debug, Default)]
pub(super) struct Segments {
    list: VecDeque<Segment>,
    waiting: [u64; PRIORITIES],
    waiting_bytes: [u64; PRIORITIES],
    pub(super) live: u64,
    pub(super) live_bytes: u64,
}

impl Segments {
    /// A new newest segment, whose messages will have numbers from `base` on.
    pub(super) fn open(&mut self, number: u32, base: u64) {
        if let Some(sealed) = self.list.back_mut() {
            sealed.entries.shrink_to_fit();
        }
        let (waiting, cursor) = ([0; PRIORITIES], [0; PRIORITIES]);
        let about = BTreeSet::new();
        self.list.push_back(Segment {
            number,
            base,
            entries: Vec::new(),
            live: 0,
            waiting,
            cursor,
            first_live: 0,
            about,
        });
    }

    /// Appends to the newest segment; `None` when it has no place for this number.
    pub(super) fn push(&mut self, entry: &Entry) -> Option<Place> {
        let segment = self.list.back_mut()?;
        let delta = u32::try_from(entry.seq.checked_sub(segment.base)?).ok()?;
        let at = u32::try_from(segment.entries.len()).ok()?;
        let packed = Packed::of(delta, entry);
        segment.entries.push(packed);
        segment.count(packed, 1);
        let place = Place { segment: segment.number, at };
        self.total(packed, 1);
        Some(place)
    }

    pub(super) fn entry(&self, place: Place) -> Option<Entry> {
        let segment = self.list.get(self.position(place.segment)?)?;
        Some(segment.entries.get(place.at as usize)?.unpack(segment.base))
    }

    pub(super) fn extent(&self, place: Place) -> Option<Extent> {
        let entry = self.entry(place)?;
        Some(Extent { segment: place.segment, offset: entry.offset, len: entry.len })
    }

    /// Moves a message to another state; gives it as it was before.
    pub(super) fn set(&mut self, place: Place, state: State) -> Option<Entry> {
        let position = self.position(place.segment)?;
        let segment = self.list.get_mut(position)?;
        let slot = segment.entries.get_mut(place.at as usize)?;
        let before = *slot;
        slot.bits = (slot.bits & !STATE_MASK) | state.code() << STATE_SHIFT;
        let after = *slot;
        segment.count(before, -1);
        segment.count(after, 1);
        if state == State::Waiting
            && let Some(cursor) = segment.cursor.get_mut(usize::from(after.priority()))
        {
            *cursor = place.at.min(*cursor);
        }
        let base = segment.base;
        self.total(before, -1);
        self.total(after, 1);
        Some(before.unpack(base))
    }

    /// The oldest message of this priority that waits.
    pub(super) fn first_waiting(&mut self, priority: u8) -> Option<(u64, Place)> {
        let p = usize::from(priority);
        if *self.waiting.get(p)? == 0 {
            return None;
        }
        let segment = self.list.iter_mut().find(|s| s.waiting.get(p).is_some_and(|waiting| *waiting > 0))?;
        let cursor = segment.cursor.get_mut(p)?;
        let rest = segment.entries.get(*cursor as usize..)?;
        let ahead = rest.iter().position(|e| e.state() == State::Waiting && e.priority() == priority)?;
        *cursor += u32::try_from(ahead).ok()?;
        let entry = segment.entries.get(*cursor as usize)?.unpack(segment.base);
        Some((entry.seq, Place { segment: segment.number, at: *cursor }))
    }

    /// What the messages take that wait and are at most this urgent, in bytes.
    pub(super) fn waiting_bytes(&self, priority: u8) -> u64 {
        self.waiting_bytes.iter().take(usize::from(priority) + 1).sum()
    }

    /// The messages numbered `first` to `last`.
    pub(super) fn in_range(&self, first: u64, last: u64) -> Vec<Place> {
        let start = self.list.partition_point(|s| s.base <= first).saturating_sub(1);
        let mut places = Vec::new();
        for segment in self.list.iter().skip(start).take_while(|s| s.base <= last) {
            let from = segment.entries.partition_point(|e| segment.base + u64::from(e.delta) < first);
            let to = segment.entries.partition_point(|e| segment.base + u64::from(e.delta) <= last);
            let at = (from..to).filter_map(|at| u32::try_from(at).ok());
            places.extend(at.map(|at| Place { segment: segment.number, at }));
        }
        places
    }

    /// When the oldest live message was accepted, in seconds since 1970.
    pub(super) fn oldest(&mut self) -> Option<u32> {
        let segment = self.list.iter_mut().find(|s| s.live > 0)?;
        let rest = segment.entries.get(segment.first_live as usize..)?;
        segment.first_live += u32::try_from(rest.iter().position(|e| e.state().is_live())?).ok()?;
        Some(segment.entries.get(segment.first_live as usize)?.accepted_unix_s)
    }

    /// The oldest segment, other than the newest, in which nothing is live.
    pub(super) fn finished(&self) -> Option<u32> {
        let sealed = self.list.len().saturating_sub(1);
        self.list.iter().take(sealed).find(|s| s.live == 0).map(|s| s.number)
    }

    /// The segments, still there, that `number` says something about.
    pub(super) fn about(&self, number: u32) -> BTreeSet<u32> {
        let about = self.position(number).and_then(|at| self.list.get(at)).map(|s| &s.about);
        about.into_iter().flatten().copied().filter(|other| self.position(*other).is_some()).collect()
    }

    /// `by` now says something about the messages of `other`.
    pub(super) fn refer(&mut self, by: u32, other: u32) {
        if by != other
            && let Some(segment) = self.position(by).and_then(|at| self.list.get_mut(at))
        {
            segment.about.insert(other);
        }
    }

    /// What `number` said is said elsewhere.
    pub(super) fn clear_about(&mut self, number: u32) {
        if let Some(segment) = self.position(number).and_then(|at| self.list.get_mut(at)) {
            segment.about.clear();
        }
    }

    /// Numbers and fates of the messages of a segment that are not live, in order.
    pub(super) fn fates(&self, number: u32) -> Vec<Entry> {
        let segment = self.position(number).and_then(|at| self.list.get(at));
        let entries = segment.into_iter().flat_map(|s| s.entries.iter().map(|e| e.unpack(s.base)));
        entries.filter(|e| !e.state.is_live()).collect()
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(at) = self.position(number) {
            self.list.remove(at);
        }
    }

    pub(super) fn number_at(place: Place) -> u32 {
        place.segment
    }

    pub(super) fn newest(&self) -> Option<u32> {
        self.list.back().map(|s| s.number)
    }

    pub(super) fn newest_reaches(&self, seq: u64) -> bool {
        self.list.back().is_none_or(|s| seq.checked_sub(s.base).is_some_and(|delta| u32::try_from(delta).is_ok()))
    }

    fn position(&self, number: u32) -> Option<usize> {
        self.list.binary_search_by_key(&number, |s| s.number).ok()
    }

    fn total(&mut self, packed: Packed, sign: i64) {
        if let Some(waiting) = self.waiting.get_mut(usize::from(packed.priority()))
            && packed.state() == State::Waiting
        {
            *waiting = waiting.saturating_add_signed(sign);
        }
        let bytes = sign * i64::from(packed.bits & LEN_MASK);
        if let Some(waiting) = self.waiting_bytes.get_mut(usize::from(packed.priority()))
            && packed.state() == State::Waiting
        {
            *waiting = waiting.saturating_add_signed(bytes);
        }
        if packed.state().is_live() {
            self.live = self.live.saturating_add_signed(sign);
            self.live_bytes = self.live_bytes.saturating_add_signed(bytes);
        }
    }
}
