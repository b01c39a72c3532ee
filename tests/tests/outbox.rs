//! What an operator sees of the outbox and does with it, the bounds that are configured, and batches: through the real
//! daemon.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, Setup, bin, eventually};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use tempfile::TempDir;

/// A daemon whose module is away.
struct Daemon {
    dir: TempDir,
    process: Option<Process>,
}

impl Daemon {
    fn start(outbox: &str) -> Self {
        let dir = TempDir::new().unwrap();
        let at = dir.path().display();
        let uid = std::fs::metadata(dir.path()).unwrap().uid();
        let config = format!(
            "[modem]\nport = \"{at}/no-module\"\n[cloud]\nprovider = \"mqtt\"\nhost = \"127.0.0.1\"\nclient_id = \"test\"\ntls = false\n\
             [outbox]\ndir = \"{at}/outbox\"\n{outbox}\n[local]\nsocket = \"{at}/airgate.sock\"\n\
             [[app]]\nuser = \"{uid}\"\noperator = true\npublish = [\"user/#\"]\n"
        );
        std::fs::write(dir.path().join("airgate.toml"), config).unwrap();
        let mut daemon = Self { dir, process: None };
        let mut command = bin("airgate");
        command.arg("run").arg("--config").arg(daemon.dir.path().join("airgate.toml"));
        daemon.process = Some(Process::start(&mut command, &daemon.dir.path().join("daemon.log")));
        eventually("the daemon listens", || Door::try_open(&daemon.socket()).map(|_| ()));
        daemon
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("airgate.sock")
    }

    /// The command's output, line by line, and whether it succeeded.
    fn outbox(&self, arguments: &[&str]) -> (bool, Vec<String>, String) {
        let mut command = bin("airgate");
        let done = command.arg("outbox").args(arguments).env("AIRGATE_SOCKET", self.socket()).output().unwrap();
        let lines = String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect();
        (done.status.success(), lines, String::from_utf8(done.stderr).unwrap())
    }
}

fn publish(door: &mut Door, topic: &str, payload: &str) -> Value {
    door.ask(json!({"op": "publish", "topic": topic, "payload": payload}))
}

#[test]
fn an_operator_lists_exports_and_drops_by_topic_while_the_daemon_runs() {
    let daemon = Daemon::start("");
    let mut door = Door::open(&daemon.socket());
    for n in 0..3 {
        assert_eq!(publish(&mut door, "user/a", &format!("a{n}"))["ok"], true);
        assert_eq!(publish(&mut door, "user/b", &format!("b{n}"))["ok"], true);
    }
    let (ok, lines, _) = daemon.outbox(&["list", "--json", "--topic", "user/a"]);
    assert!(ok && lines.len() == 3, "{lines:?}");
    let (_, lines, _) = daemon.outbox(&["list"]);
    assert!(lines.len() == 7 && lines[0].contains("TOPIC") && lines[1].ends_with("user/a"), "{lines:?}");
    let (_, lines, _) = daemon.outbox(&["export", "--topic", "user/b"]);
    let first: Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!((&first["payload"], &first["topic"]), (&json!("b0"), &json!("user/b")));
    let (ok, _, told) = daemon.outbox(&["drop"]);
    assert!(!ok && told.contains("--all"), "{told}");
    let (ok, lines, _) = daemon.outbox(&["drop", "--topic", "user/a"]);
    assert!(ok && lines == ["3 dropped"], "{lines:?}");
    let status = door.ask(json!({"op": "status"}));
    assert_eq!((&status["status"]["outbox"]["queued"], &status["status"]["outbox"]["dropped"]), (&json!(3), &json!(3)));
}

#[test]
fn a_killed_daemons_outbox_is_exported_from_its_directory() {
    let mut daemon = Daemon::start("");
    let mut door = Door::open(&daemon.socket());
    assert_eq!(publish(&mut door, "user/a", "kept")["ok"], true);
    let dir = daemon.dir.path().join("outbox");
    let (ok, _, told) = daemon.outbox(&["export", "--dir", dir.to_str().unwrap()]);
    assert!(!ok && told.contains("in use"), "{told}");
    daemon.process.take().unwrap().kill();
    let (ok, lines, told) = daemon.outbox(&["export", "--dir", dir.to_str().unwrap()]);
    assert!(ok && lines.len() == 1 && lines[0].contains("kept"), "{lines:?} {told}");
}

#[test]
fn at_the_most_messages_a_program_is_told_that_the_outbox_is_full() {
    let daemon = Daemon::start("max_messages = 2\nwhen_full = \"refuse\"");
    let mut door = Door::open(&daemon.socket());
    publish(&mut door, "user/a", "1");
    publish(&mut door, "user/a", "2");
    let refused = publish(&mut door, "user/a", "3");
    assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("outbox_full")), "{refused}");
    assert!(refused["message"].as_str().unwrap().contains("max_messages"));
}

/// A house with this batch for `user/readings`.
fn batching(batch: &'static str) -> House {
    House::with(Setup { extra: batch, ..Setup::default() })
}

fn sent(door: &mut Door, seq: u64) {
    door.event(|event| event["event"] == "sent" && event["seq"] == seq);
}

fn confirmed(door: &mut Door, topic: &str, payload: &str) -> u64 {
    let publish = json!({"op": "publish", "topic": topic, "payload": payload, "confirm": true});
    door.ask_ok(publish)["seq"].as_u64().unwrap()
}

#[test]
fn readings_of_a_batch_route_leave_together_are_confirmed_singly_and_nothing_else_waits_for_them() {
    // [batch-1] [batch-2] [batch-3] [batch-4]
    let house = batching(
        "[[route]]\nfrom = \"user/readings\"\nbatch = { max_messages = 8, max_wait = \"1h\" }\n\
         [[route]]\nfrom = \"user/lines\"\nbatch = { max_messages = 3, max_wait = \"300ms\", form = \"lines\" }\n",
    );
    let mut door = house.program();
    let seqs: Vec<u64> = (0..12).map(|n| confirmed(&mut door, "user/readings", &n.to_string())).collect();
    let other = confirmed(&mut door, "user/other", "now");
    let lonely = confirmed(&mut door, "user/lines", "alone");
    seqs[..8].iter().for_each(|seq| sent(&mut door, *seq));
    sent(&mut door, other);
    sent(&mut door, lonely);
    assert_eq!(house.cloud.received("user/readings"), ["[0,1,2,3,4,5,6,7]"]);
    assert_eq!(house.cloud.received("user/lines"), ["alone"]);
    let refused = publish(&mut door, "user/readings", "no JSON");
    assert_eq!((&refused["ok"], &refused["code"]), (&json!(false), &json!("bad_field")), "{refused}");
    let last: Vec<u64> = (12..16).map(|n| confirmed(&mut door, "user/readings", &n.to_string())).collect();
    seqs[8..].iter().chain(&last).for_each(|seq| sent(&mut door, *seq));
    assert_eq!(house.cloud.received("user/readings")[1..], ["[8,9,10,11,12,13,14,15]"]);
}

#[test]
fn a_daemon_killed_while_a_batch_fills_sends_its_messages_after_the_restart() {
    // [batch-1]
    let mut house = batching(
        "[[route]]\nfrom = \"user/readings\"\nbatch = { max_messages = 4, max_wait = \"1h\", form = \"lines\" }\n",
    );
    let mut door = house.program();
    for text in ["a", "b", "c"] {
        assert_eq!(publish(&mut door, "user/readings", text)["ok"], true);
    }
    house.kill_daemon();
    house.start_daemon();
    let mut door = house.program();
    let last = confirmed(&mut door, "user/readings", "d");
    sent(&mut door, last);
    assert_eq!(house.cloud.received("user/readings"), ["a\nb\nc\nd"]);
}

#[test]
fn a_program_is_told_the_end_of_each_of_thousands_that_end_at_once() {
    const MANY: usize = 3_000;
    let mut house = House::with(Setup { outbox: "max_age = \"3s\"", ..Setup::default() });
    house.kill_modem();
    let mut door = Door::open(&house.socket());
    let lines = (0..MANY).map(|n| {
        json!({"id": n, "op": "publish", "topic": "user/update", "payload": "x", "confirm": true}).to_string() + "\n"
    });
    door.send_raw(lines.collect::<String>().as_bytes());
    let mut read = || door.event(|line| line["id"].is_u64() || line["event"] == "dropped");
    let mut waiting = HashSet::new();
    for _ in 0..2 * MANY {
        let line = read();
        let seq = line["seq"].as_u64().unwrap_or_else(|| panic!("{line}"));
        match line["id"].is_u64() {
            true => assert!(waiting.insert(seq)),
            false => {
                assert!(line["reason"] == "max_age" && waiting.remove(&seq), "{line} comes once, after the answer")
            }
        }
    }
}
