//! `airgate check` against the simulated module and the stand-in cloud: each fault names its rung.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, Setup, bin, eventually, free_port, run};
use serde_json::Value;
use std::path::Path;

/// A module and a configuration, without a daemon.
struct Bench {
    _modem: Process,
    dir: tempfile::TempDir,
}

impl Bench {
    fn new(modem: &[&str], more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().display().to_string();
        let mut command = bin("airgate-sim");
        command.arg("modem").arg("--link").arg(dir.path().join("modem")).args(["--baud", "0"]).args(modem);
        let mut modem = Process::start(&mut command, &dir.path().join("modem.log"));
        modem.first_line();
        let config = format!(
            "[modem]\nport = \"{folder}/modem\"\n[outbox]\ndir = \"{folder}/outbox\"\n[local]\n\
             socket = \"{folder}/airgate.sock\"\n[cloud]\nprovider = \"mqtt\"\nhost = \"127.0.0.1\"\ntls = false\n{more}\n"
        );
        std::fs::write(dir.path().join("airgate.toml"), config).unwrap();
        Self { _modem: modem, dir }
    }

    fn check(&self) -> Value {
        check(&self.dir.path().join("airgate.toml"))
    }
}

fn check(config: &Path) -> Value {
    let output = run(bin("airgate").args(["check", "--json", "--wait", "30", "--config"]).arg(config));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert_eq!(output.status.code(), Some(if report["ok"] == true { 0 } else { 1 }), "{report:#}");
    report
}

fn state<'r>(report: &'r Value, rung: &str) -> &'r Value {
    &report["rungs"].as_array().unwrap().iter().find(|finding| finding["rung"] == rung).unwrap()["state"]
}

#[test]
fn an_empty_sim_holder_is_the_sim_rung() {
    let report = Bench::new(&["--no-sim"], "").check();
    assert_eq!(report["failed"], "sim", "{report:#}");
    assert_eq!(state(&report, "image"), "ok");
    assert_eq!(state(&report, "sign_in"), "skipped");
}

#[test]
fn a_host_where_nobody_listens_is_the_connection_rung() {
    let report = Bench::new(&[], &format!("port = {}", free_port())).check();
    assert_eq!(report["failed"], "connection", "{report:#}");
    for rung in ["answer", "image", "firmware", "sim", "registration"] {
        assert_eq!(state(&report, rung), "ok", "{rung}: {report:#}");
    }
}

#[test]
fn without_a_daemon_all_rungs_up_to_the_sign_in_are_climbed() {
    let mut house = House::new();
    house.kill_daemon();
    let report = check(&house.path("airgate.toml"));
    assert_eq!((&report["failed"], state(&report, "sign_in")), (&Value::Null, &"ok".into()), "{report:#}");
}

#[test]
fn a_wrong_secret_is_the_sign_in_rung_with_and_without_a_daemon() {
    let mut house = House::with(Setup { secret: "ffffffffffffffffffffffffffffffff", ..Setup::default() });
    let mut program = Door::open(&house.socket());
    eventually("a refusal", || program.status()["link"]["trouble"].is_object().then_some(()));
    for daemon in [true, false] {
        if !daemon {
            house.kill_daemon();
        }
        let report = check(&house.path("airgate.toml"));
        assert_eq!(report["failed"], "sign_in", "with daemon: {daemon}, {report:#}");
        let text = report.to_string();
        assert!(text.contains("DeviceSecret") && !text.contains("ffffffff"), "{text}");
    }
}
