//! From readings now and then to hours. Pure: moments and readings come in, finished hours come out.
//!
//! * [history-1] Time passes by a clock that does not jump; only the hour's name is taken from the best wall clock.
//! * [history-2] When that clock is set, the hour that is open gets its name anew: what was seen before the time was known is
//!   not filed under 1970.
//! * [history-3] A counter that went down began again at nothing.

use super::hour::{HOUR_MS, Hour};
use air780e::ladder::Rung;

/// What is seen at one moment. Counters count from any moment on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whether the link is up.
    pub online: bool,
    /// In dBm.
    pub rsrp: Option<i16>,
    /// In tenths of a dB.
    pub rsrq_tenths: Option<i16>,
    /// In dBm.
    pub rssi: Option<i16>,
    /// Messages that wait.
    pub waiting: u64,
    /// Bytes to the network.
    pub up_bytes: u64,
    /// Bytes from the network.
    pub down_bytes: u64,
    /// Messages accepted.
    pub accepted: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages given up.
    pub dropped: u64,
    /// Messages handed to programs.
    pub delivered: u64,
    /// Boots of the module.
    pub boots: u64,
    /// Rungs climbed.
    pub heals: [u32; Rung::ALL.len()],
}

/// The hour that is open.
#[derive(Debug, Default)]
pub struct Recorder {
    open: Hour,
    /// When it was opened, by the clock that does not jump.
    opened_ms: u64,
    last: Option<(u64, Reading)>,
}

impl Recorder {
    /// What is seen now: `now_ms` by the clock that does not jump, `wall_ms` by the best wall clock. An hour that is over
    /// comes out.
    pub fn observe(&mut self, now_ms: u64, wall_ms: u64, reading: Reading) -> Option<Hour> {
        let hour = hour_of(wall_ms);
        let closed = match self.last.replace((now_ms, reading)) {
            None => {
                (self.open.hour, self.opened_ms) = (hour, now_ms);
                None
            }
            Some((since_ms, last)) => {
                let passed = now_ms.saturating_sub(since_ms);
                // [history-2]
                self.open.hour = hour_of(wall_ms.saturating_sub(now_ms.saturating_sub(self.opened_ms)));
                let of_new = if self.open.hour == hour { passed } else { passed.min(wall_ms % HOUR_MS) };
                let closed = (self.open.hour != hour).then(|| {
                    pass(&mut self.open, passed - of_new, last.online);
                    self.opened_ms = now_ms - of_new;
                    std::mem::replace(&mut self.open, Hour { hour, ..Hour::default() })
                });
                pass(&mut self.open, of_new, last.online);
                count(&mut self.open, &last, &reading);
                closed
            }
        };
        let open = &mut self.open;
        reading.rsrp.inspect(|dbm| open.rsrp.add(*dbm));
        reading.rsrq_tenths.inspect(|tenths| open.rsrq_tenths.add(*tenths));
        reading.rssi.inspect(|dbm| open.rssi.add(*dbm));
        open.waiting_max = open.waiting_max.max(small(reading.waiting));
        closed
    }

    /// The hour so far.
    pub fn open(&self) -> &Hour {
        &self.open
    }
}

/// Hours since 1970.
pub fn hour_of(wall_ms: u64) -> u32 {
    small(wall_ms / HOUR_MS)
}

fn pass(hour: &mut Hour, ms: u64, online: bool) {
    let time = Hour { watched_ms: small(ms), online_ms: if online { small(ms) } else { 0 }, ..Hour::default() };
    hour.merge(&time);
}

fn count(hour: &mut Hour, last: &Reading, now: &Reading) {
    let heals = std::array::from_fn(|rung| {
        let of = |reading: &Reading| reading.heals.get(rung).copied().unwrap_or(0).into();
        tiny(since(of(last), of(now)))
    });
    hour.merge(&Hour {
        outages: u16::from(last.online && !now.online),
        boots: tiny(since(last.boots, now.boots)),
        heals,
        up_bytes: small(since(last.up_bytes, now.up_bytes)),
        down_bytes: small(since(last.down_bytes, now.down_bytes)),
        accepted: small(since(last.accepted, now.accepted)),
        acknowledged: small(since(last.acknowledged, now.acknowledged)),
        dropped: small(since(last.dropped, now.dropped)),
        delivered: small(since(last.delivered, now.delivered)),
        ..Hour::default()
    });
}

/// [history-3]
fn since(last: u64, now: u64) -> u64 {
    now.checked_sub(last).unwrap_or(now)
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn tiny(number: u64) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// 2026-11-28 00:00 UTC.
    const DAY: u64 = 20_785 * 24 * HOUR_MS;
    const MINUTE: u64 = 60_000;

    fn online(up_bytes: u64) -> Reading {
        Reading { online: true, rsrp: Some(-93), up_bytes, ..Reading::default() }
    }

    #[test]
    fn an_hour_is_filed_when_it_is_over_with_its_time_to_the_minute_it_ended() {
        let mut recorder = Recorder::default();
        for minute in 0..=59 {
            assert_eq!(recorder.observe(minute * MINUTE, DAY + minute * MINUTE + 30_000, online(minute * 100)), None);
        }
        let hour = recorder.observe(60 * MINUTE, DAY + 60 * MINUTE + 30_000, Reading::default()).unwrap();
        assert_eq!((hour.hour, hour.watched_ms, hour.online_ms), (hour_of(DAY), 3_570_000, 3_570_000));
        assert_eq!((hour.up_bytes, hour.outages), (5_900, 0));
        assert_eq!((recorder.open().watched_ms, recorder.open().online_ms), (30_000, 30_000));
        assert_eq!(recorder.open().outages, 1, "it was lost when it was seen to be");
    }

    #[test]
    fn a_host_without_a_clock_files_under_the_right_hour_once_the_time_is_known() {
        let mut recorder = Recorder::default();
        for minute in 0..5 {
            recorder.observe(minute * MINUTE, minute * MINUTE, online(0));
        }
        assert_eq!(recorder.open().hour, 0, "1970");
        assert_eq!(recorder.observe(5 * MINUTE, DAY + 20 * MINUTE, online(700)), None);
        assert_eq!(recorder.open().hour, hour_of(DAY));
        assert_eq!((recorder.open().watched_ms, recorder.open().up_bytes), (300_000, 700));
    }

    #[test]
    fn a_clock_that_is_set_across_an_hours_end_splits_there() {
        let mut recorder = Recorder::default();
        recorder.observe(0, 0, online(0));
        recorder.observe(10 * MINUTE, 10 * MINUTE, online(0));
        let before = recorder.observe(11 * MINUTE, DAY + 30_000, online(0)).unwrap();
        assert_eq!((before.hour, before.watched_ms), (hour_of(DAY) - 1, 630_000));
        assert_eq!(recorder.open().hour, hour_of(DAY));
    }

    #[test]
    fn a_counter_of_the_month_that_begins_again_loses_nothing() {
        let mut recorder = Recorder::default();
        recorder.observe(0, DAY, online(5_000));
        recorder.observe(MINUTE, DAY + MINUTE, online(300));
        assert_eq!(recorder.open().up_bytes, 300);
    }

    proptest! {
        #[test]
        fn all_time_is_filed_once_whatever_the_wall_clock_does(
            steps in prop::collection::vec((1..7_200_000u64, prop_oneof![Just(0i64), -9_000_000..9_000_000i64]), 1..60),
        ) {
            let (mut recorder, mut now, mut wall) = (Recorder::default(), 0u64, DAY);
            recorder.observe(now, wall, online(0));
            let (mut filed, mut hidden) = (0u64, 0u64);
            for (passed, jump) in steps {
                now += passed;
                wall = (wall + passed).saturating_add_signed(jump);
                // What is longer than an hour between two looks is not known to have been watched.
                hidden += passed.saturating_sub(HOUR_MS);
                if let Some(hour) = recorder.observe(now, wall, online(0)) {
                    filed += u64::from(hour.watched_ms);
                    prop_assert!(u64::from(hour.watched_ms) <= HOUR_MS);
                }
            }
            let all = filed + u64::from(recorder.open().watched_ms);
            prop_assert!(all <= now && u64::from(recorder.open().watched_ms) <= HOUR_MS, "{all} of {now}, {hidden} hidden");
        }
    }
}
