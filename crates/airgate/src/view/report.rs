//! The last 30 days as one page: HTML with plots in SVG, without scripts and without anything from elsewhere.

use super::month::{self, Day};
use super::paint::Paint;
use super::plot::{Frame, axis, bytes_axis};
use super::screen;
use super::words::{Grade, bytes, day, duration, moment, rsrp};
use crate::history::{Range, Row};
use air780e::ladder::Rung;
use serde_json::Value;
use std::fmt::Write;

const STYLE: &str = include_str!("report.css");
/// Hours on the page: 30 days.
const MOST: u32 = 720;
/// A plot of less than a day would be of bars as wide as a thumb.
const LEAST: u32 = 24;

/// The page. `rows` are in order of time.
pub fn page(status: &Value, rows: &[Row], now_unix_ms: u64) -> String {
    let text = |place: &str| status.pointer(place).and_then(Value::as_str).unwrap_or_default();
    let name =
        [text("/link/device/device_name"), text("/module/imei"), "airgate"].into_iter().find(|name| !name.is_empty());
    let name = escaped(name.unwrap_or_default());
    let to = rows.last().map_or(now_unix_ms / 3_600_000, |row| u64::from(row.hour)) + 1;
    let to = u32::try_from(to).unwrap_or(u32::MAX);
    let from = rows.first().map_or(to, |row| row.hour).min(to.saturating_sub(LEAST)).max(to.saturating_sub(MOST));
    let rows: Vec<&Row> = rows.iter().filter(|row| row.hour >= from).collect();
    let owned: Vec<Row> = rows.iter().map(|row| (*row).clone()).collect();
    let days = month::days(&owned);
    let plots = Plots { rows: &rows, from, to };
    let online = text("/link/state") == "online";
    let (class, word) = if online { ("good", "online") } else { ("bad", "offline") };
    let span = match to - from {
        LEAST => "24 hours".to_owned(),
        hours if hours % 24 == 0 => format!("{} days", hours / 24),
        hours => duration(u64::from(hours) * 3600),
    };
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{name} - airgate</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{name}</h1>\n\
         <p><span class=\"state {class}\">{word}</span> <span class=\"soft\">at {} UTC; the last {span} by the hour, in UTC. \
         Where a plot is empty the daemon did not run.</span></p>\n</header>\n{}{}{}{}</body>\n</html>\n",
        moment(now_unix_ms / 1000),
        tiles(&days),
        plots.all(),
        table(&days),
        format_args!(
            "<section>\n<h2>Status</h2>\n<pre>{}</pre>\n</section>\n",
            escaped(&screen::draw(status, now_unix_ms, Paint(false)))
        ),
    )
}

/// What others said must stay text.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

fn percent(online_s: u64, watched_s: u64) -> String {
    match watched_s {
        0 => "-".to_owned(),
        // Not 100 % when it was not.
        _ => format!("{:.2} %", (online_s as f64 / watched_s as f64 * 1e4).floor() / 100.0),
    }
}

fn tiles(days: &[Day]) -> String {
    let sum = |of: fn(&Day) -> u64| days.iter().map(of).sum::<u64>();
    let (watched, online) = (sum(|day| day.watched_s), sum(|day| day.online_s));
    let tile = |value: &str, class: &str, what: &str| {
        format!("<div><b class=\"{class}\">{value}</b><span class=\"soft\">{what}</span></div>\n")
    };
    let share = if watched == 0 { 1.0 } else { online as f64 / watched as f64 };
    let class = if share >= 0.99 {
        "good"
    } else if share >= 0.95 {
        "fair"
    } else {
        "bad"
    };
    let sent = sum(|day| day.up_bytes) + sum(|day| day.down_bytes);
    let dropped = sum(|day| day.dropped);
    [
        "<div class=\"tiles\">\n".to_owned(),
        tile(&percent(online, watched), class, &format!("of {} the link was up", duration(watched))),
        tile(&sum(|day| day.outages).to_string(), "", "times the link was lost"),
        tile(&sum(|day| day.heals).to_string(), "", "rungs of recovery"),
        tile(&sum(|day| day.acknowledged).to_string(), "", "messages acknowledged"),
        tile(&dropped.to_string(), if dropped > 0 { "bad" } else { "" }, "messages given up"),
        tile(&bytes(sent as f64), "", "on the air, estimated"),
        "</div>\n".to_owned(),
    ]
    .concat()
}

fn table(days: &[Day]) -> String {
    let mut out = String::from("<section>\n<h2>Day by day</h2>\n<table>\n<tr>");
    for head in
        ["day", "up", "RSRP mean", "least", "lost", "recovery", "boots", "acknowledged", "given up", "sent", "received"]
    {
        // Writing to a string does not fail.
        let _ = write!(out, "<th>{head}</th>");
    }
    out += "</tr>\n";
    for one in days.iter().rev() {
        let dbm = |value: Option<f64>| value.map_or(String::new(), |dbm| format!("{dbm:.0} dBm"));
        let class = match one.mean_dbm.map(|dbm| rsrp(dbm).grade) {
            Some(Grade::Bad) => "bad",
            Some(Grade::Fair) => "fair",
            _ => "",
        };
        let _ = writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"{class}\">{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            day(u64::from(one.day) * 86_400),
            percent(one.online_s, one.watched_s),
            dbm(one.mean_dbm),
            dbm(one.lowest_dbm),
            one.outages,
            one.heals,
            one.boots,
            one.acknowledged,
            one.dropped,
            bytes(one.up_bytes as f64),
            bytes(one.down_bytes as f64),
        );
    }
    out + "</table>\n</section>\n"
}

struct Plots<'r> {
    rows: &'r [&'r Row],
    from: u32,
    to: u32,
}

impl Plots<'_> {
    fn all(&self) -> String {
        let signal = self.ranges("Signal strength", "RSRP, reference signal received power", "dBm", |row| row.rsrp_dbm);
        let signal = signal
            .or_else(|| self.ranges("Signal strength", "RSSI, received signal strength", "dBm", |row| row.rssi_dbm));
        let quality = self.ranges("Signal quality", "RSRQ, reference signal received quality", "dB", |row| row.rsrq_db);
        let parts =
            [Some(self.link()), signal, quality, Some(self.recovery()), Some(self.air()), Some(self.messages())];
        parts.into_iter().flatten().collect()
    }

    fn frame(&self, low: f64, high: f64, height: f64) -> Frame {
        Frame { from: self.from, to: self.to, low, high, height }
    }

    fn bars(&self, of: impl Fn(&Row) -> (f64, f64)) -> Vec<(u32, f64, f64)> {
        self.rows.iter().map(|row| (row.hour, of(row))).map(|(hour, (from, to))| (hour, from, to)).collect()
    }

    fn link(&self) -> String {
        let frame = self.frame(0.0, 100.0, 130.0);
        let share = |row: &Row| f64::from(row.online_s) / f64::from(row.watched_s.max(1)) * 100.0;
        let mut up = self.bars(|row| (0.0, share(row)));
        let mut down = self.bars(|row| (share(row), if row.watched_s > 0 { 100.0 } else { 0.0 }));
        up.retain(|(_, from, to)| to > from);
        down.retain(|(_, from, to)| to > from);
        let marks = frame.bars(&up, "online") + &frame.bars(&down, "offline");
        let plot = frame.plot("Link", &[0.0, 50.0, 100.0], |value| format!("{value:.0} %"), &marks);
        figure("Link", "share of each hour", &[("online", "up"), ("offline", "down")], &plot)
    }

    /// A mean within its lowest and highest; `None` when no hour has any.
    fn ranges(&self, name: &str, what: &str, unit: &str, of: impl Fn(&Row) -> Option<Range>) -> Option<String> {
        let known: Vec<(u32, Range)> = self.rows.iter().filter_map(|row| Some((row.hour, of(row)?))).collect();
        let low = known.iter().map(|(_, range)| range.min).reduce(f64::min)?;
        let high = known.iter().map(|(_, range)| range.max).reduce(f64::max)?;
        // Whole steps around it, so that the axis ends with a tick.
        let step = if high - low > 15.0 { 10.0 } else { 5.0 };
        let (low, steps) = ((low / step).floor(), ((high / step).ceil() - (low / step).floor()).max(1.0));
        let marked: Vec<f64> = (0..=steps as u32).map(|n| (low + f64::from(n)) * step).collect();
        let (low, high) = (low * step, (low + steps) * step);
        let frame = self.frame(low, high, 190.0);
        let band: Vec<_> = known.iter().map(|(hour, range)| (*hour, range.min, range.max)).collect();
        let mean: Vec<_> = known.iter().map(|(hour, range)| (*hour, range.mean)).collect();
        let marks = frame.bars(&band, "band") + &frame.line(&mean, "mean");
        let plot = frame.plot(name, &marked, |value| format!("{value:.0} {unit}"), &marks);
        Some(figure(name, what, &[("mean", "mean"), ("band", "lowest to highest")], &plot))
    }

    fn recovery(&self) -> String {
        let height = Rung::ALL.len() as f64;
        let frame = self.frame(-0.6, height + 0.6, 180.0);
        let mut marks = String::new();
        for (row, rung) in Rung::ALL.into_iter().enumerate() {
            let climbed = self
                .rows
                .iter()
                .map(|hour| (hour.hour, row as f64 + 1.0, *hour.heals.get(rung.as_str()).unwrap_or(&0)));
            marks += &frame.discs(&climbed.collect::<Vec<_>>(), "rung");
        }
        let boots: Vec<_> = self.rows.iter().map(|row| (row.hour, 0.0, row.boots)).collect();
        marks += &frame.discs(&boots, "boot");
        let rows: Vec<f64> = (0..=Rung::ALL.len()).map(|row| row as f64).collect();
        let name = |value: f64| {
            let rung = (value.round() as usize).checked_sub(1).and_then(|rung| Rung::ALL.get(rung));
            rung.map_or("boot", |rung| rung.as_str()).to_owned()
        };
        let plot = frame.plot("Recovery", &rows, name, &marks);
        figure(
            "Recovery",
            "rungs that were climbed, and boots of the module",
            &[("rung", "rung"), ("boot", "boot")],
            &plot,
        )
    }

    fn air(&self) -> String {
        let both = |row: &Row| f64::from(row.up_bytes) + f64::from(row.down_bytes);
        let (top, marked) = bytes_axis(self.rows.iter().map(|row| both(row)).fold(0.0, f64::max));
        let frame = self.frame(0.0, top, 190.0);
        let sent = frame.bars(&self.bars(|row| (0.0, f64::from(row.up_bytes))), "sent");
        let received = frame.bars(&self.bars(|row| (f64::from(row.up_bytes), both(row))), "received");
        let plot = frame.plot("Bytes on the air", &marked, bytes, &(sent + &received));
        figure("On the air", "estimated bytes in each hour", &[("sent", "sent"), ("received", "received")], &plot)
    }

    fn messages(&self) -> String {
        let most = self.rows.iter().map(|row| row.acknowledged.max(row.waiting_max)).max().unwrap_or(0);
        let (top, marked) = axis(f64::from(most));
        let frame = self.frame(0.0, top, 190.0);
        let acknowledged = frame.bars(&self.bars(|row| (0.0, f64::from(row.acknowledged))), "online");
        let waiting: Vec<_> = self.rows.iter().map(|row| (row.hour, f64::from(row.waiting_max))).collect();
        let given_up: Vec<_> =
            self.rows.iter().map(|row| (row.hour, 0.0, u16::try_from(row.dropped).unwrap_or(u16::MAX))).collect();
        let marks = acknowledged + &frame.line(&waiting, "mean") + &frame.discs(&given_up, "boot");
        let plot = frame.plot("Messages", &marked, |value| format!("{value:.0}"), &marks);
        let keys = [("online", "acknowledged"), ("mean", "the most that waited"), ("boot", "given up")];
        figure("Messages", "in each hour", &keys, &plot)
    }
}

fn figure(name: &str, what: &str, keys: &[(&str, &str)], plot: &str) -> String {
    let keys: String =
        keys.iter().map(|(class, text)| format!("<span class=\"key k-{class}\"></span>{text}")).collect();
    format!("<figure>\n<h2>{name}</h2>\n<figcaption>{what} {keys}</figcaption>\n{plot}</figure>\n")
}

#[cfg(test)]
mod tests {
    use super::super::samples::{STATUS, month};
    use super::*;
    use serde_json::json;

    const NOW: u64 = 1_795_885_500_000;

    fn status() -> Value {
        serde_json::from_str(STATUS[0].1).unwrap()
    }

    #[test]
    fn the_page_needs_nothing_from_elsewhere_and_runs_nothing() {
        let page = page(&status(), &month(), NOW);
        for foreign in ["http://", "https://", "<script", "src=", "url(", "@import", "<link", "onload"] {
            assert!(!page.contains(foreign), "{foreign}");
        }
        assert_eq!(page.matches("<svg").count(), 6);
        assert!(page.contains("prefers-color-scheme: dark") && page.contains("@media print"));
        assert!(page.contains("RSRP") && page.contains("dBm</text>") && page.contains("861551056421746"));
        assert!(page.len() < 400_000, "{}", page.len());
    }

    #[test]
    fn every_element_that_is_opened_is_closed() {
        let page = page(&status(), &month(), NOW);
        for element in
            ["figure", "svg", "g", "table", "tr", "td", "section", "div", "span", "text", "circle", "title", "style"]
        {
            let opened = page.matches(&format!("<{element}>")).count() + page.matches(&format!("<{element} ")).count();
            assert_eq!(opened, page.matches(&format!("</{element}>")).count(), "{element}");
        }
    }

    #[test]
    fn a_device_that_was_just_installed_has_a_page() {
        let row = Row { hour: 498_857, watched_s: 60, online_s: 30, ..Row::default() };
        for rows in [vec![], vec![row]] {
            let page = page(&json!({}), &rows, NOW);
            assert!(page.contains("the last 24 hours") && !page.contains("NaN") && !page.contains("inf "), "{page}");
        }
    }

    #[test]
    fn a_firmware_that_only_knows_rssi_gets_its_signal_plotted() {
        let rows: Vec<_> = month().into_iter().map(|row| Row { rsrp_dbm: None, rsrq_db: None, ..row }).collect();
        let page = page(&status(), &rows, NOW);
        assert!(page.contains("RSSI, received signal strength") && !page.contains("RSRQ, "));
    }

    #[test]
    fn an_operators_name_stays_text() {
        let status = json!({"link": {"device": {"device_name": "</title><script>alert(1)</script>"}}, "module": {"operator": "<img src=x>"}});
        let page = page(&status, &[], NOW);
        assert!(!page.contains("<script") && !page.contains("<img") && page.contains("&lt;script&gt;"), "{page}");
    }
}
