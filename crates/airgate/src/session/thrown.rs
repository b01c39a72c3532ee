//! Whether somebody else uses our identity. Pure: the time comes in as an argument.
//!
//! The cloud lets the last one in and closes the connection of the one before, without a word of why. Two that sign in again
//! at once throw each other out for ever.
//!
//! * [thrown-1] Three sessions in a row that the cloud closed, each within five minutes of its sign-in, are no accident.
//! * [thrown-2] A session that lives longer, or ends in another way, takes the suspicion away.

use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(300);
const OFTEN: u32 = 3;

/// Remembers how the last sessions ended.
#[derive(Debug, Default)]
pub(super) struct Thrown {
    online_since: Option<Instant>,
    times: u32,
}

impl Thrown {
    /// A session is up.
    pub(super) fn online(&mut self, now: Instant) {
        self.online_since = Some(now);
    }

    /// A session ended, or an attempt came to nothing. When it looks like somebody else: how often in a row we were thrown
    /// out.
    pub(super) fn ended(&mut self, is_closed: bool, now: Instant) -> Option<u32> {
        // An attempt that came to nothing says nothing of others.
        let since = self.online_since.take()?;
        let is_thrown = is_closed && now.saturating_duration_since(since) < SOON;
        self.times = if is_thrown { self.times.saturating_add(1) } else { 0 };
        (self.times >= OFTEN).then_some(self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(thrown: &mut Thrown, lived_s: u64, is_closed: bool) -> Option<u32> {
        let now = Instant::now();
        thrown.online(now);
        thrown.ended(is_closed, now + Duration::from_secs(lived_s))
    }

    #[test]
    fn a_device_that_is_thrown_out_again_and_again_knows_why() {
        let mut thrown = Thrown::default();
        let told: Vec<_> = (0..4).map(|_| after(&mut thrown, 2, true)).collect();
        assert_eq!(told, [None, None, Some(3), Some(4)]);
    }

    #[test]
    fn attempts_that_fail_in_between_change_nothing() {
        let mut thrown = Thrown::default();
        after(&mut thrown, 2, true);
        after(&mut thrown, 2, true);
        assert_eq!(thrown.ended(true, Instant::now()), None);
        assert_eq!(after(&mut thrown, 2, true), Some(3));
    }

    #[test]
    fn a_session_that_lives_or_ends_otherwise_takes_the_suspicion_away() {
        for (lived, is_closed) in [(300, true), (2, false)] {
            let mut thrown = Thrown::default();
            after(&mut thrown, 2, true);
            after(&mut thrown, 2, true);
            assert_eq!(after(&mut thrown, lived, is_closed), None);
            assert_eq!(after(&mut thrown, 2, true), None);
        }
    }
}
