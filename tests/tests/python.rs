//! The Python client and the recipes for a shell, with a real daemon.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, run};
use std::path::Path;
use std::process::Command;

#[test]
fn the_python_client_does_what_it_says() {
    let house = House::new();
    house.program();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python");
    let mut python = Command::new("python3");
    python.current_dir(folder).env("AIRGATE_SOCKET", house.socket()).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = run(python.args(["-m", "unittest", "-v", "test_airgate"]));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("skipped"), "{errors}");
    house.all_arrive("user/update", &["from python".into(), "once".into(), "base64:AP8=".into()]);
    let once = house.cloud.received("user/update").iter().filter(|payload| *payload == "once").count();
    assert_eq!(once, 1);
}

/// Each recipe is run as it stands in the documentation, with this house's socket.
#[test]
fn the_recipes_for_a_shell_work() {
    let house = House::new();
    house.program();
    let text = include_str!("../../docs/socket-protocol.md");
    let recipes: Vec<&str> = text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(recipes.len() >= 3);
    for recipe in &recipes {
        let script = recipe.replace("/run/airgate/airgate.sock", house.socket().to_str().unwrap());
        let output = run(Command::new("timeout").args(["60", "bash", "-euo", "pipefail", "-c", &script]));
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{script}\n{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains("\"ok\":true") && !said.contains("\"ok\":false"), "{script}\n{said}");
    }
    house.all_arrive("user/update", &["from a shell".into(), "line 1".into(), "line 2".into()]);
}
