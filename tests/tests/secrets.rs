//! No secret is seen where it does not belong: the log at its most talkative, the status, the process table, the store's
//! listing.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, Tls, run};
use serde_json::json;

const DEVICE_SECRET: &str = "0123456789abcdef0123456789abcdef";
const SUB_DEVICE_SECRET: &str = "5ubdev1ce5ecret5ubdev1ce5ecret00";

/// What the process table shows of a process to everybody, and to its owner.
fn process_table(pid: u32) -> String {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).expect("the daemon runs");
    format!("{}\n{}", String::from_utf8_lossy(&read("cmdline")), String::from_utf8_lossy(&read("environ")))
}

/// A run of hexadecimal digits as long as a signature.
fn signature(text: &str) -> Option<&str> {
    let is_hex = |b: &u8| b.is_ascii_hexdigit();
    let mut at = 0;
    while let Some(start) = text.as_bytes().get(at..)?.iter().position(is_hex).map(|found| at + found) {
        let length = text.as_bytes()[start..].iter().take_while(|b| is_hex(b)).count();
        if length >= 32 {
            return text.get(start..start + length);
        }
        at = start + length;
    }
    None
}

/// Nothing of these in the log, the status and the process table, and nothing that looks like a secret or a signature.
fn nothing_is_shown(mut house: House, secrets: &[&str]) {
    let shown = run(house.airgate(&["status"]).arg("--json")).stdout;
    let shown = [String::from_utf8_lossy(&shown).into_owned(), house.program().status().to_string()].concat();
    let table = process_table(house.daemon_pid());
    assert!(house.terminate_daemon());
    let log = house.log();
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    for secret in secrets {
        for (what, text) in [("log", &log), ("status", &shown), ("process table", &table)] {
            assert!(!text.contains(secret), "a secret is in the {what}");
        }
    }
    for (what, text) in [("log", &log), ("status", &shown)] {
        assert_eq!(signature(text), None, "a secret or the password of a sign-in is in the {what}");
    }
}

#[test]
fn no_secret_is_in_the_log_the_status_or_the_process_table() {
    let mut house = House::with(Setup { log: "trace", ..Setup::default() });
    let mut program = house.program();
    let device = json!({"product_key": "a1Sensor000", "device_name": "meter-1"});
    let login = json!({"id": "l", "op": "device_add", "device": device, "device_secret": SUB_DEVICE_SECRET});
    program.send_raw(format!("{login}\n").as_bytes());
    program.publish("user/update", "something to carry");
    house.all_arrive("user/update", &["something to carry".to_owned()]);
    // Once more, through a lost session.
    house.cloud.kill();
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    house.cloud.start();
    program.online();
    nothing_is_shown(house, &[DEVICE_SECRET, SUB_DEVICE_SECRET]);
}

#[test]
fn a_device_that_registers_by_either_way_signs_in_with_what_it_fetched_once_and_shows_nothing_of_it() {
    for way in ["https", "mqtt"] {
        let setup = Setup { log: "trace", registers: Some(way), tls: Tls::OwnAuthority, ..Setup::default() };
        let mut house = House::with(setup);
        house.program().publish("user/update", way);
        house.all_arrive("user/update", &[way.to_owned()]);
        assert!(house.terminate_daemon());
        house.start_daemon();
        house.program();
        let log = house.log();
        assert_eq!(log.matches("registers the device with the cloud").count(), 1, "{way}: once");
        assert!(log.to_lowercase().contains(&format!("way={way}")), "{way}");
        nothing_is_shown(house, &["productsecret000"]);
    }
}
