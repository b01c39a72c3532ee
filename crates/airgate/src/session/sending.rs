//! Messages on their way up: handed to the uplink, and settled, put back or given up by what became of them.

use super::{Sent, Session, State, WINDOW};
use crate::outbox::{Outgoing, Qos};
use crate::router::Downlink;
use air780e::PublishError;
use air780e::exchange::Failure;
use tokio::time::Instant;

/// Refusals of one message on a living session after which it is given up.
const REFUSALS: u32 = 3;

impl Session {
    /// Whether the uplink may be given another message.
    pub(super) fn has_room(&self) -> bool {
        self.state == State::Online && self.in_flight.len() < WINDOW
    }

    /// When the cloud takes another message, if it does not now and there is one to be sent.
    pub(super) fn paced_until(&self) -> Option<Instant> {
        let due = self.pace.due(self.in_flight.len(), Instant::now().into_std());
        due.filter(|_| self.has_room()).map(Instant::from)
    }

    /// The dialogue goes before programs' messages.
    pub(super) fn say(&mut self) {
        while self.has_room() && self.paced_until().is_none() {
            let Some((topic, payload, qos)) = self.talk.to_say.pop_front() else { return };
            self.publish(Sent::Dialogue, None, topic, payload.into(), qos);
        }
    }

    /// The budget has changed: who may send follows from it, and `told` is for all programs.
    pub(super) fn charged(&mut self, told: Option<airgate_proto::Event>) {
        let floor = self.parts.quota.floor();
        if std::mem::replace(&mut self.floor, floor) != floor {
            self.parts.outbox.set_floor(floor);
        }
        if let Some(event) = told {
            // Who misses it sees it in the status.
            let _ = self.parts.ends.downlink.try_send(Downlink::ToAll(event));
        }
    }

    pub(super) fn send(&mut self, Outgoing { seq, message }: Outgoing) {
        let Some(cloud) = &self.cloud else { return self.parts.outbox.release(seq) };
        let wrapped = self.talk.machine.as_mut().and_then(|machine| machine.wrap(&message.topic, &message.payload));
        let message_as_sent = match wrapped {
            Some(wrapped) => wrapped.map(|(topic, payload)| (topic, payload.into())).map_err(|error| error.to_string()),
            None => {
                let long = cloud.expand(&message.topic);
                long.map(|topic| (topic, message.payload)).map_err(|error| error.to_string())
            }
        };
        match message_as_sent {
            Ok((topic, payload)) => {
                let qos = u8::from(message.qos == Qos::AtLeastOnce);
                self.publish(Sent::Message(seq), Some(message.uid), topic, payload, qos);
            }
            Err(error) => self.give_up(seq, &error),
        }
    }

    fn publish(&mut self, sent: Sent, uid: Option<u32>, topic: String, payload: bytes::Bytes, qos: u8) {
        let told = self.parts.quota.sends(uid, topic.len(), payload.len(), qos);
        self.charged(told);
        let uplink = self.parts.uplink.clone();
        self.in_flight.push(Box::pin(async move { (sent, uplink.publish(topic, payload, qos).await) }));
    }

    pub(super) fn on_sent(&mut self, sent: Sent, outcome: Result<(), PublishError>) {
        self.pace.ended(Instant::now().into_std());
        let Sent::Message(seq) = sent else {
            if let Err(error) = outcome {
                tracing::debug!(%error, "a part of the cloud's dialogue was not delivered");
            }
            return;
        };
        match outcome {
            Ok(()) => self.parts.outbox.settle(seq),
            Err(error @ (PublishError::Unusable(_) | PublishError::TooLarge { .. })) => {
                self.give_up(seq, &error.to_string());
            }
            Err(PublishError::Failed(Failure::TooLong(error))) => self.give_up(seq, &error.to_string()),
            Err(PublishError::Failed(Failure::Refused(refusal))) => self.on_refused(seq, &refusal.to_string()),
            Err(PublishError::Offline | PublishError::Failed(_)) => self.parts.outbox.release(seq),
        }
    }

    /// [session-3] A refusal may mean that the session is gone; the driver finds out. If it is not, it was the message.
    fn on_refused(&mut self, seq: u64, refusal: &str) {
        let times = self.refused.filter(|(refused, _)| *refused == seq).map_or(1, |(_, times)| times + 1);
        if times >= REFUSALS {
            self.refused = None;
            self.give_up(seq, refusal);
        } else {
            self.refused = Some((seq, times));
            self.parts.outbox.release(seq);
        }
    }

    fn give_up(&self, seq: u64, reason: &str) {
        tracing::error!(event = "message_given_up", seq, reason, "a message was given up: it cannot be sent");
        self.parts.outbox.give_up(seq);
    }
}
