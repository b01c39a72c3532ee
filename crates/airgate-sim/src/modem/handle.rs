//! The module as a value: started, asked for its path and its counters, reset, stopped.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokio::sync::mpsc::{Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::console::Console;
use super::engine::{Change, Engine, Setup};
use super::faults::{Faulty, Mix, Rule};
use super::net::Net;
use super::profile::Profile;
use super::pty::Pty;
use super::record::Record;
use super::route::Route;
use super::shell::{Control, Counters, Shell};
use super::throttle::Throttle;

/// How a module is to be.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where to link the pty; `None`: the pty's own path is used.
    pub link: Option<PathBuf>,
    /// `host:port` of the MQTT broker, whatever an AT command names.
    pub broker: Option<String>,
    /// Where else connections to certain names go.
    pub routes: Vec<Route>,
    /// How it answers.
    pub profile: Profile,
    /// What it is and what its line is like.
    pub setup: Setup,
    /// A file for all that goes over the line.
    pub log: Option<PathBuf>,
    /// What goes wrong, and when.
    pub faults: Vec<Rule>,
    /// What goes wrong by chance, from the seed of the setup.
    pub mix: Option<Mix>,
    /// The path of a console.
    pub console: Option<PathBuf>,
    /// The wire to the host carries no more than this, bits per second: what is faster arrives as garbage.
    pub wire_max: Option<u32>,
}

/// Bytes that have gone over the line since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineBytes {
    /// Sent by the host.
    pub from_host: u64,
    /// Sent to the host.
    pub to_host: u64,
}

/// A running simulated module. Dropping it stops it and removes its link.
#[derive(Debug)]
pub struct Modem {
    path: PathBuf,
    control: Sender<Control>,
    counters: Arc<Counters>,
    task: JoinHandle<io::Result<()>>,
}

impl Modem {
    /// Switches a module on. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When no pty is to be had, or the link, the log or the console cannot be made.
    pub fn start(options: Options) -> io::Result<Self> {
        let console = options.console.as_deref().map(Console::open).transpose()?;
        let pty = Pty::open(options.link.as_deref())?;
        let path = pty.path().to_owned();
        let (net, events) = Net::new(options.broker, options.routes);
        let (control, commands) = channel(8);
        let counters = Arc::new(Counters::default());
        let (baud, seed) = (options.setup.baud, options.setup.seed);
        let engine = Engine::new(options.profile, options.setup);
        let shell = Shell {
            module: Faulty::new(engine, options.faults, options.mix, seed),
            pty: Some(Arc::new(pty)),
            link: options.link,
            net,
            events,
            control: commands,
            counters: counters.clone(),
            record: Record::open(options.log.as_deref())?,
            started: Instant::now(),
            sent: VecDeque::new(),
            receiving: Throttle::new(baud),
            sending: Throttle::new(baud),
            wire_max: options.wire_max.unwrap_or(u32::MAX),
        };
        if let Some(console) = console {
            tokio::spawn(console.listen(control.clone()));
        }
        Ok(Self { path, control, counters, task: tokio::spawn(shell.run()) })
    }

    /// Where a host opens the line; not so after a fault that moves the port.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes that have gone over the line.
    #[must_use]
    pub fn bytes(&self) -> LineBytes {
        LineBytes {
            from_host: self.counters.from_host.load(Ordering::Relaxed),
            to_host: self.counters.to_host.load(Ordering::Relaxed),
        }
    }

    /// Presses the RESET key. Eight requests may wait; more are as one.
    pub fn reset(&self) {
        let _ = self.control.try_send(Control::Reset);
    }

    /// Switches the supply.
    pub fn power(&self, on: bool) {
        let _ = self.control.try_send(Control::Power(on));
    }

    /// Adds a rule for what goes wrong.
    pub fn fault(&self, rule: Rule) {
        let _ = self.control.try_send(Control::Fault(rule));
    }

    /// Lets the world around the module change.
    pub fn change(&self, change: Change) {
        let _ = self.control.try_send(Control::Change(change));
    }

    /// From now on no new fault happens.
    pub fn calm(&self) {
        let _ = self.control.try_send(Control::Calm);
    }

    /// Drops the TCP connection as a fault of the network does; the host is told `CLOSED`.
    pub fn close_session(&self) {
        let _ = self.control.try_send(Control::CloseSession);
    }

    /// Waits until the module has stopped by itself, which it does only when its pty fails.
    ///
    /// # Errors
    /// The failure of the pty.
    pub async fn stopped(&mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }

    /// Stops the module and waits until its task has ended. The link is removed.
    pub async fn shutdown(mut self) {
        let _ = self.control.send(Control::Stop).await;
        let _ = (&mut self.task).await;
    }
}

impl Drop for Modem {
    fn drop(&mut self) {
        self.task.abort();
    }
}
