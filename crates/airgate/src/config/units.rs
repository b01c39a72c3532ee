//! Sizes, durations, fractions and rates as people write them.

use std::time::Duration;

/// Bytes for each unit of size. Binary units are what `KiB` says; `kB`, `MB`, `GB` are the decimal ones that SIM
/// tariffs use.
const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
];

/// Milliseconds for each unit of time.
const TIMES: &[(&str, u64)] =
    &[("ms", 1), ("s", 1_000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000), ("w", 604_800_000)];

/// Reads `64 MiB`, `512KiB`, `30 MB` as bytes; a bare number is bytes. At most 2^63 - 1.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = split(text);
    let factor = if unit.is_empty() { Some(1) } else { factor(SIZES, unit) };
    let factor = factor.ok_or_else(|| format!("`{text}` is not a size: use B, KiB, MiB, GiB, kB, MB or GB"))?;
    scaled(number, factor).ok_or_else(|| format!("`{text}` is not a size: write a number and a unit, as in \"64 MiB\""))
}

/// Reads `7d`, `1h`, `90 s`, `1h 30min` as a duration; a unit is required, because seconds and milliseconds are both in
/// use and a guess would be wrong by a thousand.
///
/// # Errors
/// What is wrong with the text, and how to write it.
pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("`{text}` is not a duration: write a number and a unit (ms, s, min, h, d, w), as in \"1h 30min\"");
    let mut rest = text.trim();
    let mut total = 0_u64;
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let (number, tail) = split(rest);
        let end = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, next) = tail.split_at(end);
        let part = factor(TIMES, unit).and_then(|ms| scaled(number, ms)).ok_or_else(wrong)?;
        total = total.checked_add(part).filter(|sum| i64::try_from(*sum).is_ok()).ok_or_else(wrong)?;
        rest = next.trim_start();
    }
    Ok(Duration::from_millis(total))
}

/// Reads `0.8` or `80%` as a fraction from 0 to 1.
pub(super) fn fraction(text: &str) -> Result<f64, String> {
    let text = text.trim();
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|value| value / 100.0),
        None => text.parse(),
    };
    value.ok().filter(|value| (0.0..=1.0).contains(value)).ok_or_else(|| {
        format!("`{text}` is not a fraction: write a number from 0 to 1, or a percentage such as \"80%\"")
    })
}

/// Reads `10/s`, `100/min`, `5/h` as a count and the time it is for; the count is at least 1.
pub(super) fn rate(text: &str) -> Result<(u32, Duration), String> {
    let wrong = || format!("`{text}` is not a rate: write it as in \"10/s\", \"100/min\" or \"5/h\"");
    let (count, unit) = text.split_once('/').ok_or_else(wrong)?;
    let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
    let ms = factor(TIMES, unit.trim()).ok_or_else(wrong)?;
    Ok((count, Duration::from_millis(ms)))
}

/// Bytes in the largest binary unit in which they are whole: `64 MiB`.
pub(super) fn show_size(bytes: u64) -> String {
    let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{} {unit}", bytes / factor),
        None => format!("{bytes} B"),
    }
}

/// A duration in the largest unit in which it is whole: `7d`.
pub(super) fn show_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let units = [(86_400_000_u64, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    match units.into_iter().find(|(factor, _)| ms > 0 && ms.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", ms / factor),
        None => format!("{ms}ms"),
    }
}

/// The unit that is this long: what follows the stroke of a rate.
pub(super) fn unit_of(per: Duration) -> &'static str {
    let unit = TIMES.iter().find(|(_, ms)| u128::from(*ms) == per.as_millis());
    unit.map_or("s", |(name, _)| name)
}

/// Parts a leading number from what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    (number, rest.trim_start())
}

fn factor(units: &[(&str, u64)], unit: &str) -> Option<u64> {
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor)
}

/// `number` (whole, or with at most six decimals) times `factor`, if it fits an `i64` and comes out whole.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let number = number.replace('_', "");
    let (whole, decimals) = number.split_once('.').unwrap_or((&number, ""));
    if whole.is_empty() || decimals.len() > 6 || (number.contains('.') && decimals.is_empty()) {
        return None;
    }
    let digits: u128 = format!("{whole}{decimals}").parse().ok()?;
    let scale = 10_u128.checked_pow(u32::try_from(decimals.len()).ok()?)?;
    let product = digits.checked_mul(u128::from(factor))?;
    if product % scale != 0 {
        return None;
    }
    i64::try_from(product / scale).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sizes_in_every_spelling() {
        assert_eq!(size("64 MiB"), Ok(64 << 20));
        assert_eq!(size("64MiB"), Ok(64 << 20));
        assert_eq!(size("1.5 GiB"), Ok(3 << 29));
        assert_eq!(size("30 MB"), Ok(30_000_000));
        assert_eq!(size("4096"), Ok(4096));
    }

    #[test]
    fn sizes_that_are_not() {
        for text in ["", "MiB", "64 mib", "64 M", "-1 KiB", "1..5 MiB", "1. MiB", "9999999999 GiB", "0.3 B", "64 MiB x"]
        {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_in_every_spelling() {
        assert_eq!(duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        assert_eq!(duration("1h 30min"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5_400)));
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0.5 s"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        for text in ["", " ", "7", "d", "7 days", "1h 30", "-1s", "99999999999999999999d", "1e3s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fractions_stay_between_nothing_and_all() {
        assert_eq!(fraction("80%"), Ok(0.8));
        assert_eq!(fraction("0"), Ok(0.0));
        for text in ["80", "1.01", "-0.1", "NaN", "%", ""] {
            assert!(fraction(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_need_a_count_and_a_time() {
        assert_eq!(rate("10/s"), Ok((10, Duration::from_secs(1))));
        assert_eq!(rate("100 / min"), Ok((100, Duration::from_secs(60))));
        for text in ["10", "0/s", "/s", "10/", "10/y", "1.5/s"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back_as_the_same_in_the_largest_unit() {
        assert_eq!(show_size(64 << 20), "64 MiB");
        assert_eq!(show_size(30_000_000), "30000000 B");
        assert_eq!(show_duration(Duration::from_secs(7 * 86_400)), "7d");
        assert_eq!(show_duration(Duration::from_secs(5_400)), "90min");
        assert_eq!(unit_of(Duration::from_secs(60)), "min");
    }

    proptest! {
        #[test]
        fn shown_sizes_and_durations_come_back(n in 0_u64..1 << 50) {
            prop_assert_eq!(size(&show_size(n)), Ok(n));
            prop_assert_eq!(duration(&show_duration(Duration::from_millis(n))), Ok(Duration::from_millis(n)));
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = (size(&text), duration(&text), fraction(&text), rate(&text));
        }

        #[test]
        fn whole_kibibytes_come_back(n in 0_u32..) {
            prop_assert_eq!(size(&format!("{n} KiB")), Ok(u64::from(n) * 1024));
        }

        #[test]
        fn seconds_and_milliseconds_agree(n in 0_u32..) {
            prop_assert_eq!(duration(&format!("{n}s")), duration(&format!("{n}000ms")));
        }
    }
}
