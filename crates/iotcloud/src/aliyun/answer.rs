//! What a registration hands out, and whether it is for us.
//!
//! Nothing of the answer but names goes into an error: the rest is secret.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "MQTT-based dynamic registration": returned messages.

use super::{Credential, RegistrationMode};
use crate::{ConfigError, Secret};
use serde::Deserialize;

/// Why an answer cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnswerError {
    /// It is not the JSON object that it should be.
    #[error("the answer to the registration cannot be read (line {line}, column {column})")]
    Malformed {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// A field is not there.
    #[error("the answer to the registration has no `{0}`")]
    Missing(&'static str),
    /// It is for another product.
    #[error("the answer to the registration is for the product {0:?}")]
    OtherProduct(String),
    /// It is for another device.
    #[error("the answer to the registration is for the device {0:?}")]
    OtherDevice(String),
    /// The platform cannot mean it.
    #[error("the answer to the registration cannot be used: {0}")]
    Unusable(ConfigError),
}

/// The fields in use; whatever else there is is not read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    product_key: Option<String>,
    device_name: Option<String>,
    device_secret: Option<Secret>,
    client_id: Option<String>,
    device_token: Option<Secret>,
}

impl Answer {
    pub(super) fn read(payload: &[u8]) -> Result<Self, AnswerError> {
        // The parser's own words may quote the payload.
        serde_json::from_slice(payload).map_err(|e| AnswerError::Malformed { line: e.line(), column: e.column() })
    }

    pub(super) fn credential(
        self,
        mode: RegistrationMode,
        product_key: &str,
        device_name: &str,
    ) -> Result<Credential, AnswerError> {
        let product = self.product_key.ok_or(AnswerError::Missing("productKey"))?;
        if product != product_key {
            return Err(AnswerError::OtherProduct(shown(&product)));
        }
        let device = self.device_name.ok_or(AnswerError::Missing("deviceName"))?;
        if device != device_name {
            return Err(AnswerError::OtherDevice(shown(&device)));
        }
        let credential = match mode {
            RegistrationMode::Register => {
                Credential::DeviceSecret(self.device_secret.ok_or(AnswerError::Missing("deviceSecret"))?)
            }
            RegistrationMode::RegisterNoPrereg => Credential::Token {
                client_id: self.client_id.ok_or(AnswerError::Missing("clientId"))?,
                token: self.device_token.ok_or(AnswerError::Missing("deviceToken"))?,
            },
        };
        credential.check().map_err(AnswerError::Unusable)?;
        Ok(credential)
    }
}

/// As much of a name as a log line bears.
fn shown(name: &str) -> String {
    name.chars().take(64).collect()
}
