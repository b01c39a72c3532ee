//! What is to be written about messages, and when a segment may go.
//!
//! A settle record lies where the log ends at that moment, mostly in another segment than its message. The segment that
//! holds it must not vanish while the message's own segment is there, or the message would rise again at the next start.
//! So a segment in which nothing is live is deleted at once when it says nothing about others; else what it says is said
//! again at the end of the log, and then it goes. One in which little is live may be written anew.
//!
//! Whatever is written again must free at least as much as it takes (`pays`): where all that is to be said takes more than
//! one segment, the last one to be written would otherwise be the next one to be written again, for ever.

use std::collections::BTreeMap;

use super::keys::Key;
use super::segments::{Entry, State};
use super::{Index, RESERVE_BLOCK};
use crate::outbox::notice::{DropReason, Notice};
use crate::outbox::record::{RANGES_MAX, Range, Record};
use crate::outbox::segment::HEAD_LEN;

/// A message's end, not yet written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::outbox) struct Note {
    pub(in crate::outbox) seq: u64,
    /// Where its accept record lies.
    pub(super) segment: u32,
    /// `None`: it was settled.
    pub(super) drop: Option<DropReason>,
    /// Who asked for it is told when it is written: once told, it is not sent a second time by a daemon that is killed.
    pub(super) untold: bool,
}

/// A segment in which nothing is live.
#[derive(Debug)]
pub(in crate::outbox) enum Finished {
    /// It may be deleted.
    Delete(u32),
    /// What it says must be said elsewhere first.
    Carry(Carry),
}

/// A segment that is almost done with.
#[derive(Debug)]
pub(in crate::outbox) struct Sparse {
    pub(in crate::outbox) number: u32,
    /// The messages in it that live, in order.
    pub(in crate::outbox) live: Vec<u64>,
    /// What else it says.
    pub(in crate::outbox) said: Carry,
}

/// What a finished segment says that is still of use.
#[derive(Debug)]
pub(in crate::outbox) struct Carry {
    from: u32,
    /// Of each segment its messages in order; `None` is one that lives.
    ends: Vec<(u32, Vec<Option<Note>>)>,
    keys: Vec<(u64, Key)>,
}

impl Carry {
    /// What it takes to say it, in bytes.
    fn encoded_len(&self) -> usize {
        self.records().iter().map(Record::encoded_len).sum()
    }

    pub(in crate::outbox) fn records(&self) -> Vec<Record<'_>> {
        let mut records: Vec<_> = self.ends.iter().flat_map(|(_, notes)| group(notes.iter().copied(), true)).collect();
        let keys = self.keys.iter();
        records.extend(keys.map(|(seq, key)| Record::Remember { seq: *seq, uid: key.uid, key: &key.text }));
        records
    }
}

/// The records that say what the notes say.
pub(in crate::outbox) fn records_of(notes: &[Note]) -> Vec<Record<'static>> {
    let mut sorted: Vec<_> = notes.iter().copied().map(Some).collect();
    sorted.sort_unstable_by_key(|note| note.map(|note| note.seq));
    group(sorted.into_iter(), false)
}

/// One record for each fate. Neighbours in one segment may share a range even when numbers between them are missing
/// (`whole`): nobody else will ever bear those. One that lives between them (`None`) parts them.
fn group(notes: impl Iterator<Item = Option<Note>>, whole: bool) -> Vec<Record<'static>> {
    let mut by_fate: BTreeMap<u8, (Option<DropReason>, Vec<Range>)> = BTreeMap::new();
    let mut before = None;
    for note in notes {
        let Some(note) = note else {
            before = None;
            continue;
        };
        let fate = note.drop.map_or(0, |reason| 1 + reason as u8);
        let ranges = &mut by_fate.entry(fate).or_insert_with(|| (note.drop, Vec::new())).1;
        match ranges.last_mut() {
            Some(range) if range.last + 1 == note.seq || (whole && before == Some((fate, range.last))) => {
                range.last = note.seq;
            }
            _ => ranges.push(Range { first: note.seq, last: note.seq }),
        }
        before = Some((fate, note.seq));
    }
    by_fate.into_values().flat_map(|(drop, ranges)| records_with(drop, &ranges)).collect()
}

fn records_with(drop: Option<DropReason>, ranges: &[Range]) -> Vec<Record<'static>> {
    let chunks = ranges.chunks(RANGES_MAX).map(<[Range]>::to_vec);
    chunks
        .map(|ranges| match drop {
            None => Record::Settle(ranges),
            Some(reason) => Record::Drop { reason, ranges },
        })
        .collect()
}

impl Index {
    /// How many ends are not yet written.
    pub(in crate::outbox) fn unwritten(&self) -> usize {
        self.notes.len()
    }

    /// Takes the ends that are to be written now.
    pub(in crate::outbox) fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// They could not be written; that does not make them less true.
    pub(in crate::outbox) fn return_notes(&mut self, notes: Vec<Note>) {
        self.tell_settled(&notes);
        self.notes.extend(notes.into_iter().map(|note| Note { untold: false, ..note }));
    }

    fn tell_settled(&mut self, notes: &[Note]) {
        self.notices.extend(notes.iter().filter(|note| note.untold).map(|note| Notice::Settled { seq: note.seq }));
    }

    /// They are written, in the newest segment.
    pub(in crate::outbox) fn wrote_notes(&mut self, notes: &[Note]) {
        self.tell_settled(notes);
        let Some(newest) = self.segments.newest() else { return };
        for note in notes {
            self.segments.refer(newest, note.segment);
        }
    }

    /// A segment that is of no more use, or of so little that it pays to say that again elsewhere. Others stay until more of
    /// what they say is of no more use; that is looked at with each new segment. [outbox-7] [outbox-20]
    pub(in crate::outbox) fn finished(&mut self, sizes: &BTreeMap<u32, u32>) -> Option<Finished> {
        loop {
            let from = self.segments.finished(&self.telling)?;
            let carry = self.said_by(from);
            match carry.encoded_len() {
                0 => return Some(Finished::Delete(from)),
                said if self.pays(said, from, sizes) => return Some(Finished::Carry(carry)),
                _ => self.telling.insert(from),
            };
        }
    }

    /// What must be kept of the newest segment when nothing in it lives; `None` while something does, or where hardly
    /// anything would be gained.
    pub(in crate::outbox) fn idle_newest(&self, sizes: &BTreeMap<u32, u32>) -> Option<Carry> {
        let newest = self.segments.newest()?;
        if self.segments.all_in(newest).any(|entry| entry.state.is_live()) {
            return None;
        }
        let said = self.said_by(newest);
        self.pays(said.encoded_len(), newest, sizes).then_some(said)
    }

    /// Whether a segment is worth being given up for a file that begins with `kept` bytes of it: that takes a head and a
    /// record of reserved numbers besides. [outbox-20]
    fn pays(&self, kept: usize, number: u32, sizes: &BTreeMap<u32, u32>) -> bool {
        let size = sizes.get(&number).map_or(usize::MAX, |size| usize::try_from(*size).unwrap_or(usize::MAX));
        HEAD_LEN + Record::Reserve { ceiling: self.ceiling }.encoded_len() + kept <= size / 2
    }

    /// What a segment says that does not concern its own messages alone.
    fn said_by(&self, from: u32) -> Carry {
        // What it says of one that is itself finished is needed as long as that one is there.
        let about = self.segments.about(from);
        let ends = about.into_iter().map(|other| (other, self.ends_in(other)));
        // Of one that was written anew nothing may be left to say.
        let ends = ends.filter(|(_, notes)| notes.iter().any(Option::is_some)).collect();
        Carry { from, ends, keys: self.keys.at_home(from) }
    }

    /// A segment that is worth being written anew, with what must be kept of it. `sizes` has the lengths of the files with
    /// which that may be done. One that is not is looked at again with each new segment. [outbox-20]
    pub(in crate::outbox) fn sparse(&mut self, sizes: &BTreeMap<u32, u32>) -> Option<Sparse> {
        loop {
            let number = self.segments.sparsest(sizes, &self.dense)?;
            let said = self.said_by(number);
            let live: Vec<_> = self.segments.all_in(number).filter(|entry| entry.state.is_live()).collect();
            let lives: usize = live.iter().map(|entry| entry.len as usize).sum();
            if self.pays(said.encoded_len() + lives, number, sizes) {
                return Some(Sparse { number, live: live.iter().map(|entry| entry.seq).collect(), said });
            }
            self.dense.insert(number);
        }
    }

    /// The segment was written anew with these messages: their numbers, and where they are now.
    pub(in crate::outbox) fn shrunk(&mut self, number: u32, kept: &[(u64, u32)]) {
        self.segments.shrunk(number, kept);
    }

    fn ends_in(&self, segment: u32) -> Vec<Option<Note>> {
        let all = self.segments.all_in(segment);
        let end = |Entry { seq, state, .. }| Note { seq, segment, drop: dropped(state), untold: false };
        all.map(|entry| (!entry.state.is_live()).then(|| end(entry))).collect()
    }

    /// What was carried is durable, in the newest segment.
    pub(in crate::outbox) fn carried(&mut self, carry: &Carry) {
        let Some(newest) = self.segments.newest() else { return };
        for (other, _) in &carry.ends {
            self.segments.refer(newest, *other);
        }
        for (seq, _) in &carry.keys {
            self.keys.settled(*seq, newest);
        }
        self.segments.clear_about(carry.from);
    }

    /// The segment's file is gone.
    pub(in crate::outbox) fn removed(&mut self, segment: u32) {
        self.segments.remove(segment);
    }

    /// The numbers to set aside, when it is time to.
    pub(in crate::outbox) fn reserve_wanted(&self) -> Option<u64> {
        let left = self.ceiling.saturating_sub(self.next_seq);
        (left < RESERVE_BLOCK / 2).then(|| self.next_seq.saturating_add(RESERVE_BLOCK))
    }

    /// The bound of the numbers set aside so far.
    pub(in crate::outbox) fn ceiling(&self) -> u64 {
        self.ceiling
    }

    /// They are set aside durably.
    pub(in crate::outbox) fn reserved(&mut self, ceiling: u64) {
        self.ceiling = self.ceiling.max(ceiling);
    }
}

fn dropped(state: State) -> Option<DropReason> {
    if let State::Dropped(reason) = state { Some(reason) } else { None }
}
