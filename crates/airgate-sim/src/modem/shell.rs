//! The shell around engine and faults: it moves bytes at the pace of the line and events at the time of the clock.

use std::collections::VecDeque;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::engine::{Change, NetEvent, Output};
use super::faults::{self, Faulty, Rule};
use super::net::Net;
use super::pty::Pty;
use super::record::Record;
use super::throttle::Throttle;
use super::wire;

/// Bytes that may wait for a host that does not read; more are lost, as on a line without flow control.
const BACKLOG_MAX: usize = 64 * 1024;

/// Short messages that are remembered for those who ask.
const SENT_MAX: usize = 100;

/// What the owner of a module asks of it.
#[derive(Debug)]
pub(super) enum Control {
    Reset,
    Power(bool),
    CloseSession,
    Fault(Rule),
    Calm,
    Change(Change),
    State(oneshot::Sender<State>),
    Stop,
}

/// What the console shows.
#[derive(Debug)]
pub(super) struct State {
    pub(super) fired: u64,
    pub(super) faults: Vec<(Duration, String)>,
    pub(super) waiting: usize,
    pub(super) lines: u64,
    pub(super) deaf: bool,
    pub(super) sent: Vec<SentSms>,
}

/// A short message that the network has taken from the module.
#[derive(Debug, Clone, Serialize)]
pub(super) struct SentSms {
    to: String,
    text: String,
    /// Joins the parts of a long message; empty for one that stands alone.
    header: Vec<u8>,
}

/// Bytes that have gone over the line.
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) from_host: AtomicU64,
    pub(super) to_host: AtomicU64,
}

enum Item {
    Bytes(Bytes),
    Rate(u32),
}

pub(super) struct Shell {
    pub(super) module: Faulty,
    /// `None` while the port is gone.
    pub(super) pty: Option<Arc<Pty>>,
    /// Where the pty is linked.
    pub(super) link: Option<PathBuf>,
    pub(super) net: Net,
    pub(super) events: UnboundedReceiver<NetEvent>,
    pub(super) control: Receiver<Control>,
    pub(super) counters: Arc<Counters>,
    pub(super) record: Record,
    pub(super) started: Instant,
    /// For those who ask on the console.
    pub(super) sent: VecDeque<SentSms>,
    pub(super) receiving: Throttle,
    pub(super) sending: Throttle,
    pub(super) wire_max: u32,
}

impl Shell {
    /// Runs until told to stop, or until the pty fails.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut buffer = vec![0; 4096];
        let mut arriving: Option<(Duration, Vec<u8>)> = None;
        let mut queue = VecDeque::new();
        // The piece at the head of the queue that is on the line, and when it is through.
        let mut leaving: Option<(Duration, Bytes)> = None;
        self.module.advance(self.now());
        loop {
            if self.collect(&mut queue)? {
                (arriving, leaving) = (None, None);
            }
            if leaving.is_none() {
                leaving = self.next_piece(&mut queue);
            }
            let pty = self.pty.clone();
            let piece = self.receiving.piece();
            let space = buffer.get_mut(..piece).unwrap_or_default();
            tokio::select! {
                control = self.control.recv() => match control {
                    Some(Control::Reset) => {
                        queue.clear();
                        leaving = None;
                        self.module.reset(self.now());
                    }
                    Some(Control::Power(on)) => {
                        queue.clear();
                        leaving = None;
                        self.module.power(on, self.now());
                    }
                    Some(Control::CloseSession) => self.module.close_session(self.now()),
                    Some(Control::Fault(rule)) => {
                        self.module.add(rule);
                        self.module.advance(self.now());
                    }
                    Some(Control::Change(change)) => self.module.change(change, self.now()),
                    Some(Control::Calm) => self.module.calm(),
                    Some(Control::State(reply)) => drop(reply.send(self.state())),
                    Some(Control::Stop) | None => return Ok(()),
                },
                Some(event) = self.events.recv() => {
                    self.net.ended(&event);
                    self.module.network(event, self.now());
                }
                () = until(self.started, self.module.wake_at()) => self.module.advance(self.now()),
                read = read_from(pty.as_deref(), space), if arriving.is_none() => {
                    let bytes = space.get(..read?).unwrap_or_default().to_vec();
                    let through = self.receiving.pass(bytes.len(), self.started.elapsed());
                    arriving = Some((through, bytes));
                }
                () = until(self.started, arriving.as_ref().map(|(at, _)| *at)), if arriving.is_some() => {
                    if let Some((_, bytes)) = arriving.take() {
                        self.arrived(&bytes);
                    }
                }
                written = write_at(pty.as_deref(), self.started, leaving.as_ref()), if leaving.is_some() => {
                    let count = written?;
                    if let Some((at, bytes)) = leaving.take() {
                        self.left(bytes.get(..count).unwrap_or_default());
                        leaving = Some((at, bytes.slice(count.min(bytes.len())..))).filter(|(_, rest)| !rest.is_empty());
                    }
                }
            }
        }
    }

    fn state(&self) -> State {
        State {
            fired: self.module.fired_count(),
            faults: self.module.fired().cloned().collect(),
            waiting: self.module.waiting(),
            lines: self.module.lines_heard(),
            deaf: self.module.is_deaf(),
            sent: self.sent.iter().cloned().collect(),
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn arrived(&mut self, bytes: &[u8]) {
        let now = self.now();
        self.counters.from_host.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.record.line(now, '>', bytes);
        let rate = self.host_rate();
        self.module.set_host_rate(rate);
        let bytes = match rate {
            Some(rate) if !self.module.hunts() => &wire::heard(bytes, rate, self.receiving.baud()),
            _ => bytes,
        };
        self.module.receive(bytes, now);
    }

    /// The rate that the host has set on its side of the line.
    fn host_rate(&self) -> Option<u32> {
        self.pty.as_ref().and_then(|pty| pty.host_rate())
    }

    fn left(&mut self, bytes: &[u8]) {
        self.counters.to_host.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.record.line(self.now(), '<', bytes);
    }

    /// Takes what the module has for the line and for the network. Tells whether the port has gone, and with it everything
    /// that was on its way.
    fn collect(&mut self, queue: &mut VecDeque<Item>) -> io::Result<bool> {
        let mut gone = false;
        while let Some(output) = self.module.next_output() {
            match output {
                faults::Output::Module(Output::Host(bytes)) => enqueue(queue, bytes),
                faults::Output::Module(Output::Rate(baud)) => queue.push_back(Item::Rate(baud)),
                faults::Output::Module(Output::Sms { to, text, header }) => {
                    if self.sent.len() >= SENT_MAX {
                        self.sent.pop_front();
                    }
                    self.sent.push_back(SentSms { to, text, header });
                }
                faults::Output::Module(network) => self.net.perform(network),
                faults::Output::Unplug => {
                    queue.retain(|item| matches!(item, Item::Rate(_)));
                    self.pty = None;
                    gone = true;
                }
                faults::Output::Plug(path) => {
                    self.link = path.or(self.link.take());
                    self.pty = Some(Arc::new(Pty::open(self.link.as_deref())?));
                }
            }
        }
        Ok(gone)
    }

    /// Puts the next piece on the line; a change of rate takes effect when its turn comes.
    fn next_piece(&mut self, queue: &mut VecDeque<Item>) -> Option<(Duration, Bytes)> {
        loop {
            match queue.pop_front()? {
                Item::Rate(baud) => {
                    self.receiving.set_baud(baud);
                    self.sending.set_baud(baud);
                }
                Item::Bytes(mut bytes) => {
                    let piece = bytes.split_to(bytes.len().min(self.sending.piece()));
                    if !bytes.is_empty() {
                        queue.push_front(Item::Bytes(bytes));
                    }
                    let through = self.sending.pass(piece.len(), self.now());
                    let piece = match self.host_rate() {
                        Some(rate) if rate > self.wire_max => Bytes::from(wire::heard(&piece, rate, self.wire_max)),
                        Some(rate) => Bytes::from(wire::heard(&piece, self.sending.baud(), rate)),
                        None => piece,
                    };
                    if !piece.is_empty() {
                        return Some((through, piece));
                    }
                }
            }
        }
    }
}

async fn until(started: Instant, at: Option<Duration>) {
    match at {
        // A timer would take up to a millisecond for what is due already.
        Some(at) if started.elapsed() >= at => {}
        Some(at) => sleep_until(started + at).await,
        None => std::future::pending().await,
    }
}

async fn read_from(pty: Option<&Pty>, space: &mut [u8]) -> io::Result<usize> {
    match pty {
        Some(pty) => pty.read(space).await,
        None => std::future::pending().await,
    }
}

async fn write_at(pty: Option<&Pty>, started: Instant, leaving: Option<&(Duration, Bytes)>) -> io::Result<usize> {
    let (Some(pty), Some((at, bytes))) = (pty, leaving) else { return std::future::pending().await };
    if started.elapsed() < *at {
        sleep_until(started + *at).await;
    }
    pty.write(bytes).await
}

fn enqueue(queue: &mut VecDeque<Item>, bytes: Bytes) {
    let waiting: usize = queue.iter().map(|item| if let Item::Bytes(b) = item { b.len() } else { 0 }).sum();
    if waiting + bytes.len() <= BACKLOG_MAX {
        queue.push_back(Item::Bytes(bytes));
    } else {
        tracing::warn!(bytes = bytes.len(), "the host does not read: lost");
    }
}
