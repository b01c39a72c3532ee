//! The AT engine without I/O: bytes from the host and network events go in with the time, outputs come out.
//!
//! Time is a [`Duration`] since the engine was made. Nothing happens by itself: call [`Engine::advance`] when
//! [`Engine::wake_at`] is reached, and take what is to be done with [`Engine::next_output`] after every call.
//! What the engine never does is described in `LIFECYCLE.md` beside this file.

mod apn;
mod baud;
mod bearer;
mod boot;
mod change;
mod clock;
mod commands;
mod fault;
mod files;
mod general;
mod http;
mod input;
mod location;
mod mqtt;
mod network;
mod operator;
mod output;
mod outside;
mod parse;
pub(super) mod rng;
mod settings;
mod setup;
mod sim;
mod sleep;
mod sms;
mod storage;
mod tcp;
mod time;
mod timers;
mod tls;
mod upgrade;
mod world;

use std::collections::VecDeque;
use std::time::Duration;

use super::profile::Profile;
use apn::Contexts;
use baud::Hunt;
use bearer::Bearer;
pub use change::{Change, Network};
use commands::Line;
use files::Files;
use http::Http;
use input::Input;
use mqtt::Mqtt;
use network::Radio;
use operator::Operator;
use output::Sender;
pub use outside::{Failure, NetEvent, Output, Service};
use rng::Rng;
use settings::Settings;
pub use setup::Setup;
use sim::Sim;
use sleep::Sleep;
use sms::Sms;
use tcp::Tcp;
use time::Clock;
use timers::{Timer, Timers};
pub use tls::Tls;
use tls::TlsSettings;
pub use upgrade::Offer;
use upgrade::Upgrade;
use world::World;

/// The simulated module.
#[derive(Debug)]
pub struct Engine {
    profile: Profile,
    setup: Setup,
    now: Duration,
    rng: Rng,
    timers: Timers,
    /// Before this time the module hears nothing.
    hears_from: Duration,
    /// Answer to `AT*EXINFO?`.
    start_reason: u8,
    input: Input,
    line: Line,
    sender: Sender,
    outputs: VecDeque<Output>,
    settings: Settings,
    /// What `AT&W` has stored; survives a reboot.
    stored: Settings,
    radio: Radio,
    mqtt: Mqtt,
    clock: Clock,
    contexts: Contexts,
    operator: Operator,
    hunt: Hunt,
    sim: Sim,
    sleep: Sleep,
    sms: Sms,
    tcp: Tcp,
    upgrade: Upgrade,
    bearer: Bearer,
    http: Http,
    /// Numbers connections over reboots, so that a late event of an old one is told apart.
    connections: u64,
    tls: TlsSettings,
    /// Survives a reboot.
    files: Files,
    /// Survives a reboot.
    world: World,
}

impl Engine {
    /// A module whose supply is switched on at time zero.
    #[must_use]
    pub fn new(profile: Profile, setup: Setup) -> Self {
        let settings = Settings::factory(&profile, setup.baud);
        let mut engine = Self {
            now: Duration::ZERO,
            rng: Rng::new(setup.seed),
            timers: Timers::default(),
            hears_from: Duration::MAX,
            start_reason: 0,
            input: Input::default(),
            line: Line::default(),
            sender: Sender::default(),
            outputs: VecDeque::new(),
            stored: settings.clone(),
            settings,
            radio: Radio::default(),
            mqtt: Mqtt::new(&profile),
            clock: Clock::default(),
            contexts: Contexts::default(),
            operator: Operator::default(),
            hunt: Hunt::default(),
            sim: Sim::new(setup.pin.as_deref(), &setup.puk),
            sleep: Sleep::default(),
            sms: Sms::default(),
            tcp: Tcp::default(),
            upgrade: Upgrade::default(),
            bearer: Bearer::default(),
            http: Http::default(),
            connections: 0,
            tls: TlsSettings::default(),
            files: Files::new(profile.file_space),
            world: World::default(),
            profile,
            setup,
        };
        engine.power_on(Duration::ZERO);
        engine
    }

    /// The host has sent these bytes.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.advance(now);
        if now >= self.hears_from && self.hears_bytes() {
            let obeyed = (self.settings.ifc.0 == 1).then(|| self.sender.obey(bytes));
            let bytes = obeyed.as_deref().unwrap_or(bytes);
            let trained = if self.hunts() { self.train(bytes) } else { 0 };
            let bytes = bytes.get(trained..).unwrap_or_default();
            if self.tcp.owns_line() {
                self.tcp_bytes(bytes);
            } else {
                self.take_bytes(bytes);
            }
        }
        self.flush();
    }

    /// Something happened to a connection; it reaches the module one round trip later.
    pub fn network(&mut self, event: NetEvent, now: Duration) {
        self.advance(now);
        self.timers.set(now + self.setup.rtt, Timer::Net(event));
        self.advance(now);
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Duration) {
        let target = now.max(self.now);
        while let Some((at, timer)) = self.timers.pop(target) {
            self.now = at.max(self.now);
            self.fire(timer);
        }
        self.now = target;
        self.flush();
    }

    /// When [`Engine::advance`] is to be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        [self.timers.next_at(), self.sender.next_at()].into_iter().flatten().min()
    }

    /// The next thing to do, if any.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The RESET key: everything volatile is lost and the connection dies without a farewell.
    pub fn reset(&mut self, now: Duration) {
        self.restart(5, now);
    }

    /// The same for another reason, which `AT*EXINFO?` tells: 0 power, 5 RESET key, 6 exception, 8 watchdog.
    pub fn restart(&mut self, reason: u8, now: Duration) {
        self.advance(now);
        self.reboot(reason);
        self.flush();
    }

    /// Drops the connection as a fault of the network does.
    pub fn close_session(&mut self, now: Duration) {
        self.advance(now);
        if let Some(id) = self.mqtt.connection() {
            self.outputs.push_back(Output::Abort { id });
            self.net_closed(id);
        }
        self.flush();
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Boot(step) => self.boot(step),
            Timer::Execute => self.execute(),
            Timer::Resume => self.run_rest(),
            Timer::Urc(text) => self.urc(&text),
            Timer::ReleaseUrcs => self.release_urcs(),
            Timer::DataGap(phase) => self.data_gap(phase),
            Timer::Net(event) => self.net_event(event),
            Timer::Opened(id) => self.link_up(id),
            Timer::ConnectTimeout(id) => self.connect_timeout(id),
            Timer::ConnackTimeout(id) => self.connack_timeout(id),
            Timer::KeepAlive(id) => self.keep_alive(id),
            Timer::HttpSend(id) => self.http_send(id),
            Timer::NtpTimeout(id) => self.ntp_timeout(id),
            Timer::SmsSent => self.sms_sent(),
            Timer::Answer(text) => self.answered_late(&text),
            Timer::PowerOff => self.shut_down(),
            Timer::TcpTimeout(id) => self.tcp_timeout(id),
            Timer::TcpEscape => self.tcp_escape(),
            Timer::RawUrc(bytes) => self.transmit(&bytes),
            Timer::Located(search) => self.located(search),
            Timer::AutoUpgrade => self.auto_upgrade(),
            Timer::UpgradeAsked => self.upgrade_asked(),
            Timer::UpgradeStep => self.upgrade_step(),
            Timer::UpgradeTimeout(id) => self.upgrade_timeout(id),
            Timer::HttpLost => self.http_bearer_lost(),
            Timer::HttpTimeout(id) => self.http_timeout(id),
            Timer::Attach => self.attach(),
            Timer::Reboot(reason) => self.reboot(reason),
        }
    }

    fn after(&mut self, delay: Duration, timer: Timer) {
        self.timers.set(self.now + delay, timer);
    }

    /// A number for a new connection.
    fn next_connection(&mut self) -> u64 {
        self.connections += 1;
        self.connections
    }

    /// Hands an event to all that may own its connection; numbers are not used twice, so only one will act.
    fn net_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::Opened(id) => {
                self.net_opened(id);
                self.http_opened(id);
                self.tcp_opened(id);
                self.upgrade_opened(id);
            }
            NetEvent::Failed(id, failure) => {
                self.connect_failed(id);
                self.http_failed(id, failure);
                self.tcp_ended(id);
                self.upgrade_lost(id, failure);
                self.ntp_failed(id, failure);
            }
            NetEvent::Received(id, bytes) => {
                self.net_received(id, &bytes);
                self.http_received(id, &bytes);
                self.tcp_received(id, &bytes);
                self.upgrade_received(id, Some(&bytes));
                self.ntp_received(id, &bytes);
            }
            NetEvent::Closed(id) => {
                self.net_closed(id);
                self.http_closed(id);
                self.tcp_ended(id);
                self.upgrade_received(id, None);
            }
        }
    }
}
