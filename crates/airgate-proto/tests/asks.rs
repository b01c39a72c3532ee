//! The operations of the thing model, firmware reports and sub-devices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use airgate_proto::{Answer, Ask, Call, Code, Device, Event, Op, Publish, ServerFrame, parse_line, parse_server_line};
use serde_json::{Value, json};

fn op(mut request: Value) -> Op {
    request["id"] = 1.into();
    parse_line(request.to_string().as_bytes()).unwrap_or_else(|refusal| panic!("{request}: {refusal:?}")).op
}

fn kept(request: Value) -> (String, Value) {
    let Op::Publish(Publish { topic, payload, .. }) = op(request) else { panic!("it is kept") };
    (topic, serde_json::from_slice(&payload).unwrap())
}

#[test]
fn what_can_wait_is_a_publication_under_the_word_for_it() {
    for (request, topic, payload) in [
        (json!({"op": "property", "params": {"t": 1}}), "$thing/event/property/post", json!({"t": 1})),
        (
            json!({"op": "property", "params": {"t": 1}, "time_ms": 9}),
            "$thing/event/property/post",
            json!({"t": {"value": 1, "time": 9}}),
        ),
        (
            json!({"op": "event", "name": "leak", "params": {"l": 2}, "time_ms": 9}),
            "$thing/event/leak/post",
            json!({"value": {"l": 2}, "time": 9}),
        ),
        (
            json!({"op": "property", "params": {}, "device": {"product_key": "pk2", "device_name": "m"}}),
            "$device/pk2/m/thing/event/property/post",
            json!({}),
        ),
        (json!({"op": "ota_version", "version": "2.0"}), "$ota/version", json!({"version": "2.0", "module": null})),
        (
            json!({"op": "ota_progress", "step": -4, "desc": "flash", "module": "mcu"}),
            "$ota/progress",
            json!({"step": -4, "desc": "flash", "module": "mcu"}),
        ),
    ] {
        assert_eq!(kept(request), (topic.to_owned(), payload));
    }
    let Op::Publish(publish) = op(json!({"op": "property", "params": {}, "confirm": true, "ttl_s": 5, "key": "k"}))
    else {
        panic!()
    };
    assert!(publish.confirm && publish.key.as_deref() == Some("k") && publish.ttl_s.is_some());
}

#[test]
fn what_wants_the_clouds_reply_is_asked_live() {
    let call = |method: &str, params| Ask::Call { method: method.into(), params, device: None, timeout_s: None };
    let device = json!({"product_key": "pk2", "device_name": "m"});
    let named = json!([{"productKey": "pk2", "deviceName": "m"}]);
    for (request, ask) in [
        (
            json!({"op": "property", "params": {"t": 1}, "wait": true}),
            call("thing.event.property.post", json!({"t": 1})),
        ),
        (json!({"op": "call", "method": "thing.topo.get"}), call("thing.topo.get", json!({}))),
        (json!({"op": "device_list"}), call("thing.topo.get", json!({}))),
        (json!({"op": "device_register", "device": device}), call("thing.sub.register", named.clone())),
        (json!({"op": "device_delete", "device": device}), call("thing.topo.delete", named)),
        (json!({"op": "shadow", "document": {"method": "get"}}), Ask::Shadow(json!({"method": "get"}))),
    ] {
        assert_eq!(op(request), Op::Ask(ask));
    }
}

#[test]
fn answers_are_data_or_bytes_and_not_both() {
    let answer = |request| match op(request) {
        Op::Answer { call, answer } => (call, answer),
        other => panic!("{other:?}"),
    };
    let data = Answer::Data { code: 200, data: json!({}) };
    assert_eq!(answer(json!({"op": "answer", "call": "7"})), ("7".to_owned(), data));
    assert_eq!(answer(json!({"op": "answer", "call": "7", "payload_b64": "/w=="})).1, Answer::Payload(vec![255]));
    let reply = json!({"op": "service_reply", "call": "7", "code": 201});
    assert_eq!(answer(reply).1, Answer::Data { code: 201, data: json!({}) }, "the other word for it");
    let both = json!({"id": 1, "op": "answer", "call": "7", "code": 200, "payload": "x"});
    assert_eq!(parse_line(both.to_string().as_bytes()).unwrap_err().code, Code::BadField);
}

#[test]
fn what_cannot_be_meant_is_refused_by_name() {
    for (request, word) in [
        (json!({"op": "property"}), "params"),
        (json!({"op": "property", "params": [1]}), "params"),
        (json!({"op": "property", "params": {}, "wait": true, "ttl_s": 5}), "ttl_s"),
        (json!({"op": "property", "params": {}, "propertys": 1}), "propertys"),
        (json!({"op": "event", "name": "a/b"}), "name"),
        (json!({"op": "event"}), "name"),
        (json!({"op": "call", "method": "thing.topo.get", "params": 5}), "params"),
        (json!({"op": "call", "method": "thing.topo.get", "timeout_s": 121}), "timeout_s"),
        (json!({"op": "shadow", "document": {"method": "put"}}), "document"),
        (json!({"op": "ota_progress", "step": 0}), "step"),
        (json!({"op": "ota_progress", "step": 101}), "step"),
        (json!({"op": "ota_version", "version": ""}), "version"),
        (json!({"op": "device_login", "device": {"product_key": "p", "device_name": "m"}}), "device_secret"),
        (json!({"op": "device_logout", "device": {"product_key": "p/q", "device_name": "m"}}), "device"),
        (json!({"op": "device_logout", "device": {"product_key": "p", "device_name": "+"}}), "device"),
        (json!({"op": "device_logout", "device": "m"}), "device"),
    ] {
        let mut line = request.clone();
        line["id"] = 1.into();
        let refusal = parse_line(line.to_string().as_bytes()).expect_err("it is refused");
        assert!(refusal.code == Code::BadField && refusal.message.contains(word), "{request}: {refusal:?}");
    }
}

#[test]
fn secret_of_a_sub_device_is_not_shown() {
    let login =
        json!({"op": "device_login", "device": {"product_key": "p", "device_name": "m"}, "device_secret": "hunter2"});
    assert!(!format!("{:?}", op(login)).contains("hunter2"));
}

#[test]
fn call_comes_back_as_it_went() {
    let call = Call {
        call: "17".into(),
        topic: "$thing/service/reboot".into(),
        device: Some(Device { product_key: "pk2".into(), device_name: "m".into() }),
        params: Some(json!({"in_s": 3})),
        payload: None,
        payload_b64: None,
        answer_within_ms: 7_000,
    };
    for call in [call.clone(), Call { params: None, ..call.clone() }.with_payload(b"\xff"), call.with_payload(b"text")]
    {
        let event = Event::Call(call);
        let mut line = event.to_line();
        line.pop();
        assert_eq!(parse_server_line(&line).unwrap(), ServerFrame::Event(event));
    }
}

#[test]
fn a_device_is_named_by_two_fields_and_no_other() {
    let request =
        json!({"id": 1, "op": "device_logout", "device": {"product_key": "a", "device_name": "b", "devicename": "c"}});
    let refusal = parse_line(request.to_string().as_bytes()).unwrap_err();
    assert_eq!((refusal.code, refusal.message.as_str()), (Code::BadField, "`device` has no field `devicename`"));
    assert!(refusal.hint.contains("did you mean `device_name`?"), "{}", refusal.hint);
}

#[test]
fn a_field_of_a_device_that_is_there_twice_is_refused_like_any_other() {
    for op in [r#""device_logout""#, r#""device_delete""#, r#""property","params":{}"#, r#""call","method":"m""#] {
        let device = r#"{"product_key":"a","device_name":"b","device\u005fname":"c"}"#;
        let refusal = parse_line(format!(r#"{{"id":1,"op":{op},"device":{device}}}"#).as_bytes()).unwrap_err();
        let told = (refusal.code, refusal.message.as_str());
        assert_eq!(told, (Code::BadField, "the field `device_name` is there twice"), "{op}");
    }
}

#[test]
fn a_device_that_is_null_is_none() {
    let request = parse_line(br#"{"id":1,"op":"call","method":"m","device":null}"#).unwrap();
    assert!(matches!(request.op, Op::Ask(Ask::Call { device: None, .. })), "{request:?}");
}
