//! What a device proves itself with on an ordinary connection.

use super::config::MAX_SECRET_BYTES;
use crate::sign_in::check_secret;
use crate::{ConfigError, MAX_CREDENTIAL_BYTES, Secret};

/// Given by the user, or handed out by a registration. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// `DeviceSecret` in the console, used as it is spelled: it looks like hex but is not decoded. 1 to 256 bytes.
    DeviceSecret(Secret),
    /// What a registration without a listed device hands out; it stands for one physical device of at most five.
    Token {
        /// The platform's name for this physical device; at most 225 bytes.
        client_id: String,
        /// The password, used unchanged. 1 to 256 bytes.
        token: Secret,
    },
}

impl From<Secret> for Credential {
    fn from(device_secret: Secret) -> Self {
        Self::DeviceSecret(device_secret)
    }
}

impl Credential {
    /// Whether the platform can have handed it out.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::DeviceSecret(secret) => check_secret("device_secret", secret, MAX_SECRET_BYTES),
            Self::Token { client_id, token } => {
                check_secret("device_token", token, MAX_SECRET_BYTES)?;
                check_pushed_client_id(client_id)
            }
        }
    }

    /// Source: Alibaba Cloud IoT Platform documentation, "MQTT-TCP connection": authType=connwl. One of its tables prints
    /// `regnwl` here, which no client sends.
    pub(super) fn token_client_id(cid: &str, flags: &str) -> String {
        format!("{cid}|securemode=-2,authType=connwl{flags}|")
    }
}

fn check_pushed_client_id(client_id: &str) -> Result<(), ConfigError> {
    let hint = "register the device again";
    let whole = Credential::token_client_id(client_id, ",ext=1").len();
    if client_id.is_empty() || whole > MAX_CREDENTIAL_BYTES {
        let message = format!("is {} bytes long", client_id.len());
        return Err(ConfigError::new("client_id", message, hint));
    }
    if client_id.contains('|') || client_id.chars().any(char::is_control) || client_id.trim() != client_id {
        return Err(ConfigError::new("client_id", "has a `|`, a control character or a blank around it", hint));
    }
    Ok(())
}
