//! How fast messages come and go, over the last minute, and when the outbox will be empty at that pace. Pure.

const SLOTS: usize = 12;
const SLOT_MS: u64 = 5_000;

/// Messages in the last minute, for each second.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Accepted.
    pub accepted_per_s: f64,
    /// Acknowledged.
    pub settled_per_s: f64,
    /// When nothing will wait any more, in seconds, if it goes on like this; `None` when it fills up or stands still.
    pub empty_in_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    accepted: u64,
    settled: u64,
}

/// Counts by slots of five seconds.
#[derive(Debug, Default)]
pub(super) struct Flow {
    slots: [Slot; SLOTS],
    /// The number of the newest slot.
    newest: u64,
    /// When the first was counted.
    begun_ms: Option<u64>,
}

impl Flow {
    pub(super) fn count(&mut self, now_ms: u64, accepted: u64, settled: u64) {
        self.begun_ms.get_or_insert(now_ms);
        self.turn_to(now_ms);
        if let Some(slot) = self.slots.get_mut(at(self.newest)) {
            slot.accepted += accepted;
            slot.settled += settled;
        }
    }

    pub(super) fn rates(&mut self, now_ms: u64, waiting: u64) -> Rates {
        self.turn_to(now_ms);
        // A daemon that has just started has not seen a whole minute.
        let seen_ms = now_ms.saturating_sub(self.begun_ms.unwrap_or(now_ms)).clamp(1_000, SLOTS as u64 * SLOT_MS);
        let per_s = |sum: u64| sum as f64 * 1000.0 / seen_ms as f64;
        let accepted_per_s = per_s(self.slots.iter().map(|slot| slot.accepted).sum());
        let settled_per_s = per_s(self.slots.iter().map(|slot| slot.settled).sum());
        let pace = settled_per_s - accepted_per_s;
        let empty_in_s = match waiting {
            0 => Some(0),
            _ if pace > 0.0 => Some((waiting as f64 / pace).ceil() as u64),
            _ => None,
        };
        Rates { accepted_per_s, settled_per_s, empty_in_s }
    }

    fn turn_to(&mut self, now_ms: u64) {
        let slot = now_ms / SLOT_MS;
        let first_new = (self.newest + 1).max(slot.saturating_sub(SLOTS as u64 - 1));
        for new in first_new..=slot {
            if let Some(slot) = self.slots.get_mut(at(new)) {
                *slot = Slot::default();
            }
        }
        self.newest = self.newest.max(slot);
    }
}

fn at(slot: u64) -> usize {
    usize::try_from(slot % SLOTS as u64).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backlog_that_drains_says_when_it_is_gone_and_one_that_grows_does_not() {
        let mut flow = Flow::default();
        for second in 0..60 {
            flow.count(second * 1_000, 2, 5);
        }
        let rates = flow.rates(59_999, 300);
        assert!((4.9..5.1).contains(&rates.settled_per_s), "{rates:?}");
        assert!((98..=103).contains(&rates.empty_in_s.unwrap()), "{rates:?}");
        flow.count(60_000, 1_000, 0);
        assert_eq!(flow.rates(60_000, 1_000).empty_in_s, None);
    }

    #[test]
    fn what_is_older_than_a_minute_is_forgotten_however_long_nothing_happened() {
        let mut flow = Flow::default();
        flow.count(0, 10, 10);
        assert_eq!(flow.rates(10_000_000, 0), Rates { empty_in_s: Some(0), ..Rates::default() });
    }
}
