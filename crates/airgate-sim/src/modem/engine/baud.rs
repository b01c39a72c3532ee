//! The rate of the line: `AT+IPR`, what is stored of it, and how the module finds a rate by itself.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome};
use super::fault::Fault;
use super::parse::Form;

/// Rates that `AT+IPR` takes beside 0. Source: the vendor's IPR page.
const RATES: &[u32] =
    &[600, 1200, 2400, 4800, 9600, 14_400, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];
/// Of these, the slowest and the fastest that auto-baud finds.
const AUTO_RATES: std::ops::RangeInclusive<u32> = 600..=230_400;
/// Times that a module must hear `AT` until it knows the rate ("several", says the vendor's page).
const TRAININGS: u8 = 3;
/// Bytes that wait for the rate to be known; more are lost.
const UNTOLD_MAX: usize = 8192;

/// How far the module is with finding the rate.
#[derive(Debug, Default)]
pub(super) struct Hunt {
    /// `AT` heard so far; `None`: the rate is known.
    heard: Option<u8>,
    after_a: bool,
    /// What it would have said.
    untold: Vec<u8>,
    /// The rate at which the host speaks, if the line has one.
    host: Option<u32>,
}

impl Engine {
    /// The host speaks at this rate; `None`: nobody knows.
    pub fn set_host_rate(&mut self, rate: Option<u32>) {
        self.hunt.host = rate;
    }

    /// The module looks for the rate of the host: it hears all rates, and says nothing.
    #[must_use]
    pub fn hunts(&self) -> bool {
        self.hunt.heard.is_some()
    }

    /// The start: with auto-baud the rate is not known.
    pub(super) fn hunt_started(&mut self) {
        let host = self.hunt.host;
        self.hunt = Hunt { heard: (self.settings.ipr == 0).then_some(0), host, ..Hunt::default() };
    }

    /// From here on the rate is known.
    pub(super) fn hunt_ended(&mut self) {
        self.hunt.heard = None;
    }

    /// Keeps what cannot be said yet.
    pub(super) fn untold(&mut self, bytes: &[u8]) {
        let room = UNTOLD_MAX.saturating_sub(self.hunt.untold.len());
        self.hunt.untold.extend(bytes.iter().take(room));
    }

    /// Listens for `AT` in capitals; gives how many bytes it took until the rate was known, or all.
    pub(super) fn train(&mut self, bytes: &[u8]) -> usize {
        for (index, byte) in bytes.iter().enumerate() {
            let complete = std::mem::take(&mut self.hunt.after_a) && *byte == b'T';
            self.hunt.after_a = *byte == b'A';
            let rate = self.hunt.host.unwrap_or(self.settings.baud);
            if !complete || !AUTO_RATES.contains(&rate) {
                continue;
            }
            let heard = self.hunt.heard.unwrap_or(0) + 1;
            self.hunt.heard = Some(heard);
            if heard >= TRAININGS {
                self.hunt.heard = None;
                self.settings.baud = rate;
                self.sender.rate(rate, self.now);
                let untold = std::mem::take(&mut self.hunt.untold);
                self.transmit(&untold);
                return index + 1;
            }
        }
        bytes.len()
    }

    /// `OK` still goes out at the old rate, hence the new one is set behind it.
    pub(super) fn rate(&mut self, form: &Form) -> Outcome {
        match form {
            Form::Read => self.info(&format!("+IPR: {}", self.settings.ipr)),
            Form::Test => {
                let list =
                    |rates: &mut dyn Iterator<Item = &u32>| rates.map(u32::to_string).collect::<Vec<_>>().join(",");
                let auto = list(&mut RATES.iter().filter(|rate| AUTO_RATES.contains(rate)));
                let all = list(&mut RATES.iter());
                self.info(&format!("+IPR: ({auto}),(0,{all})"));
            }
            Form::Set(args) => {
                let rate = args.at_most(1)?.number(0, 0..=u32::MAX)?;
                if rate != 0 && !RATES.contains(&rate) {
                    return Err(Fault::RANGE);
                }
                self.settings.ipr = rate;
                // Auto-baud stays at the rate at which the host speaks.
                self.settings.baud = if rate == 0 { self.settings.baud } else { rate };
            }
            Form::Plain => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    /// The time of two characters on the line.
    pub(super) fn two_characters(&self) -> Duration {
        let baud = if self.setup.baud == 0 { 0 } else { self.settings.baud };
        Duration::from_micros(u64::from(20_000_000_u32.checked_div(baud).unwrap_or(0)))
    }
}
