//! The shell around the policy: tells, and sets the clock.

use super::ask::Heard;
use super::host::Host;
use super::steer::{Decision, NOTICE_MS, Steering};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// Between two questions: a clock does not drift by what matters in this time.
pub const EVERY: Duration = Duration::from_secs(60);
/// As long as nothing is known, or the daemon is away.
pub const EAGER: Duration = Duration::from_secs(5);

/// Remembers from one answer to the next.
#[derive(Debug)]
pub struct Keeper {
    /// Where its own clock begins, which nobody sets.
    started: Instant,
    steering: Steering,
}

impl Default for Keeper {
    fn default() -> Self {
        Self::new()
    }
}

impl Keeper {
    /// It begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { started: Instant::now(), steering: Steering::default() }
    }

    /// Does what is to be done, and tells how long to rest.
    ///
    /// # Errors
    /// The clock could not be set.
    pub fn keep(&mut self, heard: &Heard, host: &mut dyn Host) -> io::Result<Duration> {
        let Some(sample) = heard.sample() else { return Ok(EAGER) };
        let source = heard.source.as_str();
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        match self.steering.decide(now_ms, sample) {
            Decision::Leave => {}
            Decision::Announce { ahead_ms } => {
                let in_s = NOTICE_MS / 1_000;
                tracing::warn!(
                    source,
                    ahead_ms,
                    in_s,
                    "this host's clock is ahead, and will be set back if it stays so"
                );
            }
            Decision::Set { by_ms } => {
                host.set_by(by_ms)?;
                tracing::warn!(source, by_ms, uncertainty_ms = sample.uncertainty_ms, "this host's clock was set");
            }
        }
        Ok(EVERY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Default)]
    struct Noted(Vec<i64>);

    impl Host for Noted {
        fn set_by(&mut self, ms: i64) -> io::Result<()> {
            self.0.push(ms);
            Ok(())
        }
    }

    fn told(offset_ms: i64, age_ms: u64) -> Heard {
        let answer = json!({"unix_ms": 1_795_440_329_000_u64, "source": "cloud", "uncertainty_ms": 40,
            "host_offset_ms": offset_ms, "age_ms": age_ms, "set_host_clock": true});
        serde_json::from_value(answer).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_behind_is_set_and_one_ahead_only_after_a_minute() {
        let (mut keeper, mut host) = (Keeper::new(), Noted::default());
        keeper.keep(&told(5_000, 0), &mut host).unwrap();
        assert_eq!(host.0, [5_000]);
        let rest = keeper.keep(&told(-5_000, 0), &mut host).unwrap();
        assert_eq!(host.0, [5_000]);
        tokio::time::advance(rest).await;
        keeper.keep(&told(-5_000, 0), &mut host).unwrap();
        assert_eq!(host.0, [5_000, -5_000]);
    }
}
