//! What a message costs on the air, estimated from the standards: headers of MQTT, TLS records, TCP and IP, and the
//! acknowledgements of each. What the network repeats below TCP is not charged and not counted.

use super::meter::Traffic;

/// IPv4 and TCP headers without options. Source: RFC 791, section 3.1; RFC 9293, section 3.1.
const TCP_IP: u64 = 40;
/// Payload of one TCP segment, as mobile networks let it through.
const SEGMENT: u64 = 1_360;
/// A record of TLS 1.2 with AES-GCM: header 5, nonce 8, tag 16. Source: RFC 5246, section 6.2.1; RFC 5288, section 3.
const TLS_RECORD: u64 = 29;
/// A full handshake of TLS 1.2 with ECDHE, headers and all, with a chain of two RSA certificates of some 3,000 bytes.
const HANDSHAKE: Traffic = Traffic { messages: 0, up: 800, down: 4_200 };
/// Opening and closing of a TCP connection: three segments up, two down, and the end of it.
const TCP_OPEN: Traffic = Traffic { messages: 0, up: 5 * TCP_IP, down: 4 * TCP_IP };
/// PUBACK. Source: MQTT 3.1.1, section 3.4.
const PUBACK: u64 = 4;
/// PINGREQ and PINGRESP. Source: MQTT 3.1.1, sections 3.12, 3.13.
const PING: u64 = 2;

/// How the session travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Air {
    /// Through TLS.
    pub tls: bool,
}

impl Air {
    /// Bytes of a packet with what wraps it, one way.
    fn packet(self, len: u64) -> u64 {
        let wrapped = len + if self.tls { TLS_RECORD } else { 0 };
        wrapped + wrapped.div_ceil(SEGMENT) * TCP_IP
    }

    /// A packet and the answer to it; the answer carries the TCP acknowledgement, and is acknowledged itself.
    fn asked(self, len: u64, answer: u64) -> (u64, u64) {
        (self.packet(len) + TCP_IP, self.packet(answer))
    }

    /// A publication up.
    pub fn publish(self, topic: usize, payload: usize, qos: u8) -> Traffic {
        let len = publication(topic, payload, qos);
        let (up, down) = if qos == 0 { (self.packet(len), TCP_IP) } else { self.asked(len, PUBACK) };
        Traffic { messages: 1, up, down }
    }

    /// A message that came down.
    pub fn received(self, topic: usize, payload: usize, qos: u8) -> Traffic {
        let Traffic { up, down, .. } = self.publish(topic, payload, qos);
        Traffic { messages: 0, up: down, down: up }
    }

    /// A subscription with a filter of so many bytes; it carries the acknowledgement of the answer before it.
    /// Source: MQTT 3.1.1, sections 3.8, 3.9.
    pub fn subscribe(self, filter: usize) -> Traffic {
        Traffic { messages: 0, up: self.packet(with_header(2 + 2 + filter + 1)), down: self.packet(5) }
    }

    /// A sign-in: TCP, TLS, CONNECT with texts of so many bytes, CONNACK, which the first subscription acknowledges.
    pub fn sign_in(self, texts: usize) -> Traffic {
        let (up, down) = (self.packet(20 + texts as u64), self.packet(4));
        let handshake = if self.tls { HANDSHAKE } else { Traffic::default() };
        Traffic { messages: 0, up: up + TCP_OPEN.up + handshake.up, down: down + TCP_OPEN.down + handshake.down }
    }

    /// So many signs of life.
    pub fn pings(self, count: u64) -> Traffic {
        let (up, down) = self.asked(PING, PING);
        Traffic { messages: 0, up: up * count, down: down * count }
    }
}

impl Traffic {
    /// Its first segment up carries the acknowledgement of an answer, which was counted by itself.
    pub(super) fn carrying(self) -> Self {
        Self { up: self.up.saturating_sub(TCP_IP), ..self }
    }
}

/// PUBLISH: fixed header, topic with its length, packet identifier, payload. Source: MQTT 3.1.1, section 3.3.
fn publication(topic: usize, payload: usize, qos: u8) -> u64 {
    with_header(2 + topic + payload + if qos == 0 { 0 } else { 2 })
}

/// A packet whose fixed header is followed by so many bytes. Source: MQTT 3.1.1, section 2.2.3.
fn with_header(rest: usize) -> u64 {
    let rest = rest as u64;
    let length_bytes = match rest {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    };
    1 + length_bytes + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reading_of_twenty_bytes_costs_ten_times_that_through_tls() {
        let plain = Air { tls: false }.publish(30, 20, 1);
        // 56 and headers up, an acknowledgement of it; 4 and headers down.
        assert_eq!((plain.up, plain.down), (56 + 40 + 40, 4 + 40));
        let tls = Air { tls: true }.publish(30, 20, 1);
        assert_eq!((tls.up, tls.down), (plain.up + 29, plain.down + 29));
    }

    #[test]
    fn lengths_take_as_many_bytes_as_the_standard_says() {
        assert_eq!(publication(3, 120, 1) - publication(3, 119, 1), 1);
        assert_eq!(publication(3, 121, 1) - publication(3, 120, 1), 2);
        assert_eq!(publication(2, 16_380, 0) - publication(2, 16_379, 0), 2);
    }

    #[test]
    fn a_long_payload_pays_for_each_segment() {
        let long = Air { tls: false }.publish(10, 10_000, 0).up;
        assert_eq!(long, publication(10, 10_000, 0) + 8 * 40);
    }
}
