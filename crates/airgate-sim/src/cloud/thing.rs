//! What the platform keeps of a device beyond its messages, and answers from it: desired properties, the shadow, the
//! configuration of the product, whether logs are wanted, gateways. What needs no memory is in `service.rs`.
//!
//! Source: Alibaba Cloud IoT Platform, "Alink protocol" and its chapters.

use super::alink::{self, Fault, Outcome, Request, nothing};
use super::identity::DeviceId;
use super::message::{Delivery, Message, Qos, RequestError};
use super::service::Service;
use super::state::{Broker, Configuration, Desired};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Scope {
    config_scope: String,
    get_type: String,
}

#[derive(Deserialize)]
struct Deleted {
    version: Option<u64>,
}

impl Broker {
    /// The answer to what `speaker` published, if it is for one of the services with a memory.
    pub(super) fn answer(&mut self, now: Duration, speaker: &DeviceId, topic: &str, payload: &[u8]) -> Option<Service> {
        let both = format!("{}/{}", speaker.product_key, speaker.device_name);
        if topic == format!("/shadow/update/{both}") {
            let answer = self.devices.get_mut(speaker)?.shadow.take(payload, now.as_secs());
            return Some(Service::Reply {
                topic: format!("/shadow/get/{both}"),
                payload: answer.to_string().into_bytes(),
            });
        }
        let session = topic.strip_prefix(&format!("/ext/session/{both}/combine/"));
        let thing = topic.strip_prefix(&format!("/sys/{both}/thing/"));
        if session.or(thing).is_none_or(|path| path.ends_with("_reply")) {
            return None;
        }
        let request = match Request::read(payload) {
            Ok(request) => request,
            Err(why) => return Some(Service::Refused(why)),
        };
        let (method, outcome) = match (session, thing) {
            (Some(action), _) => (String::new(), self.session_request(speaker, action, &request)?),
            (_, Some(path)) => {
                (format!("thing.{}", path.replace('/', ".")), self.thing_request(speaker, path, &request)?)
            }
            (None, None) => return None,
        };
        if !request.wants_reply() {
            return Some(Service::None);
        }
        Some(Service::Reply { topic: format!("{topic}_reply"), payload: alink::reply(request.id, &method, outcome) })
    }

    fn thing_request(&mut self, speaker: &DeviceId, path: &str, request: &Request<'_>) -> Option<Outcome> {
        Some(match path {
            "property/desired/get" => self.desired(speaker, request),
            "property/desired/delete" => self.forget_desired(speaker, request),
            "config/get" => self.configuration(speaker, request),
            "config/log/get" => {
                let wanted = self.devices.get(speaker).is_some_and(|device| device.wants_logs);
                request.params().map(|_: Scope| log_mode(wanted))
            }
            "dsltemplate/get" => Ok(json!({
                "profile": {"productKey": speaker.product_key}, "properties": [], "events": [], "services": [],
            })),
            _ => return self.topology_request(speaker, path, request),
        })
    }

    fn desired(&self, speaker: &DeviceId, request: &Request<'_>) -> Outcome {
        let names: Vec<String> = request.params()?;
        let desired = self.devices.get(speaker).map(|device| &device.desired);
        let found = names.into_iter().filter_map(|name| {
            let Desired { value, version } = desired?.get(&name)?;
            let shown = json!({"value": value, "version": version});
            Some((name, shown))
        });
        Ok(Value::Object(found.collect()))
    }

    /// One that has changed since the device looked is kept.
    fn forget_desired(&mut self, speaker: &DeviceId, request: &Request<'_>) -> Outcome {
        let names: BTreeMap<String, Deleted> = request.params()?;
        if let Some(device) = self.devices.get_mut(speaker) {
            for (name, Deleted { version }) in names {
                if device.desired.get(&name).is_some_and(|desired| version.is_none_or(|seen| seen == desired.version)) {
                    device.desired.remove(&name);
                }
            }
        }
        Ok(nothing())
    }

    fn configuration(&self, speaker: &DeviceId, request: &Request<'_>) -> Outcome {
        let Scope { config_scope, get_type } = request.params()?;
        if (config_scope.as_str(), get_type.as_str()) != ("product", "file") {
            return Err(Fault::PARAMS);
        }
        self.described(&speaker.product_key).ok_or(Fault::new(6713, "remote configuration is not switched on"))
    }

    fn described(&self, product_key: &str) -> Option<Value> {
        let Configuration { id, content } = self.configurations.get(product_key)?;
        let sign: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        let url = format!("https://{}/config/{product_key}", self.packages.address()?);
        Some(json!({
            "configId": id.to_string(), "configSize": content.len(), "sign": sign, "signMethod": "Sha256", "url": url,
            "getType": "file",
        }))
    }

    /// Sets the configuration of a product, and pushes it to its devices that are online; to how many.
    pub(super) fn configure(&mut self, now: Duration, product_key: &str, content: Bytes) -> usize {
        let id = self.next_request();
        self.configurations.insert(product_key.to_owned(), Configuration { id, content });
        let Some(params) = self.described(product_key) else { return 0 };
        let of_product = |id: &&DeviceId| id.product_key == product_key;
        let mut devices: Vec<DeviceId> = self.devices.keys().filter(of_product).cloned().collect();
        devices.sort_unstable();
        let sent = |delivery: Result<Delivery, RequestError>| matches!(delivery, Ok(Delivery::Sent));
        devices.iter().filter(|id| sent(self.push(now, id, "config/push", &params))).count()
    }

    /// Whether the platform wants the log of a device; the device is told.
    pub(super) fn want_logs(&mut self, now: Duration, id: &DeviceId, on: bool) -> Result<Delivery, RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        device.wants_logs = on;
        self.push(now, id, "config/log/push", &log_mode(on))
    }

    /// Wants values of a device's properties, and tells it; each version counts up.
    pub(super) fn desire(
        &mut self,
        now: Duration,
        id: &DeviceId,
        params: &Map<String, Value>,
    ) -> Result<Delivery, RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        for (name, value) in params {
            let version = device.desired.get(name).map_or(0, |desired| desired.version) + 1;
            device.desired.insert(name.clone(), Desired { value: value.clone(), version });
        }
        self.push(now, id, "service/property/set", &Value::Object(params.clone()))
    }

    /// The shadow of a device; with a state that is wanted of it, the device is told.
    pub(super) fn shadow(
        &mut self,
        now: Duration,
        id: &DeviceId,
        desired: Option<&Map<String, Value>>,
    ) -> Result<(Value, Option<Delivery>), RequestError> {
        let device = self.devices.get_mut(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        let Some(desired) = desired else { return Ok((device.shadow.whole("reply", now.as_secs()), None)) };
        let control = device.shadow.want(desired, now.as_secs());
        let topic = format!("/shadow/get/{}/{}", id.product_key, id.device_name);
        let message = Message { topic, payload: control.to_string().into(), qos: Qos::AtLeastOnce };
        self.publish(now, id, message).map(|delivery| (control, Some(delivery)))
    }

    /// A request of the platform on `/sys/…/thing/{path}`.
    fn push(&mut self, now: Duration, id: &DeviceId, path: &str, params: &Value) -> Result<Delivery, RequestError> {
        let payload = alink::request(self.next_request(), &format!("thing.{}", path.replace('/', ".")), params);
        let topic = format!("/sys/{}/{}/thing/{path}", id.product_key, id.device_name);
        self.publish(now, id, Message { topic, payload: payload.into(), qos: Qos::AtLeastOnce })
    }

    pub(super) fn next_request(&mut self) -> u32 {
        self.last_request = self.last_request.wrapping_add(1);
        self.last_request
    }
}

fn log_mode(on: bool) -> Value {
    json!({"getType": "content", "content": {"mode": u8::from(on)}})
}
