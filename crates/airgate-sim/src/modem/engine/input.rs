//! What comes from the host: echo, command lines, and the data phases in which bytes are just bytes.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::timers::Timer;

/// Bytes that may wait while a command is under way; more are lost. Source: the SDK's pending buffer of a channel.
const PENDING_MAX: usize = 8192;
/// The gap that ends a data phase without length. Source: AT command manual V1.6.3, p. 241.
const OPEN_GAP: Duration = Duration::from_secs(5);
/// The character that ends a data phase without length.
const CTRL_Z: u8 = 0x1A;
/// The character that abandons a message.
const ESCAPE: u8 = 0x1B;

/// A short message that the host is about to write, or that is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Draft {
    /// Text mode: only the number is known.
    To(String),
    /// PDU mode: the length in octets.
    Pdu(usize),
}

/// What the bytes of a data phase are for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    Publish { topic: String, qos: u8, retain: bool },
    File { path: String, append: bool },
    HttpBody,
    Sms(Draft),
    Tcp,
}

/// A data phase: bytes are taken until the end is reached.
#[derive(Debug)]
pub(super) struct Data {
    pub(super) purpose: Purpose,
    /// Bytes to come; `None`: until Ctrl-Z or a gap.
    pub(super) length: Option<usize>,
    /// Most bytes that are kept.
    pub(super) most: usize,
    /// The time in which the whole of it must arrive.
    pub(super) within: Option<Duration>,
    /// The pause between bytes that ends it.
    pub(super) gap: Option<Duration>,
    pub(super) echo: bool,
    pub(super) taken: Vec<u8>,
    /// When it ends by itself; moved by the engine.
    pub(super) deadline: Option<Duration>,
}

impl Data {
    /// A phase that ends with the last of `length` bytes.
    pub(super) fn counted(purpose: Purpose, length: usize) -> Self {
        Self {
            purpose,
            length: Some(length),
            most: length,
            within: None,
            gap: None,
            echo: false,
            taken: Vec::new(),
            deadline: None,
        }
    }

    /// A phase that ends with Ctrl-Z or Escape, however long that takes.
    pub(super) fn open(purpose: Purpose, most: usize) -> Self {
        Self { length: None, ..Self::counted(purpose, most) }
    }

    fn pause(&self) -> Option<Duration> {
        match self.purpose {
            Purpose::Sms(_) | Purpose::Tcp => None,
            _ if self.length.is_none() => Some(OPEN_GAP),
            _ => self.gap,
        }
    }
}

/// How a data phase ended.
pub(super) enum DataEnd {
    Complete,
    TimeOut,
}

#[derive(Debug, Default)]
enum Mode {
    /// A command line is collected.
    #[default]
    Command,
    /// A command is under way; what comes has to wait.
    Busy,
    Data(Data),
}

/// The receiving side of the line.
#[derive(Debug, Default)]
pub(super) struct Input {
    mode: Mode,
    pending: VecDeque<u8>,
    text: Vec<u8>,
    too_long: bool,
    /// The last byte was the CR of a command line: an LF still belongs to it.
    after_cr: bool,
    /// The line before, for `A/`.
    last: Vec<u8>,
    /// Numbers the data phases, so that an old timer ends nothing.
    phase: u64,
}

impl Input {
    pub(super) fn in_data_phase(&self) -> bool {
        matches!(self.mode, Mode::Data(_))
    }

    /// Bytes that the data phase still takes; without length it takes any number.
    pub(super) fn data_missing(&self) -> Option<usize> {
        match &self.mode {
            Mode::Data(data) => Some(data.length.map_or(usize::MAX, |length| length.saturating_sub(data.taken.len()))),
            Mode::Command | Mode::Busy => None,
        }
    }

    /// Takes the line that is to be carried out; `None` when it was too long.
    pub(super) fn take_line(&mut self) -> Option<Vec<u8>> {
        let text = std::mem::take(&mut self.text);
        if std::mem::take(&mut self.too_long) {
            return None;
        }
        self.last.clone_from(&text);
        Some(text)
    }
}

impl Engine {
    pub(super) fn take_bytes(&mut self, bytes: &[u8]) {
        // What need not wait is not bounded by the buffer: it is consumed as it comes.
        for chunk in bytes.chunks(PENDING_MAX / 2) {
            let fits = chunk.len().min(PENDING_MAX.saturating_sub(self.input.pending.len()));
            self.input.pending.extend(chunk.iter().take(fits));
            self.consume();
        }
        self.restart_gap();
    }

    /// Works through the bytes that wait, as far as the mode allows.
    pub(super) fn consume(&mut self) {
        let mut echo = Vec::new();
        while let Some(byte) = self.input.pending.front().copied() {
            let line_feed = std::mem::take(&mut self.input.after_cr) && byte == b'\n';
            if !line_feed && matches!(self.input.mode, Mode::Busy) {
                break;
            }
            self.input.pending.pop_front();
            if line_feed {
                // It belongs to the line before, even if a data phase has begun since: there it is eaten unseen.
                if self.settings.echo && !self.input.in_data_phase() {
                    echo.push(byte);
                }
            } else if self.input.in_data_phase() {
                self.data_byte(byte, &mut echo);
            } else {
                self.command_byte(byte, &mut echo);
            }
        }
        if !echo.is_empty() {
            self.transmit(&echo);
        }
    }

    fn command_byte(&mut self, byte: u8, echo: &mut Vec<u8>) {
        let empty = self.input.text.is_empty() && !self.input.too_long;
        // CR and LF without a line are swallowed: hosts send them behind counted data.
        if empty && matches!(byte, b'\r' | b'\n') {
            return;
        }
        if self.settings.echo {
            echo.push(byte);
        }
        match byte {
            b'\r' => {
                self.input.after_cr = true;
                self.begin();
            }
            b'\n' => {}
            _ if self.input.text.len() >= self.profile.line_max => self.input.too_long = true,
            _ => self.input.text.push(byte),
        }
        if self.input.text.eq_ignore_ascii_case(b"A/") {
            self.input.text = self.input.last.clone();
            self.begin();
        }
    }

    /// The line is complete: carry it out after the turnaround.
    fn begin(&mut self) {
        self.input.mode = Mode::Busy;
        self.after(self.setup.turnaround + self.two_characters(), Timer::Execute);
    }

    /// The command is done: listen again. URCs that waited for the end of its data come now.
    pub(super) fn listen(&mut self) {
        self.input.mode = Mode::Command;
        if self.profile.hold_urcs.is_zero() {
            self.release_urcs();
        }
        self.consume();
    }

    /// Prompts for data.
    pub(super) fn prompt(&mut self, mut data: Data, drop_early: bool) {
        if drop_early {
            self.input.pending.clear();
        }
        self.transmit(match data.purpose {
            Purpose::Sms(_) | Purpose::Tcp => b"\r\n> ",
            Purpose::HttpBody => b"\r\nDOWNLOAD\r\n",
            _ if self.profile.prompt_blank => b"\r\n> ",
            _ => b"\r\n>",
        });
        self.input.phase += 1;
        if let Some(wait) = data.within.or(data.pause()) {
            data.deadline = Some(self.now + wait);
            self.after(wait, Timer::DataGap(self.input.phase));
        }
        self.input.mode = Mode::Data(data);
        self.consume();
    }

    fn data_byte(&mut self, byte: u8, echo: &mut Vec<u8>) {
        let Mode::Data(data) = &mut self.input.mode else { return };
        if data.echo {
            echo.push(byte);
        }
        let ended = match data.length {
            Some(length) => {
                data.taken.push(byte);
                data.taken.len() >= length
            }
            None if byte == CTRL_Z => true,
            None if byte == ESCAPE && matches!(data.purpose, Purpose::Sms(_) | Purpose::Tcp) => {
                // The last byte tells how it ended, even behind too many.
                data.taken.push(byte);
                true
            }
            None => {
                // One byte above the limit is kept, so that the end can tell that there were too many.
                if data.taken.len() <= data.most {
                    data.taken.push(byte);
                }
                false
            }
        };
        if ended {
            let shown = std::mem::take(echo);
            if !shown.is_empty() {
                self.transmit(&shown);
            }
            self.end_data(DataEnd::Complete);
        }
    }

    /// A byte has come: the pause that ends the phase begins anew.
    fn restart_gap(&mut self) {
        if let Mode::Data(data) = &mut self.input.mode
            && data.within.is_none()
        {
            data.deadline = data.pause().map(|pause| self.now + pause);
        }
    }

    pub(super) fn data_gap(&mut self, phase: u64) {
        let Mode::Data(data) = &self.input.mode else { return };
        let Some(deadline) = data.deadline.filter(|_| phase == self.input.phase) else { return };
        if self.now < deadline {
            self.timers.set(deadline, Timer::DataGap(phase));
        } else if data.length.is_none() {
            self.end_data(DataEnd::Complete);
        } else {
            self.end_data(DataEnd::TimeOut);
        }
    }

    fn end_data(&mut self, end: DataEnd) {
        if let Mode::Data(data) = std::mem::replace(&mut self.input.mode, Mode::Busy) {
            self.data_ended(data, end);
        }
    }
}
