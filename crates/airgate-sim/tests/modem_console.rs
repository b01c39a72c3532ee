//! The module's console, and faults of the port on a real pty.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use airgate_sim::modem::{Modem, Options, Profile, ask};
use serde_json::Value;
use tokio::task::JoinHandle;

fn options(dir: &Path) -> Options {
    Options { link: Some(dir.join("modem")), console: Some(dir.join("console")), ..Options::default() }
}

/// Makes a call outside of the runtime that the module runs in.
async fn call(dir: &Path, line: &str) -> Value {
    let (console, line) = (dir.join("console"), line.to_owned());
    let answer = tokio::task::spawn_blocking(move || ask(&console, &line)).await.unwrap().unwrap();
    serde_json::from_str(&answer).unwrap()
}

/// Sends a line until `OK` has come, as a host does that does not know whether the module listens yet.
async fn answers(path: PathBuf) {
    let talk = move || {
        let mut port = OpenOptions::new().read(true).write(true).open(path).unwrap();
        let mut heard = String::new();
        port.write_all(b"AT\r").unwrap();
        while !heard.contains("OK") {
            let mut byte = [0];
            assert_eq!(port.read(&mut byte).unwrap(), 1, "the line is gone");
            heard.push(char::from(*byte.first().unwrap()));
            if heard.ends_with("RDY") {
                port.write_all(b"AT\r").unwrap();
            }
        }
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
}

/// Holds the port open until it is gone.
fn held(path: &Path) -> JoinHandle<()> {
    let mut port = OpenOptions::new().read(true).write(true).open(path).unwrap();
    tokio::task::spawn_blocking(move || {
        let mut buffer = [0; 256];
        while port.read(&mut buffer).is_ok_and(|len| len > 0) {}
    })
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn rules_reset_and_power_go_over_the_console_and_the_state_tells_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let modem = Modem::start(options(dir.path())).unwrap();
    answers(modem.path().to_owned()).await;
    assert_eq!(call(dir.path(), "now: hang until power").await["ok"], true);
    let state = call(dir.path(), "state").await;
    assert_eq!((&state["deaf"], &state["fired"]), (&true.into(), &1.into()));
    assert_eq!(state["faults"][0][1], "Hang(Power)");
    call(dir.path(), "reset").await;
    assert_eq!(call(dir.path(), "state").await["deaf"], true);
    call(dir.path(), "off").await;
    call(dir.path(), "on").await;
    assert_eq!(call(dir.path(), "state").await["deaf"], false);
    answers(modem.path().to_owned()).await;
    assert!(call(dir.path(), "state").await["lines"].as_u64() >= Some(2));
    modem.shutdown().await;
    until(|| !dir.path().join("console").exists()).await;
}

#[tokio::test]
async fn a_call_that_is_none_is_answered_with_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let _modem = Modem::start(options(dir.path())).unwrap();
    let told = call(dir.path(), "now: explode").await;
    assert_eq!(told["ok"], false);
    assert!(told["error"].as_str().unwrap().contains("no fault"), "{told}");
    assert_eq!(call(dir.path(), "{\"do\":\"dance\"}").await["ok"], false);
}

#[tokio::test]
async fn a_port_that_vanishes_ends_what_has_it_open_and_comes_back_under_a_new_name() {
    let dir = tempfile::tempdir().unwrap();
    let modem = Modem::start(options(dir.path())).unwrap();
    answers(modem.path().to_owned()).await;
    let held = held(modem.path());
    let moved = dir.path().join("moved");
    modem.fault(format!("now: vanish 100ms as {}", moved.display()).parse().unwrap());
    held.await.unwrap();
    until(|| moved.exists()).await;
    assert!(!modem.path().exists(), "the old link is gone");
    answers(moved).await;
}

#[tokio::test]
async fn a_module_goes_on_when_its_port_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let modem = Modem::start(options(dir.path())).unwrap();
    answers(modem.path().to_owned()).await;
    let held = held(modem.path());
    modem.fault("now: vanish 50ms".parse().unwrap());
    held.await.unwrap();
    until(|| modem.path().exists()).await;
    answers(modem.path().to_owned()).await;
}

/// Says each line and waits for what stands beside it.
async fn talk(mut port: File, lines: &'static [(&str, &str)]) -> File {
    let talk = move || {
        for (line, end) in lines {
            port.write_all(line.as_bytes()).unwrap();
            let mut heard = String::new();
            while !heard.contains(end) {
                let mut byte = [0];
                assert_eq!(port.read(&mut byte).unwrap(), 1, "the line is gone");
                heard.push(char::from(*byte.first().unwrap()));
            }
        }
        port
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn the_world_is_changed_over_the_console_and_sent_messages_are_shown() {
    const SENDS: &[(&str, &str)] =
        &[("", "+CMT: \"+46708251358\""), ("AT+CMGS=\"+8613900000000\"\r\n", "> "), ("good bye\u{1a}", "+CMGS: 1")];
    let dir = tempfile::tempdir().unwrap();
    let profile = Profile { attach: Duration::from_millis(20), ..Profile::v1161() };
    let modem = Modem::start(Options { profile, ..options(dir.path()) }).unwrap();
    let port = OpenOptions::new().read(true).write(true).open(modem.path()).unwrap();
    let port = talk(port, &[("", "+NITZ"), ("AT+CMGF=1;+CNMI=2,2\r\n", "OK")]).await;
    let sms = r#"{"do":"sms","from":"+46708251358","text":"hello"}"#;
    for line in [
        sms,
        r#"{"do":"signal","rssi":12}"#,
        r#"{"do":"time","unix":1728547200}"#,
        r#"{"do":"position","place":["31.18","120.66"]}"#,
        r#"{"do":"position","place":null}"#,
        r#"{"do":"address","address":"10.1.2.3"}"#,
        r#"{"do":"update","offer":{"version":"AirM2M_780E_V1169_LTE_AT"}}"#,
        r#"{"do":"update","offer":"too_large"}"#,
        r#"{"do":"update","offer":null}"#,
        r#"{"do":"dtr","high":false}"#,
    ] {
        assert_eq!(call(dir.path(), line).await["ok"], true, "{line}");
    }
    talk(port, SENDS).await;
    assert_eq!(call(dir.path(), "state").await["sent"][0]["text"], "good bye");
    let told = call(dir.path(), r#"{"do":"sim"}"#).await;
    assert!(told["error"].as_str().unwrap().contains("missing field `there`"), "{told}");
    assert_eq!(call(dir.path(), r#"{"do":"sim","there":false}"#).await["ok"], true);
}
