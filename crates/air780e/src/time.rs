//! Time as the network and the module spell it.
//!
//! `+NITZ` is UTC, whatever its zone field says: so it is in every log that also shows the clock of the host. Of `CCLK`
//! nobody knows beforehand; [`Civil::zone_against`] finds out by comparison.

use nom::character::complete::{char, i8 as zone, one_of, u8 as number, u16};
use nom::combinator::{all_consuming, opt, rest, verify};
use nom::sequence::terminated;
use nom::{IResult, Parser};

/// The first year that is believed: a module that was never told the time shows an earlier one.
const FIRST_YEAR: u16 = 2024;

/// A date and time of day, and a zone that may or may not be counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    /// Seconds since 1970 to the printed date and time, as if they were UTC.
    pub unix_s: u64,
    /// Quarters of an hour east of Greenwich, as printed.
    pub zone: Option<i8>,
}

impl Civil {
    /// Reads `2024/07/10,08:33:44+0,0`, `24/07/17,09:49:59+32,0`, `2024/08/27,06:36:38+0, ` and the like: year with two or
    /// four digits, zone and daylight saving may be missing.
    pub fn parse(text: &str) -> Option<Self> {
        let (_, (year, _, month, _, day, _, hour, _, minute, _, second, zone, _)) = civil(text.trim()).ok()?;
        let year = match year {
            0..70 => year + 2000,
            70..100 => year + 1900,
            _ => year,
        };
        let days = days_from_civil(year, month, day)?;
        let seconds = u64::from(hour) * 3600 + u64::from(minute) * 60 + u64::from(second);
        Some(Self { unix_s: days * 86_400 + seconds, zone })
    }

    /// The time of a `+NITZ` code, in seconds since 1970; `None` if it cannot be true.
    pub fn nitz(text: &[u8]) -> Option<u64> {
        let civil = Self::parse(std::str::from_utf8(text).ok()?)?;
        (civil.unix_s >= days_from_civil(FIRST_YEAR, 1, 1)? * 86_400).then_some(civil.unix_s)
    }

    /// By how many quarters of an hour this time is ahead of `utc_s`: 0 if the clock shows UTC. `None` if no zone on earth
    /// explains the difference.
    pub fn zone_against(&self, utc_s: u64) -> Option<i8> {
        /// The answer of the module may be some seconds old.
        const SLACK: i64 = 60;
        let ahead = i64::try_from(self.unix_s).ok()? - i64::try_from(utc_s).ok()?;
        let quarters = (ahead + 450).div_euclid(900);
        let fits = (ahead - quarters * 900).abs() <= SLACK && (-48..=56).contains(&quarters);
        fits.then(|| i8::try_from(quarters).ok()).flatten()
    }
}

type Parts = (u16, char, u8, char, u8, char, u8, char, u8, char, u8, Option<i8>, ());

fn civil(text: &str) -> IResult<&str, Parts> {
    let limit = |max: u8| verify(number, move |n: &u8| *n <= max);
    let daylight = opt(terminated(char(','), rest)).map(|_| ());
    let zone = opt((verify(one_of_sign, |_| true), zone).map(|(sign, n)| if sign == '-' { -n } else { n }));
    let date = (verify(u16, |y| *y < 100 || (1970..2100).contains(y)), char('/'), limit(12), char('/'), limit(31));
    let time = (char(','), limit(23), char(':'), limit(59), char(':'), limit(60));
    all_consuming((date, time, zone, daylight))
        .map(|((y, a, mo, b, d), (c, h, e, mi, f, s), zone, end)| (y, a, mo, b, d, c, h, e, mi, f, s, zone, end))
        .parse(text)
}

fn one_of_sign(text: &str) -> IResult<&str, char> {
    one_of("+-").parse(text)
}

/// Days since 1970 of a date in the Gregorian calendar; `None` if there is no such day.
fn days_from_civil(year: u16, month: u8, day: u8) -> Option<u64> {
    let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let year = u64::from(year);
    let february = 28 + u64::from(leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *months.get(usize::from(month).checked_sub(1)?)?;
    let day = u64::from(day).checked_sub(1).filter(|day| *day < length)?;
    let before: u64 = months.iter().take(usize::from(month) - 1).sum();
    let years: u64 = (1970..year).map(|y| 365 + u64::from(leap(y))).sum();
    Some(years + before + day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn network_time_is_utc_in_every_recorded_spelling() {
        for (text, utc) in [
            ("2024/07/10,08:33:44+0,0", 1_720_600_424),
            ("2024/10/10,07:53:39+0,0", 1_728_546_819),
            ("2024/08/27,06:36:38+0, ", 1_724_740_598),
            ("2024/08/23,06:52:50+32,0", 1_724_395_970),
            ("24/07/17,09:49:59+32,0", 1_721_209_799),
            ("26/06/04,09:04:18+32,0", 1_780_563_858),
            ("2025/07/10,15:54:58+0,0", 1_752_162_898),
        ] {
            assert_eq!(Civil::nitz(text.as_bytes()), Some(utc), "{text}");
        }
    }

    #[test]
    fn a_clock_that_was_never_set_is_not_believed() {
        for text in
            ["2000/01/01,00:00:12+0,0", "70/01/01,00:00:00+0,0", "", "2024/13/01,00:00:00", "2024/02/30,00:00:00"]
        {
            assert_eq!(Civil::nitz(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn whether_the_clock_is_local_is_found_by_comparison() {
        let utc = Civil::nitz(b"2024/07/10,08:33:44+0,0").unwrap();
        let local = Civil::parse("24/07/10,16:33:46+32").unwrap();
        assert_eq!(local.zone_against(utc), Some(32));
        assert_eq!(Civil::parse("24/07/10,08:33:43+00").unwrap().zone_against(utc), Some(0));
        assert_eq!(Civil::parse("24/07/10,04:03:44-18").unwrap().zone_against(utc), Some(-18));
        assert_eq!(Civil::parse("24/07/10,08:40:44+00").unwrap().zone_against(utc), None, "no zone is 7 minutes");
        assert_eq!(Civil::parse("24/07/20,08:33:44+00").unwrap().zone_against(utc), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in prop_oneof![".{0,40}", "[0-9/,:+-]{0,30}"]) {
            let _ = Civil::parse(&text).map(|civil| civil.zone_against(1_720_600_424));
            let _ = Civil::nitz(text.as_bytes());
        }

        #[test]
        fn what_is_printed_is_read_back(days in 19_800_u64..40_000, second in 0_u64..86_400) {
            // Walk the calendar another way: by counting down the years and months.
            let (mut y, mut left) = (1970, days);
            let leap = |y: u64| days_from_civil(y as u16, 2, 29).is_some();
            while left >= 365 + u64::from(leap(y)) { left -= 365 + u64::from(leap(y)); y += 1; }
            let lengths = [31, 28 + u64::from(leap(y)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            let mut m = 0;
            while left >= lengths[m] { left -= lengths[m]; m += 1; }
            let text = format!("{y}/{:02}/{:02},{:02}:{:02}:{:02}+0,0", m + 1, left + 1, second / 3600, second / 60 % 60, second % 60);
            prop_assert_eq!(Civil::nitz(text.as_bytes()), Some(days * 86_400 + second));
        }
    }
}
