//! The Python client and the recipes for a shell, with a real daemon.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, run};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

/// Does to the daemon what the tests in Python ask for, until they end.
fn serve(house: &mut House, control: &UnixListener, python: &mut Child) {
    control.set_nonblocking(true).unwrap();
    while python.try_wait().unwrap().is_none() {
        let Ok((mut stream, _)) = control.accept() else {
            std::thread::sleep(Duration::from_millis(5));
            continue;
        };
        stream.set_nonblocking(false).unwrap();
        let mut word = String::new();
        BufReader::new(&stream).read_line(&mut word).unwrap();
        match word.trim() {
            "kill" => house.kill_daemon(),
            "start" => house.start_daemon(),
            other => panic!("{other:?} is asked for"),
        }
        stream.write_all(b"done\n").unwrap();
    }
}

#[test]
fn the_python_client_does_what_it_says() {
    let mut house = House::new();
    house.program();
    let control = UnixListener::bind(house.path("control.sock")).unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../clients/python");
    let mut python = Command::new("timeout");
    python.args(["120", "python3", "-m", "unittest", "-v", "test_airgate"]).current_dir(folder);
    python.env("AIRGATE_SOCKET", house.socket()).env("AIRGATE_CONTROL", house.path("control.sock"));
    let log = File::create(house.path("python.log")).unwrap();
    let mut running = python.env("PYTHONDONTWRITEBYTECODE", "1").stderr(log).spawn().unwrap();
    serve(&mut house, &control, &mut running);
    let errors = std::fs::read_to_string(house.path("python.log")).unwrap();
    assert!(running.wait().unwrap().success() && !errors.contains("skipped"), "{errors}");
    let once = ["once", "exactly once", "async once"].map(str::to_owned);
    let others = ["from python", "base64:AP8=", "before the restart", "after the restart", "async 0", "async 19"];
    let all: Vec<String> = once.iter().cloned().chain(others.map(str::to_owned)).collect();
    house.all_arrive("user/update", &all);
    let arrived = house.cloud.received("user/update");
    for once in once {
        assert_eq!(arrived.iter().filter(|payload| **payload == once).count(), 1, "{once}");
    }
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
