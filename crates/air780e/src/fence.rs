//! How a line on which answers are still owed is made safe again.
//!
//! The module carries out commands in order. So when it answers a question whose answer cannot be mistaken for any
//! other, everything that it owed before has been said.

use crate::command::Command;
use crate::command::general::{Firmware, Manufacturer, Model, SerialNumber};
use crate::exchange::Information;

/// Asks whether anybody is there. Its answer proves nothing else: it looks like every other.
pub(crate) const KNOCK: &[u8] = b"AT\r";

/// A question with an answer of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe {
    /// The command line.
    pub(crate) line: &'static [u8],
    /// Recognises its information.
    pub(crate) recognise: fn(&[u8]) -> bool,
}

impl Probe {
    const fn new<C: Command>(line: &'static [u8]) -> Self {
        let Information::Lines(recognise) = C::INFORMATION else { panic!("a probe asks for information") };
        Self { line, recognise }
    }
}

/// Asked in turn, so that an answer that comes late to one is not taken for the next.
pub(crate) const PROBES: [Probe; 4] = [
    Probe::new::<Firmware>(b"AT+CGMR\r"),
    Probe::new::<SerialNumber>(b"AT+CGSN\r"),
    Probe::new::<Manufacturer>(b"AT+CGMI\r"),
    Probe::new::<Model>(b"AT+CGMM\r"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_probe_takes_the_answer_of_another() {
        let answers = [
            &b"+CGMR: \"AirM2M_780E_V1169_LTE_AT\""[..],
            b"861551056421746",
            b"+CGMI: \"AirM2M\"",
            b"+CGMM: \"Air780E\"",
        ];
        for (i, probe) in PROBES.iter().enumerate() {
            for (j, answer) in answers.iter().enumerate() {
                assert_eq!((probe.recognise)(answer), i == j);
            }
        }
    }
}
