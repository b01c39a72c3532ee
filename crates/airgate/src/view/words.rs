//! Numbers in words: durations, sizes, signals, bars.

/// In the two largest units: `3 d 4 h`, `2 h 3 min`, `9 s`.
pub fn duration(seconds: u64) -> String {
    let (d, h, m, s) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    match (d, h, m) {
        (0, 0, 0) => format!("{s} s"),
        (0, 0, _) => format!("{m} min {s} s"),
        (0, ..) => format!("{h} h {m} min"),
        _ => format!("{d} d {h} h"),
    }
}

/// With a binary unit and at most one decimal: `512 B`, `1.2 MiB`.
pub fn bytes(count: f64) -> String {
    let (mut value, mut unit) = (count, "B");
    for larger in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, larger);
    }
    if value >= 100.0 || value.fract() == 0.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// How good something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It hardly works.
    Bad,
    /// It works, and may not tomorrow.
    Fair,
    /// Fine.
    Good,
}

/// A signal, judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// In one word.
    pub word: &'static str,
    /// How good.
    pub grade: Grade,
    /// Of what there can be, 0 to 1.
    pub share: f64,
}

/// The reference signal's power. The thresholds are those that are usual in LTE planning.
pub fn rsrp(dbm: f64) -> Judged {
    let (word, grade) = match dbm {
        dbm if dbm >= -85.0 => ("excellent", Grade::Good),
        dbm if dbm >= -95.0 => ("good", Grade::Good),
        dbm if dbm >= -105.0 => ("fair", Grade::Fair),
        dbm if dbm >= -115.0 => ("weak", Grade::Fair),
        _ => ("very weak", Grade::Bad),
    };
    Judged { word, grade, share: share(dbm, -125.0, -75.0) }
}

/// The reference signal's quality.
pub fn rsrq(db: f64) -> Judged {
    let (word, grade) = match db {
        db if db >= -10.0 => ("good", Grade::Good),
        db if db >= -15.0 => ("fair", Grade::Fair),
        _ => ("poor", Grade::Bad),
    };
    Judged { word, grade, share: share(db, -20.0, -3.0) }
}

fn share(value: f64, from: f64, to: f64) -> f64 {
    ((value - from) / (to - from)).clamp(0.0, 1.0)
}

/// A bar of so many characters, in eighths.
pub fn bar(share: f64, width: usize) -> String {
    const EIGHTHS: [char; 8] = ['·', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let filled = (share.clamp(0.0, 1.0) * width as f64 * 8.0).round() as usize;
    let of = |at: usize| match filled.saturating_sub(at * 8) {
        0 => '·',
        some => EIGHTHS.get(some).copied().unwrap_or('█'),
    };
    (0..width).map(of).collect()
}

/// Year, month, day, hour and minute of a moment in UTC.
///
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
fn civil(unix_s: u64) -> [u64; 5] {
    let z = unix_s / 86_400 + 719_468;
    let (era, of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    [year_of_era + era * 400 + u64::from(month <= 2), month, day, unix_s / 3600 % 24, unix_s / 60 % 60]
}

/// `2026-11-28 17:05`, UTC.
pub fn moment(unix_s: u64) -> String {
    let [year, month, day, hour, minute] = civil(unix_s);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}")
}

/// `28 Nov`.
pub fn day(unix_s: u64) -> String {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let [_, month, day, ..] = civil(unix_s);
    let name = usize::try_from(month).ok().and_then(|month| MONTHS.get(month.checked_sub(1)?)).unwrap_or(&"");
    format!("{day} {name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_short() {
        assert_eq!([0.0, 1023.0, 1536.0, 31_457_280.0].map(bytes), ["0 B", "1023 B", "1.5 KiB", "30 MiB"]);
        assert_eq!([9, 61, 7380, 273_600].map(duration), ["9 s", "1 min 1 s", "2 h 3 min", "3 d 4 h"]);
        assert_eq!((moment(1_795_885_500), day(1_795_885_500)), ("2026-11-28 17:05".into(), "28 Nov".into()));
        assert_eq!(moment(1_709_164_800), "2024-02-29 00:00");
    }

    #[test]
    fn a_bar_is_empty_and_full_at_its_ends_and_never_leaves_them() {
        for (share, drawn) in
            [(-1.0, "····"), (0.0, "····"), (0.5, "██··"), (0.56, "██▎·"), (1.0, "████"), (9.0, "████")]
        {
            assert_eq!(bar(share, 4), drawn, "{share}");
        }
        assert_eq!(bar(f64::NAN, 2), "··");
    }

    #[test]
    fn a_signal_is_judged_as_a_planner_would() {
        assert_eq!(
            [-80.0, -93.0, -101.0, -112.0, -130.0].map(|dbm| rsrp(dbm).word),
            ["excellent", "good", "fair", "weak", "very weak"]
        );
        assert_eq!([-9.5, -12.0, -18.0].map(|db| rsrq(db).grade), [Grade::Good, Grade::Fair, Grade::Bad]);
        assert_eq!((rsrp(-140.0).share, rsrp(-44.0).share), (0.0, 1.0));
    }
}
