//! What is refused is said, with what to do, and not hammered.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Setup, Tls, bin, eventually, run};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Output;

#[test]
fn a_wrong_secret_is_told_in_one_line_and_not_hammered() {
    let house = House::with(Setup { secret: "ffffffffffffffffffffffffffffffff", ..Setup::default() });
    let mut program = Door::open(&house.socket());
    eventually("three refusals", || {
        let status = program.status();
        (status["link"]["attempts"] == 3 && status["link"]["next_try_unix_ms"].is_u64()).then_some(())
    });
    let link = program.status()["link"].clone();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis() as u64;
    let wait = link["next_try_unix_ms"].as_u64().unwrap().saturating_sub(now);
    assert!(wait > 28_000, "the next try is due in {wait} ms");
    assert_eq!(link["trouble"]["code"], "sign_in_refused");
    let log = house.log();
    let told: Vec<&str> = log.lines().filter(|line| line.contains("sign_in_refused")).collect();
    assert_eq!(told.len(), 3, "{log}");
    for line in told {
        assert!(line.contains("DeviceSecret"), "it says what to check: {line}");
        assert!(!line.contains("ffffffff"), "it does not say the secret: {line}");
    }
    program.publish("user/update", "kept all the same");
}

#[test]
fn a_server_that_the_clouds_root_did_not_sign_gets_no_password() {
    let house = House::with(Setup { tls: Tls::CloudsRoot, ..Setup::default() });
    let mut program = Door::open(&house.socket());
    program.event(|event| event["event"] == "link" && event["code"] == "unreachable");
    let log = house.cloud.ask(&json!({"do": "log"}));
    assert_eq!(log["events"], json!([]), "nobody signed in, and nobody was refused");
}

/// A broker that closes the connection for every message with these bytes in it, and takes any other.
fn touchy_broker(bad: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut packet = [0; 4096];
            while let Ok(len @ 1..) = stream.read(&mut packet) {
                let said = &packet[..len];
                // Topics are short: the packet identifier comes after one byte of length, two of the topic's, and it.
                let answer = match said[0] >> 4 {
                    1 => vec![0x20, 2, 0, 0],
                    3 if said.windows(bad.len()).any(|bytes| bytes == bad) => break,
                    3 => [&[0x40, 2], &said[4 + usize::from(said[3])..][..2]].concat(),
                    _ => vec![0xd0, 0],
                };
                if stream.write_all(&answer).is_err() {
                    break;
                }
            }
        }
    });
    port
}

#[test]
fn a_message_for_which_the_broker_closes_the_connection_is_named_and_can_be_dropped() {
    let house = House::with_broker(touchy_broker(b"plant/x"));
    let mut program = Door::open(&house.socket());
    let seq = program.publish("plant/x", "not for this broker");
    let hint = eventually("the message is named", || {
        let trouble = program.status()["link"]["trouble"].clone();
        let hint = trouble["hint"].as_str()?.to_owned();
        (trouble["code"] == "identity_taken" && hint.contains("message ")).then_some(hint)
    });
    assert!(hint.contains(&format!("message {seq} to plant/x")), "{hint}");
    assert!(hint.contains("`airgate outbox drop --topic 'plant/x'`"), "{hint}");
    assert!(hint.contains("find the other one"), "{hint}");
    eventually("it is dropped, but for a moment in which it is being sent", || {
        assert!(run(&mut house.airgate(&["outbox", "drop", "--topic", "plant/x"])).status.success());
        (program.status()["outbox"]["dropped"] == 1).then_some(())
    });
}

#[test]
fn a_message_for_which_the_broker_closes_the_connection_steps_aside_for_the_others() {
    let house = House::with_broker(touchy_broker(b"not that"));
    let mut program = Door::open(&house.socket());
    let bad = program.publish("plant/x", "not that");
    program.publish("plant/x", "behind it");
    let mut good = Vec::new();
    for number in 0..3 {
        let topic = format!("plant/{number}");
        let publish = json!({"op": "publish", "topic": topic, "payload": "for this broker", "confirm": true});
        good.push(program.ask_ok(publish)["seq"].clone());
    }
    for seq in good {
        assert_eq!(program.event(|event| event["seq"] == seq)["event"], "sent");
    }
    let status = program.status();
    let aside = &status["link"]["aside"];
    assert_eq!((&status["link"]["state"], &aside["code"]), (&json!("online"), &json!("stands_aside")));
    assert!(aside["message"].as_str().unwrap().contains(&format!("message {bad} to plant/x")), "{aside}");
    assert_eq!(status["outbox"]["queued"], 2, "nothing is lost, and nothing overtakes in its topic");
    assert!(run(&mut house.airgate(&["outbox", "drop", "--topic", "plant/x"])).status.success());
    assert_eq!(program.status()["outbox"]["dropped"], 2);
}

#[test]
fn a_device_that_is_thrown_out_again_and_again_is_told_that_another_uses_its_identity() {
    let house = House::new();
    let mut program = house.program();
    let kick = json!({"do": "kick", "product_key": "a1EndToEnd0", "device_name": "861551056421746"});
    for time in 1..=3 {
        program.online();
        eventually("the cloud knows that it is online", || {
            (house.cloud.ask(&kick)["was_online"] == true).then_some(())
        });
        let ended = program.event(|event| event["event"] == "link" && event["state"] == "offline");
        assert_eq!(ended["code"] == "identity_taken", time == 3, "time {time}: {ended}");
    }
    assert!(house.log().contains("give each its own device"), "it says what to do");
    program.online();
}

fn refused(output: &Output, exit: i32, code: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{errors}");
    assert!(errors.starts_with(&format!("error[{code}]: ")), "{errors}");
}

#[test]
fn no_daemon_is_exit_code_3_with_a_hint() {
    let output = run(bin("airgate").args(["pub", "t", "m", "--socket", "/does/not/exist.sock"]));
    refused(&output, 3, "no_daemon");
    assert!(String::from_utf8_lossy(&output.stderr).contains("\nhint: "));
}

#[test]
fn a_wrong_configuration_is_exit_code_2_with_file_and_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, "[modem]\nbuad = 115200\n").unwrap();
    let output = run(bin("airgate").arg("run").arg("--config").arg(&file));
    assert_eq!(output.status.code(), Some(2));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("airgate.toml:2:1") && errors.contains("baud"), "{errors}");
}

#[test]
fn each_bad_request_gets_its_code_and_the_connection_goes_on() {
    let house = House::new();
    let mut program = Door::open(&house.socket());
    let cases = [
        (json!({"op": "publsh", "topic": "user/x", "payload": ""}), "unknown_op"),
        (json!({"op": "publish", "topic": "user/x"}), "bad_field"),
        (json!({"op": "publish", "topic": "user/x", "payload": "", "qos": 2}), "bad_field"),
        (json!({"op": "publish", "topic": "user/+", "payload": ""}), "bad_topic"),
        (json!({"op": "subscribe", "filter": "user/#/x"}), "bad_filter"),
        (json!({"op": "publish", "topic": "user/x", "payload": "x".repeat(5000)}), "payload_too_large"),
        (json!({"op": "publish", "topic": "local/airgate/x", "payload": ""}), "not_allowed"),
    ];
    for (request, code) in cases {
        let answer = program.ask(request.clone());
        assert_eq!((&answer["ok"], &answer["code"]), (&Value::Bool(false), &json!(code)), "{request}: {answer}");
        assert!(!answer["message"].as_str().unwrap().is_empty());
    }
    program.send_raw(b"{nonsense\n");
    assert_eq!(program.event(|answer| answer["ok"] == false)["code"], "bad_json");
    let mut long = vec![b'x'; 100_000];
    long.push(b'\n');
    program.send_raw(&long);
    assert_eq!(program.event(|answer| answer["ok"] == false)["code"], "line_too_long");
    program.ask_ok(json!({"op": "ping"}));
}

#[test]
fn a_program_may_retry_with_a_key_and_is_told_when_it_was_sent_before() {
    let mut house = House::new();
    let mut program = house.program();
    let publish = json!({"op": "publish", "topic": "user/update", "payload": "once", "key": "k1", "confirm": true});
    let first = program.ask_ok(publish.clone());
    program.event(|event| event["event"] == "sent");
    house.kill_daemon();
    house.start_daemon();
    let mut program = house.program();
    let again = program.ask_ok(publish);
    assert_eq!((&again["seq"], &again["duplicate"]), (&first["seq"], &Value::Bool(true)));
    program.event(|event| event["event"] == "sent" && event["seq"] == first["seq"]);
    program.publish("user/update", "end");
    assert_eq!(house.all_arrive("user/update", &["end".into()]), ["once", "end"]);
}
