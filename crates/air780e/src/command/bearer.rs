//! The bearer below the module's HTTP client, its NTP client and its location service. MQTT does without.
//!
//! Source: AT command manual V1.6.3, `SAPBR`; answers as in logs of an Air780EP.

use super::{Command, Done, Text, plain};
use crate::exchange::Information;
use crate::limits::{Unusable, name};
use atat::atat_derive::{AtatCmd, AtatResp};

/// Longest parameter of the bearer, in bytes: an APN has at most 100 (3GPP TS 23.003), user and password 64.
pub const MAX_PARAMETER: usize = 100;

/// `AT+SAPBR=3,1,"<name>","<value>"`: sets a parameter.
#[derive(Clone, AtatCmd)]
#[at_cmd("+SAPBR", Done, timeout_ms = 9_000)]
pub struct SetBearer<'a> {
    action: u8,
    cid: u8,
    key: &'a str,
    value: &'a str,
}

impl<'a> SetBearer<'a> {
    /// `CONTYPE`, `APN`, `USER` or `PWD`. An empty `APN` lets the network choose.
    pub fn new(key: &'a str, value: &'a str) -> Self {
        Self { action: 3, cid: 1, key, value }
    }
}
impl Command for SetBearer<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        name("bearer parameter", self.key, 16)?;
        if self.value.is_empty() { Ok(()) } else { name("bearer value", self.value, MAX_PARAMETER) }
    }
}

/// `AT+SAPBR=1,1`: opens the bearer; refused with code 3 when it is open. The manual allows 9 s; real modules answer
/// within 5 ms, because the connection to the network is there already.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SAPBR=1,1", Done, timeout_ms = 9_000)]
pub struct OpenBearer;

/// `AT+SAPBR=0,1`: closes it.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SAPBR=0,1", Done, timeout_ms = 9_000)]
pub struct CloseBearer;

plain!(OpenBearer, CloseBearer);

/// The answer of `AT+SAPBR=2,1`.
#[derive(Clone, Debug, PartialEq, Eq, AtatResp)]
pub struct Bearer {
    /// 1.
    pub cid: u8,
    /// 1 open; everything else is closed, or on the way to it.
    pub state: u8,
    /// The address, `0.0.0.0` without one.
    pub address: Text,
}

impl Bearer {
    /// Whether requests can go.
    pub fn is_open(&self) -> bool {
        self.state == 1
    }
}

/// `AT+SAPBR=2,1`: whether the bearer is open.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SAPBR=2,1", Bearer, timeout_ms = 9_000)]
pub struct GetBearer;
impl Command for GetBearer {
    // `+SAPBR 1: DEACT` is unsolicited and has no colon behind the name.
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+SAPBR:"));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn lines_are_written_as_in_a_log_of_a_real_module() {
        assert_eq!(line_of(&SetBearer::new("CONTYPE", "GPRS")), "AT+SAPBR=3,1,\"CONTYPE\",\"GPRS\"\r");
        assert_eq!(line_of(&SetBearer::new("APN", "")), "AT+SAPBR=3,1,\"APN\",\"\"\r");
        assert_eq!(line_of(&OpenBearer), "AT+SAPBR=1,1\r");
        assert_eq!(line_of(&GetBearer), "AT+SAPBR=2,1\r");
    }

    #[test]
    fn the_state_is_read_and_its_loss_is_no_answer() {
        let bearer = read(&GetBearer, b"+SAPBR: 1,1,\"10.159.1.145\"").unwrap();
        assert!(bearer.is_open() && bearer.address.0 == "10.159.1.145");
        assert!(!read(&GetBearer, b"+SAPBR: 1,3,\"0.0.0.0\"").unwrap().is_open());
        assert!(!GetBearer::INFORMATION.lines()(b"+SAPBR 1: DEACT"));
    }

    #[test]
    fn a_parameter_too_long_or_on_two_lines_is_not_sent() {
        assert!(SetBearer::new("APN", &"x".repeat(101)).check().is_err());
        assert!(SetBearer::new("APN", "a\rAT").check().is_err());
    }
}
