//! The envelope of the thing model: requests as devices of all makes write them, replies as all of them can read.
//!
//! Replies are written without blanks: the C SDK takes a value from right after its colon.
//!
//! Source: Alibaba Cloud IoT Platform, "Alink protocol" and "Device error codes".

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// A request of a device.
#[derive(Deserialize)]
pub(super) struct Request<'a> {
    /// JSON as it came: some SDKs number, some have strings that are not numbers, all compare it byte for byte.
    #[serde(borrow)]
    pub(super) id: &'a RawValue,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(default)]
    sys: Sys,
}

#[derive(Deserialize, Default)]
struct Sys {
    #[serde(default)]
    ack: Option<u8>,
}

impl<'a> Request<'a> {
    /// # Errors
    /// Without an id there is nothing to answer to: the platform writes code 6207 into its own log.
    pub(super) fn read(payload: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(payload).map_err(|error| format!("6207, not an Alink request: {error}"))
    }

    /// Whether the device wants a reply.
    pub(super) fn wants_reply(&self) -> bool {
        self.sys.ack != Some(0)
    }

    /// Whether there are parameters: an object or a list.
    pub(super) fn has_params(&self) -> bool {
        self.params.is_some_and(|params| params.get().starts_with(['{', '[']))
    }

    /// The parameters as what they must be.
    ///
    /// # Errors
    /// They are not that: 460.
    pub(super) fn params<T: Deserialize<'a>>(&self) -> Result<T, Fault> {
        self.params.and_then(|params| serde_json::from_str(params.get()).ok()).ok_or(Fault::PARAMS)
    }
}

/// An error of the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: u16,
    pub(super) message: &'static str,
}

impl Fault {
    pub(super) const PARAMS: Self = Self::new(460, "request parameter error");

    pub(super) const fn new(code: u16, message: &'static str) -> Self {
        Self { code, message }
    }
}

/// What a request comes to: the `data` of its reply, or an error.
pub(super) type Outcome = Result<Value, Fault>;

/// A request of the platform.
pub(super) fn request(id: u32, method: &str, params: &Value) -> String {
    serde_json::json!({"id": id.to_string(), "version": "1.0", "params": params, "method": method}).to_string()
}

/// An object without fields.
pub(super) fn nothing() -> Value {
    Value::Object(Map::new())
}

#[derive(Serialize)]
struct Reply<'a> {
    code: u16,
    data: Value,
    id: &'a RawValue,
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    version: &'a str,
}

/// The reply to a request; `method` is empty where the platform names none.
pub(super) fn reply(id: &RawValue, method: &str, outcome: Outcome) -> Vec<u8> {
    let (code, message, data) = match outcome {
        Ok(data) => (200, "success", data),
        Err(Fault { code, message }) => (code, message, nothing()),
    };
    // Texts and what was JSON before: this cannot fail.
    serde_json::to_vec(&Reply { code, data, id, message, method, version: "1.0" }).unwrap_or_default()
}
