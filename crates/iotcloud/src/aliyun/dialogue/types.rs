//! What goes into the dialogue and what comes out of it.

use crate::ota::OtaJob;
use crate::{Qos, Secret};
use serde_json::Value;

/// A device of the platform, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeviceId {
    /// Its product.
    pub product_key: String,
    /// Its name within the product.
    pub device_name: String,
}

impl std::fmt::Display for DeviceId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.product_key, self.device_name)
    }
}

/// What a program asks of the cloud.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Any method of the Alink protocol: `thing.property.desired.get`, `thing.topo.get`, ….
    Call {
        /// The method; its topic follows from it.
        method: String,
        /// Its parameters.
        params: Value,
        /// A sub-device; `None`: the device itself.
        device: Option<DeviceId>,
        /// How long to wait for the reply; `None`: 20 s.
        timeout_ms: Option<u64>,
    },
    /// A document for the shadow: `{"method":"update","state":{"reported":{…}},"version":n}`, `{"method":"get"}` or
    /// `{"method":"delete",…}`.
    Shadow(Value),
    /// Makes a device a sub-device of this one.
    AddDevice {
        /// Which.
        device: DeviceId,
        /// Its own secret.
        secret: Secret,
    },
    /// Signs a sub-device in, and again after each interruption until it is signed out.
    Login {
        /// Which.
        device: DeviceId,
        /// Its own secret.
        secret: Secret,
    },
    /// Signs a sub-device out.
    Logout {
        /// Which.
        device: DeviceId,
    },
}

impl Request {
    /// The sub-device that it is about.
    pub(super) fn device(&self) -> Option<&DeviceId> {
        match self {
            Self::Call { device, .. } => device.as_ref(),
            Self::AddDevice { device, .. } | Self::Login { device, .. } | Self::Logout { device } => Some(device),
            Self::Shadow(_) => None,
        }
    }
}

/// A request that waits for its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestId(pub(super) u32);

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no session. Nothing was sent.
    #[error("the link to the cloud is down, and this cannot wait for it")]
    Offline,
    /// The session ended before the reply. It may have been done.
    #[error("the link went down before the cloud replied; it may have been done")]
    Lost,
    /// No reply in time. It may have been done.
    #[error("the cloud did not reply in time; it may have been done")]
    TimedOut,
    /// Too many requests wait. Nothing was sent.
    #[error("too many requests wait for the cloud's reply")]
    Busy,
    /// The cloud did not let us listen for its reply. Nothing was sent.
    #[error("the cloud refused the subscription to its reply")]
    NotSubscribed,
    /// The cloud said no.
    #[error("the cloud refuses it ({code}): {}{}", sentence(*code), said(message))]
    Refused {
        /// Its code.
        code: u64,
        /// Its words.
        message: String,
    },
    /// It cannot be asked like this.
    #[error("{0}")]
    Unusable(String),
    /// It is longer than one message may be. Nothing was sent.
    #[error("with its envelope the request has {len} bytes; one message carries at most {max}")]
    TooLong {
        /// Length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// Whatever was to send it does not take its length. Nothing was sent.
    #[error("{0}")]
    NotTaken(String),
    /// Whatever was to send it could not, or was refused to.
    #[error("the request was not sent: {0}")]
    NotSent(String),
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(" (it says {message:?})") }
}

/// Source: Alibaba Cloud IoT Platform documentation, "Device error codes".
fn sentence(code: u64) -> &'static str {
    match code {
        400 | 460 => "a parameter is missing or malformed; compare it with the documentation of the method",
        401 => "the signature or the rights are wrong; compare the device's secret with the console",
        427 => "the sub-device signed in elsewhere",
        428 => "too many sub-devices sign in at once",
        429 => "it was asked too often; ask more slowly",
        500 | 6760 => "the platform failed; try again later",
        520 => "the sub-device has no session; sign it in first",
        521 => "the sub-device was deleted in the console",
        522 => "the sub-device is disabled; enable it in the console under Devices",
        5005 | 6250 => "there is no such product; compare the product key with the console",
        5244 => "a LoRaWAN product's devices are added in the console, not here",
        6100 => "there is no such device; add it in the console under Devices",
        6106 => "more than 200 properties in one message; send fewer",
        6203 => "the topic cannot be read",
        6204 => "the device is disabled; enable it in the console under Devices",
        6207 => "the message is not JSON of the form that the platform reads",
        6287 => "the signature is wrong; compare the sub-device's secret with the console",
        6288 => "dynamic registration is switched off; switch it on for the product in the console",
        6292 => "the sign method is none of hmacMd5, hmacSha1 and hmacSha256",
        6300..=6332 => {
            "it does not fit the thing model; compare identifiers, types and ranges with the product's Define Feature page"
        }
        6401 => "the sub-device does not belong to this gateway; add it first",
        6402 => "a gateway cannot be its own sub-device",
        6450 | 26001..=26010 => "the product's data parsing script failed; see the product's page in the console",
        6619 => "the sub-device belongs to another gateway; remove it there in the console",
        6710 | 6713 => "there is no such remote configuration; make one in the console under Maintenance",
        6717 | 6718 => "there is no log configuration for this device",
        _ => "the platform's list of error codes tells more",
    }
}

/// A call of the cloud, for the programs that want it.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// To be named in the answer.
    pub id: String,
    /// In the dialogue's words: `$thing/service/reboot`.
    pub topic: String,
    /// The sub-device that it is for.
    pub device: Option<DeviceId>,
    /// What it says.
    pub body: Body,
    /// After this an answer is too late.
    pub answer_within_ms: u64,
}

/// What a call says.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Parameters of the thing model.
    Params(Value),
    /// Whatever the caller sent.
    Payload(Vec<u8>),
}

/// A program's answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To a call with parameters.
    Data {
        /// 200, or from 100000 to 110000 for the program's own errors.
        code: u32,
        /// What comes back.
        data: Value,
    },
    /// To a call with a payload: the bytes as they are.
    Payload(Vec<u8>),
}

/// Why an answer was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefused {
    /// It was answered before, came too late, or never was.
    #[error("no such call waits for an answer: it was answered before, or it is too late")]
    Unknown,
    /// The call has parameters, or a payload; the answer must have the same.
    #[error("this call is answered with {0}")]
    Form(&'static str),
    /// Neither 200 nor one of the program's own.
    #[error("the code is neither 200 nor from 100000 to 110000")]
    Code,
    /// It is longer than one message may be.
    #[error("with its envelope the answer has {len} bytes; one message carries at most {max}")]
    TooLong {
        /// Length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Publish this.
    Publish {
        /// In the long form.
        topic: String,
        /// The bytes.
        payload: Vec<u8>,
        /// How hard to try.
        qos: Qos,
        /// The request that this makes, if it makes one: see [`Dialogue::not_sent`](super::Dialogue::not_sent)
        /// and [`Dialogue::not_taken`](super::Dialogue::not_taken).
        request: Option<RequestId>,
    },
    /// [`Dialogue::filters`](super::Dialogue::filters) changed.
    Filters,
    /// A request came to its end.
    Done {
        /// That of the request.
        ticket: u64,
        /// The reply's data, or why there is none.
        result: Result<Value, Failure>,
    },
    /// Hand this call to the programs that want its topic, and say to how many.
    Call(Call),
    /// Hand this message to the programs that want its topic, which is one of the dialogue's words.
    Tell {
        /// `$shadow`, `$broadcast`, ….
        topic: String,
        /// As it came.
        payload: Vec<u8>,
    },
    /// A firmware is offered.
    Ota {
        /// What.
        job: Box<OtaJob>,
        /// To a sub-device.
        device: Option<DeviceId>,
    },
    /// What time it is at this moment.
    Clock {
        /// In milliseconds since 1970, by the cloud's clock.
        unix_ms: u64,
        /// How long question and answer took: the time is true to half of it.
        round_trip_ms: u64,
    },
    /// A reply that nobody waits for.
    Stray {
        /// Where it came.
        topic: String,
    },
    /// Something for the log.
    Note(String),
}
