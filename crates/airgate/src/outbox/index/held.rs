//! Streams that stand aside: others pass them, and in each of them the order stays.

use super::Index;
use super::segments::{Place, State};
use crate::outbox::notice::DropReason;

impl Index {
    /// The stream of this message stands aside from now on. At QoS 0, where a message may be lost, it is given up instead.
    /// False when it is not there, or is out. [outbox-22]
    pub(in crate::outbox) fn hold(&mut self, seq: u64) -> bool {
        if self.ring.drop_one(seq) {
            self.tell_dropped(seq, DropReason::Unsendable);
            return true;
        }
        let found = self.segments.since(seq).next().filter(|(_, e)| e.seq == seq && e.state.waits());
        let Some((_, entry)) = found else { return false };
        self.streams.hold(entry.stream);
        true
    }

    /// Whatever stands aside has its old place again. Whether anything did. [outbox-5]
    pub(in crate::outbox) fn let_go(&mut self) -> bool {
        if !self.streams.let_go() {
            return false;
        }
        let held: Vec<Place> =
            self.segments.since(0).filter(|(_, e)| e.state == State::Held).map(|(place, _)| place).collect();
        for place in held {
            self.turn(place, State::Waiting);
        }
        self.age_due = 0;
        true
    }
}
