//! Whose command is next on the line: a step of the link, or else a publication and a question in turn.

use super::{Driver, Purpose, Waiting};
use crate::channels::{Publication, PublishError, Request};
use crate::command::exchange;
use crate::command::mqtt::{MAX_INLINE, MAX_PAYLOAD, PublishBytes, PublishText, acknowledgement};
use crate::exchange::Exchange;
use crate::limits::{TooLong, check_topic};
use crate::status::Phase;
use bytes::Bytes;
use std::time::Instant;

/// Publications that wait for the line; a user hands over the next while one is in flight.
const MAX_WAITING: usize = 8;

impl Driver {
    pub(super) fn has_room(&self) -> bool {
        self.publications.len() < MAX_WAITING && self.questions.len() < MAX_WAITING
    }

    /// Puts the next command on the line; tells whether there was one.
    pub(super) fn start_next(&mut self, now: Instant) -> bool {
        if self.turn.is_some() {
            return false;
        }
        self.start_step(now)
            || match self.question_next {
                true => self.start_question(now) || self.start_publication(now),
                false => self.start_publication(now) || self.start_question(now),
            }
    }

    fn start_step(&mut self, now: Instant) -> bool {
        if !self.may_step() {
            return false;
        }
        let Some(step) = self.link.next(now) else { return false };
        match step.exchange() {
            // A step that has to wait for an acknowledgement is named again afterwards.
            Ok(exchange) if !self.engine.can_start(&exchange) => false,
            Ok(exchange) => {
                self.start(exchange, Purpose::Step(step), now);
                true
            }
            Err(too_long) => {
                self.link.done(step, Err(too_long.into()), now);
                true
            }
        }
    }

    fn start_publication(&mut self, now: Instant) -> bool {
        let next = self.publications.front();
        if !self.link.may_publish() || !next.is_some_and(|next| self.engine.can_start(&next.exchange)) {
            return false;
        }
        let Some(Waiting { exchange, reply }) = self.publications.pop_front() else { return false };
        self.question_next = true;
        let acknowledged = exchange.follow_up.is_some();
        let len = exchange.data.as_ref().map_or(0, Bytes::len);
        self.start(exchange, Purpose::Publication { reply, acknowledged, len }, now);
        true
    }

    fn start_question(&mut self, now: Instant) -> bool {
        // Who asked may have run out of time.
        self.questions.retain(|question| !question.reply.is_closed());
        if !self.questions.front().is_some_and(|next| self.engine.can_start(&next.exchange)) {
            return false;
        }
        let Some(Waiting { exchange, reply }) = self.questions.pop_front() else { return false };
        self.question_next = false;
        self.start(exchange, Purpose::Question(reply), now);
        true
    }

    fn start(&mut self, exchange: Exchange, purpose: Purpose, now: Instant) {
        self.next_ticket += 1;
        self.in_flight.insert(self.next_ticket, purpose);
        self.engine.start(self.next_ticket, exchange, now);
    }

    pub(super) fn request(&mut self, request: Request) {
        match request {
            Request::Publish(publication, reply) => match publication_exchange(&publication) {
                Ok(exchange) => self.publications.push_back(Waiting { exchange, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Ask(exchange, reply) => self.questions.push_back(Waiting { exchange, reply }),
        }
    }

    /// Publications do not wait for a session: who publishes keeps them and hears at once that there is none.
    pub(super) fn refuse_what_cannot_go(&mut self) {
        if self.link.phase() != Phase::Online {
            self.refuse_publications();
        }
    }

    pub(super) fn refuse_publications(&mut self) {
        for waiting in self.publications.drain(..) {
            let _ = waiting.reply.send(Err(PublishError::Offline));
        }
    }
}

/// `MPUB` for what is short and plain, `MPUBEX` for everything else. An empty payload goes as text, because the data
/// phase takes at least one byte.
fn publication_exchange(publication: &Publication) -> Result<Exchange, PublishError> {
    let Publication { topic, payload, qos, retain } = publication;
    check_topic(topic)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(PublishError::TooLarge { len: payload.len(), max: MAX_PAYLOAD });
    }
    let retain = u8::from(*retain);
    let plain = payload.len() <= MAX_INLINE && payload.iter().all(|&b| (0x20..0x7f).contains(&b));
    let mut exchange = match std::str::from_utf8(payload) {
        Ok(text) if plain => exchange(&PublishText { topic, qos: *qos, retain, text }),
        _ => exchange(&PublishBytes { topic, qos: *qos, retain, payload: payload.clone() }),
    }
    .map_err(|too_long: TooLong| PublishError::Failed(too_long.into()))?;
    exchange.follow_up = acknowledgement(*qos);
    Ok(exchange)
}
