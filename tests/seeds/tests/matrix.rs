//! The fault matrix in simulated time: everything that the simulated module can do wrong, hangs and outages of minutes among
//! them × what was going on, with the time until it is healed. `cargo test -p airgate-seeds --test matrix -- --nocapture`
//! prints the table.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use air780e::ladder::Fault;
use air780e::link::RECONNECT;
use airgate_seeds::matrix::{During, suffer};
use airgate_seeds::update::update;
use airgate_sim::modem::faults::Rule;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Besides, the module looks for its network; in the end the radio is switched off and on.
const NETWORK: Duration = Fault::NoNetwork.within().saturating_add(RECONNECT);
/// Silence, the reset, the boot, the session.
const HARDWARE: Duration = Fault::Silent.within().saturating_add(RECONNECT);

/// The fault, and the bound of the rung that heals it; how long it lasts by itself comes on top.
const FAULTS: [(&str, Duration); 28] = [
    ("lose 3 to-host", RECONNECT),
    ("lose 60 to-host", RECONNECT),
    ("flip 2 to-host", RECONNECT),
    ("insert 30 to-host", RECONNECT),
    ("insert 3000 to-host", RECONNECT),
    ("stall 5s", RECONNECT),
    ("late 12s", RECONNECT),
    ("double", RECONNECT),
    ("say +NITZ: 2024/07/10,08:33:44+0,0", RECONNECT),
    ("say +CGEV: NW PDN DEACT 1", RECONNECT),
    ("no-prompt", RECONNECT),
    ("swallow OK", RECONNECT),
    ("swallow PUBACK", RECONNECT),
    ("swallow CONNACK OK", RECONNECT),
    ("swallow SUBACK", RECONNECT),
    ("close", RECONNECT),
    ("no-service 2s", RECONNECT),
    ("no-service 3m", NETWORK),
    ("no-sim 10s", NETWORK),
    ("refuse 767 10s", RECONNECT),
    ("refuse 50 1m", NETWORK),
    ("reboot", RECONNECT),
    ("boot-loop 5", RECONNECT),
    ("hang 20s", RECONNECT),
    ("hang until reset", HARDWARE),
    ("hang until power", HARDWARE),
    ("vanish 3s", RECONNECT),
    ("vanish 1m", RECONNECT),
];

fn within((what, rung): &(&str, Duration)) -> Duration {
    let rule: Rule = format!("now: {what}").parse().expect("a rule");
    rule.fault.lasts() + *rung
}

#[test]
fn whatever_happens_whenever_it_happens_it_is_healed_within_its_time() {
    let cells: Vec<_> =
        During::ALL.iter().flat_map(|during| FAULTS.iter().map(move |fault| (*during, fault))).collect();
    let next = AtomicUsize::new(0);
    let (failed, slowest) = (Mutex::new(Vec::new()), Mutex::new(vec![(Duration::ZERO, During::Idle); FAULTS.len()]));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((during, fault)) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (what, _) = **fault;
                    let within = within(fault);
                    for seed in 0..4 {
                        match suffer(*during, what, within, 2 * seed) {
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
    for (fault, (healed, during)) in FAULTS.iter().zip(slowest.into_inner().unwrap()) {
        println!(
            "{:36} {:6.1} s at most ({during:?}), of {:5.1} s",
            fault.0,
            healed.as_secs_f64(),
            within(fault).as_secs_f64()
        );
    }
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} cells fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn a_module_that_installs_an_update_for_longer_than_a_silence_may_last_is_not_reset_in_the_middle_of_it() {
    let (version, time) = ("AirM2M_780E_V1170_LTE_AT", 3 * Fault::Silent.within());
    let (life, status) = update(version, time, RECONNECT).unwrap();
    assert_eq!(status.identity.unwrap().firmware, version);
    assert_eq!(status.budget.used, [0; 4], "{:?}", status.last_heal);
    assert!(life.acknowledged_at.last().unwrap() > &time, "and then it goes on: {life:?}");
}
