//! The calls of the console: what a person does in the web console, a server by the API, and a test to the platform. They are listed in the header of `cloud`.

use super::alink;
use super::event::{Event, Received};
use super::faults::{Answers, connack_code};
use super::identity::DeviceId;
use super::message::{Delivery, Message, Qos, RequestError};
use super::package::Package;
use super::shared::Shared;
use super::soak::Soak;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// How long a device may take to answer a call. Source: Alibaba Cloud IoT Platform, "Limits": RRPC.
const CALL_MS: u64 = 8_000;

/// One call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    Publish {
        product_key: String,
        device_name: String,
        topic: String,
        payload: Option<String>,
        payload_b64: Option<String>,
        #[serde(default)]
        qos: u8,
    },
    Received {
        #[serde(default)]
        since: u64,
    },
    Log {},
    Devices {},
    Kick {
        product_key: String,
        device_name: String,
    },
    Ota(Package),
    Set {
        product_key: String,
        device_name: String,
        params: Value,
    },
    Service {
        product_key: String,
        device_name: String,
        service: String,
        params: Value,
        #[serde(default)]
        sync: bool,
    },
    Rrpc {
        product_key: String,
        device_name: String,
        topic: Option<String>,
        payload: String,
        #[serde(default = "call_ms")]
        timeout_ms: u64,
    },
    Broadcast {
        product_key: String,
        topic: Option<String>,
        payload: String,
    },
    Desired {
        product_key: String,
        device_name: String,
        params: Map<String, Value>,
    },
    Shadow {
        product_key: String,
        device_name: String,
        desired: Option<Map<String, Value>>,
    },
    Config {
        product_key: String,
        payload: String,
    },
    LogUpload {
        product_key: String,
        device_name: String,
        on: bool,
    },
    Disable {
        product_key: String,
        device_name: String,
        on: bool,
    },
    Secret {
        product_key: String,
        device_name: String,
        device_secret: String,
    },
    Registration {
        product_key: String,
        on: bool,
    },
    SpoilAnswers {
        how: Answers,
        count: u32,
    },
    Soak {
        profile: Option<Soak>,
    },
    Reset {
        product_key: String,
        device_name: String,
    },
    Refuse {
        product_key: Option<String>,
        device_name: Option<String>,
        count: u32,
        code: u8,
    },
    Outage {
        on: bool,
    },
    LosePubacks {
        count: u32,
    },
}

fn call_ms() -> u64 {
    CALL_MS
}

type Answer = Result<Value, Box<dyn std::error::Error + Send + Sync>>;

/// Answers one line of the console.
///
/// # Errors
/// In words, why it cannot be done.
pub(super) async fn answer(shared: &Shared, line: &str) -> Result<Value, String> {
    let call = serde_json::from_str(line).map_err(|error| format!("not a call: {error}"))?;
    carry_out(shared, call).await.map_err(|error| error.to_string())
}

async fn carry_out(shared: &Shared, call: Call) -> Answer {
    match call {
        Call::Rrpc { product_key, device_name, topic, payload, timeout_ms } => {
            let id = DeviceId::new(product_key, device_name);
            ask(shared, &id, topic.as_deref(), payload.into(), Duration::from_millis(timeout_ms)).await
        }
        Call::Service { product_key, device_name, service, params, sync: true } => {
            let id = DeviceId::new(product_key, device_name);
            let request = shared.with(|broker, _| broker.next_request());
            let payload = alink::request(request, &format!("thing.service.{service}"), &params);
            ask(shared, &id, None, payload.into(), Duration::from_millis(CALL_MS)).await
        }
        call => at_once(shared, call),
    }
}

/// Calls a device and waits for its answer.
async fn ask(shared: &Shared, id: &DeviceId, topic: Option<&str>, payload: Bytes, within: Duration) -> Answer {
    let mut events = shared.watch();
    let (answered, delivery) = shared.with(|broker, now| broker.call(now, id, topic, payload))?;
    if delivery != Delivery::Sent {
        return Ok(json!({"ok": true, "delivery": delivery}));
    }
    let answer = async {
        loop {
            match events.recv().await {
                Ok(Event::Received(message)) if message.topic == answered && message.from == *id => {
                    return Some(message);
                }
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return None,
            }
        }
    };
    match tokio::time::timeout(within, answer).await {
        Ok(Some(message)) => {
            let mut shown = show(&message);
            if let Some(fields) = shown.as_object_mut() {
                fields.insert("ok".to_owned(), true.into());
                fields.insert("delivery".to_owned(), "sent".into());
            }
            Ok(shown)
        }
        Ok(None) | Err(_) => Err(format!("no answer within {} ms", within.as_millis()).into()),
    }
}

fn at_once(shared: &Shared, call: Call) -> Answer {
    match call {
        // Those that wait for an answer.
        Call::Rrpc { .. } | Call::Service { sync: true, .. } => Err("this call waits for its answer".into()),
        Call::Publish { product_key, device_name, topic, payload, payload_b64, qos } => {
            let payload: Bytes = match (payload, payload_b64) {
                (Some(text), None) => text.into(),
                (None, Some(text)) => BASE64.decode(text).map_err(|error| format!("payload_b64: {error}"))?.into(),
                _ => return Err("publish takes either payload or payload_b64".into()),
            };
            let qos = match qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                other => return Err(format!("qos is 0 or 1, not {other}").into()),
            };
            let (id, message) = (DeviceId::new(product_key, device_name), Message { topic, payload, qos });
            let delivery = shared.with(|broker, now| broker.publish(now, &id, message))?;
            Ok(json!({"ok": true, "delivery": delivery}))
        }
        Call::Received { since } => Ok(shared.with(|broker, _| {
            let messages: Vec<Value> = broker.journal.received().filter(|m| m.seq > since).map(show).collect();
            json!({"ok": true, "count": broker.journal.count(), "messages": messages})
        })),
        Call::Log {} => Ok(shared.with(|broker, _| {
            let events: Vec<_> = broker.journal.events().collect();
            json!({"ok": true, "events": events})
        })),
        Call::Devices {} => Ok(shared.with(|broker, _| {
            let mut devices: Vec<_> = broker.devices.iter().collect();
            devices.sort_unstable_by_key(|(id, _)| *id);
            let devices: Vec<Value> = devices
                .into_iter()
                .map(|(id, device)| {
                    let session = device.session.as_ref();
                    json!({
                        "product_key": id.product_key, "device_name": id.device_name,
                        "online": device.online.is_some(), "activated": device.activated, "versions": device.versions,
                        "gateway": device.gateway, "via": device.via, "tokens": device.tokens.len(),
                        "subscriptions": session.map_or_else(Vec::new, |session| session.filters().collect()),
                        "unacknowledged": session.map_or(0, |session| session.unacknowledged()),
                    })
                })
                .collect();
            json!({"ok": true, "devices": devices})
        })),
        Call::Kick { product_key, device_name } => {
            let kicked = shared.with(|broker, now| broker.kick(now, &DeviceId::new(product_key, device_name)))?;
            Ok(json!({"ok": true, "was_online": kicked}))
        }
        Call::Ota(package) => {
            let pushed = shared.with(|broker, now| broker.add_package(now, package))?;
            Ok(json!({"ok": true, "pushed": pushed}))
        }
        Call::Set { product_key, device_name, params } => {
            request(shared, &DeviceId::new(product_key, device_name), "property/set", &params)
        }
        Call::Service { product_key, device_name, service, params, sync: false } => {
            request(shared, &DeviceId::new(product_key, device_name), &service, &params)
        }
        Call::Broadcast { product_key, topic, payload } => {
            let payload = payload.into();
            let reached = shared.with(|broker, now| broker.broadcast(now, &product_key, topic.as_deref(), &payload))?;
            Ok(json!({"ok": true, "reached": reached}))
        }
        Call::Desired { product_key, device_name, params } => {
            let id = DeviceId::new(product_key, device_name);
            let delivery = shared.with(|broker, now| broker.desire(now, &id, &params))?;
            Ok(json!({"ok": true, "delivery": delivery}))
        }
        Call::Shadow { product_key, device_name, desired } => {
            let id = DeviceId::new(product_key, device_name);
            let (shadow, delivery) = shared.with(|broker, now| broker.shadow(now, &id, desired.as_ref()))?;
            Ok(json!({"ok": true, "shadow": shadow, "delivery": delivery}))
        }
        Call::Config { product_key, payload } => {
            let pushed = shared.with(|broker, now| broker.configure(now, &product_key, payload.into()));
            Ok(json!({"ok": true, "pushed": pushed}))
        }
        Call::LogUpload { product_key, device_name, on } => {
            let id = DeviceId::new(product_key, device_name);
            let delivery = shared.with(|broker, now| broker.want_logs(now, &id, on))?;
            Ok(json!({"ok": true, "delivery": delivery}))
        }
        Call::Disable { product_key, device_name, on } => {
            shared.with(|broker, now| broker.disable(now, &DeviceId::new(product_key, device_name), on))?;
            Ok(json!({"ok": true}))
        }
        Call::Secret { product_key, device_name, device_secret } => {
            shared.with(|broker, _| broker.set_secret(&DeviceId::new(product_key, device_name), &device_secret))?;
            Ok(json!({"ok": true}))
        }
        Call::Registration { product_key, on } => {
            match shared.with(|broker, _| broker.switch_registration(&product_key, on)) {
                true => Ok(json!({"ok": true})),
                false => Err(format!("there is no product {product_key}").into()),
            }
        }
        Call::SpoilAnswers { how, count } => {
            shared.with(|broker, _| broker.faults.spoil_answers(how, count));
            Ok(json!({"ok": true}))
        }
        Call::Soak { profile } => {
            if let Some(share) = profile.as_ref().and_then(Soak::mistake) {
                return Err(format!("{share} must be between 0 and 1").into());
            }
            shared.with(|broker, _| broker.faults.weather.set(profile));
            Ok(json!({"ok": true}))
        }
        Call::Reset { product_key, device_name } => {
            shared.with(|broker, _| broker.reset(&DeviceId::new(product_key, device_name)))?;
            Ok(json!({"ok": true}))
        }
        Call::Refuse { product_key, device_name, count, code } => {
            let device = match (product_key, device_name) {
                (Some(product_key), Some(device_name)) => Some(DeviceId::new(product_key, device_name)),
                (None, None) => None,
                _ => return Err("refuse takes both product_key and device_name, or none of them".into()),
            };
            let code = connack_code(code).ok_or(RequestError::BadCode(code))?;
            shared.with(|broker, _| broker.faults.refuse(device, count, code));
            Ok(json!({"ok": true}))
        }
        Call::Outage { on } => {
            shared.with(|broker, _| broker.set_outage(on));
            Ok(json!({"ok": true}))
        }
        Call::LosePubacks { count } => {
            shared.with(|broker, _| broker.faults.lose_pubacks(count));
            Ok(json!({"ok": true}))
        }
    }
}

fn request(shared: &Shared, id: &DeviceId, service: &str, params: &Value) -> Answer {
    let (request, delivery) = shared.with(|broker, now| broker.request(now, id, service, params))?;
    Ok(json!({"ok": true, "id": request.to_string(), "delivery": delivery}))
}

/// A message as the console shows it: bytes that are no text in base64.
fn show(message: &Received) -> Value {
    let DeviceId { product_key, device_name } = &message.from;
    let mut shown = json!({
        "seq": message.seq, "product_key": product_key, "device_name": device_name, "topic": message.topic,
        "qos": message.qos, "dup": message.dup, "at_ms": message.at_ms,
    });
    let (key, text) = match std::str::from_utf8(&message.payload) {
        Ok(text) => ("payload", text.to_owned()),
        Err(_) => ("payload_b64", BASE64.encode(&message.payload)),
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(key.to_owned(), text.into());
    }
    shown
}
