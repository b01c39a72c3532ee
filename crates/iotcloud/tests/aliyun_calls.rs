//! What the platform asks of programs and tells them, and by which words they listen to it: calls and their answers,
//! firmware, broadcasts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::Qos;
use iotcloud::aliyun::Dialogue;
use iotcloud::aliyun::dialogue::{Answer, AnswerRefused, Body, Output};
use serde_json::json;
use std::collections::BTreeSet;

#[test]
fn property_set_reaches_the_programs_and_its_answer_the_cloud() {
    let mut dialogue = online();
    let topic = format!("{SYS}/thing/service/property/set");
    let ask = json!({"id": "x|1", "version": "1.0", "params": {"led": 1}, "method": "thing.service.property.set"});
    let [Output::Call(call)] = &reply(&mut dialogue, &topic, &ask)[..] else { panic!() };
    assert_eq!((call.topic.as_str(), &call.body), ("$thing/service/property/set", &Body::Params(json!({"led": 1}))));
    dialogue.delivered(&call.id, 1);
    let answer = Answer::Data { code: 200, data: json!({}) };
    dialogue.answer(&call.id, answer.clone()).unwrap();
    let sent = published(&outputs(&mut dialogue));
    assert_eq!(sent[0].0, format!("{topic}_reply"));
    assert_eq!((&sent[0].1["id"], &sent[0].1["code"]), (&json!("x|1"), &json!(200)), "the id comes back unchanged");
    assert_eq!(dialogue.answer(&call.id, answer), Err(AnswerRefused::Unknown), "[dialogue-3] once");
}

#[test]
fn call_that_no_program_wants_is_told_at_once_and_one_that_none_answers_in_time() {
    let mut dialogue = online();
    let topic = format!("{SYS}/rrpc/request/77");
    let ask = json!({"id": "1", "params": {}, "method": "thing.service.reboot"});
    let [Output::Call(call)] = &reply(&mut dialogue, &topic, &ask)[..] else { panic!() };
    assert_eq!((call.topic.as_str(), call.answer_within_ms), ("$thing/service/reboot", 7_000));
    dialogue.delivered(&call.id, 0);
    let sent = published(&outputs(&mut dialogue));
    assert_eq!((sent[0].0.as_str(), &sent[0].1["code"]), ("/sys/pk/device/rrpc/response/77", &json!(100_404)));

    let [Output::Call(call)] = &reply(&mut dialogue, &topic, &ask)[..] else { panic!() };
    dialogue.delivered(&call.id, 2);
    dialogue.tick(7_009);
    assert_eq!(published(&outputs(&mut dialogue)), []);
    dialogue.tick(7_010);
    assert_eq!(published(&outputs(&mut dialogue))[0].1["code"], 100_408);
    assert_eq!(dialogue.answer(&call.id, Answer::Payload(vec![])), Err(AnswerRefused::Unknown));
}

#[test]
fn remote_call_of_bytes_is_answered_with_bytes_on_the_topic_of_its_kind() {
    for (asked, word, answered) in [
        ("/sys/pk/device/rrpc/request/9", "$rrpc", "/sys/pk/device/rrpc/response/9"),
        ("/ext/rrpc/9/pk/device/user/cmd", "$rrpc/user/cmd", "/ext/rrpc/9/pk/device/user/cmd"),
    ] {
        let mut dialogue = online();
        dialogue.received(0, asked, b"\xff?");
        let [Output::Call(call)] = &outputs(&mut dialogue)[..] else { panic!() };
        assert_eq!((call.topic.as_str(), &call.body), (word, &Body::Payload(b"\xff?".to_vec())));
        let data = Answer::Data { code: 200, data: json!({}) };
        assert!(matches!(dialogue.answer(&call.id, data), Err(AnswerRefused::Form(_))));
        dialogue.answer(&call.id, Answer::Payload(b"\xfe!".to_vec())).unwrap();
        let expected =
            Output::Publish { topic: answered.into(), payload: b"\xfe!".to_vec(), qos: Qos::AtMostOnce, request: None };
        assert_eq!(outputs(&mut dialogue), [expected]);
    }
}

#[test]
fn answer_with_a_code_of_the_platform_is_refused() {
    let mut dialogue = online();
    let ask = json!({"id": 1, "params": {}, "method": "thing.service.x"});
    let [Output::Call(call)] = &reply(&mut dialogue, &format!("{SYS}/thing/service/x"), &ask)[..] else { panic!() };
    assert_eq!(dialogue.answer(&call.id, Answer::Data { code: 6204, data: json!({}) }), Err(AnswerRefused::Code));
    assert_eq!(dialogue.answer(&call.id, Answer::Data { code: 100_001, data: json!({}) }), Ok(()));
}

#[test]
fn firmware_and_what_is_the_programs_own_are_told_apart() {
    let mut dialogue = online();
    let md5 = "93230c3bde425a9d7984a594ac55ea1e";
    let data = json!({"size": 4, "version": "2", "url": "https://x/f", "signMethod": "Md5", "sign": md5});
    let heard = reply(&mut dialogue, "/ota/device/upgrade/pk/device", &json!({"code": "1000", "data": data}));
    assert!(matches!(&heard[..], [Output::Ota { device: None, .. }]));
    for topic in ["/pk/device/user/get", "/broadcast/pk/all", "anything", "/sys/pk/device/else"] {
        assert!(!dialogue.received(10, topic, b"{}") && outputs(&mut dialogue).is_empty(), "{topic}");
    }
    assert!(Dialogue::is_call("/sys/pk/device/rrpc/request/1") && !Dialogue::is_call("/sys/pk/device/thing/x_reply"));
    let all = reply(&mut dialogue, "/sys/pk/device/broadcast/request/3", &json!({"a": 1}));
    assert!(matches!(&all[..], [Output::Tell { topic, .. }] if topic == "$broadcast"));
}

#[test]
fn words_of_programs_become_the_topics_that_they_stand_for() {
    let mut dialogue = quiet();
    let base = dialogue.filters().len();
    let words = ["$thing/service/reboot", "$shadow", "$rrpc/user/cmd", "$broadcast", "$rrpc", "user/get", "/ext/other"];
    dialogue.want(&words.map(str::to_owned).into());
    let filters = dialogue.filters();
    assert_eq!(filters.len(), base + 3, "{filters:?}");
    for filter in ["/sys/pk/device/thing/service/reboot", "/shadow/get/pk/device", "/ext/rrpc/+/pk/device/user/cmd"] {
        assert!(filters.contains_key(filter), "{filter}");
    }
    dialogue.want(&BTreeSet::from(["$thing/#".to_owned()]));
    assert!(dialogue.filters().contains_key("/sys/pk/device/thing/config/push"));
    assert!(Dialogue::is_word("$thing/#") && !Dialogue::is_word("$SYS/x") && !Dialogue::is_word("user/thing"));
}
