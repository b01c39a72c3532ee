//! What programs ask of the platform: each request ends exactly once, also when it replies late, twice, or nonsense.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::Secret;
use iotcloud::aliyun::dialogue::{DeviceId, Failure, Output, Request};
use proptest::prelude::*;
use serde_json::{Value, json};

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
