//! Whose is what the module says: the command's in flight, the one's that waits, or nobody's.

use super::regain::DATA_MODE_GAP;
use super::{Engine, Event, Line, Stage, Waiting};
use crate::exchange::{Ends, Failure, Final, Information, Outcome};
use crate::frame::Block;
use crate::urc::Urc;
use std::time::Instant;

/// Most information that is kept for one answer, in bytes.
const MAX_INFORMATION: usize = 64 * 1024;

impl Engine {
    pub(super) fn on_prompt(&mut self, now: Instant) {
        match &mut self.line {
            Line::Busy(busy) if busy.stage == Stage::Prompt => {
                busy.stage = Stage::Final;
                let data = busy.exchange.data.clone().unwrap_or_default();
                let within = busy.exchange.final_within;
                let until = self.send(&data, now) + within;
                if let Line::Busy(busy) = &mut self.line {
                    busy.until = until;
                }
            }
            // [engine-4] Late, but what the module waits for now is this payload and nothing else.
            Line::Quiet { data, .. } | Line::Knock { data: Some(data), .. } => {
                let data = data.clone();
                let until = self.send(&data, now) + DATA_MODE_GAP;
                self.line = Line::Knock { again: until, data: None };
            }
            _ => self.counters.stray += 1,
        }
    }

    pub(super) fn busy_takes(&mut self, line: &[u8], is_urc: bool, now: Instant) -> bool {
        let Line::Busy(busy) = &mut self.line else { return false };
        if let Some(result) = Final::parse(line) {
            let owes = busy.exchange.information.is_owed() && !busy.informed;
            let early = busy.stage == Stage::Prompt && result == Final::Ok;
            if result == Final::Ok && (owes || early) {
                self.counters.stray += 1;
                return true;
            }
            self.finish(result, now);
            return true;
        }
        let belongs = match busy.exchange.information {
            Information::None | Information::Block(_) => false,
            Information::Lines(recognise) | Information::List(recognise) | Information::Last(recognise) => {
                recognise(line)
            }
            Information::Everything => !is_urc,
        };
        if belongs && busy.information.len() + line.len() < MAX_INFORMATION {
            if !busy.information.is_empty() {
                busy.information.push(b'\n');
            }
            busy.information.extend_from_slice(line);
            busy.informed = true;
        }
        if belongs && matches!(busy.exchange.information, Information::Last(_)) {
            self.finish(Final::Ok, now);
        }
        belongs
    }

    pub(super) fn on_block(&mut self, block: Block, bytes: &[u8]) {
        tracing::trace!(target: "air780e::line", "< {block:?}: {} bytes", bytes.len());
        match &mut self.line {
            Line::Busy(busy) if matches!(busy.exchange.information, Information::Block(b) if b == block) => {
                busy.information = bytes.to_vec();
                busy.informed = true;
            }
            _ => self.counters.stray += 1,
        }
    }

    /// The final result of the command in flight.
    fn finish(&mut self, result: Final, now: Instant) {
        let Line::Busy(busy) = std::mem::replace(&mut self.line, Line::Free) else { return };
        self.framer.forbid_prompt();
        match (result, busy.exchange.follow_up) {
            (Final::Refused(refusal), _) => self.done(busy.ticket, Err(Failure::Refused(refusal))),
            (Final::Ok, None) => self.done(busy.ticket, Ok(busy.information)),
            (Final::Ok, Some(_)) if busy.early.is_some() => {
                let information = busy.information;
                self.done(busy.ticket, busy.early.unwrap_or(Ok(())).map(|()| information));
            }
            (Final::Ok, Some(follow_up)) => {
                self.waiting = Some(Waiting {
                    ticket: busy.ticket,
                    follow_up,
                    received: false,
                    information: busy.information,
                    until: now + follow_up.within,
                });
            }
        }
    }

    pub(super) fn on_urc(&mut self, urc: Urc) {
        if let Line::Busy(busy) = &mut self.line
            && self.waiting.is_none()
            && let Some(end) = busy.exchange.follow_up.and_then(|follow_up| early(follow_up.ends, &urc))
        {
            busy.early = Some(end);
            return;
        }
        let ends = self.waiting.as_ref().map(|w| w.follow_up.ends);
        match ends.and_then(|ends| ends.by(&urc)) {
            Some(Ok(())) => return self.succeed_waiting(&urc),
            Some(Err(failure)) => self.end_waiting(|_| Err(failure)),
            None => {}
        }
        self.events.push_back(Event::Urc(urc));
    }

    /// A line that is neither an answer nor unsolicited: a late refusal of the command that waits alone, or a stray.
    pub(super) fn on_unowned(&mut self, line: &[u8]) {
        let alone = matches!(self.line, Line::Free) && self.waiting.as_ref().is_some_and(|w| w.follow_up.exclusive);
        match Final::parse(line) {
            Some(Final::Refused(refusal)) if alone => self.end_waiting(|_| Err(Failure::Refused(refusal))),
            _ => self.counters.stray += 1,
        }
    }

    fn succeed_waiting(&mut self, urc: &Urc) {
        match self.waiting.take() {
            // Two halves; the second counts only behind the first.
            Some(mut waiting)
                if waiting.follow_up.ends == Ends::Pubcomp && (*urc == Urc::Pubrec || !waiting.received) =>
            {
                waiting.received |= *urc == Urc::Pubrec;
                self.waiting = Some(waiting);
            }
            Some(waiting) => self.done(waiting.ticket, Ok(waiting.information)),
            None => {}
        }
    }

    pub(super) fn end_waiting(&mut self, outcome: impl FnOnce(Ends) -> Outcome) {
        if let Some(waiting) = self.waiting.take() {
            self.done(waiting.ticket, outcome(waiting.follow_up.ends));
        }
    }
}

/// What has to follow an `OK` may be printed before it by some firmware. Not so an acknowledgement of a publication: one
/// that comes early is another's. And a connection that closes is not the one that is being made.
fn early(ends: Ends, urc: &Urc) -> Option<Result<(), Failure>> {
    match (ends, urc) {
        (Ends::Puback | Ends::Pubcomp, _) | (_, Urc::Closed) => None,
        _ => ends.by(urc),
    }
}
