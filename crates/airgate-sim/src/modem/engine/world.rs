//! What the world does to the module: coverage, a firmware that refuses everything.

use std::time::Duration;

use super::fault::Fault;
use super::timers::Timer;
use super::{Engine, Network};

/// From the return of coverage or SIM to the registration. Source: time-stamped log, `AT+CFUN=1` to its URCs.
const RETURN_TO_ATTACH: Duration = Duration::from_millis(1700);
/// What the host sees when coverage is gone, in one burst. Source: log of a SIM pulled out of an Air780E.
const LOST: [&str; 4] = ["^MODE: 0,0", "+NO Service", "+CGEV: NW PDN DEACT 1", "+CGEV: ME DETACH"];

/// Conditions that outlive a reboot.
#[derive(Debug, Default)]
pub(super) struct World {
    network: Network,
    /// Until when commands are refused, and with which CME error.
    refuses: Option<(Duration, u32)>,
}

impl Engine {
    /// Coverage comes or goes.
    pub fn set_coverage(&mut self, there: bool, now: Duration) {
        self.set_network(if there { Network::Home } else { Network::None }, now);
    }

    /// The network comes, goes, or changes its mind about the module.
    pub fn set_network(&mut self, network: Network, now: Duration) {
        self.advance(now);
        self.world.network = network;
        self.conditions_changed(self.has_coverage());
    }

    /// Until then every command but a bare `AT` ends with this CME error.
    pub fn refuse_until(&mut self, until: Duration, code: u32) {
        self.world.refuses = Some((until, code));
    }

    /// Bytes that the data phase still takes, if there is one; a phase without length takes any number.
    #[must_use]
    pub fn data_missing(&self) -> Option<usize> {
        self.input.data_missing()
    }

    fn conditions_changed(&mut self, better: bool) {
        if better {
            self.after(RETURN_TO_ATTACH, Timer::Attach);
        } else {
            self.detach(&LOST);
        }
        self.flush();
    }

    pub(super) fn has_coverage(&self) -> bool {
        matches!(self.world.network, Network::Home | Network::Roaming)
    }

    /// There is a cell, whatever it thinks of the card.
    pub(super) fn hears_a_cell(&self) -> bool {
        self.world.network != Network::None
    }

    /// The network is there and refuses the module.
    pub(super) fn is_denied(&self) -> bool {
        self.world.network == Network::Denied && self.sim_opened()
    }

    /// The registration of a module that is attached: 1 at home, 5 abroad.
    pub(super) fn registered_as(&self) -> u8 {
        if self.world.network == Network::Roaming { 5 } else { 1 }
    }

    /// The error that stands for every command now.
    pub(super) fn refusal(&self) -> Option<Fault> {
        let (until, code) = self.world.refuses?;
        (self.now < until).then_some(Fault::Cme(code))
    }
}
