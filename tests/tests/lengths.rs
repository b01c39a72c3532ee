//! How long a message may be: what is too long is refused before it is accepted, and what was accepted and turns out to be
//! too long for the module is told.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::mqtt::{self, Raw};
use airgate_tests::{Door, House, Setup};
use serde_json::{Value, json};

const DEFAULT: usize = 2_048;
/// Firmware that takes 2,384 bytes.
const TAKES_LESS: &str = "780e-v1169";
/// Firmware that takes 4,100 bytes.
const TAKES_ALL: &str = "780e-v1161";
const RAISED: &str = "max_publish_bytes = 4100";
/// Shows the commands on the line.
const LINES: &str = "debug,air780e::line=trace";

fn text(len: usize) -> String {
    (0..len).map(|at| char::from(b'a' + (at % 23) as u8)).collect()
}

fn publish(payload: &str) -> Value {
    json!({"op": "publish", "topic": "user/update", "payload": payload, "confirm": true})
}

fn refused_for_its_length(answer: &Value) {
    assert_eq!(answer["code"], "payload_too_large", "{answer}");
    let said = |field: &str| answer[field].as_str().unwrap().to_owned();
    assert!(said("message").contains(&DEFAULT.to_string()), "{answer}");
    assert!(said("hint").contains("`max_publish_bytes` under [modem]"), "{answer}");
    assert!(said("hint").contains("firmware may take less"), "{answer}");
}

/// How often the module was given a payload of so many bytes.
fn tries(house: &House, len: usize) -> usize {
    house.log().lines().filter(|line| line.contains("MPUBEX") && line.contains(&format!(",{len}"))).count()
}

fn is_told_in_the_log(house: &House, seq: &Value, len: usize) {
    let log = house.log();
    let told: Vec<_> = log.lines().filter(|line| line.contains("message_given_up")).collect();
    assert_eq!(told.len(), 1, "{log}");
    for part in
        [&format!("seq={seq}"), "user/update", &format!("bytes={len}"), "793", "`max_publish_bytes` under [modem]"]
    {
        assert!(told[0].contains(part), "{part}: {}", told[0]);
    }
}

#[test]
fn two_kibibytes_go_through_both_doors_and_one_byte_more_is_refused_with_the_key_that_raises_it() {
    let house = House::with(Setup { profile: TAKES_LESS, ..Setup::default() });
    let mut program = house.program();
    program.ask_ok(publish(&text(DEFAULT)));
    program.event(|event| event["event"] == "sent");
    let mut client = Raw::connected(&house, "m");
    client.say(&mqtt::publish(0x32, "user/by-mqtt", Some(7), &text(DEFAULT)));
    client.expect(&[0x40, 2, 0, 7]);
    house.all_arrive("user/update", &[text(DEFAULT)]);
    house.all_arrive("user/by-mqtt", &[text(DEFAULT)]);

    refused_for_its_length(&program.ask(publish(&text(DEFAULT + 1))));
    client.say(&mqtt::publish(0x32, "user/by-mqtt", Some(8), &text(DEFAULT + 1)));
    client.closed();
    let log = house.log();
    let closed = log.lines().find(|line| line.contains("MQTT connection closed")).expect("a line in the log");
    assert!(closed.contains("2049 bytes") && closed.contains("`max_publish_bytes` under [modem]"), "{closed}");
    assert!(!log.contains("message_given_up"), "{log}");
}

#[test]
fn the_envelope_counts_and_the_longest_message_with_one_is_taken_by_a_module_that_takes_no_byte_more() {
    let house = House::with(Setup { profile: "780e-v1161,publish_max=2048", ..Setup::default() });
    let mut program = house.program();
    let property = |len: usize| json!({"op": "property", "params": {"text": text(len)}, "confirm": true});
    let mut last = Value::Null;
    let refused = (DEFAULT - 160..DEFAULT).map(|len| program.ask(property(len))).find(|answer| {
        let is_refused = answer["ok"] == false;
        if !is_refused {
            last = answer["seq"].clone();
        }
        is_refused
    });
    refused_for_its_length(&refused.expect("the envelope has some bytes"));
    assert!(last.is_number(), "the envelope has fewer than 160 bytes");
    let end = program.event(|event| event["event"] == "dropped" || (event["event"] == "sent" && event["seq"] == last));
    assert_eq!(end["event"], "sent", "{end}");
}

#[test]
fn a_request_to_the_cloud_that_is_too_long_is_refused_at_once() {
    let house = House::with(Setup { profile: TAKES_LESS, ..Setup::default() });
    let mut program = house.program();
    let call = json!({"op": "call", "method": "thing.deviceinfo.update", "params": [{"attrKey": text(DEFAULT)}]});
    refused_for_its_length(&program.ask(call));
}

#[test]
fn a_request_to_the_cloud_that_this_firmware_does_not_take_ends_at_once_and_the_next_one_is_answered() {
    let house = House::with(Setup { profile: TAKES_LESS, modem: RAISED, log: LINES, ..Setup::default() });
    let mut program = house.program();
    let asked = |len: usize| {
        let update = json!({"method": "update", "state": {"reported": {"text": text(len)}}, "version": 1});
        [
            json!({"op": "call", "method": "thing.deviceinfo.update", "params": [{"attrKey": text(len)}], "timeout_s": 120}),
            json!({"op": "property", "params": {"text": text(len)}, "wait": true}),
            json!({"op": "shadow", "document": update}),
        ]
    };
    for request in asked(3_000) {
        let answer = program.ask(request);
        assert_eq!(answer["code"], "payload_too_large", "{answer}");
        let said = |field: &str| answer[field].as_str().unwrap().to_owned();
        assert!(said("message").contains("the module does not take 3") && said("message").contains("793"), "{answer}");
        assert!(said("hint").contains("`max_publish_bytes` under [modem]"), "{answer}");
    }
    for request in asked(30) {
        let answer = program.ask(request);
        assert_ne!(answer["code"], "timed_out", "{answer}");
    }
    assert!(!house.log().contains("message_given_up"), "no message was");
}

#[test]
fn what_this_firmware_does_not_take_is_given_up_after_one_try_and_told_and_the_next_one_goes() {
    let house = House::with(Setup { profile: TAKES_LESS, modem: RAISED, log: LINES, ..Setup::default() });
    let mut program = house.program();
    let seq = program.ask_ok(publish(&text(3_000)))["seq"].clone();
    let dropped = program.event(|event| event["event"] == "dropped");
    assert_eq!((&dropped["seq"], &dropped["reason"]), (&seq, &json!("unsendable")));
    program.publish("user/update", "the next one");
    assert_eq!(house.all_arrive("user/update", &["the next one".into()]), ["the next one"]);
    assert_eq!(tries(&house, 3_000), 1, "{}", house.log());
    is_told_in_the_log(&house, &seq, 3_000);
}

#[test]
fn what_the_firmware_takes_arrives_up_to_the_last_byte() {
    let house = House::with(Setup { profile: TAKES_ALL, modem: RAISED, ..Setup::default() });
    let mut program = house.program();
    program.ask_ok(publish(&text(4_100)));
    program.event(|event| event["event"] == "sent");
    assert_eq!(house.cloud.received("user/update"), [text(4_100)]);
    assert_eq!(program.ask(publish(&text(4_101)))["code"], "payload_too_large");
}

#[test]
fn what_was_accepted_before_the_key_was_lowered_is_tried_once_and_sent_or_told() {
    for (profile, is_taken) in [(TAKES_ALL, true), (TAKES_LESS, false)] {
        let mut house = House::unstarted(Setup { profile, modem: RAISED, log: LINES, ..Setup::default() });
        house.kill_modem();
        house.start_daemon();
        let seq = Door::open(&house.socket()).publish("user/update", &text(3_000));
        house.kill_daemon();
        std::fs::create_dir(house.path("conf.d")).unwrap();
        std::fs::write(house.path("conf.d/lower.toml"), "[modem]\nmax_publish_bytes = \"2 KiB\"\n").unwrap();
        house.start_modem();
        house.start_daemon();
        let mut program = house.program();
        refused_for_its_length(&program.ask(publish(&text(3_000))));
        program.publish("user/update", "the next one");
        let arrived = house.all_arrive("user/update", &["the next one".into()]);
        assert_eq!(arrived.contains(&text(3_000)), is_taken, "{profile}: {}", house.log());
        assert_eq!(tries(&house, 3_000), 1, "{profile}: {}", house.log());
        if !is_taken {
            is_told_in_the_log(&house, &json!(seq), 3_000);
        }
    }
}

#[test]
fn who_asks_by_its_key_hears_what_became_of_a_message_that_is_too_long_by_now() {
    let kept = |key: &str| {
        let property = json!({"op": "property", "params": {"text": text(3_000)}, "confirm": true});
        [("m", publish(&text(3_000))), ("p", property)].map(|(kind, mut message)| {
            message["key"] = format!("{key}-{kind}").into();
            message
        })
    };
    for (profile, end) in [(TAKES_ALL, "sent"), (TAKES_LESS, "dropped")] {
        let mut house = House::unstarted(Setup { profile, modem: RAISED, ..Setup::default() });
        house.kill_modem();
        house.start_daemon();
        let first = kept("known").map(|message| Door::open(&house.socket()).ask_ok(message)["seq"].clone());
        house.kill_daemon();
        std::fs::create_dir(house.path("conf.d")).unwrap();
        std::fs::write(house.path("conf.d/lower.toml"), "[modem]\nmax_publish_bytes = \"2 KiB\"\n").unwrap();
        house.start_daemon();
        let mut program = Door::open(&house.socket());
        for (message, seq) in kept("known").into_iter().zip(&first) {
            let answer = program.ask_ok(message);
            assert_eq!((&answer["seq"], &answer["duplicate"]), (seq, &json!(true)), "{profile}: {answer}");
        }
        kept("new").into_iter().for_each(|message| refused_for_its_length(&program.ask(message)));
        house.start_modem();
        for seq in &first {
            let told = program.event(|event| event["seq"] == *seq);
            assert_eq!(told["event"], end, "{profile}: {told}");
        }
        let mut later = Door::open(&house.socket());
        for (message, seq) in kept("known").into_iter().zip(&first) {
            match end {
                "sent" => {
                    assert_eq!(later.ask_ok(message)["duplicate"], true);
                    later.event(|event| event["event"] == "sent" && event["seq"] == *seq);
                }
                // The key of what was given up is free: this is a new message.
                _ => refused_for_its_length(&later.ask(message)),
            }
        }
    }
}

#[test]
fn a_batch_is_never_longer_than_a_message_may_be_and_one_that_the_module_does_not_take_is_taken_apart() {
    let extra = "[[route]]\nfrom = \"user/update\"\n\
                 batch = { max_messages = 8, max_bytes = \"4 KiB\", max_wait = \"1s\", form = \"lines\" }\n";
    let readings: Vec<String> = (0..8).map(|number| format!("{number} {}", text(480))).collect();
    for (modem, is_apart) in [("", false), (RAISED, true)] {
        let house = House::with(Setup { profile: TAKES_LESS, modem, extra, ..Setup::default() });
        let mut program = house.program();
        for reading in &readings {
            program.ask_ok(publish(reading));
        }
        for _ in &readings {
            program.event(|event| event["event"] == "sent");
        }
        let arrived = house.cloud.received("user/update");
        assert!(arrived.iter().all(|batch| batch.len() <= DEFAULT), "{modem}");
        assert_eq!(arrived.join("\n"), readings.join("\n"), "{modem}");
        assert_eq!(house.log().contains("its messages go one by one"), is_apart, "{modem}: {}", house.log());
    }
}

#[test]
fn a_refusal_that_may_pass_is_tried_three_times_and_says_what_to_do_if_it_was_the_length() {
    let house = House::with(Setup { profile: TAKES_ALL, modem: RAISED, log: LINES, ..Setup::default() });
    house.fault("on AT+MPUBEX: refuse 50 20ms always");
    let mut program = house.program();
    for (len, is_sure) in [(600, true), (3_000, false)] {
        program.ask_ok(publish(&text(len)));
        program.event(|event| event["event"] == "dropped");
        assert_eq!(tries(&house, len), 3, "{}", house.log());
        let log = house.log();
        let told = log.lines().rfind(|line| line.contains("message_given_up")).unwrap();
        assert_eq!(told.contains("`max_publish_bytes` under [modem]"), !is_sure, "{told}");
    }
}
