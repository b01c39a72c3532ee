//! The module installs an update of its own firmware, in simulated time: for minutes it answers nothing.

use crate::host::{Host, Life};
use crate::world;
use air780e::status::{Phase, Status};
use air780e::{Modem, Recovery};
use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Change, Engine, Offer, Setup};
use airgate_sim::modem::faults::Faulty;
use std::time::Duration;
use tokio::runtime::Builder;

/// Lets somebody begin an update to `version` from the console, which takes `time` to install, and the host go on for
/// `after` behind that. What the life was like, and how the module stands in the end.
///
/// # Errors
/// What was lost or damaged; that the update could not be begun.
pub fn update(version: &str, time: Duration, after: Duration) -> Result<(Life, Status), String> {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        let profile = Profile { install_time: time, ..Profile::v1161() };
        let mut module = Faulty::new(Engine::new(profile, Setup::default()), Vec::new(), None, 1);
        module.change(Change::Update { offer: Some(Offer::Version(version.into())) }, Duration::ZERO);
        let (world, ports) = world::start(module);
        let switch = world.calm();
        let recovery = Recovery { reset: Some(Box::new(move || switch.power_cycle())), ..Recovery::default() };
        let (modem, events) = Modem::start_with(ports, 115_200, None, recovery);
        let host = Host::new(modem.clone(), events, world.calm(), 1);
        let asked = async {
            let mut status = modem.status();
            let online = status.wait_for(|status| status.phase == Phase::Online).await.map(drop);
            online.map_err(|_| "the driver ended".to_owned())?;
            modem.ask("AT+UPGRADE").await.map_err(|failure| failure.to_string())
        };
        let (life, asked) = tokio::join!(host.carry_on(&(Duration::ZERO..Duration::ZERO), time + after), asked);
        asked?;
        world.stop().await.judge(&life)?;
        let status = modem.status().borrow().clone();
        Ok((life, status))
    })
}
