//! What a program writes: read rightly, or refused with words that help.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use airgate_proto::{Code, Id, LinkState, Op, Qos, Request, limits, parse_line};

fn refused(line: &str) -> (Option<String>, Code, String, String) {
    let refusal = parse_line(line.as_bytes()).expect_err(line);
    (refusal.id.map(|id| id.as_json().to_owned()), refusal.code, refusal.message, refusal.hint)
}

#[track_caller]
fn assert_refused(line: &str, code: Code, words: &[&str]) {
    let (id, got, message, hint) = refused(line);
    assert_eq!(got, code, "{message}");
    assert_eq!(id.as_deref(), Some("1"), "the refusal of {line} must bear its id");
    let all = format!("{message} {hint}");
    for word in words {
        assert!(all.contains(word), "`{word}` is missing in: {all}");
    }
}

fn publish(extra: &str) -> String {
    format!(r#"{{"id":1,"op":"publish","topic":"a","payload":"x"{extra}}}"#)
}

#[test]
fn publish_has_the_documented_defaults() {
    let Op::Publish(p) = parse_line(publish("").as_bytes()).unwrap().op else { panic!() };
    assert_eq!((p.qos, p.priority.get(), p.ttl_s, p.confirm, p.key), (Qos::AtLeastOnce, 4, None, false, None));
}

#[test]
fn publish_reads_every_field() {
    let line = publish(r#","qos":0,"priority":9,"ttl_s":60,"confirm":true,"key":"k""#);
    let Op::Publish(p) = parse_line(line.as_bytes()).unwrap().op else { panic!() };
    assert_eq!((p.qos, p.priority.get(), p.ttl_s.map(u32::from), p.confirm), (Qos::AtMostOnce, 9, Some(60), true));
    assert_eq!(p.key.as_deref(), Some("k"));
}

#[test]
fn base64_payload_is_decoded_with_and_without_padding() {
    for text in ["AP8=", "AP8"] {
        let line = format!(r#"{{"id":1,"op":"publish","topic":"a","payload_b64":"{text}"}}"#);
        let Op::Publish(p) = parse_line(line.as_bytes()).unwrap().op else { panic!() };
        assert_eq!(p.payload, [0, 255]);
    }
}

#[test]
fn ids_are_echoed_byte_for_byte() {
    for id in ["1", "-7", "1e3", "1.50", "123456789012345678901234567890", r#""a""#, r#""\u00e9""#] {
        let line = format!(r#"{{"op":"ping","id":{id}}}"#);
        assert_eq!(parse_line(line.as_bytes()).unwrap().id.as_json(), id);
        let line = format!(r#"{{"op":"png","id":{id}}}"#);
        assert_eq!(refused(&line).0.as_deref(), Some(id));
    }
}

#[test]
fn unusable_ids_are_refused() {
    let long = format!(r#""{}""#, "x".repeat(limits::MAX_ID_BYTES));
    for id in ["null", "true", "[1]", "{}", &long] {
        let (shown, code, ..) = refused(&format!(r#"{{"op":"ping","id":{id}}}"#));
        assert_eq!((shown, code), (None, Code::BadField), "{id}");
    }
    assert_eq!(refused(r#"{"op":"ping"}"#).1, Code::BadField);
    assert!(Id::try_from("x".repeat(limits::MAX_ID_BYTES).as_str()).is_err());
}

#[test]
fn text_that_is_not_json_is_told_its_column() {
    let (id, code, message, hint) = refused(r#"{"id":1,"op":ping}"#);
    assert_eq!((id, code), (None, Code::BadJson));
    assert!(message.contains("column 14"), "{message}");
    assert!(hint.contains(r#"{"id":1,"op":"ping"}"#), "{hint}");
    for line in ["", "{", "hello", "[1]", "7", r#"{"id":1} {"id":2}"#, "\"\u{0}\""] {
        assert_eq!(refused(line).1, Code::BadJson, "{line}");
    }
    assert_eq!(parse_line(b"{\"id\":1,\"op\":\"\xff\"}").unwrap_err().code, Code::BadJson);
}

#[test]
fn misspelt_operation_is_told_the_right_one() {
    assert_refused(r#"{"id":1,"op":"subscibe"}"#, Code::UnknownOp, &["did you mean `subscribe`", "publish, subscribe"]);
    assert_refused(r#"{"id":1,"op":"reboot the moon"}"#, Code::UnknownOp, &["the operations are"]);
}

#[test]
fn misspelt_field_is_told_the_right_one() {
    assert_refused(&publish(r#","ttl":5"#), Code::BadField, &["no field `ttl`", "did you mean `ttl_s`", "payload_b64"]);
    assert_refused(r#"{"id":1,"op":"ping","x":1}"#, Code::BadField, &["`ping` has no field `x`"]);
}

#[test]
fn field_given_twice_is_refused() {
    assert_refused(&publish(r#","topic":"b""#), Code::BadField, &["`topic` is there twice"]);
}

#[test]
fn wrong_types_and_ranges_are_told_what_was_expected() {
    for (extra, words) in [
        (r#","qos":2"#, ["`qos`", "from 0 to 1, not 2"]),
        (r#","qos":"1""#, ["`qos`", "not a string"]),
        (r#","priority":10"#, ["`priority`", "from 0 to 9"]),
        (r#","ttl_s":0"#, ["`ttl_s`", "from 1"]),
        (r#","ttl_s":1.5"#, ["`ttl_s`", "whole number"]),
        (r#","confirm":1"#, ["`confirm`", "true or false"]),
        (r#","key":"""#, ["`key`", "1 to 128"]),
    ] {
        assert_refused(&publish(extra), Code::BadField, &words);
    }
    assert_refused(r#"{"id":1,"op":"publish","topic":7,"payload":""}"#, Code::BadField, &["`topic` must be a string"]);
    assert_refused(
        r#"{"id":1,"op":"publish","topic":"a","payload":"\ud800"}"#,
        Code::BadField,
        &["`payload` cannot be read"],
    );
}

#[test]
fn payload_is_given_exactly_once() {
    assert_refused(r#"{"id":1,"op":"publish","topic":"a"}"#, Code::BadField, &["no payload", "payload_b64"]);
    assert_refused(&publish(r#","payload_b64":"""#), Code::BadField, &["two payloads"]);
    assert_refused(r#"{"id":1,"op":"publish","topic":"a","payload_b64":"%"}"#, Code::BadField, &["not base64"]);
}

#[test]
fn payload_over_the_limit_is_refused_and_at_the_limit_taken() {
    let line = |n: usize| format!(r#"{{"id":1,"op":"publish","topic":"a","payload":"{}"}}"#, "x".repeat(n));
    assert!(parse_line(line(limits::MAX_PAYLOAD_BYTES).as_bytes()).is_ok());
    assert_refused(&line(limits::MAX_PAYLOAD_BYTES + 1), Code::PayloadTooLarge, &["262145", "262144"]);
}

#[test]
fn bad_topics_and_filters_have_their_own_codes() {
    assert_refused(r#"{"id":1,"op":"publish","topic":"a/#","payload":""}"#, Code::BadTopic, &["wildcard"]);
    assert_refused(r#"{"id":1,"op":"subscribe","filter":"a/#/b"}"#, Code::BadFilter, &["last"]);
    assert_refused(r#"{"id":1,"op":"unsubscribe","filter":""}"#, Code::BadFilter, &["empty"]);
}

#[test]
fn at_command_cannot_smuggle_a_second_one() {
    assert_refused(r#"{"id":1,"op":"at","command":"AT\rAT+RESET"}"#, Code::BadField, &["control character"]);
    assert_refused(r#"{"id":1,"op":"at"}"#, Code::BadField, &["`command`"]);
    let Request { op, .. } = parse_line(br#"{"id":1,"op":"at","command":"AT+CSQ"}"#).unwrap();
    assert_eq!(op, Op::At { command: "AT+CSQ".into() });
}

#[test]
fn durable_names_are_file_safe() {
    assert_refused(r#"{"id":1,"op":"subscribe","filter":"a","durable":"../x"}"#, Code::BadField, &["`durable`"]);
    assert!(parse_line(br#"{"id":1,"op":"subscribe","filter":"a","durable":"my-app.1"}"#).is_ok());
}

#[test]
fn link_state_spelling_is_fixed() {
    assert_eq!(serde_json::to_string(&LinkState::Online).unwrap(), "\"online\"");
}
