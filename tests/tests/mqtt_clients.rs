//! The MQTT clients of other languages at the daemon's MQTT door. `tests/interop/prepare` brings them.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, interop, interop_clients, run};
use std::process::Command;

fn goes_well(command: &mut Command) {
    let output = run(command);
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(said, "ok\n", "{errors}");
}

#[test]
fn paho_publishes_subscribes_keeps_its_session_and_leaves_a_will() {
    let house = House::new();
    goes_well(
        Command::new(interop_clients().join("venv/bin/python"))
            .arg(interop("mqtt_paho.py"))
            .arg(house.path("mqtt.sock")),
    );
    house.all_arrive("user/update", &["from paho".into()]);
}

#[test]
fn nodes_mqtt_publishes_subscribes_and_leaves_a_will() {
    let house = House::new();
    let mut node = Command::new("node");
    node.env("NODE_PATH", interop_clients().join("node_modules"))
        .arg(interop("mqtt_node.js"))
        .arg(house.path("mqtt.sock"));
    goes_well(&mut node);
    house.all_arrive("user/update", &["from node".into()]);
}
