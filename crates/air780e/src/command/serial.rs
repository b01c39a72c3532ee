//! The serial line itself: rate, flow control, what is kept over a boot, and why the module booted.

use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::limits::Unusable;
use atat::atat_derive::{AtatCmd, AtatResp};
use atat::{AtatResp, Error};

/// The rates that the module takes, in bits per second. Source: `IPR` in the vendor's command list.
pub const RATES: [u32; 13] =
    [600, 1200, 2400, 4800, 9600, 14_400, 19_200, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

/// `AT+IPR=<rate>`: the rate of the line from behind the `OK`, which still comes at the old one.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+IPR", Done, timeout_ms = 9_000)]
pub struct SetRate {
    /// One of [`RATES`]; 0 finds the rate from the host's first `AT`.
    pub rate: u32,
}
impl Command for SetRate {
    fn check(&self) -> Result<(), Unusable> {
        let known = self.rate == 0 || RATES.contains(&self.rate);
        known
            .then_some(())
            .ok_or(Unusable::Form { what: "rate", wanted: "one of 0, 600, 1200, … 115200, … 921600" })
    }
}

/// The answer of `AT+IPR?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct Rate {
    /// In bits per second; 0 is found from the host's first `AT`.
    pub rate: u32,
}

/// `AT+IPR?`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+IPR?", Rate, timeout_ms = 9_000)]
pub struct GetRate;
impl Command for GetRate {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+IPR:"));
}

/// `AT&W`: keeps rate, echo and the like over a boot. A write to flash: the manual allows 9 s, real modules take 50 ms.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("&W", Done, timeout_ms = 9_000)]
pub struct Store;

/// `ATE1&WE0`: keeps rate and the like over a boot, with the echo on, which is switched off again in the same line. A
/// module that echoes although it was told not to has booted: without that, a boot whose banner was lost stays unnoticed.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("E1&WE0", Done, timeout_ms = 9_000)]
pub struct Keep;

plain!(Store, Keep);

/// Who stops whom when it cannot take more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Flow {
    /// Nobody.
    None = 0,
    /// XON and XOFF; bytes of a payload may be mistaken for them.
    Software = 1,
    /// RTS and CTS.
    Hardware = 2,
}

/// `AT+IFC=<from the module>,<to the module>`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+IFC", Done, timeout_ms = 9_000)]
pub struct SetFlow {
    from_module: u8,
    to_module: u8,
}

impl SetFlow {
    /// The same both ways.
    pub fn new(flow: Flow) -> Self {
        Self { from_module: flow as u8, to_module: flow as u8 }
    }
}
plain!(SetFlow);

/// The answer of `AT+IFC?`, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowReport(pub Flow, pub Flow);
impl AtatResp for FlowReport {}

/// `AT+IFC?`: `+IFC: 0, 0`, with a blank behind the comma.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+IFC?", FlowReport, timeout_ms = 9_000, parse = flow)]
pub struct GetFlow;
impl Command for GetFlow {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+IFC:"));
}

fn flow(line: &[u8]) -> Result<FlowReport, Error> {
    let fields = super::fields::fields(line).ok_or(Error::Parse)?;
    let way = |n| match super::fields::number(&fields, n) {
        Some(0) => Ok(Flow::None),
        Some(1) => Ok(Flow::Software),
        Some(2) => Ok(Flow::Hardware),
        _ => Err(Error::Parse),
    };
    Ok(FlowReport(way(0)?, way(1)?))
}

/// Why the module booted. Source: `EXINFO` in the vendor's command list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootCause {
    /// The power key, or power was given.
    PowerKey,
    /// The reset line.
    ResetLine,
    /// A fault of the firmware.
    Exception,
    /// The module's own watchdog.
    Watchdog,
    /// Another of the codes 0 to 10.
    Other(u8),
}
impl AtatResp for BootCause {}

impl std::fmt::Display for BootCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::PowerKey => f.write_str("power key"),
            Self::ResetLine => f.write_str("reset line"),
            Self::Exception => f.write_str("firmware fault"),
            Self::Watchdog => f.write_str("watchdog"),
            Self::Other(code) => write!(f, "code {code}"),
        }
    }
}

/// `AT*EXINFO?`: `*EXINFO: 0`. Firmware V1126 and later.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("*EXINFO?", BootCause, timeout_ms = 9_000, parse = boot_cause)]
pub struct GetBootCause;
impl Command for GetBootCause {
    // Nothing depends on it: a bare `OK` of other firmware is not waited on.
    const INFORMATION: Information = Information::List(|line| line.starts_with(b"*EXINFO:"));
}

fn boot_cause(line: &[u8]) -> Result<BootCause, Error> {
    let fields = super::fields::fields(line).ok_or(Error::Parse)?;
    Ok(match super::fields::number(&fields, 0).ok_or(Error::Parse)? {
        0 => BootCause::PowerKey,
        5 => BootCause::ResetLine,
        6 => BootCause::Exception,
        8 => BootCause::Watchdog,
        code => BootCause::Other(code),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn lines_are_written_as_the_manual_prints_them() {
        assert_eq!(line_of(&SetRate { rate: 921_600 }), "AT+IPR=921600\r");
        assert_eq!(line_of(&Store), "AT&W\r");
        assert_eq!(line_of(&Keep), "ATE1&WE0\r");
        assert_eq!(line_of(&SetFlow::new(Flow::Hardware)), "AT+IFC=2,2\r");
        assert_eq!(line_of(&GetBootCause), "AT*EXINFO?\r");
    }

    #[test]
    fn a_rate_that_the_module_does_not_know_is_not_sent() {
        assert!(SetRate { rate: 115_200 }.check().is_ok() && SetRate { rate: 0 }.check().is_ok());
        assert!(SetRate { rate: 115_201 }.check().is_err());
    }

    #[test]
    fn flow_control_is_read_with_the_blank_of_a_real_module() {
        assert_eq!(read(&GetFlow, b"+IFC: 2, 2").unwrap(), FlowReport(Flow::Hardware, Flow::Hardware));
        assert!(read(&GetFlow, b"+IFC: 7, 2").is_err());
        assert_eq!(read(&GetRate, b"+IPR: 115200").unwrap().rate, 115_200);
    }

    #[test]
    fn the_cause_of_a_boot_is_told_in_words() {
        assert_eq!(read(&GetBootCause, b"*EXINFO: 6").unwrap().to_string(), "firmware fault");
        assert_eq!(read(&GetBootCause, b"*EXINFO: 3").unwrap(), BootCause::Other(3));
        assert!(read(&GetBootCause, b"*EXINFO:").is_err());
    }
}
