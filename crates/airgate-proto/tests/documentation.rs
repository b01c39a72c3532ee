//! The documentation of the protocol says what the code does.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_proto::{Code, Event, Op, Reply, ServerFrame, limits, parse_line, parse_server_line};
use std::collections::BTreeSet;

const TEXT: &str = include_str!("../../../docs/socket-protocol.md");

fn examples(mark: &str) -> impl Iterator<Item = &'static str> {
    let blocks = TEXT.split("```json\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(move |line| line.strip_prefix(mark))
}

/// Rows of the table that follows this heading, as cells.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, text) = TEXT.split_once(&format!("\n## {heading}\n")).expect(heading);
    let text = text.split("\n## ").next().unwrap_or_default();
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split(" | ").map(|cell| cell.trim().trim_matches('`')).collect()).collect()
}

#[test]
fn every_operation_has_an_example_that_the_daemon_reads() {
    let mut seen = BTreeSet::new();
    for example in examples("> ") {
        parse_line(example.as_bytes()).unwrap_or_else(|refusal| panic!("{example}: {refusal:?}"));
        let value: serde_json::Value = serde_json::from_str(example).unwrap();
        seen.insert(value["op"].as_str().unwrap().to_owned());
    }
    assert_eq!(seen, Op::NAMES.iter().map(|name| (*name).to_owned()).collect());
}

#[test]
fn every_answer_and_event_is_what_a_daemon_writes() {
    let mut events = BTreeSet::new();
    for example in examples("< ") {
        let written = match parse_server_line(example.as_bytes()) {
            Ok(ServerFrame::Event(event)) => {
                let value = serde_json::to_value(&event).unwrap();
                events.insert(value["event"].as_str().unwrap().to_owned());
                event.to_line()
            }
            Ok(ServerFrame::Reply(reply)) => reply.to_line(),
            other => panic!("{example}: {other:?}"),
        };
        let value = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
        assert_eq!(value(&written), value(example.as_bytes()), "no field more and none less");
    }
    let all = ["budget", "call", "dropped", "hello", "lagged", "link", "message", "ota", "sent", "sms"];
    assert_eq!(events.iter().map(String::as_str).collect::<Vec<_>>(), all);
    // Whoever adds an event adds it here and to the documentation.
    let _ = |event: Event| match event {
        Event::Hello(_) | Event::Message(_) | Event::Sent { .. } | Event::Dropped(_) | Event::Link(_) => {}
        Event::Lagged { .. } | Event::Ota(_) | Event::Call(_) | Event::Sms(_) | Event::Budget(_) => {}
    };
}

#[test]
fn every_code_is_listed_and_the_examples_of_requests_get_it() {
    let rows = table("Refusals");
    let codes: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(codes, Code::ALL.map(Code::as_str));
    let mut tried = 0;
    for row in rows.iter().filter(|row| row.len() > 2 && row[2].starts_with('{')) {
        let refusal = parse_line(row[2].as_bytes()).expect_err(row[2]);
        assert_eq!(refusal.code.as_str(), row[0], "{refusal:?}");
        let line = Reply::Refused(refusal).to_line();
        assert!(matches!(parse_server_line(&line), Ok(ServerFrame::Reply(Reply::Refused(_)))));
        tried += 1;
    }
    assert_eq!(tried, 5);
}

#[test]
fn the_limits_are_those_of_the_code() {
    let limits = [
        ("DEFAULT_LINE_BYTES", limits::DEFAULT_LINE_BYTES),
        ("MAX_LINE_BYTES", limits::MAX_LINE_BYTES),
        ("MAX_PAYLOAD_BYTES", limits::MAX_PAYLOAD_BYTES),
        ("MAX_TOPIC_BYTES", limits::MAX_TOPIC_BYTES),
        ("MAX_KEY_BYTES", limits::MAX_KEY_BYTES),
        ("MAX_DURABLE_BYTES", limits::MAX_DURABLE_BYTES),
        ("MAX_ID_BYTES", limits::MAX_ID_BYTES),
        ("MAX_AT_BYTES", limits::MAX_AT_BYTES),
        ("MAX_PRIORITY", limits::MAX_PRIORITY.into()),
        ("DEFAULT_PRIORITY", limits::DEFAULT_PRIORITY.into()),
    ];
    let rows = table("Limits");
    for (name, value) in limits {
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(row[1], value.to_string(), "{name}");
    }
}
