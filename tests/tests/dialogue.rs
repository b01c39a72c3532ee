//! The dialogue with the cloud after sign-in, as programs lead it: properties, calls, shadow, sub-devices, firmware, time.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, eventually, free_port};
use serde_json::{Value, json};

const PK: &str = "a1EndToEnd0";
const DN: &str = "861551056421746";

fn sys(path: &str) -> String {
    format!("/sys/{PK}/{DN}/{path}")
}

/// The first message that arrived on a topic.
fn arrived(house: &House, topic: &str) -> Value {
    let payload = eventually("a message arrives", || {
        let found = house.cloud.arrived().into_iter().find(|message| message["topic"] == topic)?;
        Some(found["payload"].as_str()?.to_owned())
    });
    serde_json::from_str(&payload).unwrap()
}

/// What a person does in the console, or a server by the API: a message to the device on any of its topics. It is sent
/// again until the device listens.
fn push(house: &House, topic: &str, payload: &Value) {
    eventually("the device listens", || {
        let answer = house.cloud.ask(&json!({
            "do": "publish", "product_key": PK, "device_name": DN, "topic": topic, "qos": 1, "payload": payload.to_string(),
        }));
        assert_eq!(answer["ok"], true, "{answer}");
        (answer["delivery"] == "sent").then_some(())
    });
}

fn call(program: &mut Door, topic: &str) -> Value {
    program.event(|event| event["event"] == "call" && event["topic"] == topic)
}

#[test]
fn property_is_kept_while_the_link_is_down_and_comes_in_the_clouds_envelope() {
    let mut house = House::new();
    let mut program = house.program();
    house.cloud.kill();
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    let request = json!({"op": "property", "params": {"temperature": 21.5}, "time_ms": 1_700_000_000_000_u64});
    assert!(program.ask_ok(request)["seq"].is_u64());
    let live = program.ask(json!({"op": "property", "params": {"temperature": 1}, "wait": true}));
    assert_eq!(
        (&live["ok"], &live["code"]),
        (&json!(false), &json!("offline")),
        "what waits for a reply cannot be kept"
    );
    house.cloud.start();
    let envelope = arrived(&house, &sys("thing/event/property/post"));
    assert_eq!(envelope["params"], json!({"temperature": {"value": 21.5, "time": 1_700_000_000_000_u64}}));
    assert_eq!((&envelope["method"], &envelope["sys"]), (&json!("thing.event.property.post"), &json!({"ack": 0})));
}

#[test]
fn program_that_waits_gets_the_clouds_own_word() {
    let house = House::new();
    let mut program = house.program();
    let good = program.ask_ok(json!({"op": "event", "name": "leak", "params": {"litres": 3}, "wait": true}));
    assert_eq!(good["data"], json!({}));
    assert_eq!(arrived(&house, &sys("thing/event/leak/post"))["params"], json!({"value": {"litres": 3}}));
    // A list where an object is wanted is let through by the daemon: only the cloud knows its methods.
    let method = json!({"op": "call", "method": "thing.nothing.of.the.kind", "params": {}, "timeout_s": 1});
    assert_eq!(program.ask(method)["code"], "timed_out", "a method that the cloud does not know is never answered");
}

#[test]
fn call_of_the_cloud_is_answered_by_the_program_that_wants_it_and_by_no_other() {
    let house = House::new();
    let mut program = house.program();
    let mut other = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "$thing/#"}));
    let set = json!({"id": "77", "version": "1.0", "params": {"led": 1}, "method": "thing.service.property.set"});
    push(&house, &sys("thing/service/property/set"), &set);
    let asked = call(&mut program, "$thing/service/property/set");
    assert_eq!(asked["params"], json!({"led": 1}));
    let answer = json!({"op": "answer", "call": asked["call"], "data": {"done": true}});
    assert_eq!(other.ask(answer.clone())["code"], "no_such_call", "it was not handed to that one");
    program.ask_ok(answer.clone());
    let reply = arrived(&house, &sys("thing/service/property/set_reply"));
    assert_eq!((&reply["id"], &reply["code"], &reply["data"]), (&json!("77"), &json!(200), &json!({"done": true})));
    assert_eq!(program.ask(answer)["code"], "no_such_call", "once");
}

#[test]
fn remote_calls_are_answered_in_time_or_told_that_nobody_does() {
    let house = House::new();
    let mut program = house.program();
    let reboot = json!({"id": "1", "version": "1.0", "params": {"in_s": 3}, "method": "thing.service.reboot"});
    push(&house, &sys("rrpc/request/1001"), &reboot);
    let told = arrived(&house, &sys("rrpc/response/1001"));
    assert_eq!(told["code"], 100_404, "{told}");

    for filter in ["$thing/service/reboot", "$rrpc"] {
        program.ask_ok(json!({"op": "subscribe", "filter": filter}));
    }
    push(&house, &sys("rrpc/request/1002"), &reboot);
    let asked = call(&mut program, "$thing/service/reboot");
    assert_eq!((&asked["params"], &asked["answer_within_ms"]), (&json!({"in_s": 3}), &json!(7_000)));
    program.ask_ok(json!({"op": "answer", "call": asked["call"], "code": 100_001}));
    assert_eq!(arrived(&house, &sys("rrpc/response/1002"))["code"], 100_001);

    push(&house, &sys("rrpc/request/1003"), &json!("what time is it?"));
    let asked = call(&mut program, "$rrpc");
    assert_eq!(asked["payload"], "\"what time is it?\"");
    program.ask_ok(json!({"op": "answer", "call": asked["call"], "payload": "{\"late\":true}"}));
    assert_eq!(arrived(&house, &sys("rrpc/response/1003")), json!({"late": true}));
}

#[test]
fn shadow_replies_are_the_answer_and_its_pushes_are_messages() {
    let house = House::new();
    let mut program = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "$shadow"}));
    let control = json!({"method": "control", "payload": {"state": {"desired": {"led": 1}}}, "version": 2});
    push(&house, &format!("/shadow/get/{PK}/{DN}"), &control);
    let message = program.message("$shadow");
    let pushed: Value = serde_json::from_str(message["payload"].as_str().unwrap()).unwrap();
    assert_eq!(pushed["payload"]["state"]["desired"]["led"], 1);

    program.send_raw(b"{\"id\":\"s\",\"op\":\"shadow\",\"document\":{\"method\":\"get\"}}\n");
    assert_eq!(arrived(&house, &format!("/shadow/update/{PK}/{DN}")), json!({"method": "get"}));
    let state =
        json!({"method": "reply", "payload": {"status": "success", "state": {"reported": {"led": 0}}}, "timestamp": 1});
    push(&house, &format!("/shadow/get/{PK}/{DN}"), &state);
    let answer = program.event(|line| line["id"] == "s");
    assert_eq!(answer["data"]["state"]["reported"]["led"], 0, "{answer}");
}

#[test]
fn sub_device_signs_in_and_its_properties_go_up_under_its_own_name() {
    let house = House::new();
    let mut program = house.program();
    let device = json!({"product_key": "a1Sensor000", "device_name": "meter-1"});
    let secret = "5ubdev1ce5ecret5ubdev1ce5ecret00";
    let login = json!({"id": "l", "op": "device_login", "device": device, "device_secret": secret});
    program.send_raw(format!("{login}\n").as_bytes());
    let topic = format!("/ext/session/{PK}/{DN}/combine/login");
    let asked = arrived(&house, &topic);
    assert_eq!(asked["params"]["deviceName"], "meter-1");
    assert!(asked["params"]["sign"].as_str().is_some_and(|sign| sign.len() == 64));
    push(&house, &format!("{topic}_reply"), &json!({"id": asked["id"], "code": 6401, "message": "no topo"}));
    let refused = program.event(|line| line["id"] == "l");
    assert_eq!(refused["code"], "cloud_refused");
    assert!(refused["message"].as_str().unwrap().contains("add it first"), "{refused}");
    program.ask_ok(json!({"op": "property", "params": {"kwh": 7}, "device": device}));
    assert!(!house.log().contains(secret));
}

#[test]
fn firmware_is_offered_with_all_its_fields_and_its_progress_and_version_reported() {
    let house = House::new();
    let mut program = house.program();
    let (md5, sha256) = ("93230c3bde425a9d7984a594ac55ea1e", "ab".repeat(32));
    let data = json!({
        "size": 432_945, "version": "2.0.0", "isDiff": 1, "url": "https://ota.example/f.bin", "md5": md5,
        "sign": sha256, "signMethod": "SHA256", "module": "mcu", "extData": {"key1": "value1"}, "digestsign": "c2ln",
    });
    let task = json!({"code": "1000", "data": data, "id": 1_626_969_597_470_u64, "message": "success"});
    push(&house, &format!("/ota/device/upgrade/{PK}/{DN}"), &task);
    let offered = program.event(|event| event["event"] == "ota");
    assert_eq!(
        (&offered["version"], &offered["module"], &offered["is_diff"]),
        (&json!("2.0.0"), &json!("mcu"), &json!(true))
    );
    let file = &offered["files"][0];
    assert_eq!((&file["url"], &file["size"]), (&json!("https://ota.example/f.bin"), &json!(432_945)));
    assert_eq!((&file["digest"]["sha256"], &file["md5"]), (&json!(sha256), &json!(md5)));
    assert_eq!((&offered["ext_data"], &offered["digest_sign"]), (&json!({"key1": "value1"}), &json!("c2ln")));

    program.ask_ok(json!({"op": "ota_progress", "step": 50, "desc": "half", "module": "mcu"}));
    let progress = arrived(&house, &format!("/ota/device/progress/{PK}/{DN}"));
    assert_eq!(progress["params"], json!({"step": "50", "desc": "half", "module": "mcu"}));
    program.ask_ok(json!({"op": "ota_version", "version": "2.0.0", "module": "mcu"}));
    let topic = format!("/ota/device/inform/{PK}/{DN}");
    let reports = eventually("both versions are reported", || {
        let reports: Vec<_> = house.cloud.arrived().into_iter().filter(|m| m["topic"] == topic.as_str()).collect();
        (reports.len() == 2).then_some(reports)
    });
    assert!(reports[0]["payload"].as_str().unwrap().contains("1.2.3"), "at the sign-in that of the configuration");
    assert!(reports[1]["payload"].as_str().unwrap().contains("2.0.0"));
}

#[test]
fn programs_are_told_the_time_of_the_cloud() {
    let house = House::new();
    let mut program = house.program();
    eventually("the cloud tells the time", || {
        (program.ask_ok(json!({"op": "time"}))["data"]["source"] == "cloud").then_some(())
    });
    let told = program.ask_ok(json!({"op": "time"}))["data"].clone();
    // Cloud and host are the same machine here.
    assert!(told["host_offset_ms"].as_i64().unwrap().unsigned_abs() < 10_000, "{told}");
    assert_eq!(program.status()["clock"]["source"], "cloud");
}

#[test]
fn warnings_of_the_daemon_go_to_the_clouds_log_when_it_asks_for_them() {
    let house = House::new();
    let mut program = house.program();
    let get = arrived(&house, &sys("thing/config/log/get"));
    let on = json!({"getType": "content", "content": {"mode": 1}});
    push(&house, &sys("thing/config/log/get_reply"), &json!({"id": get["id"], "code": 200, "data": on}));
    // Something to warn of: a message that cannot be read.
    push(&house, &format!("/ota/device/upgrade/{PK}/{DN}"), &json!({"code": "1000", "data": {"version": "9"}}));
    let lines = arrived(&house, &sys("thing/log/post"));
    assert!(lines["params"].to_string().contains("upgrade task cannot be used"), "{lines}");
    program.ask_ok(json!({"op": "ping"}));
}

#[test]
fn a_message_that_is_not_what_its_word_says_is_refused_at_the_door() {
    let house = House::new();
    let mut program = house.program();
    for (topic, payload) in [
        ("$thing/event/property/post", "21.5"),
        ("$thing/event/property/post", "{"),
        ("$ota/progress", "{\"step\":500}"),
        ("$shadow", "{}"),
    ] {
        let answer = program.ask(json!({"op": "publish", "topic": topic, "payload": payload}));
        assert_eq!(answer["code"], "bad_field", "{topic} {payload}: {answer}");
    }
    let large = json!({"op": "property", "params": {"text": "x".repeat(4_080)}});
    assert_eq!(program.ask(large)["ok"], false, "the envelope must fit, too");
}

#[test]
fn a_plain_broker_has_no_thing_model_and_says_so() {
    let house = House::with_broker(free_port());
    let mut program = Door::open(&house.socket());
    let answer = program.ask(json!({"op": "call", "method": "thing.topo.get"}));
    assert_eq!(answer["code"], "not_supported", "{answer}");
}
