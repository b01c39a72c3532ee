//! This host's clock: what it says, and the one place where it is set.

use rustix::time::{ClockId, Timespec, clock_gettime, clock_settime};
use std::io;
use std::time::{SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, as this host believes.
pub fn unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Who sets the clock: the system, or in tests something that notes it down.
pub trait Host {
    /// Adds so many milliseconds to the clock.
    ///
    /// # Errors
    /// No right to do so, or a time that the system does not take.
    fn set_by(&mut self, ms: i64) -> io::Result<()>;
}

/// The system's own clock; needs CAP_SYS_TIME.
#[derive(Debug, Default)]
pub struct System;

impl Host for System {
    fn set_by(&mut self, ms: i64) -> io::Result<()> {
        let to = moved(clock_gettime(ClockId::Realtime), ms).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(clock_settime(ClockId::Realtime, to)?)
    }
}

/// Sets nothing.
#[derive(Debug, Default)]
pub struct Dry;

impl Host for Dry {
    fn set_by(&mut self, ms: i64) -> io::Result<()> {
        tracing::info!(by_ms = ms, "a dry run: nothing is set");
        Ok(())
    }
}

fn moved(from: Timespec, ms: i64) -> Option<Timespec> {
    const SECOND: i64 = 1_000_000_000;
    let nanos = from.tv_nsec + ms.rem_euclid(1_000) * 1_000_000;
    let seconds = from.tv_sec.checked_add(ms.div_euclid(1_000))?.checked_add(nanos / SECOND)?;
    Some(Timespec { tv_sec: seconds, tv_nsec: nanos % SECOND })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_carry_over_both_ways() {
        let from = Timespec { tv_sec: 100, tv_nsec: 900_000_000 };
        let to = |ms| moved(from, ms).map(|t| (t.tv_sec, t.tv_nsec));
        assert_eq!(to(200), Some((101, 100_000_000)));
        assert_eq!(to(-950), Some((99, 950_000_000)));
        assert_eq!(to(-2_000), Some((98, 900_000_000)));
        assert!(to(i64::MIN).is_some());
    }
}
