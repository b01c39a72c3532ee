//! Contexts, operators, and switching off by command.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Change, Network};
use modem_support::Bench;

fn module() -> Bench {
    let mut bench = Bench::ready(Profile::v1161());
    bench.say("ATE0");
    bench.heard.clear();
    bench
}

#[test]
fn access_point_takes_effect_after_a_restart_and_can_be_cleared() {
    let mut bench = module();
    let apn = |bench: &mut Bench| bench.say("AT+CGDCONT?").split('"').nth(3).unwrap().to_owned();
    bench.say("AT+CPNETAPN=2,\"private.apn\",\"user\",\"secret\",1");
    assert_eq!(apn(&mut bench), "cmiot");
    for (line, expected) in [("AT", "private.apn"), ("AT+CPNETAPN=0", "cmiot")] {
        bench.say(line);
        bench.engine.reset(bench.now);
        bench.run(Duration::from_secs(10));
        bench.say("ATE0");
        assert_eq!(apn(&mut bench), expected);
    }
}

#[test]
fn second_context_is_defined_activated_and_forgotten() {
    let mut bench = module();
    assert_eq!(bench.say("AT+CGACT=1,5"), "\r\n+CME ERROR: 22\r\n");
    bench.say("AT+CGDCONT=5,\"IP\",\"\"");
    assert!(bench.say("AT+CGACT=1,5").ends_with("OK\r\n"));
    assert_eq!(bench.say("AT+CGACT?"), "\r\n+CGACT: 1,1\r\n+CGACT: 5,1\r\n\r\nOK\r\n");
    assert!(bench.say("AT+CGDCONT?").contains("+CGDCONT: 5,\"IP\",\"\",\"\""));
    bench.say("AT+CGDCONT=5");
    assert_eq!(bench.say("AT+CGACT?"), "\r\n+CGACT: 1,1\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CGDCONT=5,\"X25\",\"\""), "\r\n+CME ERROR: 793\r\n");
}

#[test]
fn default_context_goes_with_the_registration_and_comes_back() {
    let mut bench = module();
    assert_eq!(bench.say("AT+CGACT=0,1"), "\r\nOK\r\n\r\n+CGEV: ME PDN DEACT 1\r\n");
    assert!(bench.say("AT+CGPADDR=1").contains("\"0.0.0.0\""));
    assert!(bench.say("AT+CGACT=1,1").contains("+CGEV: ME PDN ACT 1"));
    assert!(bench.say("AT+CGPADDR=1").contains("\"10.126.200.230\""));
}

#[test]
fn operator_is_shown_in_the_form_asked_for() {
    let mut bench = module();
    assert!(bench.say("AT+COPS?").contains("+COPS: 0,2,\"46000\",7"));
    bench.say("AT+COPS=3,0");
    assert!(bench.say("AT+COPS?").contains("+COPS: 0,0,\"CHINA MOBILE\",7"));
    assert_eq!(bench.say("AT+COPS=1,2,\"26201\""), "\r\n+CME ERROR: 30\r\n");
}

#[test]
fn module_told_to_leave_the_network_stays_off_until_told_to_return() {
    let mut bench = module();
    bench.say("AT+COPS=2");
    bench.engine.change(Change::Network { state: Network::Home }, bench.now);
    bench.run(Duration::from_secs(10));
    assert!(bench.say("AT+CGATT?").contains("+CGATT: 0"));
    bench.say("AT+COPS=0");
    assert!(bench.say("AT+CGATT?").contains("+CGATT: 1"));
}

#[test]
fn search_for_networks_blocks_the_channel_for_half_a_minute() {
    let mut bench = module();
    assert_eq!(bench.say("AT+COPS=?"), "");
    bench.run(Duration::from_secs(29));
    assert!(bench.text().contains("+COPS: (2,\"CHINA MOBILE\",\"CMCC\",\"46000\",7)"));
}

#[test]
fn module_switched_off_by_command_is_dead_until_it_is_started() {
    let mut bench = module();
    assert_eq!(bench.say("AT+CPOWD=1"), "\r\nNORMAL POWER DOWN\r\n");
    bench.run(Duration::from_secs(60));
    assert_eq!(bench.say("AT"), "");
    bench.engine.restart(0, bench.now);
    bench.run(Duration::from_secs(10));
    assert!(bench.text().contains("RDY"));
    assert!(bench.say("AT*EXINFO?").contains("*EXINFO: 0"));
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CPOWD=0"), "");
}
