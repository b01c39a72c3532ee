//! Updates of the module's firmware, and the services that say where it is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Failure, Offer, Setup};
use modem_support::Bench;

const NEW: &str = "AirM2M_780E_V1169_LTE_AT";

fn module() -> Bench {
    let mut bench = Bench::ready(Profile::v1161());
    bench.say("ATE0");
    bench.heard.clear();
    bench
}

fn version(bench: &mut Bench) -> String {
    bench.heard.clear();
    bench.say("ATI").trim().lines().next().unwrap().to_owned()
}

/// The percents of `+QIND`, and what else the start says.
fn installed(bench: &mut Bench) -> Vec<u32> {
    let said = bench.take();
    let percents = said.lines().filter_map(|line| line.strip_prefix("+QIND: \"FOTA\",\"UPDATING\","));
    percents.map(|text| text.parse().unwrap()).collect()
}

#[test]
fn update_of_the_cloud_is_loaded_installed_and_started() {
    let mut bench = module();
    bench.engine.offer_update(Some(Offer::Version(NEW.into())));
    bench.say("AT+UPGRADE");
    bench.run(Duration::from_millis(1400));
    let said = bench.take();
    assert!(said.ends_with("+UPGRADEIND: 90\r\n+UPGRADEIND: 100\r\n"), "{said}");
    bench.run(Duration::from_secs(70));
    let said = bench.text();
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text}: {said}"));
    assert!(at("^boot.rom") < at("\"START\"") && at("\"START\"") < at("\"END\",0") && at("\"END\",0") < at("RDY"));
    let percents = installed(&mut bench);
    assert!(percents.is_sorted() && percents.first() == Some(&0) && percents.last() == Some(&100));
    bench.say("ATE0");
    assert_eq!(version(&mut bench), NEW);
}

#[test]
fn power_cut_while_installing_starts_the_installation_over() {
    let mut bench = module();
    bench.engine.offer_update(Some(Offer::Version(NEW.into())));
    bench.say("AT+UPGRADE");
    bench.run(Duration::from_secs(30));
    bench.heard.clear();
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(70));
    assert_eq!(installed(&mut bench).first(), Some(&0));
    bench.say("ATE0");
    assert_eq!(version(&mut bench), NEW);
}

#[test]
fn cloud_that_has_nothing_or_is_not_ready_says_so_and_locks_out_who_asks_too_often() {
    let mut bench = module();
    let ask = |bench: &mut Bench| {
        bench.say("AT+UPGRADE");
        bench.run(Duration::from_secs(3));
        bench.take()
    };
    bench.engine.offer_update(Some(Offer::Building));
    assert_eq!(ask(&mut bench), "\r\nOK\r\n+UPGRADEIND: -1003\r\n");
    bench.engine.offer_update(None);
    assert_eq!(ask(&mut bench), "\r\nOK\r\n+UPGRADEIND: -1004\r\n");
    assert_eq!(bench.say("AT+UPGRADE?"), "\r\n+UPGRADE: 2,-1004,200,27\r\n\r\nOK\r\n");
    bench.heard.clear();
    bench.engine.offer_update(Some(Offer::TooLarge));
    let said = ask(&mut bench);
    assert!(said.contains("+UPGRADEIND: 100\r\n+UPGRADEIND: -1003\r\n"), "{said}");
    for _ in 0..3 {
        ask(&mut bench);
    }
    bench.engine.offer_update(Some(Offer::Version(NEW.into())));
    assert_eq!(ask(&mut bench), "\r\nOK\r\n+UPGRADEIND: -1002\r\n");
    bench.run(Duration::from_secs(3600));
    assert!(ask(&mut bench).contains("+UPGRADEIND: 10\r\n"));
}

fn fetch(answer: Option<Vec<u8>>) -> Bench {
    let mut bench = module();
    bench.say("AT+UPGRADE=\"URL\",\"http://files.example/a.bin\",1");
    bench.heard.clear();
    if answer.is_none() {
        bench.web.failure = Some(Failure::Unreachable);
    }
    bench.web.answers.extend(answer.map(|answer| vec![answer]));
    bench.say("AT+UPGRADE");
    bench.run(Duration::from_secs(3));
    bench
}

fn file(status: &str, body: &str) -> Option<Vec<u8>> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

#[test]
fn file_of_an_own_server_is_taken_only_when_it_leads_from_this_version() {
    let mut bench = fetch(file("200 OK", "dfota AirM2M_780E_V1161_LTE_AT AirM2M_780E_V1169_LTE_AT\n..."));
    assert!(bench.web.requests[0].starts_with("GET /a.bin HTTP/1.1\r\nHost: files.example\r\n"));
    bench.run(Duration::from_secs(80));
    bench.say("ATE0");
    assert_eq!(version(&mut bench), NEW);
    let other = fetch(file("200 OK", "dfota AirM2M_780E_V1138_LTE_AT AirM2M_780E_V1147_LTE_AT\n..."));
    assert!(other.text().ends_with("+UPGRADEIND: -1003\r\n"), "{}", other.text());
}

#[test]
fn each_failure_of_an_own_server_has_its_code() {
    for (answer, code) in [(file("404 No", ""), -1004), (file("503 No", ""), -1002), (None, -1001)] {
        assert!(fetch(answer).text().ends_with(&format!("+UPGRADEIND: {code}\r\n")));
    }
    let mut bench = module();
    bench.say("AT+UPGRADE=\"URL\",\"ftp://files.example/a.bin\"");
    bench.say("AT+UPGRADE");
    bench.run(Duration::from_secs(2));
    assert!(bench.text().ends_with("+UPGRADEIND: -1000\r\n"));
}

#[test]
fn module_updates_itself_behind_the_back_of_a_host_that_has_not_forbidden_it() {
    for (line, expected) in [("AT", NEW), ("AT+UPGRADE=\"AUTO\",0", "AirM2M_780E_V1161_LTE_AT")] {
        let mut bench = module();
        bench.say(line);
        bench.engine.offer_update(Some(Offer::Version(NEW.into())));
        bench.heard.clear();
        bench.run(Duration::from_secs(86_400 + 120));
        let alone = bench.text().contains("+UPGRADEIND: 100\r\n");
        assert_eq!(alone, expected == NEW, "{}", bench.text());
        bench.say("ATE0");
        assert_eq!(version(&mut bench), expected);
    }
}

#[test]
fn wish_that_is_not_stored_is_gone_after_a_restart() {
    for (line, remains) in [("AT+UPGRADE=\"AUTO\",0,1", false), ("AT+UPGRADE=\"AUTO\",0", true)] {
        let mut bench = module();
        bench.say(line);
        bench.engine.reset(bench.now);
        bench.engine.offer_update(Some(Offer::Version(NEW.into())));
        bench.run(Duration::from_secs(86_400 + 120));
        assert_eq!(bench.text().contains("+UPGRADEIND"), !remains, "{line}");
    }
}

#[test]
fn location_is_told_with_local_time_and_blocks_the_channel() {
    let setup = Setup { unix_time: 1_724_123_500, ..Setup::default() };
    let mut bench = Bench::new(Profile::v1161(), setup);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CIPGSMLOC=1,1"), "\r\n+CIPGSMLOC: 601\r\n\r\nOK\r\n");
    bench.say("AT+SAPBR=1,1");
    assert_eq!(
        bench.say("AT+CIPGSMLOC=1,1"),
        "\r\n+CIPGSMLOC: 0,34.7980542,114.3204965,2024/08/20,11:11:56\r\n\r\nOK\r\n"
    );
    assert_eq!(bench.say("AT+CIPGSMLOC=2,1"), "\r\n+CIPGSMLOC: 0,2024/08/20,11:11:58\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+WIFILOC=1,1"), "");
    assert_eq!(bench.say("AT"), "");
    bench.run(Duration::from_secs(25));
    assert!(
        bench.text().contains("+WIFILOC: 0,34.7980542,114.3204965,2024/08/20,11:12:25\r\n\r\nOK\r\n\r\nOK\r\n"),
        "{}",
        bench.text()
    );
    bench.engine.set_position(None);
    assert_eq!(bench.say("AT+CIPGSMLOC=1,1"), "\r\n+CIPGSMLOC: 404\r\n\r\nOK\r\n");
}
