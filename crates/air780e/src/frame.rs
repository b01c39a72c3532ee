//! The framer: bytes from the module in, whole frames out. No I/O, no clock.
//!
//! The module's output is not a stream of lines: a received message is announced by its length and then printed raw,
//! and may hold line ends, `OK`, prompts or another announcement. So what ends a frame depends on what began it:
//!
//! * a line ends at LF;
//! * a message block, and a block of an HTTP answer, ends after the announced number of bytes and a CR LF;
//! * a prompt is a `>` where a line would begin, or the line `DOWNLOAD`, and only while a command in data mode waits
//!   for it.
//!
//! Source: AT command manual V1.6.3, p. 13 (framing), p. 243 (`+MSUB`) and the HTTP chapter; blocks of HTTP answers as
//! in time-stamped logs of an Air780EP V1007.

use bytes::{Buf, Bytes, BytesMut};
use nom::bytes::complete::tag;
use nom::character::complete::{char, u32};
use nom::combinator::{all_consuming, opt};
use nom::sequence::preceded;
use nom::{IResult, Parser};

/// The longest line that the module prints. Source: answers and URCs are at most 8,192 bytes (EC618 SDK, AT engine).
pub const MAX_LINE: usize = 8192;
/// The longest announcement of a message: a topic of 256 characters, all of them four bytes in UTF-8, and the frame.
pub const MAX_HEADER: usize = 1100;
/// The longest message payload that is believed. The manual allows 4,100; anything above this is a damaged number.
pub const MAX_PAYLOAD: usize = 16 * 1024;

const MESSAGE: &[u8] = b"+MSUB:";
const TEXT: &[u8] = b"+CMT:";
const LENGTH_END: &[u8] = b" byte,";
/// How `AT+HTTPDATA` asks for the data. Source: time-stamped logs of an Air780EP V1007.
const DOWNLOAD: &[u8] = b"DOWNLOAD";

/// An MQTT message that the module received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// The topic as the broker sent it.
    pub topic: String,
    /// The payload, byte for byte.
    pub payload: Bytes,
}

/// Which answer a block of raw bytes belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// `+HTTPREAD: n`: a piece of the body.
    HttpBody,
    /// `+HTTPHEAD: n`: the header lines.
    HttpHead,
}

/// What the framer found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A line without its line end; never empty.
    Line(Bytes),
    /// The module asks for the data of the command in flight.
    Prompt,
    /// A received message.
    Message(Message),
    /// A short message that is shown at once: the line `+CMT: …` and the line behind it, which somebody else wrote.
    Text(Bytes, Bytes),
    /// Raw bytes that an answer announced by their number. Always recognised, also when nobody asked: what is in them
    /// came from a server, and must never be read as lines.
    Block(Block, Bytes),
    /// Bytes that cannot be what the module meant to print: the line dropped or damaged some of them.
    Broken(Broken),
}

/// Why bytes could not be framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line longer than [`MAX_LINE`].
    #[error("a line longer than {MAX_LINE} bytes")]
    LineTooLong,
    /// No line end behind a message or block: bytes of it are missing or too many.
    #[error("a message or block of other length than announced")]
    Length,
    /// The rest of a message or block did not come in time.
    #[error("a message or block that stopped half-way")]
    Stalled,
    /// A message topic that is not UTF-8.
    #[error("a message topic that is not UTF-8")]
    Topic,
}

#[derive(Debug)]
enum State {
    Line,
    Block {
        kind: Kind,
        len: usize,
    },
    /// Behind `+CMT: …`: what follows up to the line end is a short message.
    Text(Bytes),
    /// A frame was lost: nothing is believed up to the next line end.
    Resync,
}

#[derive(Debug)]
enum Kind {
    /// The topic; `None` if it is not UTF-8.
    Message(Option<String>),
    Answer(Block),
}

/// Cuts the module's output into frames, at any chunking of the bytes.
#[derive(Debug)]
pub struct Framer {
    buf: BytesMut,
    /// How much of `buf` holds no LF: a line that grows is not searched twice.
    scanned: usize,
    state: State,
    prompt: Prompt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prompt {
    Closed,
    Allowed,
    /// A prompt was seen; some firmware prints a blank behind it, perhaps later.
    BlankMayFollow,
}

impl Default for Framer {
    fn default() -> Self {
        Self { buf: BytesMut::with_capacity(1024), scanned: 0, state: State::Line, prompt: Prompt::Closed }
    }
}

impl Framer {
    /// Adds bytes as they came from the line.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buf.extend_from_slice(bytes);
    }

    /// From now on a `>` at the beginning of a line is a prompt, until one came or [`Framer::forbid_prompt`].
    pub fn allow_prompt(&mut self) {
        self.prompt = Prompt::Allowed;
    }

    /// No command in data mode is in flight any more.
    pub fn forbid_prompt(&mut self) {
        self.prompt = Prompt::Closed;
    }

    /// How many bytes of a begun message block are still missing; `None` outside a block.
    /// Whoever has a clock uses it to call [`Framer::give_up_block`].
    pub fn block_missing(&self) -> Option<usize> {
        match self.state {
            State::Block { len, .. } => Some((len + 2).saturating_sub(self.buf.len())),
            // At least the line end.
            State::Text(_) => Some(1),
            State::Line | State::Resync => None,
        }
    }

    /// The rest of the block will not come: drop what came of it. Its bytes are not read as lines, because a payload
    /// may hold what looks like an answer.
    pub fn give_up_block(&mut self) -> Option<Frame> {
        self.block_missing()?;
        self.buf.clear();
        self.scanned = 0;
        self.state = State::Line;
        Some(Frame::Broken(Broken::Stalled))
    }

    /// The next whole frame, or `None` until more bytes come.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let step = match &self.state {
                State::Line => self.in_line(),
                State::Block { .. } => self.in_block(),
                State::Text(_) => self.in_text(),
                State::Resync => self.in_resync(),
            };
            match step {
                Step::Frame(frame) => return Some(frame),
                Step::Again => {}
                Step::More => return None,
            }
        }
    }

    fn in_line(&mut self) -> Step {
        self.skip_line_ends();
        match self.buf.first() {
            None => return Step::More,
            Some(b'>') if self.prompt == Prompt::Allowed => {
                self.buf.advance(1);
                self.scanned = 0;
                self.prompt = Prompt::BlankMayFollow;
                return Step::Frame(Frame::Prompt);
            }
            Some(_) => {}
        }
        if could_be_message(&self.buf) {
            match self.announcement() {
                Announced::Message { topic, len, header } => {
                    self.buf.advance(header);
                    self.scanned = 0;
                    self.state = State::Block { kind: Kind::Message(topic), len };
                    return Step::Again;
                }
                Announced::Incomplete => return Step::More,
                Announced::No => {}
            }
        }
        self.line()
    }

    /// Line ends between frames, and the one blank that may trail a prompt.
    fn skip_line_ends(&mut self) {
        let mut skipped = 0;
        for &byte in self.buf.iter() {
            let blank = byte == b' ' && self.prompt == Prompt::BlankMayFollow;
            if !blank && byte != b'\r' && byte != b'\n' {
                break;
            }
            if self.prompt == Prompt::BlankMayFollow {
                self.prompt = Prompt::Closed;
            }
            skipped += 1;
        }
        if skipped > 0 {
            self.buf.advance(skipped);
            self.scanned = 0;
        }
    }

    fn line(&mut self) -> Step {
        let rest = self.buf.get(self.scanned..).unwrap_or_default();
        let Some(end) = rest.iter().position(|&b| b == b'\n') else {
            self.scanned = self.buf.len();
            if self.scanned <= MAX_LINE {
                return Step::More;
            }
            self.buf.clear();
            self.scanned = 0;
            self.state = State::Resync;
            return Step::Frame(Frame::Broken(Broken::LineTooLong));
        };
        let mut line = self.buf.split_to(self.scanned + end + 1);
        self.scanned = 0;
        while matches!(line.last(), Some(b'\r' | b'\n')) {
            line.truncate(line.len() - 1);
        }
        if line.len() > MAX_LINE {
            return Step::Frame(Frame::Broken(Broken::LineTooLong));
        }
        if &line[..] == DOWNLOAD && self.prompt == Prompt::Allowed {
            self.prompt = Prompt::Closed;
            return Step::Frame(Frame::Prompt);
        }
        if line.starts_with(TEXT) {
            self.state = State::Text(line.freeze());
            return Step::Again;
        }
        match answer_block(&line) {
            Some((block, 0)) => Step::Frame(Frame::Block(block, Bytes::new())),
            Some((block, len)) => {
                self.state = State::Block { kind: Kind::Answer(block), len };
                Step::Again
            }
            None => Step::Frame(Frame::Line(line.freeze())),
        }
    }

    /// Reads `+MSUB: "topic",5 byte,` in every spelling that is known: with or without the blank, with or without the
    /// quotes (cache mode). The length is looked for from its own end, so that a topic may hold commas and quotes.
    fn announcement(&self) -> Announced {
        let head = self.buf.get(..MAX_HEADER).unwrap_or(&self.buf);
        let end_of_line = head.iter().position(|&b| b == b'\n');
        let head = head.get(..end_of_line.unwrap_or(head.len())).unwrap_or_default();
        let Some(at) = head.windows(LENGTH_END.len()).position(|w| w == LENGTH_END) else {
            let undecided = end_of_line.is_none() && self.buf.len() < MAX_HEADER;
            return if undecided { Announced::Incomplete } else { Announced::No };
        };
        let (head, _) = head.split_at(at);
        let comma = head.iter().rposition(|&b| b == b',');
        let Some((topic, digits)) = comma.and_then(|c| Some((head.get(..c)?, head.get(c + 1..)?))) else {
            return Announced::No;
        };
        let len: IResult<&[u8], u32> = all_consuming(u32).parse(digits);
        match (topic_of(topic), len) {
            (Some(topic), Ok((_, len))) if len as usize <= MAX_PAYLOAD => Announced::Message {
                topic: std::str::from_utf8(topic).ok().map(str::to_owned),
                len: len as usize,
                header: at + LENGTH_END.len(),
            },
            _ => Announced::No,
        }
    }

    fn in_block(&mut self) -> Step {
        let State::Block { kind, len } = &mut self.state else { return Step::Again };
        let len = *len;
        let is_message = matches!(kind, Kind::Message(_));
        let payload = match self.buf.get(len..len + 2) {
            None => return Step::More,
            Some(b"\r\n") => {
                let payload = self.buf.split_to(len).freeze();
                self.buf.advance(2);
                payload
            }
            // The firmware may be in hex mode, where the length counts the bytes and not the digits.
            Some(_) => match if is_message { hex_block(&self.buf, len) } else { Hex::No } {
                Hex::Payload(payload) => {
                    self.buf.advance(2 * len + 2);
                    payload
                }
                Hex::Incomplete => return Step::More,
                // Bytes are missing or too many. What came is not read as lines: a payload may hold what looks like an
                // answer. A real line may go with it; its owner then runs into its time-out, which is safe.
                Hex::No => {
                    self.buf.advance(len);
                    self.state = State::Resync;
                    return Step::Frame(Frame::Broken(Broken::Length));
                }
            },
        };
        let frame = match kind {
            Kind::Message(topic) => match topic.take() {
                Some(topic) => Frame::Message(Message { topic, payload }),
                None => Frame::Broken(Broken::Topic),
            },
            Kind::Answer(block) => Frame::Block(*block, payload),
        };
        self.state = State::Line;
        Step::Frame(frame)
    }

    fn in_text(&mut self) -> Step {
        let State::Text(header) = &mut self.state else { return Step::Again };
        let header = std::mem::take(header);
        match self.buf.iter().take(MAX_LINE).position(|&b| b == b'\n') {
            Some(end) => {
                self.state = State::Line;
                let mut body = self.buf.split_to(end + 1);
                while matches!(body.last(), Some(b'\r' | b'\n')) {
                    body.truncate(body.len() - 1);
                }
                Step::Frame(Frame::Text(header, body.freeze()))
            }
            None if self.buf.len() >= MAX_LINE => {
                self.buf.clear();
                self.state = State::Resync;
                Step::Frame(Frame::Broken(Broken::LineTooLong))
            }
            None => {
                self.state = State::Text(header);
                Step::More
            }
        }
    }

    fn in_resync(&mut self) -> Step {
        match self.buf.iter().position(|&b| b == b'\n') {
            Some(end) => {
                self.buf.advance(end + 1);
                self.state = State::Line;
                Step::Again
            }
            None => {
                self.buf.clear();
                Step::More
            }
        }
    }
}

/// Reads `+HTTPREAD: 124` and its sister, with or without the blank.
fn answer_block(line: &[u8]) -> Option<(Block, usize)> {
    let (block, name) = [(Block::HttpBody, "+HTTPREAD:"), (Block::HttpHead, "+HTTPHEAD:")]
        .into_iter()
        .find(|(_, name)| line.starts_with(name.as_bytes()))?;
    let len: IResult<&[u8], u32> = all_consuming(preceded((tag(name), opt(char(' '))), u32)).parse(line);
    let (_, len) = len.ok()?;
    (len as usize <= MAX_PAYLOAD).then_some((block, len as usize))
}

enum Step {
    Frame(Frame),
    Again,
    More,
}

enum Announced {
    Message { topic: Option<String>, len: usize, header: usize },
    Incomplete,
    No,
}

/// Whether the bytes are `+MSUB:…`, or may become it.
fn could_be_message(buf: &[u8]) -> bool {
    let n = buf.len().min(MESSAGE.len());
    buf.get(..n) == MESSAGE.get(..n)
}

/// The topic in `+MSUB: "topic"`, `+MSUB:"topic"` or `+MSUB:topic`.
fn topic_of(announcement: &[u8]) -> Option<&[u8]> {
    let prefix: IResult<&[u8], _> = preceded(tag(MESSAGE), opt(char(' '))).parse(announcement);
    let (topic, _) = prefix.ok()?;
    Some(topic.strip_prefix(b"\"").and_then(|t| t.strip_suffix(b"\"")).unwrap_or(topic))
}

enum Hex {
    Payload(Bytes),
    Incomplete,
    No,
}

/// A payload printed as `2 * len` hexadecimal digits and CR LF.
/// Source: log of an Air780EG with `AT+MQTTMODE=1`; the manual does not say that the mode changes reception.
fn hex_block(buf: &[u8], len: usize) -> Hex {
    let digits = buf.get(..buf.len().min(2 * len)).unwrap_or_default();
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return Hex::No;
    }
    match buf.get(2 * len..2 * len + 2) {
        Some(b"\r\n") => Hex::Payload(digits.chunks_exact(2).map(hex_byte).collect()),
        Some(_) => Hex::No,
        None => Hex::Incomplete,
    }
}

fn hex_byte(pair: &[u8]) -> u8 {
    pair.iter().fold(0, |byte, &digit| byte << 4 | (digit as char).to_digit(16).unwrap_or(0) as u8)
}

#[cfg(test)]
mod tests;
