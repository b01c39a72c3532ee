//! Any MQTT broker: the settings as they are given, and no dialogue of its own.

use crate::sign_in::{check_host, check_port, check_secret};
use crate::{
    ConfigError, Limits, MAX_CREDENTIAL_BYTES, Refusal, RefusalKind, Root, Secret, SignIn, TlsChoice, TopicError,
    is_absolute,
};

/// MQTT's own bounds; the payload is what other clouds take, since a broker's own bound cannot be known.
pub const LIMITS: Limits = Limits { payload_bytes: 256 * 1024, topic_bytes: 65_535, subscriptions: None };
/// Slashes that a topic may have. The standard names no bound, but a broker that has one closes the connection, and would do so
/// again each time the message is sent. Source: mosquitto, where a topic of 201 slashes is a malformed packet.
const MAX_SLASHES: usize = 200;

/// What the user says of the broker.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name or address.
    pub host: String,
    /// `None`: 8883 with TLS, 1883 without.
    pub port: Option<u16>,
    /// With [`TlsChoice::Verify`], the system's roots.
    pub tls: TlsChoice,
    /// 1 to 256 bytes.
    pub client_id: String,
    /// At most 256 bytes.
    pub username: Option<String>,
    /// At most 256 bytes; needs a user name.
    pub password: Option<Secret>,
    /// 1 to 65535 seconds.
    pub keepalive_s: u16,
    /// `false`: the broker keeps QoS 1 messages while the link is down.
    pub clean_session: bool,
    /// Put before relative topics with a slash; empty = none.
    pub topic_prefix: String,
}

impl Config {
    /// A broker with TLS, no password, a keep-alive of 300 s and a session that is kept.
    pub fn new(host: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            port: None,
            tls: TlsChoice::default(),
            client_id: client_id.into(),
            username: None,
            password: None,
            keepalive_s: 300,
            clean_session: false,
            topic_prefix: String::new(),
        }
    }
}

/// A broker whose settings were checked.
#[derive(Debug, Clone)]
pub struct Mqtt {
    config: Config,
    /// With its slash; empty when there is none.
    prefix: String,
}

impl Mqtt {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        check_host(&config.host)?;
        check_port(config.port)?;
        check_credential("client_id", &config.client_id)?;
        if let Some(username) = &config.username {
            check_credential("username", username)?;
        }
        if let Some(password) = &config.password {
            check_secret("password", password, MAX_CREDENTIAL_BYTES)?;
            if config.username.is_none() {
                let message = "is there without a user name, which MQTT forbids";
                return Err(ConfigError::new("password", message, "give `username` too"));
            }
        }
        if config.keepalive_s == 0 {
            let message = "is 0: a dead link would go unnoticed";
            return Err(ConfigError::new("keepalive_s", message, "give 1 to 65535 seconds"));
        }
        let prefix = match config.topic_prefix.trim_end_matches('/') {
            "" => String::new(),
            prefix if prefix.contains(['+', '#']) || prefix.chars().any(char::is_control) => {
                let message = "has a wildcard or a control character";
                return Err(ConfigError::new("topic_prefix", message, "give a topic such as `site/gateway-1`"));
            }
            prefix => format!("{prefix}/"),
        };
        Ok(Self { config, prefix })
    }

    pub(crate) fn sign_in(&self) -> SignIn {
        let config = &self.config;
        SignIn {
            host: config.host.clone(),
            port: config.port.unwrap_or(if config.tls.is_on() { 8883 } else { 1883 }),
            tls: config.tls.resolve(Root::System),
            client_id: config.client_id.clone(),
            username: config.username.clone(),
            password: config.password.clone(),
            keepalive_s: config.keepalive_s,
            clean_session: config.clean_session,
        }
    }

    pub(crate) fn expand(&self, topic: &str) -> Result<String, TopicError> {
        if topic.is_empty() {
            return Err(TopicError::Empty);
        }
        let long = if is_absolute(topic) { topic.to_owned() } else { format!("{}{topic}", self.prefix) };
        if long.len() > LIMITS.topic_bytes {
            return Err(TopicError::TooLong { length: long.len(), limit: LIMITS.topic_bytes });
        }
        match long.matches('/').count() {
            slashes if slashes > MAX_SLASHES => Err(TopicError::TooDeep { slashes, limit: MAX_SLASHES }),
            _ => Ok(long),
        }
    }

    pub(crate) fn shorten<'a>(&self, topic: &'a str) -> &'a str {
        match topic.strip_prefix(&self.prefix) {
            Some(rest) if !rest.is_empty() && !is_absolute(rest) => rest,
            _ => topic,
        }
    }

    pub(crate) fn refusal(&self, connack: Option<u8>) -> Refusal {
        let host = &self.config.host;
        let (kind, message, hint) = match connack {
            Some(1) => {
                (RefusalKind::Configuration, "does not speak MQTT 3.1.1", "use another broker or its 3.1.1 port")
            }
            Some(2) => (RefusalKind::Configuration, "refuses the client ID", "change `client_id` in [cloud]"),
            Some(3) => (RefusalKind::Temporary, "cannot serve us now", "nothing to do: it is tried again"),
            Some(4) => (
                RefusalKind::Credentials,
                "refuses the user name or password",
                "check `username` and `password` in [cloud]",
            ),
            Some(5) => (
                RefusalKind::Credentials,
                "does not let this client in",
                "check `username`, `password` and `client_id` in [cloud] and the broker's list of who may connect",
            ),
            _ => (
                RefusalKind::Unknown,
                "refused the sign-in and the link does not tell why",
                "check `username`, `password` and `client_id` in [cloud]; the broker's log tells the reason",
            ),
        };
        Refusal { code: connack, kind, message: format!("the broker {host} {message}"), hint: hint.to_owned() }
    }
}

fn check_credential(field: &'static str, text: &str) -> Result<(), ConfigError> {
    if text.is_empty() || text.len() > MAX_CREDENTIAL_BYTES {
        let message = format!("is {} bytes long", text.len());
        return Err(ConfigError::new(field, message, format!("give 1 to {MAX_CREDENTIAL_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(ConfigError::new(field, "has a control character", "remove it"));
    }
    Ok(())
}
