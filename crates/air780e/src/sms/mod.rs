//! Short messages: what they say, apart from how the module is asked for them.

mod gsm7;
mod pdu;

pub use pdu::Pdu;

use crate::command::fields::{fields, text};
use crate::limits::Unusable;
use crate::time::Civil;

/// Most parts of one text.
pub const MAX_PARTS: usize = 10;
/// Most digits of a number. Source: 3GPP TS 23.040.
pub const MAX_DIGITS: usize = 20;

/// A received message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sms {
    /// A number, with `+` if it is international, or a name.
    pub from: String,
    /// What it says.
    pub text: String,
    /// When the service centre got it, in seconds since 1970.
    pub sent_unix_s: Option<u64>,
    /// Which part of a longer text this is.
    pub part: Option<Part>,
}

/// One of several messages that together are one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The same for all parts of a text from one sender.
    pub reference: u16,
    /// How many there are.
    pub total: u8,
    /// Which one this is, from 1.
    pub number: u8,
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPdu {
    /// Not pairs of hexadecimal digits.
    #[error("not hexadecimal")]
    Hex,
    /// It ends too early.
    #[error("too short")]
    Short,
    /// No message to us: a report or the like.
    #[error("not a received message")]
    Kind,
    /// A compressed text, which nobody sends.
    #[error("compressed")]
    Compressed,
}

impl Sms {
    /// Reads hexadecimal digits as the module prints them in PDU mode.
    ///
    /// # Errors
    /// [`BadPdu`] says why it is no message.
    pub fn from_pdu(hex: &[u8]) -> Result<Self, BadPdu> {
        pdu::deliver(hex.trim_ascii())
    }

    /// Reads a message that was shown at once: the line `+CMT: …` and the line behind it, in PDU or text mode.
    ///
    /// # Errors
    /// [`BadPdu`] if the second line is no message.
    pub fn from_cmt(header: &[u8], body: &[u8]) -> Result<Self, BadPdu> {
        let fields = fields(header).ok_or(BadPdu::Short)?;
        // In PDU mode there are a name, mostly empty, and a length; in text mode a number, a name and a time.
        if fields.len() < 3 {
            return Self::from_pdu(body);
        }
        let time = || {
            let local = Civil::parse(fields.get(2)?)?;
            local.unix_s.checked_add_signed(-i64::from(local.zone?) * 900)
        };
        let text_of = |hex: &[u8]| {
            // In the UCS-2 character set of text mode every character is four digits.
            let octets = pdu::from_hex(hex).ok().filter(|octets| !octets.is_empty() && octets.len() % 2 == 0)?;
            let units: Vec<u16> =
                octets.chunks_exact(2).map(|u| u.iter().fold(0, |n, &o| n << 8 | u16::from(o))).collect();
            let text = String::from_utf16(&units).ok()?;
            // Digits that happen to be digits: a text made of control characters is none.
            (!text.chars().any(|c| c.is_control() && !c.is_whitespace())).then_some(text)
        };
        let sms = Self {
            from: text(&fields, 0).unwrap_or_default(),
            text: text_of(body).unwrap_or_else(|| String::from_utf8_lossy(body).into_owned()),
            sent_unix_s: time(),
            part: None,
        };
        Ok(sms)
    }
}

/// Makes the messages that carry `text` to `to`; in seven bits if the alphabet has all its characters, else in UCS-2.
///
/// # Errors
/// [`Unusable`] if the number is none or the text is longer than [`MAX_PARTS`] messages.
pub fn encode(to: &str, text: &str, reference: u8) -> Result<Vec<Pdu>, Unusable> {
    let digits = to.strip_prefix('+').unwrap_or(to);
    if !(1..=MAX_DIGITS).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Unusable::Form { what: "number", wanted: "1 to 20 digits, with or without + in front" });
    }
    let too_long = Unusable::Form { what: "text", wanted: "short enough for ten messages" };
    pdu::submit(to, text, reference, MAX_PARTS).ok_or(too_long)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_message_shown_at_once_is_read_in_both_modes() {
        let pdu = b"07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";
        assert_eq!(Sms::from_cmt(b"+CMT: ,31", pdu).unwrap().text, "How are you?");
        let header = b"+CMT: \"+8613800000000\",,\"24/07/10,16:33:44+32\"";
        let sms = Sms::from_cmt(header, b"open the door").unwrap();
        assert_eq!((sms.from.as_str(), sms.text.as_str()), ("+8613800000000", "open the door"));
        assert_eq!(sms.sent_unix_s, Some(1_720_600_424));
        assert_eq!(Sms::from_cmt(header, b"4F60597D").unwrap().text, "你好");
        assert_eq!(Sms::from_cmt(header, b"1234").unwrap().text, "\u{1234}", "nobody can tell these apart");
    }

    #[test]
    fn a_number_that_is_none_is_not_sent_to() {
        assert!(encode("+8613800000000", "hi", 0).is_ok() && encode("10086", "hi", 0).is_ok());
        for to in ["", "+", "12a", "123456789012345678901", "1\r"] {
            assert!(encode(to, "hi", 0).is_err(), "{to}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(header in proptest::collection::vec(any::<u8>(), 0..80), body in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = Sms::from_cmt(&header, &body);
            let _ = Sms::from_pdu(&body);
        }
    }
}
