//! Device shadows: the state that a device reported and the one that is wanted of it, in one versioned document.
//!
//! Source: Alibaba Cloud IoT Platform, "Device shadow data stream"; the codes 400 to 409 are from there.

use super::alink::Fault;
use serde_json::{Map, Value, json};

/// The most attributes of the reported state. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_ATTRIBUTES: usize = 128;

/// One half of the document: values, and when each was set, in seconds since 1970.
#[derive(Clone, Debug, Default)]
struct Half {
    values: Map<String, Value>,
    set_at: Map<String, Value>,
}

impl Half {
    fn set(&mut self, values: &Map<String, Value>, now_s: u64) {
        for (name, value) in values {
            self.values.insert(name.clone(), value.clone());
            self.set_at.insert(name.clone(), json!({ "timestamp": now_s }));
        }
    }

    fn clear(&mut self) {
        *self = Self::default();
    }
}

/// The shadow of one device.
#[derive(Clone, Debug, Default)]
pub(super) struct Shadow {
    reported: Half,
    desired: Half,
    version: i64,
}

impl Shadow {
    /// What the platform publishes in answer to what a device published.
    pub(super) fn take(&mut self, payload: &[u8], now_s: u64) -> Value {
        match self.request(payload, now_s) {
            Ok(document) => document,
            Err(Fault { code, message }) => json!({
                "method": "reply", "timestamp": now_s,
                "payload": {"status": "error", "content": {"errorcode": code.to_string(), "errormessage": message}},
            }),
        }
    }

    fn request(&mut self, payload: &[u8], now_s: u64) -> Result<Value, Fault> {
        let request: Value = serde_json::from_slice(payload).map_err(|_| Fault::new(400, "invalid json"))?;
        let method = request.get("method").and_then(Value::as_str).ok_or(Fault::new(401, "method is missing"))?;
        match method {
            "get" => Ok(self.whole("reply", now_s)),
            "update" | "delete" => {
                let state = request.get("state").ok_or(Fault::new(402, "state is missing"))?;
                let version = request.get("version").and_then(Value::as_i64);
                let version = version.ok_or(Fault::new(403, "version is not a number"))?;
                if version != -1 && version <= self.version {
                    return Err(Fault::new(409, "version conflict"));
                }
                if method == "update" {
                    self.update(state, now_s)?
                } else {
                    self.delete(state)?
                }
                self.version = version.max(0);
                Ok(json!({
                    "method": "reply", "timestamp": now_s,
                    "payload": {"status": "success", "version": self.version},
                }))
            }
            _ => Err(Fault::new(406, "method is invalid")),
        }
    }

    fn update(&mut self, state: &Value, now_s: u64) -> Result<(), Fault> {
        let clears = state.get("desired").is_some_and(|desired| desired == "null");
        match state.get("reported") {
            None if clears => {}
            None => return Err(Fault::new(404, "reported is missing")),
            Some(Value::Object(reported)) if reported.is_empty() => return Err(Fault::new(405, "reported is empty")),
            Some(Value::Object(reported)) => {
                let mut next = self.reported.clone();
                next.set(reported, now_s);
                if next.values.len() > MAX_ATTRIBUTES {
                    return Err(Fault::new(408, "more than 128 attributes are reported"));
                }
                self.reported = next;
            }
            Some(_) => return Err(Fault::new(405, "reported is no object")),
        }
        if clears {
            self.desired.clear();
        }
        Ok(())
    }

    /// `null` is written as a text here.
    fn delete(&mut self, state: &Value) -> Result<(), Fault> {
        match state.get("reported").ok_or(Fault::new(404, "reported is missing"))? {
            Value::String(all) if all == "null" => self.reported.clear(),
            Value::Object(names) if !names.is_empty() => {
                for name in names.keys() {
                    self.reported.values.remove(name);
                    self.reported.set_at.remove(name);
                }
            }
            _ => return Err(Fault::new(405, "reported is empty")),
        }
        Ok(())
    }

    /// Somebody wants a state of the device: what is pushed to it.
    pub(super) fn want(&mut self, desired: &Map<String, Value>, now_s: u64) -> Value {
        self.desired.set(desired, now_s);
        self.version += 1;
        self.whole("control", now_s)
    }

    /// The whole document, as `reply` or `control`.
    pub(super) fn whole(&self, method: &str, now_s: u64) -> Value {
        let (mut state, mut metadata) = (Map::new(), Map::new());
        for (name, half) in [("reported", &self.reported), ("desired", &self.desired)] {
            if name == "reported" || !half.values.is_empty() {
                state.insert(name.to_owned(), Value::Object(half.values.clone()));
                metadata.insert(name.to_owned(), Value::Object(half.set_at.clone()));
            }
        }
        let mut payload = json!({"state": state, "metadata": metadata});
        if let (Some(payload), "reply") = (payload.as_object_mut(), method) {
            payload.insert("status".to_owned(), "success".into());
        }
        json!({"method": method, "payload": payload, "version": self.version, "timestamp": now_s})
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code(shadow: &mut Shadow, request: &str) -> String {
        let answer = shadow.take(request.as_bytes(), 7);
        match answer["payload"]["status"].as_str() {
            Some("success") => "ok".to_owned(),
            _ => answer["payload"]["content"]["errorcode"].as_str().unwrap().to_owned(),
        }
    }

    #[test]
    fn reported_state_is_kept_with_its_version_and_an_older_one_is_a_conflict() {
        let mut shadow = Shadow::default();
        let update = r#"{"method":"update","state":{"reported":{"led":1}},"version":3}"#;
        assert_eq!((code(&mut shadow, update), code(&mut shadow, update)), ("ok".to_owned(), "409".to_owned()));
        let whole = shadow.take(br#"{"method":"get"}"#, 9);
        assert_eq!((&whole["payload"]["state"]["reported"]["led"], &whole["version"]), (&json!(1), &json!(3)));
        assert_eq!(whole["payload"]["metadata"]["reported"]["led"]["timestamp"], 7);
    }

    #[test]
    fn version_of_minus_one_starts_the_count_anew() {
        let mut shadow = Shadow { version: 1000, ..Shadow::default() };
        assert_eq!(code(&mut shadow, r#"{"method":"update","state":{"reported":{"a":1}},"version":-1}"#), "ok");
        assert_eq!(shadow.version, 0);
    }

    #[test]
    fn wanted_state_is_pushed_until_the_device_clears_it() {
        let mut shadow = Shadow::default();
        let pushed = shadow.want(json!({"led": 1}).as_object().unwrap(), 5);
        assert_eq!((&pushed["method"], &pushed["payload"]["state"]["desired"]["led"]), (&json!("control"), &json!(1)));
        assert_eq!(code(&mut shadow, r#"{"method":"update","state":{"desired":"null"},"version":2}"#), "ok");
        assert_eq!(shadow.whole("reply", 0)["payload"]["state"].get("desired"), None);
    }

    #[test]
    fn attributes_are_deleted_one_by_one_or_all() {
        let mut shadow = Shadow::default();
        code(&mut shadow, r#"{"method":"update","state":{"reported":{"a":1,"b":2}},"version":1}"#);
        code(&mut shadow, r#"{"method":"delete","state":{"reported":{"a":"null"}},"version":2}"#);
        assert_eq!(shadow.whole("reply", 0)["payload"]["state"]["reported"], json!({"b": 2}));
        code(&mut shadow, r#"{"method":"delete","state":{"reported":"null"},"version":3}"#);
        assert_eq!(shadow.whole("reply", 0)["payload"]["state"]["reported"], json!({}));
    }

    #[test]
    fn mistakes_get_the_codes_of_the_documentation() {
        for (request, expected) in [
            ("{", "400"),
            ("{}", "401"),
            (r#"{"method":"update","version":1}"#, "402"),
            (r#"{"method":"update","state":{"reported":{"a":1}}}"#, "403"),
            (r#"{"method":"update","state":{},"version":1}"#, "404"),
            (r#"{"method":"update","state":{"reported":{}},"version":1}"#, "405"),
            (r#"{"method":"shout"}"#, "406"),
        ] {
            assert_eq!(code(&mut Shadow::default(), request), expected, "{request}");
        }
        let many: Map<String, Value> = (0..129).map(|i| (format!("a{i}"), i.into())).collect();
        let request = json!({"method": "update", "state": {"reported": many}, "version": 1}).to_string();
        assert_eq!(code(&mut Shadow::default(), &request), "408");
    }

    proptest! {
        #[test]
        fn arbitrary_requests_never_panic(request in "[{]\"method\":\"(get|update|delete)\",\"state\":\\PC{0,30}[}]") {
            Shadow::default().take(request.as_bytes(), 0);
        }
    }
}
