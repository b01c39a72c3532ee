//! What time it is: the cloud's clock if it was heard, else the radio network's, through the module.
//!
//! A host without a battery-backed clock believes in a wrong time after power-on; the daemon may not set it (its unit
//! forbids that), but tells programs what it knows, and [`clock`](crate::clock) sets it for those who want that.

use air780e::facts::NetworkTime;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the host's oscillator may be wrong by, in millionths: the uncertainty grows by it. Twice what the crystals of
/// small computers are sold with.
const DRIFT_PPM: u64 = 100;

/// Where a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The radio network, through the module; whole seconds.
    Network,
    /// The cloud.
    Cloud,
}

/// A time that was heard, and when: on a clock that nobody sets, so that it stays right when the host's clock jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose time it is.
    pub source: Source,
    /// Milliseconds since 1970 at the moment in which it was heard.
    pub unix_ms: u64,
    /// That moment.
    pub heard_at: Instant,
    /// The true time was within so many milliseconds.
    pub uncertainty_ms: u64,
}

impl Reading {
    /// The cloud's answer. `round_trip_ms` is how long question and answer took: the time may be off by half of that.
    pub fn cloud(unix_ms: u64, heard_at: Instant, round_trip_ms: u64) -> Self {
        Self { source: Source::Cloud, unix_ms, heard_at, uncertainty_ms: round_trip_ms / 2 }
    }

    /// What the network told the module some time ago, in whole seconds.
    pub fn network(time: NetworkTime) -> Self {
        let unix_ms = time.unix_s.saturating_mul(1_000);
        Self { source: Source::Network, unix_ms, heard_at: time.heard_at, uncertainty_ms: 1_000 }
    }

    /// The time at a later moment, in milliseconds since 1970.
    pub fn at(&self, now: Instant) -> u64 {
        self.unix_ms.saturating_add(self.age_ms(now))
    }

    fn age_ms(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.heard_at))
    }
}

/// The better one of two clocks: the cloud tells milliseconds, the network whole seconds.
pub fn best(cloud: Option<Reading>, network: Option<NetworkTime>) -> Option<Reading> {
    cloud.or_else(|| network.map(Reading::network))
}

/// The time by the best clock there is, for programs.
pub fn now(reading: Option<Reading>, now: Instant, host_ms: u64) -> Value {
    let Some(reading) = reading else {
        return json!({"unix_ms": host_ms, "source": "host"});
    };
    let age_ms = reading.age_ms(now);
    let unix_ms = reading.at(now);
    json!({
        "unix_ms": unix_ms,
        "source": reading.source,
        "uncertainty_ms": reading.uncertainty_ms + age_ms * DRIFT_PPM / 1_000_000,
        "host_offset_ms": i64::try_from(i128::from(unix_ms) - i128::from(host_ms)).unwrap_or_default(),
        "age_ms": age_ms,
    })
}

fn millis(duration: Duration) -> u64 {
    // Five hundred million years.
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / DRIFT_PPM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_the_network_has_gone_on_since_it_was_heard() {
        let heard_at = Instant::now();
        let reading = Reading::network(NetworkTime { unix_s: 1_795_440_329, heard_at });
        let told = now(Some(reading), heard_at + Duration::from_secs(7), 1_000);
        assert_eq!(told["unix_ms"], 1_795_440_336_000_u64);
        assert_eq!(told["host_offset_ms"], 1_795_440_336_000_u64 - 1_000);
    }

    #[test]
    fn programs_are_told_whose_time_it_is() {
        let heard_at = Instant::now();
        let told = now(Some(Reading::cloud(5_000, heard_at, 200)), heard_at, 3_000);
        assert_eq!((&told["unix_ms"], &told["source"]), (&json!(5_000), &json!("cloud")));
        assert_eq!(told["uncertainty_ms"], 100);
        assert_eq!(now(None, heard_at, 7), json!({"unix_ms": 7, "source": "host"}));
    }

    #[test]
    fn a_host_that_is_ahead_is_told_so() {
        let heard_at = Instant::now();
        let told = now(Some(Reading::cloud(3_000, heard_at, 0)), heard_at, 5_000);
        assert_eq!((&told["unix_ms"], &told["host_offset_ms"]), (&json!(3_000), &json!(-2_000)));
    }

    #[test]
    fn a_host_whose_clock_was_set_after_the_time_was_heard_is_not_corrected_twice() {
        let heard_at = Instant::now();
        let reading = Some(Reading::cloud(1_795_440_329_000, heard_at, 0));
        let then = heard_at + Duration::from_secs(60);
        assert_eq!(now(reading, then, 1_000)["host_offset_ms"], 1_795_440_388_000_u64);
        assert_eq!(now(reading, then, 1_795_440_389_000)["host_offset_ms"], 0);
    }

    #[test]
    fn the_uncertainty_grows_while_nothing_new_is_heard() {
        let heard_at = Instant::now();
        let told = now(Some(Reading::cloud(0, heard_at, 0)), heard_at + Duration::from_secs(12 * 3_600), 0);
        assert_eq!(told["uncertainty_ms"], 4_320);
    }
}
