//! `[cloud]` as the daemon uses it.

use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::model::Rate;

/// Where messages go, and as whom.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// Which cloud, with what only it needs.
    pub provider: Provider,
    /// Encryption of the connection.
    pub tls: Tls,
    /// The host instead of the provider's own; always there for [`Provider::Mqtt`].
    pub host: Option<String>,
    /// The port instead of the usual one.
    pub port: Option<u16>,
    /// MQTT's keepalive in seconds; the provider's bounds are kept (Aliyun: 30 to 1200).
    pub keepalive_s: u16,
    /// How many messages go up in how long a time at most; `None`: as fast as the line.
    pub max_rate: Option<Rate>,
}

/// What Aliyun takes of a device: what exceeds it is acknowledged and dropped.
///
/// Source: Alibaba Cloud IoT Platform documentation, "Limits": messages at QoS 1 a device publishes.
pub(super) const ALIYUN_RATE: Rate = Rate { count: 10, per: Duration::from_secs(1) };

/// The keepalive that is used when none is given. Aliyun advises 300 s or more, and every ping costs the SIM card.
pub(super) const KEEPALIVE_S: u16 = 300;

impl Default for Cloud {
    /// A plain broker on this host.
    fn default() -> Self {
        Self {
            provider: Provider::Mqtt(Mqtt::default()),
            tls: Tls::Off,
            host: Some("127.0.0.1".into()),
            port: None,
            keepalive_s: KEEPALIVE_S,
            max_rate: None,
        }
    }
}

/// The clouds that this version speaks to.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Provider {
    /// Aliyun IoT Platform.
    Aliyun(Aliyun),
    /// Any MQTT 3.1.1 broker.
    Mqtt(Mqtt),
}

/// An Aliyun device.
#[derive(Debug, Clone, PartialEq)]
pub struct Aliyun {
    /// The product.
    pub product_key: String,
    /// A new public or an enterprise instance; `None`: the old public instance.
    pub instance_id: Option<String>,
    /// The region of the old public instance.
    pub region: String,
    /// The device.
    pub device_name: DeviceName,
    /// The free part of the client ID; `None`: product key and device name.
    pub client_id: Option<String>,
    /// How it proves that it is the one.
    pub auth: AliyunAuth,
    /// The hash of its signature.
    pub sign_method: SignMethod,
    /// By which way it registers.
    pub register_by: RegisterBy,
    /// Which `securemode` it then states.
    pub register_securemode: RegisterSecuremode,
    /// Host and port of the registration over HTTPS instead of the region's.
    pub register_host: Option<(String, u16)>,
    /// Whether the cloud may make remote calls on topics of the user's own.
    pub custom_rrpc: bool,
}

/// By which way a device registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegisterBy {
    /// MQTT; HTTPS after it failed.
    #[default]
    Auto,
    /// MQTT alone.
    Mqtt,
    /// HTTPS alone, of listed devices.
    Https,
}

/// Which `securemode` a registration over MQTT states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RegisterSecuremode {
    /// As the platform's documentation says today.
    #[default]
    Documented,
    /// As the platform's SDKs do.
    Sdk,
    /// As LuatOS does.
    Luatos,
}

/// What a device is called in the cloud.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceName {
    /// This name.
    Given(String),
    /// The module's IMEI.
    Imei,
}

impl DeviceName {
    /// The name, given the module's IMEI once it is known; `None` while it is needed and not known, or is not one
    /// (15 digits).
    pub fn resolve<'n>(&'n self, imei: Option<&'n str>) -> Option<&'n str> {
        match self {
            Self::Given(name) => Some(name),
            Self::Imei => imei.filter(|imei| imei.len() == 15 && imei.bytes().all(|b| b.is_ascii_digit())),
        }
    }
}

/// How a device signs in to Aliyun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AliyunAuth {
    /// With its own secret.
    DeviceSecret(Secret),
    /// It is listed in the cloud and fetches its secret once.
    Register {
        /// The product's secret.
        product_secret: Secret,
    },
    /// It is not listed: the cloud makes it.
    RegisterNoPrereg {
        /// The product's secret.
        product_secret: Secret,
    },
}

/// The hash of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignMethod {
    /// HMAC-SHA256.
    #[default]
    HmacSha256,
    /// HMAC-SHA1.
    HmacSha1,
    /// HMAC-MD5.
    HmacMd5,
}

/// How to sign in to a plain broker.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mqtt {
    /// The client ID; `None`: the module's IMEI.
    pub client_id: Option<String>,
    /// User and password; `None`: without.
    pub login: Option<Login>,
    /// Stands before every topic that is relative to the device, without a last `/`.
    pub topic_prefix: Option<String>,
}

/// User and password of a broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password, if there is one.
    pub password: Option<Secret>,
}

/// Encryption of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// Plain TCP.
    Off,
    /// TLS.
    On {
        /// Whether the cloud's certificate is checked.
        verify: bool,
        /// The certificate authority to check it against; `None`: the cloud's own root.
        ca_file: Option<PathBuf>,
    },
}

impl Default for Tls {
    fn default() -> Self {
        Self::On { verify: true, ca_file: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_without_a_name_waits_for_its_imei() {
        assert_eq!(DeviceName::Imei.resolve(None), None);
        assert_eq!(DeviceName::Imei.resolve(Some("ERROR")), None);
        assert_eq!(DeviceName::Imei.resolve(Some("866597070000001")), Some("866597070000001"));
        assert_eq!(DeviceName::Given("pump1".into()).resolve(None), Some("pump1"));
    }
}
