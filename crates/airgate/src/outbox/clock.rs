//! The outbox's own time. A host without a battery clock starts in the past and jumps when the network tells it the time;
//! a message must not seem old because of that. So time here is counted by the kernel's clock that only runs on, and over
//! a restart it goes on where it was.
//!
//! Time in which the host was off counts only when its clock was known to be right both before and after; else messages
//! live longer by that much. Nothing ever seems older than it is.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// What systemd-timesyncd creates once it has set the clock. Source: systemd-timesyncd.service(8).
const SYNCHRONIZED: &str = "/run/systemd/timesync/synchronized";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The first word of the file in which the time is kept.
const MAGIC: &str = "airgate-clock-1";

/// What the host says about time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTime {
    /// Which start of the host it is.
    pub boot: u128,
    /// Milliseconds since then; runs on while the host sleeps, and never jumps.
    pub boot_ms: u64,
    /// Milliseconds since 1970, as the host believes.
    pub unix_ms: u64,
    /// Whether the host's belief is known to be right.
    pub known_good: bool,
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Milliseconds since the host started.
    fn boot_ms(&self) -> u64;
    /// Everything.
    fn host_time(&self) -> HostTime;
}

/// The host's clocks.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn boot_ms(&self) -> u64 {
        let time = clock_gettime(ClockId::Boottime);
        let (s, ms) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0));
        s.saturating_mul(1000).saturating_add(ms)
    }

    fn host_time(&self) -> HostTime {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let id = fs::read_to_string(BOOT_ID).unwrap_or_default().trim().replace('-', "");
        HostTime {
            // A host that does not say counts as started anew each time, which lets messages live longer.
            boot: u128::from_str_radix(&id, 16).unwrap_or(0),
            boot_ms: self.boot_ms(),
            unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX),
            known_good: Path::new(SYNCHRONIZED).exists(),
        }
    }
}

/// The outbox's time, in milliseconds; near the time since 1970 on a host whose clock is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Steady {
    at_boot_ms: u64,
    now_ms: u64,
}

/// The outbox's time at a moment, as it is kept on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Anchor {
    host: HostTime,
    now_ms: u64,
}

impl Steady {
    /// Goes on from the anchor, if there is one, and from the newest message in the log.
    pub(super) fn resume(anchor: Option<Anchor>, newest_ms: u64, host: HostTime) -> Self {
        let since = |Anchor { host: then, now_ms }| {
            let passed = if then.boot == host.boot && host.boot != 0 {
                host.boot_ms.saturating_sub(then.boot_ms)
            } else if then.known_good && host.known_good {
                host.unix_ms.saturating_sub(then.unix_ms)
            } else {
                0
            };
            now_ms.saturating_add(passed)
        };
        let now_ms = match anchor {
            Some(anchor) => since(anchor),
            None if newest_ms > 0 && !host.known_good => newest_ms,
            None => host.unix_ms,
        };
        Self { at_boot_ms: host.boot_ms, now_ms: now_ms.max(newest_ms) }
    }

    /// The time, so many milliseconds after the host's start.
    pub(super) fn at(self, boot_ms: u64) -> u64 {
        self.now_ms.saturating_add(boot_ms.saturating_sub(self.at_boot_ms))
    }

    pub(super) fn anchor(self, host: HostTime) -> Anchor {
        Anchor { host, now_ms: self.at(host.boot_ms) }
    }
}

impl Anchor {
    /// Whether the host's clock was known to be right.
    pub(super) fn known_good(self) -> bool {
        self.host.known_good
    }

    /// One line: magic, boot ID, its milliseconds, the host's time, whether that is right, the outbox's time, and a CRC-32.
    pub(super) fn encode(self) -> Vec<u8> {
        let Self { host, now_ms } = self;
        let good = u8::from(host.known_good);
        let line = format!("{MAGIC} {:032x} {} {} {good} {now_ms}", host.boot, host.boot_ms, host.unix_ms);
        format!("{line} {:08x}\n", crc32fast::hash(line.as_bytes())).into_bytes()
    }

    /// `None` when it is damaged: then the log and the host's clock must do.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (line, crc) = std::str::from_utf8(bytes).ok()?.strip_suffix('\n')?.rsplit_once(' ')?;
        if u32::from_str_radix(crc, 16).ok()? != crc32fast::hash(line.as_bytes()) {
            return None;
        }
        let mut words = line.strip_prefix(MAGIC)?.split_ascii_whitespace();
        let boot = u128::from_str_radix(words.next()?, 16).ok()?;
        let mut number = || words.next()?.parse().ok();
        let (boot_ms, unix_ms, good, now_ms) = (number()?, number()?, number()?, number()?);
        Some(Self { host: HostTime { boot, boot_ms, unix_ms, known_good: good == 1 }, now_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: u64 = 86_400_000;

    fn host(boot: u128, boot_ms: u64, unix_ms: u64, known_good: bool) -> HostTime {
        HostTime { boot, boot_ms, unix_ms, known_good }
    }

    #[test]
    fn a_clock_that_jumps_by_years_ages_nothing() {
        let steady = Steady::resume(None, 0, host(1, 5_000, 100 * DAY, false));
        let accepted = steady.at(6_000);
        assert_eq!(steady.at(7_000) - accepted, 1_000);
        // The daemon starts again after the network has told the host the time.
        let again =
            Steady::resume(Some(steady.anchor(host(1, 7_000, 0, false))), accepted, host(1, 9_000, 20_000 * DAY, true));
        assert_eq!(again.at(9_000) - accepted, 3_000);
    }

    #[test]
    fn time_switched_off_counts_only_between_two_right_clocks() {
        for (before, after, counted) in [(true, true, 3 * DAY), (true, false, 0), (false, true, 0), (false, false, 0)] {
            let steady = Steady::resume(None, 0, host(1, 1_000, 100 * DAY, before));
            let anchor = steady.anchor(host(1, 1_000, 100 * DAY, before));
            let again = Steady::resume(Some(anchor), 0, host(2, 500, 103 * DAY, after));
            assert_eq!(again.at(500) - steady.at(1_000), counted, "{before} {after}");
        }
    }

    #[test]
    fn a_right_clock_that_was_set_back_ages_nothing() {
        let steady = Steady::resume(None, 0, host(1, 1_000, 100 * DAY, true));
        let again = Steady::resume(Some(steady.anchor(host(1, 1_000, 100 * DAY, true))), 0, host(2, 0, 90 * DAY, true));
        assert_eq!(again.at(0), steady.at(1_000));
    }

    proptest! {
        #[test]
        fn an_anchor_round_trips_and_a_damaged_one_is_none(boot: u128, ms: u64, unix: u64, good: bool, at in 0..60usize) {
            let anchor = Steady { at_boot_ms: 0, now_ms: 7 }.anchor(host(boot, ms, unix, good));
            let mut bytes = anchor.encode();
            prop_assert_eq!(Anchor::decode(&bytes), Some(anchor));
            bytes[at] ^= 1;
            prop_assert_eq!(Anchor::decode(&bytes), None);
        }

        #[test]
        fn time_never_runs_back_over_a_restart(boots in proptest::collection::vec((0..3u128, 0..DAY, 0..1000 * DAY, any::<bool>()), 1..20)) {
            let (mut anchor, mut last) = (None, 0);
            for (boot, ms, unix, good) in boots {
                let steady = Steady::resume(anchor, last, host(boot, ms, unix, good));
                let now = steady.at(ms + 5);
                prop_assert!(now >= last);
                last = now;
                anchor = Some(steady.anchor(host(boot, ms + 5, unix, good)));
            }
        }
    }
}
