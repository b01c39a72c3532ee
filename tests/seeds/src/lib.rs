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
mod host;
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

/// The seeds take turns with the firmware.
fn profile(seed: u64) -> Profile {
    let profile = match seed % 4 {
        0 => Profile::nasty(),
        1 => Profile::v1161(),
        2 => Profile::v1169(),
        _ => Profile::ep(),
    };
    // What only a restart of the module cures is left to the recovery ladder, whose steps are too long for a life.
    Profile { late_sim_needs_reset: false, ..profile }
}
