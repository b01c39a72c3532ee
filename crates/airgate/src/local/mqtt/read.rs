//! Packets out of bytes: the codec, and before it what the standard wants and the codec passes over.
//!
//! Source of the numbers in brackets: MQTT Version 3.1.1, OASIS Standard.

use bytes::{Buf, BytesMut};
use rumqttc::mqttbytes::v4::Packet;
use rumqttc::mqttbytes::{self, Error};

/// Why the connection ends.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// It is answered with CONNACK 1. [MQTT-3.1.2-2]
    #[error("protocol level {0}; this door speaks 4, which is MQTT 3.1.1")]
    Level(u8),
    /// Anything else is not answered.
    #[error("{0}")]
    Packet(String),
}

fn wrong<T>(what: impl Into<String>) -> Result<T, Malformed> {
    Err(Malformed::Packet(what.into()))
}

/// The next packet; `None` until all of it is there. `max` bounds what follows the fixed header, in bytes: a longer one is
/// refused as soon as its header says so.
pub(super) fn next(input: &mut BytesMut, max: usize) -> Result<Option<Packet>, Malformed> {
    let (Some(first), true) = (input.first().copied(), input.len() > 1) else { return Ok(None) };
    flags(first)?;
    let header = match mqttbytes::check(input.iter(), max) {
        Ok(header) => header,
        Err(Error::InsufficientBytes(_)) => return Ok(None),
        Err(Error::PayloadSizeLimitExceeded(len)) => return wrong(format!("a packet of {len} bytes; at most {max}")),
        Err(error) => return wrong(error.to_string()),
    };
    let packet = input.get(..header.frame_length()).unwrap_or_default();
    let body = packet.get(1..).and_then(|rest| {
        let length = rest.iter().take_while(|byte| *byte & 0x80 != 0).count() + 1;
        rest.get(length..)
    });
    look(first >> 4, body.unwrap_or_default())?;
    Packet::read(input, max).map(Some).or_else(|error| wrong(error.to_string()))
}

/// [MQTT-2.2.2-2]: the flags of the fixed header are those of the table; [MQTT-3.3.1-4]: QoS 3 there is not.
fn flags(first: u8) -> Result<(), Malformed> {
    let expected = match first >> 4 {
        3 if first & 0b110 == 0b110 => return wrong("a PUBLISH with both bits of the QoS set"),
        // [MQTT-3.3.1-2]
        3 if first & 0b1110 == 0b1000 => return wrong("a PUBLISH at QoS 0 marked as sent again"),
        3 => return Ok(()),
        6 | 8 | 10 => 2,
        0 | 15 => return wrong(format!("a packet of type {}", first >> 4)),
        _ => 0,
    };
    if first & 0xf == expected {
        Ok(())
    } else {
        wrong(format!("flags {:#06b} in a packet of type {}", first & 0xf, first >> 4))
    }
}

/// What the codec does not look at.
fn look(kind: u8, body: &[u8]) -> Result<(), Malformed> {
    match kind {
        1 => connect(body),
        8 | 10 => {
            // [MQTT-2.3.1-1]
            if body.starts_with(&[0, 0]) {
                return wrong("packet identifier 0");
            }
            // [MQTT-3.10.3-2]; for SUBSCRIBE the codec knows.
            if kind == 10 && body.len() <= 2 {
                return wrong("an UNSUBSCRIBE without a filter");
            }
            if kind == 8 { options(body.get(2..).unwrap_or_default()) } else { Ok(()) }
        }
        12 | 14 if !body.is_empty() => wrong("bytes after the end of the packet"),
        4 if body.len() != 2 => wrong("a PUBACK of another length than 2"),
        _ => Ok(()),
    }
}

fn connect(mut body: &[u8]) -> Result<(), Malformed> {
    // [MQTT-3.1.2-1]
    if !body.starts_with(b"\x00\x04MQTT") || body.len() < 10 {
        return wrong("a CONNECT that does not begin with MQTT");
    }
    body.advance(6);
    let (level, flags) = (body.get_u8(), body.get_u8());
    if level != 4 {
        return Err(Malformed::Level(level));
    }
    // [MQTT-3.1.2-3]
    if flags & 1 != 0 {
        return wrong("the reserved flag of CONNECT is set");
    }
    // [MQTT-3.1.2-22]
    if flags & 0b1100_0000 == 0b0100_0000 {
        return wrong("a password without a user name");
    }
    body.advance(2);
    // [MQTT-3.1.2-18] to [MQTT-3.1.2-21], [MQTT-3.1.3-1]: the fields that the flags say, and nothing behind them.
    let fields = 1 + 2 * (flags >> 2 & 1) + (flags >> 7) + (flags >> 6 & 1);
    for _ in 0..fields {
        let Some((len, rest)) = body.split_first_chunk() else { return wrong("a CONNECT without all its fields") };
        let Some(rest) = rest.get(usize::from(u16::from_be_bytes(*len))..) else {
            return wrong("a CONNECT whose field ends after its packet");
        };
        body = rest;
    }
    if body.is_empty() { Ok(()) } else { wrong("bytes after the end of a CONNECT") }
}

/// [MQTT-3.8.3-4]: the upper bits of a requested QoS are zero.
fn options(mut rest: &[u8]) -> Result<(), Malformed> {
    while rest.len() >= 2 {
        let len = usize::from(rest.get_u16());
        let Some(options) = rest.get(len) else { return wrong("a filter that ends after its packet") };
        if options & 0b1111_1100 != 0 || options & 0b11 == 0b11 {
            return wrong(format!("{options:#010b} as requested QoS"));
        }
        rest.advance(len + 1);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 1 << 16;

    fn read(bytes: &[u8]) -> Result<Option<Packet>, Malformed> {
        next(&mut BytesMut::from(bytes), MAX)
    }

    fn connect(level: u8, flags: u8) -> Vec<u8> {
        [&[0x10, 13, 0, 4][..], b"MQTT", &[level, flags, 0, 60, 0, 1, b'c']].concat()
    }

    #[test]
    fn a_packet_is_read_when_all_of_it_is_there() {
        let bytes = connect(4, 2);
        for len in 0..bytes.len() {
            assert_eq!(read(bytes.get(..len).unwrap()), Ok(None), "{len} bytes");
        }
        assert!(matches!(read(&bytes), Ok(Some(Packet::Connect(connect))) if connect.client_id == "c"));
    }

    #[test]
    fn what_the_standard_forbids_ends_the_connection() {
        let cases: [(&str, Vec<u8>); 26] = [
            ("MQTT-2.2.2-2", vec![0x80, 6, 0, 1, 0, 1, b'a', 0]),
            ("MQTT-2.2.2-2", vec![0xc1, 0]),
            ("MQTT-2.2.2-2", vec![0xe8, 0]),
            ("MQTT-2.3.1-1", vec![0x82, 6, 0, 0, 0, 1, b'a', 0]),
            ("MQTT-2.3.1-1", vec![0xa2, 5, 0, 0, 0, 1, b'a']),
            ("MQTT-2.3.1-1", vec![0x32, 5, 0, 1, b'a', 0, 0]),
            ("MQTT-1.5.3-1", vec![0x30, 4, 0, 2, 0xc3, 0x28]),
            ("MQTT-3.1.2-1", [&[0x10, 13, 0, 4][..], b"MQXX", &[4, 2, 0, 60, 0, 1, b'c']].concat()),
            ("MQTT-3.1.2-3", connect(4, 3)),
            ("MQTT-3.1.2-11", connect(4, 0b0010_0010)),
            (
                "MQTT-3.1.2-14",
                [&[0x10, 19, 0, 4][..], b"MQTT", &[4, 0x1e, 0, 60, 0, 1, b'c', 0, 1, b'w', 0, 1, b'm']].concat(),
            ),
            ("MQTT-3.1.2-13", connect(4, 0b0000_1010)),
            ("MQTT-3.1.2-18", [&[0x10, 16, 0, 4][..], b"MQTT", &[4, 2, 0, 60, 0, 1, b'c', 0, 1, b'u']].concat()),
            ("MQTT-3.1.2-19", connect(4, 0b1000_0010)),
            ("MQTT-3.1.2-21", [&[0x10, 16, 0, 4][..], b"MQTT", &[4, 0xc2, 0, 60, 0, 1, b'c', 0, 1, b'u']].concat()),
            ("MQTT-3.1.3-4", [&[0x10, 13, 0, 4][..], b"MQTT", &[4, 2, 0, 60, 0, 1, 0xff]].concat()),
            ("MQTT-3.1.2-22", connect(4, 0b0100_0010)),
            ("MQTT-3.3.1-2", vec![0x38, 3, 0, 1, b'a']),
            ("MQTT-3.3.1-4", vec![0x36, 5, 0, 1, b'a', 0, 1]),
            ("MQTT-3.8.3-3", vec![0x82, 2, 0, 1]),
            ("MQTT-3.8.3-4", vec![0x82, 6, 0, 1, 0, 1, b'a', 4]),
            ("MQTT-3.8.3-4", vec![0x82, 6, 0, 1, 0, 1, b'a', 3]),
            ("MQTT-3.10.3-2", vec![0xa2, 2, 0, 1]),
            ("MQTT-3.14.1-1", vec![0xe1, 0]),
            ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1]),
            ("a filter beyond its packet", vec![0x82, 6, 0, 1, 0, 9, b'a', 0]),
        ];
        for (statement, bytes) in cases {
            assert!(matches!(read(&bytes), Err(Malformed::Packet(_))), "[{statement}] {:?}", read(&bytes));
        }
        assert_eq!(read(&connect(5, 2)), Err(Malformed::Level(5)), "[MQTT-3.1.2-2]");
    }

    #[test]
    fn a_packet_that_is_too_long_is_refused_by_its_header() {
        assert!(matches!(read(&[0x30, 0xff, 0xff, 0x7f]), Err(Malformed::Packet(_))));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(&*bytes);
            while let Ok(Some(_)) = next(&mut input, MAX) {}
        }

        #[test]
        fn no_damaged_packet_panics(kind in 0u8..16, flags in 0u8..16, body in proptest::collection::vec(0u8..8, 0..60)) {
            let packet = [&[kind << 4 | flags, body.len() as u8][..], &*body].concat();
            let mut input = BytesMut::from(&*packet);
            while let Ok(Some(_)) = next(&mut input, MAX) {}
        }
    }
}
