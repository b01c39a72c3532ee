//! Reads the operations of the thing model, the shadow, firmware reports and sub-devices.
//!
//! What can wait is a publication under one of the daemon's words (`$thing/…`, `$ota/…`) and is kept like any other; what
//! wants the cloud's reply is asked live.

use crate::fields::{Fields, refuse};
use crate::limits::MAX_PAYLOAD_BYTES;
use crate::parse_content::{payload, policy};
use crate::{Answer, Ask, Code, Device, DeviceSecret, Op, Publish, Refusal};
use serde_json::{Map, Value, json};

/// Fields that say how a kept message is handled.
const POLICY: [&str; 4] = ["priority", "ttl_s", "confirm", "key"];
/// Longest name of a method, an event or a module, in bytes.
const MAX_NAME: usize = 96;
/// Longest wait for a reply, in seconds.
const MAX_TIMEOUT_S: u32 = 120;

/// The operation of this name; `None` when it is none of those read here.
pub(crate) fn read(name: &str, fields: &Fields<'_>) -> Option<Result<Op, Refusal>> {
    Some(match name {
        "property" => property(fields),
        "event" => event(fields),
        "call" => call(fields).map(Op::Ask),
        "answer" | "service_reply" => answer(name, fields),
        "shadow" => shadow(fields).map(Op::Ask),
        "time" => fields.only(name, &["id", "op"]).map(|()| Op::Time),
        "ota_version" => ota_version(fields),
        "ota_progress" => ota_progress(fields),
        "device_add" => with_secret(name, fields, Ask::DeviceAdd),
        "device_login" => with_secret(name, fields, Ask::DeviceLogin),
        "device_logout" => fields
            .only(name, &["id", "op", "device"])
            .and_then(|()| needed(name, fields))
            .map(Ask::DeviceLogout)
            .map(Op::Ask),
        "device_register" => about_devices(name, fields, "thing.sub.register"),
        "device_delete" => about_devices(name, fields, "thing.topo.delete"),
        "device_list" => fields.only(name, &["id", "op"]).map(|()| {
            let method = "thing.topo.get".to_owned();
            Op::Ask(Ask::Call { method, params: json!({}), device: None, timeout_s: None })
        }),
        _ => return None,
    })
}

/// Asked live with `wait`, else kept.
fn post(fields: &Fields<'_>, path: String, params: Value) -> Result<Op, Refusal> {
    let device = device(fields)?;
    if fields.flag("wait")? {
        if let Some(field) = POLICY.iter().find(|field| fields.raw(field).is_some()) {
            let message = format!("`{field}` has no meaning with `wait`: the message is not kept");
            return Err(refuse(Code::BadField, message, format!("leave out `wait` or `{field}`")));
        }
        let method = format!("thing.{}", path.replace('/', "."));
        return Ok(Op::Ask(Ask::Call { method, params, device, timeout_s: None }));
    }
    let of = device.map(|device| format!("$device/{}/{}/", device.product_key, device.device_name));
    keep(fields, format!("{}thing/{path}", of.as_deref().unwrap_or("$")), &params)
}

fn keep(fields: &Fields<'_>, topic: String, content: &Value) -> Result<Op, Refusal> {
    let publish = Publish::new(topic, content.to_string());
    Ok(Op::Publish(policy(fields, publish)?))
}

fn property(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("property", &[["id", "op", "params", "time_ms", "device", "wait"].as_slice(), &POLICY].concat())?;
    let params = object(fields, "params")?.ok_or_else(|| {
        refuse(Code::BadField, "`property` needs the field `params`", r#"add `params`, such as {"temperature":21.5}"#)
    })?;
    let params = match fields.number("time_ms")? {
        Some(time) => params.into_iter().map(|(name, value)| (name, json!({"value": value, "time": time}))).collect(),
        None => params,
    };
    post(fields, "event/property/post".to_owned(), Value::Object(params))
}

fn event(fields: &Fields<'_>) -> Result<Op, Refusal> {
    let allowed = [["id", "op", "name", "params", "time_ms", "device", "wait"].as_slice(), &POLICY].concat();
    fields.only("event", &allowed)?;
    let name = word(fields, "event", "name")?;
    let mut params = Map::from_iter([("value".to_owned(), object(fields, "params")?.unwrap_or_default().into())]);
    if let Some(time) = fields.number("time_ms")? {
        params.insert("time".into(), time.into());
    }
    post(fields, format!("event/{name}/post"), Value::Object(params))
}

fn call(fields: &Fields<'_>) -> Result<Ask, Refusal> {
    fields.only("call", &["id", "op", "method", "params", "device", "timeout_s"])?;
    fields.required_text("call", "method")?;
    let method = fields.bounded("method", MAX_NAME)?.unwrap_or_default();
    let params = fields.value("params")?.unwrap_or_else(|| json!({}));
    if !params.is_object() && !params.is_array() {
        return Err(refuse(Code::BadField, "`params` is neither an object nor an array", "give what the method takes"));
    }
    let timeout_s = fields.whole("timeout_s", 1, MAX_TIMEOUT_S)?;
    Ok(Ask::Call { method, params, device: device(fields)?, timeout_s })
}

fn answer(op: &str, fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only(op, &["id", "op", "call", "code", "data", "payload", "payload_b64"])?;
    fields.required_text(op, "call")?;
    let call = fields.bounded("call", MAX_NAME)?.unwrap_or_default();
    let has_payload = fields.raw("payload").is_some() || fields.raw("payload_b64").is_some();
    let answer = if has_payload {
        if fields.raw("code").is_some() || fields.raw("data").is_some() {
            let hint = "a call with `params` is answered with `code` and `data`, one with a payload with a payload";
            return Err(refuse(Code::BadField, format!("`{op}` has both data and a payload"), hint));
        }
        Answer::Payload(payload(op, fields)?)
    } else {
        let code = fields.whole("code", 0, 110_000)?.unwrap_or(200);
        Answer::Data { code, data: object(fields, "data")?.unwrap_or_default().into() }
    };
    Ok(Op::Answer { call, answer })
}

fn shadow(fields: &Fields<'_>) -> Result<Ask, Refusal> {
    fields.only("shadow", &["id", "op", "document"])?;
    let hint =
        r#"add `document`, such as {"method":"get"} or {"method":"update","state":{"reported":{…}},"version":1}"#;
    let document = object(fields, "document")?
        .ok_or_else(|| refuse(Code::BadField, "`shadow` needs the field `document`", hint))?;
    match document.get("method").and_then(Value::as_str) {
        Some("get" | "update" | "delete") => Ok(Ask::Shadow(Value::Object(document))),
        _ => Err(refuse(Code::BadField, "`document` has no method `get`, `update` or `delete`", hint)),
    }
}

fn ota_version(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("ota_version", &[["id", "op", "version", "module"].as_slice(), &POLICY].concat())?;
    fields.required_text("ota_version", "version")?;
    let (version, module) = (fields.bounded("version", 64)?, fields.bounded("module", 64)?);
    keep(fields, "$ota/version".to_owned(), &json!({"version": version, "module": module}))
}

fn ota_progress(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("ota_progress", &[["id", "op", "step", "desc", "module"].as_slice(), &POLICY].concat())?;
    let hint = "`step` is 1 to 100 per cent, or -1 (failed), -2 (download), -3 (verification) or -4 (flashing)";
    let step = fields.value("step")?.and_then(|step| step.as_i64());
    let step = step.filter(|step| (1..=100).contains(step) || (-4..=-1).contains(step));
    let step = step.ok_or_else(|| refuse(Code::BadField, "`step` is missing or out of range", hint))?;
    let (desc, module) = (fields.bounded("desc", 256)?, fields.bounded("module", 64)?);
    keep(fields, "$ota/progress".to_owned(), &json!({"step": step, "desc": desc, "module": module}))
}

fn with_secret(name: &str, fields: &Fields<'_>, ask: impl FnOnce(Device, DeviceSecret) -> Ask) -> Result<Op, Refusal> {
    fields.only(name, &["id", "op", "device", "device_secret"])?;
    let device = needed(name, fields)?;
    fields.required_text(name, "device_secret")?;
    let secret = fields.bounded("device_secret", 256)?.unwrap_or_default();
    Ok(Op::Ask(ask(device, DeviceSecret(secret))))
}

fn about_devices(name: &str, fields: &Fields<'_>, method: &str) -> Result<Op, Refusal> {
    fields.only(name, &["id", "op", "device"])?;
    let Device { product_key, device_name } = needed(name, fields)?;
    let params = json!([{"productKey": product_key, "deviceName": device_name}]);
    Ok(Op::Ask(Ask::Call { method: method.to_owned(), params, device: None, timeout_s: None }))
}

fn needed(name: &str, fields: &Fields<'_>) -> Result<Device, Refusal> {
    device(fields)?.ok_or_else(|| {
        let hint = r#"add `device`, {"product_key":"…","device_name":"…"}"#;
        refuse(Code::BadField, format!("`{name}` needs the field `device`"), hint)
    })
}

/// Names become parts of a topic.
fn device(fields: &Fields<'_>) -> Result<Option<Device>, Refusal> {
    let Some(named) = fields.fields("device")? else { return Ok(None) };
    named.only("device", &["product_key", "device_name"])?;
    let fits =
        |name: &String| (1..=64).contains(&name.len()) && !name.contains(['/', '+', '#', '$']) && !has_control(name);
    match (named.text("product_key")?.filter(fits), named.text("device_name")?.filter(fits)) {
        (Some(product_key), Some(device_name)) => Ok(Some(Device { product_key, device_name })),
        _ => {
            let hint = r#"give {"product_key":"…","device_name":"…"} as the console shows them"#;
            Err(refuse(Code::BadField, "`device` does not name a device", hint))
        }
    }
}

fn has_control(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// A name that becomes part of a topic.
fn word(fields: &Fields<'_>, op: &str, field: &str) -> Result<String, Refusal> {
    fields.required_text(op, field)?;
    let name = fields.bounded(field, MAX_NAME)?.unwrap_or_default();
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b)) {
        let message = format!("`{field}` has characters that an identifier may not have");
        return Err(refuse(Code::BadField, message, "use letters, digits, `_`, `-` and `:`"));
    }
    Ok(name)
}

fn object(fields: &Fields<'_>, name: &str) -> Result<Option<Map<String, Value>>, Refusal> {
    let too_large = |text: &str| text.len() > MAX_PAYLOAD_BYTES;
    if fields.raw(name).is_some_and(|raw| too_large(raw.get())) {
        let message = format!("`{name}` is longer than {MAX_PAYLOAD_BYTES} bytes");
        return Err(refuse(Code::PayloadTooLarge, message, "send it in parts"));
    }
    match fields.value(name)? {
        None => Ok(None),
        Some(Value::Object(object)) => Ok(Some(object)),
        Some(_) => Err(refuse(Code::BadField, format!("`{name}` must be an object"), "write {\"name\":value}")),
    }
}
