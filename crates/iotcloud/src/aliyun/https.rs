//! Dynamic registration over HTTPS, as values: the request to send and the answer to read. For listed devices alone.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "HTTPS-based dynamic registration" and "Device error codes".

use super::answer::Answer;
use super::{AnswerError, Credential, Instance, Registration, RegistrationMode};
use crate::{Moment, Root, Secret, Tls};
use serde::Deserialize;
use serde_json::Value;
use std::fmt::Write as _;

/// A `POST` to send over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpsRequest {
    /// The host.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: &'static str,
    /// Whom the server's certificate must come from, if it is to be checked.
    pub tls: Tls,
    /// `Content-Type`.
    pub content_type: &'static str,
    /// The body. Whoever sees it can register in our place, once.
    pub body: Secret,
}

/// Why a registration over HTTPS gave no credential.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpsError {
    /// The platform said no.
    #[error("the platform refuses the registration ({code}): {}", sentence(*code))]
    Refused {
        /// Its code.
        code: u64,
    },
    /// The answer cannot be used.
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

fn sentence(code: u64) -> &'static str {
    match code {
        429 => "too many attempts: it is tried again",
        460 => "a parameter is missing or malformed",
        500 => "the platform failed; it is tried again",
        6100 => {
            "the device is not listed: add it in the console under Devices > Devices, or register without listing \
             (`auth = \"register_no_prereg\"`)"
        }
        6250 => "there is no such product in this region: compare `product_key` with Devices > Products in the console",
        6288 => {
            "dynamic registration is switched off: switch it on in the console under Devices > Products > the product"
        }
        6289 => {
            "the device has signed in before: reset it in the console under Devices > Devices > the device, or give its \
             DeviceSecret as `device_secret`"
        }
        6292 => "the sign method is not supported: change `sign_method`",
        6600 => {
            "the signature is wrong: compare `product_secret` with ProductSecret in the console under Devices > Products \
             > the product"
        }
        _ => "the platform's list of error codes tells more",
    }
}

#[derive(Deserialize)]
struct Envelope {
    code: Value,
    data: Option<Answer>,
}

impl Registration {
    /// The request; `None` without a listed device, which HTTPS cannot register.
    #[must_use]
    pub fn https_request(&self, moment: &Moment) -> Option<HttpsRequest> {
        let config = &self.config;
        if config.mode != RegistrationMode::Register {
            return None;
        }
        let sign = self.sign(moment.random());
        let body = format!(
            "productKey={}&deviceName={}&random={}&sign={}&signMethod={}",
            encoded(&config.product_key),
            encoded(&config.device_name),
            encoded(moment.random()),
            sign.expose(),
            config.sign_method.as_str()
        );
        let (host, port, root) = self.https_place();
        Some(HttpsRequest {
            host,
            port,
            path: "/auth/register/device",
            tls: config.tls.resolve(root),
            content_type: "application/x-www-form-urlencoded",
            body: Secret::new(body),
        })
    }

    /// Shanghai has a host with a public certificate; the other regions' bears the platform's own.
    /// Source: Alibaba Cloud IoT Platform documentation, "View the endpoint of an instance".
    fn https_place(&self) -> (String, u16, Root) {
        match (&self.config.https_host, &self.config.instance) {
            (Some((host, port)), _) => (host.clone(), *port, Root::AliyunIot),
            (None, Instance::OldPublic { region }) if region != "cn-shanghai" => {
                (format!("iot-auth-x.{region}.aliyuncs.com"), 443, Root::AliyunIot)
            }
            (None, _) => ("iot-auth.cn-shanghai.aliyuncs.com".to_owned(), 443, Root::GlobalSignR1),
        }
    }

    /// The credential in the answer's body.
    ///
    /// # Errors
    /// [`HttpsError`] says why there is none.
    pub fn on_https_response(&self, body: &[u8]) -> Result<Credential, HttpsError> {
        let malformed = |e: serde_json::Error| AnswerError::Malformed { line: e.line(), column: e.column() };
        let envelope: Envelope = serde_json::from_slice(body).map_err(malformed)?;
        let code = match &envelope.code {
            Value::Number(code) => code.as_u64(),
            Value::String(code) => code.parse().ok(),
            _ => None,
        };
        match code.ok_or(AnswerError::Missing("code"))? {
            200 => Ok(self.take(envelope.data.ok_or(AnswerError::Missing("data"))?)?),
            code => Err(HttpsError::Refused { code }),
        }
    }
}

/// As forms are encoded; device names may hold `@` and `:`.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
