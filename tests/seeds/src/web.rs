//! A server without a network: one file, by ranges, as web servers give it.

use crate::host::sum;
use airgate_sim::modem::engine::NetEvent;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::LazyLock;

/// Where it is.
pub(crate) const URL: &str = "http://files/firmware.bin";
/// Three whole pieces of the module's buffer and a rest.
const LEN: usize = 10_000;
/// The most that comes at once, as from a network.
const SEGMENT: usize = 1_460;
/// Hex digits at the end of the file.
const SUM_LEN: usize = 8;

/// Everything that would mislead a parser of lines, but no line that is an answer or a prompt: where noise has hit the
/// announcement of a block, what follows is lines, and the driver would have to believe them. Its last digits are a sum over
/// the rest, as images of firmware have one: the serial line has none.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let nasty = b"x OK\r\nx +HTTPREAD: 3072\r\nx> \0\xff\x1b\x1a\"x,\" x CLOSED\r\n\r\nx +MSUB: \"t\",9 byte,x";
    let mut file: Vec<u8> =
        (0_u32..).flat_map(|n| [&nasty[..], &n.to_be_bytes()].concat()).take(LEN - SUM_LEN).collect();
    file.extend(format!("{:08x}", sum(&file)).bytes());
    file
});

/// Whether it is the file, as far as its sum tells.
pub(crate) fn is_whole(file: &[u8]) -> bool {
    let (content, told) = file.split_at(file.len().saturating_sub(SUM_LEN));
    format!("{:08x}", sum(content)).as_bytes() == told
}

/// The connections of the server, and what has come on each.
#[derive(Debug, Default)]
pub(crate) struct Web {
    connections: HashMap<u64, Vec<u8>>,
}

impl Web {
    pub(crate) fn open(&mut self, id: u64) -> NetEvent {
        self.connections.insert(id, Vec::new());
        NetEvent::Opened(id)
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Takes what the module sends; `None` if the connection is not one of the server's.
    pub(crate) fn receive(&mut self, id: u64, bytes: &[u8]) -> Option<Vec<NetEvent>> {
        let request = self.connections.get_mut(&id)?;
        request.extend_from_slice(bytes);
        let text = String::from_utf8_lossy(request);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { return Some(Vec::new()) };
        let answer = answer(head);
        self.connections.remove(&id);
        let pieces = answer.chunks(SEGMENT).map(|piece| NetEvent::Received(id, Bytes::copy_from_slice(piece)));
        Some(pieces.chain([NetEvent::Closed(id)]).collect())
    }
}

fn answer(head: &str) -> Vec<u8> {
    let value = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let range = value("Range: bytes=").and_then(|range| range.split_once('-'));
    let range = range.and_then(|(first, last)| Some((first.parse::<usize>().ok()?, last.parse::<usize>().ok()?)));
    let (status, body) = match range {
        Some((first, last)) => ("206 Partial Content", FILE.get(first..=last.min(LEN - 1)).unwrap_or_default()),
        None => ("200 OK", &FILE[..]),
    };
    let announced = format!("HTTP/1.1 {status}\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", body.len());
    let body = if head.starts_with("HEAD ") { &[] } else { body };
    [announced.as_bytes(), body].concat()
}
