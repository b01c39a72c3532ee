//! The module's clock, and the time servers that can set it.
//!
//! Source: AT command manual V1.6.3, `CCLK` and `CNTP`.

use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::limits::{MAX_HOST, Unusable, name};
use crate::time::Civil;
use atat::atat_derive::AtatCmd;
use atat::{AtatResp, Error};

/// The answer of `AT+CCLK?`. Whether the time is local or UTC differs between firmware: see [`crate::time`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock(pub Civil);
impl AtatResp for Clock {}

/// `AT+CCLK?`: `+CCLK: "24/07/10,16:33:44+32"`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CCLK?", Clock, timeout_ms = 9_000, parse = clock)]
pub struct GetClock;
impl Command for GetClock {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CCLK:"));
}

fn clock(line: &[u8]) -> Result<Clock, Error> {
    let text = std::str::from_utf8(line).map_err(|_| Error::Parse)?;
    let value = text.strip_prefix("+CCLK:").ok_or(Error::Parse)?.trim().trim_matches('"');
    Civil::parse(value).map(Clock).ok_or(Error::Parse)
}

/// `AT+CNTPCID=1`: time servers are asked through the bearer.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CNTPCID=1", Done, timeout_ms = 9_000)]
pub struct TimeBearer;

/// `AT+CNTP="<host>",<zone>`: which server.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CNTP", Done, timeout_ms = 9_000)]
pub struct SetTimeServer<'a> {
    /// Host name or dotted address.
    pub host: &'a str,
    /// Quarters of an hour that are added to what the clock shows. 0 makes the clock show UTC, however it is read.
    pub zone: i8,
}
impl Command for SetTimeServer<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("time server", self.host, MAX_HOST)?;
        let fits = (-48..=56).contains(&self.zone);
        fits.then_some(()).ok_or(Unusable::Form { what: "time zone", wanted: "from -48 to 56 quarters of an hour" })
    }
}

/// `AT+CNTP`: asks it. After `OK` comes `+CNTP: 1`, or another code, within five seconds.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CNTP", Done, timeout_ms = 9_000)]
pub struct AskTimeServer;

plain!(TimeBearer, AskTimeServer);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn lines_are_written_as_the_manual_prints_them() {
        assert_eq!(line_of(&GetClock), "AT+CCLK?\r");
        assert_eq!(line_of(&SetTimeServer { host: "ntp.example", zone: 0 }), "AT+CNTP=\"ntp.example\",0\r");
        assert_eq!(line_of(&AskTimeServer), "AT+CNTP\r");
        assert!(SetTimeServer { host: "h", zone: 57 }.check().is_err());
    }

    #[test]
    fn the_clock_is_read_as_the_manual_prints_it() {
        let clock = read(&GetClock, b"+CCLK: \"18/05/16,15:49:28+32\"").unwrap().0;
        assert_eq!((clock.unix_s, clock.zone), (1_526_485_768, Some(32)));
        assert!(read(&GetClock, b"+CCLK: \"x\"").is_err());
    }
}
