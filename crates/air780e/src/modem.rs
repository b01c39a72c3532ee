//! The module as its users see it: one handle, any number of clones, over the one task that owns the port.

use crate::channels::{Channels, Event, Publication, PublishError, Recovery, Request};
use crate::command::general::Raw;
use crate::command::{self, Command};
use crate::driver::Driver;
use crate::exchange::Failure;
use crate::limits::check_line;
use crate::link::Options;
use crate::port::{Opener, Port};
use crate::rate::{FACTORY, Wanted};
use crate::session::{AccessPoint, Desired};
use crate::status::Status;
use crate::urc::Urc;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Mutex, broadcast, mpsc, oneshot, watch};

/// Events that wait for their reader. With messages of the largest size that is 4 MiB.
const EVENTS: usize = 1024;
/// Requests that wait for the driver.
const REQUESTS: usize = 16;
/// Unsolicited codes that wait for a slow reader; the oldest are dropped.
const URCS: usize = 64;

/// How the module is reached.
#[derive(Clone, Debug)]
pub struct Config {
    /// A tty, a USB CDC-ACM port or a pty. A pattern (`/dev/ttyACM*`) stands for the first port that fits and answers. A
    /// port on USB that has come back under another name is found by its device and interface.
    pub port: String,
    /// Bits per second; 0: to be found.
    pub baud: u32,
    /// The rate is raised to this once the module answers, kept by the module, and given up where it does not carry.
    pub max_baud: Option<u32>,
    /// RTS and CTS are wired: each side stops the other when it cannot take more.
    pub hardware_flow: bool,
    /// The PIN of the SIM card, if it asks for one.
    pub pin: Option<String>,
    /// The access point; `None`: the network's choice. A module that has another is told once, and restarted.
    pub access_point: Option<AccessPoint>,
}

impl Config {
    /// A module as it leaves the factory: 115200 bit/s, no PIN.
    pub fn new(port: impl Into<String>) -> Self {
        Self { port: port.into(), baud: FACTORY, max_baud: None, hardware_flow: false, pin: None, access_point: None }
    }
}

/// A handle to the module. When the last clone is dropped, the driver ends.
#[derive(Clone, Debug)]
pub struct Modem {
    requests: mpsc::Sender<Request>,
    desired: watch::Sender<Desired>,
    pub(crate) status: watch::Receiver<Status>,
    urcs: broadcast::Sender<Urc>,
    /// The module has one HTTP session, and one bearer below it.
    pub(crate) http: Arc<Mutex<()>>,
}

impl Modem {
    /// Starts the driver in the current runtime. The port need not exist yet; it is looked for until it does, also
    /// after it vanished.
    pub fn start(config: Config) -> (Self, mpsc::Receiver<Event>) {
        Self::start_recovering(config, Recovery::default())
    }

    /// As [`Modem::start`], with what the recovery ladder needs.
    pub fn start_recovering(config: Config, recovery: Recovery) -> (Self, mpsc::Receiver<Event>) {
        let Config { port, baud, max_baud, hardware_flow, pin, access_point } = config;
        let wanted = Wanted { base: (baud != 0).then_some(baud), most: max_baud };
        let options = Options { pin, access: access_point, hardware_flow };
        Self::launch(Port::new(port, hardware_flow), wanted, options, recovery)
    }

    /// Starts the driver on whatever `open` gives; it is called again when that ends.
    pub fn start_on<S, F>(open: F, baud: u32, pin: Option<String>) -> (Self, mpsc::Receiver<Event>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: FnMut() -> io::Result<S> + Send + 'static,
    {
        Self::start_with(open, baud, pin, Recovery::default())
    }

    /// As [`Modem::start_on`], with what the recovery ladder needs.
    pub fn start_with<S, F>(
        open: F,
        baud: u32,
        pin: Option<String>,
        recovery: Recovery,
    ) -> (Self, mpsc::Receiver<Event>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        F: FnMut() -> io::Result<S> + Send + 'static,
    {
        Self::launch(open, Wanted::fixed(baud), Options { pin, ..Options::default() }, recovery)
    }

    fn launch<S, O>(opener: O, wanted: Wanted, options: Options, recovery: Recovery) -> (Self, mpsc::Receiver<Event>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        O: Opener<S> + Send + 'static,
    {
        let (requests, requests_rx) = mpsc::channel(REQUESTS);
        let (desired, desired_rx) = watch::channel(Desired::default());
        let (events_tx, events) = mpsc::channel(EVENTS);
        let (status_tx, status) = watch::channel(Status::default());
        let (urcs, _) = broadcast::channel(URCS);
        let channels = Channels {
            requests: requests_rx,
            desired: desired_rx,
            events: events_tx,
            status: status_tx,
            urcs: urcs.clone(),
        };
        tokio::spawn(Driver::new(wanted, options, recovery, channels).run(opener));
        (Self { requests, desired, status, urcs, http: Arc::default() }, events)
    }

    /// From now on this is wanted, instead of what was wanted before.
    pub fn want(&self, desired: Desired) {
        self.desired.send_replace(desired);
    }

    /// Publishes, and returns when the broker has acknowledged it (QoS 1, 2) or the module has taken it (QoS 0).
    ///
    /// Several may be asked for at once; they go in order, one at a time, because the module does not say which
    /// publication an acknowledgement is for.
    ///
    /// # Errors
    /// [`PublishError`] says why, and whether anything was sent.
    pub async fn publish(&self, publication: Publication) -> Result<(), PublishError> {
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Publish(publication, reply)).await;
        sent.map_err(|_| PublishError::Offline)?;
        answer.await.unwrap_or(Err(PublishError::Offline))
    }

    /// Sends one command line as it is and returns the lines of its answer, without the final `OK`. A command that takes data
    /// behind its line is not sent: those have their types, for [`Modem::send`].
    ///
    /// # Errors
    /// [`Failure`], for example the module's refusal.
    pub async fn ask(&self, line: &str) -> Result<Vec<String>, Failure> {
        check_line(line)?;
        Ok(self.send(&Raw(line)).await?.0)
    }

    /// Sends one typed command when the line is free, and returns its answer. The line serves steps of the bring-up
    /// first, and publications and commands in turn. When the returned future is dropped, a command that was not sent
    /// yet is not sent; one that was is carried out all the same.
    ///
    /// # Errors
    /// [`Failure::Unusable`] before anything is sent if an argument does not fit; otherwise what went wrong.
    pub async fn send<C: Command>(&self, command: &C) -> Result<C::Response, Failure> {
        command.check()?;
        let (reply, answer) = oneshot::channel();
        let sent = self.requests.send(Request::Ask(command::exchange(command)?, reply)).await;
        sent.map_err(|_| Failure::PortLost)?;
        let information = answer.await.unwrap_or(Err(Failure::PortLost))?;
        command::read(command, &information)
    }

    /// What the module says on its own from now on, except what ends a command of the session. A reader that falls 64
    /// behind misses the oldest.
    pub fn urcs(&self) -> broadcast::Receiver<Urc> {
        self.urcs.subscribe()
    }

    /// What is known of the module; changes are told when more than the counters changed.
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }
}
