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

use crate::command::general::Sim;
use crate::command::network::{Registration, SignalQuality};
use crate::exchange::{Ends, Failure, Refusal};
use crate::facts::{AFTER_ATTACH, Facts, Look};
use crate::ladder::{Fault, Rung};
use crate::session::{Desired, Session};
use crate::status::{Identity, Phase};
use crate::step::{SETUP, Seen, Step, opening};
use crate::urc::Urc;
use std::collections::{BTreeMap, VecDeque};
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
/// How often signal, registration and session are looked at while all is well.
const POLL_EVERY: Duration = Duration::from_secs(60);

/// What the link has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The module said who it is.
    Identified(Identity),
    /// The session of this attempt is up.
    Online(u64),
    /// The session of this attempt is down, or could not be opened.
    Offline(u64, Down),
    /// The broker confirmed a subscription.
    Subscribed(String),
    /// A subscription failed. Told once in a session; it is tried again once a minute.
    NotSubscribed(String, Failure),
}

/// Why a session is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// The connection to the broker could not be made.
    #[error("the connection to the broker could not be made ({0})")]
    Unreachable(Failure),
    /// The broker refused the sign-in. The module does not print the return code.
    #[error("the broker refused the sign-in ({0})")]
    Refused(Failure),
    /// The session could not be set up for another reason.
    #[error("the session could not be opened ({0})")]
    Failed(Failure),
    /// The broker or the network closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The module says that there is no session any more.
    #[error("the session is gone")]
    Gone,
    /// The broker did not acknowledge a message in time.
    #[error("the broker did not acknowledge a message in time")]
    NotAcknowledged,
    /// The module rebooted.
    #[error("the module rebooted")]
    Rebooted,
    /// The serial port is gone.
    #[error("the serial port is gone")]
    PortLost,
    /// It is not wanted any more.
    #[error("not wanted any more")]
    Unwanted,
}

/// Where the session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Nothing is known, or the last session failed: it is torn down first.
    Unknown,
    /// `MDISCONNECT` was sent.
    Disconnected,
    /// The module has no connection.
    Closed,
    /// Opening: this many of the opening steps are done.
    Opening(Arc<Session>, usize),
    /// Up.
    Up(Arc<Session>),
}

/// Everything that was observed since the module last booted.
#[derive(Debug)]
struct Observed {
    /// The module answers.
    answers: bool,
    /// This many of the set-up steps are done.
    set_up: usize,
    /// When the last of them was done.
    set_up_at: Option<Instant>,
    sim: Option<Sim>,
    pin_sent: bool,
    registration: Option<Registration>,
    attached: bool,
    stage: Stage,
    subscriptions: BTreeMap<String, u8>,
    /// Filters that were refused in this session, and whether it is time to ask again.
    refused: BTreeMap<String, bool>,
    /// The session may be gone: ask before it is used again.
    suspect: bool,
    /// What puts right a receive mode that is not the one that was set, and fetches the messages it kept back.
    repairs: VecDeque<Step>,
}

impl Observed {
    fn nothing(stage: Stage) -> Self {
        Self {
            answers: false,
            set_up: 0,
            set_up_at: None,
            sim: None,
            pin_sent: false,
            registration: None,
            attached: false,
            stage,
            subscriptions: BTreeMap::new(),
            refused: BTreeMap::new(),
            suspect: false,
            repairs: VecDeque::new(),
        }
    }
}

/// The link of one module.
#[derive(Debug)]
pub struct Link {
    desired: Desired,
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
    notices: VecDeque<Notice>,
}

impl Link {
    /// A link of which nothing is known. `pin` is the SIM card's, if it has one.
    pub fn new(pin: Option<String>, now: Instant) -> Self {
        Self {
            desired: Desired::default(),
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

    /// The step that comes next; `None` when there is nothing to do now. Asked when the line is free.
    pub fn next(&mut self, now: Instant) -> Option<Step> {
        if let Some(step) = self.climb.front() {
            return Some(step.clone());
        }
        if now < self.not_before {
            return None;
        }
        self.setup_step()
            .or_else(|| self.network_step())
            .or_else(|| self.session_step())
            .or_else(|| self.subscription_step())
            .or_else(|| self.poll_step(now))
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
        self.down(Down::PortLost);
        self.observed = Observed::nothing(Stage::Unknown);
    }

    /// The module said something on its own.
    pub fn on_urc(&mut self, urc: &Urc, now: Instant) {
        match urc {
            Urc::RomBanner => self.rebooted(),
            Urc::Ready => {
                self.boots += 1;
                self.rebooted();
            }
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
        if !o.answers || o.set_up < SETUP.len() {
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

    /// Carries out what a rung of the recovery ladder says, before anything else.
    pub fn climb(&mut self, rung: Rung) {
        self.climb = match rung {
            Rung::Bearer => [Step::CloseConnection, Step::Attach(false), Step::Attach(true)].into(),
            Rung::Radio => [Step::Radio(false), Step::Radio(true)].into(),
            Rung::Restart => [Step::Restart].into(),
            Rung::Hardware => VecDeque::new(),
        };
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

    fn setup_step(&self) -> Option<Step> {
        SETUP.get(self.observed.set_up).cloned()
    }

    fn network_step(&self) -> Option<Step> {
        let o = &self.observed;
        match o.sim {
            None => return Some(Step::Sim),
            Some(Sim::Pin) if !o.pin_sent && self.pin.is_some() => return self.pin.clone().map(Step::EnterPin),
            Some(Sim::Pin | Sim::Locked) => return Some(Step::Sim),
            Some(Sim::Ready) => {}
        }
        if !o.registration.is_some_and(Registration::is_registered) {
            return Some(Step::Registration);
        }
        (!o.attached).then_some(Step::Attachment)
    }

    fn session_step(&mut self) -> Option<Step> {
        if let Some(repair) = self.observed.repairs.front() {
            return Some(repair.clone());
        }
        match &self.observed.stage {
            Stage::Unknown => Some(Step::Disconnect),
            Stage::Disconnected => Some(Step::CloseConnection),
            Stage::Closed => {
                let session = self.desired.session.clone().filter(|s| Some(s.attempt) != self.failed)?;
                let step = opening(&session, 0);
                self.observed.stage = Stage::Opening(session, 0);
                step
            }
            Stage::Opening(session, done) => opening(session, *done),
            Stage::Up(_) => self.observed.suspect.then_some(Step::SessionState),
        }
    }

    fn subscription_step(&self) -> Option<Step> {
        if !matches!(self.observed.stage, Stage::Up(_)) {
            return None;
        }
        let (have, want) = (&self.observed.subscriptions, &self.desired.subscriptions);
        let surplus = have.keys().find(|filter| !want.contains_key(*filter)).cloned().map(Step::Unsubscribe);
        let missing = || {
            let asked = |filter| self.observed.refused.get(filter) == Some(&false);
            let (filter, qos) = want.iter().find(|(filter, qos)| have.get(*filter) != Some(qos) && !asked(*filter))?;
            Some(Step::Subscribe(filter.clone(), *qos))
        };
        surplus.or_else(missing)
    }

    fn poll_step(&mut self, now: Instant) -> Option<Step> {
        if now >= self.poll_at {
            self.poll_at = now + POLL_EVERY;
            self.look([Step::Signal, Step::Look(Look::Cell), Step::Registration]);
            self.observed.refused.values_mut().for_each(|again| *again = true);
            // An acknowledged publication has shown already that the session lives.
            if matches!(self.observed.stage, Stage::Up(_)) && now >= self.progress_at + POLL_EVERY {
                self.poll.push_back(Step::SessionState);
            }
        }
        self.poll.pop_front()
    }

    /// Looks when there is nothing else to do; what waits already is not asked twice.
    fn look(&mut self, steps: impl IntoIterator<Item = Step>) {
        for step in steps {
            if !self.poll.contains(&step) {
                self.poll.push_back(step);
            }
        }
    }

    fn saw(&mut self, step: Step, seen: Seen, now: Instant) {
        // The file is there already: making and writing it fall away.
        let skip = match (&step, &seen) {
            (Step::FileSize(session), Seen::FileSize(size)) if Some(*size) == roots_size(session) => 2,
            _ => 0,
        };
        self.advance(&step, skip, now);
        match (step, seen) {
            (Step::Model, Seen::Text(model)) => self.identity.model = model,
            (Step::Firmware, Seen::Text(firmware)) => self.identity.firmware = firmware,
            (Step::Imei, Seen::Text(imei)) => {
                self.identity.imei = imei;
                self.notices.push_back(Notice::Identified(self.identity.clone()));
            }
            (Step::EnterPin(_), _) => {
                self.observed.pin_sent = true;
                self.observed.sim = None;
            }
            (_, Seen::Sim(sim)) => {
                self.observed.sim = Some(sim);
                if sim != Sim::Ready {
                    self.not_before = now + SIM_RETRY;
                }
            }
            (_, Seen::Signal(signal)) => self.signal = Some(signal),
            (_, Seen::Registration(registration)) => {
                self.observed.registration = Some(registration);
                if !registration.is_registered() {
                    self.observed.attached = false;
                    self.not_before = now + NETWORK_RETRY;
                }
            }
            (_, Seen::Attached(attached)) => {
                self.observed.attached = attached;
                match attached {
                    true => self.look([Step::Signal].into_iter().chain(AFTER_ATTACH.map(Step::Look))),
                    false => self.not_before = now + NETWORK_RETRY,
                }
            }
            (_, Seen::Fact(fact)) => self.facts.learn(fact),
            (_, Seen::SessionState(state)) => {
                self.observed.suspect = false;
                if state != 1 && matches!(self.observed.stage, Stage::Up(_)) {
                    self.down(Down::Gone);
                }
            }
            (Step::Subscribe(filter, qos), _) => {
                self.observed.refused.remove(&filter);
                self.observed.subscriptions.insert(filter.clone(), qos);
                self.notices.push_back(Notice::Subscribed(filter));
            }
            (Step::Unsubscribe(filter), _) => {
                self.observed.subscriptions.remove(&filter);
            }
            (Step::Disconnect, _) => self.observed.stage = Stage::Disconnected,
            (Step::CloseConnection, _) => self.observed.stage = Stage::Closed,
            _ => {}
        }
    }

    /// Counts a finished step of the set-up or of the opening, if it is the one that was due.
    fn advance(&mut self, step: &Step, skip: usize, now: Instant) {
        if SETUP.get(self.observed.set_up) == Some(step) {
            self.observed.set_up += 1;
            self.observed.set_up_at = Some(now);
        }
        let up = match &mut self.observed.stage {
            Stage::Opening(session, done) if opening(session, *done).as_ref() == Some(step) => {
                *done += 1 + skip;
                opening(session, *done).is_none().then(|| session.clone())
            }
            _ => None,
        };
        if let Some(session) = up {
            self.notices.push_back(Notice::Online(session.attempt));
            self.observed.subscriptions.clear();
            self.observed.refused.clear();
            self.observed.suspect = false;
            self.observed.stage = Stage::Up(session);
            self.poll_at = now + POLL_EVERY;
        }
    }

    fn failed(&mut self, step: Step, failure: Failure, now: Instant) {
        if matches!(failure, Failure::NoAnswer | Failure::NoPrompt) {
            self.suspect();
        }
        // Nothing was carried out, or everything is forgotten; the loop begins again by itself.
        if matches!(failure, Failure::Rebooted | Failure::PortLost) {
            return;
        }
        match step {
            Step::Disconnect | Step::CloseConnection => self.saw(step, Seen::Nothing, now),
            Step::ReadCached | Step::Signal | Step::Look(_) => {}
            Step::Sim => self.not_before = now + SIM_RETRY,
            Step::EnterPin(_) => {
                self.observed.pin_sent = true;
                self.observed.sim = Some(Sim::Locked);
                self.not_before = now + SIM_RETRY;
            }
            Step::Registration | Step::Attachment => self.not_before = now + NETWORK_RETRY,
            Step::Subscribe(filter, _) => self.not_subscribed(filter, failure),
            Step::Unsubscribe(filter) => {
                self.observed.subscriptions.remove(&filter);
            }
            Step::SessionState => self.not_before = now + SETUP_RETRY,
            step if self.observed.set_up < SETUP.len() => self.setup_failed(&step, &failure, now),
            step => self.opening_failed(&step, failure, now),
        }
    }

    /// Firmware that does not know a set-up command which is not essential does without it.
    fn setup_failed(&mut self, step: &Step, failure: &Failure, now: Instant) {
        if matches!(failure, Failure::Refused(_)) && !step.is_essential() {
            self.advance(step, 0, now);
        } else {
            self.not_before = now + SETUP_RETRY;
        }
    }

    fn opening_failed(&mut self, step: &Step, failure: Failure, now: Instant) {
        let early = self.observed.set_up_at.is_some_and(|at| now < at + TOO_EARLY);
        match (step, failure) {
            (_, Failure::Refused(Refusal::Cme(4))) if early => self.not_before = now + NETWORK_RETRY,
            // A new file is made where none is; that it exists already is as good.
            (Step::CreateFile(_) | Step::FileSize(_), Failure::Refused(_)) => self.advance(step, 0, now),
            (Step::Open(_), failure) => self.down(Down::Unreachable(failure)),
            (Step::Connect(_), failure @ Failure::Refused(Refusal::Error)) => self.down(Down::Refused(failure)),
            (Step::Connect(_), failure @ Failure::Closed) => self.down(Down::Refused(failure)),
            (_, failure) => self.down(Down::Failed(failure)),
        }
    }

    fn not_subscribed(&mut self, filter: String, failure: Failure) {
        match failure {
            Failure::Closed => self.closed(),
            Failure::NoFollowUp(Ends::Suback) => self.down(Down::NotAcknowledged),
            failure => {
                self.suspect();
                // A filter that the module really refuses is asked for once a minute; a line that noise has hit need
                // not wait for that, because it is not answered at once either.
                let again = matches!(failure, Failure::NoAnswer);
                if self.observed.refused.insert(filter.clone(), again).is_none() {
                    self.notices.push_back(Notice::NotSubscribed(filter, failure));
                }
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
        self.down(Down::Rebooted);
        self.observed = Observed::nothing(Stage::Closed);
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
        if !o.answers {
            return Phase::NoAnswer;
        }
        if o.set_up < SETUP.len() {
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

fn roots_size(session: &Session) -> Option<usize> {
    Some(session.tls.as_ref()?.roots.as_ref()?.pem.len())
}

#[cfg(test)]
mod tests;
