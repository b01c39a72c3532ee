//! What the file system has left, as far as it is known: what it said when it was last asked, less what was written since.
//! Pure.
//!
//! Others write too, so it is asked again after a second in which something was to be done. And it is asked again once what was
//! written may have used up half of what was left above the bound: the nearer the bound, the more often, and hardly ever
//! where there is plenty. [outbox-15]

use std::time::{Duration, Instant};

/// What it said counts for so long.
const VALID: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Space {
    /// What is to stay free, in bytes; where that is 0, nobody need ask.
    min_free: u64,
    asked: Option<Instant>,
    free: u64,
    written: u64,
}

impl Space {
    pub(super) fn new(min_free: u64) -> Self {
        Self { min_free, asked: None, free: u64::MAX, written: 0 }
    }

    /// Whether it is time to ask.
    pub(super) fn is_doubtful(&self, now: Instant) -> bool {
        let spare = self.free.saturating_sub(self.min_free);
        let old = self.asked.is_none_or(|at| now.saturating_duration_since(at) >= VALID);
        self.min_free > 0 && (old || self.written > 0 && self.written >= spare / 2)
    }

    /// What it says, in bytes.
    pub(super) fn said(&mut self, free: u64, now: Instant) {
        *self = Self { asked: Some(now), free, written: 0, ..*self };
    }

    /// So many bytes were written.
    pub(super) fn wrote(&mut self, bytes: u64) {
        self.written = self.written.saturating_add(bytes);
    }

    /// What was deleted or cut changes it: it is to be asked anew.
    pub(super) fn changed(&mut self) {
        self.asked = None;
    }

    /// What is left, in bytes.
    pub(super) fn left(&self) -> u64 {
        self.free.saturating_sub(self.written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_disk_is_asked_before_the_bound_is_passed_and_hardly_ever_where_there_is_plenty(
            (min_free, spare) in (1..10_000u64, 0..1_000_000_000u64),
            writes in prop::collection::vec(1..300_000u64, 1..500),
        ) {
            let (now, mut space) = (Instant::now(), Space::new(min_free));
            let (mut free, mut asked) = (min_free + spare, 0);
            for bytes in writes {
                if space.is_doubtful(now) {
                    space.said(free, now);
                    asked += 1;
                }
                prop_assert_eq!(space.left(), free, "what is left is known to the byte while nobody else writes");
                if space.left() < min_free {
                    break;
                }
                free = free.saturating_sub(bytes);
                space.wrote(bytes);
            }
            // Each time at least half of what was spare is gone.
            prop_assert!(asked <= 3 + u64::from(spare.max(1).ilog2()), "{} times", asked);
        }
    }

    #[test]
    fn what_others_write_is_seen_after_a_second() {
        let (now, mut space) = (Instant::now(), Space::new(1_000));
        space.said(1 << 40, now);
        assert!(!space.is_doubtful(now + VALID / 2));
        assert!(space.is_doubtful(now + VALID));
        assert!(!Space::new(0).is_doubtful(now), "without a bound nobody asks");
    }
}
