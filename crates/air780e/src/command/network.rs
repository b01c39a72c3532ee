//! Signal, registration and the packet network.

use super::{ANSWER_MS, Command, Text};
use crate::exchange::Information;
use atat::atat_derive::{AtatCmd, AtatResp};

/// The answer of `AT+CSQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct SignalQuality {
    /// 0 to 31, in steps of 2 dB from -113 dBm; 99 is unknown.
    pub rssi: u8,
    /// Bit error rate class; 99 is unknown.
    pub ber: u8,
}

impl SignalQuality {
    /// Received signal strength in dBm, -113 to -51. Source: 3GPP TS 27.007, `+CSQ`.
    pub fn rssi_dbm(&self) -> Option<i16> {
        (self.rssi <= 31).then(|| -113 + 2 * i16::from(self.rssi))
    }
}

/// `AT+CSQ`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CSQ", SignalQuality, timeout_ms = 9_000)]
pub struct GetSignal;
impl Command for GetSignal {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CSQ:"));
}

/// The answer of `AT+CEREG?`.
#[derive(Clone, Debug, PartialEq, Eq, AtatResp)]
pub struct RegistrationReport {
    /// Which unsolicited reports are on.
    pub mode: u8,
    /// 3GPP registration state.
    pub stat: u8,
    /// Tracking area code, hexadecimal.
    pub tac: Option<Text>,
    /// Cell identity, hexadecimal.
    pub cell: Option<Text>,
    /// Access technology; 7 is LTE.
    pub act: Option<u8>,
}

/// Where the module stands with the network. Source: 3GPP TS 27.007, `+CEREG`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registration {
    /// Not registered and not searching.
    Idle,
    /// At home.
    Home,
    /// Searching.
    Searching,
    /// The network refused the card.
    Denied,
    /// Unknown, for example out of coverage.
    Unknown,
    /// In a foreign network.
    Roaming,
}

impl Registration {
    /// Whether packets can go.
    pub fn is_registered(self) -> bool {
        matches!(self, Self::Home | Self::Roaming)
    }
}

impl From<u8> for Registration {
    fn from(stat: u8) -> Self {
        match stat {
            0 => Self::Idle,
            1 => Self::Home,
            2 => Self::Searching,
            3 => Self::Denied,
            5 => Self::Roaming,
            _ => Self::Unknown,
        }
    }
}

/// `AT+CEREG?`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CEREG?", RegistrationReport, timeout_ms = 9_000)]
pub struct GetRegistration;
impl Command for GetRegistration {
    // The 780EP answers this question under the name of its sister. An unsolicited report has no comma, or a quote
    // behind the first.
    const INFORMATION: Information = Information::Lines(|line| {
        let report = line.strip_prefix(b"+CEREG: ").or_else(|| line.strip_prefix(b"+CGREG: "));
        report.and_then(|r| r.split(|&b| b == b',').nth(1)).is_some_and(|stat| stat.first() != Some(&b'"'))
    });
}

/// The answer of `AT+CGATT?`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct Attachment {
    /// 1 when attached to the packet network.
    pub state: u8,
}

/// `AT+CGATT?`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGATT?", Attachment, timeout_ms = 9_000)]
pub struct GetAttachment;
impl Command for GetAttachment {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CGATT:"));
}

const _: () = assert!(ANSWER_MS == 9_000, "the derives above spell this number out");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::line_of;
    use atat::AtatCmd as _;

    #[test]
    fn questions_are_written_as_the_manual_prints_them() {
        assert_eq!(line_of(&GetSignal), "AT+CSQ\r");
        assert_eq!(line_of(&GetRegistration), "AT+CEREG?\r");
        assert_eq!(line_of(&GetAttachment), "AT+CGATT?\r");
    }

    #[test]
    fn signal_is_told_in_dbm_and_unknown_is_none() {
        let answer = GetSignal.parse(Ok(b"+CSQ: 25,0")).unwrap();
        assert_eq!(answer.rssi_dbm(), Some(-63));
        assert_eq!(GetSignal.parse(Ok(b"+CSQ: 99,99")).unwrap().rssi_dbm(), None);
    }

    #[test]
    fn registration_is_read_short_and_long_and_under_both_names() {
        for line in ["+CEREG: 0,1", "+CGREG: 0,1", "+CEREG: 2,1,\"4844\",\"0EA2D0CA\",7"] {
            assert!(GetRegistration::INFORMATION.lines()(line.as_bytes()), "{line}");
            let report = GetRegistration.parse(Ok(line.as_bytes())).unwrap();
            assert_eq!(Registration::from(report.stat), Registration::Home, "{line}");
        }
    }

    #[test]
    fn an_unsolicited_registration_report_is_no_answer() {
        for line in ["+CEREG: 1", "+CEREG: 1,\"4844\",\"0EA2D0CA\",7"] {
            assert!(!GetRegistration::INFORMATION.lines()(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_damaged_answer_is_an_error_and_no_panic() {
        assert!(GetSignal.parse(Ok(b"+CSQ: x,")).is_err());
        assert!(GetAttachment.parse(Ok(b"+CGATT:")).is_err());
    }
}
