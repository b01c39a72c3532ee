//! What is there, for a person who looks at it.

use super::segments::State;
use super::{Index, Taken};
use crate::outbox::browse::{Shelf, Shelved};
use crate::outbox::notice::DropReason;

impl Index {
    /// The first `most` that are there after this number, in memory and on the disk.
    pub(in crate::outbox) fn shelved(&self, after: u64, most: usize) -> Vec<Shelved> {
        let kept = self.segments.since(after.saturating_add(1)).filter(|(_, entry)| entry.state.is_live());
        let kept = kept.filter_map(|(place, entry)| {
            Some(Shelved {
                seq: entry.seq,
                in_flight: entry.state == State::Taken,
                accepted_ms: self.segments.accepted_unix_s(place).map(|s| u64::from(s) * 1000),
                at: Shelf::Disk(self.segments.extent(place)?),
            })
        });
        let taken = self.taken.iter().filter_map(|(seq, taken)| match taken {
            Taken::Ring(message) => Some((*seq, true, message)),
            Taken::Disk { .. } => None,
        });
        let in_memory = self.ring.all().map(|(seq, message)| (seq, false, message)).chain(taken);
        let in_memory = in_memory.filter(|(seq, ..)| *seq > after).map(|(seq, in_flight, message)| Shelved {
            seq,
            in_flight,
            accepted_ms: None,
            at: Shelf::Memory(message.clone()),
        });
        let mut all: Vec<_> = kept.take(most).chain(in_memory).collect();
        all.sort_unstable_by_key(|one| one.seq);
        all.truncate(most);
        all
    }

    /// Drops it if it waits.
    pub(in crate::outbox) fn drop_waiting(&mut self, seq: u64) -> bool {
        if self.ring.drop_one(seq) {
            self.tell_dropped(seq, DropReason::Operator);
            return true;
        }
        let found = self.segments.since(seq).next().filter(|(_, e)| e.seq == seq && e.state.waits());
        let Some((place, _)) = found else { return false };
        self.drop_kept(seq, place, DropReason::Operator);
        true
    }
}
