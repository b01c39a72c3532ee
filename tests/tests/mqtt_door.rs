//! Debian's mosquitto clients at the daemon's MQTT door.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, eventually, run};
use serde_json::json;
use std::process::{Child, Command, Output, Stdio};

fn mosquitto(house: &House, program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.arg("--unix").arg(house.path("mqtt.sock")).args(args);
    command
}

fn publish(house: &House, args: &[&str]) -> Output {
    run(&mut mosquitto(house, "mosquitto_pub", args))
}

/// A subscriber, once the daemon knows of it. Whatever becomes of the test, it ends.
fn subscribe(house: &House, args: &[&str]) -> Child {
    let before = house.log().matches("MQTT subscribed").count();
    let mut command = mosquitto(house, "mosquitto_sub", args);
    let child = command.args(["-W", "90"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    eventually("the subscription", || (house.log().matches("MQTT subscribed").count() > before).then_some(()));
    child
}

fn printed(child: Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn mosquitto_pub_reaches_the_cloud_and_mosquitto_sub_hears_it() {
    let house = House::new();
    house.program();
    for qos in ["0", "1"] {
        let done = publish(&house, &["-t", "user/update", "-m", &format!("at {qos}"), "-q", qos]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
    house.all_arrive("user/update", &["at 0".into(), "at 1".into()]);

    let hears = subscribe(&house, &["-t", "user/#", "-q", "1", "-v", "-C", "2"]);
    house.cloud.subscribed("user/#");
    house.cloud.publish("user/get", b"to mosquitto");
    house.cloud.publish("user/get", "ünïcode".as_bytes());
    assert_eq!(printed(hears), "user/get to mosquitto\nuser/get ünïcode\n");
}

#[test]
fn a_message_at_qos_1_is_on_the_disk_when_mosquitto_pub_has_its_acknowledgement() {
    let mut house = House::new();
    house.kill_modem();
    let lines: String = (0..50).map(|number| format!("kept {number}\n")).collect();
    let file = house.path("lines");
    std::fs::write(&file, lines).unwrap();
    let input = std::fs::File::open(file).unwrap();
    let mut command = mosquitto(&house, "mosquitto_pub", &["-t", "user/update", "-q", "1", "-l"]);
    assert!(command.stdin(input).status().unwrap().success());
    house.kill_daemon();
    house.start_daemon();
    house.start_modem();
    let kept: Vec<String> = (0..50).map(|number| format!("kept {number}")).collect();
    assert_eq!(house.all_arrive("user/update", &kept), kept);
}

#[test]
fn local_topics_stay_on_this_host_and_reach_both_doors() {
    let house = House::new();
    let mut program = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "local/#"}));
    let hears = subscribe(&house, &["-t", "local/plant/+", "-q", "1", "-v", "-C", "2"]);
    assert!(publish(&house, &["-t", "local/plant/1", "-m", "from mqtt"]).status.success());
    assert_eq!(program.message("local/plant/1")["payload"], "from mqtt");
    let answer = program.ask_ok(json!({"op": "publish", "topic": "local/plant/2", "payload": "from json"}));
    assert_eq!(answer["seq"], 0);
    assert_eq!(printed(hears), "local/plant/1 from mqtt\nlocal/plant/2 from json\n");
    program.publish("user/update", "end");
    house.all_arrive("user/update", &["end".into()]);
    assert!(house.cloud.arrived().iter().all(|message| !message["topic"].as_str().unwrap().contains("local")));
}

#[test]
fn retained_messages_greet_and_wills_are_read_out() {
    let house = House::new();
    assert!(publish(&house, &["-t", "local/state", "-m", "warm", "-r"]).status.success());
    let hears = subscribe(&house, &["-t", "local/state", "-F", "%r %p", "-C", "2"]);
    assert!(publish(&house, &["-t", "local/state", "-m", "hot", "-r"]).status.success());
    assert_eq!(printed(hears), "1 warm\n0 hot\n");
    let link = run(&mut mosquitto(&house, "mosquitto_sub", &["-t", "local/airgate/link", "-C", "1"]));
    assert!(String::from_utf8_lossy(&link.stdout).contains("\"state\":"), "the daemon's own state is retained");

    let hears = subscribe(&house, &["-t", "local/gone", "-C", "1"]);
    let will = ["-t", "local/none", "--will-topic", "local/gone", "--will-payload", "killed", "--will-qos", "1"];
    let mut victim = subscribe(&house, &will);
    victim.kill().unwrap();
    victim.wait().unwrap();
    assert_eq!(printed(hears), "killed\n");
}

#[test]
fn a_session_keeps_messages_while_its_client_is_away() {
    let house = House::new();
    house.program();
    let session = ["-i", "plant-room", "-c", "-q", "1", "-t", "user/get"];
    assert!(run(mosquitto(&house, "mosquitto_sub", &session).arg("-E")).status.success());
    house.cloud.subscribed("user/get");
    let expected: Vec<String> = (0..10).map(|number| format!("while away {number}")).collect();
    for message in &expected {
        house.cloud.publish("user/get", message.as_bytes());
    }
    eventually("the messages are there", || {
        (house.log().matches("kept for a session whose program is away").count() >= 10).then_some(())
    });
    let seen = run(mosquitto(&house, "mosquitto_sub", &session).args(["-C", "10", "-W", "60"]));
    assert_eq!(String::from_utf8_lossy(&seen.stdout).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn a_second_client_of_the_same_name_takes_over() {
    let house = House::new();
    let mut first =
        subscribe(&house, &["-i", "twin", "-t", "local/x", "--will-topic", "local/will", "--will-payload", "w"]);
    let hears = subscribe(&house, &["-t", "local/will", "-C", "1"]);
    // mosquitto_sub connects again when it is turned out; it must not meet the second.
    let second = publish(&house, &["-i", "twin", "-t", "local/y", "-m", ""]);
    assert!(second.status.success());
    assert_eq!(printed(hears), "w\n");
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn what_is_not_allowed_closes_the_connection_with_a_line_in_the_log() {
    let house = House::new();
    for (args, why) in [
        (["-t", "user/update", "-m", "x", "-q", "2"], "QoS 2"),
        (["-t", "local/airgate/link", "-m", "x", "-q", "1"], "where the daemon speaks"),
    ] {
        let refused = mosquitto(&house, "mosquitto_pub", &args).stderr(Stdio::null()).spawn().unwrap();
        eventually("it is refused", || house.log().contains(why).then_some(()));
        let mut refused = refused;
        refused.kill().unwrap();
        refused.wait().unwrap();
    }
    let long = "x".repeat(5_000);
    let mut refused =
        mosquitto(&house, "mosquitto_pub", &["-t", "user/update", "-m", &long, "-q", "1"]).spawn().unwrap();
    eventually("it is refused", || house.log().contains("5000 bytes").then_some(()));
    refused.kill().unwrap();
    refused.wait().unwrap();
    let old = publish(&house, &["-V", "mqttv5", "-t", "user/update", "-m", "x"]);
    assert!(!old.status.success(), "another version is refused with a CONNACK");
    assert!(house.log().contains("protocol level 5"));
    Door::open(&house.socket()).ask_ok(json!({"op": "ping"}));
}
