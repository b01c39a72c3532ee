//! Signing in: what a CONNECT's client ID, user name and password say, and whether the signature is right.
//!
//! ```text
//! client ID  cid|securemode=2,signmethod=hmacsha256,timestamp=T,…|
//! user name  deviceName&productKey
//! password   hex HMAC(device secret, "clientId" cid "deviceName" dn "productKey" pk ["timestamp" T])
//! ```
//! With `authType=connwl` the password is the token that registration gave for this cid, as it is; with
//! `authType=register` or `regnwl` the CONNECT asks for credentials: see `registration.rs`.
//!
//! Source: Alibaba Cloud IoT Platform, "Establish MQTT connections over TCP". The HMAC here is written for this
//! stand-in alone: what it tests must not share it. `securemode` is not signed, and it is not compared with the
//! transport: what the platform does about a contradiction is not documented, and clients in the field send one.

use super::identity::{DeviceId, Secret};
use super::mac::mac;
use hmac::Hmac;
use rumqttc::mqttbytes::v4::ConnectReturnCode;

/// The longest part of the client ID before the first `|`, in characters.
const MAX_CID: usize = 64;

/// Why a CONNECT is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// The client ID has no `|`, or nothing before it.
    #[error("the client ID is not of the form cid|flags|")]
    ClientIdForm,
    /// More than 64 characters before the first `|`.
    #[error("the client ID has more than {MAX_CID} characters before its first |")]
    ClientIdLong,
    /// A way of signing in that is not offered.
    #[error("authType={0} is not offered")]
    AuthType(String),
    /// A registration lacks something, or has a securemode that is not for it.
    #[error("a registration needs {0}")]
    Registration(&'static str),
    /// The user name is missing or is not `deviceName&productKey`.
    #[error("the user name is not of the form deviceName&productKey")]
    UserName,
    /// A sign method that the platform does not know.
    #[error("signmethod={0} is none of hmacmd5, hmacsha1, hmacsha256")]
    SignMethod(String),
}

impl Refusal {
    /// The CONNACK return code: 2 for what cannot be understood, 4 for a wrong name or method.
    pub(super) fn code(&self) -> ConnectReturnCode {
        match self {
            Refusal::ClientIdForm | Refusal::ClientIdLong | Refusal::AuthType(_) | Refusal::Registration(_) => {
                ConnectReturnCode::BadClientId
            }
            Refusal::UserName | Refusal::SignMethod(_) => ConnectReturnCode::BadUserNamePassword,
        }
    }
}

/// The digest under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignMethod {
    HmacMd5,
    HmacSha1,
    HmacSha256,
}

impl SignMethod {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "hmacmd5" => Ok(SignMethod::HmacMd5),
            "hmacsha1" => Ok(SignMethod::HmacSha1),
            "hmacsha256" => Ok(SignMethod::HmacSha256),
            other => Err(Refusal::SignMethod(other.to_owned())),
        }
    }

    /// Whether `password` is the HMAC of `content` in hexadecimal digits of either case.
    pub(super) fn verifies(self, secret: &Secret, content: &str, password: &str) -> bool {
        let expected = match self {
            SignMethod::HmacMd5 => mac::<Hmac<md5::Md5>>(secret.bytes(), content),
            SignMethod::HmacSha1 => mac::<Hmac<sha1::Sha1>>(secret.bytes(), content),
            SignMethod::HmacSha256 => mac::<Hmac<sha2::Sha256>>(secret.bytes(), content),
        };
        expected.is_some_and(|expected| expected.eq_ignore_ascii_case(password))
    }
}

/// Which of the two registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `register`: the device exists, and gets a secret.
    Known,
    /// `regnwl`: the name is free to choose, and gets a client ID and a token.
    Unlisted,
}

impl Kind {
    /// Where the credentials are pushed to. The documentation names the first for both, every SDK expects the second.
    pub(super) fn topic(self) -> &'static str {
        match self {
            Kind::Known => "/ext/register",
            Kind::Unlisted => "/ext/regnwl",
        }
    }
}

/// What is asked for, but for the signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Registration {
    pub(super) kind: Kind,
    pub(super) method: SignMethod,
    pub(super) random: String,
    pub(super) instance_id: Option<String>,
}

/// How a device wants to be let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Auth {
    /// With the secret of the device: the signature covers `timestamp` if the client ID has one.
    Direct { method: SignMethod, timestamp: Option<String> },
    /// With the token that registration gave for the cid.
    Token,
    /// Not at all: it asks for credentials.
    Register(Registration),
}

impl Auth {
    fn parse<'a>(flag: &impl Fn(&str) -> Option<&'a str>) -> Result<Self, Refusal> {
        let kind = match flag("authType") {
            None => {
                return Ok(Auth::Direct {
                    method: SignMethod::parse(flag("signmethod").unwrap_or("hmacmd5"))?,
                    timestamp: flag("timestamp").map(str::to_owned),
                });
            }
            Some("connwl") => return Ok(Auth::Token),
            Some("register") => Kind::Known,
            Some("regnwl") => Kind::Unlisted,
            Some(other) => return Err(Refusal::AuthType(other.to_owned())),
        };
        // The documentation names 2 or -2 by kind of instance and by year; the SDKs send 2 everywhere.
        if !matches!(flag("securemode"), Some("2" | "-2")) {
            return Err(Refusal::Registration("securemode=2 or securemode=-2"));
        }
        let method = flag("signmethod").ok_or(Refusal::Registration("signmethod"))?;
        Ok(Auth::Register(Registration {
            kind,
            method: SignMethod::parse(method).map_err(|_| Refusal::Registration("a signmethod that exists"))?,
            random: flag("random")
                .filter(|random| !random.is_empty())
                .ok_or(Refusal::Registration("random"))?
                .to_owned(),
            instance_id: flag("instanceId").map(str::to_owned),
        }))
    }
}

/// A CONNECT that could be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SignIn {
    pub(super) device: DeviceId,
    pub(super) auth: Auth,
    /// `_ss=1`: the device has the system topics without subscribing them.
    pub(super) system_topics: bool,
    /// `ext=1`: it takes calls on topics of its own.
    pub(super) custom_calls: bool,
    pub(super) cid: String,
}

impl SignIn {
    /// Understands the client ID and the user name of a CONNECT.
    pub(super) fn parse(client_id: &str, user_name: &str) -> Result<Self, Refusal> {
        let (cid, flags) = client_id.split_once('|').ok_or(Refusal::ClientIdForm)?;
        if cid.is_empty() {
            return Err(Refusal::ClientIdForm);
        }
        if cid.chars().count() > MAX_CID {
            return Err(Refusal::ClientIdLong);
        }
        // Client IDs in the field leave an empty flag before the last bar, have a bar in a value, or line ends and blanks
        // between the flags (the elder SDK for Node): one bar goes, and what is blank around a flag.
        let flags = flags.trim_end();
        let flags = flags.strip_suffix('|').unwrap_or(flags);
        let flag = |name: &str| {
            flags
                .split(',')
                .filter_map(|part| part.trim().split_once('='))
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value)
        };
        let (device_name, product_key) = user_name.split_once('&').ok_or(Refusal::UserName)?;
        Ok(SignIn {
            device: DeviceId::new(product_key, device_name),
            auth: Auth::parse(&flag)?,
            system_topics: flag("_ss") == Some("1"),
            custom_calls: flag("ext").and_then(|bits| bits.parse::<u32>().ok()).is_some_and(|bits| bits & 1 == 1),
            cid: cid.to_owned(),
        })
    }

    /// Whether the password is the signature that the secret gives, or the token itself. A registration is never let in.
    pub(super) fn verifies(&self, secret: &Secret, password: &str) -> bool {
        match &self.auth {
            Auth::Token => secret.bytes() == password.as_bytes(),
            Auth::Register(_) => false,
            Auth::Direct { method, timestamp } => {
                let DeviceId { product_key, device_name } = &self.device;
                let mut content = format!("clientId{}deviceName{device_name}productKey{product_key}", self.cid);
                if let Some(timestamp) = timestamp {
                    content = content + "timestamp" + timestamp;
                }
                method.verifies(secret, &content, password)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn worked_example_of_the_documentation_verifies_in_either_case() {
        let sign_in = SignIn::parse("12345|securemode=3,signmethod=hmacsha1,timestamp=789|", "device&pk").unwrap();
        for password in ["FAFD82A3D602B37FB0FA8B7892F24A477F851A14", "fafd82a3d602b37fb0fa8b7892f24a477f851a14"] {
            assert!(sign_in.verifies(&"secret".into(), password));
        }
        assert!(!sign_in.verifies(&"Secret".into(), "FAFD82A3D602B37FB0FA8B7892F24A477F851A14"));
    }

    #[test]
    fn sign_method_absent_is_hmacmd5_and_time_stamp_absent_is_not_signed() {
        let sign_in = SignIn::parse("c|securemode=3|", "dn&pk").unwrap();
        assert_eq!(sign_in.auth, Auth::Direct { method: SignMethod::HmacMd5, timestamp: None });
    }

    #[test]
    fn bar_within_a_value_and_empty_flags_are_tolerated() {
        let sign_in = SignIn::parse("c|sii=WIFI|1.2.3.4,_ss=1,,ext=3,timestamp=1,|", "dn&pk").unwrap();
        assert!(sign_in.system_topics);
        assert!(matches!(sign_in.auth, Auth::Direct { timestamp: Some(t), .. } if t == "1"));
    }

    #[test]
    fn malformed_identities_are_told_apart() {
        assert_eq!(SignIn::parse("c", "dn&pk"), Err(Refusal::ClientIdForm));
        assert_eq!(SignIn::parse("|a=b|", "dn&pk"), Err(Refusal::ClientIdForm));
        assert_eq!(SignIn::parse(&format!("{}|a=b|", "c".repeat(65)), "dn&pk"), Err(Refusal::ClientIdLong));
        assert_eq!(SignIn::parse("c||", "dn"), Err(Refusal::UserName));
        assert_eq!(SignIn::parse("c|signmethod=md5|", "dn&pk"), Err(Refusal::SignMethod("md5".to_owned())));
        assert_eq!(SignIn::parse("c|authType=x|", "dn&pk"), Err(Refusal::AuthType("x".to_owned())));
    }

    proptest! {
        #[test]
        fn arbitrary_identities_never_panic(client_id in "\\PC{0,20}[|]?([a-z_]{0,9}=?\\PC{0,4},?){0,6}[|]{0,2}",
                                            user_name in "\\PC{0,9}&?\\PC{0,9}", password in "\\PC{0,70}") {
            if let Ok(sign_in) = SignIn::parse(&client_id, &user_name) {
                prop_assert!(!sign_in.verifies(&"secret".into(), &password));
            }
        }
    }
}
