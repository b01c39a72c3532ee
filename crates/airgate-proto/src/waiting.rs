//! What an operator asks of the messages that wait.

use crate::fields::{Fields, refuse};
use crate::{Code, Op, Refusal, topic};
use serde::ser::SerializeMap;

/// Which of the messages that wait are meant: those to which all of this applies. By default all of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Selection {
    /// The topic, as the program wrote it, matches this MQTT filter.
    pub filter: Option<String>,
    /// They are this user's.
    pub uid: Option<u32>,
    /// They have waited at least so long, in seconds.
    pub older_s: Option<u32>,
}

/// The operation of this name; `None` when it is none of those read here.
pub(crate) fn read(name: &str, fields: &Fields<'_>) -> Option<Result<Op, Refusal>> {
    Some(match name {
        "outbox_list" => list(fields),
        "outbox_drop" => fields
            .only(name, &["id", "op", "filter", "uid", "older_s"])
            .and_then(|()| selection(fields))
            .map(Op::OutboxDrop),
        _ => return None,
    })
}

fn list(fields: &Fields<'_>) -> Result<Op, Refusal> {
    fields.only("outbox_list", &["id", "op", "filter", "uid", "older_s", "after", "payloads"])?;
    let after = fields.number("after")?.unwrap_or(0);
    Ok(Op::OutboxList { selection: selection(fields)?, after, payloads: fields.flag("payloads")? })
}

fn selection(fields: &Fields<'_>) -> Result<Selection, Refusal> {
    let filter = fields.text("filter")?;
    if let Some(Err(error)) = filter.as_deref().map(topic::validate_filter) {
        let hint = "use a filter such as `user/get`, `user/+` or `user/#`";
        return Err(refuse(Code::BadFilter, format!("`filter` is not a filter: {error}"), hint));
    }
    Ok(Selection { filter, uid: fields.whole("uid", 0, u32::MAX)?, older_s: fields.whole("older_s", 0, u32::MAX)? })
}

impl Selection {
    pub(crate) fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        if let Some(filter) = &self.filter {
            map.serialize_entry("filter", filter)?;
        }
        if let Some(uid) = &self.uid {
            map.serialize_entry("uid", uid)?;
        }
        if let Some(older_s) = &self.older_s {
            map.serialize_entry("older_s", older_s)?;
        }
        Ok(())
    }
}
