//! The module's clock: a default date until the network tells the time, then `+NITZ` and `AT+CCLK?`.

use crate::modem::profile::{ClockZone, Nitz};

/// 2000-01-01 00:00:00 UTC, shown until the network has set the clock.
pub(super) const DEFAULT_DATE: u64 = 946_684_800;
/// Quarter hours of China's zone and its seconds.
const ZONE_QUARTERS: u64 = 32;
const ZONE_SECONDS: u64 = ZONE_QUARTERS * 15 * 60;

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

fn digits(unix: u64, four: bool) -> String {
    let (year, month, day) = civil(unix / 86_400);
    let year = if four { year.to_string() } else { format!("{:02}", year % 100) };
    let of_day = unix % 86_400;
    format!("{year}/{month:02}/{day:02},{:02}:{:02}:{:02}", of_day / 3600, of_day / 60 % 60, of_day % 60)
}

/// The text of the `+NITZ` URC; [`Nitz::Any`] has been resolved by the caller and is written as four digits.
pub(super) fn nitz(unix: u64, form: Nitz) -> String {
    match form {
        Nitz::FourDigits | Nitz::Any => format!("+NITZ: {}+0,0", digits(unix, true)),
        Nitz::EmptyDst => format!("+NITZ: {}+0, ", digits(unix, true)),
        Nitz::TwoDigitsZone => format!("+NITZ: {}+{ZONE_QUARTERS},0", digits(unix, false)),
    }
}

/// The answer to `AT+CCLK?`; `zone` is `None` while the clock has not been set.
pub(super) fn cclk(unix: u64, zone: Option<ClockZone>) -> String {
    let (shown, zone) = match zone {
        None | Some(ClockZone::Utc) => (unix, 0),
        Some(ClockZone::Local) => (unix + ZONE_SECONDS, ZONE_QUARTERS),
        Some(ClockZone::UtcDigitsLocalZone) => (unix, ZONE_QUARTERS),
    };
    format!("+CCLK: \"{}+{zone:02}\"", digits(shown, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leap_day_and_year_end_are_dated_right() {
        assert_eq!(nitz(1_709_164_800, Nitz::FourDigits), "+NITZ: 2024/02/29,00:00:00+0,0");
        assert_eq!(nitz(1_735_689_599, Nitz::EmptyDst), "+NITZ: 2024/12/31,23:59:59+0, ");
        assert_eq!(nitz(1_780_563_858, Nitz::TwoDigitsZone), "+NITZ: 26/06/04,09:04:18+32,0");
    }

    #[test]
    fn clock_shows_the_default_date_until_set_and_the_zone_of_its_profile_after() {
        assert_eq!(cclk(DEFAULT_DATE, None), "+CCLK: \"00/01/01,00:00:00+00\"");
        assert_eq!(cclk(1_709_164_800, Some(ClockZone::Local)), "+CCLK: \"24/02/29,08:00:00+32\"");
        assert_eq!(cclk(1_709_164_800, Some(ClockZone::UtcDigitsLocalZone)), "+CCLK: \"24/02/29,00:00:00+32\"");
    }
}
