//! The driver: the one task that owns the serial port.
//!
//! It feeds the [`Engine`] with bytes and the [`Link`] with what the engine understood, puts on the line what comes
//! next, and hands what users asked for back to them. Steps of the link come before publications, and those before
//! questions from the console.

mod port;
mod queue;
mod upkeep;

use crate::channels::{Channels, Event, PublishError, Recovery};
use crate::engine::{Counters, Engine, Event as Line};
use crate::exchange::{Exchange, Failure, Outcome};
use crate::ladder::{Heal, Ladder};
use crate::link::{Down, Link, Notice, Options};
use crate::rate::{Rate, Turn, Wanted};
use crate::status::Status;
use crate::step::{Seen, Step};
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};

/// What a command on the line was for.
enum Purpose {
    Step(Step),
    Publication {
        reply: oneshot::Sender<Result<(), PublishError>>,
        /// Whether the broker acknowledges it.
        acknowledged: bool,
        /// Bytes of its data phase.
        len: usize,
    },
    Question(oneshot::Sender<Outcome>),
}

struct Waiting<T> {
    exchange: Exchange,
    reply: oneshot::Sender<T>,
}

/// Everything but the port.
pub(crate) struct Driver {
    engine: Engine,
    link: Link,
    rate: Rate,
    /// The rate has to change before anything else is sent.
    turn: Option<Turn>,
    /// Nobody answers at this port.
    elsewhere: bool,
    ladder: Ladder,
    last_heal: Option<Heal>,
    recovery: Recovery,
    /// What `recovery.note` was told last.
    noted: Option<Bytes>,
    in_flight: HashMap<u64, Purpose>,
    next_ticket: u64,
    publications: VecDeque<Waiting<Result<(), PublishError>>>,
    questions: VecDeque<Waiting<Outcome>>,
    /// Whose turn it is when both publications and questions wait: neither starves the other.
    question_next: bool,
    channels: Channels,
}

impl Driver {
    pub(crate) fn new(wanted: Wanted, options: Options, mut recovery: Recovery, channels: Channels) -> Self {
        let now = now();
        let noted = recovery.interrupted.take();
        let rate = Rate::new(wanted);
        Self {
            engine: Engine::new(rate.current(), now).owing(noted.clone()),
            link: Link::new(options, now),
            rate,
            turn: None,
            elsewhere: false,
            last_heal: None,
            ladder: Ladder::new(recovery.budget, recovery.reset.is_some(), now),
            recovery,
            noted,
            in_flight: HashMap::new(),
            next_ticket: 0,
            publications: VecDeque::new(),
            questions: VecDeque::new(),
            question_next: false,
            channels,
        }
    }

    fn may_step(&self) -> bool {
        self.engine.is_free() && !self.in_flight.values().any(|purpose| matches!(purpose, Purpose::Step(_)))
    }

    fn want(&mut self) {
        let desired = self.channels.desired.borrow_and_update().clone();
        self.link.want(desired);
    }

    /// Brings engine, link and users up to date with each other, until nothing is left to do now.
    fn pump(&mut self, now: Instant) {
        self.engine.tick(now);
        self.recover(now);
        self.tune(now);
        loop {
            while let Some(event) = self.engine.next_event() {
                self.on_line(event, now);
            }
            while let Some(notice) = self.link.next_notice() {
                self.on_notice(notice);
            }
            if !self.start_next(now) {
                break;
            }
        }
        self.refuse_what_cannot_go();
        self.note();
        self.show();
    }

    /// What was begun here has yet to leave.
    fn note(&mut self) {
        let due = self.engine.payload_due();
        if due != self.noted.as_ref() {
            self.noted = due.cloned();
            if let Some(note) = &mut self.recovery.note {
                note(self.noted.as_deref());
            }
        }
    }

    fn on_line(&mut self, event: Line, now: Instant) {
        match event {
            Line::Done(ticket, outcome) => self.done(ticket, outcome, now),
            Line::Urc(urc) => {
                upkeep::tell_update(&urc);
                self.link.on_urc(&urc, now);
                // Nobody may be listening.
                let _ = self.channels.urcs.send(urc);
            }
            Line::Message(message) => self.tell(Event::Message(message)),
            Line::Broken(broken) => {
                tracing::warn!(%broken, "bytes were lost on the serial line");
                self.rate.troubled(now);
            }
            Line::Synchronised => {
                self.link.answers(true);
                self.rate.answered();
                self.tune(now);
            }
            Line::Echoes => self.link.echoes(),
            // It has better things to do.
            Line::Silent if self.link.is_installing() => {}
            Line::Silent => {
                tracing::warn!(event = "module_silent", "the module does not answer");
                self.link.answers(false);
                self.elsewhere = true;
            }
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Identified(identity) => {
                tracing::info!(
                    event = "module",
                    model = identity.model,
                    firmware = identity.firmware,
                    imei = identity.imei,
                    "module"
                );
                Event::Identified(identity)
            }
            Notice::Online(attempt) => Event::Online(attempt),
            Notice::Offline(attempt, reason) => {
                if !matches!(reason, Down::Refused(_) | Down::Unwanted | Down::Rebooted | Down::PortLost) {
                    self.ladder.connection_failed();
                }
                Event::Offline(attempt, reason)
            }
            Notice::Subscribed(filter) => Event::Subscribed(filter),
            Notice::NotSubscribed(filter, failure) => Event::NotSubscribed(filter, failure),
        };
        self.tell(event);
    }

    fn tell(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.channels.events.try_send(event) {
            tracing::error!(?event, "an event was dropped: its reader does not keep up");
        }
    }

    fn done(&mut self, ticket: u64, outcome: Outcome, now: Instant) {
        if outcome == Err(Failure::NoAnswer) {
            self.rate.troubled(now);
        }
        match self.in_flight.remove(&ticket) {
            None => {}
            Some(Purpose::Step(step)) => {
                let seen = outcome.and_then(|information| step.read(&information));
                if let Err(failure) = &seen {
                    tracing::debug!(?step, %failure, "step failed");
                }
                if let Step::SetRate(rate) = step {
                    self.asked_for_rate(rate, &seen);
                }
                if seen == Ok(Seen::SessionState(1)) {
                    self.ladder.confirmed(now);
                }
                self.link.done(step, seen, now);
            }
            Some(Purpose::Publication { reply, acknowledged, len }) => {
                let outcome = outcome.map(|_| ());
                if outcome.is_ok() && acknowledged {
                    self.ladder.confirmed(now);
                }
                self.link.published(&outcome, now);
                if outcome.is_err() {
                    // Order is kept: what was to follow it fails with it, unsent.
                    self.refuse_publications();
                }
                // Whoever asked may have gone; the publication was made all the same.
                let _ = reply.send(outcome.map_err(|failure| PublishError::of(failure, len)));
            }
            Some(Purpose::Question(reply)) => {
                let _ = reply.send(outcome);
            }
        }
    }

    /// Updates the status, and wakes whoever watches it only if something changed besides the counters.
    fn show(&self) {
        self.channels.status.send_if_modified(|status| {
            let changed = !self.is_shown(status);
            if changed {
                *status = Status {
                    phase: self.link.phase(),
                    identity: self.link.identity().cloned(),
                    signal: self.link.signal(),
                    registration: self.link.registration(),
                    facts: self.link.facts().clone(),
                    boots: self.link.boots(),
                    budget: self.ladder.budget(),
                    last_heal: self.last_heal,
                    counters: Counters::default(),
                    baud: self.rate.current(),
                    port_error: None,
                };
            }
            status.counters = self.engine.counters();
            changed
        });
    }

    /// Whether the status says what is so, the counters aside. Asked after every event, so nothing is copied.
    fn is_shown(&self, status: &Status) -> bool {
        let Status {
            phase,
            identity,
            signal,
            registration,
            facts,
            boots,
            budget,
            last_heal,
            baud,
            port_error,
            counters: _,
        } = status;
        *phase == self.link.phase()
            && identity.as_ref() == self.link.identity()
            && *signal == self.link.signal()
            && *registration == self.link.registration()
            && facts == self.link.facts()
            && *boots == self.link.boots()
            && *budget == self.ladder.budget()
            && *last_heal == self.last_heal
            && *baud == self.rate.current()
            && port_error.is_none()
    }
}

/// The clock of the event loop, which tests can turn.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
