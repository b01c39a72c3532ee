//! How fast messages may go up. Pure: the time comes in as an argument.
//!
//! Aliyun takes ten messages a second of a device; those beyond it acknowledges and drops, so that nobody would hear of the loss.
//!
//! * [pace-1] In no window, wherever it lies in the cloud's time, more messages arrive there than are allowed: one counts from
//!   when it is handed over until a whole window after its end is known, since it arrived somewhere in between.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Counts what went up lately.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// So many in so long a time; `None`: as fast as the line.
    most: Option<(usize, Duration)>,
    ended: VecDeque<Instant>,
}

impl Pace {
    pub(super) fn new(most: Option<(usize, Duration)>) -> Self {
        Self { most, ended: VecDeque::new() }
    }

    /// What became of a message is known.
    pub(super) fn ended(&mut self, now: Instant) {
        if let Some((most, _)) = self.most {
            self.ended.push_back(now);
            while self.ended.len() > most {
                self.ended.pop_front();
            }
        }
    }

    /// When the next may be handed over, while `under_way` are; `None`: now. While too many are under way alone, the end
    /// of one is what is waited for.
    pub(super) fn due(&self, under_way: usize, now: Instant) -> Option<Instant> {
        let (most, window) = self.most?;
        let free = most.saturating_sub(under_way);
        let counts = |ended: &&Instant| now < **ended + window;
        let recent = self.ended.iter().filter(counts).count();
        if recent < free {
            return None;
        }
        let first = self.ended.iter().find(counts).map_or(now, |ended| *ended);
        Some(first + window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn eleventh_of_a_second_waits_until_the_first_is_a_second_old() {
        let (mut pace, start) = (Pace::new(Some((10, SECOND))), Instant::now());
        for number in 0..10 {
            assert_eq!(pace.due(0, start), None, "{number}");
            pace.ended(start + number * Duration::from_millis(10));
        }
        let now = start + Duration::from_millis(100);
        assert_eq!(pace.due(0, now), Some(start + SECOND));
        assert_eq!(pace.due(0, start + SECOND), None);
        assert!(pace.due(1, start + SECOND).is_some(), "one is under way: nobody knows where");
    }

    #[test]
    fn without_a_bound_nothing_waits_and_nothing_is_remembered() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        for _ in 0..100 {
            pace.ended(now);
        }
        assert_eq!((pace.due(2, now), pace.ended.len()), (None, 0));
    }

    proptest! {
        /// Two at once, each arriving at any moment between its hand-over and its end.
        #[test]
        fn never_more_than_allowed_arrive_in_a_window(travels in prop::collection::vec((0u64..400, 0.0..1.0f64), 1..80)) {
            let (mut pace, mut now) = (Pace::new(Some((10, SECOND))), Instant::now());
            let (mut under_way, mut arrivals) = (VecDeque::new(), Vec::new());
            for (travel_ms, share) in travels {
                while under_way.len() == 2 || pace.due(under_way.len(), now).is_some() {
                    let end = under_way.front().copied();
                    let due = pace.due(under_way.len(), now);
                    match (end, due) {
                        (Some(end), due) if under_way.len() == 2 || due.is_none_or(|due| end <= due) => {
                            now = now.max(end);
                            under_way.pop_front();
                            pace.ended(now);
                        }
                        (_, Some(due)) => now = now.max(due),
                        (_, None) => unreachable!("nothing is waited for"),
                    }
                }
                let travel = Duration::from_millis(travel_ms);
                let end = under_way.back().map_or(now + travel, |last: &Instant| (*last).max(now) + travel);
                arrivals.push(now + (end - now).mul_f64(share));
                under_way.push_back(end);
            }
            arrivals.sort_unstable();
            for window in arrivals.windows(11) {
                prop_assert!(window[10] - window[0] >= SECOND);
            }
        }
    }
}
