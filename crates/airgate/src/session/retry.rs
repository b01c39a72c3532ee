//! When to sign in again. Pure: the time and the dice come in as arguments.
//!
//! * [retry-1] A lost link is tried again at once, then after 1 s, 2 s, 4 s … up to 5 min, each spread by half, so that
//!   thousands of gateways do not come back in the same second.
//! * [retry-2] A refused sign-in is tried again after 5 s, 10 s, then never sooner than 30 s: a wrong secret does not
//!   become right by asking.
//! * [retry-3] Never more than five sign-ins that reach the cloud in a minute, registrations included. Source: Aliyun,
//!   limits per device.
//! * [retry-4] A session that lived for a minute starts the count anew.
//! * [retry-5] What the user configured counts as wrong after five refusals in a row, and is told so. It is tried ever more
//!   slowly, up to once an hour: the module does not say whether the secret is wrong or the cloud just cannot, and what is
//!   put right in the console nobody tells us.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);
const REFUSED: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(30)];
/// [retry-5]
const DENIED: u32 = 5;
/// What a refused sign-in that is repeated for ever costs must be little: one an hour.
const REFUSED_LONGEST: Duration = Duration::from_secs(3600);
const PER_MINUTE: usize = 5;
const MINUTE: Duration = Duration::from_secs(60);

/// What ended an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The cloud said no to who we are.
    Refused,
    /// The cloud was not even reached: to it, this was no sign-in.
    Unreached,
    /// Anything else: the network, the module, the broker.
    Lost,
}

/// Remembers what happened, and says when the next sign-in is due.
#[derive(Debug, Default)]
pub struct Retry {
    lost: u32,
    refused: u32,
    online_since: Option<Instant>,
    sign_ins: VecDeque<Instant>,
}

impl Retry {
    /// A sign-in begins.
    pub fn began(&mut self, now: Instant) {
        self.sign_ins.push_back(now);
        while self.sign_ins.len() > PER_MINUTE {
            self.sign_ins.pop_front();
        }
    }

    /// The sign-in was accepted.
    pub fn online(&mut self, now: Instant) {
        self.online_since = Some(now);
        self.refused = 0;
    }

    /// An attempt ended; the next sign-in is due at the time returned. `dice` is evenly spread over 0 to 1.
    pub fn ended(&mut self, ending: Ending, now: Instant, dice: f64) -> Instant {
        if self.online_since.take().is_some_and(|since| now >= since + MINUTE) {
            self.lost = 0;
        }
        let wait = match ending {
            Ending::Lost | Ending::Unreached => {
                if ending == Ending::Unreached {
                    self.sign_ins.pop_back();
                }
                self.lost += 1;
                spread(lost_wait(self.lost), dice)
            }
            Ending::Refused => {
                self.refused += 1;
                // Spread upwards only: the least is a promise.
                refused_wait(self.refused).mul_f64(1.0 + dice / 4.0)
            }
        };
        self.not_sooner_than_allowed(now + wait)
    }

    /// A registration worked: when the sign-in behind it is due.
    pub fn followed(&self, now: Instant) -> Instant {
        self.not_sooner_than_allowed(now)
    }

    /// [retry-5] Whether one more refusal means that what the user configured is wrong.
    pub fn is_last_doubt(&self) -> bool {
        self.refused + 1 >= DENIED
    }

    /// How often in a row the cloud said no.
    pub fn refusals(&self) -> u32 {
        self.refused
    }

    fn not_sooner_than_allowed(&self, at: Instant) -> Instant {
        match self.sign_ins.front() {
            Some(oldest) if self.sign_ins.len() == PER_MINUTE => at.max(*oldest + MINUTE),
            _ => at,
        }
    }
}

/// The first time at once: a dropped connection is mostly just that.
fn lost_wait(times: u32) -> Duration {
    match times {
        0 | 1 => Duration::ZERO,
        n => FIRST.saturating_mul(1 << (n - 2).min(16)).min(LONGEST),
    }
}

fn refused_wait(times: u32) -> Duration {
    let beyond = times.saturating_sub(REFUSED.len() as u32).min(16);
    let step = REFUSED.get((times.max(1) - 1) as usize).copied().unwrap_or(Duration::from_secs(30));
    step.saturating_mul(1 << beyond).min(REFUSED_LONGEST)
}

fn spread(wait: Duration, dice: f64) -> Duration {
    wait.mul_f64(0.5 + dice.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dropped_connection_is_tried_again_at_once_and_then_ever_more_slowly() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        let waits: Vec<_> = (0..12).map(|_| (retry.ended(Ending::Lost, now, 0.5) - now).as_secs()).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
    }

    #[test]
    fn a_wrong_secret_is_not_hammered() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        let waits: Vec<_> = (0..6).map(|_| (retry.ended(Ending::Refused, now, 0.0) - now).as_secs()).collect();
        assert_eq!(waits, [5, 10, 30, 60, 120, 240]);
        assert_eq!(retry.refusals(), 6);
        assert!(retry.is_last_doubt());
        retry.online(now);
        assert!(!retry.is_last_doubt(), "it was put right in the console");
    }

    #[test]
    fn sign_in_behind_a_registration_counts_it_among_the_five_of_a_minute() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert_eq!(retry.followed(now), now);
        for _ in 0..PER_MINUTE {
            retry.began(now);
        }
        assert_eq!(retry.followed(now), now + MINUTE);
    }

    #[test]
    fn a_session_that_lived_starts_the_count_anew() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        for _ in 0..8 {
            retry.ended(Ending::Lost, now, 0.5);
        }
        retry.online(now);
        now += Duration::from_secs(61);
        assert_eq!(retry.ended(Ending::Lost, now, 0.5), now);
    }

    #[test]
    fn a_session_that_is_thrown_out_at_once_does_not_start_the_count_anew() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        for _ in 0..8 {
            retry.online(now);
            now += Duration::from_secs(1);
            retry.ended(Ending::Lost, now, 0.5);
        }
        assert!(retry.ended(Ending::Lost, now, 0.5) - now >= Duration::from_secs(60));
    }

    #[test]
    fn a_broker_that_is_restarting_is_found_soon_although_it_was_tried_often() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        for _ in 0..5 {
            retry.began(now);
            now = retry.ended(Ending::Unreached, now, 0.5);
        }
        assert!(retry.ended(Ending::Unreached, now, 0.5) - now <= Duration::from_secs(16));
    }

    proptest! {
        #[test]
        fn never_more_than_five_sign_ins_in_a_minute(endings in proptest::collection::vec((prop_oneof![Just(Ending::Refused), Just(Ending::Lost), Just(Ending::Unreached)], 0.0..1.0f64, 0u64..90), 1..60)) {
            let (mut retry, mut now) = (Retry::default(), Instant::now());
            let mut sign_ins = Vec::new();
            for (ending, dice, lives) in endings {
                retry.began(now);
                if ending != Ending::Unreached { sign_ins.push(now); }
                if ending == Ending::Lost { retry.online(now); }
                now += Duration::from_secs(lives);
                now = retry.ended(ending, now, dice);
            }
            for window in sign_ins.windows(6) {
                prop_assert!(window[5] - window[0] >= MINUTE);
            }
        }
    }
}
