//! What an operator sees of the outbox and does with it, the bounds that are configured, and batches: through the real
//! daemon.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, Setup, bin, eventually, run};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};
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
fn a_long_export_shows_on_a_terminal_how_far_it_is_and_nowhere_else() {
    let daemon = Daemon::start("");
    let mut door = Door::open(&daemon.socket());
    let publish = |n: usize| format!("{{\"id\":{n},\"op\":\"publish\",\"topic\":\"user/a\",\"payload\":\"{n}\"}}\n");
    let count = 2_100;
    door.send_raw((0..count).map(publish).collect::<String>().as_bytes());
    (0..count).for_each(|_| drop(door.event(|answer| answer["ok"] == true)));
    let (ok, lines, told) = daemon.outbox(&["export"]);
    assert!(ok && lines.len() == count && told.is_empty(), "{told}");
    let file = daemon.dir.path().join("exported");
    let export = format!("'{}' outbox export > '{}'", bin("airgate").get_program().display(), file.display());
    let mut terminal = Command::new("script");
    let done = run(terminal.args(["-qec", &export, "/dev/null"]).env("AIRGATE_SOCKET", daemon.socket()));
    let shown = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(
        done.status.success() && shown.contains("500 of at most 2100") && shown.contains("2100 messages"),
        "{shown}"
    );
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), count);
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

/// A command that becomes another one in which this was mounted, and nowhere else; told when this user may not.
fn mounted(mount: &str) -> Option<Vec<String>> {
    if !run(Command::new("unshare").args(["-m", "true"])).status.success() {
        println!("left out: only root may mount");
        return None;
    }
    Some(["unshare", "-m", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")].map(str::to_owned).into())
}

/// A house whose module is away and whose outbox holds `kept`; nothing runs.
fn stopped_with_something_kept(outbox: &'static str, kept: &str) -> House {
    let mut house = House::with(Setup { outbox, ..Setup::default() });
    house.program();
    house.kill_modem();
    Door::open(&house.socket()).publish("user/update", kept);
    assert!(house.terminate_daemon());
    house
}

fn disk(door: &mut Door) -> String {
    door.status()["outbox"]["disk"].to_string()
}

#[test]
fn on_a_disk_that_is_read_only_at_the_start_what_waits_is_sent_and_what_is_new_is_refused() {
    let mut house = stopped_with_something_kept("", "kept before");
    let path = house.path("outbox").display().to_string();
    let Some(mount) = mounted(&format!("mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}'")) else {
        return;
    };
    house.start_modem();
    house.start_daemon_under(&mount.iter().map(String::as_str).collect::<Vec<_>>());
    let mut door = house.program();
    let refused = publish(&mut door, "user/update", "not now");
    assert_eq!(refused["code"], "internal");
    assert!(refused["message"].as_str().unwrap().contains("Read-only file system"), "{refused}");
    assert!(disk(&mut door).contains("Read-only"), "{}", disk(&mut door));
    door.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": "in memory", "qos": 0}));
    house.all_arrive("user/update", &["kept before".to_owned(), "in memory".to_owned()]);
    let pid = house.daemon_pid().to_string();
    let mut writable = Command::new("nsenter");
    writable.args(["-t", &pid, "-m", "mount", "-o", "remount,rw,bind", &path]);
    assert!(run(&mut writable).status.success());
    assert_eq!(publish(&mut door, "user/update", "now")["ok"], true);
    assert_eq!(disk(&mut door), "\"ok\"");
    house.all_arrive("user/update", &["now".to_owned()]);
}

#[test]
fn a_small_disk_refuses_what_is_new_when_it_is_full_and_takes_it_again_when_what_waits_is_sent() {
    // Full to the last block, and with something left for others; with and without room for a file ahead.
    for outbox in [
        "min_free = 0",
        "min_free = \"64 KiB\"",
        "min_free = 0\nsegment_bytes = \"32 KiB\"",
        "min_free = \"64 KiB\"\nsegment_bytes = \"32 KiB\"",
    ] {
        let mut house = House::unstarted(Setup { outbox, ..Setup::default() });
        house.kill_modem();
        let path = house.path("outbox");
        std::fs::create_dir(&path).unwrap();
        let Some(mount) = mounted(&format!("mount -t tmpfs -o size=192k tmpfs '{}'", path.display())) else { return };
        house.start_daemon_under(&mount.iter().map(String::as_str).collect::<Vec<_>>());
        let mut door = Door::open(&house.socket());
        let text = |number: usize| format!("{number} {}", "x".repeat(2000));
        let refused = |answer: &Value| answer["ok"] == false;
        let count = (0..100).find(|number| refused(&publish(&mut door, "user/update", &text(*number)))).unwrap();
        assert!(count > 10, "{count}");
        assert_ne!(disk(&mut door), "\"ok\"");
        house.start_modem();
        let all: Vec<String> = (0..count).map(text).collect();
        house.all_arrive("user/update", &all);
        eventually("there is room again", || (!refused(&publish(&mut door, "user/update", "room"))).then_some(()));
        eventually("it is well", || (disk(&mut door) == "\"ok\"").then_some(()));
        house.all_arrive("user/update", &["room".to_owned()]);
    }
}

/// The lengths of the outbox's files of messages.
fn lengths(house: &House) -> Vec<u64> {
    let files = std::fs::read_dir(house.path("outbox")).unwrap().map(Result::unwrap);
    let segments = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "seg"));
    segments.map(|file| file.metadata().unwrap().len()).collect()
}

#[test]
fn where_a_file_system_takes_no_room_ahead_the_files_grow_and_either_way_goes_on_with_the_other() {
    let refusing =
        "strace -D -f -qq -o /dev/null --seccomp-bpf -e trace=fallocate -e inject=fallocate:error=EOPNOTSUPP";
    let refusing: Vec<&str> = refusing.split(' ').collect();
    if !Command::new("strace").args(&refusing[1..]).arg("true").status().is_ok_and(|status| status.success()) {
        println!("left out: there is no strace that may look into other processes");
        return;
    }
    let mut house = House::unstarted(Setup { log: "debug", ..Setup::default() });
    house.kill_modem();
    house.start_daemon_under(&refusing);
    let mut door = Door::open(&house.socket());
    door.publish("user/update", "grown");
    assert!(lengths(&house) < vec![4096], "{:?}", lengths(&house));
    assert_eq!(disk(&mut door), "\"ok\"");
    assert_eq!(house.log().matches("takes room as it is written").count(), 1, "{}", house.log());
    house.kill_daemon();
    house.start_daemon();
    Door::open(&house.socket()).publish("user/update", "ahead");
    assert_eq!(lengths(&house), [4 << 20]);
    house.kill_daemon();
    house.start_daemon_under(&refusing);
    Door::open(&house.socket()).publish("user/update", "in what was ahead");
    assert!(house.terminate_daemon());
    assert!(lengths(&house) < vec![4096], "{:?}", lengths(&house));
    house.start_modem();
    house.start_daemon();
    house.all_arrive("user/update", &["grown", "ahead", "in what was ahead"].map(str::to_owned));
}

/// Does something to the system calls of the daemon's thread that writes, until it is dropped.
struct Tampered(Child);

impl Tampered {
    /// `None`, and told, where nobody may look into another process.
    fn with(house: &House, inject: &str) -> Option<Self> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", house.daemon_pid())).unwrap().flatten();
        let named =
            |path: PathBuf| std::fs::read_to_string(path.join("comm")).is_ok_and(|name| name.trim() == "outbox-write");
        let thread = tasks.map(|task| task.path()).find(|path| named(path.clone())).expect("a thread that writes");
        let mut strace = Command::new("strace");
        strace.arg("-p").arg(thread.file_name().unwrap()).arg("-e").arg(format!("inject={inject}"));
        // The thread also writes to wake others.
        let files = std::fs::read_dir(house.path("outbox")).unwrap().flatten().map(|file| file.path());
        let newest = files.filter(|path| path.extension().is_some_and(|kind| kind == "seg")).max().unwrap();
        strace.arg("-P").arg(newest);
        let Ok(mut child) = strace.stderr(Stdio::piped()).spawn() else {
            println!("left out: there is no strace");
            return None;
        };
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        // It must not wait for somebody who reads what it says.
        std::thread::spawn(move || lines.for_each(drop));
        if first.ends_with("attached") {
            return Some(Self(child));
        }
        println!("left out: {first}");
        child.wait().unwrap();
        None
    }
}

impl Drop for Tampered {
    fn drop(&mut self) {
        // With SIGTERM it lets go of the thread, and of what it delays.
        run(Command::new("kill").arg(self.0.id().to_string()));
        let _ = self.0.wait();
    }
}

#[test]
fn a_disk_that_begins_to_fail_is_told_and_used_again_when_it_is_well() {
    let house = House::new();
    let mut door = house.program();
    for (fault, words) in [("fdatasync:error=EIO", "Input/output error"), ("pwrite64:error=EROFS", "Read-only")] {
        door.publish("user/update", "well");
        let Some(tampered) = Tampered::with(&house, fault) else { return };
        let refused = publish(&mut door, "user/update", "not now");
        assert_eq!(refused["code"], "internal", "{refused}");
        assert!(refused["message"].as_str().unwrap().contains(words), "{refused}");
        assert!(disk(&mut door).contains(words), "{}", disk(&mut door));
        door.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": fault, "qos": 0}));
        house.all_arrive("user/update", &[fault.to_owned()]);
        drop(tampered);
        assert_eq!(publish(&mut door, "user/update", words)["ok"], true);
        assert_eq!(disk(&mut door), "\"ok\"");
        house.all_arrive("user/update", &[words.to_owned()]);
    }
}

#[test]
fn while_the_disk_takes_its_time_only_acceptances_wait() {
    let house = House::new();
    let mut door = house.program();
    door.ask_ok(json!({"op": "subscribe", "filter": "user/get"}));
    house.cloud.subscribed("user/get");
    door.publish("user/update", "before");
    let Some(tampered) = Tampered::with(&house, "fdatasync:delay_enter=600000000") else { return };
    let mut waiting = Door::open(&house.socket());
    waiting.send_raw(b"{\"id\":\"slow\",\"op\":\"publish\",\"topic\":\"user/update\",\"payload\":\"slow\"}\n");
    let slow = |answer: &Value| answer["id"] == "slow";
    assert!(!waiting.has(slow), "its door answers, and the disk does not");
    // The line, both ways; the other door's QoS 0; a message between programs.
    door.ask_ok(json!({"op": "at", "command": "AT+CSQ"}));
    door.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": "quick", "qos": 0}));
    house.all_arrive("user/update", &["quick".to_owned()]);
    house.cloud.publish("user/get", b"down");
    assert_eq!(door.message("user/get")["payload"], "down");
    door.publish("local/x", "between programs");
    assert!(!waiting.has(slow), "all that went past it");
    drop(tampered);
    assert_eq!(waiting.event(slow)["ok"], true);
    house.all_arrive("user/update", &["slow".to_owned()]);
}

/// Whatever the host's clock does while messages wait, they are as old as they are.
#[test]
fn a_host_clock_that_jumps_ends_nothing_and_makes_nothing_older() {
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    let library = found.next().expect("hint: apt-get install faketime, or run scripts/test");
    let mut house = House::unstarted(Setup::default());
    house.kill_modem();
    let clock = house.path("clock");
    std::fs::write(&clock, "+0").unwrap();
    let (preload, by) =
        (format!("LD_PRELOAD={}", library.display()), format!("FAKETIME_TIMESTAMP_FILE={}", clock.display()));
    house.start_daemon_under(&["env", &preload, &by, "FAKETIME_NO_CACHE=1", "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"]);
    let mut door = Door::open(&house.socket());
    let mut kept = Vec::new();
    for days in [0, 400, -800, 0] {
        std::fs::write(&clock, format!("{days:+}d")).unwrap();
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
        let believed = door.ask_ok(json!({"op": "time"}))["data"]["unix_ms"].as_i64().unwrap() / 1000;
        assert!((believed - now - days * 86_400).abs() < 600, "the clock has jumped by {days} days: {believed}");
        kept.push(format!("{} {days}", kept.len()));
        door.ask_ok(json!({"op": "publish", "topic": "user/update", "payload": kept.last(), "ttl_s": 3600}));
        let listed = door.ask_ok(json!({"op": "outbox_list"}))["data"]["messages"].clone();
        let young = |message: &Value| message["age_ms"].as_u64().is_some_and(|age| age < 600_000);
        assert!(listed.as_array().unwrap().iter().all(young), "{days} days: {listed}");
    }
    assert_eq!(door.status()["outbox"]["dropped"], 0);
    house.start_modem();
    house.all_arrive("user/update", &kept);
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
