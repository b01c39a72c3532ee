//! A dialogue with the platform, and the platform's part in it.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "every test file uses a part of it"
)]

use iotcloud::Secret;
use iotcloud::aliyun::dialogue::{DeviceId, Failure, Level, LogLine, Output, Request};
use iotcloud::aliyun::{Aliyun, Config, Dialogue, LIMITS};
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub const SYS: &str = "/sys/pk/device";

/// Before its first session; one message carries so much.
pub fn carrying(max_payload: usize) -> Dialogue {
    Dialogue::new(&Aliyun::new(Config::new("pk", "device", Secret::new("secret"))).unwrap(), 100, max_payload)
}

/// Before its first session; one message carries all that the platform takes.
pub fn quiet() -> Dialogue {
    carrying(LIMITS.payload_bytes)
}

/// Online, with everything said that is said by itself.
pub fn online() -> Dialogue {
    signed_in(quiet())
}

/// Brings it online, with everything said that is said by itself.
pub fn signed_in(mut dialogue: Dialogue) -> Dialogue {
    dialogue.online(0, None, &[]);
    outputs(&mut dialogue);
    dialogue
}

pub fn outputs(dialogue: &mut Dialogue) -> Vec<Output> {
    std::iter::from_fn(|| dialogue.next_output()).collect()
}

pub fn published(outputs: &[Output]) -> Vec<(String, Value)> {
    let read = |output: &Output| match output {
        Output::Publish { topic, payload, .. } => Some((topic.clone(), serde_json::from_slice(payload).unwrap())),
        _ => None,
    };
    outputs.iter().filter_map(read).collect()
}

pub fn done(outputs: &[Output]) -> Vec<(u64, Result<Value, Failure>)> {
    let read = |output: &Output| match output {
        Output::Done { ticket, result } => Some((*ticket, result.clone())),
        _ => None,
    };
    outputs.iter().filter_map(read).collect()
}

pub fn call_for(method: &str, params: Value) -> Request {
    Request::Call { method: method.into(), params, device: None, timeout_ms: None }
}

/// Asks, lets the cloud confirm the subscription, and returns topic and envelope of what was sent.
pub fn ask(dialogue: &mut Dialogue, ticket: u64, request: Request) -> (String, Value) {
    let before: BTreeSet<String> = dialogue.filters().into_keys().collect();
    dialogue.request(0, ticket, request);
    for filter in dialogue.filters().into_keys().filter(|filter| !before.contains(filter)) {
        dialogue.subscribed(0, &filter);
    }
    published(&outputs(dialogue)).pop().expect("it is sent")
}

pub fn reply(dialogue: &mut Dialogue, topic: &str, message: &Value) -> Vec<Output> {
    dialogue.received(10, topic, message.to_string().as_bytes());
    outputs(dialogue)
}

pub fn sub() -> DeviceId {
    DeviceId { product_key: "pk2".into(), device_name: "meter".into() }
}

pub fn log_line(text: &str) -> LogLine {
    LogLine { unix_ms: 1_583_507_727_123, level: Level::Warn, module: "session".into(), text: text.into() }
}

/// A dialogue whose platform answered the question about logs.
pub fn with_logs(mut dialogue: Dialogue, mode: u32) -> Dialogue {
    dialogue.online(0, None, &[]);
    let on = format!("{SYS}/thing/config/log/get_reply");
    dialogue.subscribed(0, &on);
    let (_, asked) = published(&outputs(&mut dialogue)).pop().unwrap();
    let data = json!({"getType": "content", "content": {"mode": mode}});
    reply(&mut dialogue, &on, &json!({"id": asked["id"], "code": 200, "data": data}));
    dialogue
}
