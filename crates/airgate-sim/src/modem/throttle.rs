//! The pace of a serial line: 8N1, ten bits a byte, accurate on average however late timers fire.

use std::time::Duration;

/// A pause up to this long is a timer's lateness, not silence on the line.
const LATENESS: Duration = Duration::from_millis(4);

/// One direction of the line.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// Bits per second; 0: no pace.
    baud: u32,
    free_at: Duration,
}

impl Throttle {
    pub(super) fn new(baud: u32) -> Self {
        Self { baud, free_at: Duration::ZERO }
    }

    /// The rate of the line, 0 for a line without one.
    pub(super) fn baud(&self) -> u32 {
        self.baud
    }

    /// A line without pace stays so.
    pub(super) fn set_baud(&mut self, baud: u32) {
        if self.baud != 0 {
            self.baud = baud;
        }
    }

    /// Bytes that go over the line in about ten milliseconds: what is moved at a time.
    pub(super) fn piece(&self) -> usize {
        if self.baud == 0 { 4096 } else { usize::try_from(self.baud / 1000).unwrap_or(1).clamp(1, 4096) }
    }

    /// When `bytes` that start at `now`, or as soon as the line is free, are through.
    pub(super) fn pass(&mut self, bytes: usize, now: Duration) -> Duration {
        let Some(micros) = (bytes as u64).saturating_mul(10_000_000).checked_div(u64::from(self.baud)) else {
            return now;
        };
        if now > self.free_at + LATENESS {
            self.free_at = now;
        }
        self.free_at += Duration::from_micros(micros);
        self.free_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_timers_do_not_slow_the_line_down() {
        let mut line = Throttle::new(9600);
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            now = line.pass(9, now) + Duration::from_millis(1);
        }
        let exact = Duration::from_micros(900 * 10_000_000 / 9600);
        assert!(now.abs_diff(exact) < Duration::from_millis(2), "{now:?} for {exact:?}");
    }

    #[test]
    fn silence_is_not_saved_up() {
        let mut line = Throttle::new(115_200);
        let later = Duration::from_secs(60);
        assert_eq!(line.pass(1152, later), later + Duration::from_millis(100));
    }

    #[test]
    fn line_without_pace_is_never_busy() {
        let mut line = Throttle::new(0);
        line.set_baud(9600);
        assert_eq!(line.pass(1_000_000, Duration::from_secs(1)), Duration::from_secs(1));
    }
}
