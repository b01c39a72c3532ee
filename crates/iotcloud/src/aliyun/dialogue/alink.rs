//! The envelope of the thing model, and that of the shadow.

use super::{Failure, WrapError, nothing};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// A reply of the platform.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) id: u32,
    pub(super) code: u64,
    pub(super) data: Value,
    pub(super) message: String,
}

#[derive(Deserialize)]
struct ReplyIn {
    id: Value,
    code: Value,
    data: Option<Value>,
    message: Option<String>,
}

fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The path of a method: `thing.topo.get` is `thing/topo/get`.
pub(super) fn topic_of(method: &str) -> Result<String, &'static str> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b));
    if method.len() > 96 || !method.starts_with("thing.") || !method.split('.').all(is_word) {
        return Err("the method must be one such as `thing.property.desired.get`");
    }
    Ok(method.replace('.', "/"))
}

/// A request that wants a reply; those about sessions of sub-devices bear neither method nor version.
pub(super) fn request(id: u32, method: Option<&str>, params: &Value) -> Vec<u8> {
    let id = id.to_string();
    let request = match method {
        Some(method) => serde_json::json!({"id": id, "version": "1.0", "params": params, "method": method}),
        None => serde_json::json!({"id": id, "params": params}),
    };
    request.to_string().into_bytes()
}

/// A message that wants none: a reply costs the SIM card as much as the message, and a kept message has nobody who waits.
pub(super) fn wrap(id: u32, path: &str, payload: &[u8]) -> Result<Vec<u8>, WrapError> {
    let method = format!("thing.{}", path.replace('/', "."));
    if topic_of(&method).is_err() {
        return Err(WrapError::Method(path.to_owned()));
    }
    let params: &RawValue = serde_json::from_slice(payload).map_err(|e| WrapError::NotJson(e.to_string()))?;
    let params = params.get();
    if !params.starts_with(['{', '[']) {
        return Err(WrapError::NotStructured);
    }
    let wrapped = format!(
        "{{\"id\":\"{id}\",\"version\":\"1.0\",\"sys\":{{\"ack\":0}},\"params\":{params},\"method\":\"{method}\"}}"
    );
    Ok(wrapped.into_bytes())
}

pub(super) fn read_reply(payload: &[u8]) -> Result<Reply, String> {
    let reply: ReplyIn = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
    let id = number(&reply.id).and_then(|id| u32::try_from(id).ok()).ok_or("its id is none of ours")?;
    let code = number(&reply.code).ok_or("its code is no number")?;
    let data = reply.data.filter(|data| !data.is_null()).unwrap_or_else(nothing);
    Ok(Reply { id, code, data, message: reply.message.unwrap_or_default() })
}

#[derive(Deserialize)]
struct CallIn {
    id: Value,
    method: Option<String>,
    params: Option<Value>,
}

/// Method (its path behind `thing/`), parameters and id of a call; `None` when it is not one of the thing model.
pub(super) fn read_call(payload: &[u8]) -> Option<(String, Value, Value)> {
    let call: CallIn = serde_json::from_slice(payload).ok()?;
    if !matches!(call.id, Value::String(_) | Value::Number(_)) {
        return None;
    }
    let path = topic_of(&call.method?).ok()?;
    let path = path.strip_prefix("thing/")?.to_owned();
    Some((path, call.params.filter(|params| !params.is_null()).unwrap_or_else(nothing), call.id))
}

/// The reply to a call.
pub(super) fn answer(id: &Value, code: u32, data: &Value, message: &str) -> Vec<u8> {
    serde_json::json!({"id": id, "code": code, "data": data, "message": message}).to_string().into_bytes()
}

/// A message about the shadow.
pub(super) enum Shadow {
    /// To the request that was sent first.
    Reply(Result<Value, Failure>),
    /// The cloud wants a state.
    Control,
}

#[derive(Deserialize)]
struct ShadowIn {
    method: String,
    payload: Option<Value>,
    version: Option<Value>,
    timestamp: Option<Value>,
}

/// Source: Alibaba Cloud IoT Platform documentation, "Device shadow data stream".
pub(super) fn read_shadow(payload: &[u8]) -> Result<Shadow, String> {
    let message: ShadowIn = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
    if message.method == "control" {
        return Ok(Shadow::Control);
    }
    if message.method != "reply" {
        return Err(format!("its method is {:?}", message.method));
    }
    let mut payload = message.payload.unwrap_or_else(nothing);
    if payload.get("status").and_then(Value::as_str) == Some("success") {
        if let Value::Object(fields) = &mut payload {
            fields.remove("status");
            for (name, value) in [("version", message.version), ("timestamp", message.timestamp)] {
                if let Some(value) = value {
                    fields.entry(name).or_insert(value);
                }
            }
        }
        return Ok(Shadow::Reply(Ok(payload)));
    }
    let content = payload.get("content");
    let field = |name: &str| content.and_then(|content| content.get(name));
    let code = field("errorcode").and_then(number).unwrap_or(500);
    let message = field("errormessage").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Shadow::Reply(Err(Failure::Refused { code, message })))
}
