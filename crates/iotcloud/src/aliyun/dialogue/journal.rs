//! The gateway's own warnings, for the platform's log, when the platform asks for them.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "Device log reporting".

use super::requests::Purpose;
use super::{Failure, LEAST_PAYLOAD, alink};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Lines in one message. Source: "Device log reporting".
const AT_ONCE: usize = 40;
/// Lines that wait; the oldest goes first.
const KEPT: usize = 200;
/// Longest text of a line, in bytes.
const LINE: usize = 256;
/// Longest name of a part of the gateway, in bytes.
const MODULE: usize = 64;
/// The method that says lines.
const POST: &str = "thing/log/post";
/// Between messages, so that a fault that repeats itself does not eat the SIM card's quota.
const REST_MS: u64 = 60_000;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A fault that heals or can be lived with.
    Warn,
    /// A fault.
    Error,
}

/// A line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When, in milliseconds since 1970.
    pub unix_ms: u64,
    /// How bad.
    pub level: Level,
    /// Which part of the gateway.
    pub module: String,
    /// What. Cut at 256 bytes.
    pub text: String,
}

#[derive(Debug, Default)]
pub(super) struct Journal {
    lines: VecDeque<LogLine>,
    mode: Mode,
    /// Lines of the message under way.
    under_way: usize,
    /// One was not taken for its length: the next ones are as short as any may be.
    is_brief: bool,
    next_question_ms: u64,
    next_post_ms: u64,
}

/// Whether the platform wants logs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// It is to be asked.
    #[default]
    Unknown,
    Asked,
    Off,
    On,
}

impl Journal {
    /// Of a message under way nobody knows whether it arrived: it is sent again.
    pub(super) fn online(&mut self) {
        self.under_way = 0;
        if self.mode == Mode::Asked {
            self.mode = Mode::Unknown;
        }
    }

    pub(super) fn push(&mut self, mut line: LogLine) {
        line.text = plain(&line.text, LINE);
        line.module = plain(&line.module, MODULE);
        // Those under way are at the front and stay until it is known what became of them.
        if self.lines.len() >= KEPT {
            self.lines.remove(self.under_way);
        }
        self.lines.push_back(line);
    }

    /// `{"getType":"content","content":{"mode":0|1}}`, as a reply or by itself.
    pub(super) fn told(&mut self, data: &Value) {
        let mode = data.get("content").and_then(|content| content.get("mode"));
        let is_on = mode.is_some_and(|mode| mode == 1 || mode == "1");
        self.mode = if is_on { Mode::On } else { Mode::Off };
    }

    /// The platform has no log configuration for us, or did not say.
    pub(super) fn not_told(&mut self, failure: &Failure) {
        self.mode = match failure {
            Failure::Refused { .. } | Failure::NotSubscribed => Mode::Off,
            _ => Mode::Unknown,
        };
    }

    pub(super) fn posted(&mut self, result: &Result<Value, Failure>) {
        match result {
            Ok(_) => drop(self.lines.drain(..self.under_way.min(self.lines.len()))),
            Err(failure) => self.is_brief |= matches!(failure, Failure::NotTaken(_)),
        }
        self.under_way = 0;
    }

    /// What is to be said now, in at most `max_payload` bytes: path, parameters and for whom the reply is.
    pub(super) fn speak(&mut self, now_ms: u64, max_payload: usize) -> Option<(&'static str, Value, Purpose)> {
        if self.deadline().is_none_or(|due| now_ms < due) {
            return None;
        }
        match self.mode {
            Mode::Unknown => {
                self.mode = Mode::Asked;
                self.next_question_ms = now_ms + REST_MS;
                let params = json!({"configScope": "device", "getType": "content"});
                Some(("thing/config/log/get", params, Purpose::LogConfig))
            }
            Mode::On => {
                self.next_post_ms = now_ms + REST_MS;
                let lines = self.first(if self.is_brief { LEAST_PAYLOAD } else { max_payload });
                self.under_way = lines.len();
                Some((POST, Value::Array(lines), Purpose::LogPost))
            }
            Mode::Asked | Mode::Off => None,
        }
    }

    /// The oldest lines, as many as one message carries.
    fn first(&self, max_payload: usize) -> Vec<Value> {
        // With the longest id that there is.
        let mut bytes = alink::request(u32::MAX, Some(POST), &Value::Array(Vec::new())).len();
        let fit = self.lines.iter().take(AT_ONCE).map(shown).take_while(|line| {
            bytes += line.to_string().len() + ",".len();
            bytes <= max_payload
        });
        fit.collect()
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        match self.mode {
            Mode::Unknown => Some(self.next_question_ms),
            Mode::On => (!self.lines.is_empty() && self.under_way == 0).then_some(self.next_post_ms),
            Mode::Asked | Mode::Off => None,
        }
    }
}

/// At most so many bytes of it, whole characters, and none that takes six bytes in JSON.
fn plain(text: &str, bytes: usize) -> String {
    let mut plain = text.replace(char::is_control, " ");
    let end = (0..=bytes.min(plain.len())).rev().find(|at| plain.is_char_boundary(*at));
    plain.truncate(end.unwrap_or_default());
    plain
}

fn shown(line: &LogLine) -> Value {
    let level = match line.level {
        Level::Warn => "WARN",
        Level::Error => "ERROR",
    };
    json!({
        "utcTime": utc(line.unix_ms), "logLevel": level, "module": line.module, "code": "", "traceContext": "",
        "logContent": line.text,
    })
}

/// `2020-03-06T15:15:27.000+0000`
fn utc(unix_ms: u64) -> String {
    let (days, rest) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Days since 0000-03-01, in eras of 400 years, so that the leap day comes last. Source: H. Hinnant, "chrono-compatible
    // low-level date algorithms".
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let (hour, minute, second, ms) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}+0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(utc(0), "1970-01-01T00:00:00.000+0000");
        assert_eq!(utc(951_782_400_000), "2000-02-29T00:00:00.000+0000");
        assert_eq!(utc(1_583_507_727_123), "2020-03-06T15:15:27.123+0000");
        assert_eq!(utc(4_102_444_799_999), "2099-12-31T23:59:59.999+0000");
    }
}
