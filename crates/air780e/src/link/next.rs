//! Which step comes next: the first of what is wanted and not observed.

use super::observed::Stage;
use super::{Access, Link, POLL_EVERY};
use crate::command::general::Sim;
use crate::command::network::Registration;
use crate::facts::Look;
use crate::step::{Step, opening};
use std::time::Instant;

impl Link {
    /// The step that comes next; `None` when there is nothing to do now. Asked when the line is free.
    pub fn next(&mut self, now: Instant) -> Option<Step> {
        if let Some(step) = self.climb.front().or(self.tune.as_ref()) {
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

    fn setup_step(&self) -> Option<Step> {
        self.setup.get(self.observed.set_up).cloned()
    }

    fn network_step(&self) -> Option<Step> {
        let o = &self.observed;
        match o.sim {
            None => return Some(Step::Sim),
            Some(Sim::Pin) if !o.pin_sent && self.pin.is_some() => return self.pin.clone().map(Step::EnterPin),
            Some(Sim::Pin | Sim::Locked) => return Some(Step::Sim),
            Some(Sim::Ready) => {}
        }
        if let Some(step) = self.access_step() {
            return Some(step);
        }
        if !o.registration.is_some_and(Registration::is_registered) {
            return Some(Step::Registration);
        }
        (!o.attached).then_some(Step::Attachment)
    }

    fn access_step(&self) -> Option<Step> {
        match self.access {
            Access::Unknown => Some(Step::Contexts),
            Access::Wrong => self.access_point.clone().map(Step::AccessPoint),
            Access::Told => Some(Step::Restart),
            Access::Settled => None,
        }
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
}
