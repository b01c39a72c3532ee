//! What the platform answers without a memory: the clock, the thing model's posts; and the version reports it takes down.
//! What needs a memory is in `thing.rs`.
//!
//! Answers are written without blanks: the C SDK takes a value from right after its colon.
//! They go out at QoS 0, as the documentation says of the clock and leaves open for the rest.

use super::alink::{self, Fault, Request};
use super::identity::DeviceId;
use super::package::DEFAULT_MODULE;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::time::Duration;

/// What becomes of a message, beyond being taken down.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Nothing: an application's message.
    None,
    /// The platform answers on this topic.
    Reply { topic: String, payload: Vec<u8> },
    /// The device reports which version of a module it runs.
    Version { module: String, version: String },
    /// The device tells how far an upgrade has come.
    Progress { module: String, step: String, desc: String },
    /// The device asks for a package; the answer goes to the topic and carries the ID of the request,
    /// which is JSON as it came.
    Firmware { topic: String, module: String, request: String },
    /// It is addressed to the platform, which cannot make sense of it.
    Refused(String),
}

/// What the platform does with what `device` published.
pub(super) fn serve(device: &DeviceId, topic: &str, payload: &[u8], now: Duration) -> Service {
    let DeviceId { product_key, device_name } = device;
    if topic == format!("/ext/ntp/{product_key}/{device_name}/request") {
        return clock(product_key, device_name, payload, now);
    }
    if topic == format!("/ota/device/inform/{product_key}/{device_name}") {
        return version(payload);
    }
    if topic == format!("/ota/device/progress/{product_key}/{device_name}") {
        return progress(payload);
    }
    match topic.strip_prefix(&format!("/sys/{product_key}/{device_name}/")) {
        Some("thing/ota/firmware/get") => firmware(topic, payload),
        Some(method) if is_answered(method) => post(topic, method, payload),
        _ => Service::None,
    }
}

/// The methods that are answered by success alone: posts, tags, and logs.
/// Source: Alibaba Cloud IoT Platform, "Alink protocol".
fn is_answered(method: &str) -> bool {
    let is_event = method.starts_with("thing/event/") && method.ends_with("/post");
    is_event || matches!(method, "thing/deviceinfo/update" | "thing/deviceinfo/delete" | "thing/log/post")
}

/// The request of a device for the time. Source: Alibaba Cloud IoT Platform, "NTP service".
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClockRequest<'a> {
    #[serde(borrow)]
    device_send_time: &'a RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClockReply<'a, T> {
    device_send_time: &'a RawValue,
    server_recv_time: T,
    server_send_time: T,
}

/// Answers in the type that was sent: the documentation has strings, one SDK sends and expects numbers.
fn clock(product_key: &str, device_name: &str, payload: &[u8], now: Duration) -> Service {
    let request: ClockRequest<'_> = match serde_json::from_slice(payload) {
        Ok(request) => request,
        Err(error) => return Service::Refused(format!("not a request for the time: {error}")),
    };
    let device_send_time = request.device_send_time;
    let milliseconds = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
    let payload = if device_send_time.get().starts_with('"') {
        let time = milliseconds.to_string();
        serde_json::to_vec(&ClockReply { device_send_time, server_recv_time: &time, server_send_time: &time })
    } else {
        serde_json::to_vec(&ClockReply {
            device_send_time,
            server_recv_time: milliseconds,
            server_send_time: milliseconds,
        })
    };
    reply(format!("/ext/ntp/{product_key}/{device_name}/response"), payload)
}

/// A version report. Source: Alibaba Cloud IoT Platform, "OTA updates".
#[derive(Deserialize)]
struct Inform {
    params: InformParams,
}

#[derive(Deserialize)]
struct InformParams {
    version: String,
    #[serde(default)]
    module: Option<String>,
}

fn version(payload: &[u8]) -> Service {
    match serde_json::from_slice::<Inform>(payload) {
        Ok(Inform { params: InformParams { version, module } }) => {
            Service::Version { module: module.unwrap_or_else(|| DEFAULT_MODULE.to_owned()), version }
        }
        Err(error) => Service::Refused(format!("not a version report: {error}")),
    }
}

#[derive(Deserialize)]
struct Progress {
    params: ProgressParams,
}

#[derive(Deserialize)]
struct ProgressParams {
    step: String,
    #[serde(default)]
    desc: String,
    #[serde(default)]
    module: Option<String>,
}

fn progress(payload: &[u8]) -> Service {
    match serde_json::from_slice::<Progress>(payload) {
        Ok(Progress { params: ProgressParams { step, desc, module } }) => {
            Service::Progress { module: module.unwrap_or_else(|| DEFAULT_MODULE.to_owned()), step, desc }
        }
        Err(error) => Service::Refused(format!("not a progress report: {error}")),
    }
}

/// A request for a package: the ID is a number with some clients, and the module may be null or absent.
#[derive(Deserialize)]
struct FirmwareRequest {
    id: Box<RawValue>,
    #[serde(default)]
    params: FirmwareParams,
}

#[derive(Deserialize, Default)]
struct FirmwareParams {
    #[serde(default)]
    module: Option<String>,
}

fn firmware(topic: &str, payload: &[u8]) -> Service {
    match serde_json::from_slice::<FirmwareRequest>(payload) {
        Ok(FirmwareRequest { id, params }) => Service::Firmware {
            topic: format!("{topic}_reply"),
            module: params.module.unwrap_or_else(|| DEFAULT_MODULE.to_owned()),
            request: id.get().to_owned(),
        },
        Err(error) => Service::Refused(format!("6207, not a request for a package: {error}")),
    }
}

fn post(topic: &str, method: &str, payload: &[u8]) -> Service {
    let request = match Request::read(payload) {
        Ok(request) => request,
        Err(why) => return Service::Refused(why),
    };
    if !request.wants_reply() {
        return Service::None;
    }
    let outcome = if request.has_params() { Ok(alink::nothing()) } else { Err(Fault::PARAMS) };
    let payload = alink::reply(request.id, &method.replace('/', "."), outcome);
    Service::Reply { topic: format!("{topic}_reply"), payload }
}

fn reply(topic: String, payload: serde_json::Result<Vec<u8>>) -> Service {
    match payload {
        Ok(payload) => Service::Reply { topic, payload },
        Err(error) => Service::Refused(format!("no answer could be written: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ask(topic: &str, payload: &str) -> Service {
        serve(&DeviceId::new("pk", "dn"), topic, payload.as_bytes(), Duration::from_millis(1_571_724_098_000))
    }

    fn answer(topic: &str, payload: &str) -> (String, String) {
        match ask(topic, payload) {
            Service::Reply { topic, payload } => (topic, String::from_utf8(payload).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn clock_answers_a_string_with_strings() {
        let (topic, text) = answer("/ext/ntp/pk/dn/request", r#"{"deviceSendTime": "17"}"#);
        assert_eq!(topic, "/ext/ntp/pk/dn/response");
        assert_eq!(
            text,
            r#"{"deviceSendTime":"17","serverRecvTime":"1571724098000","serverSendTime":"1571724098000"}"#
        );
    }

    #[test]
    fn posts_tags_and_logs_are_answered_on_the_topic_of_each() {
        for method in [
            "thing/event/property/post",
            "thing/event/property/batch/post",
            "thing/event/property/history/post",
            "thing/event/alarm/post",
            "thing/deviceinfo/update",
            "thing/deviceinfo/delete",
            "thing/log/post",
        ] {
            let asked = format!("/sys/pk/dn/{method}");
            let (topic, text) = answer(&asked, r#"{"id":"7","params":[]}"#);
            assert_eq!(topic, format!("{asked}_reply"));
            assert!(text.contains(&format!(r#""method":"{}""#, method.replace('/', "."))), "{text}");
        }
    }

    #[test]
    fn clock_answers_a_number_with_numbers() {
        let (_, text) = answer("/ext/ntp/pk/dn/request", r#"{"deviceSendTime":17}"#);
        assert_eq!(text, r#"{"deviceSendTime":17,"serverRecvTime":1571724098000,"serverSendTime":1571724098000}"#);
    }

    #[test]
    fn property_post_is_answered_compactly_with_its_id_untouched() {
        for id in [r#""1|exp-topic|\u00e9""#, "7", r#""4294967295""#] {
            let request = format!("{{ \"id\" : {id}, \"params\": {{\"t\": 1}} }}");
            let (topic, text) = answer("/sys/pk/dn/thing/event/property/post", &request);
            assert_eq!(topic, "/sys/pk/dn/thing/event/property/post_reply");
            let rest = r#""message":"success","method":"thing.event.property.post","version":"1.0""#;
            assert_eq!(text, format!("{{\"code\":200,\"data\":{{}},\"id\":{id},{rest}}}"));
        }
    }

    #[test]
    fn post_without_params_is_answered_460_and_one_that_wants_no_answer_has_none() {
        let topic = "/sys/pk/dn/thing/event/alarm/post";
        assert!(answer(topic, r#"{"id":"1"}"#).1.starts_with(r#"{"code":460,"#));
        assert_eq!(ask(topic, r#"{"id":"1","sys":{"ack":0},"params":{}}"#), Service::None);
    }

    #[test]
    fn version_report_without_a_module_is_of_the_default_one() {
        let report = |text| ask("/ota/device/inform/pk/dn", text);
        let version = |module: &str| Service::Version { module: module.to_owned(), version: "1.0".to_owned() };
        assert_eq!(report(r#"{"id":1,"params":{"version":"1.0"}}"#), version("default"));
        assert_eq!(report(r#"{"id":"1","params":{"version":"1.0","module":null}}"#), version("default"));
        assert_eq!(report(r#"{"id":"1","params":{"version":"1.0","module":"MCU"}}"#), version("MCU"));
    }

    #[test]
    fn what_is_not_json_is_refused_and_applications_own_messages_are_left_alone() {
        for topic in ["/ext/ntp/pk/dn/request", "/ota/device/inform/pk/dn", "/sys/pk/dn/thing/event/property/post"] {
            assert!(matches!(ask(topic, "{"), Service::Refused(_)), "{topic}");
        }
        assert_eq!(ask("/pk/dn/user/update", "{"), Service::None);
    }

    proptest! {
        #[test]
        fn arbitrary_payloads_never_panic(payload in "[{]?(\"(id|params|deviceSendTime)\":)?\\PC{0,20}[}]?", which in 0usize..3) {
            ask(["/ext/ntp/pk/dn/request", "/ota/device/inform/pk/dn", "/sys/pk/dn/thing/event/x/post"][which], &payload);
        }
    }
}
