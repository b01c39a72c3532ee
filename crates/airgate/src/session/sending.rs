//! Messages on their way up: handed to the uplink, and settled, put back or given up by what became of them.

use super::dialogue::Saying;
use super::thrown::Unsent;
use super::{Messages, Sent, Session, State, WINDOW, trouble};
use crate::batch::Load;
use crate::outbox::{Outgoing, Qos};
use crate::router::Downlink;
use air780e::PublishError;
use air780e::command::mqtt::SURE_PAYLOAD;
use air780e::exchange::Failure;
use iotcloud::aliyun::dialogue::RequestId;
use std::time::Duration;
use tokio::time::Instant;

/// Refusals of one message on a living session after which it is given up.
const REFUSALS: u32 = 3;
/// What to do about a length that the module refuses.
const LOWER: &str = "set `max_publish_bytes` under [modem] to what its firmware takes";

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
            let Some(Saying { topic, payload, qos, request }) = self.talk.to_say.pop_front() else { return };
            self.publish(Sent::Dialogue(request), None, topic, payload.into(), qos);
        }
    }

    /// The budget has changed: who may send follows from it, and `told` is for all programs.
    pub(super) fn charged(&mut self, told: Option<airgate_proto::Event>) {
        let floor = self.parts.quota.floor();
        if std::mem::replace(&mut self.floor, floor) != floor {
            self.parts.outbox.set_floor(floor);
            self.put_back(&[]);
        }
        if let Some(event) = told {
            // Who misses it sees it in the status.
            let _ = self.parts.ends.downlink.try_send(Downlink::ToAll(event));
        }
    }

    pub(super) fn send(&mut self, outgoing: Outgoing) {
        let loads = self.parts.batches.push(self.parts.outbox.now_ms(), outgoing);
        loads.into_iter().for_each(|load| self.send_load(load));
    }

    /// The routes have changed.
    pub(super) fn join_anew(&mut self) {
        self.put_back(&[]);
        let policies = self.parts.ends.policies.borrow_and_update().clone();
        self.parts.batches.allow(policies);
    }

    /// When a batch leaves although it is not full.
    pub(super) fn batch_due(&self) -> Option<Instant> {
        let due_ms = self.parts.batches.due()?;
        Some(Instant::now() + Duration::from_millis(due_ms.saturating_sub(self.parts.outbox.now_ms())))
    }

    pub(super) fn send_due(&mut self) {
        if let Some(load) = self.parts.batches.take_due(self.parts.outbox.now_ms()) {
            self.send_load(load);
        }
    }

    fn send_load(&mut self, Load { seqs, late, uid, topic, payload, qos }: Load) {
        late.into_iter().for_each(|seq| self.parts.outbox.release(seq));
        if seqs.is_empty() {
            return;
        }
        let Some(cloud) = &self.cloud else { return self.put_back(&seqs) };
        let bytes = payload.len();
        let wrapped = self.talk.machine.as_mut().and_then(|machine| machine.wrap(&topic, &payload));
        let as_sent = match wrapped {
            Some(wrapped) => wrapped.map(|(long, payload)| (long, payload.into())).map_err(|error| error.to_string()),
            None => cloud.expand(&topic).map(|long| (long, payload)).map_err(|error| error.to_string()),
        };
        match as_sent {
            Ok((long, payload)) => {
                let qos = u8::from(qos == Qos::AtLeastOnce);
                let messages = Messages { seqs, topic, bytes: payload.len() };
                self.publish(Sent::Messages(messages), Some(uid), long, payload, qos);
            }
            Err(error) => self.give_up(&Messages { seqs, topic, bytes }, &error),
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
        if outcome.is_ok() {
            self.parts.quota.delivered();
        }
        let messages = match sent {
            Sent::Messages(messages) => messages,
            Sent::Dialogue(request) => return self.on_said(request, outcome),
        };
        match outcome {
            Ok(()) => {
                self.aside.taken(&messages.topic);
                messages.seqs.into_iter().for_each(|seq| self.parts.outbox.settle(seq));
            }
            Err(error @ PublishError::LengthRefused { .. }) => self.unsendable(&messages, &format!("{error}; {LOWER}")),
            Err(error @ (PublishError::Unusable(_) | PublishError::TooLarge { .. })) => {
                self.unsendable(&messages, &error.to_string());
            }
            Err(PublishError::Failed(Failure::TooLong(error))) => self.unsendable(&messages, &error.to_string()),
            Err(PublishError::Failed(Failure::Refused(refusal))) => self.on_refused(&messages, &refusal.to_string()),
            Err(PublishError::Offline) => self.put_back(&messages.seqs),
            Err(PublishError::Failed(_)) => {
                let Messages { seqs, topic, .. } = messages;
                self.put_back(&seqs);
                if let Some(seq) = seqs.first().copied() {
                    self.thrown.failed(Unsent { seq, topic });
                }
            }
        }
    }

    /// [session-4] What cannot pass steps aside, now that all others could.
    pub(super) fn step_aside(&mut self) {
        let Some(unsent) = self.thrown.culprit(|topic| self.aside.knows(topic)) else { return };
        if !self.parts.outbox.hold(unsent.seq) {
            return;
        }
        let pause = self.aside.hold(&unsent.topic, Instant::now().into_std());
        let aside = trouble::stands_aside(&unsent, pause);
        let Unsent { seq, topic } = unsent;
        tracing::error!(event = "message_set_aside", seq, topic, "{}; {}", aside.message, aside.hint);
        self.status.send_modify(|status| status.aside = Some(aside));
    }

    pub(super) fn let_go(&mut self) {
        self.aside.let_go();
        self.parts.outbox.let_go();
        self.status.send_modify(|status| status.aside = None);
    }

    /// It is not sent again: whoever asked is told, and knows whether another try does harm.
    fn on_said(&mut self, request: Option<RequestId>, outcome: Result<(), PublishError>) {
        let Err(error) = outcome else { return };
        match &error {
            PublishError::LengthRefused { .. } => {
                tracing::warn!(%error, "a part of the cloud's dialogue cannot be sent; {LOWER}");
            }
            _ => tracing::debug!(%error, "a part of the cloud's dialogue was not delivered"),
        }
        let (Some(machine), Some(request)) = (&mut self.talk.machine, request) else { return };
        match &error {
            PublishError::LengthRefused { .. } => machine.not_taken(request, error.to_string()),
            PublishError::Unusable(_)
            | PublishError::TooLarge { .. }
            | PublishError::Failed(Failure::Refused(_) | Failure::TooLong(_)) => {
                machine.not_sent(request, error.to_string());
            }
            // It may have been sent, and its reply may come; or else its session ends, and the request with it.
            PublishError::Offline | PublishError::Failed(_) => {}
        }
    }

    /// [session-3] A refusal may mean that the session is gone; the driver finds out. If it is not, it was the message.
    fn on_refused(&mut self, messages: &Messages, refusal: &str) {
        let Some(first) = messages.seqs.first().copied() else { return };
        let times = self.refused.filter(|(refused, _)| *refused == first).map_or(1, |(_, times)| times + 1);
        if times >= REFUSALS {
            self.refused = None;
            let is_sure = messages.bytes <= SURE_PAYLOAD;
            let hint = if is_sure { String::new() } else { format!("; if that is for its length, {LOWER}") };
            self.unsendable(messages, &format!("{refusal}{hint}"));
        } else {
            self.refused = Some((first, times));
            self.put_back(&messages.seqs);
        }
    }

    /// [batch-5] Of several nobody knows which one is to blame: they go one by one.
    fn unsendable(&mut self, messages: &Messages, reason: &str) {
        let Messages { seqs, topic, bytes } = messages;
        match &seqs[..] {
            [.., _, last] => {
                let count = seqs.len();
                tracing::warn!(
                    topic,
                    bytes,
                    reason,
                    messages = count,
                    "a batch cannot be sent: its messages go one by one"
                );
                self.parts.batches.part(*last);
                self.put_back(seqs);
            }
            _ => self.give_up(messages, reason),
        }
    }

    /// These were not sent after all. What is at hand for batches goes back with them, so that nothing overtakes.
    pub(super) fn put_back(&mut self, seqs: &[u64]) {
        let at_hand = self.parts.batches.clear();
        seqs.iter().copied().chain(at_hand).for_each(|seq| self.parts.outbox.release(seq));
    }

    fn give_up(&self, Messages { seqs, topic, bytes }: &Messages, reason: &str) {
        for seq in seqs {
            tracing::error!(
                event = "message_given_up",
                seq,
                topic,
                bytes,
                reason,
                "a message was given up: it cannot be sent"
            );
            self.parts.outbox.give_up(*seq);
        }
    }
}
