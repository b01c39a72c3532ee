//! Where each kept message lies and what became of it: 12 bytes a message, in the order of the log.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::streams::StreamId;
use crate::outbox::message::{PRIORITIES, PRIORITY_MAX};
use crate::outbox::notice::DropReason;

/// What became of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) enum State {
    /// It waits to be sent.
    Waiting,
    /// The session has it.
    Taken,
    /// It waits, and stands aside.
    Held,
    /// The cloud acknowledged it.
    Settled,
    /// It was given up.
    Dropped(DropReason),
}

impl State {
    pub(super) fn is_live(self) -> bool {
        self.waits() || self == Self::Taken
    }

    /// Whether it is there and nobody has it.
    pub(super) fn waits(self) -> bool {
        matches!(self, Self::Waiting | Self::Held)
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
            Self::Dropped(DropReason::MaxAge) => 8,
            Self::Dropped(DropReason::Operator) => 9,
            Self::Held => 10,
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
            8 => Self::Dropped(DropReason::MaxAge),
            9 => Self::Dropped(DropReason::Operator),
            10 => Self::Held,
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

/// A message's place in the index: it holds as long as the message lives, also when others around it are taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    segment: u32,
    /// Its number, counted from the segment's base.
    delta: u32,
}

/// What the index knows of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) seq: u64,
    pub(super) offset: u32,
    pub(super) len: u32,
    pub(super) priority: u8,
    pub(super) state: State,
    pub(super) expires: bool,
    pub(super) keyed: bool,
    pub(super) stream: StreamId,
}

/// An [`Entry`] in 12 bytes. `number`: delta 24 bits, priority 4, state 4. `spot`: offset 28, two flags, stream (high) 2.
/// `size`: length 20, stream (low) 12.
#[derive(Debug, Clone, Copy)]
struct Packed {
    number: u32,
    spot: u32,
    size: u32,
}

const _: () = assert!(size_of::<Packed>() == 12);
const DELTA_BITS: u32 = 24;
const OFFSET_BITS: u32 = 28;
const LEN_BITS: u32 = 20;
const STATE_SHIFT: u32 = 28;
/// Acceptances closer together than this share a mark: their times are known to that many seconds.
pub(super) const GRAIN_S: u32 = 8;

fn low(bits: u32) -> u32 {
    (1 << bits) - 1
}

impl Packed {
    fn of(delta: u32, e: &Entry) -> Self {
        let stream = u32::from(e.stream.0);
        Self {
            number: delta & low(DELTA_BITS)
                | (u32::from(e.priority) & 15) << DELTA_BITS
                | e.state.code() << STATE_SHIFT,
            spot: e.offset & low(OFFSET_BITS)
                | u32::from(e.expires) << OFFSET_BITS
                | u32::from(e.keyed) << (OFFSET_BITS + 1)
                | (stream >> 12 & 3) << (OFFSET_BITS + 2),
            size: e.len & low(LEN_BITS) | (stream & low(12)) << LEN_BITS,
        }
    }

    fn delta(self) -> u32 {
        self.number & low(DELTA_BITS)
    }

    fn priority(self) -> u8 {
        u8::try_from(self.number >> DELTA_BITS & 15).unwrap_or(0)
    }

    fn state(self) -> State {
        State::from_code(self.number >> STATE_SHIFT)
    }

    fn len(self) -> u32 {
        self.size & low(LEN_BITS)
    }

    fn stream(self) -> StreamId {
        let number = (self.spot >> (OFFSET_BITS + 2)) << 12 | self.size >> LEN_BITS;
        StreamId(u16::try_from(number).unwrap_or(0))
    }

    fn unpack(self, base: u64) -> Entry {
        Entry {
            seq: base + u64::from(self.delta()),
            offset: self.spot & low(OFFSET_BITS),
            len: self.len(),
            priority: self.priority(),
            state: self.state(),
            expires: self.spot >> OFFSET_BITS & 1 == 1,
            keyed: self.spot >> (OFFSET_BITS + 1) & 1 == 1,
            stream: self.stream(),
        }
    }
}

#[derive(Debug)]
struct Segment {
    number: u32,
    /// From here on its numbers are counted: none of them is below it, and once there is a first one (`begun`), it is that.
    base: u64,
    begun: bool,
    entries: Vec<Packed>,
    /// From which number on (counted from the base) which time of acceptance holds, in whole seconds (32 bits of them last
    /// until 2106).
    times: Vec<(u32, u32)>,
    live: u32,
    live_bytes: u64,
    waiting: [u32; PRIORITIES],
    /// No message of this priority waits before this entry.
    cursor: [u32; PRIORITIES],
    /// No live message lies before this entry.
    first_live: u32,
    /// Segments whose messages this one says something about: it must outlive them, or say it elsewhere first.
    about: BTreeSet<u32>,
}

impl Segment {
    /// The number as it is packed; `None` when it is out of reach.
    fn delta(&self, seq: u64) -> Option<u32> {
        seq.checked_sub(self.base).and_then(|delta| u32::try_from(delta).ok()).filter(|delta| *delta <= low(DELTA_BITS))
    }

    fn accepted_unix_s(&self, delta: u32) -> u32 {
        let mark = self.times.partition_point(|(from, _)| *from <= delta).saturating_sub(1);
        self.times.get(mark).map_or(0, |(_, s)| *s)
    }

    /// Where in the list this number is.
    fn position(&self, delta: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&delta, |e| e.delta()).ok()
    }

    fn count(&mut self, packed: Packed, sign: i32) {
        if let Some(waiting) = self.waiting.get_mut(usize::from(packed.priority()))
            && packed.state() == State::Waiting
        {
            *waiting = waiting.saturating_add_signed(sign);
        }
        if packed.state().is_live() {
            self.live = self.live.saturating_add_signed(sign);
            self.live_bytes = self.live_bytes.saturating_add_signed(i64::from(sign) * i64::from(packed.len()));
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
    /// A new newest segment, whose messages will have numbers from `base` on, however far.
    pub(super) fn open(&mut self, number: u32, base: u64) {
        if let Some(sealed) = self.list.back_mut() {
            sealed.entries.shrink_to_fit();
            sealed.times.shrink_to_fit();
        }
        let (waiting, cursor) = ([0; PRIORITIES], [0; PRIORITIES]);
        let about = BTreeSet::new();
        self.list.push_back(Segment {
            number,
            base,
            begun: false,
            entries: Vec::new(),
            times: Vec::new(),
            live: 0,
            live_bytes: 0,
            waiting,
            cursor,
            first_live: 0,
            about,
        });
    }

    /// Appends to the newest segment; `None` when it has no place for this number.
    pub(super) fn push(&mut self, entry: &Entry, accepted_unix_s: u32) -> Option<Place> {
        let segment = self.list.back_mut().filter(|_| entry.offset <= low(OFFSET_BITS))?;
        if !segment.begun && entry.seq >= segment.base {
            // Many numbers may have been used up before it, by messages that have no record or whose records are gone.
            (segment.base, segment.begun) = (entry.seq, true);
        }
        let delta = segment.delta(entry.seq)?;
        let packed = Packed::of(delta, entry);
        segment.entries.push(packed);
        if segment.times.last().is_none_or(|(_, s)| s.abs_diff(accepted_unix_s) >= GRAIN_S) {
            segment.times.push((delta, accepted_unix_s));
        }
        segment.count(packed, 1);
        let place = Place { segment: segment.number, delta };
        self.total(packed, 1);
        Some(place)
    }

    pub(super) fn entry(&self, place: Place) -> Option<Entry> {
        let segment = self.list.get(self.position(place.segment)?)?;
        Some(segment.entries.get(segment.position(place.delta)?)?.unpack(segment.base))
    }

    pub(super) fn extent(&self, place: Place) -> Option<Extent> {
        let entry = self.entry(place)?;
        Some(Extent { segment: place.segment, offset: entry.offset, len: entry.len })
    }

    /// Moves a message to another state; gives it as it was before.
    pub(super) fn set(&mut self, place: Place, state: State) -> Option<Entry> {
        let position = self.position(place.segment)?;
        let segment = self.list.get_mut(position)?;
        let at = segment.position(place.delta)?;
        let slot = segment.entries.get_mut(at)?;
        let before = *slot;
        slot.number = slot.number & low(STATE_SHIFT) | state.code() << STATE_SHIFT;
        let after = *slot;
        segment.count(before, -1);
        segment.count(after, 1);
        if state == State::Waiting
            && let Some(cursor) = segment.cursor.get_mut(usize::from(after.priority()))
        {
            *cursor = u32::try_from(at).ok()?.min(*cursor);
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
        let delta = segment.entries.get(*cursor as usize)?.delta();
        Some((segment.base + u64::from(delta), Place { segment: segment.number, delta }))
    }

    /// Whether a message of this priority waits.
    pub(super) fn waits(&self, priority: u8) -> bool {
        self.waiting.get(usize::from(priority)).is_some_and(|waiting| *waiting > 0)
    }

    /// How many messages wait that are at most this urgent.
    pub(super) fn waiting_count(&self, priority: u8) -> u64 {
        self.waiting.iter().take(usize::from(priority) + 1).sum()
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
            let from = segment.entries.partition_point(|e| segment.base + u64::from(e.delta()) < first);
            let to = segment.entries.partition_point(|e| segment.base + u64::from(e.delta()) <= last);
            let found = segment.entries.get(from..to).into_iter().flatten();
            places.extend(found.map(|e| Place { segment: segment.number, delta: e.delta() }));
        }
        places
    }

    /// When the oldest live message was accepted, in seconds since 1970.
    pub(super) fn oldest(&mut self) -> Option<u32> {
        let segment = self.list.iter_mut().find(|s| s.live > 0)?;
        let rest = segment.entries.get(segment.first_live as usize..)?;
        segment.first_live += u32::try_from(rest.iter().position(|e| e.state().is_live())?).ok()?;
        Some(segment.accepted_unix_s(segment.entries.get(segment.first_live as usize)?.delta()))
    }

    /// The oldest segment in which nothing is live, other than the newest and those `but` for which it is asked.
    pub(super) fn finished(&self, but: &BTreeSet<u32>) -> Option<u32> {
        let sealed = self.list.len().saturating_sub(1);
        self.list.iter().take(sealed).find(|s| s.live == 0 && !but.contains(&s.number)).map(|s| s.number)
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

    /// The messages of a segment, in order.
    pub(super) fn all_in(&self, number: u32) -> impl Iterator<Item = Entry> + '_ {
        let segment = self.position(number).and_then(|at| self.list.get(at));
        segment.into_iter().flat_map(|s| s.entries.iter().map(|e| e.unpack(s.base)))
    }

    pub(super) fn remove(&mut self, number: u32) {
        if let Some(at) = self.position(number) {
            self.list.remove(at);
        }
    }

    /// When a message was accepted, in seconds since 1970, at most [`GRAIN_S`] off.
    pub(super) fn accepted_unix_s(&self, place: Place) -> Option<u32> {
        let segment = self.list.get(self.position(place.segment)?)?;
        Some(segment.accepted_unix_s(place.delta))
    }

    /// The oldest message that waits, whatever its priority.
    pub(super) fn oldest_waiting(&mut self) -> Option<(u64, Place)> {
        (0..PRIORITY_MAX + 1).filter_map(|priority| self.first_waiting(priority)).min()
    }

    /// All messages from this number on, in the order of the log.
    pub(super) fn since(&self, seq: u64) -> impl Iterator<Item = (Place, Entry)> + '_ {
        let start = self.list.partition_point(|s| s.base <= seq).saturating_sub(1);
        self.list.iter().skip(start).flat_map(move |segment| {
            let from = segment.entries.partition_point(|e| segment.base + u64::from(e.delta()) < seq);
            let rest = segment.entries.iter().skip(from);
            rest.map(|e| (Place { segment: segment.number, delta: e.delta() }, e.unpack(segment.base)))
        })
    }

    /// The sealed segment, other than those `but` for which it is asked, that has the most bytes besides what lives in it, if
    /// they are at least half of its length. `sizes` has the lengths.
    pub(super) fn sparsest(&self, sizes: &BTreeMap<u32, u32>, but: &BTreeSet<u32>) -> Option<u32> {
        let sealed = self.list.len().saturating_sub(1);
        let dead = |s: &Segment| {
            let size = u64::from(sizes.get(&s.number).copied()?);
            size.checked_sub(s.live_bytes).filter(|dead| *dead >= s.live_bytes)
        };
        let asked = self.list.iter().take(sealed).filter(|s| s.live > 0 && !but.contains(&s.number));
        asked.filter_map(|s| Some((dead(s)?, s.number))).max().map(|(_, number)| number)
    }

    /// The segment's file holds only these messages any more, in this order: their numbers, and where they are now.
    pub(super) fn shrunk(&mut self, number: u32, kept: &[(u64, u32)]) {
        let Some(segment) = self.position(number).and_then(|at| self.list.get_mut(at)) else { return };
        let (base, mut kept) = (segment.base, kept.iter().peekable());
        let times = std::mem::take(&mut segment.times);
        let (mut time, mut marks) = (0, times.iter().peekable());
        segment.entries.retain_mut(|e| {
            while let Some((_, s)) = marks.next_if(|(from, _)| *from <= e.delta()) {
                time = *s;
            }
            let Some((_, offset)) = kept.next_if(|(seq, _)| *seq == base + u64::from(e.delta())) else { return false };
            if segment.times.last().is_none_or(|(_, s)| *s != time) {
                segment.times.push((e.delta(), time));
            }
            e.spot = e.spot & !low(OFFSET_BITS) | offset & low(OFFSET_BITS);
            true
        });
        segment.entries.shrink_to_fit();
        segment.times.shrink_to_fit();
        (segment.cursor, segment.first_live) = ([0; PRIORITIES], 0);
    }

    pub(super) fn number_at(place: Place) -> u32 {
        place.segment
    }

    pub(super) fn newest(&self) -> Option<u32> {
        self.list.back().map(|s| s.number)
    }

    pub(super) fn newest_reaches(&self, seq: u64) -> bool {
        self.list.back().is_none_or(|s| !s.begun || s.delta(seq).is_some())
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
        let bytes = sign * i64::from(packed.len());
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
