//! Lives of a gateway in simulated time: the real driver, the simulated module with faults from a seed, a broker between
//! them and nothing else. An hour takes milliseconds, and a seed is always the same life.
//!
//! A life is trouble for ten minutes and then peace. What must be true of each:
//!
//! * Every publication that the driver called acknowledged is at the broker.
//! * Nothing corrupt is at the broker: no payload, no topic, no client ID that the host did not mean.
//! * In peace, a publication is acknowledged and a message from the broker arrives within [`host::HEALS_WITHIN`].
//! * Nothing panics, and the process stays small.
//!
//! # What is left out, and why
//! Bytes on the line carry no checksum, so some damage is beyond any driver. The mix is a careful one: it does not touch
//! what stands behind `AT+M`, `AT+SSL` and `AT+FS` towards the module, nor data phases, and its noise makes no prompt.
//! Damage towards the host is not held back. But where the announcement of a message is damaged its payload is lines, and one
//! that is `OK` or begins with `>` would be believed; so no line of the broker's messages is. A message whose payload was
//! hit is no failure of a life, only one that does not arrive in peace is.

#![expect(missing_docs, clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod broker;
mod fetcher;
mod host;
pub mod matrix;
pub mod update;
mod web;
mod world;

pub use host::{HEALS_WITHIN, Life, TROUBLE};
pub use world::Calm;

use air780e::Modem;
use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Engine, Setup};
use airgate_sim::modem::faults::{Faulty, Mix};
use std::time::Duration;
use tokio::runtime::Builder;

/// Mean time between two faults.
const FAULT_EVERY: Duration = Duration::from_secs(12);

/// Lives the life of `seed` and tells what it was like, or what went wrong.
///
/// # Errors
/// What was not true of it.
pub fn live(seed: u64) -> Result<Life, String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let mix = Mix { every: FAULT_EVERY, careful: true, hangs: false };
        let setup =
            Setup { seed, rtt: Duration::from_millis(60), turnaround: Duration::from_millis(4), ..Setup::default() };
        let module = Faulty::new(Engine::new(profile(seed), setup), Vec::new(), Some(mix), seed);
        let (world, ports) = world::start(module);
        let (modem, events) = Modem::start_on(ports, 115_200, None);
        let life = host::Host::new(modem, events, world.calm(), seed).live().await;
        let broker = world.stop().await;
        let life = life.map_err(|error| format!("{error}\n{}", broker.story()))?;
        broker.judge(&life).map_err(|error| format!("{error}\n{}", broker.story()))?;
        Ok(Life { faults: broker.faults(), ..life })
    })
}

/// The seeds take turns with the firmware; each second one is a firmware that never was, which answers every question that
/// the documents leave open as one of the four does, drawn from the seed.
fn profile(seed: u64) -> Profile {
    let known = [Profile::nasty(), Profile::v1161(), Profile::v1169(), Profile::ep()];
    let turn = usize::try_from(seed / 2 % 4).unwrap_or(0);
    let profile = match seed % 2 {
        0 => known.into_iter().nth(turn).expect("four are known"),
        _ => mixed(&known, seed),
    };
    // What only a restart of the module cures is left to the recovery ladder, whose steps are too long for a life.
    Profile { late_sim_needs_reset: false, ..profile }
}

fn mixed(known: &[Profile], seed: u64) -> Profile {
    let mut answers = known.iter().map(|profile| serde_json::to_value(profile).expect("an object")).collect::<Vec<_>>();
    let mut mixed = answers.pop().expect("four are known");
    for (key, answer) in mixed.as_object_mut().expect("an object") {
        let dice = host::sum(format!("{seed} {key}").as_bytes()) as usize;
        if let Some(other) = answers.get(dice % known.len()) {
            answer.clone_from(&other[key.as_str()]);
        }
    }
    serde_json::from_value(mixed).expect("a profile")
}
