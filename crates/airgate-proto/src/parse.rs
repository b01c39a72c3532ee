//! From one line of a program to a [`Request`], or to the refusal that says what is wrong with it.

use crate::fields::{Fields, refuse, shown};
use crate::limits::{MAX_AT_BYTES, MAX_DURABLE_BYTES, MAX_ID_BYTES};
use crate::parse_content::{payload, policy};
use crate::{Code, Id, Op, Publish, Qos, Refusal, Request, Use, parse_ask, suggest, topic, waiting};

/// Reads one line, terminator removed.
///
/// # Errors
/// The refusal to send, under the request's id whenever that can be read.
pub fn parse_line(line: &[u8]) -> Result<Request, Refusal> {
    let fields: Fields<'_> = serde_json::from_slice(line).map_err(|e| bad_json(line, &e))?;
    let id = read_id(&fields)?;
    match read_op(&fields) {
        Ok(op) => Ok(Request { id, op }),
        Err(refusal) => Err(Refusal { id: Some(id), ..refusal }),
    }
}

fn bad_json(line: &[u8], error: &serde_json::Error) -> Refusal {
    let example = r#"send one JSON object a line, such as {"id":1,"op":"ping"}"#;
    if error.is_data() {
        return refuse(Code::BadJson, "the line is JSON but not an object", example);
    }
    // The column counts bytes from 1; an error at the end of the line is reported there.
    let column = error.column().clamp(1, line.len().max(1));
    refuse(Code::BadJson, format!("the line is not JSON from column {column} on: {error}"), example)
}

fn read_id(fields: &Fields<'_>) -> Result<Id, Refusal> {
    let hint = format!("add `id`, a string or a number of at most {MAX_ID_BYTES} bytes; the answer bears it");
    let raw = fields.raw("id").ok_or_else(|| refuse(Code::BadField, "the request has no `id`", hint.clone()))?;
    Id::from_raw(raw).map_err(|e| refuse(Code::BadField, e.to_string(), hint))
}

fn read_op(fields: &Fields<'_>) -> Result<Op, Refusal> {
    let name = fields.text("op")?.ok_or_else(|| {
        let hint = format!("add `op`, one of: {}", Op::NAMES.join(", "));
        refuse(Code::BadField, "the request has no `op`", hint)
    })?;
    match name.as_str() {
        "publish" => read_publish(fields).map(Op::Publish),
        "subscribe" => read_subscription(fields, &name).map(|(filter, durable)| Op::Subscribe { filter, durable }),
        "unsubscribe" => read_subscription(fields, &name).map(|(filter, durable)| Op::Unsubscribe { filter, durable }),
        "status" => fields.only(&name, &["id", "op"]).map(|()| Op::Status),
        "ping" => fields.only(&name, &["id", "op"]).map(|()| Op::Ping),
        "may" => read_use(fields).map(Op::May),
        "metrics" => fields.only(&name, &["id", "op"]).map(|()| Op::Metrics),
        "history" => fields.only(&name, &["id", "op"]).map(|()| Op::History),
        "log" => read_log(fields),
        "at" => read_at(fields),
        _ => parse_ask::read(&name, fields).or_else(|| waiting::read(&name, fields)).unwrap_or_else(|| {
            let message = format!("there is no operation `{}`", shown(&name));
            Err(refuse(Code::UnknownOp, message, suggest::hint(&name, &Op::NAMES, "operations")))
        }),
    }
}

fn read_publish(fields: &Fields<'_>) -> Result<Publish, Refusal> {
    fields.only(
        "publish",
        &["id", "op", "topic", "payload", "payload_b64", "qos", "priority", "ttl_s", "confirm", "key"],
    )?;
    let topic = name(fields.required_text("publish", "topic")?)?;
    let qos = match fields.whole("qos", 0, 1)? {
        Some(0) => Qos::AtMostOnce,
        _ => Qos::AtLeastOnce,
    };
    policy(fields, Publish { qos, ..Publish::new(topic, payload("publish", fields)?) })
}

fn read_subscription(fields: &Fields<'_>, op: &str) -> Result<(String, Option<String>), Refusal> {
    fields.only(op, &["id", "op", "filter", "durable"])?;
    let filter = filter(fields.required_text(op, "filter")?)?;
    let durable = fields.bounded("durable", MAX_DURABLE_BYTES)?;
    match &durable {
        Some(name) if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) => Err(refuse(
            Code::BadField,
            "`durable` has characters that a name may not have",
            "use letters, digits, `.`, `_` and `-`",
        )),
        _ => Ok((filter, durable)),
    }
}

fn read_use(fields: &Fields<'_>) -> Result<Use, Refusal> {
    fields.only("may", &["id", "op", "publish", "subscribe"])?;
    match (fields.text("publish")?, fields.text("subscribe")?) {
        (Some(topic), None) => name(topic).map(Use::Publish),
        (None, Some(filter)) => self::filter(filter).map(Use::Subscribe),
        _ => {
            let hint = "give exactly one of `publish` (a topic) and `subscribe` (a filter)";
            Err(refuse(Code::BadField, "`may` asks for one thing", hint))
        }
    }
}

fn name(topic: String) -> Result<String, Refusal> {
    match topic::validate_name(&topic) {
        Ok(()) => Ok(topic),
        Err(error) => {
            let hint = "publish to a topic such as `user/update`";
            Err(refuse(Code::BadTopic, format!("`{}` is not a topic: {error}", shown(&topic)), hint))
        }
    }
}

fn filter(filter: String) -> Result<String, Refusal> {
    match topic::validate_filter(&filter) {
        Ok(()) => Ok(filter),
        Err(error) => {
            let hint = "use a filter such as `user/get`, `user/+` or `user/#`";
            Err(refuse(Code::BadFilter, format!("`{}` is not a filter: {error}", shown(&filter)), hint))
        }
    }
}

fn read_at(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("at", &["id", "op", "command"])?;
    fields.required_text("at", "command")?;
    let command = fields.bounded("command", MAX_AT_BYTES)?.unwrap_or_default();
    // A line end or Ctrl-Z inside would smuggle in a second command or end a data prompt.
    if command.chars().any(char::is_control) {
        return Err(refuse(
            Code::BadField,
            "`command` has a control character",
            "send one command, without its line end",
        ));
    }
    Ok(Op::At { command })
}

fn read_log(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("log", &["id", "op", "after"])?;
    Ok(Op::Log { after: fields.number("after")?.unwrap_or(0) })
}
