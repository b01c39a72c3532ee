//! Who the SIM card is.

use super::{Command, Done, plain, write_line};
use crate::exchange::Information;
use atat::atat_derive::AtatCmd;
use atat::{AtatCmd, AtatResp, Error, InternalError};

/// The subscriber's number: 15 digits. Whoever knows it can follow the subscriber, so its end is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Imsi(String);

impl Imsi {
    /// All digits.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The country and network: the first five digits.
    pub fn network(&self) -> &str {
        self.0.get(..5).unwrap_or_default()
    }
}
impl AtatResp for Imsi {}

impl std::fmt::Debug for Imsi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}…", self.network())
    }
}

impl std::fmt::Display for Imsi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}

/// `AT+CIMI`: the IMSI, printed bare. Source: AT command manual V1.6.3, p. 14.
#[derive(Clone, Debug)]
pub struct GetImsi;

impl AtatCmd for GetImsi {
    type Response = Imsi;
    /// The card answers within a second; the manual allows 9 s.
    const MAX_TIMEOUT_MS: u32 = 9_000;

    fn write(&self, buf: &mut [u8]) -> usize {
        write_line(buf, b"AT+CIMI\r")
    }

    fn parse(&self, answer: Result<&[u8], InternalError<'_>>) -> Result<Imsi, Error> {
        let line = answer?;
        if !is_imsi(line) {
            return Err(Error::Parse);
        }
        Ok(Imsi(String::from_utf8_lossy(line).into_owned()))
    }
}
impl Command for GetImsi {
    const INFORMATION: Information = Information::Lines(is_imsi);
}

/// 6 to 15 digits. Source: 3GPP TS 23.003.
fn is_imsi(line: &[u8]) -> bool {
    (6..=15).contains(&line.len()) && line.iter().all(u8::is_ascii_digit)
}

/// The number of the card itself: 19 or 20 digits, or letters among them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Iccid(pub String);
impl AtatResp for Iccid {}

/// `AT+ICCID`: `+ICCID: 898604981022C0254186`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+ICCID", Iccid, timeout_ms = 9_000, parse = iccid)]
pub struct GetIccid;
impl Command for GetIccid {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+ICCID:"));
}

fn iccid(line: &[u8]) -> Result<Iccid, Error> {
    let text = line.strip_prefix(b"+ICCID:").ok_or(Error::Parse)?.trim_ascii();
    let fits = (18..=22).contains(&text.len()) && text.iter().all(u8::is_ascii_alphanumeric);
    if fits { Ok(Iccid(String::from_utf8_lossy(text).into_owned())) } else { Err(Error::Parse) }
}

/// `AT+CSDT=1`: tells when the card is pulled or put in, as `+CPIN: SIM REMOVED 0` and `+CPIN: READY 0`. Needs a card
/// holder with a detection switch.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CSDT=1", Done, timeout_ms = 9_000)]
pub struct DetectCard;

plain!(DetectCard);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{line_of, read};

    #[test]
    fn the_card_is_asked_as_the_manual_prints_it() {
        assert_eq!(line_of(&GetImsi), "AT+CIMI\r");
        assert_eq!(line_of(&GetIccid), "AT+ICCID\r");
        assert_eq!(line_of(&DetectCard), "AT+CSDT=1\r");
    }

    #[test]
    fn the_subscriber_is_not_shown_by_accident() {
        let imsi = read(&GetImsi, b"460041234567890").unwrap();
        assert_eq!(imsi.reveal(), "460041234567890");
        assert_eq!(format!("{imsi} {imsi:?}"), "46004… 46004…");
    }

    #[test]
    fn a_card_number_may_hold_letters() {
        assert_eq!(read(&GetIccid, b"+ICCID: 898604981022C0254186").unwrap().0, "898604981022C0254186");
        assert!(read(&GetIccid, b"+ICCID: 89\xff").is_err());
        assert!(read(&GetIccid, b"+ICCID:").is_err());
    }
}
