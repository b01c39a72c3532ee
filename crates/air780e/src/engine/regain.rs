//! From a command that was not answered to a line that is safe again: [engine-3] and [engine-4].

use super::{Engine, Event, Line, PROMPT_WITHIN, Stage, Unanswered, payload};
use crate::exchange::{Failure, Final};
use crate::fence::{KNOCK, PROBES};
use bytes::Bytes;
use std::time::{Duration, Instant};

/// A module that boots answers `AT` within a second; asked twice as often.
const KNOCK_EVERY: Duration = Duration::from_millis(500);
/// An identity question is answered from memory within milliseconds.
const FENCE_WITHIN: Duration = Duration::from_secs(2);
/// The module leaves its data mode after a gap of 5 s; one more to be sure. Source: manual p. 241.
pub(super) const DATA_MODE_GAP: Duration = Duration::from_secs(6);
/// From a command that is not answered to a line that is safe again, if the module answers then: the payload of a prompt that
/// was lost may have to be made up for.
pub const REGAINED_WITHIN: Duration =
    PROMPT_WITHIN.saturating_add(DATA_MODE_GAP).saturating_add(KNOCK_EVERY).saturating_add(FENCE_WITHIN);
/// Ends the data of a short message.
const CTRL_Z: u8 = 0x1a;
/// Gives it up; elsewhere it means nothing.
const ESCAPE: &[u8] = b"\x1b";
const ESCAPE_AND_KNOCK: &[u8] = b"\x1bAT\r";

impl Engine {
    /// The command in flight ran out of time.
    pub(super) fn give_up(&mut self, now: Instant) {
        let Line::Busy(busy) = std::mem::replace(&mut self.line, Line::Free) else { return };
        self.counters.fenced += 1;
        match (busy.stage, busy.exchange.data) {
            (Stage::Prompt, Some(data)) => {
                self.line = Line::Quiet { until: now + DATA_MODE_GAP, data: owed(data) };
                self.done(busy.ticket, Err(Failure::NoPrompt));
            }
            _ => {
                self.framer.forbid_prompt();
                self.knock(now);
                self.done(busy.ticket, Err(Failure::NoAnswer));
            }
        }
    }

    /// The prompt never came. If it was lost, the module waits for exactly this payload, with some firmware for ever, and
    /// would publish whatever else it is sent. If not, payload and line end are a line that it refuses: an answer, too.
    pub(super) fn fill(&mut self, now: Instant) {
        let Line::Quiet { data, .. } = std::mem::replace(&mut self.line, Line::Free) else { return };
        // A module that slept through all of this prompts when it wakes up.
        self.framer.allow_prompt();
        self.line = Line::Knock { again: now, data: Some(data) };
        self.knock(now);
    }

    pub(super) fn knock(&mut self, now: Instant) {
        self.unanswered.get_or_insert(Unanswered { since: now, told: false });
        let again = match &self.line {
            Line::Knock { data: Some(data), .. } if data == ESCAPE => self.send(ESCAPE_AND_KNOCK, now) + KNOCK_EVERY,
            Line::Knock { data: Some(data), .. } if payload::is_harmless(data) => {
                let bytes = [data, &b"\r"[..]].concat();
                // Two copies never come so close that the module could take parts of both.
                self.send(&bytes, now) + DATA_MODE_GAP
            }
            _ => self.send(KNOCK, now) + KNOCK_EVERY,
        };
        match &mut self.line {
            Line::Knock { again: old, data: Some(_) } => *old = again,
            _ => {
                self.framer.forbid_prompt();
                self.line = Line::Knock { again, data: None };
            }
        }
    }

    fn fence(&mut self, now: Instant) {
        self.framer.forbid_prompt();
        self.probe = (self.probe + 1) % PROBES.len();
        let Some(&probe) = PROBES.get(self.probe) else { return };
        let until = self.send(probe.line, now) + FENCE_WITHIN;
        self.line = Line::Fence { probe, seen: false, until };
    }

    pub(super) fn fence_takes(&mut self, line: &[u8], now: Instant) -> bool {
        let is_final = Final::parse(line).is_some();
        match &mut self.line {
            // Whatever answer this is, the module answers: ask what cannot be mistaken.
            Line::Knock { .. } if is_final => self.fence(now),
            Line::Fence { probe, seen, .. } if (probe.recognise)(line) => *seen = true,
            Line::Fence { seen, .. } if is_final => {
                if *seen {
                    self.line = Line::Free;
                    self.unanswered = None;
                    self.events.push_back(Event::Synchronised);
                }
            }
            _ => return false,
        }
        true
    }
}

/// What a prompt gets that comes too late: the payload that it was asked for. Not so a short message, which costs money
/// and would be sent again by whoever was told that it was not: that one is given up.
pub(super) fn owed(data: Bytes) -> Bytes {
    if data.last() == Some(&CTRL_Z) { Bytes::from_static(ESCAPE) } else { data }
}
