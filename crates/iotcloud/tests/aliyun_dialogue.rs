//! Topics, the firmware dialogue and refusals of the Aliyun platform.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use iotcloud::aliyun::{Aliyun, Config, Instance};
use iotcloud::ota::{Digest, OtaJob, OtaSource};
use iotcloud::{Action, Cloud, Incoming, Qos, RefusalKind, Secret, TlsChoice, TopicError};
use proptest::prelude::*;
use serde_json::{Value, json};

const UPGRADE: &str = "/ota/device/upgrade/pk/device";
const MD5: &str = "93230c3bde425a9d7984a594ac55ea1e";

fn cloud() -> Cloud {
    Cloud::Aliyun(Aliyun::new(Config::new("pk", "device", Secret::new("secret"))).unwrap())
}

fn hear(message: &Value) -> Incoming {
    cloud().on_message(UPGRADE, message.to_string().as_bytes())
}

fn task(data: Value) -> Value {
    json!({"code": "1000", "data": data, "id": 1_626_969_597_470_u64, "message": "success"})
}

#[track_caller]
fn job(data: Value) -> OtaJob {
    match hear(&task(data)) {
        Incoming::Ota(job) => *job,
        other => panic!("{other:?}"),
    }
}

fn single() -> Value {
    json!({"size": 432_945, "version": "2.0.0", "url": "https://x/f", "signMethod": "Md5", "sign": MD5, "md5": MD5})
}

#[track_caller]
fn assert_malformed(message: &Value, word: &str) {
    match hear(message) {
        Incoming::Malformed(reason) => assert!(reason.contains(word), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn relative_topics_lie_below_the_device_and_others_stay() {
    let cloud = cloud();
    for (short, long) in [
        ("user/update", "/pk/device/user/update"),
        ("user/#", "/pk/device/user/#"),
        ("/sys/pk/device/thing/event/property/post", "/sys/pk/device/thing/event/property/post"),
        ("/sys/pk/device/thing/event/property/history/post", "/sys/pk/device/thing/event/property/history/post"),
        ("$x", "$x"),
    ] {
        assert_eq!(cloud.expand(short).as_deref(), Ok(long));
        assert_eq!(cloud.shorten(long), short);
    }
    for foreign in ["/pk/other/user/get", "/pk/device", "/pk/device/", "/pk/device//a", "/pk/device/$a"] {
        assert_eq!(cloud.shorten(foreign), foreign);
    }
}

#[test]
fn topics_over_the_clouds_limits_are_refused_and_at_them_taken() {
    let cloud = cloud();
    let room = 128 - "/pk/device/".len();
    assert!(cloud.expand(&"x".repeat(room)).is_ok());
    assert_eq!(cloud.expand(&"x".repeat(room + 1)), Err(TopicError::TooLong { length: 129, limit: 128 }));
    assert!(cloud.expand("a/b/c/d/e").is_ok());
    assert_eq!(cloud.expand("a/b/c/d/e/f"), Err(TopicError::TooDeep { slashes: 8, limit: 7 }));
    assert_eq!(cloud.expand(""), Err(TopicError::Empty));
    assert_eq!(cloud.message_limits().payload_bytes, 262_144);
}

#[test]
fn version_is_reported_after_the_upgrades_are_subscribed() {
    let actions = cloud().on_connected(Some("1.0.\"1"));
    let [Action::Subscribe { filter, qos: Qos::AtLeastOnce }, Action::Publish { topic, payload, .. }] = &actions[..]
    else {
        panic!("{actions:?}")
    };
    assert_eq!((filter.as_str(), topic.as_str()), (UPGRADE, "/ota/device/inform/pk/device"));
    let report: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(report, json!({"id": "1", "params": {"version": "1.0.\"1"}}));
}

#[test]
fn without_version_nothing_is_reported_but_upgrades_are_heard() {
    assert!(matches!(&cloud().on_connected(None)[..], [Action::Subscribe { .. }]));
}

#[test]
fn upgrade_task_is_read_with_all_fields() {
    let mut data = single();
    let more = json!({"isDiff": 1, "digestsign": "AbC=", "module": "MCU", "extData": {"key1": "value1"}});
    data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let job = job(data);
    assert_eq!((job.version.as_str(), job.module.as_deref(), job.is_diff), ("2.0.0", Some("MCU"), true));
    assert_eq!((job.digest_sign.as_deref(), &job.ext_data["key1"]), (Some("AbC="), &json!("value1")));
    let [file] = &job.files[..] else { panic!() };
    assert_eq!((file.size, &file.source), (432_945, &OtaSource::Url("https://x/f".into())));
    assert_eq!((&file.digest, file.md5.as_deref()), (&Digest::Md5(MD5.into()), Some(MD5)));
}

#[test]
fn digest_methods_of_all_years_are_read() {
    let sha = "A".repeat(64);
    for method in ["SHA256", "Sha256"] {
        let data = json!({"size": 1, "version": "2", "url": "https://x", "signMethod": method, "sign": sha});
        assert_eq!(job(data).files[0].digest, Digest::Sha256("a".repeat(64)));
    }
    let data = json!({"size": 1, "version": "2", "url": "https://x", "signMethod": "MD5", "sign": MD5.to_uppercase()});
    assert_eq!(job(data).files[0].digest, Digest::Md5(MD5.into()));
}

#[test]
fn task_over_mqtt_names_its_stream() {
    let data = json!({"size": 1, "version": "2", "signMethod": "Md5", "sign": MD5, "dProtocol": "mqtt",
        "streamId": 1_397_345, "streamFileId": 1});
    assert_eq!(job(data).files[0].source, OtaSource::Stream { stream_id: 1_397_345, file_id: 1 });
}

#[test]
fn task_of_several_files_lists_them() {
    let file =
        |name: &str| json!({"fileSize": 5, "fileUrl": "https://x", "fileMd5": MD5, "fileSign": MD5, "fileName": name});
    let job = job(json!({"version": "2", "signMethod": "Md5", "files": [file("a"), file("b")]}));
    let names: Vec<_> = job.files.iter().map(|f| f.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn firmware_that_cannot_be_checked_or_fetched_is_not_offered() {
    for (field, value, word) in [
        ("sign", json!("abc"), "digest"),
        ("signMethod", json!("crc"), "digest method"),
        ("size", json!(0), "size"),
        ("url", json!("file:///etc/passwd"), "https"),
        ("url", Value::Null, "neither url nor stream"),
        ("version", Value::Null, "version"),
    ] {
        let mut data = single();
        data[field] = value;
        assert_malformed(&task(data), word);
    }
    let unsigned = json!({"size": 1, "version": "2", "url": "https://x"});
    assert_malformed(&task(unsigned), "digest");
}

#[test]
fn no_task_is_consumed_and_a_platform_error_is_told() {
    assert_eq!(hear(&task(json!({}))), Incoming::Consumed);
    assert_eq!(hear(&json!({"code": "1000", "message": "success"})), Incoming::Consumed);
    assert_malformed(&json!({"code": 500, "message": "system error"}), "500");
    assert!(matches!(cloud().on_message(UPGRADE, b"\xff"), Incoming::Malformed(_)));
}

#[test]
fn other_topics_are_for_programs() {
    for topic in ["/pk/device/user/get", "/ota/device/upgrade/pk/other", "/sys/pk/device/thing/service/property/set"] {
        assert_eq!(cloud().on_message(topic, b"{}"), Incoming::ForPrograms);
    }
}

#[test]
fn refusals_say_what_kind_they_are() {
    for (code, kind) in [
        (Some(1), RefusalKind::Configuration),
        (Some(2), RefusalKind::Configuration),
        (Some(3), RefusalKind::Temporary),
        (Some(4), RefusalKind::Credentials),
        (Some(5), RefusalKind::Credentials),
        (Some(77), RefusalKind::Unknown),
        (None, RefusalKind::Unknown),
    ] {
        assert_eq!(cloud().refusal(code).kind, kind);
    }
}

#[test]
fn refusal_without_code_says_all_that_may_be_wrong() {
    let mut config = Config::new("pk", "device", Secret::new("secret-text"));
    config.tls = TlsChoice::Off;
    let refusal = Cloud::Aliyun(Aliyun::new(config.clone()).unwrap()).refusal(None);
    let all = format!("{} {}", refusal.message, refusal.hint);
    for word in
        ["ProductKey", "DeviceName", "DeviceSecret", "disabled", "cn-shanghai", "instance_id", "clock", "tls = false"]
    {
        assert!(all.contains(word), "`{word}` is missing in: {all}");
    }
    assert!(!all.contains("secret-text"));
    config.instance = Instance::Id("iot-1".into());
    assert!(Cloud::Aliyun(Aliyun::new(config).unwrap()).refusal(Some(4)).hint.contains("`iot-1`"));
}

proptest! {
    #[test]
    fn short_forms_expand_to_what_they_came_from(topic in "/?(pk/device/)?[a-z/$+#]{1,12}") {
        let cloud = cloud();
        if let Ok(long) = cloud.expand(&topic) {
            prop_assert_eq!(cloud.expand(cloud.shorten(&long)), Ok(long));
        }
    }

    #[test]
    fn any_upgrade_message_is_heard_without_panic(bytes in any::<Vec<u8>>(), key in "size|url|files|sign|version|streamId", n: i64) {
        let _ = cloud().on_message(UPGRADE, &bytes);
        let mut data = single();
        data[key.as_str()] = json!(n);
        let _ = hear(&task(data));
    }
}
