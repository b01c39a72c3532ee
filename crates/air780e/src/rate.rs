//! The rate of the line: found, raised, kept, and given up again where it does not carry. A state machine without I/O; see
//! `LIFECYCLE.md`.
//!
//! * [rate-1] A rate that was fixed is never left.
//! * [rate-2] Silence at a rate that has carried answers is most often a module that boots: it is left late. One that is only
//!   tried is left soon.
//! * [rate-3] A raised rate is kept by the module only after an answer has come over it.
//! * [rate-4] A raised rate that does not carry, or not well, is given up until the driver is started again.

use crate::command::serial::RATES;
use crate::step::Step;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The rate of a module as it leaves the factory, and of one that finds the rate itself.
pub const FACTORY: u32 = 115_200;
/// What modules were set to by others, the likeliest first. Slower ones would be heard too late to be useful.
const LIKELY: [u32; 9] = [FACTORY, 9_600, 921_600, 460_800, 230_400, 57_600, 38_400, 19_200, 4_800];
/// A module boots within 4 s; one that hangs for longer is the recovery's business, and the other rates are tried beside it.
const PROVEN: Duration = Duration::from_secs(15);
/// The same in the later rounds: long enough for a module that is booting just then.
const PROVEN_AGAIN: Duration = Duration::from_secs(5);
/// Time for five `AT`: a module that finds the rate by itself needs several.
const TRIED: Duration = Duration::from_millis(2_500);
/// A module that was just told to change its rate is awake.
const RAISED: Duration = Duration::from_secs(3);
/// So often it is asked for the raised rate.
const ATTEMPTS: u32 = 3;
/// So many commands without answer, or frames with lost bytes, within [`TROUBLE_FOR`] are too many for a raised rate.
const TROUBLES: usize = 5;
const TROUBLE_FOR: Duration = Duration::from_secs(600);

/// What the user wants of the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What the line runs at, in bits per second; `None`: to be found.
    pub base: Option<u32>,
    /// To be raised to this once the module answers, in bits per second.
    pub most: Option<u32>,
}

impl Wanted {
    /// One rate and no other.
    pub fn fixed(baud: u32) -> Self {
        Self { base: Some(baud), most: None }
    }
}

/// Which rate the host has to use now.
#[derive(Debug)]
pub struct Rate {
    wanted: Wanted,
    /// What the host uses.
    current: u32,
    /// At which the module answered last.
    proven: Option<u32>,
    /// It did not answer there for long: the other rates are tried.
    hunting: bool,
    candidates: Vec<u32>,
    leave_at: Option<Instant>,
    /// The module said `OK` to another rate; the one from which it came.
    from: Option<u32>,
    /// What the module has to be told next.
    step: Option<Step>,
    attempts: u32,
    /// The module has not kept the rate that it was asked for.
    to_keep: bool,
    troubles: VecDeque<Instant>,
}

/// What the host has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Use this rate, in bits per second.
    pub to: u32,
    /// But first, at the old one, ask the module for this rate; it may hear although it is not heard.
    pub ask_for: Option<u32>,
}

impl Rate {
    /// The rate before anything is known.
    pub fn new(wanted: Wanted) -> Self {
        let mut candidates = Vec::new();
        // A raised rate first: a module that was raised before still runs at it, and may even wait for the rest of a payload.
        for rate in [wanted.most, wanted.base].into_iter().flatten().chain(LIKELY) {
            if !candidates.contains(&rate) {
                candidates.push(rate);
            }
        }
        Self {
            wanted,
            current: candidates.first().copied().unwrap_or(FACTORY),
            proven: None,
            hunting: false,
            candidates,
            leave_at: None,
            from: None,
            step: None,
            attempts: 0,
            to_keep: false,
            troubles: VecDeque::new(),
        }
    }

    /// What the host has to use now, in bits per second.
    pub fn current(&self) -> u32 {
        self.current
    }

    /// Tells whether the module owes an answer; says when another rate has to be tried.
    pub fn observe(&mut self, lost: bool, now: Instant) -> Option<Turn> {
        // [rate-1]
        if self.is_fixed() || !lost {
            self.leave_at = None;
            return None;
        }
        let patience = self.patience();
        if now < *self.leave_at.get_or_insert(now + patience) {
            return None;
        }
        self.leave_at = None;
        let turn = match self.from.take() {
            Some(from) => {
                self.to_keep = false;
                Turn { to: from, ask_for: Some(from) }
            }
            None => Turn { to: self.next_candidate(), ask_for: None },
        };
        self.hunting = true;
        self.current = turn.to;
        Some(turn)
    }

    /// When [`Rate::observe`] may have something to say.
    pub fn wake_at(&self) -> Option<Instant> {
        self.leave_at
    }

    /// The module has answered at the current rate.
    pub fn answered(&mut self) {
        let changed = self.from.take().is_some();
        // Its `OK` was lost, and it was found at the rate that it had been asked for.
        let found = self.to_keep && self.wanted.most == Some(self.current);
        self.proven = Some(self.current);
        (self.hunting, self.leave_at) = (false, None);
        self.step = match self.wanted.most {
            // [rate-3]
            _ if changed || found => {
                self.to_keep = false;
                Some(Step::KeepRate)
            }
            Some(most) if most > self.current && self.attempts < ATTEMPTS && RATES.contains(&most) => {
                self.attempts += 1;
                Some(Step::SetRate(most))
            }
            _ => None,
        };
    }

    /// What the module has to be told, once.
    pub fn take_step(&mut self) -> Option<Step> {
        self.step.take()
    }

    /// The module was asked for a rate. When it has agreed, the host has to use it from now on.
    pub fn asked(&mut self, rate: u32, agreed: bool, refused: bool) -> Option<Turn> {
        if refused {
            self.attempts = ATTEMPTS;
        }
        self.to_keep = !refused;
        if !agreed {
            return None;
        }
        self.from = Some(self.current);
        self.current = rate;
        self.leave_at = None;
        self.proven = None;
        Some(Turn { to: rate, ask_for: None })
    }

    /// Bytes were lost, or a command was not answered. Too much of it at a raised rate ends that.
    pub fn troubled(&mut self, now: Instant) {
        let raised = self.wanted.most == Some(self.current) && self.current > self.base();
        if !raised || self.proven.is_none() {
            return;
        }
        self.troubles.push_back(now);
        self.troubles.retain(|at| now < *at + TROUBLE_FOR);
        if self.troubles.len() >= TROUBLES {
            self.troubles.clear();
            self.attempts = ATTEMPTS;
            self.step = Some(Step::SetRate(self.base()));
        }
    }

    /// The port is gone; another module may come back.
    pub fn port_lost(&mut self) {
        (self.from, self.step, self.leave_at) = (None, None, None);
    }

    /// The host cannot use the current rate.
    pub fn impossible(&mut self) {
        if !self.is_fixed() {
            self.current = self.from.take().unwrap_or_else(|| self.next_candidate());
            self.attempts = ATTEMPTS;
        }
    }

    fn is_fixed(&self) -> bool {
        self.wanted.base.is_some() && self.wanted.most.is_none()
    }

    fn base(&self) -> u32 {
        self.wanted.base.unwrap_or(FACTORY)
    }

    fn patience(&self) -> Duration {
        match (self.from, self.proven == Some(self.current), self.hunting) {
            (Some(_), ..) => RAISED,
            (None, true, false) => PROVEN,
            (None, true, true) => PROVEN_AGAIN,
            (None, false, _) => TRIED,
        }
    }

    /// The likeliest other one, and from there on one after the other.
    fn next_candidate(&self) -> u32 {
        let at = self.candidates.iter().position(|rate| *rate == self.current).filter(|_| self.hunting);
        let mut behind = self.candidates.iter().cycle().skip(at.map_or(0, |at| at + 1)).take(self.candidates.len());
        behind.find(|rate| **rate != self.current).copied().unwrap_or(FACTORY)
    }
}

#[cfg(test)]
mod tests;
