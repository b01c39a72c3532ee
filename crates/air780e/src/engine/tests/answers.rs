//! Whose answer is it? Each test is a way in which the module can confuse the question.

use super::*;

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
fn an_address_without_ok_ends_its_question() {
    const INFORMATION: Information = Information::Last(|line| line.contains(&b'.'));
    let mut bench = Bench::synchronised();
    let raw = exchange(&Raw("AT+CIFSR")).unwrap();
    bench.begin(1, Exchange { information: INFORMATION, ..raw });
    assert_eq!(bench.gets(b"\r\n10.191.209.135\r\n"), [said(1, "10.191.209.135")]);
    assert!(bench.engine.is_free());
}

#[test]
fn an_echo_is_told_and_is_no_answer() {
    let mut bench = Bench::synchronised();
    bench.start(1, &Raw("AT+CSQ"));
    assert_eq!(bench.gets(b"AT+CSQ\r\r\n+CSQ: 3,0\r\n\r\nOK\r\n"), [Event::Echoes, said(1, "+CSQ: 3,0")]);
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
