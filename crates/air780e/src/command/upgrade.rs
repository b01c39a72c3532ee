//! Updates of the module's own firmware.
//!
//! Source: AT command manual V1.6.3, update chapter; progress codes as in logs of Air780EP V1006 and Air780E V1138.

use super::fields::{fields, number};
use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::limits::{Unusable, name};
use atat::atat_derive::AtatCmd;
use atat::{AtatResp, Error};

/// Longest address of an update, in bytes. The manual names no limit; its HTTP client takes 500, the simulated one 256.
pub const MAX_URL: usize = 256;

/// `AT+UPGRADE`: begins. After `OK` come `+UPGRADEIND: 10` … `100`, or a negative code; then the module reboots by itself,
/// and is back after one to two minutes. The vendor's cloud locks out who asks more than six times an hour.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE", Done, timeout_ms = 9_000)]
pub struct Begin;

plain!(Begin);

/// `AT+UPGRADE="URL","<address>",1`: where the update comes from, until the next boot. An update fits one version only.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE", Done, timeout_ms = 9_000)]
pub struct SetUrl<'a> {
    key: &'a str,
    url: &'a str,
    volatile: u8,
}

impl<'a> SetUrl<'a> {
    /// `http://…`; the module's updater knows no TLS.
    pub fn new(url: &'a str) -> Self {
        Self { key: "URL", url, volatile: 1 }
    }
}
impl Command for SetUrl<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("address of the update", self.url, MAX_URL)?;
        let plain = self.url.starts_with("http://");
        plain.then_some(()).ok_or(Unusable::Form { what: "address of the update", wanted: "http://…" })
    }
}

/// `AT+UPGRADE="AUTO",<0|1>`: whether the module asks the vendor's cloud by itself.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE", Done, timeout_ms = 9_000)]
pub struct SetAuto {
    key: &'static str,
    on: u8,
}

impl SetAuto {
    /// On is what the factory sets.
    pub fn new(on: bool) -> Self {
        Self { key: "AUTO", on: u8::from(on) }
    }
}

/// `AT+UPGRADE="PERIOD",<seconds>`: how often it asks. A write to flash: 42 ms.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE", Done, timeout_ms = 9_000)]
pub struct SetPeriod {
    key: &'static str,
    seconds: u32,
}

impl SetPeriod {
    /// 60 or more.
    pub fn new(seconds: u32) -> Self {
        Self { key: "PERIOD", seconds }
    }
}
plain!(SetAuto);
impl Command for SetPeriod {
    fn check(&self) -> Result<(), Unusable> {
        (self.seconds >= 60).then_some(()).ok_or(Unusable::Form { what: "period", wanted: "60 seconds or more" })
    }
}

/// Where an update stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// None.
    Idle,
    /// So many percent are loaded.
    Loading(u8),
    /// It failed.
    Failed {
        /// See [`meaning`].
        code: i32,
        /// The server's status.
        http: u16,
        /// The vendor's own code; 27: nothing newer is there.
        cause: u32,
    },
}
impl AtatResp for Progress {}

/// `AT+UPGRADE?`: `+UPGRADE: <state>[,<percent>|,<code>,<status>,<cause>]`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE?", Progress, timeout_ms = 9_000, parse = progress)]
pub struct GetProgress;
impl Command for GetProgress {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+UPGRADE:"));
}

fn progress(line: &[u8]) -> Result<Progress, Error> {
    let fields = fields(line).ok_or(Error::Parse)?;
    let state: u8 = number(&fields, 0).ok_or(Error::Parse)?;
    // The states themselves are not documented: the number of fields tells which it is.
    Ok(match (number(&fields, 1), number(&fields, 2), number(&fields, 3)) {
        (Some(code), Some(http), Some(cause)) => Progress::Failed { code, http, cause },
        (Some(percent), ..) => Progress::Loading(u8::try_from(percent).map_err(|_| Error::Parse)?),
        _ if state == 0 => Progress::Idle,
        _ => Progress::Loading(0),
    })
}

/// What a negative code of `+UPGRADEIND` means.
pub fn meaning(code: i32) -> &'static str {
    match code {
        -1000 => "the address of the update is wrong",
        -1001 => "the network failed",
        -1002 => "the server refused",
        -1003 => "the update is not for this firmware, too large, or the cloud is still making it",
        -1004 => "the server gave no update",
        _ => "the update failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn lines_are_written_as_in_logs_of_real_modules() {
        assert_eq!(line_of(&Begin), "AT+UPGRADE\r");
        assert_eq!(line_of(&SetUrl::new("http://h/a.bin")), "AT+UPGRADE=\"URL\",\"http://h/a.bin\",1\r");
        assert_eq!(line_of(&SetPeriod::new(60)), "AT+UPGRADE=\"PERIOD\",60\r");
        assert_eq!(line_of(&SetAuto::new(false)), "AT+UPGRADE=\"AUTO\",0\r");
    }

    #[test]
    fn what_the_updater_does_not_take_is_not_sent() {
        assert!(SetUrl::new("https://h/a.bin").check().is_err());
        assert!(SetUrl::new("").check().is_err());
        assert!(SetPeriod::new(59).check().is_err());
    }

    #[test]
    fn progress_is_read_in_its_three_forms() {
        assert_eq!(read(&GetProgress, b"+UPGRADE: 0").unwrap(), Progress::Idle);
        assert_eq!(read(&GetProgress, b"+UPGRADE: 1,40").unwrap(), Progress::Loading(40));
        let failed = Progress::Failed { code: -1003, http: 200, cause: 27 };
        assert_eq!(read(&GetProgress, b"+UPGRADE: 2,-1003,200,27").unwrap(), failed);
        assert!(read(&GetProgress, b"+UPGRADE: x").is_err());
        assert!(read(&GetProgress, b"+UPGRADE: 1,999").is_err());
    }
}
