//! A program publishes, the cloud has it; the cloud sends, the program has it.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Setup, Tls, eventually, nasty_payload, run};
use serde_json::json;
use std::process::Command;

#[test]
fn what_a_program_publishes_is_in_the_cloud() {
    let house = House::new();
    let mut program = house.program();
    let answer =
        program.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": "hello world", "confirm": true}));
    let seq = &answer["seq"];
    program.event(|event| event["event"] == "sent" && event["seq"] == *seq);
    assert_eq!(house.cloud.received("user/update"), ["hello world"]);
}

#[test]
fn what_the_cloud_sends_reaches_the_program_that_asked_under_its_short_name() {
    let house = House::new();
    let mut program = house.program();
    let mut other = Door::open(&house.socket());
    program.ask_ok(json!({"op": "subscribe", "filter": "user/get"}));
    other.ask_ok(json!({"op": "subscribe", "filter": "user/other"}));
    house.cloud.subscribed("user/get");
    house.cloud.publish("user/get", b"hello device");
    let message = program.message("user/get");
    assert_eq!(message["payload"], "hello device");
    assert_eq!(other.ask_ok(json!({"op": "ping"}))["ok"], true, "the other got nothing in between");
}

#[test]
fn four_thousand_nasty_bytes_go_up_and_come_down_unchanged() {
    let modem = "max_publish_bytes = 4100";
    // The last two are as large as this firmware's module shows, by the vendor's own table.
    for (profile, len) in [("780e-v1161", 4000), ("780ep", 4000), ("780e-v1169", 1360), ("nasty", 1360)] {
        let house = House::with(Setup { profile, modem, ..Setup::default() });
        let mut program = house.program();
        let payload = airgate_tests::base64(&nasty_payload(len));
        program.ask_ok(json!({"op": "subscribe", "filter": "user/get"}));
        let publish = json!({"op": "publish", "topic": "user/update", "payload_b64": payload, "confirm": true});
        program.ask_ok(publish);
        program.event(|event| event["event"] == "sent");
        assert_eq!(house.cloud.received("user/update"), [format!("base64:{payload}")], "{profile}");
        house.cloud.subscribed("user/get");
        house.cloud.publish("user/get", &nasty_payload(len));
        assert_eq!(program.message("user/get")["payload_b64"], payload.as_str(), "{profile}");
    }
}

#[test]
fn the_version_is_reported_at_sign_in() {
    let house = House::new();
    house.program();
    let report = eventually("the version report", || {
        let mut arrived = house.cloud.arrived();
        arrived.retain(|m| m["topic"] == "/ota/device/inform/a1EndToEnd0/861551056421746");
        arrived.pop()
    });
    assert!(report["payload"].as_str().unwrap().contains("\"version\":\"1.2.3\""));
}

#[test]
fn tls_is_verified_against_the_given_authority() {
    let house = House::with(Setup { tls: Tls::OwnAuthority, ..Setup::default() });
    let mut program = house.program();
    program.publish("user/update", "in secret");
    house.all_arrive("user/update", &["in secret".into()]);
}

#[test]
fn the_commands_publish_subscribe_and_show() {
    let house = House::new();
    house.program();
    let done = run(&mut house.airgate(&["pub", "user/update", "from the shell", "--confirm"]));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert_eq!(house.cloud.received("user/update"), ["from the shell"]);

    let subscriber =
        house.airgate(&["sub", "user/get", "--count", "1", "-v"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    house.cloud.subscribed("user/get");
    house.cloud.publish("user/get", b"to the shell");
    let output = subscriber.wait_with_output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "user/get to the shell\n");

    let status = run(&mut house.airgate(&["status"]));
    let text = String::from_utf8_lossy(&status.stdout).into_owned();
    for part in ["online", "861551056421746 of product a1EndToEnd0", "AirM2M_780E_V1161_LTE_AT", "1 acknowledged"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let signal = run(&mut house.airgate(&["at", "AT+CSQ"]));
    assert!(String::from_utf8_lossy(&signal.stdout).starts_with("+CSQ: "));
}

#[test]
fn the_demonstration_ends_well_and_loses_nothing() {
    // As the README has it, `cargo demo -- --seconds 5`, in the build that is there: what the alias says, less `--release`.
    let aliases = include_str!("../../.cargo/config.toml");
    let alias = aliases.lines().find_map(|line| line.strip_prefix("demo = ")).unwrap().trim_matches('"');
    let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".into()));
    cargo.args(alias.split(' ').filter(|word| *word != "--release")).args(["--", "--seconds", "5", "--json"]);
    let output = run(&mut cargo);
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    let summary: serde_json::Value = serde_json::from_str(printed.lines().last().unwrap()).unwrap();
    assert_eq!(summary["accepted"], summary["acknowledged"]);
    assert!(summary["accepted"].as_u64() >= Some(3) && summary["received"].as_u64() >= Some(1), "{summary}");
}

#[test]
fn more_than_the_cloud_takes_in_a_second_waits_its_turn_and_none_of_it_is_dropped() {
    let house = House::with(Setup { limits: true, ..Setup::default() });
    let mut program = house.program();
    let accepted: Vec<String> = (0..40).map(|number| format!("burst {number}")).collect();
    for payload in &accepted {
        program.publish("user/update", payload);
    }
    let received = house.all_arrive("user/update", &accepted);
    assert_eq!(received, accepted);
    let log = house.cloud.ask(&json!({"do": "log"})).to_string();
    assert!(!log.contains("over the rate"), "{log}");
}
