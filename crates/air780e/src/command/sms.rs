//! Short messages. All of it in PDU mode: what a sender wrote is digits there and cannot be taken for an answer.
//!
//! Source: AT command manual V1.6.3, SMS chapter; 3GPP TS 27.005.

use super::fields::{fields, number};
use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::limits::Unusable;
use crate::sms::Pdu;
use atat::atat_derive::{AtatCmd, AtatResp};
use atat::{AtatResp, Error};
use bytes::Bytes;

/// `AT+CMGF=0`: PDU mode.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CMGF=0", Done, timeout_ms = 9_000)]
pub struct PduMode;

/// `AT+CNMI=2,1`: received messages are kept on the card and told by `+CMTI`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CNMI=2,1", Done, timeout_ms = 9_000)]
pub struct TellReceived;

plain!(PduMode, TellReceived);

/// A message on the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place, from 1.
    pub index: u16,
    /// Hexadecimal digits.
    pub pdu: Bytes,
}

/// The answer of `AT+CMGL=4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredList(pub Vec<Stored>);
impl AtatResp for StoredList {}

/// `AT+CMGL=4`: everything on the card, each a line `+CMGL: <index>,<status>,,<length>` and one of digits. Reading the whole
/// card takes up to 5 s; the manual allows 9 s.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CMGL=4", StoredList, timeout_ms = 9_000, parse = stored)]
pub struct ListAll;
impl Command for ListAll {
    const INFORMATION: Information = Information::List(|line| line.starts_with(b"+CMGL:") || is_pdu(line));
}

/// Whether a line holds a PDU: pairs of digits, and more of them than any bare number that the module prints.
fn is_pdu(line: &[u8]) -> bool {
    line.len() > 22 && line.len().is_multiple_of(2) && line.iter().all(u8::is_ascii_hexdigit)
}

/// A header without digits behind it, and digits without header, are left out: a line was lost.
fn stored(lines: &[u8]) -> Result<StoredList, Error> {
    let mut list = Vec::new();
    let mut index = None;
    for line in lines.split(|&b| b == b'\n') {
        match index.take() {
            Some(index) if is_pdu(line) => list.push(Stored { index, pdu: Bytes::copy_from_slice(line) }),
            _ => index = fields(line).and_then(|fields| number(&fields, 0)),
        }
    }
    Ok(StoredList(list))
}

/// `AT+CMGD=<index>`: deletes a message. The card writes: up to 5 s.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CMGD", Done, timeout_ms = 9_000)]
pub struct Delete {
    /// Its place, from 1.
    pub index: u16,
}
plain!(Delete);

/// The answer of `AT+CMGS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct Sent {
    /// The module's number of the message.
    pub reference: u8,
}

/// `AT+CMGS=<octets>`, then a prompt, then the digits and Ctrl-Z. The network takes it within 90 s, or not at all, and so
/// long the line is taken. Source: p. 14.
#[derive(Clone, Debug)]
pub struct Send {
    /// The message.
    pub pdu: Pdu,
}

#[derive(AtatCmd)]
// CR alone: digits never begin with the LF that would be eaten, and an LF may count as text.
#[at_cmd("+CMGS", Sent, timeout_ms = 90_000)]
struct SendLine {
    octets: usize,
}

impl atat::AtatCmd for Send {
    type Response = Sent;
    const MAX_TIMEOUT_MS: u32 = <SendLine as atat::AtatCmd>::MAX_TIMEOUT_MS;

    fn write(&self, buf: &mut [u8]) -> usize {
        SendLine { octets: self.pdu.octets }.write(buf)
    }

    fn parse(&self, answer: Result<&[u8], atat::InternalError<'_>>) -> Result<Sent, Error> {
        SendLine { octets: 0 }.parse(answer)
    }
}
impl Command for Send {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+CMGS:"));

    fn data(&self) -> Option<Bytes> {
        Some(Bytes::from([self.pdu.hex.as_bytes(), b"\x1a"].concat()))
    }

    fn check(&self) -> Result<(), Unusable> {
        let fits = (7..=164).contains(&self.pdu.octets) && is_pdu_of(&self.pdu);
        fits.then_some(()).ok_or(Unusable::Form { what: "message", wanted: "7 to 164 octets in hexadecimal digits" })
    }
}

fn is_pdu_of(pdu: &Pdu) -> bool {
    pdu.hex.len() == 2 * (pdu.octets + 1) && pdu.hex.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{exchange, line_of, read};
    use crate::sms::encode;

    #[test]
    fn a_message_goes_out_as_digits_and_ctrl_z() {
        let send = Send { pdu: encode("+31641600986", "How are you?", 0).unwrap().remove(0) };
        let exchange = exchange(&send).unwrap();
        assert_eq!(exchange.line, b"AT+CMGS=24\r");
        assert_eq!(&exchange.data.unwrap()[..], b"0001000B911346610089F600000CC8F71D14969741F977FD07\x1a");
        assert_eq!(read(&send, b"+CMGS: 7").unwrap().reference, 7);
        assert_eq!(line_of(&ListAll), "AT+CMGL=4\r");
        assert_eq!(line_of(&Delete { index: 3 }), "AT+CMGD=3\r");
    }

    #[test]
    fn a_message_with_other_length_than_told_is_not_sent() {
        let hex = "00".repeat(10);
        assert!(Send { pdu: Pdu { octets: 9, hex: hex.clone() } }.check().is_ok());
        assert!(Send { pdu: Pdu { octets: 8, hex } }.check().is_err());
        assert!(Send { pdu: Pdu { octets: 9, hex: "\u{1b}".repeat(20) } }.check().is_err());
    }

    #[test]
    fn a_list_is_read_and_a_lost_line_costs_one_message() {
        let pdu = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
        let lines = format!("+CMGL: 1,1,,31\n{pdu}\n+CMGL: 2,0,,31\n+CMGL: 3,0,,31\n{pdu}\n{pdu}");
        let list = read(&ListAll, lines.as_bytes()).unwrap().0;
        assert_eq!(list.iter().map(|stored| stored.index).collect::<Vec<_>>(), [1, 3]);
        assert_eq!(read(&ListAll, b"").unwrap().0, []);
    }
}
