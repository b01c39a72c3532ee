//! What time it is: the cloud's clock if it was heard, else the radio network's, through the module.
//!
//! A host without a battery-backed clock believes in a wrong time after power-on; the daemon may not set it (its unit
//! forbids that), but tells programs what it knows.

use air780e::facts::NetworkTime;
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Instant;

/// Where a time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The radio network, through the module; whole seconds.
    Network,
    /// The cloud.
    Cloud,
}

/// How far the host's clock is from a better one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Whose time it is.
    pub source: Source,
    /// To be added to the host's time, in milliseconds.
    pub offset_ms: i64,
    /// The true time is within so many milliseconds.
    pub uncertainty_ms: u64,
}

impl Reading {
    pub(super) fn cloud(cloud_ms: u64, host_ms: u64, round_trip_ms: u64) -> Self {
        let offset_ms = difference(cloud_ms, host_ms);
        Self { source: Source::Cloud, offset_ms, uncertainty_ms: round_trip_ms / 2 }
    }

    /// What the network told the module some time ago.
    pub fn network(time: NetworkTime, now: Instant, host_ms: u64) -> Self {
        let since = now.saturating_duration_since(time.heard_at).as_millis();
        let network_ms = time.unix_s.saturating_mul(1_000).saturating_add(u64::try_from(since).unwrap_or(u64::MAX));
        Self { source: Source::Network, offset_ms: difference(network_ms, host_ms), uncertainty_ms: 1_000 }
    }
}

/// The time by the best clock there is, for programs.
pub fn now(reading: Option<Reading>, host_ms: u64) -> Value {
    match reading {
        Some(Reading { source, offset_ms, uncertainty_ms }) => json!({
            "unix_ms": host_ms.saturating_add_signed(offset_ms),
            "source": source,
            "uncertainty_ms": uncertainty_ms,
            "host_offset_ms": offset_ms,
        }),
        None => json!({"unix_ms": host_ms, "source": "host"}),
    }
}

fn difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn time_of_the_network_has_gone_on_since_it_was_heard() {
        let heard_at = Instant::now();
        let time = NetworkTime { unix_s: 1_795_440_329, heard_at };
        let reading = Reading::network(time, heard_at + Duration::from_secs(7), 1_000);
        assert_eq!(reading.offset_ms, 1_795_440_336_000 - 1_000);
    }

    #[test]
    fn programs_are_told_whose_time_it_is() {
        let told = now(Some(Reading::cloud(5_000, 3_000, 200)), 4_000);
        assert_eq!((&told["unix_ms"], &told["source"]), (&json!(6_000), &json!("cloud")));
        assert_eq!(told["uncertainty_ms"], 100);
        assert_eq!(now(None, 7), json!({"unix_ms": 7, "source": "host"}));
    }

    #[test]
    fn a_host_that_is_ahead_is_told_so() {
        let told = now(Some(Reading::cloud(3_000, 5_000, 0)), 5_000);
        assert_eq!((&told["unix_ms"], &told["host_offset_ms"]), (&json!(3_000), &json!(-2_000)));
    }
}
