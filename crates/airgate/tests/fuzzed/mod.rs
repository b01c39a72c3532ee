//! What is fuzzed of the local doors: each function takes any bytes and must neither panic nor break what it asserts. Shared
//! by the fuzz targets and by the test that replays and mutates the documented examples.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a finding is a panic")]

// The reader alone, so that a fuzzer need not build the daemon.
#[path = "../../src/local/mqtt/read.rs"]
mod read;

use airgate_proto::{LineBuffer, LineTooLong, Reply, ServerFrame, parse_line, parse_server_line};
use bytes::BytesMut;
use rumqttc::mqttbytes::v4::Packet;

/// One target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their fuzz target.
pub const TARGETS: [(&str, Target); 2] = [("json_line", json_line), ("mqtt_door", mqtt_door)];

/// Any bytes in any pieces at the JSON door: the lines are the same as in one piece, none is longer than the limit, and each
/// is a request that can be said again or a refusal that says why.
pub fn json_line(data: &[u8]) {
    let Some((&control, bytes)) = data.split_first() else { return };
    let limit = 1 + usize::from(control >> 4) * 64;
    let cut = |size: usize| {
        let mut buffer = LineBuffer::new(limit);
        let mut lines: Vec<Result<Vec<u8>, LineTooLong>> = Vec::new();
        for mut piece in bytes.chunks(size.max(1)) {
            lines.extend(std::iter::from_fn(|| buffer.take_from(&mut piece)));
        }
        lines.extend(buffer.finish());
        lines
    };
    let whole = cut(bytes.len());
    assert_eq!(cut(usize::from(control & 0xf)), whole);
    for line in whole.iter().flatten() {
        assert!(!line.is_empty() && line.len() <= limit);
        request(line);
    }
    bytes.split(|&byte| byte == b'\n').for_each(request);
}

fn request(line: &[u8]) {
    match parse_line(line) {
        Ok(request) => {
            let again = request.to_line();
            assert_eq!(parse_line(again.trim_ascii_end()), Ok(request));
        }
        Err(refusal) => {
            assert!(!refusal.message.is_empty() && !refusal.hint.is_empty());
            let said = Reply::Refused(refusal.clone());
            assert_eq!(parse_server_line(&said.to_line()).unwrap(), ServerFrame::Reply(said));
        }
    }
    // What a client makes of it.
    let _ = parse_server_line(line);
}

/// Any bytes in any pieces at the MQTT door: the packets are the same as in one piece, what is kept of an unfinished one is
/// bounded, and what a client can say is read again as it was written.
pub fn mqtt_door(data: &[u8]) {
    let Some((&control, bytes)) = data.split_first() else { return };
    let max = 64 + usize::from(control >> 4) * 256;
    let cut = |size: usize| {
        let (mut input, mut packets) = (BytesMut::new(), Vec::new());
        for piece in bytes.chunks(size.max(1)) {
            input.extend_from_slice(piece);
            loop {
                match read::next(&mut input, max) {
                    Ok(Some(packet)) => packets.push(packet),
                    Ok(None) => break,
                    Err(malformed) => return (packets, Some(malformed)),
                }
            }
            // The longest packet and its fixed header.
            assert!(input.len() < max + 5);
        }
        (packets, None)
    };
    let whole = cut(bytes.len());
    assert_eq!(cut(usize::from(control & 0xf)), whole);
    for packet in &whole.0 {
        let mut written = BytesMut::new();
        if packet.write(&mut written, usize::MAX).is_ok() && !matches!(packet, Packet::Connect(_)) {
            assert_eq!(read::next(&mut written, usize::MAX >> 1), Ok(Some(packet.clone())));
        }
    }
}
