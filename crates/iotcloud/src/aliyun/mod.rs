//! Alibaba Cloud IoT Platform with a secret per device, given or fetched with the product's, on old public, new public and enterprise instances.

mod answer;
mod config;
mod credential;
pub mod dialogue;
mod https;
mod ota;
mod refusal;
mod register;
mod sign;
mod topics;
mod wrap;

pub use answer::AnswerError;
pub use config::{Config, Instance};
pub use credential::Credential;
pub use dialogue::Dialogue;
pub use https::{HttpsError, HttpsRequest};
pub use register::{Registration, RegistrationConfig, RegistrationMode, SecureMode};
pub use sign::SignMethod;

use crate::{Action, ConfigError, Incoming, Limits, Qos};

/// Source: Alibaba Cloud IoT Platform documentation, "Limits": message size, topic length, subscriptions per device.
pub const LIMITS: Limits = Limits { payload_bytes: 256 * 1024, topic_bytes: 128, subscriptions: Some(100) };

/// A device on the platform whose settings were checked.
#[derive(Debug, Clone)]
pub struct Aliyun {
    config: Config,
    /// The free part of the client ID.
    cid: String,
    /// `/{product key}/{device name}/`
    prefix: String,
}

impl Aliyun {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        let cid = config.check()?;
        let prefix = format!("/{}/{}/", config.product_key, config.device_name);
        Ok(Self { config, cid, prefix })
    }

    pub(crate) fn on_connected(&self, version: Option<&str>) -> Vec<Action> {
        let mut actions = vec![Action::Subscribe { filter: self.upgrade_topic(), qos: Qos::AtLeastOnce }];
        if let Some(version) = version {
            let payload = ota::version_report(version, None);
            actions.push(Action::Publish { topic: self.inform_topic(), payload, qos: Qos::AtLeastOnce });
        }
        actions
    }

    pub(crate) fn on_message(&self, topic: &str, payload: &[u8]) -> Incoming {
        if topic == self.upgrade_topic() { ota::read_upgrade(payload) } else { Incoming::ForPrograms }
    }
}
