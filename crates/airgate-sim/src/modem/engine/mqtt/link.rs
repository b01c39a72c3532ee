//! The connection below MQTT: `AT+MIPSTART`, `AT+SSLMIPSTART`, `AT+MIPCLOSE`, and its loss.

use std::time::Duration;

use super::super::commands::{Flow, Outcome};
use super::super::fault::Fault;
use super::super::parse::Args;
use super::super::timers::Timer;
use super::super::tls::MQTT_CONTEXT;
use super::super::{Engine, Output, Service};
use super::conversation::{Conversation, Session};

/// Longest host name that the chip's MQTT takes (the vendor SDK's limit).
const HOST_MAX: usize = 128;
/// How long a connection attempt may take. Source: the wait that a driver for the sister module needs.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(75);
/// From an `OK` to the line that follows it.
const OK_TO_URC: Duration = Duration::from_millis(5);

/// Where the one connection stands.
#[derive(Debug, Default)]
pub(super) enum Link {
    #[default]
    Down,
    /// Closed by the broker after the host's own `AT+MDISCONNECT`: `AT+MIPCLOSE` still succeeds.
    Ended,
    Opening {
        id: u64,
        /// `CONNECT OK` does not come before.
        not_before: Duration,
        /// The host still waits for the final result of its command.
        awaited: bool,
    },
    Up {
        id: u64,
        talk: Conversation,
    },
}

impl Link {
    pub(super) fn connection(&self) -> Option<u64> {
        match self {
            Self::Down | Self::Ended => None,
            Self::Opening { id, .. } | Self::Up { id, .. } => Some(*id),
        }
    }

    /// 0 offline, 1 session up, 2 connection up without session.
    pub(super) fn state(&self) -> u8 {
        match self {
            Self::Down | Self::Ended | Self::Opening { .. } => 0,
            Self::Up { talk, .. } if matches!(talk.session, Session::Up { .. }) => 1,
            Self::Up { .. } => 2,
        }
    }

    /// The open connection with this number.
    pub(super) fn up(&mut self, wanted: u64) -> Option<&mut Conversation> {
        match self {
            Self::Up { id, talk } if *id == wanted => Some(talk),
            _ => None,
        }
    }
}

impl Engine {
    /// `AT+MIPSTART=<host>,<port>` and its TLS form.
    pub(super) fn open(&mut self, args: &Args, tls: bool) -> Outcome {
        let host = args.at_most(2)?.text(0, HOST_MAX)?;
        let port = u16::try_from(args.number(1, 1..=65_535)?).map_err(|_| Fault::RANGE)?;
        if host.is_empty() {
            return Err(Fault::EMPTY_VALUE);
        }
        match self.mqtt.link {
            Link::Up { .. } => {
                self.after(OK_TO_URC, Timer::Urc("ALREADY CONNECT".into()));
                return Ok(Flow::Next);
            }
            Link::Opening { .. } => return Err(Fault::FAILED),
            Link::Down | Link::Ended if !self.radio.attached() => return Err(Fault::FAILED),
            Link::Down | Link::Ended => {}
        }
        let setup = if tls { Some(self.tls_setup(MQTT_CONTEXT, &host)?) } else { None };
        let least = if tls { self.profile.connect_tls } else { self.profile.connect };
        let id = self.next_connection();
        let awaited = self.profile.connect_result_first;
        self.mqtt.link = Link::Opening { id, not_before: self.now + least, awaited };
        self.outputs.push_back(Output::Open { id, service: Service::Mqtt, host, port, tls: setup });
        self.after(CONNECT_TIMEOUT, Timer::ConnectTimeout(id));
        Ok(if awaited { Flow::Waits } else { Flow::Next })
    }

    pub(in super::super) fn net_opened(&mut self, wanted: u64) {
        let Link::Opening { id, not_before, .. } = self.mqtt.link else { return };
        if id == wanted {
            self.timers.set(not_before.max(self.now), Timer::Opened(id));
        }
    }

    pub(in super::super) fn link_up(&mut self, wanted: u64) {
        let Link::Opening { id, awaited, .. } = self.mqtt.link else { return };
        if id != wanted {
            return;
        }
        self.mqtt.link = Link::Up { id, talk: Conversation::default() };
        if awaited {
            self.run_rest();
        }
        self.urc("CONNECT OK");
    }

    pub(in super::super) fn connect_failed(&mut self, wanted: u64) {
        let Link::Opening { id, awaited, .. } = self.mqtt.link else { return };
        if id != wanted {
            return;
        }
        self.mqtt.link = Link::Down;
        if awaited {
            self.fail(Fault::NOT_ALLOWED);
        } else {
            self.urc("STATE: TCP CLOSED");
            self.urc("CONNECT FAIL");
        }
    }

    pub(in super::super) fn connect_timeout(&mut self, id: u64) {
        if matches!(self.mqtt.link, Link::Opening { id: open, .. } if open == id) {
            self.outputs.push_back(Output::Abort { id });
            self.connect_failed(id);
        }
    }

    /// The other side has closed, or the connection broke.
    pub(in super::super) fn net_closed(&mut self, wanted: u64) {
        match &self.mqtt.link {
            Link::Opening { id, .. } if *id == wanted => self.connect_failed(wanted),
            Link::Up { id, talk } if *id == wanted => {
                let own = matches!(talk.session, Session::Left);
                self.mqtt.link = if own { Link::Ended } else { Link::Down };
                if !own || self.profile.closed_after_own_close {
                    self.urc("CLOSED");
                }
            }
            _ => {}
        }
    }

    /// The module itself gives the connection up.
    pub(super) fn drop_link(&mut self, id: u64) {
        self.outputs.push_back(Output::Abort { id });
        self.net_closed(id);
    }

    /// `AT+MIPCLOSE`
    pub(super) fn close(&mut self) -> Result<(), Fault> {
        match std::mem::take(&mut self.mqtt.link) {
            Link::Down => Err(Fault::FAILED),
            Link::Ended => Ok(()),
            Link::Opening { id, .. } => {
                self.outputs.push_back(Output::Abort { id });
                Ok(())
            }
            Link::Up { id, .. } => {
                self.outputs.push_back(Output::Close { id });
                if self.profile.closed_after_own_close {
                    self.after(OK_TO_URC, Timer::Urc("CLOSED".into()));
                }
                Ok(())
            }
        }
    }

    /// Registration or bearer are gone; nothing can be sent any more.
    pub(in super::super) fn bearer_lost(&mut self) {
        match std::mem::take(&mut self.mqtt.link) {
            Link::Down | Link::Ended => {}
            Link::Opening { id, not_before, awaited } => {
                self.outputs.push_back(Output::Abort { id });
                // Failing is what the host is told; restore the state from which that is done.
                self.mqtt.link = Link::Opening { id, not_before, awaited };
                self.connect_failed(id);
            }
            Link::Up { id, .. } => {
                self.outputs.push_back(Output::Abort { id });
                if self.profile.closed_on_bearer_loss {
                    self.after(OK_TO_URC, Timer::Urc("CLOSED".into()));
                }
            }
        }
    }

    /// Sends on the open connection.
    pub(super) fn send(&mut self, id: u64, bytes: bytes::Bytes) {
        self.outputs.push_back(Output::Send { id, bytes });
    }
}
