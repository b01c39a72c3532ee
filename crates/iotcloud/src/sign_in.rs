//! All that an MQTT connection needs to know.

use crate::{ConfigError, Secret};
use std::path::PathBuf;

/// Longest client ID, user name or password in bytes: the narrowest uplink, the module's `AT+MCONFIG`, takes no more.
///
/// Source: AT command manual V1.6.3, p. 238.
pub const MAX_CREDENTIAL_BYTES: usize = 256;

/// Where to connect, as whom, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether and how the connection is encrypted.
    pub tls: Tls,
    /// MQTT client identifier.
    pub client_id: String,
    /// MQTT user name.
    pub username: Option<String>,
    /// MQTT password; only ever there together with a user name.
    pub password: Option<Secret>,
    /// MQTT keep-alive in seconds.
    pub keepalive_s: u16,
    /// MQTT clean session flag.
    pub clean_session: bool,
}

/// How the connection is to be encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Plain TCP.
    Off,
    /// Encrypted; the server must prove to be the one named by `host`, up to this root.
    Verify(Root),
    /// Encrypted, but with anyone who answers.
    Unverified,
}

/// Whom a server's certificate must come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// Aliyun IoT's own root, which signs port 8883.
    AliyunIot,
    /// GlobalSign Root R1, which signs Aliyun's ports 443 and 1883. It expires on 2028-01-28.
    GlobalSignR1,
    /// Any that the host's system trusts.
    System,
    /// The PEM file that the user names.
    CaFile(PathBuf),
}

impl Root {
    /// The certificate in PEM, for those that travel with this crate.
    #[must_use]
    pub fn pem(&self) -> Option<&'static str> {
        match self {
            Self::AliyunIot => Some(include_str!("../roots/aliyun-iot-root.pem")),
            Self::GlobalSignR1 => Some(include_str!("../roots/globalsign-root-r1.pem")),
            Self::System | Self::CaFile(_) => None,
        }
    }
}

/// What the user wants of TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TlsChoice {
    /// Encrypted and verified against the root that the cloud is known by.
    #[default]
    Verify,
    /// Encrypted and verified against this PEM file.
    CaFile(PathBuf),
    /// Encrypted but not verified.
    Unverified,
    /// Plain TCP.
    Off,
}

impl TlsChoice {
    /// Whether the connection is encrypted at all.
    #[must_use]
    pub fn is_on(&self) -> bool {
        *self != Self::Off
    }

    pub(crate) fn resolve(&self, default_root: Root) -> Tls {
        match self {
            Self::Verify => Tls::Verify(default_root),
            Self::CaFile(path) => Tls::Verify(Root::CaFile(path.clone())),
            Self::Unverified => Tls::Unverified,
            Self::Off => Tls::Off,
        }
    }
}

/// Refuses what cannot be a host name or an address, and says what people usually wrote instead.
pub(crate) fn check_host(host: &str) -> Result<(), ConfigError> {
    let fault = |message, hint| Err(ConfigError::new("host", message, hint));
    if host.is_empty() || host.len() > 253 {
        return fault("is empty or longer than 253 bytes", "give a host name or an address");
    }
    if host.contains("://") {
        return fault("is a URL", "give the name alone, without `mqtt://` and the like, and the port as `port`");
    }
    if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b)) {
        return fault("has characters that no host name has", "give a host name or an address");
    }
    if !host.starts_with('[') && host.bytes().filter(|b| *b == b':').count() == 1 {
        return fault("has a port in it", "give the port as `port`");
    }
    Ok(())
}

pub(crate) fn check_port(port: Option<u16>) -> Result<(), ConfigError> {
    match port {
        Some(0) => Err(ConfigError::new("port", "is 0", "give 1 to 65535, or leave it out")),
        _ => Ok(()),
    }
}

/// Refuses an empty secret, one too long to be one, and the line end that came with a paste.
pub(crate) fn check_secret(field: &'static str, secret: &Secret, max: usize) -> Result<(), ConfigError> {
    let text = secret.expose();
    if text.is_empty() {
        return Err(ConfigError::new(field, "is empty", "copy it from the console"));
    }
    if text.len() > max {
        return Err(ConfigError::new(field, format!("is longer than {max} bytes"), "copy it from the console"));
    }
    if text.chars().any(char::is_control) || text.trim() != text {
        let message = "has a blank or a line end around it, or a control character in it";
        return Err(ConfigError::new(field, message, "remove it: the text is used byte for byte"));
    }
    Ok(())
}
