//! The module's clock: who may set it, and what it shows then.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::engine::{Failure, NetEvent, Setup};
use airgate_sim::modem::{ClockZone, Nitz, Profile};
use modem_support::Bench;

/// 2024-10-10 08:00:00 UTC at power-on.
const START: u64 = 1_728_547_200;

fn clock(profile: Profile) -> Bench {
    let mut bench = Bench::new(profile, Setup { unix_time: START, ..Setup::default() });
    bench.run(Duration::from_secs(60));
    bench.say("ATE0");
    bench.heard.clear();
    bench
}

fn shown(bench: &mut Bench) -> String {
    let said = bench.say("AT+CCLK?");
    said.split('"').nth(1).unwrap().to_owned()
}

#[test]
fn network_sets_the_clock_in_the_zone_of_the_profile() {
    for (zone, expected) in [
        (ClockZone::Utc, "24/10/10,08:01:02+00"),
        (ClockZone::Local, "24/10/10,16:01:02+32"),
        (ClockZone::UtcDigitsLocalZone, "24/10/10,08:01:02+32"),
    ] {
        let mut bench = clock(Profile { clock_zone: zone, ..Profile::v1161() });
        assert_eq!(shown(&mut bench), expected);
    }
}

#[test]
fn clock_without_network_shows_a_default_date_and_can_be_set_by_hand() {
    let setup = Setup { sim: false, ..Setup::default() };
    let mut bench = Bench::new(Profile::v1161(), setup);
    bench.run(Duration::from_secs(58));
    bench.say("ATE0");
    assert_eq!(shown(&mut bench), "00/01/01,00:01:00+00");
    bench.say("AT+CCLK=\"25/02/28,23:59:58-20\"");
    assert_eq!(shown(&mut bench), "25/03/01,00:00:00-20");
    assert_eq!(bench.say("AT+CCLK=\"25/02/30,00:00:00+00\""), "\r\n+CME ERROR: 53\r\n");
}

#[test]
fn network_leaves_the_clock_alone_when_told_so_and_still_tells_its_time() {
    let mut bench = clock(Profile::v1161());
    bench.say("AT+CTZU=0;+CCLK=\"30/01/01,00:00:00+00\"");
    bench.heard.clear();
    bench.engine.set_network_time(START, bench.now);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\n+NITZ: 2024/10/10,08:00:00+0,0\r\n");
    assert!(shown(&mut bench).starts_with("30/01/01,"));
}

#[test]
fn change_of_zone_is_told_when_asked_for() {
    let mut bench = clock(Profile { clock_zone: ClockZone::Local, ..Profile::v1161() });
    bench.say("AT+CTZR=1;+CCLK=\"24/10/10,08:00:00+00\"");
    bench.heard.clear();
    bench.engine.set_network_time(START, bench.now);
    bench.run(Duration::from_secs(1));
    assert!(bench.take().starts_with("\r\n+CTZV: +32\r\n"));
}

#[test]
fn urc_has_the_spelling_of_the_profile_and_the_zone_the_host_asked_for() {
    for (form, expected) in [
        (Nitz::FourDigits, "2024/10/10,08:00:00+0,0"),
        (Nitz::EmptyDst, "2024/10/10,08:00:00+0, "),
        (Nitz::FourDigitsZone, "2024/10/10,08:00:00+32,0"),
        (Nitz::TwoDigitsZone, "24/10/10,08:00:00+32,0"),
    ] {
        let mut bench = clock(Profile { nitz: form, ..Profile::v1161() });
        bench.engine.set_network_time(START, bench.now);
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.take(), format!("\r\n+NITZ: {expected}\r\n"));
    }
    let mut bench = clock(Profile::v1161());
    bench.say("AT+NITZDISSET=\"e\",8");
    bench.heard.clear();
    bench.engine.set_network_time(START, bench.now);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\n+NITZ: 2024/10/10,16:00:00+32,0\r\n");
}

#[test]
fn clock_runs_on_over_a_restart_only_where_the_profile_says_so() {
    for (survives, year) in [(false, "00"), (true, "24")] {
        let mut bench = clock(Profile { clock_survives_reset: survives, ..Profile::v1161() });
        bench.engine.reset(bench.now);
        bench.run(Duration::from_secs(1));
        bench.say("ATE0");
        assert!(shown(&mut bench).starts_with(year));
    }
}

/// A module that has asked a time server; the number of the question and what it carries come back.
fn asked() -> (Bench, u64, Vec<u8>) {
    let mut bench = clock(Profile::v1161());
    bench.say("AT+SAPBR=1,1;+CNTPCID=1;+CNTP=\"ntp.example\",32");
    assert_eq!(bench.say("AT+CNTP"), "\r\nOK\r\n");
    let (id, question) = bench.datagrams.pop().unwrap();
    bench.heard.clear();
    (bench, id, question.to_vec())
}

fn answer(question: &[u8], unix: u64, stratum: u8) -> Vec<u8> {
    let mut answer = vec![0; 48];
    answer[..2].copy_from_slice(&[0x24, stratum]);
    answer[24..32].copy_from_slice(&question[40..48]);
    answer[40..44].copy_from_slice(&u32::try_from(unix + 2_208_988_800).unwrap().to_be_bytes());
    answer
}

#[test]
fn time_server_sets_local_time() {
    let (mut bench, id, question) = asked();
    let answer = answer(&question, START, 2);
    bench.engine.network(NetEvent::Received(id, answer.into()), bench.now);
    bench.run(Duration::ZERO);
    assert_eq!(bench.take(), "\r\n+CNTP: 1\r\n");
    assert_eq!(shown(&mut bench), "24/10/10,16:00:00+32");
}

#[test]
fn time_server_that_sends_nonsense_or_nothing_sets_nothing() {
    let (_, _, other) = asked();
    for broken in [vec![], vec![0x24; 47], answer(&other, START, 2), vec![0xFF; 48]] {
        let (mut bench, id, question) = asked();
        if broken.len() == 48 && broken[24..32] == question[40..48] {
            continue;
        }
        bench.engine.network(NetEvent::Received(id, broken.into()), bench.now);
        bench.run(Duration::ZERO);
        assert_eq!(bench.take(), "\r\n+CNTP: 64\r\n");
    }
    let (mut bench, id, question) = asked();
    bench.engine.network(NetEvent::Received(id, answer(&question, START, 0).into()), bench.now);
    bench.run(Duration::ZERO);
    assert_eq!(bench.take(), "\r\n+CNTP: 64\r\n");
    for (failure, code) in [(Failure::Name, 62), (Failure::Unreachable, 63)] {
        let (mut bench, id, _) = asked();
        bench.engine.network(NetEvent::Failed(id, failure), bench.now);
        bench.run(Duration::ZERO);
        assert_eq!(bench.take(), format!("\r\n+CNTP: {code}\r\n"));
    }
    let (mut bench, id, _) = asked();
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.take(), "\r\n+CNTP: 65\r\n");
    assert_eq!(bench.aborted, [id]);
}

#[test]
fn time_server_needs_a_bearer() {
    let mut bench = clock(Profile::v1161());
    assert_eq!(bench.say("AT+CNTP"), "\r\n+CME ERROR: 3\r\n");
    bench.say("AT+CNTPCID=1");
    assert_eq!(bench.say("AT+CNTP"), "\r\nOK\r\n\r\n+CNTP: 61\r\n");
}
