//! The dialogue with the cloud after sign-in, as programs lead it: properties, calls, shadow, sub-devices, firmware, time.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, SUB_DEVICE_SECRET, Setup, eventually, free_port};
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
fn a_request_that_the_module_refuses_to_send_ends_at_once_and_says_so() {
    let house = House::new();
    let mut program = house.program();
    let list = json!({"op": "call", "method": "thing.topo.get", "params": {}, "timeout_s": 120});
    program.ask_ok(list.clone());
    house.fault("on AT+MPUB: refuse 50 20ms always");
    for request in [list, json!({"op": "shadow", "document": {"method": "get"}})] {
        let answer = program.ask(request);
        assert_eq!(answer["code"], "internal", "{answer}");
        assert!(answer["message"].as_str().unwrap().contains("+CME ERROR: 50"), "{answer}");
    }
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
fn services_that_a_server_waits_for_are_answered_by_the_program_that_wants_them() {
    let house = House::with(Setup { cloud: "custom_rrpc = true\n", ..Setup::default() });
    let mut program = house.program();
    for filter in ["$thing/service/reboot", "$rrpc/user/get"] {
        program.ask_ok(json!({"op": "subscribe", "filter": filter}));
    }
    house.cloud.subscribed_to(&sys("thing/service/reboot"));
    std::thread::scope(|scope| {
        let asks = json!({"do": "service", "service": "reboot", "params": {"in_s": 3}, "sync": true});
        let server = scope.spawn(|| house.cloud.console(asks));
        let asked = call(&mut program, "$thing/service/reboot");
        program.ask_ok(json!({"op": "answer", "call": asked["call"], "data": {"accepted": true}}));
        let answer = server.join().unwrap();
        let answer: Value = serde_json::from_str(answer["payload"].as_str().unwrap()).unwrap();
        assert_eq!((&answer["code"], &answer["data"]), (&json!(200), &json!({"accepted": true})));
    });
    let topic = format!("/{PK}/{DN}/user/get");
    house.cloud.subscribed_to(&format!("/ext/rrpc/+{topic}"));
    std::thread::scope(|scope| {
        let asks = json!({"do": "rrpc", "topic": topic, "payload": "ping"});
        let server = scope.spawn(|| house.cloud.console(asks));
        let asked = call(&mut program, "$rrpc/user/get");
        assert_eq!(asked["payload"], "ping");
        program.ask_ok(json!({"op": "answer", "call": asked["call"], "payload": "pong"}));
        assert_eq!(server.join().unwrap()["payload"], "pong");
    });
}

#[test]
fn what_the_cloud_keeps_of_the_device_is_read_and_written() {
    let house = House::new();
    let mut program = house.program();
    for filter in ["$thing/#", "$broadcast"] {
        program.ask_ok(json!({"op": "subscribe", "filter": filter}));
    }
    house.cloud.subscribed_to(&sys("thing/service/property/set"));
    house.cloud.console(json!({"do": "desired", "params": {"led": 1}}));
    assert_eq!(call(&mut program, "$thing/service/property/set")["params"], json!({"led": 1}));
    let mut ask = |method: &str, params: Value| {
        program.ask_ok(json!({"op": "call", "method": method, "params": params}))["data"].clone()
    };
    let wanted = ask("thing.property.desired.get", json!(["led", "fan"]));
    assert_eq!(wanted, json!({"led": {"value": 1, "version": 1}}));
    ask("thing.property.desired.delete", json!({"led": {"version": 1}}));
    assert_eq!(ask("thing.property.desired.get", json!(["led"])), json!({}));
    let tags = json!([{"attrKey": "place", "attrValue": "cellar"}]);
    ask("thing.deviceinfo.update", tags);
    ask("thing.deviceinfo.delete", json!([{"attrKey": "place"}]));
    let identity = json!({"productKey": PK, "deviceName": DN});
    let reading = json!({"temperature": [{"value": 21.5, "time": 1_700_000_000_000_u64}]});
    ask("thing.event.property.history.post", json!([{"identity": identity, "properties": [reading]}]));
    ask("thing.event.property.batch.post", json!({"properties": reading, "events": {}}));
    ask("thing.event.property.pack.post", json!({"properties": {"temperature": 21.5}, "subDevices": []}));

    let none =
        json!({"op": "call", "method": "thing.config.get", "params": {"configScope": "product", "getType": "file"}});
    assert_eq!(program.ask(none.clone())["code"], "cloud_refused", "there is none yet");
    let pushed = house.cloud.ask(&json!({"do": "config", "product_key": PK, "payload": "{\"rate\":5}"}));
    assert_eq!(pushed["pushed"], 1, "{pushed}");
    let config = call(&mut program, "$thing/config/push")["params"].clone();
    assert_eq!((&config["configSize"], &config["getType"]), (&json!(10), &json!("file")));
    assert_eq!(program.ask_ok(none)["data"], config);

    let reached = house.cloud.ask(&json!({"do": "broadcast", "product_key": PK, "payload": "to all"}));
    assert_eq!(reached["reached"], 1, "{reached}");
    assert_eq!(program.message("$broadcast")["payload"], "to all");
}

#[test]
fn shadow_replies_are_the_answer_and_its_pushes_are_messages() {
    let house = House::new();
    let mut program = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "$shadow"}));
    house.cloud.subscribed_to(&format!("/shadow/get/{PK}/{DN}"));
    house.cloud.console(json!({"do": "shadow", "desired": {"led": 1}}));
    let pushed: Value = serde_json::from_str(program.message("$shadow")["payload"].as_str().unwrap()).unwrap();
    assert_eq!(pushed["payload"]["state"]["desired"]["led"], 1);
    let mut ask = |document: Value| program.ask(json!({"op": "shadow", "document": document}));
    let update = json!({"method": "update", "state": {"reported": {"led": 1}}, "version": 2});
    assert_eq!(ask(update.clone())["ok"], true);
    let again = ask(update);
    assert_eq!(again["code"], "cloud_refused", "the version must grow: {again}");
    let whole = ask(json!({"method": "get"}));
    assert_eq!(whole["data"]["state"]["reported"]["led"], 1, "{whole}");
}

#[test]
fn sub_device_signs_in_and_its_properties_go_up_under_its_own_name() {
    let house = House::new();
    let mut program = house.program();
    let device = json!({"product_key": "a1Sensor000", "device_name": "meter-1"});
    let with_secret = |op: &str| json!({"op": op, "device": device, "device_secret": SUB_DEVICE_SECRET});
    let refused = program.ask(with_secret("device_login"));
    assert_eq!(refused["code"], "cloud_refused");
    assert!(refused["message"].as_str().unwrap().contains("add it first"), "{refused}");
    let registered = program.ask_ok(json!({"op": "device_register", "device": device}));
    assert!(registered["data"].to_string().contains(SUB_DEVICE_SECRET), "{registered}");
    program.ask_ok(with_secret("device_add"));
    program.ask_ok(with_secret("device_login"));
    assert_eq!(program.ask_ok(json!({"op": "device_list"}))["data"][0]["deviceName"], "meter-1");

    program.ask_ok(json!({"op": "property", "params": {"kwh": 7}, "device": device}));
    let topic = "/sys/a1Sensor000/meter-1/thing/event/property/post";
    assert_eq!(arrived(&house, topic)["params"], json!({"kwh": 7}));
    let live = program.ask_ok(json!({"op": "property", "params": {"kwh": 8}, "device": device, "wait": true}));
    assert_eq!(live["data"], json!({}), "the cloud's reply finds its way, too");

    program.ask_ok(json!({"op": "subscribe", "filter": "$device/#"}));
    house.cloud.subscribed_to("/sys/a1Sensor000/meter-1/thing/service/property/set");
    let mut set = json!({"do": "set", "params": {"relay": 1}});
    set["product_key"] = device["product_key"].clone();
    set["device_name"] = device["device_name"].clone();
    assert_eq!(house.cloud.ask(&set)["delivery"], "sent");
    let asked = call(&mut program, "$device/a1Sensor000/meter-1/thing/service/property/set");
    assert_eq!(asked["params"], json!({"relay": 1}));
    program.ask_ok(json!({"op": "answer", "call": asked["call"]}));
    assert_eq!(arrived(&house, "/sys/a1Sensor000/meter-1/thing/service/property/set_reply")["code"], 200);

    house.cloud.ask(&json!({"do": "kick", "product_key": "a1Sensor000", "device_name": "meter-1"}));
    let told = program.message("$device/a1Sensor000/meter-1/error");
    assert!(told["payload"].as_str().unwrap().contains("427"), "{told}");
    program.ask_ok(with_secret("device_login"));
    program.ask_ok(json!({"op": "device_logout", "device": device}));
    program.ask_ok(json!({"op": "device_delete", "device": device}));
    assert_eq!(program.ask_ok(json!({"op": "device_list"}))["data"], json!([]));
    assert!(!house.log().contains(SUB_DEVICE_SECRET));
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
    arrived(&house, &sys("thing/config/log/get"));
    house.cloud.subscribed_to(&sys("thing/config/log/push"));
    house.cloud.console(json!({"do": "log_upload", "on": true}));
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
}

#[test]
fn a_plain_broker_has_no_thing_model_and_says_so() {
    let house = House::with_broker(free_port());
    let mut program = Door::open(&house.socket());
    let answer = program.ask(json!({"op": "call", "method": "thing.topo.get"}));
    assert_eq!(answer["code"], "not_supported", "{answer}");
}
