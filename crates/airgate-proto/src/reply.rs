//! The one answer that each request gets.

use crate::{Code, Id};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

/// An answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// `{"id":…,"ok":true,…}`
    Ok(Done),
    /// `{"id":…,"ok":false,"code":…,"message":…,"hint":…}`
    Refused(Refusal),
}

/// What was asked for is done. Fields that do not concern the operation are absent on the line.
#[derive(Debug, Clone, PartialEq)]
pub struct Done {
    /// The request's.
    pub id: Id,
    /// `publish`: the number under which the message was accepted.
    pub seq: Option<u64>,
    /// `publish`: the key was accepted before; nothing was stored, `seq` is the earlier one's. Absent means false.
    pub duplicate: bool,
    /// `status`: the whole status object.
    pub status: Option<Value>,
    /// `at`: the module's lines.
    pub lines: Option<Vec<String>>,
    /// `call` and its kin: the cloud's data. `time`: the time. `metrics`: the text. `history`, `log`, `may`: what was asked for.
    pub data: Option<Value>,
}

impl Done {
    /// The plain `{"id":…,"ok":true}`.
    #[must_use]
    pub fn new(id: Id) -> Self {
        Self { id, seq: None, duplicate: false, status: None, lines: None, data: None }
    }
}

/// What was asked for is not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The request's; absent (`null` on the line) when it could not be read.
    pub id: Option<Id>,
    /// The kind of refusal.
    pub code: Code,
    /// What and why.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Refusal {
    /// A refusal of the request `id`.
    pub fn new(id: impl Into<Option<Id>>, code: Code, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { id: id.into(), code, message: message.into(), hint: hint.into() }
    }
}

impl Reply {
    /// The id that it answers, when there is one.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        match self {
            Self::Ok(done) => Some(&done.id),
            Self::Refused(refusal) => refusal.id.as_ref(),
        }
    }

    /// The answer as one line, newline included.
    #[must_use]
    pub fn to_line(&self) -> Vec<u8> {
        crate::frame::to_line(self)
    }
}

impl Serialize for Reply {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::Ok(done) => {
                map.serialize_entry("id", &done.id)?;
                map.serialize_entry("ok", &true)?;
                if let Some(seq) = done.seq {
                    map.serialize_entry("seq", &seq)?;
                }
                if done.duplicate {
                    map.serialize_entry("duplicate", &true)?;
                }
                if let Some(status) = &done.status {
                    map.serialize_entry("status", status)?;
                }
                if let Some(lines) = &done.lines {
                    map.serialize_entry("lines", lines)?;
                }
                if let Some(data) = &done.data {
                    map.serialize_entry("data", data)?;
                }
            }
            Self::Refused(refusal) => {
                map.serialize_entry("id", &refusal.id)?;
                map.serialize_entry("ok", &false)?;
                map.serialize_entry("code", &refusal.code)?;
                map.serialize_entry("message", &refusal.message)?;
                map.serialize_entry("hint", &refusal.hint)?;
            }
        }
        map.end()
    }
}
