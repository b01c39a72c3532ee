//! The engine: who owns which line of the module's output. A state machine without I/O; see `LIFECYCLE.md`.
//!
//! One command is on the line at a time. What decides whose answer a line is:
//!
//! * [engine-1] A final result belongs to the command in flight, and to none when there is none.
//! * [engine-2] A command that asks for information does not take an `OK` that comes without it.
//! * [engine-3] After a time-out the line is fenced: nothing is sent until the module has answered a question that
//!   can be told apart from every answer still owed. A late answer never reaches another command.
//! * [engine-4] While a command in data mode waits for its prompt, and for six seconds after it gave up waiting, no byte
//!   is sent that could become payload. A prompt that comes late gets the payload that it was asked for; and so does, in
//!   the end, a module that may be waiting for it in silence, also when the port was lost in between or the process that
//!   had begun it has ended ([`Engine::owing`]). See `payload.rs`.
//! * [engine-5] `RDY` and the ROM banner fail everything in flight: the module remembers none of it.

mod answer;
mod payload;
mod regain;

pub use regain::REGAINED_WITHIN;
use regain::owed;

use crate::exchange::{Exchange, Failure, FollowUp, Outcome};
use crate::fence::{KNOCK, Probe};
use crate::frame::{Broken, Frame, Framer, Message};
use crate::urc::Urc;
use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// After this long without any answer the module is reported silent. Boot takes 4 s, a firmware hiccup less than 10.
const SILENT_AFTER: Duration = Duration::from_secs(15);
/// From the command line to its prompt. Other drivers saw up to 3 s; three times that.
const PROMPT_WITHIN: Duration = Duration::from_secs(9);
/// A block of raw bytes that makes no progress for this long has lost some. So has one that takes this long beyond its time
/// on the line: what it takes in then are the answers to our own questions.
const BLOCK_STALL: Duration = Duration::from_secs(3);

/// What happened on the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The command with this ticket has ended.
    Done(u64, Outcome),
    /// The module said something on its own.
    Urc(Urc),
    /// A message came.
    Message(Message),
    /// Bytes were lost on the line.
    Broken(Broken),
    /// The module answers, and nothing that it still owes can be mistaken for an answer to come.
    Synchronised,
    /// The module echoes: if it had been told not to, it has rebooted unseen.
    Echoes,
    /// The module has not answered for 15 s. Said once; the knocking goes on.
    Silent,
}

/// Totals since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Bytes from the module.
    pub rx_bytes: u64,
    /// Bytes to the module.
    pub tx_bytes: u64,
    /// Frames that lost bytes on the line.
    pub broken: u64,
    /// Lines that nobody owns.
    pub stray: u64,
    /// How often the line had to be fenced.
    pub fenced: u64,
}

/// The protocol engine of one serial line.
#[derive(Debug)]
pub struct Engine {
    framer: Framer,
    line: Line,
    waiting: Option<Waiting>,
    output: BytesMut,
    events: VecDeque<Event>,
    byte_time: Duration,
    last_rx: Instant,
    /// When the block that is under way has to be whole.
    block_until: Option<Instant>,
    probe: usize,
    /// The port was lost before the module had taken all of this.
    owed: Option<Bytes>,
    /// Since when the module owes any answer at all, and whether that was told.
    unanswered: Option<Unanswered>,
    counters: Counters,
}

/// Who has the line.
#[derive(Debug)]
enum Line {
    NoPort,
    Free,
    Busy(Busy),
    /// A prompt is overdue: silence, so that nothing becomes payload.
    Quiet {
        until: Instant,
        data: Bytes,
    },
    /// Asking whether anybody is there.
    Knock {
        again: Instant,
        /// What a prompt that is still owed is to get.
        data: Option<Bytes>,
    },
    /// Asking something whose answer cannot be mistaken.
    Fence {
        probe: Probe,
        seen: bool,
        until: Instant,
    },
}

#[derive(Debug)]
struct Busy {
    ticket: u64,
    exchange: Exchange,
    stage: Stage,
    information: Vec<u8>,
    /// The information that the command asked for has come, or some of it.
    informed: bool,
    /// What has to follow the `OK` came before it.
    early: Option<Result<(), Failure>>,
    until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Prompt,
    Final,
}

/// A command that has its `OK` and waits for what has to follow.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    follow_up: FollowUp,
    received: bool,
    information: Vec<u8>,
    until: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Unanswered {
    since: Instant,
    told: bool,
}

impl Engine {
    /// An engine without a port. `baud` is the rate of the line in bits per second.
    pub fn new(baud: u32, now: Instant) -> Self {
        Self {
            framer: Framer::default(),
            line: Line::NoPort,
            waiting: None,
            output: BytesMut::new(),
            events: VecDeque::new(),
            byte_time: byte_time(baud),
            last_rx: now,
            block_until: None,
            probe: 0,
            owed: None,
            unanswered: None,
            counters: Counters::default(),
        }
    }

    /// An engine that ends what another one has begun: `payload` is what that one's [`Engine::payload_due`] was.
    #[must_use]
    pub fn owing(self, payload: Option<Bytes>) -> Self {
        Self { owed: payload.map(owed), ..self }
    }

    /// What the module may be waiting for, as a whole or the rest of it: while a command has data to send, and afterwards
    /// until the module has shown that it waits for nothing. Whoever might end before that keeps it for the next engine.
    pub fn payload_due(&self) -> Option<&Bytes> {
        match &self.line {
            Line::NoPort => self.owed.as_ref(),
            Line::Busy(busy) => busy.exchange.data.as_ref(),
            Line::Quiet { data, .. } => Some(data),
            Line::Knock { data, .. } => data.as_ref(),
            Line::Free | Line::Fence { .. } => None,
        }
    }

    /// Whether a command may be started at all.
    pub fn is_free(&self) -> bool {
        matches!(self.line, Line::Free)
    }

    /// Whether `exchange` may be started now.
    pub fn can_start(&self, exchange: &Exchange) -> bool {
        match (&self.line, &self.waiting) {
            (Line::Free, None) => true,
            (Line::Free, Some(waiting)) => exchange.follow_up.is_none() && !waiting.follow_up.exclusive,
            _ => false,
        }
    }

    /// Starts a command; its end is told by [`Event::Done`] with the same ticket.
    /// The caller has asked [`Engine::can_start`].
    pub fn start(&mut self, ticket: u64, exchange: Exchange, now: Instant) {
        debug_assert!(self.can_start(&exchange), "one command at a time");
        tracing::trace!(target: "air780e::line", "> {}", exchange.shown());
        let stage = if exchange.data.is_some() { Stage::Prompt } else { Stage::Final };
        let within = match stage {
            Stage::Prompt => PROMPT_WITHIN,
            Stage::Final => exchange.final_within,
        };
        if stage == Stage::Prompt {
            self.framer.allow_prompt();
        }
        let until = self.send(&exchange.line.clone(), now) + within;
        self.line =
            Line::Busy(Busy { ticket, exchange, stage, information: Vec::new(), informed: false, early: None, until });
    }

    /// Takes bytes that came from the module.
    pub fn receive(&mut self, bytes: &[u8], now: Instant) {
        self.counters.rx_bytes += bytes.len() as u64;
        self.last_rx = now;
        self.framer.push(bytes);
        while let Some(frame) = self.framer.next_frame() {
            self.block_until = None;
            self.on_frame(frame, now);
        }
        // In hexadecimal digits it has twice its length.
        let on_line = self.framer.block_missing().map(|missing| self.time_of(2 * missing));
        self.block_until = on_line.map(|time| self.block_until.unwrap_or(now + time + BLOCK_STALL));
    }

    /// Tells the time; due at [`Engine::wake_at`].
    pub fn tick(&mut self, now: Instant) {
        if self.block_wake().is_some_and(|until| now >= until)
            && let Some(frame) = self.framer.give_up_block()
        {
            self.block_until = None;
            self.on_frame(frame, now);
        }
        if self.waiting.as_ref().is_some_and(|w| now >= w.until) {
            self.end_waiting(|ends| Err(Failure::NoFollowUp(ends)));
        }
        self.tick_line(now);
    }

    /// When [`Engine::tick`] is due next.
    pub fn wake_at(&self) -> Option<Instant> {
        let line = match &self.line {
            Line::NoPort | Line::Free => None,
            Line::Busy(busy) => Some(busy.until),
            Line::Quiet { until, .. } | Line::Fence { until, .. } => Some(*until),
            Line::Knock { again, .. } => Some(*again),
        };
        let waiting = self.waiting.as_ref().map(|w| w.until);
        [line, waiting, self.block_wake()].into_iter().flatten().min()
    }

    /// When the block that is under way is given up.
    fn block_wake(&self) -> Option<Instant> {
        Some(self.block_until?.min(self.last_rx + BLOCK_STALL))
    }

    /// Bytes for the module, in order; empty when there are none.
    pub fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// The next thing that happened.
    pub fn next_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Totals since the start.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// The serial port is gone: nothing in flight will be answered.
    pub fn port_lost(&mut self) {
        match &mut self.line {
            // Also behind the prompt: what was written to the port need not have reached the module.
            Line::Busy(busy) => self.owed = busy.exchange.data.take().map(owed),
            Line::Quiet { data, .. } => self.owed = Some(std::mem::take(data)),
            Line::Knock { data, .. } => self.owed = data.take(),
            _ => {}
        }
        self.fail_all(&Failure::PortLost);
        self.framer = Framer::default();
        self.block_until = None;
        self.line = Line::NoPort;
    }

    /// There is a port (again). The engine knocks at whatever is behind it.
    pub fn port_opened(&mut self, now: Instant) {
        self.output.clear();
        self.unanswered = None;
        match self.owed.take() {
            // [engine-4] It may be the same module, and it may have been waiting ever since.
            Some(data) => {
                self.line = Line::Quiet { until: now, data };
                self.tick_line(now);
            }
            None => self.knock(now),
        }
    }

    /// The line runs at this rate, in bits per second.
    pub fn set_baud(&mut self, baud: u32) {
        self.byte_time = byte_time(baud);
    }

    /// The same port, at another rate: what was under way keeps waiting, and the module is asked whether it hears.
    pub fn retuned(&mut self, baud: u32, now: Instant) {
        self.set_baud(baud);
        self.framer = Framer::default();
        self.block_until = None;
        match &mut self.line {
            Line::Knock { again, data: Some(_) } => {
                self.framer.allow_prompt();
                *again = now;
            }
            _ => self.knock(now),
        }
    }

    /// Whether the module owes an answer to the question whether it is there.
    pub fn is_lost(&self) -> bool {
        !matches!(self.line, Line::NoPort) && self.unanswered.is_some()
    }

    fn on_frame(&mut self, frame: Frame, now: Instant) {
        match frame {
            Frame::Line(line) => self.on_line(line, now),
            Frame::Prompt => self.on_prompt(now),
            Frame::Block(block, bytes) => self.on_block(block, &bytes),
            Frame::Text(header, body) => self.events.push_back(Event::Urc(Urc::Text { header, body })),
            Frame::Message(message) => {
                tracing::trace!(target: "air780e::line", "< +MSUB: {} bytes on {}", message.payload.len(), message.topic);
                self.events.push_back(Event::Message(message));
            }
            Frame::Broken(broken) => {
                self.counters.broken += 1;
                self.events.push_back(Event::Broken(broken));
            }
        }
    }

    fn on_line(&mut self, line: Bytes, now: Instant) {
        if self.is_echo(&line) {
            self.events.push_back(Event::Echoes);
            return;
        }
        tracing::trace!(target: "air780e::line", "< {}", line.escape_ascii());
        let urc = Urc::parse(&line);
        if let Some(urc) = urc.as_ref().filter(|urc| urc.is_reboot()) {
            self.fail_all(&Failure::Rebooted);
            self.events.push_back(Event::Urc(urc.clone()));
            self.knock(now);
            return;
        }
        let taken = match &mut self.line {
            Line::Busy(_) => self.busy_takes(&line, urc.is_some(), now),
            Line::Fence { .. } | Line::Knock { .. } => self.fence_takes(&line, now),
            Line::NoPort | Line::Free | Line::Quiet { .. } => false,
        };
        if taken {
            return;
        }
        match urc {
            Some(urc) => self.on_urc(urc),
            None => self.on_unowned(&line),
        }
    }

    /// Whether the line is our own command coming back.
    fn is_echo(&self, line: &[u8]) -> bool {
        let sent: &[u8] = match &self.line {
            Line::Busy(busy) => &busy.exchange.line,
            Line::Fence { probe, .. } => probe.line,
            Line::Knock { .. } => KNOCK,
            Line::NoPort | Line::Free | Line::Quiet { .. } => return false,
        };
        line == sent.trim_ascii_end()
    }

    fn tick_line(&mut self, now: Instant) {
        match &self.line {
            Line::Busy(busy) if now >= busy.until => self.give_up(now),
            Line::Quiet { until, .. } if now >= *until => self.fill(now),
            Line::Knock { again, .. } if now >= *again => self.knock(now),
            Line::Fence { until, .. } if now >= *until => self.knock(now),
            _ => {}
        }
        if let Some(unanswered) = self.unanswered.as_mut().filter(|u| !u.told && now >= u.since + SILENT_AFTER) {
            unanswered.told = true;
            self.events.push_back(Event::Silent);
        }
    }

    fn fail_all(&mut self, failure: &Failure) {
        if let Line::Busy(busy) = std::mem::replace(&mut self.line, Line::Free) {
            self.done(busy.ticket, Err(failure.clone()));
        }
        self.end_waiting(|_| Err(failure.clone()));
    }

    fn done(&mut self, ticket: u64, outcome: Outcome) {
        self.events.push_back(Event::Done(ticket, outcome));
    }

    /// Queues bytes for the line; tells when the last of them will have left.
    fn send(&mut self, bytes: &[u8], now: Instant) -> Instant {
        self.counters.tx_bytes += bytes.len() as u64;
        self.output.extend_from_slice(bytes);
        now + self.time_of(self.output.len())
    }

    /// How long so many bytes take on the line.
    fn time_of(&self, bytes: usize) -> Duration {
        self.byte_time.saturating_mul(u32::try_from(bytes).unwrap_or(u32::MAX))
    }
}

/// Ten bits.
fn byte_time(baud: u32) -> Duration {
    Duration::from_secs(10) / baud.max(1)
}

#[cfg(test)]
mod tests;
