//! What MQTT 3.1.1 wants of a server, byte by byte. `docs/mqtt.md` says which test shows which statement.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::mqtt::*;
use airgate_tests::{Door, House, eventually};
use serde_json::{Value, json};
use std::io::{Read, Write};

#[test]
fn connect_comes_first_and_once() {
    let house = House::new();
    for first in
        [PINGREQ.to_vec(), subscribe(1, "local/a", 0), publish(0x30, "local/a", None, "x"), DISCONNECT.to_vec()]
    {
        let mut raw = Raw::open(&house);
        raw.say(&first);
        raw.closed();
    }
    let mut raw = Raw::connected(&house, "twice");
    raw.say(&connect(CLEAN, 0, &[b"twice"]));
    raw.closed();
}

#[test]
fn connect_is_refused_with_the_code_of_the_table() {
    let house = House::new();
    let mut other_level = connect(CLEAN, 0, &[b"a"]);
    other_level[8] = 3;
    for (bytes, code) in [
        (other_level, 1),
        (connect(0, 0, &[b""]), 2),
        (connect(CLEAN, 0, &[&[b'x'; 100]]), 0),
        (connect(CLEAN | 0x0c, 0, &[b"w", b"local/airgate/x", b"m"]), 5),
        (connect(CLEAN | 0x0c, 0, &[b"w", b"local/+", b"m"]), 5),
    ] {
        let mut raw = Raw::open(&house);
        raw.say(&bytes);
        raw.expect(&[0x20, 2, 0, code]);
        if code != 0 {
            raw.closed();
        }
    }
    // Without a name, a clean session gets one of its own; user name and password are not asked for, and do no harm.
    let (mut one, mut two) = (Raw::open(&house), Raw::open(&house));
    for raw in [&mut one, &mut two] {
        raw.say(&connect(CLEAN | 0xc0, 0, &[b"", b"user", b"secret"]));
        raw.expect(&CONNACK);
    }
    one.settled();
    two.settled();
}

#[test]
fn what_is_malformed_closes_the_connection_and_nothing_more() {
    let house = House::new();
    let mut well = Raw::connected(&house, "well");
    let broken: [(&str, Vec<u8>); 15] = [
        ("reserved type", vec![0xf0, 0]),
        ("flags of SUBSCRIBE", vec![0x80, 6, 0, 1, 0, 1, b'a', 0]),
        ("flags of PINGREQ", vec![0xc1, 0]),
        ("SUBSCRIBE without filter", vec![0x82, 2, 0, 1]),
        ("UNSUBSCRIBE without filter", vec![0xa2, 2, 0, 1]),
        ("reserved bits of a QoS", subscribe(1, "local/a", 4)),
        ("number 0", subscribe(0, "local/a", 0)),
        ("QoS 3", publish(0x36, "local/a", Some(1), "x")),
        ("marked as sent again at QoS 0", publish(0x38, "local/a", None, "x")),
        ("a wildcard in a topic", publish(0x30, "local/+", None, "x")),
        ("no topic", publish(0x30, "", None, "x")),
        ("# before the end", subscribe(1, "local/#/a", 0)),
        ("+ beside others", subscribe(1, "local/a+", 0)),
        ("U+0000", publish(0x30, "local/\0", None, "x")),
        ("a length of five bytes", vec![0x30, 0xff, 0xff, 0xff, 0xff, 1]),
    ];
    for (what, bytes) in &broken {
        let mut raw = Raw::connected(&house, "broken");
        raw.say(bytes);
        raw.closed();
        well.settled();
        eprintln!("{what}: closed");
    }
    let told = house.log().matches("MQTT connection closed").count();
    assert_eq!(told, broken.len(), "one line in the log for each");
    for server_only in [vec![0x20, 2, 0, 0], vec![0x90, 3, 0, 1, 0], vec![0xb0, 2, 0, 1], vec![0xd0, 0]] {
        let mut raw = Raw::connected(&house, "server");
        raw.say(&server_only);
        raw.closed();
    }
    well.settled();
}

#[test]
fn subscriptions_are_granted_one_by_one_and_overlap_without_copies() {
    let house = House::new();
    let mut raw = Raw::connected(&house, "reader");
    // Two filters and QoS 2, which is granted as 1.
    let filters = [&string(b"local/a/#")[..], &[0], &string(b"local/+/b"), &[2]].concat();
    raw.say(&packet(0x82, &[&[0, 7][..], &filters].concat()));
    raw.expect(&[0x90, 4, 0, 7, 0, 1]);
    raw.say(&publish(0x32, "local/a/b", Some(3), "x"));
    // The acknowledgement and the message may come in either order.
    let mut got = [0; 4 + 16];
    raw.0.read_exact(&mut got).unwrap();
    let message = publish(0x32, "local/a/b", Some(1), "x");
    let acknowledged = [0x40, 2, 0, 3];
    assert!(
        got == *[&acknowledged[..], &message].concat() || got == *[&message[..], &acknowledged].concat(),
        "{got:?}"
    );
    raw.settled();
    raw.say(&packet(0xa2, &[&[0, 8][..], &string(b"local/+/b"), &string(b"never/asked")].concat()));
    raw.expect(&[0xb0, 2, 0, 8]);
    raw.say(&publish(0x30, "local/c/b", None, "nobody wants it"));
    raw.settled();
    let marked = "local/\u{feff}mark";
    raw.subscribed(marked, 0);
    raw.say(&publish(0x30, marked, None, "y"));
    raw.expect(&publish(0x30, marked, None, "y"));
    // A system topic is not seen through a wildcard in the first level.
    raw.subscribed("+/x", 0);
    raw.say(&publish(0x30, "local/x", None, "y"));
    raw.expect(&publish(0x30, "local/x", None, "y"));
}

#[test]
fn what_was_not_acknowledged_comes_again_in_order_and_marked() {
    let house = House::new();
    let mut raw = Raw::session(&house, "reader", false);
    raw.subscribed("local/s/#", 1);
    let mut writer = Raw::connected(&house, "writer");
    for number in 1..=3 {
        writer.say(&publish(0x32, "local/s/x", Some(number), &number.to_string()));
        writer.expect(&[0x40, 2, 0, number]);
    }
    for number in 1..=3 {
        raw.expect(&publish(0x32, "local/s/x", Some(number), &number.to_string()));
    }
    raw.say(&[0x40, 2, 0, 2]);
    raw.settled();
    drop(raw);
    writer.say(&publish(0x30, "local/s/x", None, "at QoS 0 it is not kept"));
    let mut raw = Raw::session(&house, "reader", true);
    raw.expect(&publish(0x3a, "local/s/x", Some(1), "1"));
    raw.expect(&publish(0x3a, "local/s/x", Some(2), "3"));
    raw.settled();
    // A clean session ends the kept one.
    drop(Raw::connected(&house, "reader"));
    Raw::session(&house, "reader", false).settled();
}

#[test]
fn what_is_sent_in_one_breath_is_accepted_in_its_order_at_both_doors() {
    let mut house = House::new();
    house.kill_modem();
    let count = 1_000;
    let mut program = Door::open(&house.socket());
    let request = |id| json!({"id": id, "op": "publish", "topic": "user/json", "payload": format!("{id}")});
    let lines: String = (0..count).map(|id| format!("{}\n", request(id))).collect();
    program.send_raw(lines.as_bytes());
    let mut numbers = vec![0; count];
    for _ in 0..count {
        let answer = program.event(|answer| answer["ok"] == true);
        numbers[answer["id"].as_u64().unwrap() as usize] = answer["seq"].as_u64().unwrap();
    }
    assert!(numbers.is_sorted(), "{numbers:?}");

    let mut raw = Raw::connected(&house, "quick");
    let packet = |n: usize| {
        let payload = format!("{n:04}");
        let body = [&string(b"user/mqtt")[..], &(n as u16 + 1).to_be_bytes(), payload.as_bytes()].concat();
        packet(0x32, &body)
    };
    // One writes while the other reads: the door does not read from a client that does not.
    let mut writer = raw.0.try_clone().unwrap();
    let sending =
        std::thread::spawn(move || writer.write_all(&(0..count).flat_map(packet).collect::<Vec<_>>()).unwrap());
    for n in 0..count as u16 {
        let [high, low] = (n + 1).to_be_bytes();
        raw.expect(&[0x40, 2, high, low]);
    }
    sending.join().unwrap();
    let listed = airgate_tests::run(&mut house.airgate(&["outbox", "export", "--topic", "user/mqtt"]));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let payloads = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["payload"].clone());
    assert!(payloads.eq((0..count).map(|n| Value::from(format!("{n:04}")))));
}

#[test]
fn a_newer_client_of_the_same_name_takes_over_the_session() {
    let house = House::new();
    let mut first = Raw::session(&house, "twin", false);
    first.subscribed("local/t", 1);
    let mut second = Raw::session(&house, "twin", true);
    first.closed();
    let mut writer = Raw::connected(&house, "writer");
    writer.say(&publish(0x30, "local/t", None, "x"));
    second.expect(&publish(0x30, "local/t", None, "x"));
}

#[test]
fn a_will_is_read_out_unless_the_client_says_goodbye() {
    let house = House::new();
    let mut reader = Raw::connected(&house, "reader");
    reader.subscribed("local/will/#", 1);
    let with_will = |name: &str, flags, keep_alive| {
        let mut raw = Raw::open(&house);
        let topic = format!("local/will/{name}");
        raw.say(&connect(CLEAN | flags, keep_alive, &[name.as_bytes(), topic.as_bytes(), b"gone"]));
        raw.expect(&CONNACK);
        raw
    };
    // Said goodbye; broke off; broke the protocol; fell silent.
    let mut polite = with_will("polite", 0x04, 0);
    polite.say(&DISCONNECT);
    polite.closed();
    drop(with_will("broke", 0x0c, 0));
    reader.expect(&publish(0x32, "local/will/broke", Some(1), "gone"));
    with_will("wrong", 0x04, 0).say(&[0xf0, 0]);
    reader.expect(&publish(0x30, "local/will/wrong", None, "gone"));
    let mut silent = with_will("silent", 0x2c, 1);
    silent.closed();
    reader.expect(&publish(0x32, "local/will/silent", Some(2), "gone"));
    let mut late = Raw::connected(&house, "late");
    late.subscribed("local/will/silent", 0);
    late.expect(&publish(0x31, "local/will/silent", None, "gone"));
}

#[test]
fn retained_messages_are_replaced_taken_away_and_marked() {
    let house = House::new();
    let mut writer = Raw::connected(&house, "writer");
    let mut early = Raw::connected(&house, "early");
    early.subscribed("local/r", 0);
    for payload in ["old", "new"] {
        writer.say(&publish(0x31, "local/r", None, payload));
        early.expect(&publish(0x30, "local/r", None, payload));
    }
    let mut late = Raw::connected(&house, "late");
    late.subscribed("local/r", 0);
    late.expect(&publish(0x31, "local/r", None, "new"));
    // Subscribed again, it is sent again.
    late.subscribed("local/r", 0);
    late.expect(&publish(0x31, "local/r", None, "new"));
    writer.say(&publish(0x31, "local/r", None, ""));
    early.expect(&publish(0x30, "local/r", None, ""));
    let mut last = Raw::connected(&house, "last");
    last.subscribed("local/r", 0);
    last.settled();
}

#[test]
fn rights_are_those_of_the_json_door() {
    let house = House::with(airgate_tests::Setup {
        extra: "[[app]]\nuser = \"65534\"\npublish = [\"user/#\", \"local/#\"]\nsubscribe = [\"user/get\", \"local/#\"]\nrate = \"5/s\"\n",
        ..airgate_tests::Setup::default()
    });
    let opened = std::process::Command::new("chmod").args(["-R", "a+rwX"]).arg(house.path("")).status().unwrap();
    assert!(opened.success());
    let nobody = |args: &[&str]| {
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "timeout", "20"]);
        let program = args[0];
        command.arg(program).arg("--unix").arg(house.path("mqtt.sock")).args(&args[1..]);
        airgate_tests::run(&mut command)
    };
    assert!(nobody(&["mosquitto_pub", "-t", "user/update", "-q", "1", "-m", "granted"]).status.success());
    let sub = nobody(&["mosquitto_sub", "-t", "user/#", "-E", "-q", "1"]);
    assert!(String::from_utf8_lossy(&sub.stderr).contains("denied") || !sub.status.success(), "{sub:?}");
    assert!(house.log().contains("user 65534 may not subscribe to user/#"));
    nobody(&["mosquitto_pub", "-t", "/sys/x", "-q", "1", "-m", "not granted"]);
    assert!(house.log().contains("user 65534 may not publish to /sys/x"));
    house.all_arrive("user/update", &["granted".into()]);
    Door::open(&house.socket()).ask_ok(json!({"op": "publish", "topic": "user/update", "payload": "root may"}));
}

#[test]
fn a_will_counts_towards_the_rate_and_is_dropped_above_it() {
    let house = House::with(airgate_tests::Setup {
        extra: "[[app]]\nuser = \"65534\"\npublish = [\"local/#\"]\nrate = \"2/h\"\n",
        ..airgate_tests::Setup::default()
    });
    let opened = std::process::Command::new("chmod").args(["-R", "a+rwX"]).arg(house.path("")).status().unwrap();
    assert!(opened.success());
    let mut reader = Raw::connected(&house, "reader");
    reader.subscribed("local/will", 0);
    let with_will = connect(CLEAN | 0x04, 0, &[b"", b"local/will", b"gone"]);
    let hex: String = with_will.iter().map(|byte| format!("{byte:02x}")).collect();
    let comes_and_breaks_off = || {
        let script = "import socket, sys\ns = socket.socket(socket.AF_UNIX)\ns.connect(sys.argv[1])\n\
                      s.sendall(bytes.fromhex(sys.argv[2]))\ns.recv(4)\n";
        let mut command = std::process::Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "timeout", "20"]);
        let came = airgate_tests::run(command.args(["python3", "-c", script]).arg(house.path("mqtt.sock")).arg(&hex));
        assert!(came.status.success(), "{came:?}");
    };
    for _ in 0..2 {
        comes_and_breaks_off();
        reader.expect(&publish(0x30, "local/will", None, "gone"));
    }
    comes_and_breaks_off();
    eventually("the third is dropped, and told", || {
        house.log().contains("a will is lost: user 65534 publishes faster than it may: 2 in 3600s").then_some(())
    });
    Raw::connected(&house, "writer").say(&publish(0x30, "local/will", None, "not a will"));
    reader.expect(&publish(0x30, "local/will", None, "not a will"));
}

#[test]
fn a_call_of_the_cloud_is_answered_by_the_client_that_got_it() {
    let house = House::new();
    house.program();
    let mut raw = Raw::connected(&house, "worker");
    raw.subscribed("$thing/service/reboot", 0);
    let topic = |path: &str| format!("/sys/a1EndToEnd0/861551056421746/rrpc/{path}");
    let request =
        json!({"id": "1", "version": "1.0", "method": "thing.service.reboot", "params": {"in_s": 3}}).to_string();
    eventually("the device listens", || {
        let publish = json!({
            "do": "publish", "product_key": "a1EndToEnd0", "device_name": "861551056421746",
            "topic": topic("request/2001"), "qos": 1, "payload": request,
        });
        (house.cloud.ask(&publish)["delivery"] == "sent").then_some(())
    });
    let mut head = [0; 2];
    raw.0.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 0x30);
    let mut length = usize::from(head[1] & 0x7f);
    if head[1] >= 0x80 {
        let mut high = [0; 1];
        raw.0.read_exact(&mut high).unwrap();
        length += usize::from(high[0]) << 7;
    }
    let mut body = vec![0; length];
    raw.0.read_exact(&mut body).unwrap();
    let asked = String::from_utf8(body[2..].to_vec()).unwrap();
    let call: Value = serde_json::from_str(asked.strip_prefix("$thing/service/reboot").unwrap()).unwrap();
    assert_eq!(call["params"], json!({"in_s": 3}));
    let answers = format!("local/airgate/answer/{}", call["call"].as_str().unwrap());
    raw.say(&publish(0x32, &answers, Some(1), r#"{"data":{"accepted":true}}"#));
    raw.expect(&[0x40, 2, 0, 1]);
    let response = eventually("the answer is in the cloud", || {
        house.cloud.arrived().into_iter().find(|message| message["topic"] == topic("response/2001"))
    });
    let response: Value = serde_json::from_str(response["payload"].as_str().unwrap()).unwrap();
    assert_eq!((&response["code"], &response["data"]), (&json!(200), &json!({"accepted": true})));
    // Nobody answers another's, and an answer is a JSON object.
    let mut other = Raw::connected(&house, "other");
    other.say(&publish(0x32, &answers, Some(1), r#"{"data":{}}"#));
    other.expect(&[0x40, 2, 0, 1]);
    eventually("it is not taken", || house.log().contains("answer is not taken").then_some(()));
    other.say(&publish(0x32, &answers, Some(1), "nonsense"));
    other.closed();
}
