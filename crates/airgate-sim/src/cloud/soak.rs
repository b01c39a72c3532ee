//! Bad days of the platform, drawn from a seed: it refuses, throws out, loses, garbles what it says, and is slow.
//!
//! In the devices file; every share is between 0 and 1, and absent means 0. `--soak` without this section takes
//! [`Soak::default`]; `--seed` says which days. The same seed and the same traffic of one device make the same faults.
//!
//! ```toml
//! [soak]
//! refuse = 0.1      # of the sign-ins and registrations, with CONNACK 3
//! kick = 0.01       # of the packets of a device: behind them its connection ends
//! drop = 0.01       # of the messages up: lost on the way, or taken down and not acknowledged; of the replies: not sent
//! garble = 0.1      # of what the platform says on system topics: cut short, damaged, with another id, said twice
//! slow = 0.1        # of the packets down: held up, and all behind them
//! slow_ms = 1500    # for up to so long
//! ```

use super::mac::mac_sha256;
use bytes::Bytes;
use serde::Deserialize;
use std::time::Duration;

/// How bad the days are.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Soak {
    /// Share of sign-ins and registrations that are refused.
    #[serde(default)]
    pub refuse: f64,
    /// Share of packets behind which the connection ends.
    #[serde(default)]
    pub kick: f64,
    /// Share of messages up that are lost or not acknowledged, and of replies that are not sent.
    #[serde(default)]
    pub drop: f64,
    /// Share of messages on system topics that are damaged.
    #[serde(default)]
    pub garble: f64,
    /// Share of packets down that are held up.
    #[serde(default)]
    pub slow: f64,
    /// For how many milliseconds at most.
    #[serde(default = "slow_ms")]
    pub slow_ms: u64,
}

fn slow_ms() -> u64 {
    1500
}

impl Default for Soak {
    fn default() -> Self {
        Soak { refuse: 0.1, kick: 0.01, drop: 0.01, garble: 0.1, slow: 0.1, slow_ms: slow_ms() }
    }
}

impl Soak {
    /// The name of the first share that is none.
    pub(super) fn mistake(&self) -> Option<&'static str> {
        let shares = [
            ("refuse", self.refuse),
            ("kick", self.kick),
            ("drop", self.drop),
            ("garble", self.garble),
            ("slow", self.slow),
        ];
        shares.into_iter().find(|(_, share)| !(0.0..=1.0).contains(share)).map(|(name, _)| name)
    }
}

/// What becomes of a message up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Up {
    Arrives,
    /// It never came.
    Lost,
    /// It came, and the device is not told.
    Unacknowledged,
}

/// The days as they come.
#[derive(Debug, Default)]
pub(super) struct Weather {
    soak: Option<Soak>,
    seed: u64,
    drawn: u64,
}

impl Weather {
    pub(super) fn new(soak: Option<Soak>, seed: u64) -> Self {
        Weather { soak, seed, drawn: 0 }
    }

    /// From now on as here; none: fair.
    pub(super) fn set(&mut self, soak: Option<Soak>) {
        self.soak = soak;
    }

    pub(super) fn refuses(&mut self) -> bool {
        self.happens(|soak| soak.refuse)
    }

    pub(super) fn kicks(&mut self) -> bool {
        self.happens(|soak| soak.kick)
    }

    pub(super) fn drops_reply(&mut self) -> bool {
        self.happens(|soak| soak.drop)
    }

    pub(super) fn message_up(&mut self) -> Up {
        match self.happens(|soak| soak.drop) {
            false => Up::Arrives,
            true if self.draw().is_multiple_of(2) => Up::Lost,
            true => Up::Unacknowledged,
        }
    }

    /// How long the next packet down is held up.
    pub(super) fn delay(&mut self) -> Option<Duration> {
        let most = self.soak.as_ref()?.slow_ms;
        let slow = self.happens(|soak| soak.slow);
        slow.then(|| Duration::from_millis(self.draw() % most.max(1)))
    }

    /// What is sent in place of a payload: itself, something else, or two of them.
    pub(super) fn payloads(&mut self, payload: Bytes) -> Vec<Bytes> {
        if !self.happens(|soak| soak.garble) {
            return vec![payload];
        }
        let at = usize::try_from(self.draw()).unwrap_or(usize::MAX) % payload.len().max(1);
        match self.draw() % 4 {
            0 => vec![payload.slice(..at.min(payload.len()))],
            1 => {
                let mut damaged = payload.to_vec();
                damaged.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 0x15);
                vec![damaged.into()]
            }
            2 => vec![String::from_utf8_lossy(&payload).replace("\"id\":\"", "\"id\":\"9").into()],
            _ => vec![payload.clone(), payload],
        }
    }

    fn happens(&mut self, share: impl Fn(&Soak) -> f64) -> bool {
        let Some(share) = self.soak.as_ref().map(share).filter(|share| *share > 0.0) else { return false };
        (self.draw() >> 11) as f64 / (1_u64 << 53) as f64 <= share
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        let text = mac_sha256(&self.seed.to_string(), &self.drawn.to_string());
        text.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusals(seed: u64) -> Vec<bool> {
        let mut weather = Weather::new(Some(Soak { refuse: 0.5, ..Soak::default() }), seed);
        (0..64).map(|_| weather.refuses()).collect()
    }

    #[test]
    fn same_seed_makes_the_same_days_and_another_others() {
        assert_eq!(refusals(7), refusals(7));
        assert_ne!(refusals(7), refusals(8));
    }

    #[test]
    fn shares_are_kept_to() {
        let often = refusals(1).iter().chain(&refusals(2)).chain(&refusals(3)).filter(|refused| **refused).count();
        assert!((60..=132).contains(&often), "{often} of 192 at one half");
        let mut fair = Weather::new(None, 1);
        assert!(!fair.refuses() && !fair.kicks() && fair.delay().is_none() && fair.message_up() == Up::Arrives);
        assert_eq!(fair.payloads("x".into()), ["x"]);
    }

    #[test]
    fn garbled_payloads_differ_or_come_twice() {
        let mut weather = Weather::new(Some(Soak { garble: 1.0, ..Soak::default() }), 3);
        let whole: Bytes = r#"{"id":"17","code":200}"#.into();
        for _ in 0..64 {
            let sent = weather.payloads(whole.clone());
            assert!(sent.len() == 2 || sent[0] != whole, "{sent:?}");
        }
        weather.payloads(Bytes::new());
    }

    #[test]
    fn share_that_is_none_is_named() {
        assert_eq!(Soak { drop: 1.5, ..Soak::default() }.mistake(), Some("drop"));
        assert_eq!(Soak::default().mistake(), None);
    }
}
