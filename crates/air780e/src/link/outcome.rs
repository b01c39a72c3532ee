//! What the outcome of a step lets the link see, and what a failure of it means.

use super::observed::Stage;
use super::{Access, Down, Link, NETWORK_RETRY, Notice, POLL_EVERY, RESTART, SETUP_RETRY, SIM_RETRY, TOO_EARLY};
use crate::command::general::Sim;
use crate::exchange::{Ends, Failure, Refusal};
use crate::facts::AFTER_ATTACH;
use crate::session::Session;
use crate::step::{Seen, Step, opening};
use std::time::Instant;

impl Link {
    pub(super) fn saw(&mut self, step: Step, seen: Seen, now: Instant) {
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
            (_, Seen::Contexts(contexts)) => self.saw_contexts(&contexts),
            (Step::AccessPoint(_), _) => {
                self.access_told = true;
                self.access = if self.access_right { Access::Settled } else { Access::Told };
            }
            // Its banner begins the new boot; should that be lost, the module is asked again.
            (Step::Restart, _) => {
                self.access = Access::Unknown;
                self.not_before = now + RESTART;
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
    pub(super) fn advance(&mut self, step: &Step, skip: usize, now: Instant) {
        if self.setup.get(self.observed.set_up) == Some(step) {
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

    pub(super) fn failed(&mut self, step: Step, failure: Failure, now: Instant) {
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
            // Firmware without it leaves the access point to the network.
            Step::Contexts | Step::AccessPoint(_) if matches!(failure, Failure::Refused(_) | Failure::Unreadable) => {
                tracing::warn!(%failure, "the access point could not be set");
                self.access = Access::Settled;
            }
            Step::Contexts | Step::AccessPoint(_) | Step::Restart => self.not_before = now + SETUP_RETRY,
            Step::SessionState => self.not_before = now + SETUP_RETRY,
            step if self.observed.set_up < self.setup.len() => self.setup_failed(&step, &failure, now),
            step => self.opening_failed(&step, failure, now),
        }
    }

    /// Firmware that does not know a set-up command which is not essential does without it.
    fn setup_failed(&mut self, step: &Step, failure: &Failure, now: Instant) {
        if matches!(failure, Failure::Refused(_)) && !step.is_essential() {
            match step {
                Step::HardwareFlow => {
                    tracing::warn!(%failure, "the module does not take RTS/CTS flow control; the line goes on without it");
                }
                Step::AutoUpgradeOff => {
                    tracing::warn!(%failure, "the module cannot be told not to update itself; it may do so at any time");
                }
                _ => {}
            }
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
}

fn roots_size(session: &Session) -> Option<usize> {
    Some(session.tls.as_ref()?.roots.as_ref()?.pem.len())
}
