//! The status on one screen of 80 columns and 24 lines. Whatever another version does not tell is left out.

use super::paint::Paint;
use super::words::{self, Grade, Judged, bar, duration};
use serde_json::Value;

const BAR: usize = 10;

/// Draws it.
pub fn draw(status: &Value, now_unix_ms: u64, paint: Paint) -> String {
    let screen = Screen { status, now_unix_ms, paint };
    let parts = [screen.head(), screen.link(), screen.module(), screen.outbox(), screen.rest()];
    parts
        .into_iter()
        .flatten()
        .filter(|(_, text)| !text.is_empty())
        .map(|(name, text)| row(name, &text, paint))
        .collect()
}

type Rows = Vec<(&'static str, String)>;

fn row(name: &str, text: &str, paint: Paint) -> String {
    // What the module and the cloud said must not command the terminal.
    let text: String = text.chars().filter(|c| !c.is_control() || (paint.0 && *c == '\x1b')).collect();
    format!("{}{text}\n", paint.faint(&format!("{name:<10}")))
}

struct Screen<'s> {
    status: &'s Value,
    now_unix_ms: u64,
    paint: Paint,
}

impl Screen<'_> {
    fn at(&self, place: &str) -> &Value {
        self.status.pointer(place).unwrap_or(&Value::Null)
    }

    /// As it is written; empty when it is not known.
    fn text(&self, place: &str) -> String {
        match self.at(place) {
            Value::Null => String::new(),
            // An escape of our own is the only one that there is.
            Value::String(text) => text.replace('\x1b', ""),
            other => other.to_string(),
        }
    }

    fn number(&self, place: &str) -> f64 {
        self.at(place).as_f64().unwrap_or(0.0)
    }

    fn whole(&self, place: &str) -> u64 {
        self.at(place).as_u64().unwrap_or(0)
    }

    fn online(&self) -> bool {
        self.at("/link/state") == "online"
    }

    fn head(&self) -> Rows {
        let up = self.at("/uptime_s").as_u64().map_or(String::new(), |s| format!(", up {}", duration(s)));
        vec![("daemon", self.text("/daemon") + &up)]
    }

    fn link(&self) -> Rows {
        let (grade, word) = match self.at("/link/state").as_str() {
            Some("online") => (Grade::Good, "online"),
            Some(_) => (Grade::Bad, "offline"),
            None => (Grade::Bad, "unknown"),
        };
        let since = self.at("/link/since_unix_ms").as_u64();
        let since = since.map(|ms| format!(" for {}", duration(self.now_unix_ms.saturating_sub(ms) / 1000)));
        let attempts = match self.whole("/link/attempts") {
            1 => ", 1 sign-in".to_owned(),
            some => format!(", {some} sign-ins"),
        };
        let mut rows = vec![(
            "link",
            format!("{}{}{attempts}", self.paint.grade(grade, &format!("● {word}")), since.unwrap_or_default()),
        )];
        if !self.online() && self.at("/link/trouble").is_object() {
            rows.push(("", self.paint.strong(&self.text("/link/trouble/message"))));
            rows.push(("", self.text("/link/trouble/hint")));
            let next = self.at("/link/next_try_unix_ms").as_u64().map(|ms| ms.saturating_sub(self.now_unix_ms) / 1000);
            rows.push(("", next.map_or(String::new(), |s| format!("next try in {}", duration(s)))));
        }
        if self.at("/link/aside").is_object() {
            rows.push(("", self.paint.strong(&self.text("/link/aside/message"))));
            rows.push(("", self.text("/link/aside/hint")));
        }
        let device = self.text("/link/device/device_name");
        let product = self.text("/link/device/product_key");
        let device = if device.is_empty() { device } else { format!("  {device} of product {product}") };
        rows.push(("cloud", format!("{}{device}", self.text("/cloud"))));
        rows
    }

    fn module(&self) -> Rows {
        let named = |name: &str, place: &str| match self.text(place) {
            text if text.is_empty() => text,
            text => format!("{name}{text}"),
        };
        let joined =
            |parts: &[String]| parts.iter().filter(|part| !part.is_empty()).cloned().collect::<Vec<_>>().join("  ");
        let error = self.paint.grade(Grade::Bad, &self.text("/module/port_error"));
        vec![
            ("port", joined(&[self.text("/module/port"), error])),
            (
                "module",
                joined(&[
                    named("", "/module/model"),
                    named("firmware ", "/module/firmware"),
                    self.text("/module/phase"),
                ]),
            ),
            ("imei", joined(&[self.text("/module/imei"), named("iccid ", "/module/iccid")])),
            (
                "network",
                joined(&["operator", "registration", "address"].map(|key| self.text(&format!("/module/{key}")))),
            ),
            ("signal", self.signal()),
            ("", self.judged("RSRQ", "/module/rsrq_db", "dB", words::rsrq)),
        ]
    }

    fn signal(&self) -> String {
        let rsrp = self.judged("RSRP", "/module/rsrp_dbm", "dBm", words::rsrp);
        match (rsrp.is_empty(), self.at("/module/rssi_dbm").as_i64()) {
            (false, _) => rsrp,
            (true, Some(dbm)) => format!("RSSI {dbm} dBm"),
            (true, None) => "unknown".to_owned(),
        }
    }

    fn judged(&self, name: &str, place: &str, unit: &str, judge: impl Fn(f64) -> Judged) -> String {
        let Some(value) = self.at(place).as_f64() else { return String::new() };
        let Judged { word, grade, share } = judge(value);
        format!("{name} {} {word}, {value} {unit}", self.paint.grade(grade, &bar(share, BAR)))
    }

    fn outbox(&self) -> Rows {
        let waiting = self.whole("/outbox/queued");
        let mut first = format!("{waiting} waiting, {} in flight", self.whole("/outbox/in_flight"));
        if waiting + self.whole("/outbox/in_flight") > 0 {
            let oldest = self.at("/outbox/oldest_age_ms").as_u64();
            first += &oldest.map_or(String::new(), |ms| format!(", the oldest for {}", duration(ms / 1000)));
            first += &format!(", {}", words::bytes(self.number("/outbox/bytes")));
        }
        let mut rows = vec![("outbox", first)];
        if waiting > 0 {
            let empty = match self.at("/outbox/empty_in_s").as_u64() {
                Some(s) => format!("empty in {}", duration(s)),
                None => "not getting fewer".to_owned(),
            };
            let [acknowledged, accepted] =
                ["acknowledged", "accepted"].map(|key| self.number(&format!("/outbox/{key}_per_s")));
            rows.push(("", format!("{acknowledged:.1} acknowledged and {accepted:.1} accepted a second, {empty}")));
        }
        let [accepted, acknowledged, dropped] =
            ["accepted", "acknowledged", "dropped"].map(|key| self.whole(&format!("/outbox/{key}")));
        rows.push(("", format!("{accepted} accepted, {acknowledged} acknowledged, {dropped} dropped since the start")));
        let disk = Some(self.text("/outbox/disk")).filter(|disk| disk != "ok").unwrap_or_default();
        rows.push(("disk", self.paint.grade(Grade::Bad, &disk)));
        rows
    }

    fn rest(&self) -> Rows {
        let mut rows = vec![("air", self.air())];
        rows.extend(self.heals());
        let [sent, received] = ["tx", "rx"].map(|way| words::bytes(self.number(&format!("/line/{way}_bytes"))));
        let noise = self.whole("/line/broken");
        let noise = if noise > 0 { format!(", {noise} frames broken") } else { String::new() };
        rows.push(("line", format!("{sent} sent, {received} received{noise}")));
        let away = self.whole("/programs/away");
        let away = if away > 0 { format!(", {away} away") } else { String::new() };
        rows.push(("programs", format!("{} connected{away}", self.whole("/programs/connected"))));
        let (version, protocol) = (self.text("/version"), self.text("/protocol"));
        let versions = format!("airgate {version}, socket protocol {protocol}");
        rows.push(("versions", if version.is_empty() { version } else { versions }));
        rows
    }

    fn air(&self) -> String {
        if !self.at("/budget").is_object() {
            return String::new();
        }
        let used = |period: &str| {
            ["up", "down"].map(|way| self.number(&format!("/budget/{period}/{way}"))).iter().sum::<f64>()
        };
        let (month, today) = (used("month"), words::bytes(used("today")));
        let Some(bound) = self.at("/budget/monthly_bytes").as_f64() else {
            return format!("{} this month, {today} today, estimated", words::bytes(month));
        };
        let (grade, level) = match self.text("/budget/level").as_str() {
            "spent" => (Grade::Bad, " (spent)"),
            "warned" => (Grade::Fair, " (warned)"),
            _ => (Grade::Good, ""),
        };
        let share = month / bound.max(1.0);
        let drawn = self.paint.grade(grade, &bar(share, BAR));
        let percent = share * 100.0;
        format!("{drawn} {percent:.0} % of {} this month{level}, {today} today", words::bytes(bound))
    }

    /// The last three.
    fn heals(&self) -> Rows {
        let recent = self.at("/module/recovery/recent").as_array();
        let last = self.at("/module/recovery/last");
        let all: Vec<&Value> = match recent {
            Some(recent) => recent.iter().take(3).collect(),
            None => Some(last).filter(|last| last.is_object()).into_iter().collect(),
        };
        let told = all.iter().map(|heal| {
            let text = |name: &str| heal.get(name).and_then(Value::as_str).unwrap_or_default().replace('\x1b', "");
            let seconds = |name: &str| duration(heal.get(name).and_then(Value::as_u64).unwrap_or(0));
            let healed = heal.get("healed") == Some(&Value::Bool(true));
            let (grade, word) = if healed { (Grade::Good, "healed") } else { (Grade::Bad, "did not heal") };
            let word = self.paint.grade(grade, word);
            let (rung, evidence) = (text("rung"), text("evidence"));
            format!("{rung} {word} \"{evidence}\" {} ago, in {}", seconds("ago_s"), seconds("took_s"))
        });
        let name = |number: usize| if number == 0 { "recovery" } else { "" };
        told.enumerate().map(|(number, text)| (name(number), text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::{self, compare};
    use super::*;
    use serde_json::json;

    /// When the samples were taken.
    const NOW: u64 = 1_795_885_500_000;

    #[test]
    fn the_screen_of_each_situation_is_as_it_was_looked_at() {
        for (name, status) in samples::STATUS {
            let status: Value = serde_json::from_str(status).unwrap();
            let drawn = draw(&status, NOW, Paint(false));
            assert!(drawn.lines().count() <= 24 && drawn.lines().all(|line| line.chars().count() <= 80), "{drawn}");
            compare(&format!("{name}.screen"), &drawn);
        }
    }

    #[test]
    fn colours_change_no_word() {
        let status: Value = serde_json::from_str(samples::STATUS[1].1).unwrap();
        let painted = draw(&status, NOW, Paint(true));
        let bare: String = painted
            .split("\x1b[")
            .map(|part| {
                part.split_once('m')
                    .map_or(part, |(code, rest)| if code.bytes().all(|b| b.is_ascii_digit()) { rest } else { part })
            })
            .collect();
        assert!(painted.contains("\x1b[31m● offline\x1b[0m"));
        assert_eq!(bare, draw(&status, NOW, Paint(false)));
    }

    #[test]
    fn an_operators_name_does_not_command_the_terminal() {
        let status = json!({"module": {"operator": "\u{1b}[2Jevil\u{7}\n"}});
        for paint in [Paint(false), Paint(true)] {
            let drawn = draw(&status, 0, paint);
            assert!(!drawn.contains("\u{1b}[2J") && drawn.contains("[2Jevil\n"), "{drawn:?}");
        }
    }
}
