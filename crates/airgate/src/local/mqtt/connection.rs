//! One connected client: its packets in, its acknowledgements and messages out.

use super::read;
use super::seat::Seat;
use super::window::{Window, name};
use crate::local::calls::Calls;
use crate::local::door::Door;
use crate::local::publish::{Way, not_accepted, not_subscribed, share_spent};
use crate::local::rights::Caller;
use crate::router::{ANNOUNCED, Account, Hears, Held, Item, Mailbox, ProgramId, SMALL_BYTES, Taken, announcement};
use airgate_proto::topic::{self, TopicError};
use airgate_proto::{Event, Message, Op, Qos, parse_line};
use bytes::{Buf, Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesOrdered;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    Packet, PubAck, Publish, SubAck, Subscribe, SubscribeFilter, SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::future::ready;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

/// Publications of one client that may wait for their acknowledgement at once.
const PENDING: usize = 256;
/// Unread bytes from which on a client is not read from any more, and gets nothing further.
const UNREAD: usize = 64 * 1024;
/// What a publication without an acknowledgement takes beside its content, in bytes.
const PENDING_BYTES: usize = 512;
/// What is read at once.
const CHUNK: usize = 4 * 1024;
/// What a packet may have beside its payload: topic and number, or the filters of one subscription.
const BESIDE_PAYLOAD: usize = 16 * 1024;

/// How a connection ended.
#[derive(Debug)]
pub(super) enum End {
    /// The client said so: its will is void.
    Disconnected,
    /// The connection is gone.
    Gone(Option<io::Error>),
    /// Nothing came for one and a half times the keep-alive. [MQTT-3.1.2-24]
    Silent,
    /// The same client connected again. [MQTT-3.1.4-2]
    TakenOver,
    /// It broke the protocol or asked for what it may not.
    Refused(String),
}

fn refused<T>(why: impl Into<String>) -> Result<T, End> {
    Err(End::Refused(why.into()))
}

type Accepting = BoxFuture<'static, Result<Option<u16>, String>>;

pub(super) struct Connection {
    door: Arc<Door>,
    id: ProgramId,
    caller: Caller,
    account: Account,
    filters: BTreeSet<String>,
    keep_alive: Option<Duration>,
    heard: Instant,
    input: BytesMut,
    max_packet: usize,
    /// Too fast: nothing is read until then.
    paused: Option<Instant>,
    /// In the order in which they came. [MQTT-4.6.0-2]
    accepting: FuturesOrdered<Accepting>,
    window: Window,
    /// What this client may answer.
    calls: Calls,
    out: BytesMut,
    /// Of its user's share: what this connection makes the daemon hold.
    held: Held,
    lagged: u64,
}

impl Connection {
    pub(super) fn new(
        door: Arc<Door>,
        id: ProgramId,
        caller: Caller,
        account: Account,
        keep_alive: Option<Duration>,
        input: BytesMut,
    ) -> Self {
        let share = door.users.share(caller.uid);
        let max_packet = door.max_payload.max(super::super::LOCAL_PAYLOAD) + BESIDE_PAYLOAD;
        Self {
            door,
            id,
            caller,
            account,
            filters: BTreeSet::new(),
            keep_alive,
            heard: Instant::now(),
            input,
            max_packet,
            paused: None,
            accepting: FuturesOrdered::new(),
            window: Window::of(share.clone()),
            calls: Calls::default(),
            out: BytesMut::new(),
            held: Held::new(share, 0),
            lagged: 0,
        }
    }

    pub(super) fn say(&mut self, packet: &Packet) {
        if let Err(error) = packet.write(&mut self.out, usize::MAX) {
            tracing::warn!(program = self.id.0, %error, "{} could not be written", name(packet));
        }
    }

    /// Serves the client, who `hears` so much without asking, until it goes.
    pub(super) async fn run<R, W>(
        &mut self,
        reader: &mut R,
        writer: &mut W,
        mailbox: &Mailbox,
        seat: &mut Seat,
        hears: Hears,
    ) -> End
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mut rights = self.door.rights.clone();
        loop {
            if let Err(end) = self.packets().await {
                return end;
            }
            let may_read = self.may_read();
            if !may_read {
                // It is we who do not listen.
                self.heard = Instant::now();
            }
            let may_tell = self.may_tell();
            self.weigh();
            self.input.reserve(CHUNK);
            tokio::select! {
                biased;
                () = seat.wanted() => return End::TakenOver,
                // MQTT 3.1.1 has no word for a subscription that ends: who asks again is told by the SUBACK.
                Ok(()) = rights.changed() => {
                    if let Some(filter) = self.door.withdrawn(&self.caller, self.filters.iter(), hears) {
                        return End::Refused(format!("the right to subscribe to {filter} was withdrawn"));
                    }
                }
                Some(accepted) = self.accepting.next() => match accepted {
                    Ok(Some(number)) => self.say(&Packet::PubAck(PubAck::new(number))),
                    Ok(None) => {}
                    Err(why) => return End::Refused(why),
                },
                taken = mailbox.next(), if may_tell => {
                    self.tell(taken);
                    // What else waits leaves with it, in one write.
                    while self.may_tell() && let Some(taken) = mailbox.try_next() {
                        self.tell(taken);
                    }
                }
                written = writer.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(0) => return End::Gone(None),
                    Ok(len) => self.on_written(len),
                    Err(error) => return End::Gone(Some(error)),
                },
                read = reader.read_buf(&mut self.input), if may_read => match read {
                    Ok(0) => return End::Gone(None),
                    Ok(_) => self.heard = Instant::now(),
                    Err(error) => return End::Gone(Some(error)),
                },
                () = until(self.paused) => self.paused = None,
                () = until(self.keep_alive.filter(|_| may_read).map(|wait| self.heard + wait)) => return End::Silent,
            }
        }
    }

    /// Whether a message may be handed to the client now.
    fn may_tell(&self) -> bool {
        self.has_read() && self.window.is_open()
    }

    /// Whether the client has read enough to be told more.
    fn has_read(&self) -> bool {
        self.out.is_empty() || (self.out.len() < UNREAD && !self.held.share().is_spent())
    }

    fn may_read(&self) -> bool {
        let pending = if self.held.share().is_spent() { 1 } else { PENDING };
        self.paused.is_none() && self.accepting.len() < pending && self.has_read()
    }

    /// Counts what it makes the daemon hold, and lets go of room that a long packet needed.
    fn weigh(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 2 * CHUNK {
            self.input = BytesMut::new();
        }
        let pending = self.accepting.len() * PENDING_BYTES;
        self.held.set(self.input.capacity() + self.out.capacity() + pending);
    }

    fn on_written(&mut self, len: usize) {
        self.out.advance(len);
        if self.out.is_empty() && len > SMALL_BYTES {
            self.out = BytesMut::new();
        }
    }

    /// What may follow the fixed header of a packet, in bytes.
    fn longest(&self) -> usize {
        if self.held.share().is_spent() { SMALL_BYTES.min(self.max_packet) } else { self.max_packet }
    }

    /// Everything that is complete in what was read, as far as it may be worked on.
    async fn packets(&mut self) -> Result<(), End> {
        while self.may_read() {
            let longest = self.longest();
            match read::next(&mut self.input, longest) {
                Ok(Some(packet)) => self.on_packet(packet).await?,
                Ok(None) => return Ok(()),
                Err(malformed) if longest < self.max_packet => {
                    return refused(format!("{malformed}; {}", share_spent(&self.caller).message));
                }
                Err(malformed) => return refused(malformed.to_string()),
            }
            self.weigh();
            if !self.input.is_empty() {
                // Whoever says much at once has one turn for each thing, as all others.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    async fn on_packet(&mut self, packet: Packet) -> Result<(), End> {
        match packet {
            Packet::Publish(publish) => self.publish(publish).await,
            Packet::PubAck(PubAck { pkid }) => {
                if !self.window.acknowledge(pkid) {
                    tracing::debug!(program = self.id.0, pkid, "an acknowledgement of nothing");
                }
                Ok(())
            }
            Packet::Subscribe(subscribe) => self.subscribe(subscribe).await,
            Packet::Unsubscribe(unsubscribe) => self.unsubscribe(unsubscribe).await,
            Packet::PingReq => {
                self.say(&Packet::PingResp);
                Ok(())
            }
            Packet::Disconnect => Err(End::Disconnected),
            // [MQTT-3.1.0-2]; the others a server never gets.
            other => refused(format!("an unexpected {}", name(&other))),
        }
    }

    async fn publish(&mut self, publish: Publish) -> Result<(), End> {
        if publish.qos == QoS::ExactlyOnce {
            return refused("a PUBLISH at QoS 2: the clouds do not have it; use QoS 1");
        }
        // [MQTT-3.3.2-2]
        if let Err(error) = topic::validate_name(&publish.topic) {
            return refused(format!("a PUBLISH to {:?}: {error}", shortened(&publish.topic)));
        }
        let number = (publish.qos != QoS::AtMostOnce).then_some(publish.pkid);
        if let Some(call) = publish.topic.strip_prefix(ANNOUNCED).and_then(|rest| rest.strip_prefix("answer/")) {
            return self.answer(call, &publish.payload, number);
        }
        let pause = self.door.charge(&self.caller);
        if !pause.is_zero() {
            self.paused = Some(Instant::now() + pause);
        }
        let message = super::message(&publish.topic, &publish.payload, publish.qos);
        match self.door.outgoing(&self.caller, message) {
            Ok(Way::Local(message)) => {
                // [MQTT-3.3.1-5]
                self.door.router.publish(message, publish.retain).await;
                match number {
                    Some(number) if self.accepting.is_empty() => self.say(&Packet::PubAck(PubAck::new(number))),
                    Some(_) => self.accepting.push_back(Box::pin(ready(Ok(number)))),
                    None => {}
                }
            }
            Ok(Way::Up(message)) => {
                let waiting = Held::new(self.held.share().clone(), message.topic.len() + message.payload.len());
                let accepting = self.door.accept(&self.caller, message, None);
                self.accepting.push_back(Box::pin(async move {
                    let _waiting = waiting;
                    let accepted = accepting.await;
                    accepted.map(|_| number).map_err(|error| not_accepted(&error).message)
                }));
            }
            // [MQTT-3.3.5-2]
            Err(refusal) => return refused(format!("{}; {}", refusal.message, refusal.hint)),
        }
        Ok(())
    }

    /// The answer to a call has the fields of the operation `answer` at the other door.
    fn answer(&mut self, call: &str, payload: &[u8], number: Option<u16>) -> Result<(), End> {
        let mut request: Map<String, Value> = match serde_json::from_slice(payload) {
            Ok(fields) => fields,
            Err(error) => return refused(format!("an answer to the call {call} that is no JSON object: {error}")),
        };
        request.extend([("id".into(), 0.into()), ("op".into(), "answer".into()), ("call".into(), call.into())]);
        let answering = match parse_line(Value::Object(request).to_string().as_bytes()).map(|request| request.op) {
            Ok(Op::Answer { call, answer }) => self.door.answer(&self.calls, call, answer),
            Ok(_) => return refused("an answer that is none"),
            Err(refusal) => return refused(format!("an answer to the call {call}: {}", refusal.message)),
        };
        let (program, call) = (self.id.0, call.to_owned());
        self.accepting.push_back(Box::pin(async move {
            if let Err(why) = answering.await {
                tracing::warn!(program, call, "an MQTT client's answer is not taken: {why}");
            }
            Ok(number)
        }));
        Ok(())
    }

    async fn subscribe(&mut self, subscribe: Subscribe) -> Result<(), End> {
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for SubscribeFilter { path, qos } in subscribe.filters {
            codes.push(self.grant(path, qos).await?);
        }
        // [MQTT-3.8.4-2], [MQTT-3.8.4-5]
        self.say(&Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
        Ok(())
    }

    async fn grant(&mut self, filter: String, qos: QoS) -> Result<SubscribeReasonCode, End> {
        let others = if self.filters.contains(&filter) { 0 } else { self.filters.len() };
        let why = match topic::validate_filter(&filter) {
            // [MQTT-4.7.1-2], [MQTT-4.7.1-3], [MQTT-4.7.3-1]
            Err(error @ (TopicError::Empty | TopicError::WildcardNotAlone(_) | TopicError::HashNotLast)) => {
                return refused(format!("a SUBSCRIBE with {:?}: {error}", shortened(&filter)));
            }
            Err(error) => error.to_string(),
            Ok(()) => match self.door.may_subscribe(&self.caller, &filter, others) {
                Ok(()) => {
                    let (granted, own) = match qos {
                        QoS::AtMostOnce => (QoS::AtMostOnce, Qos::AtMostOnce),
                        _ => (QoS::AtLeastOnce, Qos::AtLeastOnce),
                    };
                    match self.door.router.subscribe(self.account, filter.clone(), own).await {
                        Ok(()) => {
                            tracing::debug!(program = self.id.0, filter, "MQTT subscribed");
                            self.filters.insert(filter);
                            return Ok(SubscribeReasonCode::Success(granted));
                        }
                        Err(why) => not_subscribed(why, &self.caller).message,
                    }
                }
                Err(refusal) => refusal.message,
            },
        };
        tracing::warn!(program = self.id.0, filter = shortened(&filter), "MQTT subscription refused: {why}");
        Ok(SubscribeReasonCode::Failure)
    }

    async fn unsubscribe(&mut self, unsubscribe: Unsubscribe) -> Result<(), End> {
        for filter in unsubscribe.topics {
            self.filters.remove(&filter);
            self.door.router.unsubscribe(self.account, filter).await;
        }
        // [MQTT-3.10.4-5]: also when there was nothing.
        self.say(&Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
        Ok(())
    }

    fn tell(&mut self, taken: Taken) {
        let item = match taken {
            Taken::Item(item) => item,
            Taken::Lagged(missed) => {
                self.lagged += missed;
                return tracing::warn!(
                    program = self.id.0,
                    missed,
                    "an MQTT client does not read: messages were dropped"
                );
            }
        };
        if let Event::Call(call) = &item.parcel.event
            && let Some((message, _)) = announcement(&item.parcel.event)
        {
            // It is worth something now or never.
            self.calls.note(&item.parcel.event);
            self.say(&Packet::Publish(Publish::new(&call.topic, QoS::AtMostOnce, message.payload)));
        }
        if let Event::Message(message) = &item.parcel.event {
            if item.qos == Qos::AtMostOnce && !item.retained {
                return self.out.extend_from_slice(item.parcel.encoded(|| written_once(message)));
            }
            let mut publish = publish(message);
            publish.retain = item.retained;
            if item.qos == Qos::AtLeastOnce {
                publish.qos = QoS::AtLeastOnce;
                publish.dup = item.again;
                publish.pkid = self.window.put(item.clone());
            }
            self.say(&Packet::Publish(publish));
        }
    }

    /// Brings what was taken to its end and says what there is to say; hands back the caller and what is to be sent again.
    pub(super) async fn finish<W: AsyncWrite + Unpin>(mut self, writer: &mut W) -> (Caller, Vec<Item>) {
        while let Some(accepted) = self.accepting.next().await {
            match accepted {
                Ok(Some(number)) => self.say(&Packet::PubAck(PubAck::new(number))),
                Ok(None) => {}
                Err(why) => tracing::warn!(program = self.id.0, "a message was not accepted: {why}"),
            }
        }
        // Whoever has gone does not read it.
        let _ = tokio::time::timeout(super::LAST_WORDS, writer.write_all(&self.out)).await;
        (self.caller, self.window.into_items())
    }
}

/// The beginning of a foreign text, for the log: a topic may have 65,535 bytes.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(256).map_or(text, |(end, _)| text.get(..end).unwrap_or_default())
}

fn publish(message: &Message) -> Publish {
    Publish::from_bytes(&message.topic, QoS::AtMostOnce, message.payload.clone().into())
}

/// The message at QoS 0: the same bytes for every client.
fn written_once(message: &Message) -> Bytes {
    let mut bytes = BytesMut::new();
    if let Err(error) = publish(message).write(&mut bytes) {
        tracing::warn!(topic = message.topic, %error, "a message could not be written as MQTT");
    }
    bytes.freeze()
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
