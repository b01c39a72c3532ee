//! The status as Prometheus reads it: a table that says which number of the status object is which metric, and the text made
//! from it.
//!
//! Names follow Prometheus' conventions: base units, `_total` for what only counts up. What is not known now (the signal of a
//! module that is away) is left out, not 0.
//!
//! Source: Prometheus, "Exposition formats" (text format 0.0.4), "Metric and label naming".

mod table;
mod textfile;

pub use table::METRICS;
pub use textfile::keep;

use serde_json::Value;
use std::fmt::Write;

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// `airgate_…`.
    pub name: &'static str,
    /// What it does over time.
    pub kind: Kind,
    /// What it says, in one sentence.
    pub help: &'static str,
    /// Where it is in the status object.
    pub from: From,
}

/// What a metric does over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It only grows, but for restarts.
    Counter,
    /// It goes up and down.
    Gauge,
}

impl Kind {
    /// As Prometheus says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Where a metric is in the status object. Places are JSON pointers.
#[derive(Debug)]
pub enum From {
    /// A number, times a factor.
    Number(&'static str, f64),
    /// 1 when this text stands there, 0 when another does.
    Is(&'static str, &'static str),
    /// An object: each of its keys as the value of this label.
    Each(&'static str, &'static str),
    /// Some numbers, each with its value of this label.
    Some(&'static str, &'static [(&'static str, &'static str)]),
    /// Always 1: the texts at these places are labels. Left out when the first is not known.
    Info(&'static [(&'static str, &'static str)]),
}

/// Every metric that can be told now, in text format 0.0.4.
pub fn render(status: &Value) -> String {
    let mut out = String::new();
    for metric in METRICS {
        let samples = samples(&metric.from, status);
        if samples.is_empty() {
            continue;
        }
        // Writing to a string does not fail.
        let _ =
            writeln!(out, "# HELP {} {}\n# TYPE {} {}", metric.name, metric.help, metric.name, metric.kind.as_str());
        for (labels, value) in samples {
            let _ = writeln!(out, "{}{labels} {value}", metric.name);
        }
    }
    out
}

fn samples(from: &From, status: &Value) -> Vec<(String, f64)> {
    let number = |place: &str| status.pointer(place).and_then(Value::as_f64);
    match from {
        From::Number(place, factor) => number(place).map(|value| (String::new(), value * factor)).into_iter().collect(),
        From::Is(place, text) => {
            let there = status.pointer(place).and_then(Value::as_str);
            there.map(|there| (String::new(), f64::from(u8::from(there == *text)))).into_iter().collect()
        }
        From::Each(place, label) => {
            let pairs = status.pointer(place).and_then(Value::as_object).into_iter().flatten();
            pairs.filter_map(|(key, value)| Some((labels(&[(label, key)]), value.as_f64()?))).collect()
        }
        From::Some(label, places) => {
            let pairs = places.iter().filter_map(|(name, place)| Some((labels(&[(label, name)]), number(place)?)));
            pairs.collect()
        }
        From::Info(places) => {
            let text = |place: &str| status.pointer(place).and_then(Value::as_str);
            let known = places.first().and_then(|(_, place)| text(place)).is_some();
            let texts: Vec<_> = places.iter().map(|(label, place)| (*label, text(place).unwrap_or_default())).collect();
            known.then(|| (labels(&texts), 1.0)).into_iter().collect()
        }
    }
}

/// `{label="value",…}`, with what a value may not hold written as the format wants it.
fn labels(pairs: &[(&str, &str)]) -> String {
    let escape = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let pairs: Vec<_> = pairs.iter().map(|(label, value)| format!("{label}=\"{}\"", escape(value))).collect();
    format!("{{{}}}", pairs.join(","))
}

#[cfg(test)]
mod tests;
