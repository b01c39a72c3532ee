//! A rate limit: so many in so long a time, counted over a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// The last moments at which something was admitted.
#[derive(Debug)]
pub(super) struct Rate {
    most: usize,
    window: Duration,
    admitted: VecDeque<Duration>,
}

impl Rate {
    fn new(most: usize, window: Duration) -> Self {
        Rate { most, window, admitted: VecDeque::new() }
    }

    /// Takes one more if fewer than the most were admitted within the window before `now`.
    pub(super) fn admit(&mut self, now: Duration) -> bool {
        while self.admitted.front().is_some_and(|then| now.saturating_sub(*then) >= self.window) {
            self.admitted.pop_front();
        }
        let room = self.admitted.len() < self.most;
        if room {
            self.admitted.push_back(now);
        }
        room
    }
}

/// The rates of one device.
/// Source: Alibaba Cloud IoT Platform, "Limits".
#[derive(Debug)]
pub(super) struct Rates {
    /// Connections: 5 a minute.
    pub(super) connects: Rate,
    /// Messages up at QoS 0: 30 a second.
    pub(super) up_qos0: Rate,
    /// Messages up at QoS 1: 10 a second.
    pub(super) up_qos1: Rate,
    /// Messages down: 50 a second.
    pub(super) down: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Rates {
            connects: Rate::new(5, 60 * SECOND),
            up_qos0: Rate::new(30, SECOND),
            up_qos1: Rate::new(10, SECOND),
            down: Rate::new(50, SECOND),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixth_connect_within_a_minute_is_refused_and_the_next_after_it_is_not() {
        let mut connects = Rates::default().connects;
        for second in 0..5 {
            assert!(connects.admit(second * SECOND));
        }
        assert!(!connects.admit(59 * SECOND));
        assert!(connects.admit(60 * SECOND));
        assert!(!connects.admit(60 * SECOND));
    }
}
