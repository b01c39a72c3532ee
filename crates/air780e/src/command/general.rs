//! The line itself, and who the module is.

use super::data_mode::takes_data;
use super::{ANSWER_MS, Command, Done, Text, plain, write_line};
use crate::exchange::Information;
use crate::limits::Unusable;
use atat::atat_derive::{AtatCmd, AtatResp};
use atat::{AtatCmd, AtatResp, Error, InternalError};

/// `AT`: is anybody there? Half a second, because it is asked again and again while the module boots.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("", Done, timeout_ms = 500)]
pub struct At;

/// `ATE0`: no echo.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("E0", Done, timeout_ms = 1_000)]
pub struct EchoOff;

/// `AT+CMEE=1`: errors as numbers.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CMEE=1", Done, timeout_ms = 1_000)]
pub struct NumericErrors;

/// `AT+UPGRADE="AUTO",0`: the module must not update itself behind our back (its default is to ask daily).
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+UPGRADE=\"AUTO\",0", Done, timeout_ms = 9_000)]
pub struct AutoUpgradeOff;

/// `AT+CSCLK=0`: no sleep; a sleeping module loses the first bytes of a command.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CSCLK=0", Done, timeout_ms = 9_000)]
pub struct SleepOff;

/// `AT+RESET`: reboot.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+RESET", Done, timeout_ms = 9_000)]
pub struct Reset;

plain!(At, EchoOff, NumericErrors, AutoUpgradeOff, SleepOff, Reset);

/// The answer of `AT+CGMR` and its sisters: one quoted string.
#[derive(Clone, Debug, PartialEq, Eq, AtatResp)]
pub struct Quoted {
    /// The text between the quotes.
    pub text: Text,
}

/// `AT+CGMR`: the firmware, for example `AirM2M_780E_V1169_LTE_AT`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGMR", Quoted, timeout_ms = 2_000)]
pub struct Firmware;
impl Command for Firmware {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CGMR:"));
}

/// `AT+CGMM`: the model, for example `Air780E`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGMM", Quoted, timeout_ms = 2_000)]
pub struct Model;
impl Command for Model {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CGMM:"));
}

/// `AT+CGMI`: the maker.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGMI", Quoted, timeout_ms = 2_000)]
pub struct Manufacturer;
impl Command for Manufacturer {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CGMI:"));
}

/// The serial number of the radio: 15 digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imei(pub String);
impl AtatResp for Imei {}

/// `AT+CGSN`: the IMEI, printed bare.
#[derive(Clone, Debug)]
pub struct SerialNumber;

impl AtatCmd for SerialNumber {
    type Response = Imei;
    const MAX_TIMEOUT_MS: u32 = 2_000;

    fn write(&self, buf: &mut [u8]) -> usize {
        write_line(buf, b"AT+CGSN\r")
    }

    fn parse(&self, answer: Result<&[u8], InternalError<'_>>) -> Result<Imei, Error> {
        let digits = std::str::from_utf8(answer?).map_err(|_| Error::Parse)?;
        Ok(Imei(digits.to_owned()))
    }
}
impl Command for SerialNumber {
    const INFORMATION: Information = Information::Lines(is_imei);
}

/// `AT+CPIN?`: what the SIM card wants.
#[derive(Clone, Debug)]
pub struct SimStatus;

/// The state of the SIM card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sim {
    /// Nothing is wanted.
    Ready,
    /// The PIN is wanted.
    Pin,
    /// Something that only a person can give: PUK, network lock.
    Locked,
}
impl AtatResp for Sim {}

impl AtatCmd for SimStatus {
    type Response = Sim;
    const MAX_TIMEOUT_MS: u32 = ANSWER_MS;

    fn write(&self, buf: &mut [u8]) -> usize {
        write_line(buf, b"AT+CPIN?\r")
    }

    fn parse(&self, answer: Result<&[u8], InternalError<'_>>) -> Result<Sim, Error> {
        Ok(match answer? {
            b"+CPIN: READY" => Sim::Ready,
            b"+CPIN: SIM PIN" => Sim::Pin,
            _ => Sim::Locked,
        })
    }
}
impl Command for SimStatus {
    // `+CPIN: READY 0` and `+CPIN: SIM REMOVED 0` are unsolicited and no answer.
    const INFORMATION: Information = Information::Lines(|line| {
        line.strip_prefix(b"+CPIN: ").is_some_and(|state| !state.ends_with(b" 0") && !state.starts_with(b"SIM REMOVED"))
    });
}

/// `AT+CPIN="…"`: gives the PIN. Three wrong ones lock the card, so it is sent once per boot.
#[derive(Clone, AtatCmd)]
#[at_cmd("+CPIN", Done, timeout_ms = 180_000)]
pub struct EnterPin<'a> {
    /// 4 to 8 digits.
    pub pin: &'a str,
}
impl Command for EnterPin<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        let fits = (4..=8).contains(&self.pin.len()) && self.pin.bytes().all(|b| b.is_ascii_digit());
        fits.then_some(()).ok_or(Unusable::Form { what: "PIN", wanted: "4 to 8 digits" })
    }
}

/// A line that someone else wrote: the raw console. Its answer is every line up to the final result.
#[derive(Clone, Debug)]
pub struct Raw<'a>(pub &'a str);

/// The lines of a raw answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines(pub Vec<String>);
impl AtatResp for Lines {}

impl AtatCmd for Raw<'_> {
    type Response = Lines;
    /// As long as the slowest answer that the manual allows, short of the 300 s of `AT+COPS=?`.
    const MAX_TIMEOUT_MS: u32 = 180_000;

    fn write(&self, buf: &mut [u8]) -> usize {
        let len = write_line(buf, self.0.as_bytes());
        len + buf.get_mut(len..).map_or(0, |rest| write_line(rest, b"\r"))
    }

    fn parse(&self, answer: Result<&[u8], InternalError<'_>>) -> Result<Lines, Error> {
        let text = String::from_utf8_lossy(answer?).into_owned();
        Ok(Lines(text.lines().map(str::to_owned).collect()))
    }
}
impl Command for Raw<'_> {
    const INFORMATION: Information = Information::Everything;

    fn check(&self) -> Result<(), Unusable> {
        takes_data(self.0).map_or(Ok(()), |command| Err(Unusable::TakesData(command)))
    }
}

/// Whether a bare line is an IMEI.
pub(crate) fn is_imei(line: &[u8]) -> bool {
    line.len() == 15 && line.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::line_of;

    #[test]
    fn lines_are_written_as_the_manual_prints_them() {
        assert_eq!(line_of(&At), "AT\r");
        assert_eq!(line_of(&EchoOff), "ATE0\r");
        assert_eq!(line_of(&NumericErrors), "AT+CMEE=1\r");
        assert_eq!(line_of(&AutoUpgradeOff), "AT+UPGRADE=\"AUTO\",0\r");
        assert_eq!(line_of(&SerialNumber), "AT+CGSN\r");
        assert_eq!(line_of(&EnterPin { pin: "0123" }), "AT+CPIN=\"0123\"\r");
        assert_eq!(line_of(&Raw("AT+CSQ")), "AT+CSQ\r");
    }

    #[test]
    fn identity_answers_are_read() {
        let firmware = Firmware.parse(Ok(b"+CGMR: \"AirM2M_780E_V1161_LTE_AT\"")).unwrap();
        assert_eq!(firmware.text.0, "AirM2M_780E_V1161_LTE_AT");
        assert_eq!(Model.parse(Ok(b"+CGMM: \"Air780E\"")).unwrap().text.0, "Air780E");
        assert_eq!(SerialNumber.parse(Ok(b"861551056421746")).unwrap().0, "861551056421746");
    }

    #[test]
    fn a_sim_hot_plug_code_is_not_the_answer_to_the_question() {
        let is_answer = SimStatus::INFORMATION.lines();
        assert!(is_answer(b"+CPIN: READY") && is_answer(b"+CPIN: SIM PIN"));
        assert!(!is_answer(b"+CPIN: READY 0") && !is_answer(b"+CPIN: SIM REMOVED 0"));
    }

    #[test]
    fn only_fifteen_digits_are_an_imei() {
        assert!(is_imei(b"861551056421746"));
        assert!(!is_imei(b"86155105642174") && !is_imei(b"8615510564217460") && !is_imei(b"86155105642174x"));
    }
}
