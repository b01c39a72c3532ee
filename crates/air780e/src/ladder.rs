//! The recovery ladder: which means comes next against a fault that lasts. Data without I/O; see `LIFECYCLE.md`.
//!
//! * [ladder-1] A rung needs its evidence: a fault that has lasted, or connections that failed one after the other.
//! * [ladder-2] One rung at a time, and none before the cool-down of the one before is over.
//! * [ladder-3] Each rung has a daily budget that survives a restart; when all are spent it waits, and tells so once.
//! * [ladder-4] Only a confirmed session heals: an acknowledged publication or `MQTTSTATU` 1. It begins at the bottom again.
//! * [ladder-5] While a fault lasts and budget is left, another rung comes in bounded time.

use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// So many connections may fail in a row while the network is there.
const FAILURES: u32 = 3;
/// A budget is for so long.
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A means of recovery, from the mildest to the hardest. Below them are the engine's fence and the link's reconnect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Close the connection, detach from the packet network and attach again.
    Bearer,
    /// `CFUN` 0 and 1.
    Radio,
    /// `AT+RESET`.
    Restart,
    /// The reset that the host has been given.
    Hardware,
}

impl Rung {
    /// From the bottom to the top.
    pub const ALL: [Self; 4] = [Self::Bearer, Self::Radio, Self::Restart, Self::Hardware];

    /// In one word, as logs and status show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "bearer",
            Self::Radio => "radio",
            Self::Restart => "restart",
            Self::Hardware => "hardware",
        }
    }

    /// The longest that carrying it out may take.
    pub const fn limit(self) -> Duration {
        // Detaching and attaching take up to 108 s each, CFUN up to 45 s. Source: AT command manual V1.6.3, p. 14.
        Duration::from_secs(match self {
            Self::Bearer => 240,
            Self::Radio => 120,
            Self::Restart => 30,
            Self::Hardware => 40,
        })
    }

    /// How long it is given to heal before the next one.
    pub fn cool_down(self) -> Duration {
        Duration::from_secs(match self {
            Self::Bearer => 120,
            Self::Radio => 180,
            Self::Restart => 300,
            Self::Hardware => 600,
        })
    }

    /// How often a day.
    pub fn daily(self) -> u32 {
        match self {
            Self::Bearer => 24,
            Self::Radio => 12,
            Self::Restart => 6,
            Self::Hardware => 4,
        }
    }
}

/// What is wrong although a session is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The module does not answer, or cannot be set up.
    Silent,
    /// The SIM card is ready and there is no network.
    NoNetwork,
    /// The network is there and no session comes up.
    NoSession,
}

impl Fault {
    /// What it is, as logs and status show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Silent => "the module does not answer",
            Self::NoNetwork => "no network",
            Self::NoSession => "no session",
        }
    }

    /// How long it has to last.
    const fn patience(self) -> Duration {
        Duration::from_secs(match self {
            Self::Silent => 60,
            Self::NoNetwork => 120,
            Self::NoSession => 600,
        })
    }

    /// From its beginning to the end of the mildest rung that can help; the reconnect comes behind it.
    pub const fn within(self) -> Duration {
        self.patience().saturating_add(self.first().limit())
    }

    /// The mildest rung that can help: a silent module takes no commands, and without a network there is no bearer.
    const fn first(self) -> Rung {
        match self {
            Self::Silent => Rung::Hardware,
            Self::NoNetwork => Rung::Radio,
            Self::NoSession => Rung::Bearer,
        }
    }
}

/// What has been used of a day's budget. Kept across restarts by whoever starts the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    /// Days since 1970-01-01.
    pub day: u64,
    /// How often each rung was climbed on that day, in the order of [`Rung::ALL`].
    pub used: [u32; 4],
}

impl Budget {
    /// How often `rung` was climbed.
    pub fn used(&self, rung: Rung) -> u32 {
        self.used.get(rung as usize).copied().unwrap_or(u32::MAX)
    }

    fn spend(&mut self, rung: Rung) {
        if let Some(used) = self.used.get_mut(rung as usize) {
            *used = used.saturating_add(1);
        }
    }
}

/// How a rung ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heal {
    /// What was done.
    pub rung: Rung,
    /// Against what.
    pub fault: Fault,
    /// Whether a session was confirmed after it.
    pub healed: bool,
    /// From its beginning to the confirmation, or to the next rung.
    pub took: Duration,
    /// When it ended.
    pub at: Instant,
}

/// What the ladder has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A rung ended.
    Healed(Heal),
    /// Keep this for the next start.
    BudgetChanged(Budget),
    /// The fault lasts and nothing is left for today.
    Spent(Fault),
}

#[derive(Clone, Copy, Debug)]
struct Climb {
    rung: Rung,
    fault: Fault,
    since: Instant,
    ended: Option<Instant>,
}

/// The ladder of one module.
#[derive(Debug)]
pub struct Ladder {
    budget: Budget,
    /// When the budget's day began, as far as this process has seen.
    refilled: Instant,
    has_hardware: bool,
    fault: Option<(Fault, Instant)>,
    failures: u32,
    climb: Option<Climb>,
    spent_told: bool,
    notices: VecDeque<Notice>,
}

impl Ladder {
    /// A ladder with what is left of `budget`. `has_hardware` tells whether the host can reset the module.
    pub fn new(budget: Budget, has_hardware: bool, now: Instant) -> Self {
        Self {
            budget,
            refilled: now,
            has_hardware,
            fault: None,
            failures: 0,
            climb: None,
            spent_told: false,
            notices: VecDeque::new(),
        }
    }

    /// What is wrong now; `None` when nothing is, or when nothing is wanted.
    pub fn observe(&mut self, fault: Option<Fault>, now: Instant) {
        if self.fault.map(|(fault, _)| fault) != fault {
            self.fault = fault.map(|fault| (fault, now));
        }
    }

    /// A connection failed, or a session was lost, although the network is there.
    pub fn connection_failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// A session was confirmed.
    pub fn confirmed(&mut self, now: Instant) {
        self.failures = 0;
        self.fault = None;
        self.spent_told = false;
        self.end_climb(true, now);
    }

    /// The rung that was climbed has been carried out.
    pub fn carried_out(&mut self, now: Instant) {
        // Nobody tells when the hardware is done: its limit stands.
        if let Some(climb) = self.climb.as_mut().filter(|climb| climb.rung != Rung::Hardware) {
            climb.ended.get_or_insert(now);
        }
    }

    /// The rung to climb now, if it is time for one. `day` counts from 1970-01-01.
    pub fn next(&mut self, now: Instant, day: u64) -> Option<Rung> {
        // A clock that is not set yet says a day of the past; that refills nothing.
        if day > self.budget.day || now >= self.refilled + DAY {
            self.budget = Budget { day, used: [0; 4] };
            self.refilled = now;
            self.spent_told = false;
        }
        let (fault, _) = self.fault?;
        if now < self.due()? {
            return None;
        }
        let Some(rung) = self.choose(fault) else {
            if !std::mem::replace(&mut self.spent_told, true) {
                self.notices.push_back(Notice::Spent(fault));
            }
            return None;
        };
        self.end_climb(false, now);
        self.budget.spend(rung);
        self.notices.push_back(Notice::BudgetChanged(self.budget));
        self.climb = Some(Climb { rung, fault, since: now, ended: None });
        self.failures = 0;
        Some(rung)
    }

    /// When [`Ladder::next`] may have something to say; `None` without a fault.
    pub fn wake_at(&self, now: Instant) -> Option<Instant> {
        let due = self.due()?;
        // Spent, or held up: looked at again in a minute.
        Some(if due > now { due } else { now + Duration::from_secs(60) })
    }

    /// What has been used.
    pub fn budget(&self) -> Budget {
        self.budget
    }

    /// The next thing to tell.
    pub fn next_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    fn due(&self) -> Option<Instant> {
        let (fault, since) = self.fault?;
        let failing = fault == Fault::NoSession && self.failures >= FAILURES;
        let evident = if failing { since } else { since + fault.patience() };
        let cool = self.climb.map(|climb| {
            let limit = climb.since + climb.rung.limit();
            climb.ended.map_or(limit, |ended| ended.min(limit)) + climb.rung.cool_down()
        });
        Some(cool.map_or(evident, |cool| cool.max(evident)))
    }

    /// The first that can help above the last one; from the bottom again when there is none.
    fn choose(&self, fault: Fault) -> Option<Rung> {
        let can = |rung: &Rung| {
            *rung >= fault.first()
                && (*rung != Rung::Hardware || self.has_hardware)
                && self.budget.used(*rung) < rung.daily()
        };
        let above = |rung: &Rung| self.climb.is_none_or(|climb| *rung > climb.rung);
        let all = Rung::ALL.into_iter().filter(can);
        all.clone().find(above).or_else(|| all.clone().next())
    }

    fn end_climb(&mut self, healed: bool, now: Instant) {
        if let Some(Climb { rung, fault, since, .. }) = self.climb.take() {
            self.notices.push_back(Notice::Healed(Heal { rung, fault, healed, took: now - since, at: now }));
        }
    }
}

#[cfg(test)]
mod tests;
