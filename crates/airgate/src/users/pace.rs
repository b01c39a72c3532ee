//! How fast somebody may go on.

use crate::config::Rate;
use std::time::{Duration, Instant};

/// A leaky bucket that holds one rate's count: so many may come at once, then one with each share of the time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pace {
    /// When what came so far is worked off.
    busy_until: Option<Instant>,
}

impl Pace {
    /// Counts one.
    ///
    /// # Errors
    /// After how long it would be within the rate; it is not counted.
    pub fn count(&mut self, now: Instant, rate: Rate) -> Result<(), Duration> {
        let before = *self;
        match self.charge(now, rate) {
            Duration::ZERO => Ok(()),
            pause => {
                *self = before;
                Err(pause)
            }
        }
    }

    /// Counts one that cannot be refused; tells after how long it is within the rate.
    pub fn charge(&mut self, now: Instant, rate: Rate) -> Duration {
        let share = rate.per / rate.count.max(1);
        let until = self.busy_until.map_or(now, |until| until.max(now)) + share;
        self.busy_until = Some(until);
        until.saturating_duration_since(now).saturating_sub(share * rate.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_its_burst_and_then_its_rate() {
        let rate = Rate { count: 10, per: Duration::from_secs(1) };
        let (mut pace, start) = (Pace::default(), Instant::now());
        for _ in 0..10 {
            assert_eq!(pace.count(start, rate), Ok(()));
        }
        assert_eq!(pace.count(start, rate), Err(Duration::from_millis(100)));
        assert_eq!(pace.count(start + Duration::from_millis(100), rate), Ok(()));
        assert!(pace.count(start + Duration::from_millis(150), rate).is_err());
        let later = start + Duration::from_secs(60);
        assert_eq!(
            (0..20).filter(|_| pace.count(later, rate).is_ok()).count(),
            10,
            "what was not used is not saved up"
        );
    }

    #[test]
    fn who_is_not_refused_waits_until_it_is_within_its_rate() {
        let rate = Rate { count: 2, per: Duration::from_secs(1) };
        let (mut pace, start) = (Pace::default(), Instant::now());
        let pauses: Vec<_> = (0..4).map(|_| pace.charge(start, rate).as_millis()).collect();
        assert_eq!(pauses, [0, 0, 500, 1000]);
        assert_eq!(pace.charge(start + Duration::from_secs(1), rate).as_millis(), 500);
    }
}
