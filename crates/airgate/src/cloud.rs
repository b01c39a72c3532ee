//! The cloud that the configuration names, as the value that speaks its dialogue.

use crate::config::{self, AliyunAuth, Provider, RegisterBy, RegisterSecuremode, Version};
use crate::store::Key;
use airgate_proto::Device;
use iotcloud::aliyun::{
    self, Aliyun, Credential, Dialogue, Registration, RegistrationConfig, RegistrationMode, SecureMode,
};
use iotcloud::mqtt::{self, Mqtt};
use iotcloud::{Cloud, ConfigError, Secret, TlsChoice};
use std::fs;

/// Stands for an IMEI that is not known yet, where only its length matters.
const SOME_IMEI: &str = "000000000000000";

/// Who we are in the cloud.
#[derive(Debug)]
pub enum Identity {
    /// The configuration says it all.
    Ready(Box<Cloud>),
    /// A device that fetches its credential by itself.
    Registers(Box<Registers>),
}

/// A device that registers.
#[derive(Debug)]
pub struct Registers {
    /// How.
    pub registration: Registration,
    /// Whether it is listed in the cloud.
    pub mode: RegistrationMode,
    /// By which way.
    pub by: RegisterBy,
    /// Under which key its credential is kept.
    pub key: Key,
    config: config::Cloud,
    device: config::Aliyun,
}

impl Registers {
    /// The cloud, signed in to with this credential.
    ///
    /// # Errors
    /// As [`build`].
    pub fn cloud(&self, credential: Credential) -> Result<Cloud, ConfigError> {
        Aliyun::new(aliyun_config(&self.config, &self.device, &self.key.device, credential)).map(Cloud::Aliyun)
    }
}

/// Our identity in the cloud; `None` while the identity is the module's IMEI and that is not known.
///
/// # Errors
/// [`ConfigError`] names the setting that the cloud does not take.
pub fn build(config: &config::Cloud, imei: Option<&str>) -> Result<Option<Identity>, ConfigError> {
    match &config.provider {
        Provider::Aliyun(device) => {
            let Some(name) = device.device_name.resolve(imei) else { return Ok(None) };
            aliyun(config, device, name).map(Some)
        }
        Provider::Mqtt(broker) => {
            let Some(client_id) = broker.client_id.as_deref().or(imei) else { return Ok(None) };
            let mqtt = Mqtt::new(mqtt_config(config, broker, client_id)?)?;
            Ok(Some(Identity::Ready(Box::new(Cloud::Mqtt(mqtt)))))
        }
    }
}

fn aliyun(config: &config::Cloud, device: &config::Aliyun, name: &str) -> Result<Identity, ConfigError> {
    let (mode, product_secret) = match &device.auth {
        AliyunAuth::DeviceSecret(secret) => {
            let credential = Secret::new(secret.expose()).into();
            let cloud = Aliyun::new(aliyun_config(config, device, name, credential))?;
            return Ok(Identity::Ready(Box::new(Cloud::Aliyun(cloud))));
        }
        AliyunAuth::Register { product_secret } => (RegistrationMode::Register, product_secret),
        AliyunAuth::RegisterNoPrereg { product_secret } => (RegistrationMode::RegisterNoPrereg, product_secret),
    };
    let registration = Registration::new(RegistrationConfig {
        mode,
        product_key: device.product_key.clone(),
        device_name: name.to_owned(),
        product_secret: Secret::new(product_secret.expose()),
        instance: instance(device),
        sign_method: sign_method(device.sign_method),
        tls: tls(config),
        host: config.host.clone(),
        port: config.port,
        https_host: device.register_host.clone(),
        secure_mode: match device.register_securemode {
            RegisterSecuremode::Documented => SecureMode::Documented,
            RegisterSecuremode::Sdk => SecureMode::Sdk,
            RegisterSecuremode::Luatos => SecureMode::Luatos,
        },
        client_id: device.client_id.clone(),
    })?;
    let place = device.instance_id.clone().unwrap_or_else(|| device.region.clone());
    let key = Key {
        cloud: "aliyun".to_owned(),
        place: config.host.as_ref().map_or(place.clone(), |host| format!("{place} at {host}")),
        product: device.product_key.clone(),
        device: name.to_owned(),
    };
    let (by, config, device) = (device.register_by, config.clone(), device.clone());
    Ok(Identity::Registers(Box::new(Registers { registration, mode, by, key, config, device })))
}

fn instance(device: &config::Aliyun) -> aliyun::Instance {
    match &device.instance_id {
        Some(id) => aliyun::Instance::Id(id.clone()),
        None => aliyun::Instance::OldPublic { region: device.region.clone() },
    }
}

fn sign_method(method: config::SignMethod) -> aliyun::SignMethod {
    match method {
        config::SignMethod::HmacSha256 => aliyun::SignMethod::HmacSha256,
        config::SignMethod::HmacSha1 => aliyun::SignMethod::HmacSha1,
        config::SignMethod::HmacMd5 => aliyun::SignMethod::HmacMd5,
    }
}

fn aliyun_config(
    config: &config::Cloud,
    device: &config::Aliyun,
    name: &str,
    credential: Credential,
) -> aliyun::Config {
    let mut built = aliyun::Config::new(&device.product_key, name, credential);
    built.instance = instance(device);
    built.sign_method = sign_method(device.sign_method);
    built.tls = tls(config);
    built.host = config.host.clone();
    built.port = config.port;
    built.keepalive_s = config.keepalive_s;
    built.client_id.clone_from(&device.client_id);
    built.custom_rrpc = device.custom_rrpc;
    built
}

fn mqtt_config(config: &config::Cloud, broker: &config::Mqtt, client_id: &str) -> Result<mqtt::Config, ConfigError> {
    let Some(host) = config.host.as_deref() else {
        return Err(ConfigError {
            field: "host",
            message: "is missing".into(),
            hint: "name the broker as `host` under [cloud]".into(),
        });
    };
    let mut built = mqtt::Config::new(host, client_id);
    built.port = config.port;
    built.tls = tls(config);
    built.username = broker.login.as_ref().map(|login| login.username.clone());
    built.password = broker.login.as_ref().and_then(|l| l.password.as_ref()).map(|p| Secret::new(p.expose()));
    built.keepalive_s = config.keepalive_s;
    built.topic_prefix = broker.topic_prefix.clone().unwrap_or_default();
    Ok(built)
}

fn tls(config: &config::Cloud) -> TlsChoice {
    match &config.tls {
        config::Tls::Off => TlsChoice::Off,
        config::Tls::On { verify: false, .. } => TlsChoice::Unverified,
        config::Tls::On { ca_file: Some(path), .. } => TlsChoice::CaFile(path.clone()),
        config::Tls::On { ca_file: None, .. } => TlsChoice::Verify,
    }
}

/// The name of the cloud, as the configuration spells it.
pub fn name(config: &config::Cloud) -> &'static str {
    match config.provider {
        Provider::Aliyun(_) => "aliyun",
        Provider::Mqtt(_) => "mqtt",
    }
}

/// Who we are in the cloud; `None` where it knows no devices, or before we know it.
pub fn device(config: &config::Cloud, imei: Option<&str>) -> Option<Device> {
    match &config.provider {
        Provider::Aliyun(device) => Some(Device {
            product_key: device.product_key.clone(),
            device_name: device.device_name.resolve(imei)?.to_owned(),
        }),
        Provider::Mqtt(_) => None,
    }
}

/// The version to report, read anew each time where it stands in a file.
pub fn version(ota: &config::Ota) -> Option<String> {
    match ota.version.as_ref()? {
        Version::Given(version) => Some(version.clone()),
        Version::File(path) => match fs::read_to_string(path) {
            Ok(text) => text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "the version file cannot be read; no version is reported");
                None
            }
        },
    }
}

/// How this cloud bounds topics, known before our identity is.
#[derive(Clone, Debug)]
pub struct Topics(Cloud);

impl Topics {
    /// The bounds of the configured cloud.
    ///
    /// # Errors
    /// As [`build`].
    pub fn new(config: &config::Cloud) -> Result<Self, ConfigError> {
        match build(config, Some(SOME_IMEI))? {
            Some(Identity::Ready(cloud)) => Ok(Self(*cloud)),
            // The bounds do not depend on the secret.
            Some(Identity::Registers(device)) => device.cloud(Secret::new("unknown").into()).map(Self),
            None => Err(ConfigError {
                field: "device_name",
                message: "is missing".into(),
                hint: "give a name, or leave it out to use the module's IMEI".into(),
            }),
        }
    }

    /// Whether the cloud takes a topic, given in its short or its long form.
    ///
    /// # Errors
    /// In words, what is wrong with it.
    pub fn check(&self, topic: &str) -> Result<(), String> {
        self.0.expand(topic).map(drop).map_err(|error| error.to_string())
    }

    /// Whether the cloud has a thing model, a shadow and the like.
    pub fn have_dialogue(&self) -> bool {
        matches!(self.0, Cloud::Aliyun(_))
    }

    /// Bytes of a message as it leaves: with its envelope, where it is under one of the daemon's words.
    ///
    /// # Errors
    /// In words, why it is not what the word says.
    pub fn measure(&self, topic: &str, payload: &[u8]) -> Result<usize, String> {
        let Cloud::Aliyun(cloud) = &self.0 else { return Ok(payload.len()) };
        // It gets its id when it is sent; none is longer than the last.
        match Dialogue::new(cloud, u32::MAX - 1, usize::MAX).wrap(topic, payload) {
            None if Dialogue::is_word(topic) => Err(format!("nothing can be published to {topic}")),
            None => Ok(payload.len()),
            Some(wrapped) => {
                let (long, wrapped) = wrapped.map_err(|error| error.to_string())?;
                self.check(&long)?;
                Ok(wrapped.len())
            }
        }
    }

    /// Largest payload, in bytes.
    pub fn max_payload(&self) -> usize {
        self.0.message_limits().payload_bytes
    }
}
