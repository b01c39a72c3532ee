//! Registration: a device that knows only its product's secret gets credentials of its own.
//!
//! With `register` the device must exist and must never have signed in; each registration makes a new secret, and only
//! the last one counts. With `regnwl` the name need not exist; each registration makes a client ID and a token, of
//! which a name has five at most. Over MQTT and over HTTPS the same is signed:
//!
//! ```text
//! hex HMAC(product secret, "deviceName" dn "productKey" pk "random" r)
//! ```
//! Source: Alibaba Cloud IoT Platform, "MQTT-based dynamic registration" and "Unique-certificate-per-product
//! verification". What the documentation leaves open: the secret is made anew each time (the worst case for a client),
//! and tokens are given on new public and enterprise instances.

use super::devices::{InstanceKind, Product};
use super::event::Event;
use super::identity::{DeviceId, Secret};
use super::sign_in::{Kind, Registration};
use super::state::{Broker, Device};
use serde::Serialize;
use std::time::Duration;

/// The most physical devices under one name without pre-registration.
/// Source: Alibaba Cloud IoT Platform, "Unique-certificate-per-product verification".
const MAX_TOKENS: usize = 5;

/// Why there are no credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Denied {
    #[error("there is no product {0}")]
    Product(String),
    #[error("the product's dynamic registration is off")]
    SwitchedOff,
    #[error("the product has no product_secret in the devices file")]
    NoSecret,
    #[error("the signature is wrong")]
    Signature,
    #[error("instanceId is missing or is not that of the product")]
    Instance,
    #[error("there is no device {0}")]
    Device(DeviceId),
    #[error("more than 5 connects within a minute")]
    TooFast,
    #[error("the device is activated: it has its secret; reset it to register again")]
    Activated,
    #[error("devices that are not listed need a new public or an enterprise instance")]
    InstanceKind,
    #[error("a device name is 4 to 32 letters, digits and -_@.:, which {0:?} is not")]
    Name(String),
    #[error("five devices have this name already")]
    Quota,
}

/// What a device gets, in the order and without the blanks that clients expect.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(super) enum Credentials {
    #[serde(rename_all = "camelCase")]
    Secret { product_key: String, device_name: String, device_secret: String },
    #[serde(rename_all = "camelCase")]
    Token { product_key: String, device_name: String, client_id: String, device_token: String },
}

impl Broker {
    /// Gives a device credentials, if everything about its request is right.
    pub(super) fn register(
        &mut self,
        now: Duration,
        id: &DeviceId,
        registration: &Registration,
        signature: &str,
    ) -> Result<Credentials, Denied> {
        let product = self.products.get(&id.product_key).ok_or_else(|| Denied::Product(id.product_key.clone()))?;
        check_product(product, id, registration, signature, self.strict_instance)?;
        let credentials = match registration.kind {
            Kind::Known => self.new_secret(now, id)?,
            Kind::Unlisted if product.kind() == InstanceKind::OldPublic => return Err(Denied::InstanceKind),
            Kind::Unlisted => self.new_token(now, id)?,
        };
        self.tell(Event::Registered { device: id.clone(), listed: registration.kind == Kind::Known });
        Ok(credentials)
    }

    fn new_secret(&mut self, now: Duration, id: &DeviceId) -> Result<Credentials, Denied> {
        let device = self.devices.get_mut(id).ok_or_else(|| Denied::Device(id.clone()))?;
        admit(device, now, self.limits)?;
        if device.activated {
            return Err(Denied::Activated);
        }
        let secret = self.mint.text();
        device.secret = Some(secret.as_str().into());
        let DeviceId { product_key, device_name } = id.clone();
        Ok(Credentials::Secret { product_key, device_name, device_secret: secret })
    }

    fn new_token(&mut self, now: Duration, id: &DeviceId) -> Result<Credentials, Denied> {
        if !is_device_name(&id.device_name) {
            return Err(Denied::Name(id.device_name.clone()));
        }
        let device = self.devices.entry(id.clone()).or_default();
        admit(device, now, self.limits)?;
        if device.tokens.len() >= MAX_TOKENS {
            return Err(Denied::Quota);
        }
        let (client_id, token) = (self.mint.text(), self.mint.text());
        device.tokens.insert(client_id.clone(), token.as_str().into());
        let DeviceId { product_key, device_name } = id.clone();
        Ok(Credentials::Token { product_key, device_name, client_id, device_token: token })
    }
}

/// Source: Alibaba Cloud IoT Platform, "Limits".
fn is_device_name(name: &str) -> bool {
    (4..=32).contains(&name.len()) && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_@.:".contains(c))
}

/// A registration counts as a connect.
fn admit(device: &mut Device, now: Duration, limits: bool) -> Result<(), Denied> {
    if !device.rates.connects.admit(now) && limits { Err(Denied::TooFast) } else { Ok(()) }
}

fn check_product(
    product: &Product,
    id: &DeviceId,
    registration: &Registration,
    signature: &str,
    strict_instance: bool,
) -> Result<(), Denied> {
    let DeviceId { product_key, device_name } = id;
    let secret: &Secret = product.product_secret.as_ref().ok_or(Denied::NoSecret)?;
    let content = format!("deviceName{device_name}productKey{product_key}random{}", registration.random);
    if !registration.method.verifies(secret, &content, signature) {
        return Err(Denied::Signature);
    }
    if !product.dynamic_registration {
        return Err(Denied::SwitchedOff);
    }
    if strict_instance && product.instance_id != registration.instance_id {
        return Err(Denied::Instance);
    }
    Ok(())
}
