//! What goes up without a question: messages in their envelope, versions, progress, and the log.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::aliyun::Dialogue;
use serde_json::{Value, json};

#[test]
fn kept_message_is_wrapped_when_it_is_sent_and_wants_no_reply() {
    let mut dialogue = quiet();
    let (topic, payload) = dialogue.wrap("$thing/event/property/post", br#"{"t":21.50}"#).unwrap().unwrap();
    assert_eq!(topic, "/sys/pk/device/thing/event/property/post");
    let text = String::from_utf8(payload).unwrap();
    let rest = r#""version":"1.0","sys":{"ack":0},"params":{"t":21.50},"method":"thing.event.property.post"}"#;
    assert_eq!(text, format!(r#"{{"id":"101",{rest}"#), "numbers stay as they were written");
    let (topic, _) = dialogue.wrap("$device/pk2/meter/thing/event/leak/post", b"{}").unwrap().unwrap();
    assert_eq!(topic, "/sys/pk2/meter/thing/event/leak/post");
    assert!(dialogue.wrap("user/update", b"x").is_none());
    for (topic, payload) in [
        ("$thing/event/property/post", "21.5"),
        ("$thing/event/property/post", "{"),
        ("$thing/a/+", "{}"),
        ("$ota/progress", r#"{"step":101}"#),
        ("$ota/progress", r#"{"step":0}"#),
        ("$ota/version", r#"{"version":""}"#),
    ] {
        assert!(dialogue.wrap(topic, payload.as_bytes()).unwrap().is_err(), "{topic} {payload}");
    }
}

#[test]
fn versions_are_reported_at_each_sign_in_the_last_that_a_program_told_first() {
    let mut dialogue = quiet();
    let modules = [("mcu".to_owned(), "2.1".to_owned())];
    dialogue.online(0, Some("1.0"), &modules);
    let reports = published(&outputs(&mut dialogue));
    assert_eq!(reports[0], ("/ota/device/inform/pk/device".into(), json!({"id": "1", "params": {"version": "1.0"}})));
    assert_eq!(reports[1].1["params"], json!({"version": "2.1", "module": "mcu"}));
    let (topic, payload) = dialogue.wrap("$ota/version", br#"{"version":"2.2","module":"mcu"}"#).unwrap().unwrap();
    assert_eq!(topic, "/ota/device/inform/pk/device");
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap()["params"]["version"], "2.2");
    dialogue.offline();
    dialogue.online(1, Some("1.0"), &modules);
    assert_eq!(published(&outputs(&mut dialogue))[1].1["params"]["version"], "2.2");
}

#[test]
fn progress_is_told_in_the_platforms_spelling() {
    let (topic, payload) = quiet().wrap("$ota/progress", br#"{"step":-4,"desc":"flash"}"#).unwrap().unwrap();
    assert_eq!(topic, "/ota/device/progress/pk/device");
    let expected = json!({"id": "1", "params": {"step": "-4", "desc": "flash"}});
    assert_eq!(serde_json::from_slice::<Value>(&payload).unwrap(), expected);
}

#[test]
fn warnings_go_up_when_the_platform_wants_them_and_again_when_it_did_not_take_them() {
    let mut dialogue = with_logs(quiet(), 1);
    for n in 0..50 {
        dialogue.log(log_line(&format!("warning {n}")));
    }
    dialogue.subscribed(0, &format!("{SYS}/thing/log/post_reply"));
    let mut now = dialogue.next_deadline().unwrap();
    let mut post = |dialogue: &mut Dialogue, code: u32| {
        dialogue.tick(now);
        dialogue.subscribed(now, &format!("{SYS}/thing/log/post_reply"));
        let sent = published(&outputs(dialogue));
        let (topic, sent) = sent.iter().find(|(topic, _)| topic.ends_with("log/post")).expect("a post");
        dialogue.received(
            now,
            &format!("{topic}_reply"),
            json!({"id": sent["id"], "code": code}).to_string().as_bytes(),
        );
        now += 60_000;
        sent["params"].clone()
    };
    let first = post(&mut dialogue, 500);
    assert_eq!(first.as_array().unwrap().len(), 40);
    assert_eq!(first[0]["logContent"], "warning 0");
    assert_eq!((&first[0]["utcTime"], &first[0]["logLevel"]), (&json!("2020-03-06T15:15:27.123+0000"), &json!("WARN")));
    assert_eq!(post(&mut dialogue, 200)[0], first[0], "what was refused is sent again");
    assert_eq!(post(&mut dialogue, 200).as_array().unwrap().len(), 10);
}

#[test]
fn warnings_stay_here_when_the_platform_does_not_want_them_until_it_says_so() {
    let mut dialogue = with_logs(quiet(), 0);
    dialogue.log(log_line("kept"));
    let topic = format!("{SYS}/thing/log/post");
    let posts = |dialogue: &mut Dialogue, now: u64| {
        dialogue.tick(now);
        dialogue.subscribed(now, "/sys/pk/device/thing/log/post_reply");
        published(&outputs(dialogue)).iter().filter(|(on, _)| *on == topic).count()
    };
    assert_eq!(posts(&mut dialogue, 1_000_000), 0);
    let params = json!({"getType": "content", "content": {"mode": 1}});
    let push = json!({"id": "1", "params": params, "method": "thing.config.log.push"});
    dialogue.received(1_000_000, &format!("{SYS}/thing/config/log/push"), push.to_string().as_bytes());
    assert_eq!(posts(&mut dialogue, 1_000_001), 1);
}
