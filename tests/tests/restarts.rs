//! Killing things in the middle: everything accepted at QoS 1 arrives, in order, and only what was in flight twice.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House};
use std::time::Duration;

/// Messages handed over at once may be sent again: one on the line, the next ready behind it.
const IN_FLIGHT: usize = 2;

/// Publishes numbered messages, and breaks something on the way.
fn publish_while(house: &mut House, mut breaking: impl FnMut(&mut House, usize)) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut program = Door::open(&house.socket());
    for number in 0..60 {
        let payload = format!("message {number:03}");
        program.publish("user/update", &payload);
        accepted.push(payload);
        breaking(house, number);
    }
    accepted
}

fn nothing_is_lost(house: &House, accepted: &[String], breaks: usize) {
    let received = house.all_arrive("user/update", accepted);
    let mut first_seen = Vec::new();
    for payload in &received {
        if !first_seen.contains(payload) {
            first_seen.push(payload.clone());
        }
    }
    assert_eq!(first_seen, accepted, "order is kept");
    let twice = received.len() - accepted.len();
    assert!(twice <= IN_FLIGHT * breaks, "{twice} arrived more than once");
}

#[test]
fn module_killed_and_started_again_loses_nothing() {
    let mut house = House::new();
    house.program();
    let accepted = publish_while(&mut house, |house, number| {
        if number == 20 {
            house.kill_modem();
        }
        if number == 40 {
            house.start_modem();
        }
    });
    nothing_is_lost(&house, &accepted, 1);
}

#[test]
fn broker_killed_and_started_again_loses_nothing() {
    let mut house = House::new();
    house.program();
    let before = std::cell::RefCell::new(Vec::new());
    let accepted = publish_while(&mut house, |house, number| {
        if number == 20 {
            *before.borrow_mut() = house.cloud.received("user/update");
            house.cloud.kill();
        }
        if number == 40 {
            house.cloud.start();
        }
    });
    // What the first broker had is gone with it; what it had not acknowledged must be in the second.
    let (first, rest) = accepted.split_at(before.borrow().len());
    assert_eq!(*before.borrow(), first);
    let missing: Vec<_> = rest.iter().skip(IN_FLIGHT + 1).cloned().collect();
    house.all_arrive("user/update", &missing);
}

#[test]
fn daemon_killed_and_started_again_loses_nothing() {
    let mut house = House::new();
    house.program();
    let mut accepted = Vec::new();
    for round in 0..3 {
        let mut program = Door::open(&house.socket());
        for number in 0..20 {
            let payload = format!("round {round} message {number:02}");
            program.publish("user/update", &payload);
            accepted.push(payload);
        }
        house.kill_daemon();
        house.start_daemon();
    }
    nothing_is_lost(&house, &accepted, 3);
}

#[test]
fn daemon_stopped_in_order_signs_off_and_keeps_what_waits() {
    let mut house = House::new();
    let mut program = house.program();
    house.cloud.kill();
    for number in 0..5 {
        program.publish("user/update", &format!("kept {number}"));
    }
    let began = std::time::Instant::now();
    assert!(house.terminate_daemon());
    assert!(began.elapsed() < Duration::from_secs(10), "a teardown is bounded");
    assert!(!house.socket().exists());
    house.cloud.start();
    house.start_daemon();
    house.all_arrive("user/update", &(0..5).map(|number| format!("kept {number}")).collect::<Vec<_>>());
}

#[test]
fn subscriptions_are_made_again_after_a_module_reboot() {
    let mut house = House::new();
    let mut program = house.program();
    program.ask_ok(serde_json::json!({"op": "subscribe", "filter": "user/get"}));
    house.kill_modem();
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    house.start_modem();
    program.event(|event| event["event"] == "link" && event["state"] == "online");
    program.publish("user/update", "back");
    house.all_arrive("user/update", &["back".into()]);
    house.cloud.subscribed("user/get");
    house.cloud.publish("user/get", b"still there?");
    assert_eq!(program.message("user/get")["payload"], "still there?");
}
