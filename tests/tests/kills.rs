//! SIGKILL at any moment: nothing accepted is lost, what was in flight may come twice, order is kept.
//!
//! `KILLS=2000 cargo test -p airgate-tests --test kills` kills more often.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Handed to the module at once: one on the line, the next ready behind it.
const IN_FLIGHT: usize = 2;

/// Spread over 0 to 1 in a way that is the same in every run.
fn dice(state: &mut u64) -> f64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 11) as f64 / (1u64 << 53) as f64
}

/// Every third is long, and handed to the module in a data phase.
fn payload(kill: usize, count: usize) -> String {
    let long = if count.is_multiple_of(3) { "line\r\nOK\r\n".repeat(40) } else { String::new() };
    format!("{kill}/{count} {long}")
}

#[test]
fn sigkill_at_any_moment_loses_nothing_that_was_accepted() {
    let kills: usize = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let mut house = House::new();
    house.program();
    let mut accepted: Vec<String> = Vec::new();
    let mut seed = 4711;
    for kill in 0..kills {
        let mut program = Door::open(&house.socket());
        // From the first instants, with everything still to be sent again, to well into the draining.
        let until = Instant::now() + Duration::from_millis((dice(&mut seed) * 600.0) as u64);
        while Instant::now() < until {
            let payload = payload(kill, accepted.len());
            let answer = program.ask(json!({"op": "publish", "topic": "user/update", "payload": payload}));
            assert_eq!(answer["ok"], true, "{answer}");
            accepted.push(payload);
        }
        house.kill_daemon();
        house.start_daemon();
    }
    let received = house.all_arrive("user/update", &accepted);
    let mut seen = HashMap::new();
    let mut first_seen = Vec::new();
    for payload in &received {
        let times = seen.entry(payload.as_str()).or_insert(0);
        *times += 1;
        if *times == 1 {
            first_seen.push(payload.as_str());
        }
    }
    for payload in &received {
        let mut number = payload.split(&['/', ' '][..]).map_while(|number| number.parse().ok());
        let whole = number.next().zip(number.next()).map(|(kill, count)| self::payload(kill, count));
        assert_eq!(whole.as_ref(), Some(payload), "it arrives as it was accepted");
    }
    // One that was on its way to the disk when the daemon died may have been kept without anybody having been told.
    first_seen.retain(|payload| accepted.iter().any(|a| a == payload));
    assert!(first_seen.iter().eq(accepted.iter()), "order is kept");
    let twice = received.len() - seen.len();
    assert!(twice <= IN_FLIGHT * kills, "{twice} came twice in {kills} kills");
    println!("{kills} kills, {} accepted, {} received, {twice} twice", accepted.len(), received.len());
}
