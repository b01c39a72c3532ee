//! What is known: the last answers of the daemon, and what was seen of the line while we looked.

use crate::history::Row;
use serde_json::Value;
use std::collections::VecDeque;

/// Seconds of throughput that are kept: the width of a wide terminal.
const SECONDS: usize = 240;
/// Lines of the log that are kept: the height of a tall one.
const LINES: usize = 128;

/// A program at a door, with the names that this host has for its numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The user's name, or its number.
    pub user: String,
    /// The process's name, if it may be seen.
    pub process: String,
    /// Its number.
    pub pid: Option<i32>,
    /// `json` or `mqtt`.
    pub door: String,
    /// Since how many seconds.
    pub for_s: u64,
}

/// Bytes of one second, and messages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Pace {
    pub(super) tx: f64,
    pub(super) rx: f64,
}

/// A line of the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) unix_ms: u64,
    pub(super) level: String,
    pub(super) text: String,
}

/// Everything that is drawn.
#[derive(Clone, Debug, Default)]
pub struct Top {
    pub(super) now_unix_ms: u64,
    pub(super) status: Value,
    pub(super) programs: Vec<Program>,
    pub(super) hours: Vec<Row>,
    pub(super) log: VecDeque<LogLine>,
    /// Why there is no log.
    pub(super) no_log: String,
    /// Why nothing is known now.
    pub(super) gone: String,
    pub(super) pace: VecDeque<Pace>,
    counted: Option<(u64, f64, f64)>,
}

impl Top {
    /// The daemon's status at a moment by this host's clock; `programs` are those that it tells of.
    pub fn observe(&mut self, now_unix_ms: u64, status: Value, programs: Vec<Program>) {
        let bytes = |way: &str| status.pointer(&format!("/line/{way}_bytes")).and_then(Value::as_f64).unwrap_or(0.0);
        let (tx, rx) = (bytes("tx"), bytes("rx"));
        if let Some((then, old_tx, old_rx)) = self.counted.replace((now_unix_ms, tx, rx))
            && now_unix_ms > then
        {
            let seconds = (now_unix_ms - then) as f64 / 1000.0;
            // A daemon that was restarted counts from nothing.
            let of = |old: f64, new: f64| (new - old).max(0.0) / seconds;
            self.pace.push_back(Pace { tx: of(old_tx, tx), rx: of(old_rx, rx) });
            if self.pace.len() > SECONDS {
                self.pace.pop_front();
            }
        }
        (self.now_unix_ms, self.status, self.programs) = (now_unix_ms, status, programs);
        self.gone.clear();
    }

    /// The answer to `history`.
    pub fn history(&mut self, history: &Value) {
        let hours = history.get("hours").cloned().unwrap_or_default();
        self.hours = serde_json::from_value(hours).unwrap_or_default();
    }

    /// The answer to `log`; tells from which number to go on.
    pub fn log(&mut self, log: &Value) -> u64 {
        for line in log.get("lines").and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| line.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            let unix_ms = line.get("unix_ms").and_then(Value::as_u64).unwrap_or(0);
            self.log.push_back(LogLine { unix_ms, level: text("level"), text: text("text") });
        }
        while self.log.len() > LINES {
            self.log.pop_front();
        }
        log.get("next").and_then(Value::as_u64).unwrap_or(0)
    }

    /// There is no log to be had.
    pub fn without_log(&mut self, why: impl Into<String>) {
        self.no_log = why.into();
    }

    /// The daemon does not answer. What was known of it stays.
    pub fn lost(&mut self, now_unix_ms: u64, why: impl Into<String>) {
        self.now_unix_ms = now_unix_ms;
        self.gone = why.into();
        self.counted = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_daemon_that_was_restarted_is_no_burst() {
        let mut top = Top::default();
        for (second, tx) in [(0, 1000), (1, 1500), (2, 20), (3, 50)] {
            top.observe(second * 1000, json!({"line": {"tx_bytes": tx, "rx_bytes": 0}}), Vec::new());
        }
        assert_eq!(top.pace.iter().map(|pace| pace.tx).collect::<Vec<_>>(), [500.0, 0.0, 30.0]);
        top.lost(4_000, "gone");
        top.observe(60_000, json!({"line": {"tx_bytes": 9_000}}), Vec::new());
        assert_eq!((top.pace.len(), top.gone.as_str()), (3, ""), "what happened meanwhile is not known");
    }

    #[test]
    fn a_night_of_watching_stays_within_its_bounds() {
        let mut top = Top::default();
        for second in 0..5_000u64 {
            top.observe(second * 1000, Value::Null, Vec::new());
            top.log(&json!({"lines": [{"text": "x"}, {}], "next": second}));
        }
        assert_eq!((top.pace.len(), top.log.len()), (SECONDS, LINES));
    }
}
