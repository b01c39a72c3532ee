//! Situations that the views are looked at in, and the drawings that somebody found right. `BLESS=1` writes them anew.

use crate::history::{Range, Row};
use std::path::Path;

/// The status objects.
pub(crate) const STATUS: [(&str, &str); 4] = [
    ("online", include_str!("online.json")),
    ("trouble", include_str!("trouble.json")),
    // Four seconds after the first start, without a module.
    ("fresh", include_str!("fresh.json")),
    // Of a daemon that tells nothing that is known here.
    ("foreign", "{}"),
];

/// Compares a drawing with the one on the disk.
pub(crate) fn compare(name: &str, drawn: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/view/samples").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, drawn).unwrap();
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        drawn == wanted,
        "{name} is drawn as\n{drawn}\nand was\n{wanted}\nIf this is right: BLESS=1 cargo test -p airgate --lib view"
    );
}

/// 30 days of a device that had its troubles: a weak night, an outage with recovery, two days switched off.
pub(crate) fn month() -> Vec<Row> {
    let hours = (0..720u32).filter(|at| !(300..348).contains(at) && *at != 500);
    hours
        .map(|at| {
            let of_day = f64::from(at % 24);
            let mean = -94.0 + 5.0 * (of_day / 24.0 * std::f64::consts::TAU).sin() - if at > 560 { 12.0 } else { 0.0 };
            let around = |mean: f64, by: f64| Some(Range { min: mean - by, mean, max: mean + by });
            let outage = matches!(at, 120..=124 | 600 | 611 | 640);
            let online_s = match at {
                121..=123 => 0,
                _ if outage => 2_100,
                _ => 3_600,
            };
            let heals = [("bearer", at == 121 || at == 600), ("radio", at == 122), ("restart", at == 123)];
            let heals = heals.into_iter().filter(|(_, then)| *then).map(|(rung, _)| (rung.to_owned(), 1)).collect();
            let messages = if online_s == 0 { 0 } else { 120 + at % 7 * 9 };
            Row {
                hour: 498_136 + at,
                watched_s: 3_600,
                online_s,
                outages: u16::from(outage && !(121..=123).contains(&at)),
                boots: u16::from(at == 123 || at == 348),
                heals,
                rsrp_dbm: around((mean * 10.0).round() / 10.0, 3.0),
                rsrq_db: around(-9.5 - f64::from(at % 5) * 0.4, 1.5),
                rssi_dbm: around(-63.0, 2.0),
                up_bytes: messages * 310 + if at == 400 { 900_000 } else { 0 },
                down_bytes: messages * 90,
                accepted: 150,
                acknowledged: messages,
                dropped: if at == 124 { 12 } else { 0 },
                delivered: at % 3,
                waiting_max: if (120..=126).contains(&at) { (at - 119) * 150 } else { 2 },
            }
        })
        .collect()
}
