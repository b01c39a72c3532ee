//! The host's clock is kept right by a process of its own. These tests set no clock: they run it dry.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use airgate_tests::{House, Process, eventually, free_port, run};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// The network's time beside this host's, in seconds.
const AHEAD_S: u64 = 5_000;

/// A house whose module hears the time of the network, by which this host is behind.
fn house(clock: &str) -> House {
    let mut house = House::with_broker(free_port());
    house.kill_daemon();
    std::fs::create_dir(house.path("conf.d")).unwrap();
    std::fs::write(house.path("conf.d/clock.toml"), format!("[clock]\n{clock}\n")).unwrap();
    house.start_daemon();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    house.ask_modem(&json!({"do": "time", "unix": now + AHEAD_S}));
    eventually("the daemon has heard the time", || {
        let told = run(&mut house.airgate(&["clock", "show", "--json"]));
        let told: Value = serde_json::from_slice(&told.stdout).ok()?;
        (told["host_offset_ms"].as_u64()? / 1_000 >= AHEAD_S - 5).then_some(())
    });
    house
}

#[test]
fn a_clock_that_is_behind_is_set_by_the_networks_time() {
    let house = house("set = true");
    let follow = Process::start(&mut house.airgate(&["clock", "follow", "--dry-run"]), &house.path("follow.log"));
    eventually("it would be set", || follow.log().contains("this host's clock was set").then_some(()));
    let log = follow.log();
    assert!(log.contains("source=\"network\"") && log.contains("uncertainty_ms=1"), "{log}");
    let once = run(&mut house.airgate(&["clock", "set", "--dry-run"]));
    let said = String::from_utf8(once.stdout).unwrap();
    assert!(said.contains("by the network's clock this host is behind by 1 h 23 min"), "{said}");
    assert!(said.contains("it would be set"), "{said}");
}

#[test]
fn the_clock_is_left_alone_unless_the_configuration_says_otherwise() {
    let house = house("set = false");
    let done = run(&mut house.airgate(&["clock", "follow"]));
    assert!(done.status.success());
    let said = String::from_utf8(done.stderr).unwrap();
    assert!(said.contains("left alone: [clock] set is not true"), "{said}");
}
