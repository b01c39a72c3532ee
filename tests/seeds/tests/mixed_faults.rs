//! A thousand lives in simulated time, each with other faults. A seed that fails is lived again by
//! `SEED=17 cargo test -p airgate-seeds one_seed -- --nocapture`, with `TRACE=1` also line by line; `SEEDS=100000` lives
//! more of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use airgate_seeds::{HEALS_WITHIN, live};
use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Peak of the resident set, in KiB.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn one_seed() {
    let seed = number("SEED", 1);
    let life = live(seed).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    println!(
        "seed {seed}: {} faults, {} acknowledged, {} failed, {} sessions tried, {} messages, healed after {:?}",
        life.faults,
        life.acknowledged.len(),
        life.failed,
        life.attempts,
        life.received,
        life.healed_after
    );
}

#[test]
fn a_thousand_seeds_lose_nothing_corrupt_nothing_and_heal() {
    let seeds = number("SEEDS", 1000);
    let next = AtomicU64::new(0);
    let failures = Mutex::new(Vec::new());
    let lives = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    match catch_unwind(|| live(seed)) {
                        Ok(Ok(life)) => lives.lock().unwrap().push(life),
                        Ok(Err(error)) => failures.lock().unwrap().push((seed, error)),
                        Err(_) => failures.lock().unwrap().push((seed, "it panicked".into())),
                    }
                }
            });
        }
    });
    let (mut failures, lives) = (failures.into_inner().unwrap(), lives.into_inner().unwrap());
    failures.sort();
    let faults: u64 = lives.iter().map(|life| life.faults).sum();
    let acknowledged: usize = lives.iter().map(|life| life.acknowledged.len()).sum();
    let longest = lives.iter().map(|life| life.healed_after).max().unwrap_or(Duration::ZERO);
    println!("{} lives: {faults} faults, {acknowledged} acknowledged, healed after {longest:?} at most", lives.len());
    let numbers: Vec<_> = failures.iter().map(|(seed, _)| seed).collect();
    if let Some((seed, error)) = failures.first() {
        panic!("{} seeds fail: {numbers:?}; SEED={seed} cargo test -p airgate-seeds one_seed\n{error}", failures.len());
    }
    assert!(longest <= HEALS_WITHIN);
    assert!(faults > 10 * seeds && acknowledged > 20 * usize::try_from(seeds).unwrap(), "this was no trouble at all");
    assert!(peak_memory() < 256 * 1024, "{} KiB", peak_memory());
}

#[test]
fn a_seed_is_always_the_same_life() {
    let (one, two) = (live(5).unwrap(), live(5).unwrap());
    assert_eq!((one.faults, one.failed, one.healed_after), (two.faults, two.failed, two.healed_after));
    assert_eq!(one.acknowledged, two.acknowledged);
}
