//! The command and its console, as a script uses them.

use crate::client::{DN, PK, SECRET, topic};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A running `airgate-sim cloud`, ended with the test.
struct Sim {
    child: Child,
    said: Value,
    console: BufReader<UnixStream>,
}

impl Sim {
    fn start(dir: &Path) -> Self {
        let (devices, socket) = (dir.join("devices.toml"), dir.join("console.sock"));
        let text = format!(
            "[[product]]\nproduct_key=\"{PK}\"\n[[device]]\nproduct_key=\"{PK}\"\ndevice_name=\"{DN}\"\ndevice_secret=\"{SECRET}\"\n"
        );
        std::fs::write(&devices, text).unwrap();
        let mut child = command()
            .arg("--devices")
            .arg(&devices)
            .arg("--console")
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let console = BufReader::new(UnixStream::connect(socket).unwrap());
        Sim { child, said: serde_json::from_str(&line).unwrap(), console }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.console.get_mut(), "{line}").unwrap();
        let mut answer = String::new();
        self.console.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap()
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(ca) = self.said["ca"].as_str() {
            let _ = std::fs::remove_file(ca);
        }
    }
}

fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_airgate-sim"));
    command.arg("cloud");
    command
}

#[test]
fn command_tells_where_it_listens_and_its_console_answers_each_call() {
    let dir = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(dir.path());
    for name in ["mqtt", "mqtts", "http"] {
        let address: std::net::SocketAddr = sim.said[name].as_str().unwrap().parse().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok(), "{name}");
    }
    assert!(std::fs::read_to_string(sim.said["ca"].as_str().unwrap()).unwrap().starts_with("-----BEGIN CERTIFICATE"));
    assert_eq!(sim.ask(r#"{"do":"received"}"#), json!({"ok": true, "count": 0, "messages": []}));
    assert_eq!(sim.ask(r#"{"do":"log"}"#), json!({"ok": true, "events": []}));
    let device = json!({"product_key": PK, "device_name": DN});
    let call = |rest: Value| {
        let mut call = device.clone();
        call.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        call.to_string()
    };
    assert_eq!(sim.ask(&call(json!({"do": "kick"}))), json!({"ok": true, "was_online": false}));
    let publish = call(json!({"do": "publish", "topic": topic("get"), "payload": "x", "qos": 1}));
    assert_eq!(sim.ask(&publish), json!({"ok": true, "delivery": "offline"}));
    assert_eq!(sim.ask(&call(json!({"do": "reset"}))), json!({"ok": true}));
    for (verb, id) in
        [(json!({"do": "set", "params": {"a": 1}}), "1"), (json!({"do": "service", "service": "s", "params": {}}), "2")]
    {
        assert_eq!(sim.ask(&call(verb)), json!({"ok": true, "id": id, "delivery": "offline"}));
    }
    let package = call(json!({"do": "ota", "version": "2", "file": dir.path().join("devices.toml")}));
    assert_eq!(sim.ask(&package), json!({"ok": true, "pushed": 0}));
    let known = &sim.ask(r#"{"do":"devices"}"#)["devices"][0];
    assert_eq!(
        (&known["device_name"], &known["online"], &known["activated"]),
        (&json!(DN), &json!(false), &json!(false))
    );
    for done in
        [r#"{"do":"refuse","count":1,"code":3}"#, r#"{"do":"outage","on":true}"#, r#"{"do":"lose_pubacks","count":1}"#]
    {
        assert_eq!(sim.ask(done), json!({"ok": true}), "{done}");
    }
}

#[test]
fn console_answers_what_it_cannot_do_with_the_reason_and_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut sim = Sim::start(dir.path());
    for (call, reason) in [
        ("nonsense", "not a call"),
        (r#"{"do":"fly"}"#, "expected one of"),
        (r#"{"do":"refuse","count":1,"code":0}"#, "1 to 5"),
        (r#"{"do":"reset","product_key":"p","device_name":"d"}"#, "no device p/d"),
        (r#"{"do":"ota","product_key":"p","version":"2","file":"/missing"}"#, "/missing"),
        (r#"{"do":"kick","product_key":"p","device_name":"d"}"#, "no device p/d"),
        (r#"{"do":"publish","product_key":"p","device_name":"d","topic":"t","payload":"x","qos":2}"#, "0 or 1"),
        (r#"{"do":"publish","product_key":"p","device_name":"d","topic":"t"}"#, "payload"),
        (r#"{"do":"publish","product_key":"p","device_name":"d","topic":"t","payload_b64":"?"}"#, "payload_b64"),
    ] {
        let answer = sim.ask(call);
        assert_eq!(answer["ok"], json!(false));
        assert!(answer["error"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[test]
fn socket_of_a_dead_process_is_taken_over_and_a_plain_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    drop(Sim::start(dir.path()));
    let socket = dir.path().join("console.sock");
    assert!(socket.exists(), "the process was killed and left its socket behind");
    drop(Sim::start(dir.path()));
    std::fs::remove_file(&socket).unwrap();
    std::fs::write(&socket, "precious").unwrap();
    let refused =
        command().arg("--devices").arg(dir.path().join("devices.toml")).arg("--console").arg(&socket).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("cannot listen on"));
    assert_eq!(std::fs::read_to_string(&socket).unwrap(), "precious");
}

#[test]
fn wrong_devices_file_ends_the_command_with_what_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let devices = dir.path().join("devices.toml");
    std::fs::write(&devices, "[[device]]\nname = 1\n").unwrap();
    let refused = command().arg("--devices").arg(&devices).output().unwrap();
    let error = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && error.contains("line 2") && error.contains("device_name"), "{error}");
}
