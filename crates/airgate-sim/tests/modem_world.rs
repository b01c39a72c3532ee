//! The world around the module changes, and the module falls asleep.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Change, Network};
use modem_support::Bench;

fn awake(lines: &[&str]) -> Bench {
    let mut bench = Bench::ready(Profile::v1161());
    for line in ["ATE0"].iter().chain(lines) {
        bench.send(format!("{line}\r\n").as_bytes());
        bench.run(Duration::from_millis(500));
        assert!(bench.take().ends_with("OK\r\n"), "{line}");
    }
    bench
}

/// What the module answers to an `AT` after this pause.
fn after(bench: &mut Bench, pause: Duration) -> String {
    bench.run(pause);
    bench.heard.clear();
    bench.send(b"AT\r\n");
    bench.run(Duration::from_millis(50));
    bench.take()
}

#[test]
fn sleeping_module_loses_the_bytes_that_wake_it() {
    let mut bench = awake(&["AT+CSCLK=2"]);
    assert_eq!(after(&mut bench, Duration::from_millis(400)), "\r\nOK\r\n", "not idle for long enough");
    assert_eq!(after(&mut bench, Duration::from_secs(2)), "");
    assert_eq!(after(&mut bench, Duration::ZERO), "\r\nOK\r\n");
}

#[test]
fn nothing_is_lost_at_9600_baud_or_with_sleep_switched_off() {
    let mut bench = awake(&["AT+IPR=9600", "AT+CSCLK=2"]);
    assert_eq!(after(&mut bench, Duration::from_secs(5)), "\r\nOK\r\n");
    let mut bench = awake(&["AT+CSCLK=0"]);
    assert_eq!(after(&mut bench, Duration::from_secs(60)), "\r\nOK\r\n");
}

#[test]
fn idle_time_is_what_the_host_has_set() {
    let mut bench = awake(&["AT+WAKETIM=10", "AT+CSCLK=2"]);
    assert!(bench.say("AT+WAKETIM?").contains("\r\n+WAKETIM:10\r\n"));
    assert_eq!(after(&mut bench, Duration::from_secs(7)), "\r\nOK\r\n");
    assert_eq!(after(&mut bench, Duration::from_secs(11)), "");
}

#[test]
fn module_that_sleeps_by_dtr_is_woken_by_dtr_alone() {
    let mut bench = awake(&["AT+CSCLK=1"]);
    assert_eq!(after(&mut bench, Duration::from_secs(5)), "\r\nOK\r\n", "the pin is low");
    bench.engine.change(Change::Dtr { high: true }, bench.now);
    for pause in [2, 0, 0] {
        assert_eq!(after(&mut bench, Duration::from_secs(pause)), "");
    }
    bench.engine.change(Change::Dtr { high: false }, bench.now);
    assert_eq!(after(&mut bench, Duration::ZERO), "\r\nOK\r\n");
}

#[test]
fn urc_comes_out_of_sleep_and_keeps_the_module_awake_for_a_while() {
    let mut bench = awake(&["AT+CNMI=2,1", "AT+CSCLK=2"]);
    bench.run(Duration::from_secs(5));
    bench.engine.change(Change::Sms { from: "+1".into(), text: "x".into() }, bench.now);
    assert_eq!(after(&mut bench, Duration::from_millis(500)), "\r\nOK\r\n");
}

#[test]
fn restart_ends_sleep() {
    let mut bench = awake(&["AT+CSCLK=2"]);
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert_eq!(after(&mut bench, Duration::from_secs(5)), "\r\nOK\r\n");
}

#[test]
fn network_that_refuses_the_sim_or_is_foreign_shows_in_the_registration() {
    let mut bench = awake(&[]);
    let registered = |bench: &mut Bench, state| {
        bench.engine.change(Change::Network { state }, bench.now);
        bench.run(Duration::from_secs(5));
        bench.say("AT+CEREG?")
    };
    for (state, shown) in [(Network::Denied, 3), (Network::None, 2), (Network::Roaming, 5), (Network::Home, 1)] {
        let said = registered(&mut bench, state);
        assert!(said.starts_with(&format!("\r\n+CEREG: 0,{shown}\r\n")), "{state:?}: {said}");
    }
}

#[test]
fn signal_is_what_the_world_makes_it() {
    let mut bench = awake(&[]);
    bench.engine.change(Change::Signal { rssi: 7, rsrq: 3, rsrp: 20 }, bench.now);
    assert!(bench.say("AT+CSQ").contains("+CSQ: 7,0"));
    assert!(bench.say("AT+CESQ").contains("+CESQ: 99,99,255,255,3,20"));
}
