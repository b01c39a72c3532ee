//! What the daemon says without being asked.

use crate::{Qos, body};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One event, `{"event":"…",…}` on the line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The first line of every connection.
    Hello(Hello),
    /// A message for one of the program's subscriptions.
    Message(Message),
    /// The cloud acknowledged a publish that asked for `confirm`.
    Sent {
        /// The number that the publish was accepted under.
        seq: u64,
    },
    /// A publish that had been accepted will not be sent.
    Dropped(Dropped),
    /// The way to the cloud opened or closed.
    Link(Link),
    /// The program reads too slowly and messages were dropped for it.
    Lagged {
        /// How many.
        missed: u64,
    },
    /// The firmware update moved on; the fields are those of the daemon's OTA status.
    Ota(Map<String, Value>),
    /// The cloud asks something of the program, which answers with the operation `answer`.
    Call(Call),
    /// The data budget: a level was reached, or a new month began.
    Budget(Map<String, Value>),
    /// A text message arrived at the SIM card.
    Sms(Map<String, Value>),
}

/// Who answers, and for which device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`](crate::VERSION) of the daemon.
    pub version: u32,
    /// Program and version, `airgate 0.1.0`.
    pub daemon: String,
    /// The device in the cloud, when the cloud has such a notion and it is known already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The link at this moment.
    pub link: LinkState,
}

/// The device's name in the cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// The product that it belongs to.
    pub product_key: String,
    /// Its name within the product.
    pub device_name: String,
}

/// A message that arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// In the short form when it fits it.
    pub topic: String,
    /// `payload` on the line when it is UTF-8, `payload_b64` when it is not.
    #[serde(flatten, with = "body")]
    pub payload: Vec<u8>,
    /// The one that it was delivered with.
    pub qos: Qos,
}

/// Something that the cloud asks: a property to set, a service to carry out, a remote call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// To be named in the answer.
    pub call: String,
    /// What is called: `$thing/service/property/set`, `$thing/service/reboot`, `$rrpc/user/cmd`, ….
    pub topic: String,
    /// The sub-device that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<Device>,
    /// The parameters, of a call of the thing model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Value>,
    /// The payload of any other call, when it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<String>,
    /// The payload in base64 when it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_b64: Option<String>,
    /// After so many milliseconds an answer is too late.
    pub answer_within_ms: u64,
}

impl Call {
    /// Bears this payload, in whichever field takes it.
    #[must_use]
    pub fn with_payload(self, payload: &[u8]) -> Self {
        match std::str::from_utf8(payload) {
            Ok(text) => Self { payload: Some(text.to_owned()), ..self },
            Err(_) => Self { payload_b64: Some(body::encode(payload)), ..self },
        }
    }
}

/// An accepted publish that is given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// The number that it was accepted under.
    pub seq: u64,
    /// `ttl`, `outbox_full`, `max_age`, `refused`, …: the list may grow.
    pub reason: String,
}

/// The state of the link, and whatever the daemon adds to it (`since`, `reason`, …).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// Up or down.
    pub state: LinkState,
    /// Further fields, as they came.
    #[serde(flatten)]
    pub detail: Map<String, Value>,
}

/// Whether messages can go to the cloud now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkState {
    /// Signed in.
    Online,
    /// Not signed in; what is accepted waits. Also read for any word that a newer daemon may say.
    #[serde(other)]
    Offline,
}

impl Event {
    /// The names that [`Event`] knows on the line.
    pub(crate) const NAMES: [&'static str; 10] =
        ["hello", "message", "sent", "dropped", "link", "lagged", "ota", "call", "sms", "budget"];

    /// The event as one line, newline included.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        crate::frame::to_line(self)
    }
}
