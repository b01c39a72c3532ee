//! Short messages as octets: what comes in (SMS-DELIVER), what the host sends (SMS-SUBMIT).
//!
//! Source: 3GPP TS 23.040, sections 9.2.2.1, 9.2.2.2 and 9.2.3.

use super::charset;
use crate::modem::engine::clock::Shown;

/// Most octets of user data.
const DATA_MAX: usize = 140;

/// How the text is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Gsm7,
    /// Eight bit data; its text is shown as hex digits.
    Octets,
    Ucs2,
}

impl Coding {
    fn of(scheme: u8) -> Self {
        match scheme {
            // The general group: bits 2 and 3 are the alphabet.
            0..=0x3F => [Self::Gsm7, Self::Octets, Self::Ucs2, Self::Gsm7]
                .get(usize::from(scheme >> 2 & 3))
                .copied()
                .unwrap_or(Self::Gsm7),
            0xF4..=0xF7 => Self::Octets,
            _ => Self::Gsm7,
        }
    }

    fn scheme(self) -> u8 {
        match self {
            Self::Gsm7 => 0,
            Self::Octets => 4,
            Self::Ucs2 => 8,
        }
    }

    /// The plainest one that holds this text.
    pub(super) fn fitting(text: &str) -> Self {
        if charset::septets(text).is_some() { Self::Gsm7 } else { Self::Ucs2 }
    }
}

/// The text of one message, with the header that joins the parts of a long one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) coding: Coding,
    /// Without its length octet; empty: none.
    pub(super) header: Vec<u8>,
    pub(super) text: String,
}

impl Content {
    /// Length field and octets; `None` when it does not fit into one message.
    fn user_data(&self) -> Option<(u8, Vec<u8>)> {
        let header = if self.header.is_empty() {
            Vec::new()
        } else {
            [&[u8::try_from(self.header.len()).ok()?], self.header.as_slice()].concat()
        };
        let (length, octets) = match self.coding {
            Coding::Gsm7 => {
                let septets = charset::septets(&self.text)?;
                let before = (header.len() * 8).div_ceil(7);
                let packed = charset::pack(&septets, before * 7 - header.len() * 8);
                (before + septets.len(), [header, packed].concat())
            }
            Coding::Octets => {
                let octets = [header, charset::octets(&self.text)?].concat();
                (octets.len(), octets)
            }
            Coding::Ucs2 => {
                let text: Vec<u8> = self.text.encode_utf16().flat_map(u16::to_be_bytes).collect();
                let octets = [header, text].concat();
                (octets.len(), octets)
            }
        };
        (octets.len() <= DATA_MAX).then_some((u8::try_from(length).ok()?, octets))
    }

    pub(super) fn fits(&self) -> bool {
        self.user_data().is_some()
    }

    fn from_user_data(scheme: u8, has_header: bool, length: usize, octets: &[u8]) -> Option<Self> {
        let coding = Coding::of(scheme);
        let head = if has_header { usize::from(*octets.first()?) + 1 } else { 0 };
        let header = if has_header { octets.get(1..head)?.to_vec() } else { Vec::new() };
        let rest = octets.get(head..)?;
        let text = match coding {
            Coding::Gsm7 => {
                let before = (head * 8).div_ceil(7);
                let count = length.checked_sub(before)?;
                let septets = charset::unpack(rest, before * 7 - head * 8, count);
                (septets.len() == count).then(|| charset::text(&septets))?
            }
            Coding::Octets => charset::hex(octets.get(head..length)?),
            Coding::Ucs2 => charset::from_ucs2(octets.get(head..length)?),
        };
        Some(Self { coding, header, text })
    }
}

/// Digits in swapped nibbles, filled up with F.
fn swapped(digits: &str) -> Vec<u8> {
    let nibbles: Vec<u8> = digits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
    nibbles.chunks(2).map(|pair| pair.first().unwrap_or(&0) | pair.get(1).unwrap_or(&0xF) << 4).collect()
}

fn unswapped(octets: &[u8], digits: usize) -> String {
    let nibbles = octets.iter().flat_map(|octet| [octet & 0xF, octet >> 4]);
    nibbles.take(digits).map(|nibble| char::from_digit(u32::from(nibble), 10).unwrap_or('?')).collect()
}

/// 145 for international numbers, 129 for others.
pub(super) fn number_type(number: &str) -> u8 {
    if number.starts_with('+') { 145 } else { 129 }
}

fn two(value: u64) -> Vec<u8> {
    swapped(&format!("{:02}", value % 100))
}

/// The PDU of a message that came in, with the service centre in front, and its length without that.
pub(super) fn deliver(centre: &str, from: &str, time: Shown, content: &Content) -> Option<(String, usize)> {
    let centre_digits = swapped(centre);
    let centre_length = u8::try_from(centre_digits.len() + 1).ok()?;
    let service = [&[centre_length, number_type(centre)], centre_digits.as_slice()].concat();
    let (length, data) = content.user_data()?;
    let first = 0x04 | if content.header.is_empty() { 0 } else { 0x40 };
    let digits = u8::try_from(from.bytes().filter(u8::is_ascii_digit).count()).ok()?;
    let mut stamp: Vec<u8> =
        time.text().split(['/', ',', ':']).flat_map(|part| part.get(..2).map(swapped)).flatten().collect();
    let quarters = two(u64::from(time.zone.unsigned_abs()));
    stamp.extend(quarters.iter().map(|octet| if time.zone < 0 { octet | 0x08 } else { *octet }));
    let pdu = [
        &[first, digits, number_type(from)],
        swapped(from).as_slice(),
        &[0, content.coding.scheme()],
        &stamp,
        &[length],
        &data,
    ]
    .concat();
    Some((charset::hex(&service) + &charset::hex(&pdu), pdu.len()))
}

/// A message that the host sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submit {
    pub(super) to: String,
    pub(super) content: Content,
}

/// Reads what stands behind the prompt; `length` is that of `AT+CMGS`, without the service centre.
pub(super) fn submit(hex: &str, length: usize) -> Option<Submit> {
    let octets = charset::octets(hex)?;
    let centre = usize::from(*octets.first()?) + 1;
    let pdu = octets.get(centre..).filter(|pdu| pdu.len() == length)?;
    let first = *pdu.first()?;
    if first & 3 != 1 {
        return None;
    }
    let digits = usize::from(*pdu.get(2)?);
    let end = 4 + digits.div_ceil(2);
    let plus = if pdu.get(3)? & 0x70 == 0x10 { "+" } else { "" };
    let to = format!("{plus}{}", unswapped(pdu.get(4..end)?, digits));
    let scheme = *pdu.get(end + 1)?;
    let validity = match first >> 3 & 3 {
        0 => 0,
        2 => 1,
        _ => 7,
    };
    let at = end + 2 + validity;
    let data = pdu.get(at + 1..)?;
    let content = Content::from_user_data(scheme, first & 0x40 != 0, usize::from(*pdu.get(at)?), data)?;
    content.fits().then_some(Submit { to, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn submit_of_the_textbook_is_read() {
        let read = submit("0011000B916407281553F80000AA0AE8329BFD4697D9EC37", 23).unwrap();
        assert_eq!(read.to, "+46708251358");
        assert_eq!(read.content.text, "hellohello");
    }

    #[test]
    fn submit_of_another_length_or_kind_is_none() {
        assert_eq!(submit("0011000B916407281553F80000AA0AE8329BFD4697D9EC37", 22), None);
        assert_eq!(submit("0010000B916407281553F80000AA0AE8329BFD4697D9EC37", 23), None);
        assert_eq!(submit("", 0), None);
    }

    #[test]
    fn deliver_has_number_time_and_text_where_they_belong() {
        let content = Content { coding: Coding::Gsm7, header: Vec::new(), text: "hellohello".into() };
        let time = Shown::local(1_728_547_200, 32);
        let (pdu, length) = deliver("+8613800100500", "+46708251358", time, &content).unwrap();
        assert_eq!(pdu, "0891683108100005F0040B916407281553F80000420101610000230AE8329BFD4697D9EC37");
        assert_eq!(length, 28);
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(octets in proptest::collection::vec(any::<u8>(), 0..60)) {
            let length = octets.len().saturating_sub(1);
            let _ = submit(&charset::hex(&octets), length);
        }
    }
}
