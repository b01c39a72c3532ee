//! How the sockets come to be: handed over, made, left over, and in use by somebody else.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, bin, run};
use serde_json::json;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::process::Command;

#[test]
fn sockets_that_systemd_hands_over_are_used_and_stay_its_own() {
    let mut house = House::new();
    house.terminate_daemon();
    let [json, mqtt] = [house.socket(), house.path("mqtt.sock")];
    // In the other order than the daemon names them.
    let mut command = Command::new("systemd-socket-activate");
    command.arg("--listen").arg(&mqtt).arg("--listen").arg(&json).arg(bin("airgate").get_program());
    command.args(["run", "--config"]).arg(house.path("airgate.toml"));
    let activated = Process::start(command.env("AIRGATE_LOG", "debug"), &house.path("activated.log"));
    airgate_tests::eventually("systemd listens", || (json.exists() && mqtt.exists()).then_some(()));
    // The first to come is who starts it.
    let mut client = UnixStream::connect(&mqtt).unwrap();
    std::io::Write::write_all(&mut client, b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x00\x00\x01a").unwrap();
    std::io::Read::read_exact(&mut client, &mut [0; 4]).unwrap();
    Door::open(&json).ask_ok(json!({"op": "ping"}));
    assert!(activated.terminate(), "it ends in order");
    assert!(json.exists() && mqtt.exists(), "the files are not the daemon's to remove");
}

#[test]
fn sockets_of_its_own_are_for_the_group_and_go_with_the_daemon() {
    let mut house = House::new();
    let paths = [house.socket(), house.path("mqtt.sock")];
    for path in &paths {
        let file = std::fs::metadata(path).unwrap();
        assert!(file.file_type().is_socket());
        assert_eq!(file.permissions().mode() & 0o777, 0o660);
    }
    house.kill_daemon();
    assert!(paths.iter().all(|path| path.exists()), "who is killed leaves them behind");
    house.start_daemon();
    house.program().ask_ok(json!({"op": "ping"}));
    assert!(house.terminate_daemon());
    assert!(!paths.iter().any(|path| path.exists()));
}

#[test]
fn the_sockets_of_a_living_daemon_are_not_stolen() {
    let house = House::new();
    let config = std::fs::read_to_string(house.path("airgate.toml")).unwrap();
    let other = house.path("other.toml");
    std::fs::write(&other, config.replace("/outbox\"", "/other-outbox\"")).unwrap();
    std::fs::set_permissions(&other, PermissionsExt::from_mode(0o600)).unwrap();
    let output = run(bin("airgate").args(["run", "--config"]).arg(&other));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains("another daemon listens on"), "{errors}");
    house.program().ask_ok(json!({"op": "ping"}));
}
