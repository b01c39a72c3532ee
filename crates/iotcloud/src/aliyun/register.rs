//! Dynamic registration over MQTT: a connection signed with the product's secret, on which the platform pushes the
//! device's own credential without being asked.
//!
//! The connection must be encrypted. The platform closes it 15 s after the push. Until the device has signed in once, each
//! `register` may hand out a new secret, of which the last one counts; afterwards it is refused.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "MQTT-based dynamic registration".

use super::answer::Answer;
use super::config::{MAX_SECRET_BYTES, check_identity};
use super::sign::root_of;
use super::{AnswerError, Credential, Instance, SignMethod};
use crate::sign_in::{check_host, check_port, check_secret};
use crate::{ConfigError, MAX_CREDENTIAL_BYTES, Moment, Secret, SignIn, TlsChoice};

/// Both modes' answers: the documentation names the first for both, the SDKs expect one each.
const TOPICS: [&str; 2] = ["/ext/register", "/ext/regnwl"];

/// Enough for a connection that lives for seconds.
const KEEPALIVE_S: u16 = 60;

/// How the device stands in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RegistrationMode {
    /// `authType=register`: it is listed and fetches its secret once.
    Register,
    /// `authType=regnwl`: it is not listed; the platform makes it and hands out a token, to at most five physical
    /// devices of one name.
    RegisterNoPrereg,
}

impl RegistrationMode {
    fn auth_type(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::RegisterNoPrereg => "regnwl",
        }
    }
}

/// Which `securemode` a registration states where the sources contradict each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SecureMode {
    /// As the documentation of 2023 and later: 2 for a listed device on the old public instance, else -2.
    #[default]
    Documented,
    /// As the platform's SDKs: always 2.
    Sdk,
    /// As LuatOS `iotcloud`: 2, and -2 for a device that is not listed.
    Luatos,
}

/// What the user says of the product and the device.
#[derive(Debug, Clone)]
pub struct RegistrationConfig {
    /// How the device stands in the console.
    pub mode: RegistrationMode,
    /// `ProductKey` in the console.
    pub product_key: String,
    /// `DeviceName` in the console, or the one that it is to get.
    pub device_name: String,
    /// `ProductSecret` in the console. 1 to 256 bytes.
    pub product_secret: Secret,
    /// Where the product lives.
    pub instance: Instance,
    /// How the password is computed.
    pub sign_method: SignMethod,
    /// Anything but [`TlsChoice::Off`].
    pub tls: TlsChoice,
    /// In place of the instance's host.
    pub host: Option<String>,
    /// `None`: 8883.
    pub port: Option<u16>,
    /// Host and port of the registration over HTTPS in place of the region's.
    pub https_host: Option<(String, u16)>,
    /// Which `securemode` to state.
    pub secure_mode: SecureMode,
    /// The free part of the client ID; `None` = the device name.
    pub client_id: Option<String>,
}

/// A registration whose settings were checked.
#[derive(Debug, Clone)]
pub struct Registration {
    pub(super) config: RegistrationConfig,
}

impl Registration {
    /// Checks the settings.
    ///
    /// # Errors
    /// The first field that cannot be used.
    pub fn new(config: RegistrationConfig) -> Result<Self, ConfigError> {
        check_identity(&config.product_key, &config.device_name)?;
        check_secret("product_secret", &config.product_secret, MAX_SECRET_BYTES)?;
        config.instance.check()?;
        if let Some(host) = &config.host {
            check_host(host)?;
        }
        check_port(config.port)?;
        if let Some((host, port)) = &config.https_host {
            check_host(host)?;
            check_port(Some(*port))?;
        }
        if !config.tls.is_on() {
            let hint = "remove `tls = false`, or give the device's own secret as `device_secret`";
            return Err(ConfigError::new("tls", "is off, and the platform registers over TLS alone", hint));
        }
        if config.client_id.as_ref().is_some_and(|cid| cid.is_empty() || cid.contains('|') || cid.len() > 64) {
            return Err(ConfigError::new("client_id", "is empty, too long or has a `|`", "give 1 to 64 bytes"));
        }
        let registration = Self { config };
        // 32 characters are the longest random text.
        let whole = registration.client_id(&"9".repeat(32)).len();
        if whole > MAX_CREDENTIAL_BYTES {
            let message = format!("makes the MQTT client ID {whole} bytes long");
            return Err(ConfigError::new("device_name", message, format!("shorten it: {MAX_CREDENTIAL_BYTES} fit")));
        }
        Ok(registration)
    }

    /// What to connect with. Compute it anew for every attempt, with a fresh random text.
    #[must_use]
    pub fn sign_in(&self, moment: &Moment) -> SignIn {
        let config = &self.config;
        let port = config.port.unwrap_or(8883);
        SignIn {
            host: self.host(),
            port,
            tls: config.tls.resolve(root_of(port)),
            client_id: self.client_id(moment.random()),
            username: Some(format!("{}&{}", config.device_name, config.product_key)),
            password: Some(self.sign(moment.random())),
            keepalive_s: KEEPALIVE_S,
            clean_session: true,
        }
    }

    /// The credential in a message that came on the connection; `None` when the message is no answer.
    ///
    /// # Errors
    /// [`AnswerError`]: it is one, but cannot be used.
    #[must_use]
    pub fn on_message(&self, topic: &str, payload: &[u8]) -> Option<Result<Credential, AnswerError>> {
        TOPICS.contains(&topic).then(|| self.read_answer(payload))
    }

    /// The credential in an answer of the platform, however it came here.
    ///
    /// # Errors
    /// [`AnswerError`] tells why it cannot be used.
    pub fn read_answer(&self, payload: &[u8]) -> Result<Credential, AnswerError> {
        self.take(Answer::read(payload)?)
    }

    pub(super) fn take(&self, answer: Answer) -> Result<Credential, AnswerError> {
        let config = &self.config;
        answer.credential(config.mode, &config.product_key, &config.device_name)
    }

    pub(super) fn sign(&self, random: &str) -> Secret {
        let config = &self.config;
        let message = format!("deviceName{}productKey{}random{random}", config.device_name, config.product_key);
        config.sign_method.sign(&config.product_secret, &message)
    }

    pub(super) fn host(&self) -> String {
        let config = &self.config;
        config.host.clone().unwrap_or_else(|| config.instance.host(&config.product_key))
    }

    fn client_id(&self, random: &str) -> String {
        let config = &self.config;
        let cid = config.client_id.as_deref().unwrap_or(&config.device_name);
        let instance = match &config.instance {
            Instance::OldPublic { .. } => String::new(),
            Instance::Id(id) => format!(",instanceId={id}"),
        };
        let old_public = matches!(config.instance, Instance::OldPublic { .. });
        let mode = match (config.secure_mode, config.mode) {
            (SecureMode::Sdk, _) | (SecureMode::Luatos, RegistrationMode::Register) => "2",
            (SecureMode::Documented, RegistrationMode::Register) if old_public => "2",
            (SecureMode::Documented | SecureMode::Luatos, _) => "-2",
        };
        let auth_type = config.mode.auth_type();
        let method = config.sign_method.as_str();
        format!("{cid}|securemode={mode},authType={auth_type},random={random},signmethod={method}{instance}|")
    }
}
