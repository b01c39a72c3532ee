//! What the world does to the module: coverage, a firmware that refuses everything.

use std::time::Duration;

use super::Engine;
use super::fault::Fault;
use super::timers::Timer;

/// From the return of coverage or SIM to the registration. Source: time-stamped log, `AT+CFUN=1` to its URCs.
const RETURN_TO_ATTACH: Duration = Duration::from_millis(1700);
/// What the host sees when coverage is gone, in one burst. Source: log of a SIM pulled out of an Air780E.
const LOST: [&str; 4] = ["^MODE: 0,0", "+NO Service", "+CGEV: NW PDN DEACT 1", "+CGEV: ME DETACH"];

/// Conditions that outlive a reboot.
#[derive(Debug, Default)]
pub(super) struct World {
    no_coverage: bool,
    /// Until when commands are refused, and with which CME error.
    refuses: Option<(Duration, u32)>,
}

impl Engine {
    /// Coverage comes or goes.
    pub fn set_coverage(&mut self, there: bool, now: Duration) {
        self.advance(now);
        self.world.no_coverage = !there;
        self.conditions_changed(there);
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
        !self.world.no_coverage
    }

    /// The error that stands for every command now.
    pub(super) fn refusal(&self) -> Option<Fault> {
        let (until, code) = self.world.refuses?;
        (self.now < until).then_some(Fault::Cme(code))
    }
}
