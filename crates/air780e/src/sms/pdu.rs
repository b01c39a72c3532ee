//! Short messages as the network carries them. Source: 3GPP TS 23.040.

use super::{BadPdu, Part, Sms, gsm7};
use crate::time::Civil;

/// Octets of one message that hold text or its header.
const ROOM: usize = 140;
/// A header that numbers the parts: its own length, element, length of it, reference, total, number.
const PART_HEADER: usize = 6;

/// Octets behind the service centre's number, and all of them as hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pdu {
    /// Octets that `AT+CMGS` counts.
    pub octets: usize,
    /// What is sent behind its prompt.
    pub hex: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Coding {
    Gsm7,
    Octets,
    Ucs2,
}

/// Takes octets from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn octet(&mut self) -> Result<u8, BadPdu> {
        let (&first, rest) = self.0.split_first().ok_or(BadPdu::Short)?;
        self.0 = rest;
        Ok(first)
    }

    fn octets(&mut self, n: usize) -> Result<&'a [u8], BadPdu> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(BadPdu::Short)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// Reads a received message from hexadecimal digits, with the service centre's number in front.
pub(super) fn deliver(hex: &[u8]) -> Result<Sms, BadPdu> {
    let octets = from_hex(hex)?;
    let mut pdu = Reader(&octets);
    let centre = pdu.octet()?;
    pdu.octets(usize::from(centre))?;
    let first = pdu.octet()?;
    if first & 0x03 != 0 {
        return Err(BadPdu::Kind);
    }
    let from = address(&mut pdu)?;
    let _protocol = pdu.octet()?;
    let coding = coding(pdu.octet()?)?;
    let sent_unix_s = timestamp(pdu.octets(7)?);
    let len = usize::from(pdu.octet()?);
    let (part, text) = body(pdu.0, len, first & 0x40 != 0, coding)?;
    Ok(Sms { from, text, sent_unix_s, part })
}

/// An address: number of digits, its type, the digits.
fn address(pdu: &mut Reader<'_>) -> Result<String, BadPdu> {
    let digits = usize::from(pdu.octet()?);
    let kind = pdu.octet()?;
    let octets = pdu.octets(digits.div_ceil(2))?;
    if kind & 0x70 == 0x50 {
        return Ok(gsm7::text(&gsm7::unpack(octets, 0, digits * 4 / 7)));
    }
    let plus = if kind & 0x70 == 0x10 { "+" } else { "" };
    let digit = |n: u8| b"0123456789*#abc".get(usize::from(n)).map(|&c| char::from(c));
    let number: String = octets.iter().flat_map(|o| [o & 0x0f, o >> 4]).take(digits).filter_map(digit).collect();
    Ok(format!("{plus}{number}"))
}

/// Source: 3GPP TS 23.038, data coding scheme.
fn coding(scheme: u8) -> Result<Coding, BadPdu> {
    Ok(match (scheme >> 4, scheme & 0x0c) {
        (0..=7, _) if scheme & 0x20 != 0 => return Err(BadPdu::Compressed),
        (0..=7, 0x04) => Coding::Octets,
        (0..=7, 0x08) | (0xe, _) => Coding::Ucs2,
        (0xf, _) if scheme & 0x04 != 0 => Coding::Octets,
        _ => Coding::Gsm7,
    })
}

/// Seven octets of digits in swapped nibbles, zone last; `None` if it is no time.
fn timestamp(octets: &[u8]) -> Option<u64> {
    let number = |n: usize| octets.get(n).map(|o| (o & 0x0f) * 10 + (o >> 4));
    let (y, mo, d) = (number(0)?, number(1)?, number(2)?);
    let (h, mi, s) = (number(3)?, number(4)?, number(5)?);
    let zone = octets.get(6)?;
    let quarters = i64::from((zone & 0x07) * 10 + (zone >> 4)) * if zone & 0x08 == 0 { 1 } else { -1 };
    let local = Civil::parse(&format!("{y:02}/{mo:02}/{d:02},{h:02}:{mi:02}:{s:02}"))?;
    u64::try_from(i64::try_from(local.unix_s).ok()? - quarters * 900).ok()
}

fn body(octets: &[u8], len: usize, has_header: bool, coding: Coding) -> Result<(Option<Part>, String), BadPdu> {
    let header = if has_header { usize::from(*octets.first().ok_or(BadPdu::Short)?) + 1 } else { 0 };
    let part = octets.get(1..header).and_then(part);
    let text = match coding {
        Coding::Gsm7 => {
            // The text begins at the next septet behind the header.
            let skipped = (header * 8).div_ceil(7);
            let count = len.checked_sub(skipped).ok_or(BadPdu::Short)?;
            let septets = gsm7::unpack(octets, skipped * 7, count);
            if septets.len() < count {
                return Err(BadPdu::Short);
            }
            gsm7::text(&septets)
        }
        Coding::Octets => String::from_utf8_lossy(octets.get(header..len).ok_or(BadPdu::Short)?).into_owned(),
        Coding::Ucs2 => {
            let octets = octets.get(header..len).ok_or(BadPdu::Short)?;
            let units = octets.chunks_exact(2).map(|unit| unit.iter().fold(0, |n, &o| n << 8 | u16::from(o)));
            // Emoji come as surrogates, although the standard knows no such thing.
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
        }
    };
    Ok((part, text))
}

/// Finds the element that numbers parts.
fn part(mut elements: &[u8]) -> Option<Part> {
    while let [element, len, rest @ ..] = elements {
        let (value, behind) = rest.split_at_checked(usize::from(*len))?;
        match (element, value) {
            (0x00, &[reference, total, number]) => {
                return Some(Part { reference: u16::from(reference), total, number });
            }
            (0x08, &[high, low, total, number]) => {
                return Some(Part { reference: u16::from(high) << 8 | u16::from(low), total, number });
            }
            _ => elements = behind,
        }
    }
    None
}

/// The messages that carry `text`, one or more. `reference` tells the parts of this text from those of the last.
/// `None` if it would be more than `max` of them.
pub(super) fn submit(to: &str, text: &str, reference: u8, max: usize) -> Option<Vec<Pdu>> {
    let septets: Option<Vec<Vec<u8>>> = text.chars().map(gsm7::septets).collect();
    let (scheme, signs, single, several) = match septets {
        Some(septets) => (0x00, septets, ROOM * 8 / 7, (ROOM * 8 - (PART_HEADER * 8).div_ceil(7) * 7) / 7),
        None => (0x08, text.chars().map(ucs2).collect(), ROOM, ROOM - PART_HEADER),
    };
    let bodies =
        if signs.iter().map(Vec::len).sum::<usize>() <= single { vec![signs.concat()] } else { split(&signs, several) };
    if bodies.len() > max {
        return None;
    }
    let total = u8::try_from(bodies.len()).ok()?;
    let one = |(n, body): (usize, &Vec<u8>)| {
        let header = (total > 1).then_some([5, 0, 3, reference, total, n as u8 + 1]);
        message(to, scheme, header, body)
    };
    Some(bodies.iter().enumerate().map(one).collect())
}

fn ucs2(c: char) -> Vec<u8> {
    c.encode_utf16(&mut [0; 2]).iter().flat_map(|unit| unit.to_be_bytes()).collect()
}

/// Parts of at most `room`; no sign is cut in two.
fn split(signs: &[Vec<u8>], room: usize) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    for sign in signs {
        match parts.last_mut() {
            Some(part) if part.len() + sign.len() <= room => part.extend_from_slice(sign),
            _ => parts.push(sign.clone()),
        }
    }
    parts
}

fn message(to: &str, scheme: u8, header: Option<[u8; PART_HEADER]>, body: &[u8]) -> Pdu {
    let digits = to.strip_prefix('+').unwrap_or(to);
    let header_bit = if header.is_some() { 0x40 } else { 0 };
    let header = header.as_ref().map_or(&[][..], |header| header);
    // No validity, no report; the reference of the message is the module's affair.
    let mut octets = vec![0x01 | header_bit, 0, digits.len() as u8, if to.starts_with('+') { 0x91 } else { 0x81 }];
    octets.extend(digits.as_bytes().chunks(2).map(|pair| match pair {
        [a, b] => (b - b'0') << 4 | (a - b'0'),
        [a] => 0xf0 | (a - b'0'),
        _ => 0xff,
    }));
    octets.extend([0, scheme]);
    if scheme == 0 {
        let skipped = (header.len() * 8).div_ceil(7);
        let mut packed = gsm7::pack(body, skipped * 7);
        for (to, from) in packed.iter_mut().zip(header) {
            *to |= from;
        }
        octets.push((skipped + body.len()) as u8);
        octets.extend(packed);
    } else {
        octets.push((header.len() + body.len()) as u8);
        octets.extend(header);
        octets.extend(body);
    }
    // 00: the service centre that the card names.
    let hex = octets.iter().fold("00".to_owned(), |hex, octet| hex + &format!("{octet:02X}"));
    Pdu { octets: octets.len(), hex }
}

pub(super) fn from_hex(hex: &[u8]) -> Result<Vec<u8>, BadPdu> {
    let digit = |d: &u8| char::from(*d).to_digit(16).map(|d| d as u8).ok_or(BadPdu::Hex);
    if !hex.len().is_multiple_of(2) {
        return Err(BadPdu::Hex);
    }
    hex.chunks_exact(2).map(|pair| pair.iter().try_fold(0, |octet, d| Ok(octet << 4 | digit(d)?))).collect()
}

#[cfg(test)]
#[path = "pdu_tests.rs"]
mod tests;
