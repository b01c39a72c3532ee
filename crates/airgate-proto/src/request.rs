//! What a program may ask for.

use crate::limits::{DEFAULT_PRIORITY, MAX_PRIORITY};
use crate::{Answer, Ask, Id, Selection, body};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeMap};
use std::num::NonZeroU32;

/// One line from a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Comes back in the answer.
    pub id: Id,
    /// What is asked for.
    pub op: Op,
}

/// The operations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Accept a message and get it to the cloud.
    Publish(Publish),
    /// Send me the messages that match.
    Subscribe {
        /// An MQTT filter.
        filter: String,
        /// Keep them under this name while I am away.
        durable: Option<String>,
    },
    /// The end of a subscription; with `durable`, also of what was kept.
    Unsubscribe {
        /// As subscribed.
        filter: String,
        /// As subscribed.
        durable: Option<String>,
    },
    /// The whole status object.
    Status,
    /// Nothing but an answer.
    Ping,
    /// A raw AT command; operators only.
    At {
        /// Without the line end.
        command: String,
    },
    /// Ask the cloud itself, and answer with what it replies.
    Ask(Ask),
    /// My answer to a call of the cloud.
    Answer {
        /// The call's name in its event.
        call: String,
        /// What to say.
        answer: Answer,
    },
    /// What time it is, by the best clock there is.
    Time,
    /// Some of the messages that wait; operators only.
    OutboxList {
        /// Which.
        selection: Selection,
        /// Only those with a higher number: to go on where the last answer ended.
        after: u64,
        /// With their payloads.
        payloads: bool,
    },
    /// Drop those that wait; operators only.
    OutboxDrop(Selection),
    /// The status as Prometheus reads it.
    Metrics,
    /// The last 30 days, hour by hour.
    History,
    /// Whether I may use a topic, and why.
    May(Use),
    /// The daemon's newest log lines; operators only.
    Log {
        /// Only those with a higher number: to go on where the last answer ended.
        after: u64,
    },
}

impl Op {
    /// The spellings on the line. Some are another way of writing a publication or a call.
    pub const NAMES: [&'static str; 27] = [
        "publish",
        "subscribe",
        "unsubscribe",
        "status",
        "ping",
        "at",
        "property",
        "event",
        "call",
        "answer",
        "service_reply",
        "shadow",
        "time",
        "ota_version",
        "ota_progress",
        "device_add",
        "device_login",
        "device_logout",
        "device_register",
        "device_delete",
        "device_list",
        "outbox_list",
        "outbox_drop",
        "metrics",
        "history",
        "log",
        "may",
    ];

    /// The spelling of this one.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Publish(_) => "publish",
            Self::Subscribe { .. } => "subscribe",
            Self::Unsubscribe { .. } => "unsubscribe",
            Self::Status => "status",
            Self::Ping => "ping",
            Self::At { .. } => "at",
            Self::Ask(ask) => ask.name(),
            Self::Answer { .. } => "answer",
            Self::Time => "time",
            Self::OutboxList { .. } => "outbox_list",
            Self::OutboxDrop(_) => "outbox_drop",
            Self::Metrics => "metrics",
            Self::History => "history",
            Self::Log { .. } => "log",
            Self::May(_) => "may",
        }
    }
}

/// What a program may want to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Use {
    /// Publish to this topic.
    Publish(String),
    /// Subscribe with this filter.
    Subscribe(String),
}

/// A message to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// A topic name, relative to the device unless it begins with `/` or `$`.
    pub topic: String,
    /// At most [`MAX_PAYLOAD_BYTES`](crate::limits::MAX_PAYLOAD_BYTES).
    pub payload: Vec<u8>,
    /// Default: at least once.
    pub qos: Qos,
    /// Who goes first in the outbox.
    pub priority: Priority,
    /// Seconds after which it is worthless and dropped; `None` = the configuration's bound alone.
    pub ttl_s: Option<NonZeroU32>,
    /// Tell me with a `sent` event when the cloud has acknowledged it.
    pub confirm: bool,
    /// Accepting the same key again answers `duplicate` and stores nothing.
    pub key: Option<String>,
}

impl Publish {
    /// A message with the defaults: QoS 1, priority 4, no time limit, no confirmation, no key.
    pub fn new(topic: impl Into<String>, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            topic: topic.into(),
            payload: payload.into(),
            qos: Qos::AtLeastOnce,
            priority: Priority::default(),
            ttl_s: None,
            confirm: false,
            key: None,
        }
    }
}

/// How hard a message is tried; `0` and `1` on the line. The clouds have no QoS 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// Sent once, not stored, not acknowledged.
    AtMostOnce,
    /// Stored and sent until it is acknowledged.
    AtLeastOnce,
}

impl From<Qos> for u8 {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => 1,
        }
    }
}

impl TryFrom<u8> for Qos {
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        match number {
            0 => Ok(Self::AtMostOnce),
            1 => Ok(Self::AtLeastOnce),
            other => Err(other),
        }
    }
}

impl Serialize for Qos {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8((*self).into())
    }
}

impl<'de> Deserialize<'de> for Qos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = u8::deserialize(deserializer)?;
        Self::try_from(number).map_err(|n| serde::de::Error::custom(format!("qos {n} is neither 0 nor 1")))
    }
}

/// 0 to 9; 9 goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// `None` above [`MAX_PRIORITY`].
    #[must_use]
    pub fn new(level: u8) -> Option<Self> {
        (level <= MAX_PRIORITY).then_some(Self(level))
    }

    /// 0 to 9.
    #[must_use]
    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for Priority {
    fn default() -> Self {
        Self(DEFAULT_PRIORITY)
    }
}

impl Request {
    /// The request as one line, newline included. What has its default value is left out.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        crate::frame::to_line(self)
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("op", self.op.name())?;
        match &self.op {
            Op::Publish(publish) => write_publish(&mut map, publish)?,
            Op::Subscribe { filter, durable } | Op::Unsubscribe { filter, durable } => {
                map.serialize_entry("filter", filter)?;
                if let Some(name) = durable {
                    map.serialize_entry("durable", name)?;
                }
            }
            Op::At { command } => map.serialize_entry("command", command)?,
            Op::Ask(ask) => ask.write(&mut map)?,
            Op::Answer { call, answer } => {
                map.serialize_entry("call", call)?;
                answer.write(&mut map)?;
            }
            Op::OutboxList { selection, after, payloads } => {
                selection.write(&mut map)?;
                map.serialize_entry("after", after)?;
                if *payloads {
                    map.serialize_entry("payloads", payloads)?;
                }
            }
            Op::OutboxDrop(selection) => selection.write(&mut map)?,
            Op::Log { after } => map.serialize_entry("after", after)?,
            Op::May(Use::Publish(topic)) => map.serialize_entry("publish", topic)?,
            Op::May(Use::Subscribe(filter)) => map.serialize_entry("subscribe", filter)?,
            Op::Status | Op::Ping | Op::Time | Op::Metrics | Op::History => {}
        }
        map.end()
    }
}

fn write_publish<M: SerializeMap>(map: &mut M, publish: &Publish) -> Result<(), M::Error> {
    map.serialize_entry("topic", &publish.topic)?;
    body::write(map, &publish.payload)?;
    if publish.qos != Qos::AtLeastOnce {
        map.serialize_entry("qos", &publish.qos)?;
    }
    if publish.priority != Priority::default() {
        map.serialize_entry("priority", &publish.priority.get())?;
    }
    if let Some(seconds) = publish.ttl_s {
        map.serialize_entry("ttl_s", &seconds)?;
    }
    if publish.confirm {
        map.serialize_entry("confirm", &true)?;
    }
    if let Some(key) = &publish.key {
        map.serialize_entry("key", key)?;
    }
    Ok(())
}
