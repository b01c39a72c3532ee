//! What the daemon writes, as a client reads it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use airgate_proto::{
    Code, Device, Done, Dropped, Event, Hello, Id, Link, LinkState, Message, Qos, Refusal, Reply, ServerFrame,
    parse_server_line,
};
use serde_json::json;

fn text(line: Vec<u8>) -> String {
    String::from_utf8(line).unwrap()
}

fn parse(line: &str) -> ServerFrame {
    parse_server_line(line.as_bytes()).expect(line)
}

#[test]
fn hello_is_written_as_documented() {
    let hello = Event::Hello(Hello {
        version: 1,
        daemon: "airgate 0.1.0".into(),
        device: Some(Device { product_key: "pk".into(), device_name: "dn".into() }),
        link: LinkState::Online,
    });
    let line = text(hello.to_line());
    let expected = concat!(
        r#"{"event":"hello","version":1,"daemon":"airgate 0.1.0","device":{"product_key":"pk","device_name":"dn"},"#,
        r#""link":"online"}"#,
        "\n"
    );
    assert_eq!(line, expected);
    assert_eq!(parse(&line), ServerFrame::Event(hello));
}

#[test]
fn binary_payload_goes_as_base64_and_text_as_text() {
    for (payload, field) in [(b"hi".to_vec(), r#""payload":"hi""#), (vec![0xff], r#""payload_b64":"/w==""#)] {
        let event = Event::Message(Message { topic: "t".into(), payload, qos: Qos::AtMostOnce });
        let line = text(event.to_line());
        assert!(line.contains(field), "{line}");
        assert_eq!(parse(&line), ServerFrame::Event(event));
    }
}

#[test]
fn every_event_comes_back_as_it_went() {
    let detail = json!({"reason": "kicked"}).as_object().cloned().unwrap();
    for event in [
        Event::Sent { seq: 1 },
        Event::Lagged { missed: 3 },
        Event::Dropped(Dropped { seq: 2, reason: "ttl".into() }),
        Event::Link(Link { state: LinkState::Offline, detail: detail.clone() }),
        Event::Ota(detail.clone()),
        Event::Sms(detail),
    ] {
        assert_eq!(parse(&text(event.to_line())), ServerFrame::Event(event));
    }
}

#[test]
fn every_reply_comes_back_as_it_went() {
    let done = Done::new(Id::from(5));
    for reply in [
        Reply::Ok(done.clone()),
        Reply::Ok(Done { seq: Some(9), duplicate: true, ..done.clone() }),
        Reply::Ok(Done { status: Some(json!({"a": 1})), lines: Some(vec!["OK".into()]), ..done }),
        Reply::Refused(Refusal::new(None, Code::LineTooLong, "m", "h")),
        Reply::Refused(Refusal::new(Id::try_from("é\"").unwrap(), Code::NotAllowed, "m", "h")),
    ] {
        assert_eq!(parse(&text(reply.to_line())), ServerFrame::Reply(reply));
    }
}

#[test]
fn newer_daemons_are_understood_as_far_as_possible() {
    assert_eq!(parse(r#"{"event":"weather","rain":true}"#), ServerFrame::Unknown("weather".into()));
    assert_eq!(parse(r#"{"event":"sent","seq":1,"at":7}"#), ServerFrame::Event(Event::Sent { seq: 1 }));
    let ServerFrame::Reply(Reply::Refused(refusal)) = parse(r#"{"id":1,"ok":false,"code":"on_strike","more":1}"#)
    else {
        panic!()
    };
    assert_eq!(refusal.code, Code::Unknown);
}

#[test]
fn lines_of_no_daemon_are_errors() {
    for line in ["{}", "[]", "x", r#"{"ok":true}"#, r#"{"id":[],"ok":true}"#, r#"{"event":"sent"}"#] {
        assert!(parse_server_line(line.as_bytes()).is_err(), "{line}");
    }
    let both = r#"{"event":"message","topic":"t","qos":0,"payload":"","payload_b64":""}"#;
    assert!(parse_server_line(both.as_bytes()).is_err());
}

#[test]
fn code_spellings_are_those_of_the_document() {
    for code in Code::ALL {
        assert_eq!(serde_json::to_value(code).unwrap(), json!(code.as_str()));
        assert_eq!(serde_json::from_value::<Code>(json!(code.as_str())).unwrap(), code);
    }
}
