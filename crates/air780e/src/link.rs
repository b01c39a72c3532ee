//! The link: from wherever the module is to where it is wanted. A convergence loop without I/O; see `LIFECYCLE.md`.
//!
//! [`Link::next`] compares what is wanted with what has been observed and names the one step that comes next; its
//! outcome is an observation again. So a new desire needs no cancelling, and a reboot is nothing but the loss of all
//! observations.
//!
//! * [link-1] `RDY` or the ROM banner at any time: everything is sent again.
//! * [link-2] A new desire wins over whatever is going on.
//! * [link-3] One attempt is tried once; its failure is told once.
//! * [link-4] Every connect sets the receive mode first; the module forgets it at a reset and may keep it otherwise.
//! * [link-5] A missing acknowledgement ends the session: without packet ids, a late one would be taken for the next. So
//!   does a missing answer to a publication, which may have been made all the same.
//! * [link-6] Whatever hints at a lost session is confirmed with the module before it is believed; a lost one is torn
//!   down before the next is tried, within two commands' time.
//! * [link-7] A module that installs an update of its firmware is left alone, however long it does not answer.

mod next;
mod observed;
mod outcome;
mod told;

use crate::command::general::Sim;
use crate::command::mqtt::{ACKNOWLEDGED_WITHIN, CloseConnection, Disconnect};
use crate::command::network::{Registration, SignalQuality};
use crate::command::pdp::Contexts;
use crate::engine::REGAINED_WITHIN;
use crate::exchange::Failure;
use crate::facts::Facts;
use crate::ladder::{Fault, Rung};
use crate::session::{AccessPoint, Desired, Session};
use crate::status::{Identity, Phase};
use crate::step::{SETUP, Seen, Step};
use crate::urc::{Installing, Urc};
use atat::AtatCmd;
use observed::{Observed, Stage};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A registration takes 2 to 30 s; asking every second finds it soon and costs 20 bytes on a line that is idle anyway.
const NETWORK_RETRY: Duration = Duration::from_secs(1);
/// A busy SIM card is ready within some 10 s.
const SIM_RETRY: Duration = Duration::from_secs(2);
/// After a set-up command was not answered.
const SETUP_RETRY: Duration = Duration::from_millis(500);
/// For how long after the set-up MQTT commands may be refused with code 4 for no other reason than that it is too early.
/// Source: bench notes, some 30 s after power-on; twice that.
const TOO_EARLY: Duration = Duration::from_secs(60);
/// A module that was told to reboot says so within a second.
const RESTART: Duration = Duration::from_secs(5);
/// While the boot loader installs an update it answers nothing, and tells each of its hundred steps. Without a word for this
/// long it is stuck. Source: log of an update from V1138 to V1147; the whole takes one to two minutes.
const INSTALL_SILENCE: Duration = Duration::from_secs(120);
/// How often signal, registration and session are looked at while all is well.
const POLL_EVERY: Duration = Duration::from_secs(60);

/// What is below the recovery ladder: an acknowledgement is missing, the line is fenced, and the session that was is taken
/// down. What comes behind it, the next sign-in, is a matter of the network and the broker.
pub const RECONNECT: Duration = ACKNOWLEDGED_WITHIN
    .saturating_add(REGAINED_WITHIN)
    .saturating_add(Duration::from_millis((Disconnect::MAX_TIMEOUT_MS + CloseConnection::MAX_TIMEOUT_MS) as u64));

pub use told::{Down, Notice};

/// What the link brings along for every boot.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The PIN of the SIM card, if it has one.
    pub pin: Option<String>,
    /// The access point; `None`: the network's choice.
    pub access: Option<AccessPoint>,
    /// Whether RTS and CTS are wired.
    pub hardware_flow: bool,
}

/// Whether the module's access point is the wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Access {
    Unknown,
    /// It has to be told.
    Wrong,
    /// It was told, and takes effect with a boot.
    Told,
    /// It is, or there is nothing more to do about it.
    Settled,
}

/// The link of one module.
#[derive(Debug)]
pub struct Link {
    desired: Desired,
    /// What every boot needs, in this order.
    setup: Vec<Step>,
    access_point: Option<Arc<AccessPoint>>,
    access: Access,
    /// The module was told its access point: not again in this life, whatever the network makes of it.
    access_told: bool,
    /// The module has its name already: no boot is needed.
    access_right: bool,
    /// What the rate of the line needs, before anything else.
    tune: Option<Step>,
    observed: Observed,
    identity: Identity,
    signal: Option<SignalQuality>,
    facts: Facts,
    pin: Option<String>,
    /// The attempt that failed: not tried again.
    failed: Option<u64>,
    not_before: Instant,
    poll_at: Instant,
    /// When the broker last acknowledged something.
    progress_at: Instant,
    poll: VecDeque<Step>,
    /// What is left of the rung that is being climbed.
    climb: VecDeque<Step>,
    /// The broker refused the sign-in: no fault of the module.
    refused: bool,
    boots: u64,
    /// The boot loader installs an update; given up as stuck at this time.
    installing: Option<Instant>,
    notices: VecDeque<Notice>,
}

impl Link {
    /// A link of which nothing is known.
    pub fn new(options: Options, now: Instant) -> Self {
        let Options { pin, access, hardware_flow } = options;
        let mut setup = SETUP.to_vec();
        setup.extend(hardware_flow.then_some(Step::HardwareFlow));
        Self {
            desired: Desired::default(),
            setup,
            access: if access.is_some() { Access::Unknown } else { Access::Settled },
            access_point: access.map(Arc::new),
            access_told: false,
            access_right: false,
            tune: None,
            observed: Observed::nothing(Stage::Unknown),
            identity: Identity::default(),
            signal: None,
            facts: Facts::default(),
            pin,
            failed: None,
            not_before: now,
            poll_at: now,
            progress_at: now,
            poll: VecDeque::new(),
            climb: VecDeque::new(),
            refused: false,
            boots: 0,
            installing: None,
            notices: VecDeque::new(),
        }
    }

    /// From now on this is wanted.
    pub fn want(&mut self, desired: Desired) {
        self.desired = desired;
        let wanted = self.desired.session.as_ref().map(|s| s.attempt);
        if self.current().is_some_and(|s| Some(s.attempt) != wanted) {
            self.down(Down::Unwanted);
        }
    }

    /// When [`Link::next`] may have something to do although nothing happens.
    pub fn wake_at(&self, now: Instant) -> Instant {
        if now < self.not_before { self.not_before } else { self.poll_at }
    }

    /// Whether a message may be published now.
    pub fn may_publish(&self) -> bool {
        let o = &self.observed;
        matches!(o.stage, Stage::Up(_)) && o.attached && !o.suspect
    }

    /// The next thing to tell.
    pub fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Whether the module answers.
    pub fn answers(&mut self, answers: bool) {
        self.observed.answers = answers;
    }

    /// The module echoes. If it had been told not to, it has rebooted unseen.
    pub fn echoes(&mut self) {
        if self.observed.set_up > 0 {
            self.rebooted();
            self.observed.answers = true;
        }
    }

    /// The serial port is gone; another module may come back.
    pub fn port_lost(&mut self) {
        self.facts.forget_module();
        self.climb.clear();
        self.tune = None;
        self.installing = None;
        self.look_at_access();
        self.down(Down::PortLost);
        self.observed = Observed::nothing(Stage::Unknown);
    }

    /// The module said something on its own.
    pub fn on_urc(&mut self, urc: &Urc, now: Instant) {
        match urc {
            Urc::RomBanner => self.rebooted(),
            Urc::Ready => {
                self.boots += 1;
                self.installing = None;
                self.rebooted();
            }
            Urc::UpgradeInstalling(Installing::End(_)) => self.installing = None,
            Urc::UpgradeInstalling(_) => self.installing = Some(now + INSTALL_SILENCE),
            Urc::Closed => self.closed(),
            Urc::BearerLost | Urc::Service(false) | Urc::Mode(0) => {
                self.observed.registration = None;
                self.observed.attached = false;
                self.suspect();
            }
            Urc::BearerUp | Urc::Service(true) => self.not_before = now,
            Urc::Nitz(time) => self.facts.heard_time(time, now),
            Urc::Sim(present) => {
                self.facts.forget_card();
                self.observed.sim = None;
                self.observed.pin_sent &= *present;
                self.observed.registration = None;
            }
            Urc::Cached(_) if self.observed.repairs.is_empty() => {
                self.observed.repairs.extend([Step::DirectMessages, Step::ReadCached]);
            }
            _ => {}
        }
    }

    /// A publication ended.
    pub fn published(&mut self, outcome: &Result<(), Failure>, now: Instant) {
        match outcome {
            Ok(()) => self.progress_at = now,
            // It may have been made, and its acknowledgement may come yet.
            Err(Failure::NoFollowUp(_) | Failure::NoAnswer | Failure::NoPrompt) => self.down(Down::NotAcknowledged),
            Err(Failure::Closed) => self.closed(),
            Err(_) => self.suspect(),
        }
    }

    /// A step ended.
    pub fn done(&mut self, step: Step, outcome: Result<Seen, Failure>, now: Instant) {
        if self.climb.front() == Some(&step) {
            self.climbed(&step, now);
            return;
        }
        if self.tune.as_ref() == Some(&step) {
            self.tune = None;
            return;
        }
        if self.observed.repairs.front() == Some(&step) {
            self.observed.repairs.pop_front();
        }
        match outcome {
            Ok(seen) => self.saw(step, seen, now),
            Err(failure) => self.failed(step, failure, now),
        }
    }

    /// What is wrong although a session is wanted. A SIM card that is missing or locked, a network or a broker that
    /// refuses: no rung helps against those.
    pub fn fault(&self) -> Option<Fault> {
        let o = &self.observed;
        self.desired.session.as_ref()?;
        // [link-7]
        if self.is_installing() {
            return None;
        }
        if !o.answers || o.set_up < self.setup.len() {
            return Some(Fault::Silent);
        }
        if o.sim != Some(Sim::Ready) || o.registration == Some(Registration::Denied) {
            return None;
        }
        if !o.attached {
            return Some(Fault::NoNetwork);
        }
        let missing = !matches!(o.stage, Stage::Up(_)) && !self.refused;
        missing.then_some(Fault::NoSession)
    }

    /// Whether the boot loader installs an update.
    pub fn is_installing(&self) -> bool {
        self.installing.is_some()
    }

    /// Tells the time: an installation that says nothing any more is not waited for.
    pub fn tick(&mut self, now: Instant) {
        self.installing = self.installing.filter(|until| now < *until);
    }

    /// Carries out what a rung of the recovery ladder says, before anything else.
    pub fn climb(&mut self, rung: Rung) {
        self.climb = match rung {
            Rung::Bearer => [Step::CloseConnection, Step::Attach(false), Step::Attach(true)].into(),
            Rung::Radio => [Step::Radio(false), Step::Radio(true)].into(),
            Rung::Restart => [Step::Restart].into(),
            Rung::Hardware => VecDeque::new(),
        };
    }

    /// The rate of the line needs this.
    pub fn tune(&mut self, step: Step) {
        self.tune = Some(step);
    }

    /// Whether a rung is being carried out.
    pub fn is_climbing(&self) -> bool {
        !self.climb.is_empty()
    }

    /// A step of a rung ended, well or not. After the last one the module is set up and identified anew.
    fn climbed(&mut self, step: &Step, now: Instant) {
        self.climb.pop_front();
        if !self.climb.is_empty() {
            return;
        }
        self.down(Down::Gone);
        let pin_sent = self.observed.pin_sent && *step != Step::Restart;
        self.observed = Observed { answers: true, pin_sent, ..Observed::nothing(Stage::Unknown) };
        self.not_before = now;
    }

    /// Looks when there is nothing else to do; what waits already is not asked twice.
    fn look(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            if !self.poll.contains(&step) {
                self.poll.push_back(step);
            }
        }
    }

    fn closed(&mut self) {
        if matches!(self.observed.stage, Stage::Up(_)) {
            self.down(Down::Closed);
        }
    }

    /// Something does not look as a living session does.
    fn suspect(&mut self) {
        self.observed.suspect = matches!(self.observed.stage, Stage::Up(_));
    }

    fn rebooted(&mut self) {
        self.facts.forget_module();
        self.climb.clear();
        self.tune = None;
        self.look_at_access();
        self.down(Down::Rebooted);
        self.observed = Observed::nothing(Stage::Closed);
    }

    /// Another module may have come, or this one may have another access point now.
    fn look_at_access(&mut self) {
        if self.access_point.is_some() {
            self.access = Access::Unknown;
        }
    }

    /// What the module says of its contexts.
    fn saw_contexts(&mut self, contexts: &Contexts) {
        let Some(wanted) = &self.access_point else { return };
        let found = contexts.0.iter().find(|context| context.cid == 1).and_then(|context| context.apn.as_deref());
        let right = found.is_some_and(|found| wanted.is(found));
        // What protects it is not shown: it is told once, right name or not.
        let tell = !self.access_told && (!right || wanted.login.is_some());
        self.access = if tell { Access::Wrong } else { Access::Settled };
        if !right && self.access_told {
            let (wanted, found) = (&wanted.name, found.unwrap_or("none"));
            tracing::warn!(wanted, found, "the network has given the module another access point");
        }
        self.access_right = right;
    }

    /// The session of the attempt that is up or being opened.
    fn current(&self) -> Option<&Arc<Session>> {
        match &self.observed.stage {
            Stage::Opening(session, _) | Stage::Up(session) => Some(session),
            _ => None,
        }
    }

    /// Ends the current attempt, if there is one.
    fn down(&mut self, reason: Down) {
        let Some(attempt) = self.current().map(|s| s.attempt) else { return };
        self.failed = Some(attempt);
        self.refused = matches!(reason, Down::Refused(_));
        self.notices.push_back(Notice::Offline(attempt, reason));
        self.observed.stage = Stage::Unknown;
        self.observed.suspect = false;
        self.observed.subscriptions.clear();
        self.observed.refused.clear();
    }

    /// Who the module is, once it has said so.
    pub fn identity(&self) -> Option<&Identity> {
        (!self.identity.imei.is_empty()).then_some(&self.identity)
    }

    /// The last signal report.
    pub fn signal(&self) -> Option<SignalQuality> {
        self.signal
    }

    /// What else is known.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The last registration report since the module booted.
    pub fn registration(&self) -> Option<Registration> {
        self.observed.registration
    }

    /// How often the module was seen to boot.
    pub fn boots(&self) -> u64 {
        self.boots
    }

    /// How far the way is gone.
    pub fn phase(&self) -> Phase {
        let o = &self.observed;
        match o.answers {
            false if self.is_installing() => return Phase::Updating,
            false => return Phase::NoAnswer,
            true => {}
        }
        if o.set_up < self.setup.len() {
            return Phase::SettingUp;
        }
        match (o.sim, &o.stage) {
            (_, Stage::Up(_)) => Phase::Online,
            (None, _) => Phase::NoSim,
            (Some(Sim::Pin | Sim::Locked), _) => Phase::SimLocked,
            _ if !o.attached => Phase::Searching,
            (_, Stage::Opening(..)) => Phase::Connecting,
            _ => Phase::Attached,
        }
    }
}

#[cfg(test)]
mod tests;
