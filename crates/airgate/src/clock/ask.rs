//! What the daemon says when it is asked what time it is.

use super::steer::Sample;
use serde::Deserialize;

/// The answer to the operation `time`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Heard {
    /// The time, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Whose time it is: `cloud`, `network`, or `host` as long as nothing was heard.
    pub source: String,
    /// The true time is within so many milliseconds.
    pub uncertainty_ms: Option<u64>,
    /// To be added to the host's time, in milliseconds.
    pub host_offset_ms: Option<i64>,
    /// How long ago it was heard.
    #[serde(default)]
    pub age_ms: u64,
    /// Whether the host's clock is to be set by it: `[clock] set`.
    #[serde(default)]
    pub set_host_clock: bool,
}

impl Heard {
    /// What can be decided on; `None` while the daemon knows no more than this host.
    pub fn sample(&self) -> Option<Sample> {
        let (offset_ms, uncertainty_ms) = (self.host_offset_ms?, self.uncertainty_ms?);
        Some(Sample { unix_ms: self.unix_ms, offset_ms, uncertainty_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn heard(answer: serde_json::Value) -> Heard {
        serde_json::from_value(answer).unwrap()
    }

    #[test]
    fn the_hosts_own_time_is_no_sample() {
        assert_eq!(heard(json!({"unix_ms": 7, "source": "host"})).sample(), None);
    }

    #[test]
    fn the_daemon_says_whether_the_clock_is_to_be_set() {
        let answer = json!({"unix_ms": 7, "source": "cloud", "uncertainty_ms": 1, "host_offset_ms": -2, "age_ms": 3,
                            "set_host_clock": true});
        let heard = heard(answer);
        assert_eq!(heard.sample(), Some(Sample { unix_ms: 7, offset_ms: -2, uncertainty_ms: 1 }));
        assert!(heard.set_host_clock);
    }
}
