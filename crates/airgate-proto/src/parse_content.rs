//! Reads what any message may bear: its bytes, and how they are to be handled.

use crate::fields::{Fields, refuse};
use crate::limits::{DEFAULT_PRIORITY, MAX_KEY_BYTES, MAX_PAYLOAD_BYTES, MAX_PRIORITY};
use crate::{Code, Priority, Publish, Refusal, body};
use std::num::NonZeroU32;

/// The message, handled as the fields say.
pub(crate) fn policy(fields: &Fields<'_>, publish: Publish) -> Result<Publish, Refusal> {
    let level = fields.whole("priority", 0, u32::from(MAX_PRIORITY))?.unwrap_or(u32::from(DEFAULT_PRIORITY));
    Ok(Publish {
        priority: u8::try_from(level).ok().and_then(Priority::new).unwrap_or_default(),
        ttl_s: fields.whole("ttl_s", 1, u32::MAX)?.and_then(NonZeroU32::new),
        confirm: fields.flag("confirm")?,
        key: fields.bounded("key", MAX_KEY_BYTES)?,
        ..publish
    })
}

/// The bytes that a program hands over.
pub(crate) fn payload(op: &str, fields: &Fields<'_>) -> Result<Vec<u8>, Refusal> {
    let choice = "give exactly one of `payload` (a string) and `payload_b64` (base64)";
    let payload = match (fields.text("payload")?, fields.text("payload_b64")?) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => body::decode(&text).map_err(|e| {
            let hint = "use the standard alphabet (A-Z a-z 0-9 + /), without line breaks";
            refuse(Code::BadField, format!("`payload_b64` is not base64: {e}"), hint)
        })?,
        (None, None) => return Err(refuse(Code::BadField, format!("`{op}` has no payload"), choice)),
        (Some(_), Some(_)) => return Err(refuse(Code::BadField, format!("`{op}` has two payloads"), choice)),
    };
    if payload.len() > MAX_PAYLOAD_BYTES {
        let message = format!("the payload is {} bytes long, the limit is {MAX_PAYLOAD_BYTES}", payload.len());
        return Err(refuse(Code::PayloadTooLarge, message, "send it in parts, or a link to it"));
    }
    Ok(payload)
}
