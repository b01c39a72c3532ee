//! Bad days of the cloud, by seed: it refuses, is slow, throws out, loses and garbles. The daemon lives through them.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, in_parallel};
use serde_json::json;
use std::collections::HashSet;

fn days(seed: u64) {
    let house = House::with(Setup { seed, cloud: "keepalive_s = 30\n", ..Setup::default() });
    let mut program = house.program();
    let profile = json!({"refuse": 0.25, "kick": 0.02, "drop": 0.01, "garble": 0.3, "slow": 0.2, "slow_ms": 300});
    assert_eq!(house.cloud.ask(&json!({"do": "soak", "profile": profile}))["ok"], true);
    let mut accepted = Vec::new();
    for number in 0..30 {
        let payload = format!("day {number}");
        program.publish("user/update", &payload);
        accepted.push(payload);
        if number % 5 == 0 {
            // What waits for the cloud's word gets it, or hears why it does not.
            let live = program.ask(json!({"op": "call", "method": "thing.topo.get", "params": {}, "timeout_s": 2}));
            let ending = if live["ok"] == true { "ok" } else { live["code"].as_str().unwrap() };
            assert!(["ok", "timed_out", "offline", "cloud_refused"].contains(&ending), "{live}");
        }
    }
    let received = house.all_arrive("user/update", &accepted);
    assert!(received.iter().all(|payload| accepted.contains(payload)), "seed {seed}: {received:?}");
    let firsts: Vec<_> = {
        let mut seen = HashSet::new();
        received.iter().filter(|payload| seen.insert(payload.as_str())).collect()
    };
    assert_eq!(firsts, accepted.iter().collect::<Vec<_>>(), "seed {seed}: in order but for what came again");
}

/// `SEED=17 cargo test -p airgate-tests --test soak` lives one other than those of every day.
#[test]
fn on_bad_days_all_that_was_accepted_arrives_in_order_and_each_question_ends() {
    let seeds = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().expect("SEED is a number")],
        Err(_) => vec![5, 13, 16, 19],
    };
    in_parallel(&seeds, |seed| format!("seed {seed}"), |seed| days(*seed));
}
