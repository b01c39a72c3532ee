//! Whose answer is it? Each test is a way in which the module or the line can confuse the question.

use super::*;
use crate::command::general::{NumericErrors, Raw};
use crate::command::http::{Read, SetBody};
use crate::command::mqtt::{Connect, OpenTcp, PublishBytes, PublishText, Subscribe, acknowledgement};
use crate::command::network::GetSignal;
use crate::command::{Command, exchange};
use crate::exchange::{Ends, Information};
use proptest::prelude::*;

struct Bench {
    engine: Engine,
    now: Instant,
}

const IMEI: &[u8] = b"\r\n861551056421746\r\n\r\nOK\r\n";

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut engine = Engine::new(115_200, now);
        engine.port_opened(now);
        Self { engine, now }
    }

    /// A bench whose module has answered the knock and the fence.
    fn synchronised() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.sent(), &b"AT\r"[..]);
        bench.gets(b"\r\nOK\r\n");
        assert_eq!(bench.sent(), &b"AT+CGSN\r"[..]);
        assert_eq!(bench.gets(IMEI), [Event::Synchronised]);
        bench
    }

    fn start<C: Command>(&mut self, ticket: u64, command: &C) {
        self.begin(ticket, exchange(command).unwrap());
    }

    fn publish(&mut self, ticket: u64, qos: u8) {
        let mut exchange = exchange(&PublishText { topic: "t", qos, retain: 0, text: "hello" }).unwrap();
        exchange.follow_up = acknowledgement(qos);
        self.begin(ticket, exchange);
    }

    fn begin(&mut self, ticket: u64, exchange: Exchange) {
        assert!(self.engine.can_start(&exchange));
        self.engine.start(ticket, exchange, self.now);
    }

    fn sent(&mut self) -> Bytes {
        self.engine.take_output()
    }

    fn gets(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.engine.receive(bytes, self.now);
        self.events()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.next_event()).collect()
    }

    fn wait(&mut self, seconds: u64) -> Vec<Event> {
        self.now += Duration::from_secs(seconds);
        self.engine.tick(self.now);
        self.events()
    }
}

fn ok(ticket: u64) -> Event {
    Event::Done(ticket, Ok(Vec::new()))
}

fn said(ticket: u64, information: &str) -> Event {
    Event::Done(ticket, Ok(information.as_bytes().to_vec()))
}

fn failed(ticket: u64, failure: Failure) -> Event {
    Event::Done(ticket, Err(failure))
}

#[test]
fn a_question_gets_its_information() {
    let mut bench = Bench::synchronised();
    bench.start(1, &GetSignal);
    assert_eq!(bench.sent(), &b"AT+CSQ\r"[..]);
    assert_eq!(bench.gets(b"\r\n+CSQ: 25,0\r\n\r\nOK\r\n"), [said(1, "+CSQ: 25,0")]);
}

#[test]
fn a_urc_between_information_and_ok_is_not_lost_and_not_the_answer() {
    let mut bench = Bench::synchronised();
    bench.start(1, &GetSignal);
    let events = bench.gets(b"\r\n+CSQ: 25,0\r\n\r\nCLOSED\r\n\r\nOK\r\n");
    assert_eq!(events, [Event::Urc(Urc::Closed), said(1, "+CSQ: 25,0")]);
}

#[test]
fn a_message_between_command_and_ok_is_delivered() {
    let mut bench = Bench::synchronised();
    bench.start(1, &NumericErrors);
    let events = bench.gets(b"\r\n+MSUB: \"t\",6 byte,\r\nOK\r\n\r\n\r\nOK\r\n");
    let message = Message { topic: "t".into(), payload: Bytes::from_static(b"\r\nOK\r\n") };
    assert_eq!(events, [Event::Message(message), ok(1)]);
}

#[test]
fn an_answer_that_comes_after_its_time_never_reaches_the_next_command() {
    let mut bench = Bench::synchronised();
    bench.start(1, &NumericErrors);
    assert_eq!(bench.wait(2), [failed(1, Failure::NoAnswer)]);
    assert!(!bench.engine.can_start(&exchange(&NumericErrors).unwrap()));
    bench.sent();
    assert_eq!(bench.gets(b"\r\nERROR\r\n"), []);
    assert_eq!(bench.sent(), &b"AT+CGMI\r"[..], "the late answer shows that somebody is there; now the fence");
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [], "the knock's own answer");
    assert_eq!(bench.gets(b"\r\n+CGMI: \"AirM2M\"\r\n\r\nOK\r\n"), [Event::Synchronised]);
    bench.start(2, &NumericErrors);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [ok(2)]);
}

#[test]
fn an_ok_without_the_information_is_somebody_elses() {
    let mut bench = Bench::synchronised();
    bench.start(1, &GetSignal);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), []);
    assert_eq!(bench.gets(b"\r\n+CSQ: 9,0\r\n\r\nOK\r\n"), [said(1, "+CSQ: 9,0")]);
}

#[test]
fn an_answer_said_twice_goes_to_one_command() {
    let mut bench = Bench::synchronised();
    bench.start(1, &NumericErrors);
    assert_eq!(bench.gets(b"\r\nOK\r\n\r\nOK\r\n"), [ok(1)]);
    assert_eq!(bench.engine.counters().stray, 1);
}

#[test]
fn a_qos_1_publication_ends_with_puback() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 1);
    assert_eq!(bench.sent(), &b"AT+MPUB=\"t\",1,0,\"hello\"\r"[..]);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), []);
    assert_eq!(bench.gets(b"\r\nPUBACK\r\n"), [ok(1)]);
}

#[test]
fn a_qos_2_publication_ends_with_both_halves() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 2);
    assert_eq!(bench.gets(b"\r\nOK\r\n\r\nPUBREC\r\n"), []);
    assert_eq!(bench.gets(b"\r\nPUBCOMP\r\n"), [ok(1)]);
}

#[test]
fn a_puback_before_the_ok_acknowledges_nothing() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 1);
    assert_eq!(bench.gets(b"\r\nPUBACK\r\n"), [Event::Urc(Urc::Puback)]);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), []);
    assert_eq!(bench.wait(31), [failed(1, Failure::NoFollowUp(Ends::Puback))]);
}

#[test]
fn a_question_may_be_asked_while_an_acknowledgement_is_awaited_but_no_second_publication() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 1);
    bench.gets(b"\r\nOK\r\n");
    assert!(!bench.engine.can_start(&exchange(&Subscribe { filter: "t", qos: 1 }).unwrap()));
    bench.start(2, &GetSignal);
    assert_eq!(bench.gets(b"\r\nPUBACK\r\n\r\n+CSQ: 1,0\r\n\r\nOK\r\n"), [ok(1), said(2, "+CSQ: 1,0")]);
}

#[test]
fn a_refused_sign_in_is_a_bare_error_after_ok() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Connect { clean: 1, keep_alive: 120 });
    assert_eq!(bench.gets(b"\r\nOK\r\n"), []);
    assert!(!bench.engine.can_start(&exchange(&GetSignal).unwrap()), "its ERROR would be taken for the question's");
    assert_eq!(bench.gets(b"\r\nERROR\r\n"), [failed(1, Failure::Refused(crate::exchange::Refusal::Error))]);
}

#[test]
fn a_connection_fails_in_each_of_its_ways() {
    let ways: [(&[u8], Failure); 4] = [
        (b"\r\nOK\r\n\r\nSTATE: IP INITIAL\r\n\r\nCONNECT FAIL\r\n", Failure::ConnectFailed),
        (b"\r\nOK\r\n\r\nALREADY CONNECT\r\n", Failure::AlreadyConnected),
        (b"\r\nOK\r\n\r\nCLOSED\r\n", Failure::Closed),
        (b"\r\n+CME ERROR: 767\r\n", Failure::Refused(crate::exchange::Refusal::Cme(767))),
    ];
    for (answer, failure) in ways {
        let mut bench = Bench::synchronised();
        bench.start(1, &OpenTcp { host: "h", port: 1883 });
        assert!(bench.gets(answer).contains(&failed(1, failure)));
    }
}

#[test]
fn a_connection_that_is_told_before_its_ok_is_a_connection() {
    let mut bench = Bench::synchronised();
    bench.start(1, &OpenTcp { host: "h", port: 1883 });
    assert_eq!(bench.gets(b"\r\nCONNECT OK\r\n"), []);
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [ok(1)]);
    bench.start(2, &OpenTcp { host: "h", port: 1883 });
    assert_eq!(bench.gets(b"\r\nCONNECT FAIL\r\n\r\nOK\r\n"), [failed(2, Failure::ConnectFailed)]);
}

#[test]
fn a_second_half_of_qos_2_without_the_first_acknowledges_nothing() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 2);
    assert_eq!(bench.gets(b"\r\nOK\r\n\r\nPUBCOMP\r\n"), []);
    assert_eq!(bench.wait(31), [failed(1, Failure::NoFollowUp(Ends::Pubcomp))]);
}

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
fn a_reboot_fails_everything_in_flight_and_the_line_is_fenced_anew() {
    let mut bench = Bench::synchronised();
    bench.publish(1, 1);
    bench.gets(b"\r\nOK\r\n");
    bench.start(2, &GetSignal);
    bench.sent();
    assert_eq!(
        bench.gets(b"\r\n+CS^boot.rom'v\x01'!\\n\r\nRDY\r\n"),
        [
            failed(2, Failure::Rebooted),
            failed(1, Failure::Rebooted),
            Event::Urc(Urc::RomBanner),
            Event::Urc(Urc::Ready)
        ]
    );
    assert!(!bench.engine.can_start(&exchange(&GetSignal).unwrap()));
}

#[test]
fn an_echo_is_told_and_is_no_answer() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Raw("AT+CSQ"));
    assert_eq!(bench.gets(b"AT+CSQ\r\r\n+CSQ: 3,0\r\n\r\nOK\r\n"), [Event::Echoes, said(1, "+CSQ: 3,0")]);
}

#[test]
fn a_silent_module_is_told_once_and_knocked_at_for_ever() {
    let mut bench = Bench::new();
    let mut told = 0;
    for _ in 0..60 {
        told += bench.wait(1).iter().filter(|e| **e == Event::Silent).count();
        assert_eq!(bench.sent().as_ref().first(), Some(&b'A'));
    }
    assert_eq!(told, 1);
}

#[test]
fn a_lost_port_fails_what_is_in_flight() {
    let mut bench = Bench::synchronised();
    bench.start(1, &NumericErrors);
    bench.engine.port_lost();
    assert_eq!(bench.events(), [failed(1, Failure::PortLost)]);
}

#[test]
fn a_message_that_stalls_does_not_swallow_the_line_for_ever() {
    let mut bench = Bench::synchronised();
    assert_eq!(bench.gets(b"\r\n+MSUB: \"t\",100 byte,half"), []);
    assert_eq!(bench.wait(4), [Event::Broken(Broken::Stalled)]);
    assert_eq!(bench.gets(b"\r\nCLOSED\r\n"), [Event::Urc(Urc::Closed)]);
}

#[test]
fn a_block_that_a_reboot_cuts_off_does_not_swallow_the_answers_to_the_knocking() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Read { start: 0, length: 3072 });
    assert_eq!(bench.gets(b"\r\n+HTTPREAD: 3072\r\nhalf\r\nRDY\r\n"), []);
    // Each second somebody says something, so that it never stalls.
    let broken = (0..5).flat_map(|_| [bench.gets(b"\r\nOK\r\n"), bench.wait(1)].concat()).collect::<Vec<_>>();
    assert_eq!(broken, [Event::Broken(Broken::Stalled)]);
    assert_eq!(bench.gets(b"\r\nRDY\r\n"), [failed(1, Failure::Rebooted), Event::Urc(Urc::Ready)]);
}

#[test]
fn a_block_has_the_time_that_the_line_takes_for_it() {
    let mut bench = Bench::synchronised();
    bench.engine.set_baud(4_800);
    bench.start(1, &Read { start: 0, length: 3072 });
    assert_eq!(bench.gets(b"\r\n+HTTPREAD: 3072\r\n"), []);
    for _ in 0..6 {
        assert_eq!([bench.gets(&[b'x'; 512]), bench.wait(1)].concat(), [], "3,072 bytes take 6.4 s");
    }
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [said(1, &"x".repeat(3072))]);
}

proptest! {
    /// Whatever the module says, each command ends exactly once, and the engine always comes back.
    #[test]
    fn every_command_ends_exactly_once(noise in proptest::collection::vec(
        prop_oneof![
            Just(&b"\r\nOK\r\n"[..]), Just(&b"\r\nERROR\r\n"[..]), Just(&b"\r\nPUBACK\r\n"[..]), Just(&b"\r\nCLOSED\r\n"[..]),
            Just(&b"\r\nRDY\r\n"[..]), Just(&b"\r\n>"[..]), Just(&b"\r\n+CSQ: 1,1\r\n"[..]), Just(&b"\x00\xff"[..]),
            Just(&b"+MSUB: \"t\",9 byte,"[..]), Just(&b"\r\n861551056421746\r\n"[..]), Just(&b""[..]),
        ], 0..80), waits in proptest::collection::vec(0u64..20, 80)) {
        let mut bench = Bench::new();
        let (mut started, mut ended) = (0u64, Vec::new());
        for (bytes, wait) in noise.iter().zip(&waits) {
            let mut publication = exchange(&PublishText { topic: "t", qos: 1, retain: 0, text: "x" }).unwrap();
            publication.follow_up = acknowledgement(1);
            if bench.engine.can_start(&publication) {
                started += 1;
                bench.engine.start(started, publication, bench.now);
            }
            let mut events = bench.gets(bytes);
            events.extend(bench.wait(*wait));
            ended.extend(events.into_iter().filter_map(|e| match e { Event::Done(ticket, _) => Some(ticket), _ => None }));
        }
        bench.engine.port_lost();
        ended.extend(bench.events().into_iter().filter_map(|e| match e { Event::Done(ticket, _) => Some(ticket), _ => None }));
        ended.sort_unstable();
        prop_assert_eq!(ended, (1..=started).collect::<Vec<_>>());
    }
}

#[test]
fn a_block_goes_to_the_command_that_asked_for_it_and_an_ok_without_it_is_not_its_own() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Read { start: 0, length: 4 });
    assert_eq!(bench.gets(b"\r\nOK\r\n"), []);
    assert_eq!(bench.gets(b"\r\n+HTTPREAD: 4\r\n\r\nOK\r\n"), [], "these are the four bytes");
    assert_eq!(bench.gets(b"\r\nOK\r\n"), [said(1, "\r\nOK")]);
}

#[test]
fn a_block_that_comes_too_late_is_swallowed_whole() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Read { start: 0, length: 100 });
    assert_eq!(bench.wait(10), [failed(1, Failure::NoAnswer)]);
    let body = "\r\nOK\r\n\r\n+CGMR: \"x\"\r\n\r\n+CGSN\r\n861551056421746\r\n\r\n+CGMI: \"x\"\r\n\r\n+CGMM: \"x\"\r\n\r\nOK\r\n";
    let late = format!("\r\n+HTTPREAD: {}\r\n{body}\r\n", body.len());
    assert_eq!(bench.gets(late.as_bytes()), [], "what a server wrote proves nothing about the module");
    assert!(!bench.engine.is_free());
}

#[test]
fn an_address_without_ok_ends_its_question() {
    const INFORMATION: Information = Information::Last(|line| line.contains(&b'.'));
    let mut bench = Bench::synchronised();
    let raw = exchange(&Raw("AT+CIFSR")).unwrap();
    bench.begin(1, Exchange { information: INFORMATION, ..raw });
    assert_eq!(bench.gets(b"\r\n10.191.209.135\r\n"), [said(1, "10.191.209.135")]);
    assert!(bench.engine.is_free());
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
