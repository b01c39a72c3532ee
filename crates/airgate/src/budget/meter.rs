//! What goes over the air, counted: an estimate of what the SIM card's tariff is charged, by day and by month.
//!
//! Pure: moments come in, levels come out. Days are those of UTC.
//!
//! * [budget-1] Counts outlive a restart; a crash costs at most what was counted since they were last written.
//! * [budget-2] A clock that jumps back resets nothing; only a period that begins later than the one at hand does.
//! * [budget-3] A level is told once for each month.

use crate::config::{Budget, WhenSpent};
use crate::outbox::PRIORITY_MAX;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Programs counted by themselves; the traffic of further ones counts in the whole alone.
const PROGRAMS: usize = 256;
const DAY_MS: u64 = 86_400_000;
/// Messages at least this urgent go out when only alarms may.
pub(super) const ALARM: u8 = 7;

/// Bytes on the air, estimated, and messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Publications handed to the network, repetitions among them.
    pub messages: u64,
    /// Bytes to the network.
    pub up: u64,
    /// Bytes from the network.
    pub down: u64,
}

impl Traffic {
    fn add(&mut self, more: Self) {
        self.messages = self.messages.saturating_add(more.messages);
        self.up = self.up.saturating_add(more.up);
        self.down = self.down.saturating_add(more.down);
    }

    /// Both directions: what a tariff charges.
    pub fn bytes(self) -> u64 {
        self.up.saturating_add(self.down)
    }
}

/// How the month stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below the share at which to warn.
    #[default]
    Within,
    /// At or above it.
    Warned,
    /// All is used.
    Spent,
}

/// What was counted, as it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counted {
    /// The first day of the month, in days since 1970.
    pub month_begins: u64,
    /// The month so far.
    pub month: Traffic,
    /// Today, in days since 1970.
    pub day: u64,
    /// Today so far.
    pub today: Traffic,
    /// The month so far, by user.
    pub programs: BTreeMap<u32, Traffic>,
    /// What was told this month.
    pub told: Level,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Meter {
    budget: Option<Budget>,
    counted: Counted,
}

impl Meter {
    /// Goes on from what was kept.
    pub fn new(budget: Option<Budget>, counted: Counted) -> Self {
        Self { budget, counted }
    }

    /// Another tariff; what was counted stays, and levels that are not reached any more may be told again.
    pub fn set_budget(&mut self, now_unix_ms: u64, budget: Option<Budget>) {
        self.budget = budget;
        self.roll(now_unix_ms);
        self.counted.told = self.level();
    }

    /// Counts traffic of a program, or (`None`) our own. The level, when it has risen. [budget-3]
    pub fn count(&mut self, now_unix_ms: u64, uid: Option<u32>, traffic: Traffic) -> Option<Level> {
        self.roll(now_unix_ms);
        self.counted.month.add(traffic);
        self.counted.today.add(traffic);
        if let Some(uid) = uid
            && (self.counted.programs.len() < PROGRAMS || self.counted.programs.contains_key(&uid))
        {
            self.counted.programs.entry(uid).or_default().add(traffic);
        }
        let level = self.level();
        let risen = level > self.counted.told;
        self.counted.told = self.counted.told.max(level);
        risen.then_some(level)
    }

    /// Begins a new day or month when it is time. True when a month began. [budget-2]
    pub fn roll(&mut self, now_unix_ms: u64) -> bool {
        let day = now_unix_ms / DAY_MS;
        let month_begins = month_begin(day, self.budget.as_ref().map_or(1, |budget| budget.reset_day));
        let counted = &mut self.counted;
        if day > counted.day {
            counted.today = Traffic::default();
        }
        counted.day = day;
        let began = month_begins > counted.month_begins;
        if began {
            *counted = Counted { day, today: counted.today, ..Counted::default() };
        }
        counted.month_begins = month_begins;
        began
    }

    /// How the month stands.
    pub fn level(&self) -> Level {
        let Some(budget) = &self.budget else { return Level::Within };
        let used = self.counted.month.bytes();
        if used >= budget.monthly_bytes {
            Level::Spent
        } else if used as f64 >= budget.monthly_bytes as f64 * budget.warn_at {
            Level::Warned
        } else {
            Level::Within
        }
    }

    /// What was counted.
    pub fn counted(&self) -> &Counted {
        &self.counted
    }

    /// What is configured.
    pub fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// The least priority that still goes out.
    pub fn floor(&self) -> u8 {
        match (self.level(), self.budget.as_ref().map(|budget| budget.when_spent)) {
            (Level::Spent, Some(WhenSpent::AlarmsOnly)) => ALARM,
            (Level::Spent, Some(WhenSpent::Stop)) => PRIORITY_MAX + 1,
            _ => 0,
        }
    }

    /// When the next month begins, in milliseconds since 1970.
    pub fn next_month_unix_ms(&self) -> u64 {
        let reset_day = self.budget.as_ref().map_or(1, |budget| budget.reset_day);
        // The first day after this month's first that is a month's first.
        let from = self.counted.month_begins + 1;
        let next = (from..from + 62).find(|day| month_begin(*day, reset_day) == *day).unwrap_or(from);
        next * DAY_MS
    }
}

/// The day on which the month began that `day` lies in; both in days since 1970.
fn month_begin(day: u64, reset_day: u8) -> u64 {
    let (year, month, of_month) = civil(day);
    let begin = |year, month| u64::from(reset_day.clamp(1, 31)).min(days_in(year, month));
    let first = day - (of_month - 1);
    if of_month >= begin(year, month) {
        return first + begin(year, month) - 1;
    }
    let (year, month) = if month == 1 { (year - 1, 12) } else { (year, month - 1) };
    (first + begin(year, month) - 1).saturating_sub(days_in(year, month))
}

fn days_in(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Year, month and day of the month.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(day: u64) -> (u64, u64, u64) {
    let z = day + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn meter(reset_day: u8) -> Meter {
        let budget = Budget { monthly_bytes: 1_000, reset_day, warn_at: 0.8, when_spent: WhenSpent::AlarmsOnly };
        Meter::new(Some(budget), Counted::default())
    }

    fn up(bytes: u64) -> Traffic {
        Traffic { messages: 1, up: bytes, down: 0 }
    }

    /// 2024-02-28, in days.
    const FEB_28: u64 = 19_781;

    #[test]
    fn a_level_is_told_once_and_again_in_the_next_month() {
        let mut meter = meter(1);
        let now = FEB_28 * DAY_MS;
        assert_eq!(meter.count(now, Some(7), up(799)), None);
        assert_eq!(meter.count(now, Some(7), up(1)), Some(Level::Warned));
        assert_eq!(meter.count(now, None, up(1)), None);
        assert_eq!(meter.count(now, None, up(500)), Some(Level::Spent));
        assert_eq!(meter.counted().programs[&7].up, 800);
        let march = (FEB_28 + 2) * DAY_MS;
        assert_eq!(meter.next_month_unix_ms(), march);
        assert!(meter.roll(march));
        assert_eq!((meter.level(), meter.counted().month.bytes()), (Level::Within, 0));
        assert_eq!(meter.count(march, None, up(900)), Some(Level::Warned));
    }

    #[test]
    fn a_clock_that_jumps_back_resets_nothing() {
        let mut meter = meter(1);
        meter.count(FEB_28 * DAY_MS, None, up(300));
        assert!(!meter.roll(0));
        meter.count(5, None, up(1));
        assert_eq!(meter.counted().month.up, 301);
    }

    #[test]
    fn the_last_day_stands_for_one_that_a_month_does_not_have() {
        // 31 in a leap year's February is the 29th.
        assert_eq!(month_begin(FEB_28 + 1, 31), FEB_28 + 1);
        assert_eq!(month_begin(FEB_28, 31), FEB_28 - 28);
        assert_eq!(civil(FEB_28 + 1), (2024, 2, 29));
    }

    proptest! {
        #[test]
        fn a_month_begins_at_or_before_today_and_at_most_31_days_ago(day in 40..60_000u64, reset_day in 1..=31u8) {
            let begin = month_begin(day, reset_day);
            prop_assert!(begin <= day && day - begin <= 31, "{begin} {day}");
            prop_assert_eq!(month_begin(begin, reset_day), begin);
        }

        #[test]
        fn what_is_kept_is_read_again(up in any::<u32>(), uid: u32, day in 0..60_000u64) {
            let mut meter = meter(15);
            meter.count(day * DAY_MS, Some(uid), Traffic { messages: 1, up: up.into(), down: 3 });
            let kept = serde_json::to_string(meter.counted()).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Counted>(&kept).unwrap(), meter.counted());
        }
    }
}
