//! A plain TCP connection for the host: `AT+CIPSTART`, `AT+CIPSEND`, `AT+CIPCLOSE`, and the transparent mode.
//!
//! Source: AT command manual V1.6.3, TCP chapter; bytes: counter-proved logs of Air780E V1169 and Air780EP V1007.

use std::time::Duration;

use bytes::Bytes;

use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::input::{Data, Purpose};
use super::output::framed;
use super::parse::{Args, Form};
use super::timers::Timer;
use super::{Engine, Output, Service};

/// Most bytes of one `AT+CIPSEND`.
const SEND_MAX: u32 = 1460;
/// Silence behind `+++` that ends the transparent mode. Source: time-stamped log of Air780E V1169.
const ESCAPE_TIME: Duration = Duration::from_millis(600);
/// From an `OK` to the URC that follows it.
const OK_TO_URC: Duration = Duration::from_millis(5);
/// How long a connection attempt may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(75);
/// What ends a message without length, and what abandons it.
const ESCAPE: u8 = 0x1B;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Link {
    #[default]
    None,
    Opening(u64),
    /// Connected; with `true` the line belongs to the connection.
    Up(u64, bool),
    Closed,
}

/// The connection and how it is used; volatile.
#[derive(Debug, Default)]
pub(super) struct Tcp {
    link: Link,
    /// `AT+CIPMODE=1`
    transparent: bool,
    /// `AT+CIPQSEND=1`
    quick: bool,
    /// `AT+CIPATS`: what was written is sent after so many seconds.
    send_after: Option<u32>,
    /// `AT+CIPRXF=1`: nothing is put behind received data.
    bare: bool,
    sent: u64,
    /// `+++` has come alone.
    escape: Option<Duration>,
}

impl Tcp {
    pub(super) fn connection(&self) -> Option<u64> {
        match self.link {
            Link::Opening(id) | Link::Up(id, _) => Some(id),
            Link::None | Link::Closed => None,
        }
    }

    /// The line belongs to the connection.
    pub(super) fn owns_line(&self) -> bool {
        matches!(self.link, Link::Up(_, true))
    }

    /// What `AT+CIPSTATUS` says, if the connection has a say.
    pub(super) fn state(&self) -> Option<&'static str> {
        match self.link {
            Link::None => None,
            Link::Opening(_) => Some("TCP CONNECTING"),
            Link::Up(..) => Some("CONNECT OK"),
            Link::Closed => Some("TCP CLOSED"),
        }
    }
}

impl Engine {
    pub(super) fn tcp_command(&mut self, name: &str, form: &Form) -> Outcome {
        let flag = |args: &Args| args.at_most(1)?.number(0, 0..=1).map(|value| value == 1);
        match (name, form) {
            ("+CIPMUX", Form::Set(args)) => drop(args.at_most(1)?.number(0, 0..=0)?),
            ("+CIPMODE", Form::Set(args)) => self.tcp.transparent = flag(args)?,
            ("+CIPQSEND", Form::Set(args)) => self.tcp.quick = flag(args)?,
            ("+CIPRXF", Form::Set(args)) => self.tcp.bare = flag(args)?,
            ("+CIPATS", Form::Set(args)) => {
                let on = args.at_most(2)?.number(0, 0..=1)? == 1;
                self.tcp.send_after = if on { Some(args.number(1, 1..=100)?) } else { None };
            }
            ("+CIPACK", Form::Plain) => self.info(&format!("+CIPACK: {0},{0},0", self.tcp.sent)),
            ("+CIPSTART", Form::Set(args)) => return self.tcp_start(args),
            ("+CIPSEND", Form::Plain) => return self.tcp_prompt(None),
            ("+CIPSEND", Form::Set(args)) => {
                let length = args.at_most(1)?.number(0, 1..=SEND_MAX)?;
                return self.tcp_prompt(Some(usize::try_from(length).map_err(|_| Fault::RANGE)?));
            }
            ("+CIPCLOSE", Form::Plain | Form::Set(_)) => {
                let Link::Up(id, _) = self.tcp.link else { return Err(Fault::NOT_ALLOWED) };
                self.outputs.push_back(Output::Close { id });
                self.tcp.link = Link::Closed;
                return Ok(Flow::Ends(framed("CLOSE OK")));
            }
            ("O", Form::Plain) => {
                let Link::Up(id, false) = self.tcp.link else { return Err(Fault::NOT_ALLOWED) };
                self.tcp.link = Link::Up(id, true);
                return Ok(Flow::Ends(framed("CONNECT")));
            }
            _ => return Err(args(form).err().unwrap_or(Fault::Error)),
        }
        Ok(Flow::Next)
    }

    /// `AT+CIPSTART="TCP",<host>,<port>`
    fn tcp_start(&mut self, args: &Args) -> Outcome {
        if !args.at_most(3)?.text(0, 8)?.eq_ignore_ascii_case("TCP") {
            return Err(Fault::NOT_SUPPORTED);
        }
        let host = args.text(1, 128)?;
        let port = u16::try_from(args.number(2, 1..=65_535)?).map_err(|_| Fault::RANGE)?;
        match self.tcp.link {
            Link::Up(..) => {
                self.after(OK_TO_URC, Timer::Urc("ALREADY CONNECT".into()));
                return Ok(Flow::Next);
            }
            Link::Opening(_) => return Err(Fault::NOT_ALLOWED),
            Link::None | Link::Closed if !self.radio.attached() || host.is_empty() => return Err(Fault::NOT_ALLOWED),
            Link::None | Link::Closed => {}
        }
        let id = self.next_connection();
        self.tcp.link = Link::Opening(id);
        self.tcp.sent = 0;
        self.outputs.push_back(Output::Open { id, service: Service::Tcp, host, port, tls: None });
        self.after(CONNECT_TIMEOUT, Timer::TcpTimeout(id));
        Ok(Flow::Next)
    }

    fn tcp_prompt(&mut self, length: Option<usize>) -> Outcome {
        if !matches!(self.tcp.link, Link::Up(_, false)) {
            return Err(Fault::NOT_ALLOWED);
        }
        let most = usize::try_from(SEND_MAX).unwrap_or(usize::MAX);
        let data = Data {
            length,
            within: self.tcp.send_after.map(|seconds| Duration::from_secs(u64::from(seconds))),
            echo: self.settings.echo,
            ..Data::open(Purpose::Tcp, most)
        };
        Ok(Flow::Data(data, false))
    }

    /// What stood behind the prompt is complete, or its time is over.
    pub(super) fn tcp_written(&mut self, mut bytes: Vec<u8>) -> Outcome {
        if bytes.last() == Some(&ESCAPE) {
            return Ok(Flow::Next);
        }
        bytes.truncate(usize::try_from(SEND_MAX).unwrap_or(usize::MAX));
        let Link::Up(id, _) = self.tcp.link else { return Ok(Flow::Ends(framed("SEND FAIL"))) };
        let count = bytes.len();
        self.tcp_send(id, bytes);
        let text = if self.tcp.quick { format!("DATA ACCEPT:{count}") } else { "SEND OK".into() };
        Ok(Flow::Ends(framed(&text)))
    }

    fn tcp_send(&mut self, id: u64, bytes: Vec<u8>) {
        self.tcp.sent += bytes.len() as u64;
        self.outputs.push_back(Output::Send { id, bytes: Bytes::from(bytes) });
    }

    /// Bytes of the host in transparent mode. `+++` alone, with silence behind it, ends that.
    pub(super) fn tcp_bytes(&mut self, bytes: &[u8]) {
        let Link::Up(id, true) = self.tcp.link else { return };
        if self.tcp.escape.take().is_some() {
            self.tcp_send(id, b"+++".to_vec());
        }
        if bytes == b"+++" {
            let at = self.now + ESCAPE_TIME;
            self.tcp.escape = Some(at);
            self.timers.set(at, Timer::TcpEscape);
        } else {
            self.tcp_send(id, bytes.to_vec());
        }
    }

    pub(super) fn tcp_escape(&mut self) {
        let Link::Up(id, true) = self.tcp.link else { return };
        if self.tcp.escape.take_if(|at| *at <= self.now).is_some() {
            self.tcp.link = Link::Up(id, false);
            self.transmit(&framed("OK"));
        }
    }

    pub(super) fn tcp_opened(&mut self, id: u64) {
        if self.tcp.link == Link::Opening(id) {
            let transparent = self.tcp.transparent;
            self.tcp.link = Link::Up(id, transparent);
            self.urc(if transparent { "CONNECT" } else { "CONNECT OK" });
        }
    }

    pub(super) fn tcp_received(&mut self, id: u64, bytes: &[u8]) {
        match self.tcp.link {
            Link::Up(open, true) if open == id => self.transmit(bytes),
            Link::Up(open, false) if open == id => {
                let end: &[u8] = if self.tcp.bare { b"" } else { b"\r\n" };
                self.transmit(&[bytes, end].concat());
            }
            _ => {}
        }
    }

    /// It could not be opened, or the other side has closed it.
    pub(super) fn tcp_ended(&mut self, id: u64) {
        if self.tcp.connection() != Some(id) {
            return;
        }
        if let Link::Opening(_) = self.tcp.link {
            self.urc("STATE: TCP CLOSED");
            self.urc("CONNECT FAIL");
        } else {
            self.urc("CLOSED");
        }
        self.tcp.link = Link::Closed;
    }

    pub(super) fn tcp_timeout(&mut self, id: u64) {
        if self.tcp.link == Link::Opening(id) {
            self.outputs.push_back(Output::Abort { id });
            self.tcp_ended(id);
        }
    }

    /// The context under the connection is gone.
    pub(super) fn tcp_shut(&mut self) {
        if let Some(id) = self.tcp.connection() {
            self.outputs.push_back(Output::Abort { id });
        }
        self.tcp.link = Link::None;
    }
}
