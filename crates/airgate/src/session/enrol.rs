//! Enrolment: whether to sign in with what is kept or to register, and what is kept. Pure; see `LIFECYCLE.md`.
//!
//! * [enrol-1] A credential is used only after it was kept.
//! * [enrol-2] A registered secret that is refused leads to one registration, not before 10 minutes and once in 24 hours;
//!   the old one stays until the new one has signed in. A clock that is set meanwhile neither shortens the 24 hours nor
//!   makes a year of them.
//! * [enrol-3] A device that is not listed never registers again while something is kept, and not after three accepted
//!   registrations whose answer was not seen: each may use up one of the five that the cloud allows.
//! * [enrol-4] What was imported by hand is the user's: refused, it is not replaced.

use crate::store::{Entry, Origin, Record};
use iotcloud::aliyun::{Credential, RegistrationMode};
use std::time::{Duration, Instant};

/// The push follows the sign-in at once; a slow radio may hold it up.
const ANSWER: Duration = Duration::from_secs(30);
const RENEW_AFTER: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
const DAY_MS: u64 = 86_400_000;
const UNANSWERED: u32 = 3;

/// How far a registration has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// There is none.
    Idle,
    /// Its mark is being written: what cannot be kept is not asked for.
    Marking,
    /// The connection is being made.
    Connecting,
    /// Connected: the answer comes by itself, until then.
    Awaiting(Instant),
    /// The answer is being written.
    Keeping,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Sign in with this.
    SignIn(Credential),
    /// Register.
    Register,
    /// Write what could not be written before.
    Keep(Entry),
    /// Nothing: a person must decide. See [enrol-3].
    GiveUp,
}

/// The enrolment of one device.
#[derive(Debug)]
pub(super) struct Enrol {
    mode: RegistrationMode,
    entry: Entry,
    stage: Stage,
    unkept: bool,
    refused_since: Option<Instant>,
    /// From when a day must go by before the next renewal, where this run knows it better than the entry.
    rests_since: Option<Instant>,
}

impl Enrol {
    pub(super) fn new(mode: RegistrationMode, entry: Entry, now: Instant, unix_ms: u64) -> Self {
        // One in the future was written by a clock that was wrong, or this one is: how long ago it was nobody knows.
        let rests_since = entry.renewed_unix_ms.filter(|at| *at > unix_ms).map(|_| now);
        Self { mode, entry, stage: Stage::Idle, unkept: false, refused_since: None, rests_since }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a credential is kept.
    pub(super) fn is_enrolled(&self) -> bool {
        self.entry.current.is_some()
    }

    /// What to do now that something is due.
    pub(super) fn next(&self, now: Instant, unix_ms: u64) -> Next {
        if self.unkept {
            return Next::Keep(self.entry.clone());
        }
        match self.entry.candidate.as_ref().or(self.entry.current.as_ref()) {
            Some(_) if self.may_renew(now, unix_ms) => Next::Register,
            Some(record) => Next::SignIn(record.credential.clone()),
            None if self.mode == RegistrationMode::RegisterNoPrereg && self.entry.unanswered >= UNANSWERED => {
                Next::GiveUp
            }
            None => Next::Register,
        }
    }

    /// [enrol-2]
    fn may_renew(&self, now: Instant, unix_ms: u64) -> bool {
        let registered = self.entry.current.as_ref().is_some_and(|record| record.by == Origin::Registration);
        let late = self.refused_since.is_some_and(|since| now >= since + RENEW_AFTER);
        let rested = match (self.rests_since, self.entry.renewed_unix_ms) {
            (Some(since), _) => now >= since + DAY,
            (None, at) => at.is_none_or(|at| unix_ms.saturating_sub(at) >= DAY_MS),
        };
        self.mode == RegistrationMode::Register && registered && late && rested && self.entry.candidate.is_none()
    }

    /// A registration begins: what to write before it.
    pub(super) fn begin(&mut self, unix_ms: u64) -> Entry {
        self.stage = Stage::Marking;
        self.entry.tried_unix_ms = Some(unix_ms);
        self.entry.clone()
    }

    /// What could not be written is written again.
    pub(super) fn keep_again(&mut self) {
        self.stage = Stage::Keeping;
    }

    /// The mark is written: the connection is made.
    pub(super) fn marked(&mut self) {
        self.stage = Stage::Connecting;
    }

    /// The cloud accepted the registration: what to write while its answer is awaited.
    pub(super) fn accepted(&mut self, now: Instant, unix_ms: u64) -> Entry {
        self.stage = Stage::Awaiting(now + ANSWER);
        self.entry.unanswered = self.entry.unanswered.saturating_add(1);
        self.spend_renewal(now, unix_ms);
        self.entry.clone()
    }

    /// The answer came and is for us: what to write before it is used.
    pub(super) fn answered(&mut self, credential: Credential, now: Instant, unix_ms: u64) -> Entry {
        self.stage = Stage::Keeping;
        self.entry.unanswered = 0;
        self.spend_renewal(now, unix_ms);
        let record = Record { credential, obtained_unix_ms: unix_ms, by: Origin::Registration };
        match self.entry.current {
            None => self.entry.current = Some(record),
            Some(_) => self.entry.candidate = Some(record),
        }
        self.entry.clone()
    }

    /// The cloud refused the registration: what to write.
    pub(super) fn registration_refused(&mut self, now: Instant, unix_ms: u64) -> Entry {
        self.stage = Stage::Idle;
        self.spend_renewal(now, unix_ms);
        self.entry.clone()
    }

    /// Everything is on the disk.
    pub(super) fn kept(&mut self) {
        (self.stage, self.unkept) = (Stage::Idle, false);
    }

    /// The registration came to nothing: the link was lost, no answer came, or it could not be written.
    pub(super) fn failed(&mut self) {
        self.unkept = self.stage == Stage::Keeping;
        self.stage = Stage::Idle;
    }

    /// The credential works: what to write, if anything changed.
    pub(super) fn signed_in(&mut self) -> Option<Entry> {
        self.refused_since = None;
        self.entry.candidate.take().map(|candidate| {
            self.entry.current = Some(candidate);
            self.entry.clone()
        })
    }

    /// The credential was refused: what to write, if anything changed.
    pub(super) fn sign_in_refused(&mut self, now: Instant) -> Option<Entry> {
        self.refused_since.get_or_insert(now);
        self.entry.candidate.take().map(|_| self.entry.clone())
    }

    fn spend_renewal(&mut self, now: Instant, unix_ms: u64) {
        if self.is_enrolled() {
            self.rests_since = Some(now);
            self.entry.renewed_unix_ms = Some(unix_ms);
        }
    }
}

#[cfg(test)]
#[path = "enrol_tests.rs"]
mod tests;
