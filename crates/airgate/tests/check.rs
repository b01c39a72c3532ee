//! `airgate check` on ports with something wrong on their other end: the right rung is named, with what to do.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Output};
use std::thread;

/// The other end of a pty that answers each thing it reads with what `reply` says, until it is closed.
fn other_end(mut reply: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static) -> (String, File) {
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    // Held open, so that the master does not end while nobody has the port.
    let held = File::options().read(true).write(true).open(&name).unwrap();
    let mut settings = tcgetattr(&held).unwrap();
    settings.make_raw();
    tcsetattr(&held, OptionalActions::Now, &settings).unwrap();
    let mut line = File::from(master);
    thread::spawn(move || {
        let mut chunk = [0; 256];
        while let Ok(len @ 1..) = line.read(&mut chunk) {
            let answer = reply(&chunk[..len]);
            if line.write_all(&answer).is_err() {
                break;
            }
        }
    });
    (name, held)
}

fn check(port: &str, baud: u32) -> (Output, serde_json::Value) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    let folder = dir.path().display();
    let text = format!(
        "[modem]\nport = \"{port}\"\nbaud = {baud}\n[cloud]\nprovider = \"mqtt\"\nhost = \"127.0.0.1\"\ntls = false\n\
         [outbox]\ndir = \"{folder}/outbox\"\n[local]\nsocket = \"{folder}/airgate.sock\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airgate"));
    let output = command.args(["check", "--json", "--wait", "5", "--config"]).arg(&file).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    (output, report)
}

#[track_caller]
fn fails(reply: impl FnMut(&[u8]) -> Vec<u8> + Send + 'static, rung: &str, hint: &str) {
    let (port, _held) = other_end(reply);
    let (output, report) = check(&port, 115_200);
    assert_eq!(report["failed"], rung, "{report:#}");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.starts_with("error[check_failed]: ") && errors.contains(hint), "{errors}");
}

#[test]
fn login_console_on_the_port_is_recognised() {
    fails(|_| b"\r\nraspberrypi login: ".to_vec(), "console", "serial-getty@");
}

#[test]
fn swapped_wires_are_told_as_silence() {
    fails(|_| Vec::new(), "answer", "swapped");
}

#[test]
fn a_line_that_only_echoes_is_told() {
    fails(<[u8]>::to_vec, "answer", "connected with each other");
}

#[test]
fn a_luatos_image_is_recognised_by_what_it_prints() {
    fails(|_| b"[2024-07-10 16:33:44.123] I/main LuatOS@EC618 V1112\r\n".to_vec(), "image", "AT firmware");
}

#[test]
fn a_module_whose_supply_breaks_down_is_told_by_its_boots() {
    fails(|_| b"^boot.rom'v\x01\x02'!\\n\r\nRDY\r\n".to_vec(), "answer", "supply");
}

#[test]
fn text_at_another_rate_is_told_as_noise() {
    fails(|_| vec![0xf8, 0x00, 0xe0, 0x1c, 0x80, 0xf8], "answer", "ground");
}

#[test]
fn something_else_on_the_port_is_told() {
    fails(|_| b"$GPRMC,083344.00,A,5230.1,N,01323.2,E*6B\r\n".to_vec(), "answer", "main UART");
}

#[test]
fn a_port_that_is_not_there_is_told_with_what_to_set() {
    let (output, report) = check("/dev/ttyDOESNOTEXIST", 115_200);
    assert_eq!((&report["failed"], output.status.code()), (&"port".into(), Some(1)), "{report:#}");
}

#[test]
fn something_that_is_no_serial_port_is_told() {
    let (_, report) = check("/dev/null", 115_200);
    assert_eq!(report["failed"], "rights", "{report:#}");
}

#[test]
fn mistakes_in_the_configuration_are_all_told_and_exit_with_2() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, "[modem]\nbuad = 1\n[cloud]\nprovider = \"mqtt\"\nport = 0\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airgate"));
    let output = command.args(["check", "--config"]).arg(&file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains(":2:1") && errors.contains(":5:"), "{errors}");
}
