//! Where the module is. Source: AT command manual V1.6.3, location chapter; answers as in logs of Air780EP and Air780EG.

use super::Command;
use super::fields::{fields, number};
use crate::exchange::Information;
use atat::atat_derive::AtatCmd;
use atat::{AtatResp, Error};

/// A place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Position {
    /// Degrees north, -90 to 90.
    pub latitude: f64,
    /// Degrees east, -180 to 180.
    pub longitude: f64,
}

/// The answer of both commands: a place, or the service's code.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Located(pub Result<Position, u16>);
impl AtatResp for Located {}

/// `AT+CIPGSMLOC=1,1`: by the cells around it. 30 s. Needs the bearer.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CIPGSMLOC=1,1", Located, timeout_ms = 30_000, parse = located)]
pub struct LocateByCells;
impl Command for LocateByCells {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CIPGSMLOC:"));
}

/// `AT+WIFILOC=1,1`: by the wireless networks around it. 10 to 25 s in logs, so 45; so long the line is taken and
/// nothing is published. Needs the bearer.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+WIFILOC=1,1", Located, timeout_ms = 45_000, parse = located)]
pub struct LocateByWifi;
impl Command for LocateByWifi {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+WIFILOC:"));
}

/// `0,34.7980542,114.3204965,2024/08/20,11:11:58`, or a code alone. The latitude may be padded with zeros.
fn located(line: &[u8]) -> Result<Located, Error> {
    let fields = fields(line).ok_or(Error::Parse)?;
    let code = number(&fields, 0).ok_or(Error::Parse)?;
    if code != 0 {
        return Ok(Located(Err(code)));
    }
    let degrees = |n, max: f64| number::<f64>(&fields, n).filter(|degrees| degrees.abs() <= max).ok_or(Error::Parse);
    Ok(Located(Ok(Position { latitude: degrees(1, 90.0)?, longitude: degrees(2, 180.0)? })))
}

/// What a code of the location service means.
pub fn meaning(code: u16) -> &'static str {
    match code {
        404 => "nothing is known of this place",
        408 | 602 => "the service did not answer in time",
        601 | 603 | 604 => "the network failed",
        _ => "the service failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn a_place_is_read_from_logs_of_real_modules() {
        assert_eq!(line_of(&LocateByCells), "AT+CIPGSMLOC=1,1\r");
        let line = b"+CIPGSMLOC: 0,34.7980542,114.3204965,2024/08/20,11:11:58";
        assert_eq!(
            read(&LocateByCells, line).unwrap().0,
            Ok(Position { latitude: 34.798_054_2, longitude: 114.320_496_5 })
        );
        let padded = b"+WIFILOC: 0,031.1819737,120.6683902,2025/10/19,14:41:26";
        assert_eq!(read(&LocateByWifi, padded).unwrap().0.unwrap().latitude, 31.181_973_7);
    }

    #[test]
    fn a_code_is_no_place_and_no_place_is_outside_the_earth() {
        assert_eq!(read(&LocateByCells, b"+CIPGSMLOC: 404").unwrap().0, Err(404));
        for line in [&b"+CIPGSMLOC: 0,91,0"[..], b"+CIPGSMLOC: 0,NaN,0", b"+CIPGSMLOC: 0", b"+CIPGSMLOC:"] {
            assert!(read(&LocateByCells, line).is_err());
        }
    }
}
