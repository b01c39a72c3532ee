//! Direct authentication: one secret per device.
//!
//! Of all that goes into the client ID only its free part and the timestamp are signed. The timestamp is not checked for
//! freshness, so a gateway whose clock is wrong signs in all the same. `_ss=1` (the platform then subscribes its system
//! topics for the device) is left out: each topic that comes down costs the SIM card's quota, so what is wanted is
//! subscribed one by one.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "MQTT-TCP connection" and "MQTT-TLS connection"; endpoints: "View the
//! endpoint of an instance".

use super::{Aliyun, Config, Credential};
use crate::{Moment, Root, Secret, SignIn};
use hmac::{Hmac, KeyInit, Mac};

/// The hash of the signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignMethod {
    /// `hmacsha256`
    #[default]
    HmacSha256,
    /// `hmacsha1`
    HmacSha1,
    /// `hmacmd5`
    HmacMd5,
}

impl SignMethod {
    /// The spelling in the client ID and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmacsha256",
            Self::HmacSha1 => "hmacsha1",
            Self::HmacMd5 => "hmacmd5",
        }
    }

    /// Upper-case hex, as the documentation prints it; the platform takes either case.
    pub(super) fn sign(self, secret: &Secret, message: &str) -> Secret {
        let key = secret.expose().as_bytes();
        match self {
            Self::HmacSha256 => hex_mac::<Hmac<sha2::Sha256>>(key, message),
            Self::HmacSha1 => hex_mac::<Hmac<sha1::Sha1>>(key, message),
            Self::HmacMd5 => hex_mac::<Hmac<md5::Md5>>(key, message),
        }
    }
}

impl std::str::FromStr for SignMethod {
    type Err = crate::ConfigError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::HmacSha256, Self::HmacSha1, Self::HmacMd5]
            .into_iter()
            .find(|method| text.eq_ignore_ascii_case(method.as_str()))
            .ok_or_else(|| {
                crate::ConfigError::new("sign_method", "is not known", "give hmacsha256, hmacsha1 or hmacmd5")
            })
    }
}

fn hex_mac<M: Mac + KeyInit>(key: &[u8], message: &str) -> Secret {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(message.as_bytes());
    let digest = mac.finalize().into_bytes();
    let digits = b"0123456789ABCDEF";
    let digit = |nibble: u8| digits.get(usize::from(nibble)).map_or('0', |d| char::from(*d));
    Secret::new(digest.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect::<String>())
}

/// `{cid}|securemode=…,signmethod=…,timestamp=…|`; securemode 2 is TLS, 3 is plain TCP.
pub(super) fn client_id(cid: &str, config: &Config, timestamp: &str) -> String {
    let securemode = if config.tls.is_on() { 2 } else { 3 };
    let method = config.sign_method.as_str();
    let flags = flags(config);
    format!("{cid}|securemode={securemode},signmethod={method},timestamp={timestamp}{flags}|")
}

/// What is not signed. Source: Alibaba Cloud IoT Platform documentation, "Call a custom topic": `ext=1`.
pub(super) fn flags(config: &Config) -> &'static str {
    if config.custom_rrpc { ",ext=1" } else { "" }
}

impl Aliyun {
    pub(crate) fn sign_in(&self, moment: &Moment) -> SignIn {
        let Config { product_key, device_name, sign_method, .. } = &self.config;
        let cid = &self.cid;
        let (client_id, password) = match &self.config.credential {
            Credential::DeviceSecret(secret) => {
                let timestamp = moment.timestamp_ms();
                let message =
                    format!("clientId{cid}deviceName{device_name}productKey{product_key}timestamp{timestamp}");
                (client_id(cid, &self.config, &timestamp), sign_method.sign(secret, &message))
            }
            Credential::Token { token, .. } => (Credential::token_client_id(cid, flags(&self.config)), token.clone()),
        };
        let port = self.config.port.unwrap_or(if self.config.tls.is_on() { 8883 } else { 1883 });
        SignIn {
            host: self.host(),
            port,
            tls: self.config.tls.resolve(root_of(port)),
            client_id,
            username: Some(format!("{device_name}&{product_key}")),
            password: Some(password),
            keepalive_s: self.config.keepalive_s,
            clean_session: self.config.clean_session,
        }
    }

    pub(super) fn host(&self) -> String {
        let config = &self.config;
        config.host.clone().unwrap_or_else(|| config.instance.host(&config.product_key))
    }
}

/// The platform serves 8883 with a chain of its own and the two older ports with a public one.
pub(super) fn root_of(port: u16) -> Root {
    match port {
        443 | 1883 => Root::GlobalSignR1,
        _ => Root::AliyunIot,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Source: unit test of things-go/aliyun-iot, package `infra`; sub-devices: what the SDKs for Python and Node sent.
    #[test]
    fn signatures_are_those_of_other_implementations() {
        let sub = "clientIda1SubDevPk0.sub-01|lan=Python,_v=2.2.1,_ss=1|deviceNamesub-01productKeya1SubDevPk0timestamp1795410510346";
        let added = "clientIda1SubDevPk0&sub-01deviceNamesub-01productKeya1SubDevPk0timestamp1795410534453";
        let product = "deviceNamesub-01productKeya1SubDevPk0randomuusY6Yh4g6pGm1L";
        let secret = "SubSecret0123456789abcdef";
        for (method, key, message, expected) in [
            (SignMethod::HmacMd5, "thinkgos", "thinkgos", "ed9dc7baf84a9740a3ceb6f1f26bfb4f"),
            (
                SignMethod::HmacSha256,
                "thinkgos",
                "thinkgos",
                "e9403e3a615fad72d1dd1fe90c225cbec4ba81a03e5474d91a72844d2218954f",
            ),
            (SignMethod::HmacSha256, secret, sub, "b49e52995ff9d69b7042cbd3959a2cbd73caa43ae7107d0700c1d6d31e4850e1"),
            (SignMethod::HmacSha1, secret, added, "75559ef4595d2fb7e6b1866e4990f44f00966e42"),
            (
                SignMethod::HmacSha256,
                secret,
                product,
                "5506fe88b3deae02e519a5d854f38267cab16f747bd9afd40fd9a3e0cbd112a0",
            ),
        ] {
            assert!(method.sign(&Secret::new(key), message).expose().eq_ignore_ascii_case(expected), "{message}");
        }
    }
}
