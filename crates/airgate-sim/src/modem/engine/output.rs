//! What goes to the host: framing, tearing, and URCs that are kept back.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::timers::Timer;
use super::{Engine, Output};

/// URCs that may wait; beyond, the oldest is lost.
const HELD_MAX: usize = 64;
/// Software flow control.
const XON: u8 = 0x11;
const XOFF: u8 = 0x13;
/// Longest torn piece, bytes.
const TORN_MAX: u64 = 24;

/// `text` between CR LF pairs, as every result and every URC is sent.
pub(super) fn framed(text: &str) -> Vec<u8> {
    framed_bytes(text.as_bytes())
}

/// The same for text with raw bytes in it.
pub(super) fn framed_bytes(text: &[u8]) -> Vec<u8> {
    [b"\r\n", text, b"\r\n"].concat()
}

/// Bytes under way to the host, and URCs that wait for a better moment.
#[derive(Debug, Default)]
pub(super) struct Sender {
    queue: VecDeque<(Duration, Output)>,
    held: VecDeque<Vec<u8>>,
    /// The rate that the line has behind all of this.
    baud: u32,
    /// The host has sent XOFF.
    stopped: bool,
}

impl Sender {
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.queue.front().filter(|_| !self.stopped).map(|(at, _)| *at)
    }

    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.held.clear();
        self.baud = 0;
        self.stopped = false;
    }

    /// Takes XON and XOFF out of what the host has sent: they move the line and mean nothing else, wherever they stand.
    pub(super) fn obey(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut rest = Vec::with_capacity(bytes.len());
        for byte in bytes {
            match *byte {
                XOFF => self.stopped = true,
                XON => self.stopped = false,
                other => rest.push(other),
            }
        }
        rest
    }

    /// Switches the line rate behind everything that is under way.
    pub(super) fn rate(&mut self, baud: u32, now: Duration) {
        if self.baud != baud {
            self.baud = baud;
            let at = self.last().max(now);
            self.queue.push_back((at, Output::Rate(baud)));
        }
    }

    fn last(&self) -> Duration {
        self.queue.back().map_or(Duration::ZERO, |(at, _)| *at)
    }
}

impl Engine {
    /// Sends bytes as they are, in one piece or torn.
    pub(super) fn transmit(&mut self, bytes: &[u8]) {
        if self.hunts() {
            return self.untold(bytes);
        }
        self.line_busy();
        let mut at = self.sender.last().max(self.now);
        let Some(pause) = self.profile.tear else {
            self.sender.queue.push_back((at, Output::Host(Bytes::copy_from_slice(bytes))));
            return;
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let length = usize::try_from(1 + self.rng.below(TORN_MAX)).unwrap_or(1).min(rest.len());
            let (piece, after) = rest.split_at(length);
            self.sender.queue.push_back((at, Output::Host(Bytes::copy_from_slice(piece))));
            let most = u64::try_from(pause.as_micros()).unwrap_or(u64::MAX);
            at += Duration::from_micros(self.rng.below(most));
            rest = after;
        }
    }

    /// An information text of the command under way.
    pub(super) fn info(&mut self, text: &str) {
        self.info_bytes(text.as_bytes());
    }

    pub(super) fn info_bytes(&mut self, text: &[u8]) {
        self.line.has_info = true;
        self.transmit(&framed_bytes(text));
    }

    /// Several lines as one information text: one CR LF between them.
    pub(super) fn info_list(&mut self, lines: &[String]) {
        self.info(&lines.join("\r\n"));
    }

    /// A line that the host did not ask for.
    pub(super) fn urc(&mut self, text: &str) {
        self.urc_bytes(text.as_bytes());
    }

    pub(super) fn urc_bytes(&mut self, text: &[u8]) {
        let bytes = framed_bytes(text);
        let in_data = self.input.in_data_phase() && !self.profile.urcs_in_data_phase;
        let hold = self.profile.hold_urcs;
        if !in_data && hold.is_zero() && self.sender.held.is_empty() {
            self.transmit(&bytes);
            return;
        }
        if self.sender.held.len() >= HELD_MAX {
            self.sender.held.pop_front();
        }
        self.sender.held.push_back(bytes);
        if !in_data {
            self.after(hold, Timer::ReleaseUrcs);
        }
    }

    /// Lets out the URCs that were kept back, unless a data phase forbids it.
    pub(super) fn release_urcs(&mut self) {
        if self.input.in_data_phase() && !self.profile.urcs_in_data_phase {
            return;
        }
        while let Some(bytes) = self.sender.held.pop_front() {
            self.transmit(&bytes);
        }
    }

    /// Moves what is due to the outputs.
    pub(super) fn flush(&mut self) {
        while self.sender.next_at().is_some_and(|at| at <= self.now) {
            if let Some((_, output)) = self.sender.queue.pop_front() {
                self.outputs.push_back(output);
            }
        }
    }
}
