//! Which kept messages end when. Those that left early stay in the heap until they are half of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::segments::{Place, Segments};

/// Below this many dead entries the heap is not worth cleaning.
const TOLERATED: usize = 64;

#[derive(Debug, Default)]
pub(super) struct Expiry {
    heap: BinaryHeap<Reverse<(u64, Place)>>,
    dead: usize,
}

impl Expiry {
    pub(super) fn push(&mut self, expires_unix_ms: u64, place: Place) {
        self.heap.push(Reverse((expires_unix_ms, place)));
    }

    /// The next one whose time is over at `now`.
    pub(super) fn pop(&mut self, now_unix_ms: u64) -> Option<(u64, Place)> {
        let Reverse((at, _)) = self.heap.peek()?;
        if *at > now_unix_ms {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    pub(super) fn next(&self) -> Option<u64> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// One that has an entry here ended for another reason.
    pub(super) fn bury(&mut self, segments: &Segments) {
        self.dead += 1;
        if self.dead > TOLERATED + self.heap.len() / 2 {
            self.heap.retain(|Reverse((_, place))| segments.entry(*place).is_some_and(|e| e.state.is_live()));
            self.dead = 0;
        }
    }

    /// Whether it still waits, and may therefore end by time.
    pub(super) fn applies(segments: &Segments, place: Place) -> bool {
        segments.entry(place).is_some_and(|e| e.state.waits())
    }
}
