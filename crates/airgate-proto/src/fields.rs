//! The fields of one JSON object, each read with the type that the protocol wants and refused by name otherwise.

use crate::{Code, Refusal, suggest};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, value::RawValue};

/// The fields of a line in their order, values still as text.
pub(crate) struct Fields<'a>(Vec<(String, &'a RawValue)>);

/// A refusal whose id is put in later.
pub(crate) fn refuse(code: Code, message: impl Into<String>, hint: impl Into<String>) -> Refusal {
    Refusal::new(None, code, message, hint)
}

impl<'a> Fields<'a> {
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// Refuses fields that `allowed` does not name, and fields that come twice.
    pub(crate) fn only(&self, op: &str, allowed: &[&str]) -> Result<(), Refusal> {
        for (at, (name, _)) in self.0.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                let message = format!("`{op}` has no field `{}`", shown(name));
                return Err(refuse(Code::BadField, message, suggest::hint(name, allowed, "fields")));
            }
            if self.0.iter().take(at).any(|(earlier, _)| earlier == name) {
                let message = format!("the field `{name}` is there twice");
                return Err(refuse(Code::BadField, message, "give it once"));
            }
        }
        Ok(())
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<String>, Refusal> {
        self.typed(name, "a string", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    pub(crate) fn required_text(&self, op: &str, name: &str) -> Result<String, Refusal> {
        self.text(name)?.ok_or_else(|| {
            let message = format!("`{op}` needs the field `{name}`");
            refuse(Code::BadField, message, format!("add `{name}`, a string"))
        })
    }

    /// An optional text of 1 to `max` bytes.
    pub(crate) fn bounded(&self, name: &str, max: usize) -> Result<Option<String>, Refusal> {
        match self.text(name)? {
            Some(text) if text.is_empty() || text.len() > max => Err(refuse(
                Code::BadField,
                format!("`{name}` is {} bytes long", text.len()),
                format!("`{name}` must be 1 to {max} bytes long"),
            )),
            other => Ok(other),
        }
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Refusal> {
        Ok(self.typed(name, "true or false", |value| value.as_bool())?.unwrap_or(false))
    }

    pub(crate) fn whole(&self, name: &str, min: u32, max: u32) -> Result<Option<u32>, Refusal> {
        self.typed(name, &format!("a whole number from {min} to {max}"), |value| {
            value.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| (min..=max).contains(n))
        })
    }

    /// A whole number that may be as large as a time in milliseconds.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        self.typed(name, "a whole number", |value| value.as_u64())
    }

    /// The fields of an object in this one.
    pub(crate) fn fields(&self, name: &str) -> Result<Option<Self>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(raw.get()).map_err(|_| {
            refuse(
                Code::BadField,
                format!("`{name}` must be an object"),
                format!("write `{name}` as {{\"field\":value}}"),
            )
        })
    }

    /// Whatever it is.
    pub(crate) fn value(&self, name: &str) -> Result<Option<Value>, Refusal> {
        self.typed(name, "JSON", Some)
    }

    /// A field that is `null` counts as absent, as serialisers write options.
    fn typed<T>(&self, name: &str, what: &str, read: impl FnOnce(Value) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some(raw) = self.raw(name) else { return Ok(None) };
        let value: Value = serde_json::from_str(raw.get()).map_err(|e| {
            refuse(Code::BadField, format!("`{name}` cannot be read: {e}"), format!("`{name}` must be {what}"))
        })?;
        if value.is_null() {
            return Ok(None);
        }
        let kind = kind(&value);
        read(value).map(Some).ok_or_else(|| {
            refuse(Code::BadField, format!("`{name}` must be {what}, not {kind}"), format!("`{name}` must be {what}"))
        })
    }
}

/// A foreign name, short enough for a message.
pub(crate) fn shown(name: &str) -> String {
    match name.char_indices().nth(40) {
        Some((at, _)) => format!("{}…", name.get(..at).unwrap_or_default()),
        None => name.to_owned(),
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "null".into(),
        Value::Bool(flag) => flag.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => "a string".into(),
        Value::Array(_) => "an array".into(),
        Value::Object(_) => "an object".into(),
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(Reader).map(Self)
    }
}
