//! A line that is lost, silent or garbled in the middle of it: reboots, ports that go, payloads and blocks that are cut off.

use super::*;

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
