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

/// The answer of `AT+CESQ`. Only the last two fields mean something in LTE. Source: 3GPP TS 27.007, `+CESQ`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct ExtendedSignal {
    /// GSM; 99 is unknown.
    pub rxlev: u8,
    /// GSM; 99 is unknown.
    pub ber: u8,
    /// UMTS; 255 is unknown.
    pub rscp: u8,
    /// UMTS; 255 is unknown.
    pub ecno: u8,
    /// Quality of the reference signal, 0 to 34; 255 is unknown.
    pub rsrq: u8,
    /// Strength of the reference signal, 0 to 97; 255 is unknown.
    pub rsrp: u8,
}

impl ExtendedSignal {
    /// Reference signal received power in dBm, -141 to -44: the lower end of the step that was reported.
    pub fn rsrp_dbm(&self) -> Option<i16> {
        (self.rsrp <= 97).then(|| i16::from(self.rsrp) - 141)
    }

    /// Reference signal received quality in dB, -20 to -3, in steps of a half.
    pub fn rsrq_db(&self) -> Option<f32> {
        (self.rsrq <= 34).then(|| f32::from(self.rsrq) / 2.0 - 20.0)
    }
}

/// `AT+CESQ`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CESQ", ExtendedSignal, timeout_ms = 9_000)]
pub struct GetExtendedSignal;
impl Command for GetExtendedSignal {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CESQ:"));
}

/// The answer of `AT+COPS?`. Without a network only the first field is printed.
#[derive(Clone, Debug, PartialEq, Eq, AtatResp)]
pub struct Operator {
    /// 0 automatic.
    pub mode: u8,
    /// 0 long name, 1 short name, 2 country and network as digits.
    pub format: Option<u8>,
    /// The operator.
    pub name: Option<Text>,
    /// Access technology; 7 is LTE.
    pub act: Option<u8>,
}

/// `AT+COPS?`. The manual allows 300 s, which are for the search (`AT+COPS=?`); this one is answered from memory.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+COPS?", Operator, timeout_ms = 9_000)]
pub struct GetOperator;
impl Command for GetOperator {
    // Firmware below V1170 may answer a bare `OK`.
    const INFORMATION: Information = Information::List(|line| line.starts_with(b"+COPS:"));
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
    // The 780EP answers this question under the name of its sister.
    const INFORMATION: Information =
        Information::Lines(|line| line.strip_prefix(b"+CEREG: ").is_some_and(is_answer) || is_packet_answer(line));
}

/// `AT+CGREG?`: the registration for packets, which in LTE is that of [`GetRegistration`].
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGREG?", RegistrationReport, timeout_ms = 9_000)]
pub struct GetPacketRegistration;
impl Command for GetPacketRegistration {
    const INFORMATION: Information = Information::Lines(is_packet_answer);
}

/// `AT+CREG?`: the registration for calls and short messages.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CREG?", RegistrationReport, timeout_ms = 9_000)]
pub struct GetCircuitRegistration;
impl Command for GetCircuitRegistration {
    const INFORMATION: Information = Information::Lines(|line| line.strip_prefix(b"+CREG: ").is_some_and(is_answer));
}

fn is_packet_answer(line: &[u8]) -> bool {
    line.strip_prefix(b"+CGREG: ").is_some_and(is_answer)
}

/// Whether a report answers a question: an unsolicited one has no comma, or a quote behind the first.
fn is_answer(report: &[u8]) -> bool {
    report.split(|&b| b == b',').nth(1).is_some_and(|stat| stat.first() != Some(&b'"'))
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
    fn cell_and_operator_are_read_from_a_log_of_a_real_module() {
        let cell = GetExtendedSignal.parse(Ok(b"+CESQ: 99,99,255,255,22,48")).unwrap();
        assert_eq!((cell.rsrp_dbm(), cell.rsrq_db()), (Some(-93), Some(-9.0)));
        let none = GetExtendedSignal.parse(Ok(b"+CESQ: 99,99,255,255,255,255")).unwrap();
        assert_eq!((none.rsrp_dbm(), none.rsrq_db()), (None, None));
        let operator = GetOperator.parse(Ok(b"+COPS: 0,2,\"46000\",7")).unwrap();
        assert_eq!(operator.name.unwrap().0, "46000");
        assert_eq!(GetOperator.parse(Ok(b"+COPS: 0")).unwrap().name, None);
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
