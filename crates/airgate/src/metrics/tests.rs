//! The text against the format, and what is drawn from it (dashboard, alerts, documentation) against the table.

use super::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};

const DASHBOARD: &str = include_str!("../../../../etc/grafana/airgate.json");
const RULES: &str = include_str!("../../../../etc/prometheus/airgate.rules.yml");
const DOCUMENT: &str = include_str!("../../../../docs/observing.md");

/// A status with everything in it.
fn full() -> Value {
    serde_json::from_str(include_str!("../view/samples/online.json")).unwrap()
}

/// `airgate_…` words of a text.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("airgate_")).collect()
}

#[test]
fn every_metric_is_told_of_a_status_that_has_all() {
    let text = render(&full());
    let told: BTreeSet<_> = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert_eq!(told, METRICS.iter().map(|metric| metric.name).collect());
    assert!(text.contains("airgate_link_up 1\n") && text.contains("airgate_serial_bytes_total{direction=\"tx\"} "));
}

#[test]
fn names_follow_the_conventions() {
    for Metric { name, kind, help, .. } in METRICS {
        assert!(name.starts_with("airgate_") && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}");
        assert_eq!(*kind == Kind::Counter, name.ends_with("_total"), "{name}");
        assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}");
    }
    assert_eq!(named(&render(&full())).len(), METRICS.len(), "no name twice");
}

#[test]
fn a_signal_that_is_not_known_is_absent_and_not_zero() {
    let text = render(&json!({"link": {"state": "offline"}, "module": {"rsrp_dbm": null}}));
    assert_eq!(text.lines().last(), Some("airgate_link_up 0"));
    assert!(!text.contains("rsrp"));
    assert_eq!(render(&json!({})), "");
}

#[test]
fn an_operators_name_cannot_break_out_of_its_label() {
    let status = json!({"module": {"firmware": "a\"} 7\nb\\", "model": null}});
    let text = render(&status);
    assert!(text.contains("{firmware=\"a\\\"} 7\\nb\\\\\",model=\"\",operator=\"\"} 1\n"), "{text}");
    assert_eq!(text.lines().count(), 3);
}

#[test]
fn dashboard_and_alerts_name_only_metrics_that_exist() {
    let known: BTreeSet<_> = METRICS.iter().map(|metric| metric.name).collect();
    for (what, text) in [("dashboard", DASHBOARD), ("alerts", RULES)] {
        let named = named(text);
        assert!(named.is_subset(&known), "{what}: {:?}", named.difference(&known));
        assert!(named.len() > 5, "{what}: {named:?}");
    }
    let dashboard: Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
}

#[test]
fn the_documents_table_is_that_of_the_code() {
    let rows = METRICS.iter().map(|Metric { name, kind, help, from }| {
        let labels: Vec<_> = match from {
            From::Each(_, label) | From::Some(label, _) => vec![*label],
            From::Info(places) => places.iter().map(|(label, _)| *label).collect(),
            From::Number(..) | From::Is(..) => Vec::new(),
        };
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        format!("| `{name}` | {} | {} | {help} |", kind.as_str(), labels.join(", "))
    });
    let wanted: Vec<_> = rows.collect();
    let there: Vec<_> = DOCUMENT.lines().filter(|line| line.starts_with("| `airgate_")).collect();
    assert_eq!(there, wanted, "docs/observing.md should say:\n{}\n", wanted.join("\n"));
}

/// Prometheus' own tool, where it is installed.
fn promtool(arguments: &[&str], input: &str) -> Option<(bool, String)> {
    let mut command = Command::new("promtool");
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    std::io::Write::write_all(&mut child.stdin.take()?, input.as_bytes()).ok()?;
    let output = child.wait_with_output().ok()?;
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn prometheus_own_tool_finds_nothing_to_complain_of() {
    if let Some((ok, said)) = promtool(&["check", "metrics"], &render(&full())) {
        assert!(ok && said.is_empty(), "{said}");
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../etc/prometheus/airgate.rules.yml");
    if let Some((ok, said)) = promtool(&["check", "rules", rules.to_str().unwrap()], "") {
        assert!(ok, "{said}");
    }
}
