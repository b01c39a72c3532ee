//! The rate of the line: found, changed, stored, and wrong.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{Modem, Options, Profile};
use modem_support::Bench;
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

fn auto() -> Bench {
    let profile = Profile { auto_baud: true, ..Profile::v1161() };
    Bench::new(profile, Setup { baud: 115_200, ..Setup::default() })
}

#[test]
fn module_with_auto_baud_says_nothing_until_it_has_heard_at_in_capitals_and_then_all_at_once() {
    let mut bench = auto();
    bench.engine.set_host_rate(Some(9600));
    bench.run(Duration::from_secs(10));
    assert!(bench.take().starts_with("^boot.rom"));
    for line in ["at", "At", "aT", "AT", "AT"] {
        assert_eq!(bench.say(line), "", "{line}");
    }
    bench.send(b"AT");
    bench.run(Duration::ZERO);
    let said = bench.take();
    assert!(said.starts_with("\r\nRDY\r\n\r\n^MODE: 17,17\r\n") && said.contains("+NITZ"), "{said}");
    assert_eq!(bench.rates, [115_200, 9600]);
    assert_eq!(bench.say("\r\nAT"), "AT\r\n\r\nOK\r\n");
}

#[test]
fn auto_baud_does_not_find_the_fastest_rates() {
    let mut bench = auto();
    bench.engine.set_host_rate(Some(921_600));
    bench.run(Duration::from_secs(1));
    bench.heard.clear();
    for _ in 0..10 {
        assert_eq!(bench.say("AT"), "");
    }
}

#[test]
fn rate_is_found_anew_after_each_restart_unless_a_fixed_one_is_stored() {
    for (line, hunts) in [("AT+IPR=57600", true), ("AT+IPR=57600;&W", false)] {
        let mut bench = auto();
        bench.run(Duration::from_secs(1));
        bench.send(b"ATATAT\r\n");
        bench.run(Duration::from_secs(1));
        bench.say(line);
        assert!(bench.say("AT+IPR?").contains("+IPR: 57600"));
        bench.engine.reset(bench.now);
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.engine.hunts(), hunts, "{line}");
    }
}

#[test]
fn host_stops_and_starts_the_module_by_xoff_and_xon_when_that_is_agreed() {
    let mut bench = Bench::ready(Profile::v1161());
    bench.say("ATE0");
    assert_eq!(bench.say("\x13AT"), "\r\nERROR\r\n", "not agreed: a character like any other");
    bench.say("AT+IFC=1,0");
    bench.heard.clear();
    bench.send(b"AT\r\x13\nAT\r\n");
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.take(), "");
    bench.send(b"\x11");
    bench.run(Duration::ZERO);
    assert_eq!(bench.take(), "\r\nOK\r\n\r\nOK\r\n");
}

/// A host's side of the line at a rate of its own.
struct Host(File);

impl Host {
    fn open(path: &Path, rate: u32) -> Self {
        let mut host = Self(OpenOptions::new().read(true).write(true).open(path).unwrap());
        host.rate(rate);
        host
    }

    fn rate(&mut self, rate: u32) {
        let mut termios = tcgetattr(&self.0).unwrap();
        termios.set_speed(rate).unwrap();
        tcsetattr(&self.0, OptionalActions::Now, &termios).unwrap();
    }

    fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut heard = Vec::new();
        while !heard.ends_with(end) {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the line is gone");
            heard.push(byte[0]);
        }
        heard
    }
}

#[tokio::test]
async fn host_at_another_rate_hears_garbage_and_is_not_understood() {
    let profile = Profile { attach: Duration::from_secs(3600), ..Profile::v1161() };
    let setup = Setup { baud: 115_200, ..Setup::default() };
    let modem = Modem::start(Options { profile, setup, ..Options::default() }).unwrap();
    let path = modem.path().to_owned();
    let work = move || {
        let mut host = Host::open(&path, 115_200);
        host.until(b"RDY\r\n");
        host.0.write_all(b"AT+IPR=9600\r\n").unwrap();
        host.until(b"OK\r\n");
        // Still at the old rate: what the module makes of it is no command, and its echo is none either.
        host.0.write_all(b"AT\r\n\r\n\r\n").unwrap();
        let mut byte = [0; 1];
        host.0.read_exact(&mut byte).unwrap();
        assert_ne!(byte[0], b'A');
        host.rate(9600);
        host.0.write_all(b"\r\nAT\r\n").unwrap();
        host.until(b"AT\r\n\r\nOK\r\n");
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    modem.shutdown().await;
}
