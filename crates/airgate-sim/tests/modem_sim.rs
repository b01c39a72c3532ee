//! The SIM: locked, blocked, busy, missing, pulled out and put back.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::Setup;
use modem_support::Bench;

fn started(profile: Profile, setup: Setup) -> Bench {
    let mut bench = Bench::new(profile, setup);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    bench.heard.clear();
    bench
}

fn locked() -> Bench {
    started(Profile::v1161(), Setup { pin: Some("4321".into()), puk: "87654321".into(), ..Setup::default() })
}

#[test]
fn locked_card_keeps_the_module_off_the_network_until_its_pin_is_given() {
    let mut bench = locked();
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CPIN: SIM PIN\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CIMI"), "\r\n+CME ERROR: 11\r\n");
    assert!(bench.say("AT+ICCID").contains("+ICCID: 898604981022C0254186"));
    assert!(bench.say("AT+CGATT?").contains("+CGATT: 0"));
    assert_eq!(bench.say("AT+CPIN=\"0000\""), "\r\n+CME ERROR: 16\r\n");
    assert!(bench.say("AT+CPIN=\"4321\"").contains("\r\nOK\r\n\r\n^MODE: 17,17\r\n"));
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CPIN: READY\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CPIN=\"4321\""), "\r\n+CME ERROR: 3\r\n");
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert!(bench.say("AT+CPIN?").contains("SIM PIN"), "a restart asks again");
}

#[test]
fn third_wrong_pin_blocks_the_card_until_the_puk_and_the_tries_outlive_a_restart() {
    let mut bench = locked();
    for code in [16, 16] {
        assert_eq!(bench.say("AT+CPIN=\"0000\""), format!("\r\n+CME ERROR: {code}\r\n"));
    }
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CPIN=\"0000\""), "\r\n+CME ERROR: 12\r\n");
    assert!(bench.say("AT+CPIN?").contains("+CPIN: SIM PUK"));
    assert_eq!(bench.say("AT+CPIN=\"4321\""), "\r\n+CME ERROR: 791\r\n");
    assert_eq!(bench.say("AT+CPIN=\"11111111\",\"5555\""), "\r\n+CME ERROR: 16\r\n");
    assert!(bench.say("AT+CPIN=\"87654321\",\"5555\"").starts_with("\r\nOK\r\n"));
    assert!(bench.say("AT+CPIN?").contains("READY"));
    assert!(bench.say("AT+CLCK=\"SC\",0,\"5555\"").ends_with("OK\r\n"));
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert!(bench.say("AT+CPIN?").contains("READY"), "unlocked for good");
}

#[test]
fn ten_wrong_puks_end_the_card() {
    let mut bench = locked();
    for _ in 0..3 {
        bench.say("AT+CPIN=\"0000\"");
    }
    for code in [16; 9].into_iter().chain([13]) {
        assert_eq!(bench.say("AT+CPIN=\"11111111\",\"5555\""), format!("\r\n+CME ERROR: {code}\r\n"));
    }
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CME ERROR: 13\r\n");
}

#[test]
fn card_is_busy_after_the_start() {
    let mut bench = Bench::new(Profile { sim_busy: Duration::from_secs(6), ..Profile::v1161() }, Setup::default());
    bench.run(Duration::from_secs(1));
    bench.say("ATE0");
    assert!(bench.say("AT+CPIN?").starts_with("\r\n+CME ERROR: 14\r\n"));
    bench.run(Duration::from_secs(3));
    bench.heard.clear();
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CPIN: READY\r\n\r\nOK\r\n");
}

#[test]
fn hot_plug_is_told_in_its_own_framing_when_asked_for() {
    for (crlf, end) in [(true, "\r\n"), (false, "")] {
        let mut bench = started(Profile { hot_plug_crlf: crlf, ..Profile::v1161() }, Setup::default());
        bench.say("AT+CSDT=1");
        bench.heard.clear();
        bench.engine.set_sim(false, bench.now);
        bench.run(Duration::from_secs(2));
        let lost = "\r\n^MODE: 0,0\r\n\r\n+NO Service\r\n\r\n+CGEV: NW PDN DEACT 1\r\n\r\n+CGEV: ME DETACH\r\n";
        assert_eq!(bench.take(), format!("{lost}+CPIN: SIM REMOVED 0{end}"));
        assert_eq!(bench.say("AT+CPIN?"), "\r\n+CME ERROR: 10\r\n");
        bench.heard.clear();
        bench.engine.set_sim(true, bench.now);
        bench.run(Duration::from_secs(3));
        let said = bench.take();
        assert!(said.contains("^MODE: 17,17") && said.ends_with(&format!("+CPIN: READY 0{end}")), "{said}");
    }
}

#[test]
fn card_put_in_after_a_start_without_one_is_found_by_a_restart() {
    let mut bench = started(Profile::v1161(), Setup { sim: false, ..Setup::default() });
    bench.engine.set_sim(true, bench.now);
    bench.run(Duration::from_secs(10));
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CME ERROR: 10\r\n");
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert!(bench.say("AT+CPIN?").contains("READY"));
}
