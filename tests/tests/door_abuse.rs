//! Programs that do at the doors what no program should: others are served, and memory stays bounded.
//!
//! `AIRGATE_ABUSE=N` makes the long ones N times as large: with 20, a gigabyte without a line end and 10,000 visits.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, eventually};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

fn scale() -> usize {
    std::env::var("AIRGATE_ABUSE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1)
}

/// What the daemon holds in memory, in bytes.
fn resident(house: &House) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", house.daemon_pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

fn descriptors(house: &House) -> usize {
    std::fs::read_dir(format!("/proc/{}/fd", house.daemon_pid())).unwrap().count()
}

fn mqtt(house: &House) -> UnixStream {
    UnixStream::connect(house.path("mqtt.sock")).unwrap()
}

#[test]
fn a_line_without_end_is_refused_once_and_costs_no_memory() {
    let house = House::new();
    let mut program = Door::open(&house.socket());
    let before = resident(&house);
    let junk = vec![b'x'; 1 << 20];
    let began = Instant::now();
    for _ in 0..64 * scale() {
        program.send_raw(&junk);
    }
    let least = Duration::from_secs(2) * u32::try_from(scale()).unwrap();
    assert!(began.elapsed() > least, "the processor is for others: {:?}", began.elapsed());
    program.send_raw(b"\n");
    assert_eq!(program.event(|answer| answer["ok"] == false)["code"], "line_too_long");
    program.ask_ok(json!({"op": "ping"}));
    let grown = resident(&house).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
}

#[test]
fn a_packet_that_is_announced_too_long_closes_the_connection_at_once() {
    let house = House::new();
    let mut raw = mqtt(&house);
    raw.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a").unwrap();
    raw.read_exact(&mut [0; 4]).unwrap();
    raw.write_all(&[0x30, 0xff, 0xff, 0xff, 0x7f]).unwrap();
    assert_eq!(raw.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(house.log().contains("a packet of 268435455 bytes"));
}

#[test]
fn a_program_that_never_reads_loses_its_own_messages_and_nobody_elses() {
    let house = House::new();
    let mut slow = Door::open(&house.socket());
    slow.ask_ok(json!({"op": "subscribe", "filter": "local/flood"}));
    let mut quick = Door::open(&house.socket());
    quick.ask_ok(json!({"op": "subscribe", "filter": "local/flood"}));
    // Half a request and half a packet that never go on.
    let mut halves = [UnixStream::connect(house.socket()).unwrap(), mqtt(&house)];
    halves.iter_mut().for_each(|half| half.write_all(b"\x10").unwrap());
    let before = resident(&house);
    let payload = "x".repeat(1000);
    let messages = 4000 * scale();
    for number in 0..messages {
        quick.publish("local/flood", &format!("{number} {payload}"));
        let message = quick.event(|event| event["event"] == "message" || event["event"] == "lagged");
        assert!(message["payload"].as_str().unwrap().starts_with(&format!("{number} ")), "{message}");
    }
    let grown = resident(&house).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes more");
    let mut seen = 0;
    let missed = loop {
        let event = slow.event(|event| event["event"] == "message" || event["event"] == "lagged");
        if event["event"] == "lagged" {
            break event["missed"].as_u64().unwrap() as usize;
        }
        seen += 1;
    };
    assert_eq!(seen + missed, messages, "what is missing is counted");
    assert_eq!(slow.status()["programs"]["lagged"], missed);
}

#[test]
fn a_program_that_says_a_byte_a_second_is_heard_in_the_end_and_waited_for_by_nobody() {
    let house = House::new();
    let mut slow = UnixStream::connect(house.socket()).unwrap();
    let request = b"{\"id\":1,\"op\":\"ping\"}\n";
    let mut quick = Door::open(&house.socket());
    for (second, byte) in request.iter().enumerate() {
        slow.write_all(&[*byte]).unwrap();
        // What is a second to the slow one is a hundred messages to the other.
        for number in 0..100 {
            quick.publish("local/quick", &format!("{second} {number}"));
        }
    }
    let mut heard = String::new();
    let mut lines = std::io::BufReader::new(slow);
    while !heard.contains("\"ok\":true") {
        assert!(std::io::BufRead::read_line(&mut lines, &mut heard).unwrap() > 0);
    }
}

#[test]
fn a_client_that_does_not_say_who_it_is_is_shut_out() {
    let house = House::new();
    let mut half = mqtt(&house);
    half.write_all(b"\x10\x0d\x00").unwrap();
    half.set_read_timeout(Some(airgate_tests::PATIENCE)).unwrap();
    assert_eq!(half.read(&mut [0; 1]).unwrap(), 0);
    assert!(house.log().contains("no CONNECT in 10s"));
}

/// A packet of MQTT.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let (mut packet, mut len) = (vec![kind], body.len());
    while len >= 128 {
        packet.push((len % 128) as u8 | 128);
        len /= 128;
    }
    packet.push(len as u8);
    [&packet, body].concat()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes(), bytes].concat()
}

/// Says as much of it as is listened to.
fn shout(stream: &mut UnixStream, bytes: &[u8]) {
    stream.set_nonblocking(true).unwrap();
    let mut rest = bytes;
    // The daemon is given the time to take what it takes.
    let end = std::time::Instant::now() + std::time::Duration::from_millis(10);
    while !rest.is_empty() && std::time::Instant::now() < end {
        match stream.write(rest) {
            Ok(len) => rest = &rest[len..],
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => std::thread::yield_now(),
            Err(_) => return,
        }
    }
}

/// Everything that makes a daemon hold something for one who does not read: long answers, many deep filters, messages for
/// itself, a will, half a line, half a packet.
#[test]
fn what_one_users_programs_make_it_hold_is_bounded_however_many_they_are() {
    let house = House::new();
    let mut good = Door::open(&house.socket());
    good.ask_ok(json!({"op": "subscribe", "filter": "local/good"}));
    let before = resident(&house);
    let count = 100;
    let programs: Vec<UnixStream> = (0..count)
        .map(|number| {
            let mut program = UnixStream::connect(house.socket()).unwrap();
            let deep = "a/".repeat(100);
            let mut words: Vec<String> = (0..64)
                .map(|filter| format!(r#"{{"id":1,"op":"subscribe","filter":"local/{number}.{filter}/{deep}"}}"#))
                .collect();
            for op in ["metrics", "status", "history", "log"] {
                words.extend(std::iter::repeat_n(format!(r#"{{"id":1,"op":"{op}"}}"#), 100));
            }
            words.push(format!(r#"{{"id":1,"op":"publish","topic":"local/x","payload":"{}"#, "x".repeat(16_000)));
            shout(&mut program, words.join("\n").as_bytes());
            program
        })
        .collect();
    let clients: Vec<UnixStream> = (0..count)
        .map(|number| {
            let (mut client, topic) = (mqtt(&house), format!("local/{number}"));
            let (topic, long) = (string(topic.as_bytes()), vec![b'x'; 60_000]);
            let id = string(number.to_string().as_bytes());
            let connect = [&string(b"MQTT")[..], &[4, 0x0e, 0, 0], &id, &topic, &string(&long)].concat();
            let mut words = packet(0x10, &connect);
            words.extend(packet(0x82, &[&[0, 1][..], &topic, &[1]].concat()));
            for number in 1..40 {
                words.extend(packet(0x32, &[&topic[..], &[0, number], &long].concat()));
            }
            words.extend(&packet(0x32, &[&topic[..], &[0, 99], &long].concat())[..40_000]);
            shout(&mut client, &words);
            client
        })
        .collect();
    for number in 0..100 {
        good.publish("local/good", &number.to_string());
        assert_eq!(good.message("local/good")["payload"], number.to_string(), "it is served one after another");
    }
    let grown = resident(&house).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
    let refused = good.ask(json!({"op": "metrics"}));
    assert_eq!(refused["code"], "rate_limited", "{refused:.200}");
    drop((programs, clients));
    eventually("all have left", || (good.ask(json!({"op": "metrics"}))["ok"] == true).then_some(()));
}

#[test]
fn a_thousand_programs_are_connected_at_once_and_served() {
    let house = House::new();
    let before = resident(&house);
    let count = 1000;
    let mut programs: Vec<Door> = (0..count / 2).map(|_| Door::open(&house.socket())).collect();
    let mut clients: Vec<UnixStream> = (0..count / 2).map(|_| mqtt(&house)).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        let name = format!("{number:04}");
        client.write_all(&[b"\x10\x10\x00\x04MQTT\x04\x02\x00\x00\x00\x04", name.as_bytes()].concat()).unwrap();
        client.write_all(b"\x82\x0c\x00\x01\x00\x07local/x\x00").unwrap();
        client.read_exact(&mut [0; 4 + 5]).unwrap();
    }
    for program in &mut programs {
        program.ask_ok(json!({"op": "subscribe", "filter": "local/x"}));
    }
    programs[0].publish("local/x", "to all");
    for program in &mut programs {
        assert_eq!(program.message("local/x")["payload"], "to all");
    }
    for client in &mut clients {
        let mut message = [0; 2 + 9 + 6];
        client.read_exact(&mut message).unwrap();
        assert!(message.ends_with(b"to all"));
    }
    assert_eq!(programs[0].status()["programs"]["connected"], count);
    let each = resident(&house).saturating_sub(before) / count;
    assert!(each < 40 << 10, "{each} bytes each");
}

#[test]
fn who_comes_and_goes_without_end_waits_for_its_turn() {
    let house = House::new();
    let began = Instant::now();
    // All that may be there at once, and two seconds' worth.
    for _ in 0..1536 + 1024 {
        let mut visitor = UnixStream::connect(house.socket()).unwrap();
        visitor.read_exact(&mut [0; 16]).unwrap();
    }
    assert!(began.elapsed() > Duration::from_millis(1900), "{:?}", began.elapsed());
}

#[test]
fn coming_publishing_and_going_leaves_nothing_behind() {
    let house = House::new();
    let cycle = |number: usize| {
        let mut program = Door::open(&house.socket());
        program.publish("local/cycle", &number.to_string());
        let mut client = mqtt(&house);
        client.write_all(b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a\x30\x0a\x00\x07local/ax\xe0\x00").unwrap();
        client.read_to_end(&mut Vec::new()).unwrap();
    };
    (0..100).for_each(cycle);
    let (memory, open) = (resident(&house), descriptors(&house));
    (0..500 * scale()).for_each(cycle);
    let mut last = Door::open(&house.socket());
    eventually("all have left", || (last.status()["programs"]["connected"] == 1).then_some(()));
    drop(last);
    let grown = resident(&house).saturating_sub(memory);
    assert!(grown < 4 << 20, "{grown} bytes more");
    eventually("all is closed", || (descriptors(&house) <= open + 1).then_some(()));
    let nobody: Value = Door::open(&house.socket()).status();
    assert_eq!(nobody["programs"]["away"], 0);
}

#[test]
fn a_command_that_would_keep_the_line_waiting_for_data_is_refused_and_the_line_serves_on() {
    let house = House::new();
    let mut program = house.program();
    for command in [r#"AT+MPUBEX="x",0,0,5"#, r#"AT+CSQ;+CMGS="10086""#, "A/"] {
        let answer = program.ask(json!({"op": "at", "command": command}));
        assert_eq!(answer["code"], "bad_field", "{command}: {answer}");
        assert!(answer["hint"].as_str().unwrap().contains("`airgate pub`"), "{answer}");
    }
    program.ask_ok(json!({"op": "at", "command": "AT+CSQ"}));
    program.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": "goes", "confirm": true}));
    program.event(|event| event["event"] == "sent");
}
