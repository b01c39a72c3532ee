//! Short messages: in by `+CMTI` and `+CMT`, out through the prompt, in text and as PDU.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::Setup;
use modem_support::Bench;

fn phone(lines: &[&str]) -> Bench {
    let setup = Setup { unix_time: 1_728_547_200, ..Setup::default() };
    let mut bench = Bench::new(Profile::v1161(), setup);
    bench.run(Duration::from_secs(10));
    for line in ["ATE0"].iter().chain(lines) {
        assert!(bench.say(line).ends_with("OK\r\n"), "{line}");
    }
    bench.heard.clear();
    bench
}

fn incoming(bench: &mut Bench, from: &str, text: &str) -> String {
    bench.engine.receive_sms(from, text, bench.now);
    bench.run(Duration::ZERO);
    bench.take()
}

#[test]
fn stored_message_is_announced_read_once_as_unread_and_deleted() {
    let mut bench = phone(&["AT+CMGF=1", "AT+CNMI=2,1"]);
    assert_eq!(incoming(&mut bench, "+46708251358", "hello [1]"), "\r\n+CMTI: \"SM\",1\r\n");
    let read = |status| {
        format!(
            "\r\n+CMGR: \"{status}\",\"+46708251358\",,\"24/10/10,16:00:16+32\"\r\nhello \u{1b}<1\u{1b}>\r\n\r\nOK\r\n"
        )
    };
    assert_eq!(bench.say("AT+CMGR=1"), read("REC UNREAD"));
    assert_eq!(bench.say("AT+CMGR=1"), read("REC READ"));
    assert!(bench.say("AT+CPMS?").contains("\"SM\",1,10"));
    bench.say("AT+CMGD=1");
    assert_eq!(bench.say("AT+CMGR=1"), "\r\n+CMS ERROR: 321\r\n");
}

#[test]
fn text_that_is_not_in_the_small_alphabet_comes_as_hex_digits() {
    let mut bench = phone(&["AT+CMGF=1", "AT+CNMI=2,2"]);
    let said = incoming(&mut bench, "+1", "温度");
    assert_eq!(said, "\r\n+CMT: \"+1\",,\"24/10/10,16:00:16+32\"\r\n6E295EA6\r\n");
    bench.say("AT+CSCS=\"UCS2\"");
    bench.heard.clear();
    let said = incoming(&mut bench, "+1", "A");
    assert_eq!(said, "\r\n+CMT: \"002B0031\",,\"24/10/10,16:00:18+32\"\r\n0041\r\n");
}

#[test]
fn message_may_come_as_pdu() {
    let mut bench = phone(&["AT+CMGF=0", "AT+CNMI=2,2"]);
    let said = incoming(&mut bench, "+46708251358", "hellohello");
    assert_eq!(said, "\r\n+CMT: ,28\r\n0891683108100005F0040B916407281553F80000420101610061230AE8329BFD4697D9EC37\r\n");
}

#[test]
fn long_message_comes_in_parts_with_a_header_that_joins_them() {
    let mut bench = phone(&["AT+CMGF=0", "AT+CNMI=2,2"]);
    let said = incoming(&mut bench, "+1", &"x".repeat(200));
    let pdus: Vec<&str> = said.lines().filter(|line| line.starts_with("0891")).collect();
    assert_eq!(pdus.len(), 2);
    // First octet with the header flag; five octets of header, part 1 of 2 and 2 of 2.
    assert!(pdus.iter().all(|pdu| pdu[18..].starts_with("44")), "{said}");
    assert!(pdus[0].contains("050003010201") && pdus[1].contains("050003010202"), "{said}");
}

#[test]
fn full_memory_lets_the_network_wait_until_there_is_room() {
    let mut bench = phone(&["AT+CMGF=1", "AT+CNMI=2,1"]);
    for index in 0..11 {
        incoming(&mut bench, "+1", &format!("message {index}"));
    }
    assert!(bench.say("AT+CPMS?").contains("\"SM\",10,10"));
    assert_eq!(bench.say("AT+CMGD=4"), "\r\n+CMTI: \"SM\",4\r\n\r\nOK\r\n");
    assert!(bench.say("AT+CMGR=4").contains("message 10"));
    assert_eq!(bench.say("AT+CMGL=\"ALL\"").matches("+CMGL: ").count(), 10);
}

#[test]
fn message_sent_to_a_module_that_is_off_the_air_arrives_later_and_survives_a_restart() {
    let mut bench = phone(&["AT+CNMI=2,1"]);
    bench.say("AT+CFUN=4");
    bench.heard.clear();
    assert_eq!(incoming(&mut bench, "+1", "late"), "");
    bench.say("AT+CFUN=1");
    bench.run(Duration::from_secs(5));
    assert!(bench.take().contains("+CMTI: \"SM\",1"));
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    bench.say("AT+CMGF=1");
    assert!(bench.say("AT+CMGR=1").contains("late"));
}

#[test]
fn text_behind_the_prompt_is_sent_with_ctrl_z_and_abandoned_with_escape() {
    let mut bench = phone(&["AT+CMGF=1"]);
    assert_eq!(bench.say("AT+CMGS=\"+8613900000000\""), "\r\n> ");
    bench.heard.clear();
    bench.send(b"hello\x1a");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "", "the network takes its time");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\n+CMGS: 1\r\n\r\nOK\r\n");
    assert_eq!(bench.sent_sms, [("+8613900000000".to_owned(), "hello".to_owned(), vec![])]);
    bench.say("AT+CMGS=\"+8613900000000\"");
    bench.heard.clear();
    bench.send(b"no\x1b");
    bench.run(Duration::from_secs(3));
    assert_eq!(bench.take(), "\r\nOK\r\n");
    assert_eq!(bench.sent_sms.len(), 1);
}

#[test]
fn chinese_text_is_sent_in_ucs2() {
    let mut bench = phone(&["AT+CMGF=1", "AT+CSCS=\"UCS2\"", "AT+CSMP=17,167,0,8"]);
    bench.say("AT+CMGS=\"002B00380036\"");
    bench.send("6E295EA6\x1a".as_bytes());
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.sent_sms, [("+86".to_owned(), "温度".to_owned(), vec![])]);
}

#[test]
fn pdu_is_sent_when_its_length_is_right() {
    let mut bench = phone(&["AT+CMGF=0"]);
    bench.say("AT+CMGS=23");
    bench.send(b"0011000B916407281553F80000AA0AE8329BFD4697D9EC37\x1a");
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.sent_sms[0].1, "hellohello");
    bench.say("AT+CMGS=22");
    bench.heard.clear();
    bench.send(b"0011000B916407281553F80000AA0AE8329BFD4697D9EC37\x1a");
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.take(), "\r\n+CMS ERROR: 304\r\n");
}

#[test]
fn what_cannot_be_sent_has_a_cms_error_in_the_form_asked_for() {
    let mut bench = phone(&["AT+CMGF=1"]);
    assert_eq!(bench.say("AT+CMGS=47"), "\r\n+CMS ERROR: 500\r\n");
    assert_eq!(bench.say("AT+CMGS=\"x\""), "\r\n+CMS ERROR: 305\r\n");
    bench.say("AT+CMEE=2");
    assert_eq!(bench.say("AT+CMGR=99"), "\r\n+CMS ERROR: invalid memory index\r\n");
    bench.say("AT+CFUN=4");
    bench.say("AT+CMGS=\"+1\"");
    bench.heard.clear();
    bench.send(b"x\x1a");
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.take(), "\r\n+CMS ERROR: no network service\r\n");
    bench.say("AT+CFUN=1");
    bench.run(Duration::from_secs(5));
    bench.say("AT+CMGS=\"+1\"");
    bench.heard.clear();
    bench.send(&[b"x".repeat(161), vec![0x1a]].concat());
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.take(), "\r\n+CMS ERROR: invalid text mode parameter\r\n");
}
