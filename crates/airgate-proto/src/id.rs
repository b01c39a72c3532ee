//! The mark by which a program pairs answers with its requests.

use crate::limits::MAX_ID_BYTES;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A request's `id`: a JSON string or number, kept and echoed byte for byte (`1e3` stays `1e3`, and a number beyond 64
/// bits stays exact). Two ids are equal when their JSON texts are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Id(Box<str>);

/// The value given as `id` cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Neither a string nor a number.
    #[error("`id` must be a string or a number")]
    Type,
    /// Longer than [`MAX_ID_BYTES`] as JSON text.
    #[error("`id` is longer than {MAX_ID_BYTES} bytes")]
    TooLong,
}

impl Id {
    /// The id as JSON text, quotes included for a string.
    #[must_use]
    pub fn as_json(&self) -> &str {
        &self.0
    }

    pub(crate) fn from_raw(raw: &RawValue) -> Result<Self, BadId> {
        let text = raw.get().trim();
        if !text.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_digit()) {
            return Err(BadId::Type);
        }
        if text.len() > MAX_ID_BYTES {
            return Err(BadId::TooLong);
        }
        Ok(Self(text.into()))
    }
}

impl From<u64> for Id {
    fn from(number: u64) -> Self {
        Self(number.to_string().into())
    }
}

impl TryFrom<&str> for Id {
    type Error = BadId;

    fn try_from(text: &str) -> Result<Self, BadId> {
        let json = serde_json::Value::from(text).to_string();
        if json.len() > MAX_ID_BYTES { Err(BadId::TooLong) } else { Ok(Self(json.into())) }
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The text was a JSON token when it came in, so this does not fail.
        let raw: &RawValue = serde_json::from_str(&self.0).map_err(serde::ser::Error::custom)?;
        raw.serialize(serializer)
    }
}
