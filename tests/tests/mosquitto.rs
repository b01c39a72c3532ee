//! The same daemon and module against Debian's own broker.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Process, eventually, free_port};
use serde_json::json;
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn mosquitto(port: u16, log: &std::path::Path) -> Process {
    let broker =
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| std::path::Path::new(path).exists());
    let broker = broker.expect("mosquitto is installed: apt-get install mosquitto mosquitto-clients");
    let process = Process::start(Command::new(broker).arg("-p").arg(port.to_string()), log);
    eventually("the broker listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    process
}

#[test]
fn mosquitto_sub_sees_each_message_and_mosquitto_pub_reaches_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, &dir.path().join("broker.log"));
    let house = House::with_broker(port);
    house.program();

    let port = port.to_string();
    // A session that the broker keeps: it is there from the end of the first call on.
    let subscriber = ["-p", &port, "-i", "plant-room", "-c", "-q", "1", "-t", "plant/#"];
    assert!(Command::new("mosquitto_sub").args(subscriber).arg("-E").status().unwrap().success());
    for number in 0..20 {
        let done = house.airgate(&["pub", "plant/1", &format!("reading {number}")]).status().unwrap();
        assert!(done.success());
    }
    let seen = Command::new("mosquitto_sub").args(subscriber).args(["-v", "-C", "20", "-W", "60"]).output().unwrap();
    let expected: String = (0..20).map(|number| format!("plant/1 reading {number}\n")).collect();
    assert_eq!(String::from_utf8_lossy(&seen.stdout), expected);

    let program = house.airgate(&["sub", "plant/commands", "-C", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the subscription", || house.log().contains("subscribed filter=\"plant/commands\"").then_some(()));
    let sent =
        Command::new("mosquitto_pub").args(["-p", &port, "-q", "1", "-t", "plant/commands", "-m", "open"]).status();
    assert!(sent.unwrap().success());
    assert_eq!(program.wait_with_output().unwrap().stdout, b"open\n");
}

#[test]
fn a_topic_for_which_the_broker_closes_the_connection_is_refused_and_holds_up_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let broker = mosquitto(port, &dir.path().join("broker.log"));
    let house = House::with_broker(port);
    let mut program = house.program();
    for topic in ["plant/\u{ffff}".to_owned(), format!("a{}", "/".repeat(201))] {
        let answer = program.ask(json!({"op": "publish", "topic": topic, "payload": "x"}));
        assert_eq!(answer["code"], "bad_topic", "{answer}");
    }
    let filter = program.ask(json!({"op": "subscribe", "filter": "plant/\u{1fffe}"}));
    assert_eq!(filter["code"], "bad_filter", "{filter}");
    // What is too deep below a prefix is known only where the broker is: the subscription is not made.
    program.ask_ok(json!({"op": "subscribe", "filter": format!("a{}", "/".repeat(201))}));
    program.ask_ok(json!({"op": "publish", "topic": format!("a{}", "/".repeat(200)), "payload": "x", "confirm": true}));
    program.event(|event| event["event"] == "sent");
    assert!(!broker.log().contains("malformed"), "{}", broker.log());
}
