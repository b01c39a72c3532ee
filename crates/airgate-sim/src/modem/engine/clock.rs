//! Dates as the module writes and reads them.

use crate::modem::profile::Nitz;

/// 2000-01-01 00:00:00 UTC, shown until the network has set the clock.
const DEFAULT_DATE: u64 = 946_684_800;
/// China's zone in quarter hours.
pub(super) const CHINA: i32 = 32;

/// What a clock shows: which digits beside which zone, and the time it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    /// Unix time as the module believes it to be.
    pub(super) utc: u64,
    /// The digits, as if they were UTC.
    pub(super) digits: u64,
    /// Quarter hours.
    pub(super) zone: i32,
}

impl Default for Shown {
    fn default() -> Self {
        Self::local(DEFAULT_DATE, 0)
    }
}

impl Shown {
    /// Local time in a zone.
    pub(super) fn local(utc: u64, zone: i32) -> Self {
        Self { utc, digits: utc.saturating_add_signed(i64::from(zone) * 900), zone }
    }

    pub(super) fn later(self, seconds: u64) -> Self {
        Self { utc: self.utc + seconds, digits: self.digits + seconds, ..self }
    }

    /// `24/02/29,08:00:00+32`
    pub(super) fn text(self) -> String {
        format!("{}{}", digits(self.digits, false), zone(self.zone))
    }

    /// The same text read; `None` when it is no date between 2000 and 2099.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let number = |at: usize| {
            let pair = text.get(at..at + 2).filter(|pair| pair.bytes().all(|byte| byte.is_ascii_digit()))?;
            pair.parse::<u64>().ok()
        };
        let marks = [(2, b'/'), (5, b'/'), (8, b','), (11, b':'), (14, b':')];
        if bytes.len() != 20 || marks.iter().any(|(at, mark)| bytes.get(*at) != Some(mark)) {
            return None;
        }
        let (year, month, day) = (2000 + number(0)?, number(3)?, number(6)?);
        let (hour, minute, second) = (number(9)?, number(12)?, number(15)?);
        if !(1..=12).contains(&month) || day == 0 || hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        // Leap days and long months put the day at most 96 days behind the guess; the one that reads the same is it.
        let first = DEFAULT_DATE / 86_400;
        let guess = first + (year - 2000) * 365 + (month - 1) * 28;
        let date = (guess..guess + 96).find(|days| civil(*days) == (year, month, day))?;
        let quarters = i32::try_from(number(18)?).ok()?;
        let zone = match bytes.get(17)? {
            b'+' => quarters,
            b'-' => -quarters,
            _ => return None,
        };
        let digits = date * 86_400 + hour * 3600 + minute * 60 + second;
        Some(Self { utc: digits.saturating_add_signed(i64::from(-zone) * 900), digits, zone })
    }
}

/// Year, month, day of a day number since 1970-01-01.
/// Source: Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

/// `24/02/29,08:00:00`, or with four digits of the year.
pub(super) fn digits(unix: u64, four: bool) -> String {
    let (year, month, day) = civil(unix / 86_400);
    let year = if four { year.to_string() } else { format!("{:02}", year % 100) };
    let of_day = unix % 86_400;
    format!("{year}/{month:02}/{day:02},{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// `+32`, `-08`
pub(super) fn zone(quarters: i32) -> String {
    format!("{}{:02}", if quarters < 0 { '-' } else { '+' }, quarters.abs())
}

/// The text of the `+NITZ` URC; [`Nitz::Any`] has been resolved by the caller and is written as four digits.
/// `ahead`: the host has asked for the time of a zone this many hours ahead of UTC.
pub(super) fn nitz(unix: u64, form: Nitz, ahead: Option<i32>) -> String {
    let (four, quarters, dst) = match form {
        Nitz::FourDigits | Nitz::Any => (true, 0, "0"),
        Nitz::EmptyDst => (true, 0, " "),
        Nitz::FourDigitsZone => (true, CHINA, "0"),
        Nitz::TwoDigitsZone => (false, CHINA, "0"),
    };
    let quarters = ahead.map_or(quarters, |hours| hours * 4);
    let unix = unix.saturating_add_signed(i64::from(ahead.unwrap_or(0)) * 3600);
    let sign = if quarters < 0 { "" } else { "+" };
    format!("+NITZ: {}{sign}{quarters},{dst}", digits(unix, four))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn leap_day_and_year_end_are_dated_right() {
        assert_eq!(nitz(1_709_164_800, Nitz::FourDigits, None), "+NITZ: 2024/02/29,00:00:00+0,0");
        assert_eq!(nitz(1_735_689_599, Nitz::EmptyDst, None), "+NITZ: 2024/12/31,23:59:59+0, ");
        assert_eq!(nitz(1_724_395_970, Nitz::FourDigitsZone, None), "+NITZ: 2024/08/23,06:52:50+32,0");
        assert_eq!(nitz(1_780_563_858, Nitz::TwoDigitsZone, None), "+NITZ: 26/06/04,09:04:18+32,0");
        assert_eq!(nitz(1_735_689_599, Nitz::FourDigits, Some(8)), "+NITZ: 2025/01/01,07:59:59+32,0");
    }

    #[test]
    fn clock_shows_the_default_date_and_then_that_of_its_zone() {
        assert_eq!(Shown::default().text(), "00/01/01,00:00:00+00");
        assert_eq!(Shown::local(1_709_164_800, CHINA).text(), "24/02/29,08:00:00+32");
        assert_eq!(Shown::local(1_709_164_800, -20).text(), "24/02/28,19:00:00-20");
    }

    #[test]
    fn date_that_is_none_is_not_taken() {
        for text in ["", "24/02/30,00:00:00+32", "24/13/01,00:00:00+00", "24/02/01,24:00:00+00", "24-02-01,00:00:00+00"]
        {
            assert_eq!(Shown::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_reads_back(utc in DEFAULT_DATE + 86_400..DEFAULT_DATE + 99 * 365 * 86_400, zone in -47..=56) {
            let shown = Shown::local(utc, zone);
            prop_assert_eq!(Shown::parse(&shown.text()), Some(shown));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,24}") {
            let _ = Shown::parse(&text);
        }
    }
}
