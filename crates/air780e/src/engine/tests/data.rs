//! The data phase: what is sent behind a prompt, and what becomes of a payload that the module still waits for.

use super::*;

#[test]
fn data_goes_only_after_the_prompt_and_nothing_behind_it() {
    let mut bench = Bench::synchronised();
    let payload = Bytes::from_static(b"\0\xffOK\r\n> ");
    let mut exchange = exchange(&PublishBytes { topic: "t", qos: 1, retain: 0, payload: payload.clone() }).unwrap();
    exchange.follow_up = acknowledgement(1);
    bench.begin(1, exchange);
    assert_eq!(bench.sent(), &b"AT+MPUBEX=\"t\",1,0,8\r\n"[..]);
    assert_eq!(bench.gets(b"\r\n"), []);
    assert_eq!(bench.sent(), &b""[..]);
    bench.gets(b"> ");
    assert_eq!(bench.sent(), payload);
    assert_eq!(bench.gets(b"\r\nOK\r\n\r\nPUBACK\r\n"), [ok(1)]);
}

#[test]
fn no_byte_is_sent_while_the_module_may_wait_for_payload() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.sent();
    assert_eq!(bench.wait(10), [failed(1, Failure::NoPrompt)]);
    bench.wait(5);
    assert_eq!(bench.sent(), &b""[..]);
}

#[test]
fn a_module_whose_prompt_was_lost_gets_the_payload_and_not_the_knocking() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.sent();
    bench.wait(10);
    bench.wait(6);
    assert_eq!(bench.sent(), &b"payload\r"[..], "what else it were sent would be published");
    bench.wait(7);
    assert_eq!(bench.sent(), &b"payload\r"[..], "and again, should it not have listened");
    bench.gets(b"\r\nERROR\r\n");
    assert_eq!(bench.sent(), &b"AT+CGMI\r"[..], "it was no payload, and this is an answer");
}

#[test]
fn a_module_that_wakes_up_late_and_prompts_gets_its_payload_and_not_more_knocking() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.wait(10);
    bench.wait(6);
    bench.wait(7);
    bench.sent();
    bench.gets(b"\r\n> ");
    assert_eq!(bench.sent(), &b"payload"[..]);
    bench.wait(5);
    assert_eq!(bench.sent(), &b""[..], "it may still take it");
    bench.gets(b"\r\nOK\r\n");
    assert_eq!(bench.sent(), &b"AT+CGMI\r"[..]);
    bench.gets(b"> ");
    assert_eq!(bench.sent(), &b""[..], "once");
}

#[test]
fn a_port_lost_before_the_prompt_brings_the_payload_when_it_comes_back() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.sent();
    bench.engine.port_lost();
    bench.engine.port_opened(bench.now);
    assert_eq!(bench.sent(), &b"payload\r"[..]);
    bench.gets(b"\r\nOK\r\n");
    assert_eq!(bench.sent(), &b"AT+CGMI\r"[..]);
    bench.engine.port_lost();
    bench.engine.port_opened(bench.now);
    assert_eq!(bench.sent(), &b"AT\r"[..], "once");
}

#[test]
fn a_port_lost_behind_the_prompt_brings_the_payload_too_when_it_comes_back() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.gets(b"\r\n> ");
    bench.sent();
    bench.engine.port_lost();
    bench.engine.port_opened(bench.now);
    assert_eq!(bench.sent(), &b"payload\r"[..], "it may have got nothing of it");
}

#[test]
fn a_process_that_died_in_the_data_phase_leaves_its_payload_to_the_next_one() {
    let mut bench = Bench::synchronised();
    assert_eq!(bench.engine.payload_due(), None);
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    let due = bench.engine.payload_due().cloned();
    assert_eq!(due.as_deref(), Some(&b"payload"[..]), "before its command has left");
    let now = bench.now;
    let mut next = Bench { engine: Engine::new(115_200, now).owing(due), now };
    next.engine.port_opened(now);
    assert_eq!(next.sent(), &b"payload\r"[..]);
    assert!(next.engine.payload_due().is_some(), "as long as nothing answers");
    next.gets(b"\r\nERROR\r\n");
    assert_eq!((next.sent(), next.engine.payload_due()), (Bytes::from_static(b"AT+CGSN\r"), None));
    bench.gets(b"\r\n> ");
    assert!(bench.engine.payload_due().is_some(), "it may have got only a part of it");
    bench.gets(b"\r\nOK\r\n");
    assert_eq!(bench.engine.payload_due(), None);
}

#[test]
fn a_payload_that_is_a_command_is_never_sent_without_a_prompt() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"\rAT+CFUN=0\r") });
    bench.sent();
    bench.wait(10);
    bench.wait(6);
    assert_eq!(bench.sent(), &b"AT\r"[..]);
}

#[test]
fn a_prompt_that_comes_late_gets_the_payload_it_was_asked_for() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    bench.sent();
    bench.wait(10);
    bench.gets(b"\r\n>");
    assert_eq!(bench.sent(), &b"payload"[..]);
    bench.gets(b"\r\nOK\r\n");
    assert_eq!(bench.sent(), &b"AT+CGMI\r"[..]);
}

#[test]
fn an_error_instead_of_the_prompt_ends_the_command() {
    let mut bench = Bench::synchronised();
    bench.start(1, &PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from_static(b"payload") });
    let refused = Failure::Refused(crate::exchange::Refusal::Cme(767));
    assert_eq!(bench.gets(b"\r\n+CME ERROR: 767\r\n"), [failed(1, refused)]);
    assert_eq!(bench.gets(b">"), [], "no prompt is expected any more");
}

#[test]
fn the_body_of_a_request_goes_out_behind_download() {
    let mut bench = Bench::synchronised();
    bench.start(1, &SetBody { body: Bytes::from_static(b"a=1") });
    assert_eq!(bench.sent(), &b"AT+HTTPDATA=3,10000\r\n"[..]);
    assert_eq!(bench.gets(b"\r\nDOWNLOAD\r\n"), []);
    assert_eq!(bench.sent(), &b"a=1"[..]);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [ok(1)]);
}

#[test]
fn a_short_message_whose_prompt_got_lost_is_given_up_before_anything_else_is_sent() {
    let mut bench = Bench::synchronised();
    let pdu = crate::sms::encode("10086", "hi", 0).unwrap().remove(0);
    bench.start(1, &crate::command::sms::Send { pdu });
    assert_eq!(bench.sent(), &b"AT+CMGS=12\r"[..]);
    assert_eq!(bench.wait(10), [failed(1, Failure::NoPrompt)]);
    assert_eq!(bench.sent(), &b""[..]);
    bench.wait(6);
    assert_eq!(bench.sent(), &b"\x1bAT\r"[..], "else the knock would become part of the message");
    bench.gets(b"\r\n> ");
    assert_eq!(bench.sent(), &b"\x1b"[..], "nor is a message sent that was told to be not sent");
}

#[test]
fn a_short_message_that_says_ok_is_no_answer() {
    let mut bench = Bench::synchronised();
    bench.start(1, &NumericErrors);
    let events = bench.gets(b"\r\n+CMT: \"+861\",,\"24/07/10,16:33:44+32\"\r\nOK\r\n");
    let (header, body) = (Bytes::from_static(b"+CMT: \"+861\",,\"24/07/10,16:33:44+32\""), Bytes::from_static(b"OK"));
    assert_eq!(events, [Event::Urc(Urc::Text { header, body })]);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [ok(1)]);
}
