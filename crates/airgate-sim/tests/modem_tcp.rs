//! The host's plain TCP connection.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::NetEvent;
use modem_support::Bench;

fn connected(lines: &[&str]) -> Bench {
    let mut bench = Bench::ready(Profile::v1161());
    for line in ["ATE0"].iter().chain(lines).chain(&["AT+CIPSTART=\"TCP\",\"h\",80"]) {
        assert!(bench.say(line).contains("OK\r\n"), "{line}");
    }
    bench.heard.clear();
    bench
}

#[test]
fn counted_data_is_sent_whole_and_what_is_behind_it_is_the_next_command() {
    let mut bench = connected(&[]);
    assert_eq!(bench.say("AT+CIPSEND=3"), "\r\n> ");
    bench.heard.clear();
    bench.send(b"a\x1aT\r\nAT\r\n");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\nSEND OK\r\n\r\nOK\r\n");
    assert_eq!(bench.tcp_sent, b"a\x1aT");
}

#[test]
fn escape_abandons_what_was_written() {
    let mut bench = connected(&[]);
    bench.say("AT+CIPSEND");
    bench.heard.clear();
    bench.send(b"abc\x1b");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\nOK\r\n");
    assert!(bench.tcp_sent.is_empty());
}

#[test]
fn close_of_the_other_side_is_told_and_ends_sending() {
    let mut bench = connected(&[]);
    bench.engine.network(NetEvent::Closed(bench.tcp.unwrap()), bench.now);
    bench.collect();
    assert_eq!(bench.take(), "\r\nCLOSED\r\n");
    assert_eq!(bench.say("AT+CIPSEND=1"), "\r\n+CME ERROR: 3\r\n");
    assert!(bench.say("AT+CIPSTATUS").contains("STATE: TCP CLOSED"));
}

#[test]
fn transparent_line_carries_everything_but_three_plus_signs_that_stand_alone() {
    let mut bench = connected(&["AT+CIPMODE=1"]);
    bench.send(b"AT\r\n");
    bench.send(b"+++");
    bench.run(Duration::from_millis(300));
    bench.send(b"x");
    bench.tcp_receives(b"raw");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.tcp_sent, b"AT\r\n+++x");
    assert_eq!(bench.take(), "raw");
    bench.send(b"+++");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\nOK\r\n");
    assert_eq!(bench.say("AT"), "\r\nOK\r\n");
    assert!(bench.say("ATO").ends_with("CONNECT\r\n"));
    bench.send(b"y");
    assert!(bench.tcp_sent.ends_with(b"xy"));
}

#[test]
fn loss_of_the_network_closes_the_connection() {
    let mut bench = connected(&[]);
    assert!(bench.say("AT+CGATT=0").contains("CLOSED"));
    assert_eq!(bench.aborted.len(), 1);
}
