//! How a fault happens, and how it ends.

use std::time::Duration;

use bytes::Bytes;

use super::agenda::Due;
use super::noise::{Damage, Noise};
use super::{
    BROWNOUT_EVERY, Cure, Direction, EXCEPTION, FIRED_MAX, Fault, Faulty, Hang, MIX_WAITING, Output, POWER, When,
};
use crate::modem::engine::{self, Engine};

impl Faulty {
    pub(super) fn perform(&mut self, due: Due) {
        match due {
            Due::Rule(mut rule) => {
                let again = rule.times.is_none_or(|times| times > 1);
                if let (When::Every(pause), true) = (&rule.when, again) {
                    let at = self.now + *pause;
                    rule.times = rule.times.map(|times| times - 1);
                    self.agenda.set(at, Due::Rule(rule.clone()));
                }
                self.begin(rule.fault);
            }
            Due::Fault(fault) => self.begin(fault),
            Due::Brownout(more) => {
                if !self.is_deaf() {
                    self.restart(POWER);
                }
                if more > 0 {
                    self.agenda.set(self.now + BROWNOUT_EVERY, Due::Brownout(more - 1));
                }
            }
            Due::Recover => self.recover(),
            Due::Plug(path) => {
                self.unplugged = false;
                self.outputs.push_back(Output::Plug(path));
            }
            Due::Mix => {
                let Some(mix) = self.mix else { return };
                if self.armed.len() < MIX_WAITING {
                    let rule = mix.draw(&mut self.dice);
                    self.add(rule);
                }
                let pause = mix.pause(&mut self.dice);
                self.agenda.set(self.now + pause, Due::Mix);
            }
        }
    }

    /// Lets a fault happen.
    pub(super) fn begin(&mut self, fault: Fault) {
        self.fired_count += 1;
        if self.fired.len() >= FIRED_MAX {
            self.fired.pop_front();
        }
        self.fired.push_back((self.now, format!("{fault:?}")));
        tracing::info!(?fault, "fault");
        let now = self.now;
        match fault {
            Fault::Lose(direction, count) => self.noise(direction).add(Damage::Lose, count),
            Fault::Flip(direction, count) => self.noise(direction).add(Damage::Flip, count),
            Fault::Insert(direction, count) => self.noise(direction).add(Damage::Insert, count),
            Fault::Double => self.filter.double(),
            Fault::Swallow(beginning) => self.filter.swallow(&beginning),
            Fault::NoPrompt => self.filter.no_prompt(),
            Fault::Stall(time) => self.lasts(time, |faulty, end| faulty.stalled_until = faulty.stalled_until.max(end)),
            Fault::Late(time) => self.lasts(time, |faulty, end| faulty.late_until = faulty.late_until.max(end)),
            Fault::Say(text) if !self.is_deaf() => {
                self.print(engine::Output::Host(Bytes::from(format!("\r\n{text}\r\n"))));
            }
            Fault::Close => self.close_session(now),
            Fault::NoService(time) => {
                self.engine_condition(|engine| engine.set_coverage(false, now));
                self.lasts(time, |faulty, end| faulty.service_at = faulty.service_at.max(Some(end)));
            }
            Fault::NoSim(time) => {
                self.engine_condition(|engine| engine.set_sim(false, now));
                self.lasts(time, |faulty, end| faulty.sim_at = faulty.sim_at.max(Some(end)));
            }
            Fault::Refuse(code, time) => self.engine.refuse_until(now + time, code),
            Fault::Reboot if !self.is_deaf() => self.restart(EXCEPTION),
            Fault::BootLoop(count) => self.agenda.set(now, Due::Brownout(count.saturating_sub(1))),
            Fault::Hang(Cure::Time(time)) => self.lasts(time, |faulty, end| {
                faulty.hang = faulty.hang.or(Some(Hang::Until(end)));
            }),
            Fault::Hang(Cure::Reset) if self.hang != Some(Hang::Power) => self.hang = Some(Hang::Reset),
            Fault::Hang(Cure::Power) => self.hang = Some(Hang::Power),
            Fault::Vanish(time, path) if !self.unplugged => {
                self.unplugged = true;
                self.outputs.push_back(Output::Unplug);
                self.agenda.set(now + time, Due::Plug(path));
            }
            // A module that is deaf and dumb neither speaks nor crashes; a port that is gone cannot go.
            Fault::Say(_) | Fault::Reboot | Fault::Vanish(..) | Fault::Hang(Cure::Reset) => {}
        }
    }

    fn lasts(&mut self, time: Duration, set: impl FnOnce(&mut Self, Duration)) {
        let end = self.now + time;
        set(self, end);
        self.agenda.set(end, Due::Recover);
    }

    pub(super) fn engine_condition(&mut self, change: impl FnOnce(&mut Engine)) {
        change(&mut self.engine);
        if !self.is_deaf() {
            self.collect();
        }
    }

    /// Ends what has lasted long enough.
    fn recover(&mut self) {
        let now = self.now;
        if let Some(Hang::Until(end)) = self.hang
            && now >= end
        {
            self.hang = None;
            self.engine.advance(now);
            self.collect();
            for event in std::mem::take(&mut self.missed) {
                self.engine.network(event, now);
                self.collect();
            }
        }
        if self.service_at.take_if(|at| now >= *at).is_some() {
            self.engine_condition(|engine| engine.set_coverage(true, now));
        }
        if self.sim_at.take_if(|at| now >= *at).is_some() {
            self.engine_condition(|engine| engine.set_sim(true, now));
        }
        if now >= self.stalled_until && !self.is_deaf() && !self.arriving.is_empty() {
            let bytes = std::mem::take(&mut self.arriving);
            self.hear(&bytes);
        }
        if now >= self.stalled_until.max(self.late_until) {
            self.outputs.append(&mut self.leaving);
        }
    }

    fn noise(&mut self, direction: Direction) -> &mut Noise {
        match direction {
            Direction::ToModule => &mut self.to_module,
            Direction::ToHost => &mut self.to_host,
        }
    }
}
