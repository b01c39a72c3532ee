//! Whether somebody else uses our identity, or the cloud closes the connection for what we say. Pure: the time comes in as an
//! argument.
//!
//! The cloud lets the last one in and closes the connection of the one before, without a word of why. Two that sign in again
//! at once throw each other out for ever. Some brokers close it in the same way for a message that they do not take; which of the
//! two it was nobody can tell, so a message that was being sent each time is named, and steps aside.
//!
//! * [thrown-1] Three sessions in a row that the cloud closed, each within five minutes of its sign-in, are no accident.
//! * [thrown-2] A session that lives longer, or ends in another way, takes the suspicion away.
//! * [thrown-3] A message is named only when it failed in every one of these sessions but the one that has just ended.
//! * [thrown-4] It steps aside when the next session is up and it failed in all of them; where such a message is known from
//!   before, after one session.

use super::WINDOW;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(300);
const OFTEN: u32 = 3;

/// Remembers how the last sessions ended.
#[derive(Debug, Default)]
pub(super) struct Thrown {
    online_since: Option<Instant>,
    times: u32,
    /// Which messages failed with this session.
    failed: Vec<Unsent>,
    /// Which did with each of those before it; `None`: there was none.
    always: Option<Vec<Unsent>>,
}

/// A message that was being sent when its session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unsent {
    pub(super) seq: u64,
    pub(super) topic: String,
}

impl Thrown {
    /// A session is up.
    pub(super) fn online(&mut self, now: Instant) {
        self.online_since = Some(now);
        // They are known only after the session's end.
        let failed = std::mem::take(&mut self.failed);
        self.always = (self.times > 0).then(|| match self.always.take() {
            Some(always) => always.into_iter().filter(|unsent| failed.contains(unsent)).collect(),
            None => failed,
        });
    }

    /// A message was being sent when the session ended.
    pub(super) fn failed(&mut self, unsent: Unsent) {
        if self.failed.len() == WINDOW {
            // So many are being sent at once: that one failed before the end.
            self.failed.remove(0);
        }
        self.failed.push(unsent);
    }

    /// The first of those for which the cloud may have closed the sessions. [thrown-3]
    pub(super) fn suspect(&self) -> Option<&Unsent> {
        self.always.as_ref()?.first()
    }

    /// In a new session: the message for which those before it were closed. It is dealt with, and the count begins anew.
    /// [thrown-4]
    pub(super) fn culprit(&mut self, is_known: impl Fn(&str) -> bool) -> Option<Unsent> {
        let always = self.always.as_ref()?;
        let is_sure = |unsent: &&Unsent| self.times >= OFTEN || is_known(&unsent.topic);
        let culprit = always.iter().find(is_sure).cloned()?;
        (self.times, self.always) = (0, None);
        Some(culprit)
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
    fn a_message_is_suspected_that_was_being_sent_each_time() {
        let unsent = |seq| Unsent { seq, topic: format!("t/{seq}") };
        let mut thrown = Thrown::default();
        for failing in [&[7, 8][..], &[7, 9], &[7]] {
            after(&mut thrown, 2, true);
            failing.iter().for_each(|seq| thrown.failed(unsent(*seq)));
        }
        after(&mut thrown, 2, true);
        assert_eq!(thrown.suspect(), Some(&unsent(7)));
        // The next session gets it through.
        after(&mut thrown, 2, true);
        assert_eq!(thrown.suspect(), None);
        // Long after.
        after(&mut thrown, 300, true);
        thrown.failed(unsent(10));
        after(&mut thrown, 2, true);
        assert_eq!(thrown.suspect(), None, "nothing was closed in a row");
    }

    #[test]
    fn a_message_steps_aside_after_three_sessions_and_one_that_is_known_after_one() {
        let unsent = |seq| Unsent { seq, topic: format!("t/{seq}") };
        let mut thrown = Thrown::default();
        let mut session = |known: &str, failing: &[u64]| {
            let now = Instant::now();
            thrown.online(now);
            let culprit = thrown.culprit(|topic| topic == known);
            thrown.ended(true, now + Duration::from_secs(2));
            failing.iter().for_each(|seq| thrown.failed(unsent(*seq)));
            culprit
        };
        for _ in 0..3 {
            assert_eq!(session("", &[7, 8]), None);
        }
        assert_eq!(session("", &[8]), Some(unsent(7)));
        assert_eq!(session("t/9", &[8, 9]), None, "the count began anew, and 9 had not failed");
        assert_eq!(session("t/8", &[]), Some(unsent(8)));
        assert_eq!(session("t/8", &[]), None);
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
