//! What ends a command after its `OK`: an acknowledgement, a connection, or its failure.

use super::*;

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
