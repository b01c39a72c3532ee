//! MQTT 3.1 and 3.1.1 on the wire: rumqttc's codec, and before it a look at the protocol level of the first packet.
//!
//! The codec reads every CONNECT as 3.1.1, so that one of MQTT 5 fails somewhere in the middle, or is misread. A client
//! that speaks another version is owed a CONNACK that says so, so the level is looked at before the codec sees the packet. One of
//! MQTT 3.1 differs in the protocol's name and level alone, and is written anew.

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Codec, Packet};
use tokio_util::codec::{Decoder, Encoder};

/// The largest payload of a message, in bytes.
/// Source: Alibaba Cloud IoT Platform, "Limits".
pub(super) const MAX_PAYLOAD: usize = 256 * 1024;

/// The largest remaining length of a packet that is read: a full payload, the longest topic, and both length fields.
const MAX_REMAINING: usize = MAX_PAYLOAD + super::topic::MAX_BYTES + 4;

/// The first byte of a CONNECT.
const CONNECT: u8 = 0x10;

/// The level bytes of MQTT 3.1 and 3.1.1.
const LEVEL_3_1: u8 = 3;
const LEVEL_3_1_1: u8 = 4;

/// CONNACK of MQTT 5: no session, "unsupported protocol version", no properties.
/// Source: MQTT 5.0, 3.1.2.2 and 3.2.2.
const CONNACK_5: &[u8] = b"\x20\x03\0\x84\0";

/// How the variable header of each begins.
const NAME_3_1: &[u8] = b"\0\x06MQIsdp\x03";
const NAME_3_1_1: &[u8] = b"\0\x04MQTT\x04";

/// Why a stream of bytes cannot be read on.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    /// The first packet is a CONNECT of another protocol version.
    #[error("protocol level {0}, this broker speaks MQTT 3.1.1 (level 4)")]
    ProtocolLevel(u8),
    /// The first packet is something else.
    #[error("the first packet is no CONNECT")]
    NotConnect,
    /// Not MQTT, or larger than the platform takes.
    #[error("{0}")]
    Malformed(#[from] rumqttc::mqttbytes::Error),
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// The codec of the server's side.
pub(super) struct Wire {
    codec: Codec,
    level_checked: bool,
    /// The client speaks MQTT 5 or later.
    speaks_5: bool,
}

impl Wire {
    pub(super) fn new() -> Self {
        let codec = Codec { max_incoming_size: MAX_REMAINING, max_outgoing_size: MAX_REMAINING + 5 };
        Wire { codec, level_checked: false, speaks_5: false }
    }
}

impl Decoder for Wire {
    type Item = Packet;
    type Error = WireError;

    fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Packet>, WireError> {
        if !self.level_checked {
            let checked = check_connect(bytes);
            self.speaks_5 = matches!(checked, Err(WireError::ProtocolLevel(level)) if level > LEVEL_3_1_1);
            checked?;
            as_3_1_1(bytes);
        }
        let packet = self.codec.decode(bytes)?;
        self.level_checked |= packet.is_some();
        Ok(packet)
    }
}

impl Encoder<Packet> for Wire {
    type Error = WireError;

    fn encode(&mut self, packet: Packet, bytes: &mut BytesMut) -> Result<(), WireError> {
        if self.speaks_5 && matches!(packet, Packet::ConnAck(_)) {
            bytes.extend_from_slice(CONNACK_5);
            return Ok(());
        }
        Ok(self.codec.encode(packet, bytes)?)
    }
}

/// Refuses what cannot become a CONNECT of MQTT 3.1.1, as soon as that can be told: whoever speaks another protocol
/// would otherwise be waited for.
fn check_connect(bytes: &[u8]) -> Result<(), WireError> {
    if bytes.first().is_some_and(|first| *first != CONNECT) {
        return Err(WireError::NotConnect);
    }
    match connect_level(bytes) {
        Some(level) if ![LEVEL_3_1, LEVEL_3_1_1].contains(&level) => Err(WireError::ProtocolLevel(level)),
        _ => Ok(()),
    }
}

/// Makes a whole CONNECT of MQTT 3.1 one of 3.1.1.
fn as_3_1_1(bytes: &mut BytesMut) {
    let Some(length_bytes) = bytes.iter().skip(1).take(4).position(|byte| byte & 0x80 == 0).map(|at| at + 1) else {
        return;
    };
    let Some((length, rest)) = bytes.split_at_checked(1 + length_bytes) else { return };
    let Some(rest) = rest.strip_prefix(NAME_3_1) else { return };
    let remaining = length.iter().skip(1).rev().fold(0, |sum, byte| (sum << 7) | usize::from(byte & 0x7f));
    if rest.len() + NAME_3_1.len() < remaining {
        return;
    }
    let mut connect = BytesMut::from(&[CONNECT][..]);
    let mut left = remaining.saturating_sub(NAME_3_1.len() - NAME_3_1_1.len());
    loop {
        let (low, high) = (u8::try_from(left & 0x7f).unwrap_or_default(), left >> 7);
        connect.extend_from_slice(&[low | if high > 0 { 0x80 } else { 0 }]);
        left = high;
        if left == 0 {
            break;
        }
    }
    connect.extend_from_slice(NAME_3_1_1);
    connect.extend_from_slice(rest);
    *bytes = connect;
}

/// The protocol level of a CONNECT, when so much of it has arrived.
fn connect_level(bytes: &[u8]) -> Option<u8> {
    let (_, rest) = bytes.split_first()?;
    // The remaining length ends with the first byte whose top bit is clear.
    let length_bytes = rest.iter().take(4).position(|byte| byte & 0x80 == 0)? + 1;
    let (name_length, rest) = rest.get(length_bytes..)?.split_first_chunk::<2>()?;
    rest.get(usize::from(u16::from_be_bytes(*name_length))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode};

    #[test]
    fn connect_of_mqtt_5_is_told_by_its_level_before_it_is_complete() {
        let mut bytes = BytesMut::from(&b"\x10\x20\x00\x04MQTT\x05"[..]);
        let mut wire = Wire::new();
        assert!(matches!(wire.decode(&mut bytes), Err(WireError::ProtocolLevel(5))));
        // What it then hears is of its own version.
        let refused = ConnAck { session_present: false, code: ConnectReturnCode::RefusedProtocolVersion };
        let mut answer = BytesMut::new();
        wire.encode(Packet::ConnAck(refused), &mut answer).unwrap();
        assert_eq!(&answer[..], CONNACK_5);
    }

    #[test]
    fn connect_of_mqtt_3_1_is_read_as_one_of_3_1_1_however_it_is_cut() {
        for client_id in ["c|securemode=3|", &"x".repeat(120)] {
            let mut body = [NAME_3_1, b"\x02\x00\x3c\x00"].concat();
            body.push(u8::try_from(client_id.len()).unwrap());
            body.extend_from_slice(client_id.as_bytes());
            let length = u8::try_from(body.len()).unwrap();
            let length = if length < 128 { vec![length] } else { vec![length | 0x80, 1] };
            let whole = [&[CONNECT], &length[..], &body, b"\xc0\x00"].concat();
            for cut in 0..whole.len() {
                let (mut wire, mut bytes) = (Wire::new(), BytesMut::from(&whole[..cut]));
                let early = wire.decode(&mut bytes).unwrap();
                bytes.extend_from_slice(&whole[cut..]);
                let Some(Packet::Connect(connect)) = early.or_else(|| wire.decode(&mut bytes).unwrap()) else {
                    panic!("cut at {cut}")
                };
                assert_eq!((connect.client_id.as_str(), connect.keep_alive), (client_id, 60));
                assert!(matches!(wire.decode(&mut bytes), Ok(Some(Packet::PingReq))));
            }
        }
    }

    #[test]
    fn first_byte_of_another_protocol_is_enough_to_refuse_it() {
        assert!(matches!(Wire::new().decode(&mut BytesMut::from("G")), Err(WireError::NotConnect)));
    }

    #[test]
    fn packet_longer_than_the_platform_takes_is_refused_from_its_header_alone() {
        let mut bytes = BytesMut::from(&b"\x10\xff\xff\xff\x7f"[..]);
        assert!(matches!(Wire::new().decode(&mut bytes), Err(WireError::Malformed(_))));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(level_checked: bool, head in prop::sample::select(vec![0x10u8, 0x30, 0x32, 0x40, 0x82, 0xa2, 0xc0, 0xe0]),
                                       bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut stream = BytesMut::from(&[&[head], bytes.as_slice()].concat()[..]);
            let mut wire = Wire { level_checked, ..Wire::new() };
            while let Ok(Some(_)) = wire.decode(&mut stream) {}
        }
    }
}
