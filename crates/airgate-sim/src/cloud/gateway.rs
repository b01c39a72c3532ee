//! Gateways: which devices stand behind them, which of those are signed in, and what gateways say about it.
//!
//! Everything of a sub-device goes over its gateway's connection, on the sub-device's own topics. What is signed:
//!
//! ```text
//! topology, sign-in   hex HMAC(device secret,  "clientId" c "deviceName" d "productKey" p ["timestamp" t])
//! registration        hex HMAC(product secret, "deviceName" d "productKey" p "random" r)
//! ```
//! Source: Alibaba Cloud IoT Platform, "Manage topological relationships", "Connect and disconnect sub-devices",
//! "Register sub-devices" and "Error codes for sub-devices". What is open there: a secret that exists is handed out as it is.

use super::alink::{Fault, Outcome, Request, nothing};
use super::identity::{DeviceId, Secret};
use super::message::{Message, Qos};
use super::sign_in::SignMethod;
use super::state::Broker;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// The most devices in one registration or change of the topology. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_CHANGED: usize = 30;

/// The most devices signed in or out by one message. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_SIGNED_IN: usize = 50;

const NO_DEVICE: Fault = Fault::new(6100, "the device does not exist");
const NO_TOPOLOGY: Fault = Fault::new(6401, "the device is not in the topology of the gateway");
const BAD_SIGNATURE: Fault = Fault::new(6287, "the signature is wrong");
const NO_SESSION: Fault = Fault::new(520, "the device is not signed in through this gateway");
const DISABLED: Fault = Fault::new(522, "the device is disabled");
const TOO_MANY: Fault = Fault::new(428, "too many devices in one message");

/// A sub-device, as all requests name it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    product_key: String,
    device_name: String,
}

impl Named {
    fn id(&self) -> DeviceId {
        DeviceId::new(&self.product_key, &self.device_name)
    }
}

/// A sub-device and the proof that the gateway knows its secret. The time is a number with some clients, and signed as
/// it stands; so is the client ID, with whatever bars are in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    #[serde(flatten)]
    device: Named,
    client_id: String,
    #[serde(default)]
    timestamp: Option<Value>,
    #[serde(alias = "signmethod")]
    sign_method: Option<String>,
    sign: String,
}

impl Signed {
    fn verifies(&self, secret: &Secret, method: Option<&str>) -> bool {
        let Some(method) = self.sign_method.as_deref().or(method).and_then(method_of) else { return false };
        let Named { product_key, device_name } = &self.device;
        let mut content = format!("clientId{}deviceName{device_name}productKey{product_key}", self.client_id);
        match &self.timestamp {
            Some(Value::String(text)) => content += &format!("timestamp{text}"),
            Some(other) => content += &format!("timestamp{other}"),
            None => {}
        }
        method.verifies(secret, &content, &self.sign)
    }
}

/// Spelled `hmacSha256` here; names are compared without case.
fn method_of(text: &str) -> Option<SignMethod> {
    SignMethod::parse(&text.to_ascii_lowercase()).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Batch {
    #[serde(alias = "signmethod")]
    sign_method: Option<String>,
    device_list: Vec<Signed>,
}

#[derive(Deserialize)]
struct Proxied {
    proxieds: Vec<ProductSigned>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductSigned {
    #[serde(flatten)]
    device: Named,
    random: String,
    sign_method: String,
    sign: String,
}

fn named(id: &DeviceId) -> Value {
    json!({"productKey": id.product_key, "deviceName": id.device_name})
}

/// A list, or one element of it alone.
fn list<'a, T: Deserialize<'a>>(request: &Request<'a>, most: usize) -> Result<Vec<T>, Fault> {
    let list: Vec<T> =
        request.params().or_else(|fault| request.params().map(|one| vec![one]).map_err(|_: Fault| fault))?;
    if list.len() > most { Err(TOO_MANY) } else { Ok(list) }
}

impl Broker {
    /// What a gateway asks about its topology, below `/sys/…/thing/`; none when it is nothing of that.
    pub(super) fn topology_request(
        &mut self,
        gateway: &DeviceId,
        path: &str,
        request: &Request<'_>,
    ) -> Option<Outcome> {
        Some(match path {
            "sub/register" => self.register_subs(gateway, request),
            "proxy/provisioning/product_register" => self.register_proxied(gateway, request),
            "topo/add" => self.add_topology(gateway, request),
            "topo/delete" => self.delete_topology(gateway, request),
            "topo/get" => {
                let mut subs: Vec<_> = self
                    .devices
                    .iter()
                    .filter(|(_, d)| d.gateway.as_ref() == Some(gateway))
                    .map(|(id, _)| id)
                    .collect();
                subs.sort_unstable();
                Ok(subs.into_iter().map(named).collect())
            }
            "list/found" => list::<Named>(request, usize::MAX).map(|_| nothing()),
            _ => return None,
        })
    }

    /// What a gateway asks about sessions, below `/ext/session/…/combine/`.
    pub(super) fn session_request(
        &mut self,
        gateway: &DeviceId,
        action: &str,
        request: &Request<'_>,
    ) -> Option<Outcome> {
        Some(match action {
            "login" => request.params().and_then(|sub: Signed| self.sign_sub_in(gateway, &sub, None)),
            "batch_login" => request.params().and_then(|batch: Batch| {
                if batch.device_list.len() > MAX_SIGNED_IN {
                    return Err(TOO_MANY);
                }
                let method = batch.sign_method.as_deref();
                batch.device_list.iter().map(|sub| self.sign_sub_in(gateway, sub, method)).collect()
            }),
            "logout" => request.params().and_then(|sub: Named| self.sign_sub_out(gateway, &sub)),
            "batch_logout" => list(request, MAX_SIGNED_IN)
                .and_then(|subs: Vec<Named>| subs.iter().map(|sub| self.sign_sub_out(gateway, sub)).collect()),
            _ => return None,
        })
    }

    fn register_subs(&mut self, gateway: &DeviceId, request: &Request<'_>) -> Outcome {
        let subs: Vec<Named> = list(request, MAX_CHANGED)?;
        subs.iter()
            .map(|sub| {
                let product =
                    self.products.get(&sub.product_key).ok_or(Fault::new(5005, "the product does not exist"))?;
                if !product.dynamic_registration {
                    return Err(Fault::new(6288, "dynamic registration is off"));
                }
                self.hand_out(gateway, &sub.id())
            })
            .collect()
    }

    fn register_proxied(&mut self, gateway: &DeviceId, request: &Request<'_>) -> Outcome {
        let Proxied { proxieds } = request.params()?;
        if proxieds.len() > MAX_CHANGED {
            return Err(TOO_MANY);
        }
        let (mut successes, mut failures) = (Vec::new(), Vec::new());
        for sub in &proxieds {
            match self.check_proxied(sub).and_then(|()| self.hand_out(gateway, &sub.device.id())) {
                Ok(secret) => successes.push(secret),
                Err(Fault { code, message }) => failures.push(json!({
                    "productKey": sub.device.product_key, "deviceName": sub.device.device_name, "code": code, "message": message,
                })),
            }
        }
        Ok(json!({"successes": successes, "failures": failures}))
    }

    fn check_proxied(&self, sub: &ProductSigned) -> Result<(), Fault> {
        let Named { product_key, device_name } = &sub.device;
        let product = self.products.get(product_key).ok_or(Fault::new(5005, "the product does not exist"))?;
        let method = method_of(&sub.sign_method).ok_or(Fault::new(6292, "the sign method is not supported"))?;
        let content = format!("deviceName{device_name}productKey{product_key}random{}", sub.random);
        match &product.product_secret {
            Some(secret) if method.verifies(secret, &content, &sub.sign) => {}
            _ => return Err(BAD_SIGNATURE),
        }
        if product.dynamic_registration { Ok(()) } else { Err(Fault::new(6288, "dynamic registration is off")) }
    }

    /// The secret of a listed sub-device that stands behind no other gateway.
    fn hand_out(&mut self, gateway: &DeviceId, id: &DeviceId) -> Outcome {
        let device = self.devices.get_mut(id).ok_or(NO_DEVICE)?;
        if device.gateway.as_ref().is_some_and(|other| other != gateway) {
            return Err(Fault::new(6619, "the device stands behind another gateway"));
        }
        let mint = &mut self.mint;
        let secret = device.secret.get_or_insert_with(|| mint.text().as_str().into());
        Ok(json!({
            "iotId": format!("{}{}", id.product_key, id.device_name), "productKey": id.product_key,
            "deviceName": id.device_name, "deviceSecret": secret.text(),
        }))
    }

    fn add_topology(&mut self, gateway: &DeviceId, request: &Request<'_>) -> Outcome {
        let subs: Vec<Signed> = list(request, MAX_CHANGED)?;
        for sub in &subs {
            let id = sub.device.id();
            let device = self.devices.get(&id).ok_or(NO_DEVICE)?;
            if id == *gateway {
                return Err(Fault::new(6402, "a gateway cannot stand behind itself"));
            }
            if !device.secret.as_ref().is_some_and(|secret| sub.verifies(secret, None)) {
                return Err(Fault::new(401, "the signature is wrong"));
            }
            if device.gateway.as_ref().is_some_and(|other| other != gateway) {
                return Err(Fault::new(6619, "the device stands behind another gateway"));
            }
        }
        for sub in &subs {
            if let Some(device) = self.devices.get_mut(&sub.device.id()) {
                device.gateway = Some(gateway.clone());
            }
        }
        Ok(subs.iter().map(|sub| named(&sub.device.id())).collect())
    }

    fn delete_topology(&mut self, gateway: &DeviceId, request: &Request<'_>) -> Outcome {
        for sub in list::<Named>(request, MAX_CHANGED)? {
            let device = self.devices.get_mut(&sub.id()).ok_or(NO_DEVICE)?;
            if device.gateway.as_ref() == Some(gateway) {
                (device.gateway, device.via) = (None, None);
            }
        }
        Ok(nothing())
    }

    fn sign_sub_in(&mut self, gateway: &DeviceId, sub: &Signed, method: Option<&str>) -> Outcome {
        let id = sub.device.id();
        let device = self.devices.get_mut(&id).ok_or(NO_DEVICE)?;
        if device.gateway.as_ref() != Some(gateway) {
            return Err(NO_TOPOLOGY);
        }
        if device.disabled {
            return Err(DISABLED);
        }
        if !device.secret.as_ref().is_some_and(|secret| sub.verifies(secret, method)) {
            return Err(BAD_SIGNATURE);
        }
        device.activated = true;
        device.via = Some(gateway.clone());
        // Its own connection, if it has one, is an older session of the same device.
        if let Some(own) = device.online {
            self.close(own, "kicked by the same device");
        }
        Ok(named(&id))
    }

    fn sign_sub_out(&mut self, gateway: &DeviceId, sub: &Named) -> Outcome {
        let id = sub.id();
        let device = self.devices.get_mut(&id).ok_or(NO_DEVICE)?;
        if device.via.take_if(|via| via == gateway).is_none() {
            return Err(NO_SESSION);
        }
        Ok(named(&id))
    }

    /// Ends the session of a sub-device and tells its gateway; false when there is none.
    pub(super) fn throw_sub_out(&mut self, now: Duration, id: &DeviceId, fault: Fault) -> bool {
        let Some(gateway) = self.devices.get_mut(id).and_then(|device| device.via.take()) else { return false };
        let Fault { code, message } = fault;
        let payload = json!({"code": code, "data": named(id), "message": message});
        let topic = format!("/ext/error/{}/{}", gateway.product_key, gateway.device_name);
        self.send_down(now, &gateway, Message { topic, payload: payload.to_string().into(), qos: Qos::AtMostOnce });
        true
    }

    /// A gateway's connection ended: its sub-devices are gone with it.
    pub(super) fn subs_gone(&mut self, gateway: &DeviceId) {
        for device in self.devices.values_mut() {
            device.via.take_if(|via| via == gateway);
        }
    }

    /// The sub-devices that are signed in through this gateway.
    pub(super) fn subs<'a>(&'a self, gateway: &'a DeviceId) -> impl Iterator<Item = &'a DeviceId> {
        self.devices.iter().filter(move |(_, device)| device.via.as_ref() == Some(gateway)).map(|(id, _)| id)
    }
}

/// Why the session of a sub-device ends.
pub(super) const ELSEWHERE: Fault = Fault::new(427, "the device signed in elsewhere");
/// See [`ELSEWHERE`].
pub(super) const SWITCHED_OFF: Fault = DISABLED;
