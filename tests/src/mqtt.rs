//! MQTT 3.1.1 byte by byte, as a client says it to the daemon.

use crate::{House, PATIENCE};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;

/// A client that says whatever it is told to.
pub struct Raw(pub UnixStream);

/// `CONNECT` with these flags and payload.
pub fn connect(flags: u8, keep_alive: u16, payload: &[&[u8]]) -> Vec<u8> {
    let mut body = [&b"\x00\x04MQTT\x04"[..], &[flags], &keep_alive.to_be_bytes()].concat();
    payload.iter().for_each(|text| body.extend(string(text)));
    packet(0x10, &body)
}

pub fn string(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text].concat()
}

/// A packet with this first byte, of less than 16 KiB.
pub fn packet(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 1 << 14);
    let (low, high) = ((body.len() & 127) as u8, (body.len() >> 7) as u8);
    let header = if high == 0 { vec![first, low] } else { vec![first, low | 128, high] };
    [&header[..], body].concat()
}

pub fn subscribe(number: u8, filter: &str, qos: u8) -> Vec<u8> {
    packet(0x82, &[&[0, number][..], &string(filter.as_bytes()), &[qos]].concat())
}

pub fn publish(first: u8, topic: &str, number: Option<u8>, payload: &str) -> Vec<u8> {
    let number = number.map(|number| vec![0, number]).unwrap_or_default();
    packet(first, &[&string(topic.as_bytes())[..], &number, payload.as_bytes()].concat())
}

pub const CLEAN: u8 = 2;
pub const CONNACK: [u8; 4] = [0x20, 2, 0, 0];
pub const SESSION_PRESENT: [u8; 4] = [0x20, 2, 1, 0];
pub const PINGREQ: [u8; 2] = [0xc0, 0];
pub const PINGRESP: [u8; 2] = [0xd0, 0];
pub const DISCONNECT: [u8; 2] = [0xe0, 0];

impl Raw {
    pub fn open(house: &House) -> Self {
        let stream = UnixStream::connect(house.path("mqtt.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub fn connected(house: &House, name: &str) -> Self {
        let mut raw = Self::open(house);
        raw.say(&connect(CLEAN, 0, &[name.as_bytes()]));
        raw.expect(&CONNACK);
        raw
    }

    pub fn session(house: &House, name: &str, present: bool) -> Self {
        let mut raw = Self::open(house);
        raw.say(&connect(0, 0, &[name.as_bytes()]));
        raw.expect(if present { &SESSION_PRESENT } else { &CONNACK });
        raw
    }

    pub fn say(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub fn expect(&mut self, bytes: &[u8]) {
        let mut got = vec![0; bytes.len()];
        self.0.read_exact(&mut got).unwrap_or_else(|error| panic!("{error} instead of {bytes:?}"));
        assert_eq!(got, bytes);
    }

    /// The connection ends without another word.
    pub fn closed(&mut self) {
        let mut rest = Vec::new();
        match self.0.read_to_end(&mut rest) {
            // What was unread when it was closed may show as a reset.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            Err(error) => panic!("{error} instead of the end"),
        }
        assert_eq!(rest, [0; 0]);
    }

    pub fn subscribed(&mut self, filter: &str, qos: u8) {
        self.say(&subscribe(9, filter, qos));
        self.expect(&[0x90, 3, 0, 9, qos]);
    }

    /// Whatever was said before is done.
    pub fn settled(&mut self) {
        self.say(&PINGREQ);
        self.expect(&PINGRESP);
    }
}
