//! The last 30 days as a table, a line for each day: `airgate status --history`.

use super::paint::Paint;
use super::words::{Grade, bytes, day};
use crate::history::Row;
use std::fmt::Write;

/// What a day came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Day {
    /// Days since 1970.
    pub day: u32,
    /// For each hour the share of it that the link was up, if the daemon ran.
    pub hours: [Option<f64>; 24],
    /// Seconds that the daemon watched.
    pub watched_s: u64,
    /// Seconds of that the link was up.
    pub online_s: u64,
    /// Lowest RSRP, or else RSSI.
    pub lowest_dbm: Option<f64>,
    /// Mean of the hours' means.
    pub mean_dbm: Option<f64>,
    /// Times that the link was lost.
    pub outages: u64,
    /// Rungs of recovery.
    pub heals: u64,
    /// Boots of the module.
    pub boots: u64,
    /// Bytes to the network.
    pub up_bytes: u64,
    /// Bytes from the network.
    pub down_bytes: u64,
    /// Messages acknowledged.
    pub acknowledged: u64,
    /// Messages given up.
    pub dropped: u64,
}

/// Hours, in order, as days.
pub fn days(rows: &[Row]) -> Vec<Day> {
    rows.chunk_by(|a, b| a.hour / 24 == b.hour / 24).map(of).collect()
}

fn of(rows: &[Row]) -> Day {
    let mut day = Day { day: rows.first().map_or(0, |row| row.hour / 24), ..Day::default() };
    let (mut means, mut count) = (0.0, 0.0);
    for row in rows {
        if let Some(hour) = usize::try_from(row.hour % 24).ok().and_then(|hour| day.hours.get_mut(hour)) {
            *hour = (row.watched_s > 0).then(|| f64::from(row.online_s) / f64::from(row.watched_s));
        }
        if let Some(range) = row.rsrp_dbm.or(row.rssi_dbm) {
            day.lowest_dbm = Some(day.lowest_dbm.map_or(range.min, |lowest| lowest.min(range.min)));
            means += range.mean;
            count += 1.0;
        }
        day.watched_s += u64::from(row.watched_s);
        day.online_s += u64::from(row.online_s);
        day.outages += u64::from(row.outages);
        day.heals += row.heals.values().map(|count| u64::from(*count)).sum::<u64>();
        day.boots += u64::from(row.boots);
        day.up_bytes += u64::from(row.up_bytes);
        day.down_bytes += u64::from(row.down_bytes);
        day.acknowledged += u64::from(row.acknowledged);
        day.dropped += u64::from(row.dropped);
    }
    day.mean_dbm = (count > 0.0).then(|| means / count);
    day
}

/// Draws them, at most 80 columns wide.
pub fn draw(rows: &[Row], damaged: u64, paint: Paint) -> String {
    let head = format!(
        "{:<7}{:<24} {:>7} {:>4} {:>4} {:>4} {:>5} {:>8} {:>8}\n",
        "UTC", "LINK BY THE HOUR", "UP", "RSRP", "LOW", "LOST", "HEALS", "SENT", "RECEIVED"
    );
    let mut out = paint.faint(head.trim_end()) + "\n";
    for one in days(rows) {
        let strip: String = one.hours.iter().map(|hour| drawn(*hour, paint)).collect();
        let up = if one.watched_s == 0 { 0.0 } else { one.online_s as f64 / one.watched_s as f64 * 100.0 };
        let dbm = |value: Option<f64>| value.map_or(String::new(), |dbm| format!("{dbm:.0}"));
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "{:<7}{strip} {up:>5.1} % {:>4} {:>4} {:>4} {:>5} {:>8} {:>8}",
            day(u64::from(one.day) * 86_400),
            dbm(one.mean_dbm),
            dbm(one.lowest_dbm),
            one.outages,
            one.heals,
            bytes(one.up_bytes as f64),
            bytes(one.down_bytes as f64),
        );
    }
    if damaged > 0 {
        let _ = writeln!(out, "damaged in the file and left out: {damaged} h");
    }
    out
}

fn drawn(online: Option<f64>, paint: Paint) -> String {
    const EIGHTHS: [&str; 8] = ["▁", "▁", "▂", "▃", "▄", "▅", "▆", "▇"];
    let Some(share) = online else { return " ".to_owned() };
    let eighths = (share * 8.0).floor() as usize;
    let grade = if share >= 0.99 {
        Grade::Good
    } else if share >= 0.5 {
        Grade::Fair
    } else {
        Grade::Bad
    };
    paint.grade(grade, EIGHTHS.get(eighths).unwrap_or(&"█"))
}

#[cfg(test)]
mod tests {
    use super::super::samples::{compare, month};
    use super::*;

    #[test]
    fn a_month_is_as_it_was_looked_at() {
        let drawn = draw(&month(), 2, Paint(false));
        assert!(drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
        compare("month.table", &drawn);
    }

    #[test]
    fn nothing_known_is_no_day() {
        assert_eq!(draw(&[], 0, Paint(false)).lines().count(), 1);
    }
}
