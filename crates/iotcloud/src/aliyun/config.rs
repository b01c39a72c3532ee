//! The settings of a device on the platform, and what is allowed in them.

use super::Credential;
use super::SignMethod;
use crate::sign_in::{check_host, check_port};
use crate::{ConfigError, MAX_CREDENTIAL_BYTES, TlsChoice};

/// Longest free part of the client ID, in characters.
/// Source: Alibaba Cloud IoT Platform documentation, "MQTT-TCP connection": clientId.
const MAX_CID_CHARS: usize = 64;

/// Longest device name, in characters.
/// Source: Alibaba Cloud IoT Platform documentation, "Limits": DeviceName.
const MAX_DEVICE_NAME_CHARS: usize = 32;

/// Longest product key, in bytes. Real ones have 11.
const MAX_PRODUCT_KEY_BYTES: usize = 32;

/// Longest device secret, in bytes. Real ones have 32.
pub(super) const MAX_SECRET_BYTES: usize = 256;

/// Keep-alive that the platform takes, in seconds.
/// Source: Alibaba Cloud IoT Platform documentation, "Limits": MQTT keep-alive.
const KEEPALIVE_S: std::ops::RangeInclusive<u16> = 30..=1200;

/// What the user says of the device.
#[derive(Debug, Clone)]
pub struct Config {
    /// `ProductKey` in the console.
    pub product_key: String,
    /// `DeviceName` in the console.
    pub device_name: String,
    /// How it proves to be that device.
    pub credential: Credential,
    /// Where the device lives.
    pub instance: Instance,
    /// How the password is computed.
    pub sign_method: SignMethod,
    /// With [`TlsChoice::Verify`], the root that the port's certificate is known to come from.
    pub tls: TlsChoice,
    /// In place of the instance's host.
    pub host: Option<String>,
    /// `None`: 8883 with TLS, 1883 without.
    pub port: Option<u16>,
    /// 30 to 1200 seconds.
    pub keepalive_s: u16,
    /// `false`: the platform keeps QoS 1 messages for up to 7 days while the link is down.
    pub clean_session: bool,
    /// The free part of the client ID; `None` = `{product key}.{device name}`.
    pub client_id: Option<String>,
    /// Whether the platform may make remote calls on topics of the user's own.
    pub custom_rrpc: bool,
}

/// Where a device lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Instance {
    /// The old public instance, one a region.
    OldPublic {
        /// `cn-shanghai` and the like.
        region: String,
    },
    /// A new public or an enterprise instance, by the ID on its page in the console (`iot-06z…`).
    Id(String),
}

impl Instance {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::OldPublic { region } => check_word("region", region, 32, "give one such as `cn-shanghai`"),
            Self::Id(id) => check_word("instance_id", id, 63, "copy it from the instance's page in the console"),
        }
    }

    /// The host of this instance's MQTT door.
    pub(super) fn host(&self, product_key: &str) -> String {
        match self {
            Self::OldPublic { region } => format!("{product_key}.iot-as-mqtt.{region}.aliyuncs.com"),
            Self::Id(id) => format!("{id}.mqtt.iothub.aliyuncs.com"),
        }
    }
}

impl Config {
    /// A device on the old public instance in Shanghai, with HMAC-SHA256, TLS, a keep-alive of 300 s and a kept session.
    pub fn new(
        product_key: impl Into<String>,
        device_name: impl Into<String>,
        credential: impl Into<Credential>,
    ) -> Self {
        Self {
            product_key: product_key.into(),
            device_name: device_name.into(),
            credential: credential.into(),
            instance: Instance::OldPublic { region: "cn-shanghai".into() },
            sign_method: SignMethod::default(),
            tls: TlsChoice::default(),
            host: None,
            port: None,
            keepalive_s: 300,
            clean_session: false,
            client_id: None,
            custom_rrpc: false,
        }
    }

    /// Checks all fields; the result is the free part of the client ID.
    pub(super) fn check(&self) -> Result<String, ConfigError> {
        check_identity(&self.product_key, &self.device_name)?;
        self.credential.check()?;
        self.instance.check()?;
        if let Some(host) = &self.host {
            check_host(host)?;
        }
        check_port(self.port)?;
        if !KEEPALIVE_S.contains(&self.keepalive_s) {
            let message = format!("is {}", self.keepalive_s);
            return Err(ConfigError::new("keepalive_s", message, "the platform takes 30 to 1200 seconds"));
        }
        self.check_cid()
    }

    fn check_cid(&self) -> Result<String, ConfigError> {
        let cid = match (&self.credential, &self.client_id) {
            // The platform made it; another would not be known to it.
            (Credential::Token { client_id, .. }, _) => return Ok(client_id.clone()),
            (_, Some(cid)) => cid.clone(),
            (_, None) => format!("{}.{}", self.product_key, self.device_name),
        };
        if cid.is_empty() || cid.chars().count() > MAX_CID_CHARS {
            let message = format!("is {} characters long", cid.chars().count());
            return Err(ConfigError::new("client_id", message, format!("give 1 to {MAX_CID_CHARS}")));
        }
        if cid.contains('|') || cid.chars().any(char::is_control) {
            let message = "has a `|` or a control character";
            let hint = "give the free part alone: what stands between the bars is added to it";
            return Err(ConfigError::new("client_id", message, hint));
        }
        // 20 digits are the longest timestamp.
        let whole = super::sign::client_id(&cid, self, &"9".repeat(20));
        if whole.len() > MAX_CREDENTIAL_BYTES {
            let message = format!("makes the MQTT client ID {} bytes long", whole.len());
            return Err(ConfigError::new("client_id", message, format!("shorten it: {MAX_CREDENTIAL_BYTES} fit")));
        }
        Ok(cid)
    }
}

/// Checks who the device is.
pub(super) fn check_identity(product_key: &str, device_name: &str) -> Result<(), ConfigError> {
    check_word("product_key", product_key, MAX_PRODUCT_KEY_BYTES, "copy the ProductKey from the console")?;
    check_device_name(device_name)
}

/// Letters, digits and hyphens: all that keys, regions and instance IDs are made of, and safe in a host name.
fn check_word(field: &'static str, text: &str, max: usize, hint: &'static str) -> Result<(), ConfigError> {
    if text.is_empty() || text.len() > max {
        return Err(ConfigError::new(field, format!("is {} bytes long (1 to {max} are possible)", text.len()), hint));
    }
    if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Err(ConfigError::new(field, "has characters other than letters, digits and `-`", hint));
    }
    Ok(())
}

/// The documentation allows ASCII letters, digits and `-_@.:`. Any letter is let through, since names outside ASCII are in
/// use; what would break the user name, a topic or the client ID is not.
fn check_device_name(name: &str) -> Result<(), ConfigError> {
    let chars = name.chars().count();
    if chars == 0 || chars > MAX_DEVICE_NAME_CHARS {
        let message = format!("is {chars} characters long (4 to {MAX_DEVICE_NAME_CHARS} are possible)");
        return Err(ConfigError::new("device_name", message, "copy the DeviceName from the console"));
    }
    match name.chars().find(|c| !c.is_alphanumeric() && !"-_@.:".contains(*c)) {
        Some(bad) => Err(ConfigError::new(
            "device_name",
            format!("has the character {bad:?}"),
            "copy the DeviceName from the console: letters, digits and - _ @ . : are possible",
        )),
        None => Ok(()),
    }
}
