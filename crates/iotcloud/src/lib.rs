//! The clouds without I/O: how each of them wants to be signed in to, which topics it uses and what it says there.
//!
//! Time, randomness and received bytes come in as arguments; what to publish, subscribe or keep goes out as values.
//! Sockets, clocks, files and logging may not live here.
//!
//! ```
//! use iotcloud::{Cloud, Moment, Secret, aliyun};
//!
//! let config = aliyun::Config::new("a1X2bEnP82z", "861551056421746", Secret::new("ga7XA6KdlEeiPXQPpRbAjOZXwG8ydgSe"));
//! let cloud = Cloud::Aliyun(aliyun::Aliyun::new(config)?);
//! let sign_in = cloud.sign_in(&Moment::new(1_700_000_000_123, 42));
//! assert_eq!((sign_in.host.as_str(), sign_in.port), ("a1X2bEnP82z.iot-as-mqtt.cn-shanghai.aliyuncs.com", 8883));
//! assert_eq!(cloud.expand("user/update").as_deref(), Ok("/a1X2bEnP82z/861551056421746/user/update"));
//! # Ok::<(), iotcloud::ConfigError>(())
//! ```
#![forbid(unsafe_code)]

pub mod aliyun;
mod dialogue;
mod error;
mod moment;
pub mod mqtt;
pub mod ota;
mod secret;
mod sign_in;

pub use dialogue::{Action, Incoming, Limits, Qos, Refusal, RefusalKind};
pub use error::{ConfigError, TopicError};
pub use moment::Moment;
pub use secret::Secret;
pub use sign_in::{MAX_CREDENTIAL_BYTES, Root, SignIn, Tls, TlsChoice};

/// A cloud with its device's identity, ready to be talked to.
#[derive(Debug, Clone)]
pub enum Cloud {
    /// Alibaba Cloud IoT Platform.
    Aliyun(aliyun::Aliyun),
    /// Any MQTT broker.
    Mqtt(mqtt::Mqtt),
}

impl Cloud {
    /// What to connect with. Compute it anew for every connection.
    #[must_use]
    pub fn sign_in(&self, moment: &Moment) -> SignIn {
        match self {
            Self::Aliyun(cloud) => cloud.sign_in(moment),
            Self::Mqtt(cloud) => cloud.sign_in(),
        }
    }

    /// The long form of a topic or filter: one that begins with `/` or `$` as it is, any other relative to the device.
    ///
    /// # Errors
    /// The long form is not one that the cloud takes.
    pub fn expand(&self, topic: &str) -> Result<String, TopicError> {
        match self {
            Self::Aliyun(cloud) => cloud.expand(topic),
            Self::Mqtt(cloud) => cloud.expand(topic),
        }
    }

    /// The short form of a topic or filter when it has one: what [`Cloud::expand`] makes the same of again.
    #[must_use]
    pub fn shorten<'a>(&self, topic: &'a str) -> &'a str {
        match self {
            Self::Aliyun(cloud) => cloud.shorten(topic),
            Self::Mqtt(cloud) => cloud.shorten(topic),
        }
    }

    /// What the cloud wants said after each sign-in. `version` is that of the device's firmware, if it takes part in OTA.
    #[must_use]
    pub fn on_connected(&self, version: Option<&str>) -> Vec<Action> {
        match self {
            Self::Aliyun(cloud) => cloud.on_connected(version),
            Self::Mqtt(_) => Vec::new(),
        }
    }

    /// Whom a message concerns; `topic` in its long form.
    #[must_use]
    pub fn on_message(&self, topic: &str, payload: &[u8]) -> Incoming {
        match self {
            Self::Aliyun(cloud) => cloud.on_message(topic, payload),
            Self::Mqtt(_) => Incoming::ForPrograms,
        }
    }

    /// What a message may measure.
    #[must_use]
    pub fn message_limits(&self) -> Limits {
        match self {
            Self::Aliyun(_) => aliyun::LIMITS,
            Self::Mqtt(_) => mqtt::LIMITS,
        }
    }

    /// What a refused sign-in means. The module tells no CONNACK code, hence the option.
    #[must_use]
    pub fn refusal(&self, connack: Option<u8>) -> Refusal {
        match self {
            Self::Aliyun(cloud) => cloud.refusal(connack),
            Self::Mqtt(cloud) => cloud.refusal(connack),
        }
    }
}

/// `/…` and `$…` go as they are.
fn is_absolute(topic: &str) -> bool {
    topic.starts_with(['/', '$'])
}
