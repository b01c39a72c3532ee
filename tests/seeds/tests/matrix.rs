//! The fault matrix in simulated time: everything that the simulated module can do wrong, hangs and outages of minutes among
//! them × what was going on, with the time until it is healed. `cargo test -p airgate-seeds --test matrix -- --nocapture`
//! prints the table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use airgate_seeds::matrix::{During, suffer};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The line is fenced (9 s for an answer, 6 s of silence before a prompt that was lost is made up for), the session taken
/// down (10 s) and made again (30 s for the acknowledgement that is missing).
const RECONNECT: Duration = secs(60);
/// Besides, the module looks for its network; after two minutes the radio is switched off and on, which takes two more.
const NETWORK: Duration = secs(240);
/// A minute of silence, the reset, the boot, the session.
const HARDWARE: Duration = secs(180);

/// The fault, how long it lasts by itself, and the bound of the rung that heals it.
const FAULTS: [(&str, Duration, Duration); 28] = [
    ("lose 3 to-host", secs(0), RECONNECT),
    ("lose 60 to-host", secs(0), RECONNECT),
    ("flip 2 to-host", secs(0), RECONNECT),
    ("insert 30 to-host", secs(0), RECONNECT),
    ("insert 3000 to-host", secs(0), RECONNECT),
    ("stall 5s", secs(5), RECONNECT),
    ("late 12s", secs(12), RECONNECT),
    ("double", secs(0), RECONNECT),
    ("say +NITZ: 2024/07/10,08:33:44+0,0", secs(0), RECONNECT),
    ("say +CGEV: NW PDN DEACT 1", secs(0), RECONNECT),
    ("no-prompt", secs(0), RECONNECT),
    ("swallow OK", secs(0), RECONNECT),
    ("swallow PUBACK", secs(0), RECONNECT),
    ("swallow CONNACK OK", secs(0), RECONNECT),
    ("swallow SUBACK", secs(0), RECONNECT),
    ("close", secs(0), RECONNECT),
    ("no-service 2s", secs(2), RECONNECT),
    ("no-service 3m", secs(180), NETWORK),
    ("no-sim 10s", secs(10), NETWORK),
    ("refuse 767 10s", secs(10), RECONNECT),
    ("refuse 50 1m", secs(60), NETWORK),
    ("reboot", secs(0), RECONNECT),
    ("boot-loop 5", secs(10), RECONNECT),
    ("hang 20s", secs(20), RECONNECT),
    ("hang until reset", secs(0), HARDWARE),
    ("hang until power", secs(0), HARDWARE),
    ("vanish 3s", secs(3), RECONNECT),
    ("vanish 1m", secs(60), RECONNECT),
];

#[test]
fn whatever_happens_whenever_it_happens_it_is_healed_within_its_time() {
    let cells: Vec<_> =
        During::ALL.iter().flat_map(|during| FAULTS.iter().map(move |fault| (*during, fault))).collect();
    let next = AtomicUsize::new(0);
    let (failed, slowest) = (Mutex::new(Vec::new()), Mutex::new(vec![(secs(0), During::Idle); FAULTS.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((during, fault)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (what, lasts, rung) = **fault;
                    for seed in 0..4 {
                        match suffer(*during, what, lasts + rung, 2 * seed) {
                            Ok(healed) => {
                                let row = FAULTS.iter().position(|(name, ..)| *name == what).unwrap();
                                let mut slowest = slowest.lock().unwrap();
                                let cell = slowest.get_mut(row).unwrap();
                                if healed > cell.0 {
                                    *cell = (healed, *during);
                                }
                            }
                            Err(error) => failed.lock().unwrap().push(format!("{during:?} × {what}, {seed}: {error}")),
                        }
                    }
                }
            });
        }
    });
    for ((what, lasts, rung), (healed, during)) in FAULTS.iter().zip(slowest.into_inner().unwrap()) {
        println!(
            "{what:36} {:6.1} s at most ({during:?}), of {:3} s",
            healed.as_secs_f64(),
            (*lasts + *rung).as_secs()
        );
    }
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} cells fail:\n{}", failed.len(), failed.join("\n"));
}
