//! Registration over HTTPS: a form in, one JSON object out. Only `register`: tokens are given over MQTT alone.
//!
//! Source: Alibaba Cloud IoT Platform, "HTTPS-based dynamic registration" and "Device error codes".

use super::identity::DeviceId;
use super::registration::{Credentials, Denied};
use super::sign_in::{Kind, Registration, SignMethod};
use super::state::Broker;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

#[derive(Serialize)]
struct Answer {
    code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Credentials>,
    message: String,
}

/// What is answered to a form.
pub(super) fn answer(broker: &mut Broker, now: Duration, form: &[u8]) -> Vec<u8> {
    let answer = match register(broker, now, form) {
        Ok(credentials) => Answer { code: 200, data: Some(credentials), message: "success".to_owned() },
        Err((code, message)) => Answer { code, data: None, message },
    };
    // Texts and a number: this cannot fail.
    let body = serde_json::to_vec(&answer).unwrap_or_default();
    match answer.data {
        Some(Credentials::Secret { product_key, device_name, .. }) => {
            let device = DeviceId::new(product_key, device_name);
            broker.faults.answers(&device, body).into_iter().next().unwrap_or_default()
        }
        _ => body,
    }
}

fn register(broker: &mut Broker, now: Duration, form: &[u8]) -> Result<Credentials, (u16, String)> {
    let form = decode(form).ok_or_else(|| (460, "the body is no form of UTF-8 texts".to_owned()))?;
    let field = |name: &str| {
        let value = form.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| (460, format!("request parameter error: {name} is missing")))
    };
    let id = DeviceId::new(field("productKey")?, field("deviceName")?);
    let (random, sign) = (field("random")?.clone(), field("sign")?);
    let method = SignMethod::parse(field("signMethod")?).map_err(|error| (6292, error.to_string()))?;
    // This way there is no instance to be named: the strict switch is for MQTT.
    let instance_id = broker.products.get(&id.product_key).and_then(|product| product.instance_id.clone());
    let registration = Registration { kind: Kind::Known, method, random, instance_id };
    broker.register(now, &id, &registration, sign).map_err(|denied| (code(&denied), denied.to_string()))
}

/// The codes that the documentation lists; for what it does not list, the general ones.
fn code(denied: &Denied) -> u16 {
    match denied {
        Denied::Product(_) => 6250,
        Denied::SwitchedOff => 6288,
        Denied::Activated => 6289,
        Denied::Signature => 6600,
        Denied::Device(_) => 6100,
        Denied::TooFast => 429,
        Denied::NoSecret => 500,
        Denied::Instance | Denied::InstanceKind | Denied::Name(_) | Denied::Quota => 460,
    }
}

/// The fields of a form (`application/x-www-form-urlencoded`); none if it is malformed.
fn decode(form: &[u8]) -> Option<HashMap<String, String>> {
    let pairs = form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let at = pair.iter().position(|byte| *byte == b'=')?;
            let (name, value) = pair.split_at_checked(at)?;
            Some((unescape(name)?, unescape(value.get(1..)?)?))
        })
        .collect()
}

fn unescape(text: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(*rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escaped_fields_are_read_and_broken_escapes_are_not() {
        let form = decode(b"a=x%26y+z&&b=").unwrap();
        assert_eq!((form["a"].as_str(), form["b"].as_str()), ("x&y z", ""));
        for broken in [&b"a=%4"[..], b"a=%zz", b"a", b"a=%ff"] {
            assert_eq!(decode(broken), None, "{broken:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_forms_never_panic(form in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&form);
        }
    }
}
