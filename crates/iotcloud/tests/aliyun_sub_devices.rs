//! Sub-devices behind the gateway.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::Secret;
use iotcloud::aliyun::dialogue::{Output, Request};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn sub_device_signs_in_for_a_program_and_again_after_an_interruption() {
    let mut dialogue = online();
    dialogue.want(&BTreeSet::from(["$device/pk2/meter/thing/service/#".to_owned(), "$device/#".to_owned()]));
    let login = Request::Login { device: sub(), secret: Secret::new("hunter2") };
    let (topic, sent) = ask(&mut dialogue, 9, login);
    assert_eq!(topic, "/ext/session/pk/device/combine/login");
    assert_eq!((&sent["params"]["deviceName"], &sent["params"]["signMethod"]), (&json!("meter"), &json!("hmacSha256")));
    assert!(!sent.to_string().contains("hunter2"));
    let own = "/sys/pk2/meter/thing/service/property/set";
    assert!(!dialogue.filters().contains_key(own), "not before it is signed in");
    let heard = reply(&mut dialogue, &format!("{topic}_reply"), &json!({"id": sent["id"], "code": 200}));
    assert_eq!(done(&heard), [(9, Ok(json!({})))]);
    assert!(dialogue.filters().contains_key(own));

    let set = json!({"id": "1", "params": {}, "method": "thing.service.property.set"});
    let [Output::Call(call)] = &reply(&mut dialogue, own, &set)[..] else { panic!() };
    assert_eq!(call.topic, "$device/pk2/meter/thing/service/property/set");
    assert_eq!(call.device, Some(sub()));

    dialogue.offline();
    dialogue.online(1_000, None, &[]);
    dialogue.subscribed(1_000, &format!("{topic}_reply"));
    assert!(published(&outputs(&mut dialogue)).iter().any(|(on, _)| *on == topic), "it is signed in again");

    let out = ask(&mut dialogue, 10, Request::Logout { device: sub() });
    assert_eq!(out.0, "/ext/session/pk/device/combine/logout");
    dialogue.offline();
    dialogue.online(2_000, None, &[]);
    dialogue.subscribed(2_000, &format!("{topic}_reply"));
    assert!(!published(&outputs(&mut dialogue)).iter().any(|(on, _)| *on == topic), "it stays signed out");
}

#[test]
fn sub_device_that_the_cloud_signs_out_is_told_and_left_out() {
    let mut dialogue = online();
    let (topic, sent) = ask(&mut dialogue, 9, Request::Login { device: sub(), secret: Secret::new("s") });
    reply(&mut dialogue, &format!("{topic}_reply"), &json!({"id": sent["id"], "code": 200}));
    let error = json!({"code": 427, "data": {"productKey": "pk2", "deviceName": "meter"}});
    let heard = reply(&mut dialogue, "/ext/error/pk/device", &error);
    assert!(heard.iter().any(|o| matches!(o, Output::Tell { topic, .. } if topic == "$device/pk2/meter/error")));
    assert!(heard.iter().any(|o| matches!(o, Output::Note(text) if text.contains("pk2/meter"))));
}
