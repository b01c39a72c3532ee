//! Where the module is: by the cells around it (`AT+CIPGSMLOC`), by the wireless networks (`AT+WIFILOC`).
//!
//! Both block the AT channel until the service has answered.

use std::time::Duration;

use super::Engine;
use super::clock::{self, CHINA, Shown};
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::Form;
use super::timers::{Search, Timer};

/// How long the services take. Source: time-stamped logs of Air780EP and Air780EG.
const CELLS: Duration = Duration::from_millis(230);
const WIRELESS: Duration = Duration::from_secs(25);
/// No network; nothing is known of this place. Source: AT command manual V1.6.3, location chapter.
const NETWORK: u16 = 601;
const NOT_FOUND: u16 = 404;

impl Engine {
    /// `AT+CIPGSMLOC=<1 position and time|2 time>,<bearer>` and the same for `AT+WIFILOC`.
    pub(super) fn location_command(&mut self, name: &str, form: &Form) -> Outcome {
        let args = args(form)?.at_most(2)?;
        let kind = args.number(0, 1..=2)?;
        args.number(1, 1..=1)?;
        let (name, time) = if name == "+WIFILOC" { ("+WIFILOC", WIRELESS) } else { ("+CIPGSMLOC", CELLS) };
        if name == "+WIFILOC" && kind != 1 {
            return Err(Fault::RANGE);
        }
        self.after(time, Timer::Located(Search { name, position: kind == 1 }));
        Ok(Flow::Waits)
    }

    pub(super) fn located(&mut self, search: Search) {
        let Search { name, position } = search;
        let text = match (self.bearer_is_open(), &self.setup.position) {
            (false, _) => format!("{name}: {NETWORK}"),
            (true, None) if position => format!("{name}: {NOT_FOUND}"),
            (true, place) => {
                let time = clock::digits(Shown::local(self.unix_now(), CHINA).digits, true);
                let place = place.as_ref().filter(|_| position).map_or_else(String::new, |(latitude, longitude)| {
                    let pad = if self.profile.latitude_padded { "0" } else { "" };
                    format!("{pad}{latitude},{longitude},")
                });
                format!("{name}: 0,{place}{time}")
            }
        };
        self.info(&text);
        self.run_rest();
    }

    /// The module is carried somewhere else: latitude and longitude in degrees, or nowhere that is known.
    pub fn set_position(&mut self, position: Option<(String, String)>) {
        self.setup.position = position;
    }
}
