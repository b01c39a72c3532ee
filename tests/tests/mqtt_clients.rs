//! The MQTT clients of other languages at the daemon's MQTT door. `tests/interop/prepare` brings them.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, run};
use std::path::{Path, PathBuf};
use std::process::Command;

fn interop(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(file)
}

/// The folder with the clients, kept between runs beside what cargo builds.
fn clients() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.ancestors().nth(3).unwrap().join("interop");
    let done = run(Command::new(interop("prepare")).arg(&folder));
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    folder
}

fn goes_well(command: &mut Command) {
    let output = run(command);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "ok\n", "{errors}");
}

#[test]
fn paho_publishes_subscribes_keeps_its_session_and_leaves_a_will() {
    let house = House::new();
    goes_well(
        Command::new(clients().join("venv/bin/python")).arg(interop("mqtt_paho.py")).arg(house.path("mqtt.sock")),
    );
    house.all_arrive("user/update", &["from paho".into()]);
}

#[test]
fn nodes_mqtt_publishes_subscribes_and_leaves_a_will() {
    let house = House::new();
    let mut node = Command::new("node");
    node.env("NODE_PATH", clients().join("node_modules")).arg(interop("mqtt_node.js")).arg(house.path("mqtt.sock"));
    goes_well(&mut node);
    house.all_arrive("user/update", &["from node".into()]);
}
