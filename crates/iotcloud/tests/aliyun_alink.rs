//! The dialogue after sign-in, played against a platform that replies, calls, is late, and talks nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::aliyun::Dialogue;
use iotcloud::aliyun::dialogue::{Answer, AnswerRefused, Body, DeviceId, Failure, Output, Request};
use iotcloud::{Qos, Secret};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[test]
fn request_is_sent_when_its_reply_can_arrive_and_ends_with_it() {
    let mut dialogue = online();
    dialogue.request(0, 7, call_for("thing.property.desired.get", json!(["a", "b"])));
    assert_eq!(published(&outputs(&mut dialogue)), [], "[dialogue-2]");
    let topic = format!("{SYS}/thing/property/desired/get");
    assert!(dialogue.filters().contains_key(&format!("{topic}_reply")));
    dialogue.subscribed(0, &format!("{topic}_reply"));
    let sent = published(&outputs(&mut dialogue));
    let method = "thing.property.desired.get";
    assert_eq!(sent, [(topic.clone(), json!({"id": "102", "version": "1.0", "params": ["a", "b"], "method": method}))]);
    let data = json!({"a": {"value": 1, "version": 2}});
    let heard = reply(&mut dialogue, &format!("{topic}_reply"), &json!({"id": "102", "code": 200, "data": data}));
    assert_eq!(done(&heard), [(7, Ok(data))]);
}

#[test]
fn replies_are_paired_by_id_and_topic_however_they_are_mixed_up() {
    let mut dialogue = online();
    let (topic, first) = ask(&mut dialogue, 1, call_for("thing.deviceinfo.update", json!([])));
    dialogue.request(0, 2, call_for("thing.deviceinfo.update", json!([])));
    let (_, second) = published(&outputs(&mut dialogue)).pop().expect("the topic is subscribed already");
    let on = format!("{topic}_reply");
    let message = |id: &Value, code: u32| json!({"id": id, "code": code, "message": "no"});
    let elsewhere = reply(&mut dialogue, &format!("{SYS}/thing/topo/get_reply"), &message(&first["id"], 200));
    assert_eq!(done(&elsewhere), [], "right id, wrong topic");
    let heard = reply(&mut dialogue, &on, &message(&second["id"], 460));
    assert_eq!(done(&heard), [(2, Err(Failure::Refused { code: 460, message: "no".into() }))]);
    // A number instead of the text that was sent is the same id.
    let number: u32 = first["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(done(&reply(&mut dialogue, &on, &message(&json!(number), 200))), [(1, Ok(json!({})))]);
    let again = reply(&mut dialogue, &on, &message(&first["id"], 200));
    assert_eq!(again, [Output::Stray { topic: on }], "[dialogue-1] once");
}

#[test]
fn reply_that_does_not_come_is_told_after_its_time() {
    let mut dialogue = online();
    let request =
        Request::Call { method: "thing.topo.get".into(), params: json!({}), device: None, timeout_ms: Some(5_000) };
    ask(&mut dialogue, 3, request);
    dialogue.tick(4_999);
    assert_eq!(done(&outputs(&mut dialogue)), []);
    assert_eq!(dialogue.next_deadline(), Some(5_000));
    dialogue.tick(5_000);
    assert_eq!(done(&outputs(&mut dialogue)), [(3, Err(Failure::TimedOut))]);
}

#[test]
fn end_of_the_session_ends_what_waits_and_without_one_nothing_is_asked() {
    let mut dialogue = online();
    ask(&mut dialogue, 4, call_for("thing.topo.get", json!({})));
    dialogue.request(0, 5, Request::Shadow(json!({"method": "get"})));
    dialogue.offline();
    assert_eq!(done(&outputs(&mut dialogue)), [(4, Err(Failure::Lost)), (5, Err(Failure::Lost))]);
    dialogue.request(0, 6, call_for("thing.topo.get", json!({})));
    assert_eq!(done(&outputs(&mut dialogue)), [(6, Err(Failure::Offline))]);
}

#[test]
fn refused_subscription_to_the_reply_is_told() {
    let mut dialogue = online();
    dialogue.request(0, 8, call_for("thing.config.get", json!({})));
    dialogue.not_subscribed(&format!("{SYS}/thing/config/get_reply"));
    assert_eq!(done(&outputs(&mut dialogue)), [(8, Err(Failure::NotSubscribed))]);
}

#[test]
fn more_requests_than_are_remembered_are_turned_away() {
    let mut dialogue = online();
    for ticket in 0..200 {
        dialogue.request(0, ticket, call_for("thing.topo.get", json!({})));
    }
    let ended = done(&outputs(&mut dialogue));
    assert!(ended.iter().all(|(_, result)| *result == Err(Failure::Busy)));
    assert_eq!(ended.len(), 200 - 63, "one place is taken by the question about logs");
}

#[test]
fn method_or_device_that_would_leave_its_topic_is_refused() {
    for (method, device) in [
        ("property.post", None),
        ("thing.a/b", None),
        ("thing..a", None),
        ("thing.#", None),
        ("thing.topo.get", Some(DeviceId { product_key: "a/b".into(), device_name: "meter".into() })),
        ("thing.topo.get", Some(DeviceId { product_key: "pk2".into(), device_name: "+".into() })),
    ] {
        let mut dialogue = online();
        dialogue.request(0, 1, Request::Call { method: method.into(), params: json!({}), device, timeout_ms: None });
        let ended = done(&outputs(&mut dialogue));
        assert!(matches!(ended[..], [(1, Err(Failure::Unusable(_)))]), "{method}: {ended:?}");
    }
}

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
        let expected = Output::Publish { topic: answered.into(), payload: b"\xfe!".to_vec(), qos: Qos::AtMostOnce };
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
fn time_is_asked_after_sign_in_and_understood_as_text_and_as_number() {
    for as_text in [true, false] {
        let mut dialogue = quiet();
        dialogue.online(5_000, None, &[]);
        outputs(&mut dialogue);
        dialogue.subscribed(6_000, "/ext/ntp/pk/device/response");
        let sent = published(&outputs(&mut dialogue));
        assert_eq!(sent[0], ("/ext/ntp/pk/device/request".into(), json!({"deviceSendTime": "6000"})));
        let time = |ms: u64| if as_text { json!(ms.to_string()) } else { json!(ms) };
        let (came, went) = (1_700_000_000_000, 1_700_000_000_100);
        let answer = json!({"deviceSendTime": time(6_000), "serverRecvTime": time(came), "serverSendTime": time(went)});
        dialogue.received(6_500, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert_eq!(outputs(&mut dialogue), [Output::Clock { unix_ms: went + 200, round_trip_ms: 500 }]);
        dialogue.received(6_600, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert_eq!(outputs(&mut dialogue), [], "an answer counts once");
    }
}

#[test]
fn impossible_time_is_not_believed() {
    for (came, went) in [(17_u64, 17_u64), (1_700_000_000_100, 1_700_000_000_000), (1_700_000_000_000, u64::MAX)] {
        let mut dialogue = quiet();
        dialogue.online(0, None, &[]);
        dialogue.subscribed(0, "/ext/ntp/pk/device/response");
        outputs(&mut dialogue);
        let answer = json!({"deviceSendTime": "0", "serverRecvTime": came, "serverSendTime": went});
        dialogue.received(1, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert!(matches!(outputs(&mut dialogue)[..], [Output::Note(_)]), "{came} {went}");
    }
}

#[test]
fn shadow_is_asked_one_at_a_time_because_its_replies_bear_no_id() {
    let mut dialogue = online();
    let (topic, first) = ask(&mut dialogue, 1, Request::Shadow(json!({"method": "get"})));
    assert_eq!((topic.as_str(), first), ("/shadow/update/pk/device", json!({"method": "get"})));
    dialogue.request(0, 2, Request::Shadow(json!({"method": "update", "version": 1})));
    assert_eq!(published(&outputs(&mut dialogue)), []);
    let on = "/shadow/get/pk/device";
    let good = json!({"method": "reply", "payload": {"status": "success", "version": 3}, "timestamp": 17});
    let heard = reply(&mut dialogue, on, &good);
    assert_eq!(done(&heard), [(1, Ok(json!({"version": 3, "timestamp": 17})))]);
    assert_eq!(published(&heard)[0].1["method"], "update");
    let content = json!({"errorcode": "409", "errormessage": "version"});
    let bad = json!({"method": "reply", "payload": {"status": "error", "content": content}});
    assert_eq!(
        done(&reply(&mut dialogue, on, &bad)),
        [(2, Err(Failure::Refused { code: 409, message: "version".into() }))]
    );
    let control = json!({"method": "control", "payload": {"state": {"desired": {"a": 1}}}, "version": 2});
    assert!(matches!(&reply(&mut dialogue, on, &control)[..], [Output::Tell { topic, .. }] if topic == "$shadow"));
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

#[derive(Debug, Clone)]
enum Step {
    Online,
    Offline,
    Request(u8),
    Subscribe,
    Hear(usize, Vec<u8>),
    ReplyTo(usize, u32),
    Later(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Online),
        Just(Step::Offline),
        any::<u8>().prop_map(Step::Request),
        Just(Step::Subscribe),
        (any::<usize>(), proptest::collection::vec(any::<u8>(), 0..40)).prop_map(|(t, p)| Step::Hear(t, p)),
        (any::<usize>(), prop_oneof![Just(200u32), Just(460)]).prop_map(|(at, code)| Step::ReplyTo(at, code)),
        (0u32..30_000).prop_map(Step::Later),
    ]
}

proptest! {
    /// [dialogue-1] [dialogue-4]
    #[test]
    fn whatever_happens_each_request_ends_exactly_once(steps in proptest::collection::vec(step(), 1..120)) {
        let topics = [
            "/sys/pk/device/thing/topo/get_reply", "/shadow/get/pk/device", "/ext/ntp/pk/device/response",
            "/sys/pk/device/thing/service/x", "/sys/pk/device/rrpc/request/1", "/ext/error/pk/device", "/ext/rrpc/1",
            "/ota/device/upgrade/pk/device", "", "/", "/sys/pk", "/sys/pk/device/thing/config/log/push",
        ];
        let (mut dialogue, mut now, mut asked) = (quiet(), 0, 0u64);
        let (mut ended, mut sent) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Online => dialogue.online(now, Some("1"), &[]),
                Step::Offline => dialogue.offline(),
                Step::Request(kind) => {
                    let request = match kind % 4 {
                        0 => call_for("thing.topo.get", json!({})),
                        1 => Request::Shadow(json!({"method": "get"})),
                        2 => Request::Login { device: sub(), secret: Secret::new("s") },
                        _ => Request::Logout { device: sub() },
                    };
                    dialogue.request(now, asked, request);
                    asked += 1;
                }
                Step::Subscribe => for filter in dialogue.filters().into_keys() {
                    dialogue.subscribed(now, &filter);
                },
                Step::Hear(at, payload) => drop(dialogue.received(now, topics[at % topics.len()], &payload)),
                Step::ReplyTo(at, code) => if !sent.is_empty() {
                    let (topic, message): &(String, Value) = &sent[at % sent.len()];
                    let reply = json!({"id": message["id"], "code": code});
                    dialogue.received(now, &format!("{topic}_reply"), reply.to_string().as_bytes());
                },
                Step::Later(ms) => {
                    now += u64::from(ms);
                    dialogue.tick(now);
                }
            }
            let out = outputs(&mut dialogue);
            sent.extend(published(&out));
            ended.extend(done(&out).into_iter().map(|(ticket, _)| ticket));
            prop_assert!(dialogue.filters().len() < 60);
        }
        dialogue.offline();
        ended.extend(done(&outputs(&mut dialogue)).into_iter().map(|(ticket, _)| ticket));
        ended.sort_unstable();
        prop_assert_eq!(ended, (0..asked).collect::<Vec<_>>());
    }
}
