//! What the daemon tells by itself comes to both doors: as events at the one, below `local/airgate/` at the other.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, eventually, run};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};

const KEY: &str = "a1EndToEnd0";
const NAME: &str = "861551056421746";

/// An MQTT client of this user that ends after so many messages, once the daemon knows of it.
fn listener(house: &House, user: Option<&str>, count: &str) -> Child {
    let before = house.log().matches("MQTT subscribed").count();
    let mut command = Command::new(if user.is_some() { "setpriv" } else { "mosquitto_sub" });
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--clear-groups", "mosquitto_sub"]);
    }
    command
        .arg("--unix")
        .arg(house.path("mqtt.sock"))
        .args(["-t", "local/#", "-v", "-q", "1", "-W", "90", "-C", count]);
    let child = command.stdout(Stdio::piped()).spawn().unwrap();
    eventually("the subscription", || (house.log().matches("MQTT subscribed").count() > before).then_some(()));
    child
}

/// Topics, and what they bear.
fn heard(child: Child) -> Vec<(String, Value)> {
    let output = child.wait_with_output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let message = |line: &str| {
        let (topic, payload) = line.split_once(' ').unwrap();
        (topic.to_owned(), serde_json::from_str(payload).unwrap_or(Value::Null))
    };
    lines.lines().map(message).collect()
}

/// An event without its name is what the other door says.
fn fields(event: &Value) -> Value {
    let mut fields = event.clone();
    fields.as_object_mut().unwrap().remove("event");
    fields
}

#[test]
fn link_text_firmware_and_budget_are_told_at_both_doors() {
    let house = House::with(Setup {
        extra: "[budget]\nmonthly_bytes = \"100 KiB\"\nwarn_at = 0.1\nwhen_spent = \"warn\"\n",
        ..Setup::default()
    });
    let mut program = house.program();
    let mqtt = listener(&house, None, "4");

    let long = "一条很长的短信，分成几段送来。".repeat(8);
    house.ask_modem(&json!({"do": "sms", "from": "10086", "text": long}));
    let text = program.event(|event| event["event"] == "sms");
    assert_eq!((&text["from"], &text["text"]), (&json!("10086"), &json!(long)), "in one piece");
    assert!(text["sent_unix_ms"].as_u64().is_some_and(|at| at > 1_700_000_000_000), "{text}");

    let image = house.path("image.bin");
    std::fs::write(&image, b"a firmware").unwrap();
    let offer = json!({"do": "ota", "product_key": KEY, "device_name": NAME, "version": "1.3.0", "file": image});
    assert_eq!(house.cloud.ask(&offer)["ok"], true);
    let firmware = program.event(|event| event["event"] == "ota");
    assert_eq!(firmware["version"], "1.3.0");

    for _ in 0..12 {
        program.publish("user/update", &"x".repeat(1000));
    }
    let budget = program.event(|event| event["event"] == "budget");
    assert_eq!(budget["level"], "warned", "{budget}");

    let heard = heard(mqtt);
    let expected = [("sms", &text), ("ota", &firmware), ("budget", &budget)];
    assert!(heard[0].0 == "local/airgate/link" && heard[0].1["state"] == "online", "{heard:?}");
    for ((topic, said), (name, event)) in heard[1..].iter().zip(expected) {
        assert_eq!((topic, said), (&format!("local/airgate/{name}"), &fields(event)));
    }
    assert!(!house.log().contains("一条很长"), "what a text says is not in the log");
}

#[test]
fn a_text_message_is_not_for_whoever_may_hear_the_rest() {
    if String::from_utf8_lossy(&run(Command::new("id").arg("-u")).stdout).trim() != "0" {
        return eprintln!("not root: nothing is tested here");
    }
    let house = House::new();
    let opened = Command::new("chmod").args(["-R", "a+rwX"]).arg(house.path("")).status().unwrap();
    assert!(opened.success());
    let mut root = house.program();
    let nobody = listener(&house, Some("65534"), "2");
    house.ask_modem(&json!({"do": "sms", "from": "10086", "text": "code 4711"}));
    root.event(|event| event["event"] == "sms");
    root.publish("local/end", "{}");
    let topics: Vec<String> = heard(nobody).into_iter().map(|(topic, _)| topic).collect();
    assert_eq!(topics, ["local/airgate/link", "local/end"]);
}

#[test]
fn when_the_budget_is_spent_what_can_wait_is_kept_and_what_cannot_is_refused() {
    let house = House::with(Setup {
        extra: "[budget]\nmonthly_bytes = \"2 KiB\"\nwhen_spent = \"alarms_only\"\n",
        ..Setup::default()
    });
    let mut program = house.program();
    program.publish("user/update", &"x".repeat(2000));
    program.event(|event| event["event"] == "budget" && event["level"] == "spent");
    let publish = |qos: u8, priority: u8| json!({"op": "publish", "topic": "user/update", "payload": format!("{qos}{priority}"), "qos": qos, "priority": priority});
    let call = json!({"op": "call", "method": "thing.property.desired.get", "params": ["a"]});
    for request in [publish(0, 4), call] {
        let refused = program.ask(request);
        assert_eq!(refused["code"], "over_budget", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains("priority 7"), "{refused}");
    }
    for request in [publish(1, 4), publish(0, 9), publish(1, 7)] {
        program.ask_ok(request);
    }
    house.all_arrive("user/update", &["09".to_owned(), "17".to_owned()]);
    assert_eq!(program.status()["outbox"]["queued"], 1, "it waits for the next month");
}
