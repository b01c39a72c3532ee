//! What is to be seen of a running daemon: status, metrics and their file, history; for everybody who may connect.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Setup, Tls, bin, eventually, in_parallel, run};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What the house's device signs in with.
const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn text(command: &mut Command) -> String {
    let output = run(command);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// The value of a sample, labels and all.
fn sample(metrics: &str, name: &str) -> Option<f64> {
    metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[test]
fn the_status_is_one_screen_without_colours_in_a_pipe() {
    let house = House::new();
    let mut program = house.program();
    program.publish("user/update", "21.5");
    house.all_arrive("user/update", &["21.5".to_owned()]);
    eventually("the module has told its signal", || program.status()["module"]["rsrp_dbm"].is_number().then_some(()));
    let screen = text(&mut house.airgate(&["status"]));
    for part in ["● online", "861551056421746 of product a1EndToEnd0", "RSRP", "iccid ", "airgate 0.", "1 accepted"] {
        assert!(screen.contains(part), "{part} in\n{screen}");
    }
    assert!(screen.lines().count() <= 24 && !screen.contains('\x1b'), "{screen}");
    let clients = program.status()["programs"]["clients"].clone();
    assert_eq!((&clients[0]["door"], &clients[0]["pid"]), (&json!("json"), &json!(std::process::id())), "{clients}");
}

#[test]
fn metrics_come_through_the_socket_and_as_a_file_that_anybody_may_read() {
    let house =
        House::with(Setup { extra: "[metrics]\ntextfile = \"airgate.prom\"\nevery = \"5s\"\n", ..Setup::default() });
    let mut program = house.program();
    program.publish("user/update", "21.5");
    house.all_arrive("user/update", &["21.5".to_owned()]);
    let acknowledged = "airgate_outbox_acknowledged_total";
    let metrics = eventually("the acknowledgement counts", || {
        let metrics = text(&mut house.airgate(&["metrics"]));
        (sample(&metrics, acknowledged) == Some(1.0)).then_some(metrics)
    });
    assert_eq!(sample(&metrics, "airgate_link_up"), Some(1.0), "{metrics}");
    assert!(sample(&metrics, "airgate_serial_bytes_total{direction=\"tx\"}").unwrap() > 100.0, "{metrics}");
    let file = house.path("airgate.prom");
    eventually("the file follows", || {
        (sample(&std::fs::read_to_string(&file).ok()?, acknowledged) == Some(1.0)).then_some(())
    });
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
}

#[test]
fn a_metrics_file_that_cannot_be_written_is_told_once_and_stops_nothing() {
    let house = House::with(Setup {
        extra: "[metrics]\ntextfile = \"/does/not/exist/airgate.prom\"\nevery = \"5s\"\n",
        ..Setup::default()
    });
    let mut program = house.program();
    eventually("it is told", || house.log().contains("metrics cannot be written").then_some(()));
    program.publish("user/update", "21.5");
    house.all_arrive("user/update", &["21.5".to_owned()]);
    assert_eq!(house.log().matches("metrics cannot be written").count(), 1);
}

fn hours(door: &mut Door) -> Vec<Value> {
    door.ask_ok(json!({"op": "history"}))["data"]["hours"].as_array().unwrap().clone()
}

/// Of all hours: the test may run across the end of one.
fn total(hours: &[Value], field: &str) -> u64 {
    hours.iter().map(|hour| hour[field].as_u64().unwrap()).sum()
}

#[test]
fn the_history_outlives_restarts_and_a_damaged_file() {
    let mut house = House::new();
    let mut program = house.program();
    program.publish("user/update", "1");
    house.all_arrive("user/update", &["1".to_owned()]);
    eventually("it counts", || (total(&hours(&mut program), "acknowledged") == 1).then_some(()));
    assert!(house.terminate_daemon());
    house.start_daemon();
    let mut program = house.program();
    program.publish("user/update", "2");
    house.all_arrive("user/update", &["1".to_owned(), "2".to_owned()]);
    let kept = eventually("both count", || {
        let hours = hours(&mut program);
        (total(&hours, "acknowledged") == 2).then_some(hours)
    });
    assert!(kept.len() <= 2 && total(&kept, "up_bytes") > 0, "{kept:?}");
    assert!(kept.iter().any(|hour| hour["rsrp_dbm"]["mean"].is_number()), "{kept:?}");
    assert_eq!(total(&kept, "outages"), 0, "a stop that was asked for is no outage");

    // A file that is no history is no reason not to start, nor is one that cannot be written.
    house.kill_daemon();
    let file = house.path("history.bin");
    std::fs::write(&file, vec![0x5a; 300]).unwrap();
    house.start_daemon();
    let mut program = house.program();
    assert_eq!(program.ask_ok(json!({"op": "history"}))["data"]["damaged"], 3);
    assert!(house.terminate_daemon());
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    house.start_daemon();
    assert_eq!(hours(&mut house.program()).len(), 1);
    assert!(house.terminate_daemon());
    assert_eq!(house.log().matches("the history cannot be written").count(), 1, "{}", house.log());
}

#[test]
fn the_last_days_are_a_table_and_a_page() {
    let house = House::new();
    let mut program = house.program();
    eventually("a signal is in the history", || {
        hours(&mut program).last().is_some_and(|hour| hour["rsrp_dbm"].is_object()).then_some(())
    });
    let table = text(&mut house.airgate(&["status", "--history"]));
    assert!(table.starts_with("UTC ") && table.lines().count() >= 2 && table.contains(" % "), "{table}");
    let page = text(&mut house.airgate(&["report"]));
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
    for part in ["861551056421746", "<svg", " dBm</text>", "online"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(!page.contains(SECRET), "{page}");
}

/// Runs `airgate top` on a terminal of its own, ends it, and returns all that was written there.
fn on_a_terminal(house: &House, end: impl FnOnce(&mut ChildStdin)) -> String {
    let top = house.airgate(&["top"]);
    let words: Vec<_> =
        std::iter::once(top.get_program()).chain(top.get_args()).map(|word| word.to_string_lossy()).collect();
    let (words, pid) = (words.join(" "), house.path("top.pid"));
    let top = format!("sh -c 'echo $$ >{}; exec {words}'", pid.display());
    let shell = format!("stty cols 80 rows 24; {top}; echo exit=$?; stty -a");
    let mut script = Command::new("timeout");
    script.args(["60", "script", "-qefc", &shell, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR");
    let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut screen = script.stdout.take().unwrap();
    let (mut shown, mut chunk) = (Vec::new(), [0; 4096]);
    // The log is drawn last.
    while !String::from_utf8_lossy(&shown).contains("version=") {
        let len = screen.read(&mut chunk).unwrap();
        assert!(len > 0, "{}", String::from_utf8_lossy(&shown));
        shown.extend_from_slice(&chunk[..len]);
    }
    end(script.stdin.as_mut().unwrap());
    screen.read_to_end(&mut shown).unwrap();
    script.wait().unwrap();
    String::from_utf8_lossy(&shown).into_owned()
}

#[test]
fn the_live_view_gives_the_terminal_back_whether_it_is_quit_or_killed() {
    let house = House::new();
    let _program = house.program();
    let quit = on_a_terminal(&house, |keys| keys.write_all(b"q").unwrap());
    let killed = on_a_terminal(&house, |_| {
        let pid = std::fs::read_to_string(house.path("top.pid")).unwrap();
        assert!(run(Command::new("kill").args(["-TERM", pid.trim()])).status.success());
    });
    for (how, shown) in [("quit", quit), ("killed", killed)] {
        let (on, off) = (shown.find("\x1b[?1049h"), shown.find("\x1b[?1049l"));
        assert!(on.is_some() && on < off, "{how}: the other screen is left: {shown}");
        let after = shown.get(off.unwrap()..).unwrap();
        assert!(after.contains("exit=0") && after.contains(" icanon") && after.contains(" echo "), "{how}: {after}");
        assert!(after.contains("\x1b[?25h"), "{how}: the cursor is back: {after}");
        assert!(shown.contains("signal") && shown.contains("programs"), "{how}: {shown}");
    }
}

#[test]
fn what_shows_something_says_so_when_there_is_no_daemon() {
    for command in ["status", "top", "metrics", "report"] {
        let output = run(bin("airgate").args([command, "--socket", "/does/not/exist.sock"]));
        assert_eq!(output.status.code(), Some(3), "{command}");
    }
}

#[test]
fn the_log_is_for_operators_and_bears_no_secret() {
    let house = House::with(Setup { log: "trace", ..Setup::default() });
    let mut root = house.program();
    let page = root.ask_ok(json!({"op": "log"}))["data"].clone();
    let lines = page["lines"].as_array().unwrap();
    assert!(lines.iter().any(|line| line["text"].as_str().unwrap().starts_with("online")), "{page}");
    assert!(lines.iter().all(|line| ["info", "warn", "error"].contains(&line["level"].as_str().unwrap())), "{page}");
    assert!(!page.to_string().contains(SECRET), "{page}");
    let newer = root.ask_ok(json!({"op": "log", "after": page["next"]}))["data"].clone();
    assert!(newer["lines"].as_array().unwrap().len() < lines.len(), "{newer}");
}

/// Counts what goes over the air between module and broker: see `scripts/air.py`.
struct Relay(Child, BufReader<ChildStdout>);

impl Relay {
    fn between(house: &mut House) -> Self {
        let port = airgate_tests::free_port();
        let broker = house.put_between(port);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/air.py");
        let mut python = Command::new("python3");
        python.arg(script).arg(port.to_string()).arg(broker).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut String::new()).unwrap();
        Self(child, said)
    }

    /// Bytes up and down so far, and how many of these segments without data took.
    fn counted(&mut self) -> [[f64; 2]; 2] {
        self.0.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
        let mut line = String::new();
        self.1.read_line(&mut line).unwrap();
        let counted: Value = serde_json::from_str(&line).unwrap();
        let bare = ["bare_up", "bare_down"].map(|way| 40.0 * counted[way].as_f64().unwrap());
        [["up", "down"].map(|way| counted[way].as_f64().unwrap()), bare]
    }

    /// The same when nothing has been said for a moment.
    fn at_rest(&mut self) -> [[f64; 2]; 2] {
        let mut before = self.counted();
        eventually("nobody says anything", || {
            std::thread::sleep(std::time::Duration::from_millis(300));
            let now = self.counted();
            (std::mem::replace(&mut before, now) == now).then_some(now)
        })
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The estimate and what the kernel counted, from before a session on, and for messages alone.
#[test]
fn the_estimate_of_the_bytes_on_the_air_is_right_to_a_tenth_for_messages_and_near_for_a_sign_in() {
    in_parallel(
        &[Tls::Off, Tls::OwnAuthority],
        |tls| format!("{tls:?}"),
        |tls| {
            let mut house = House::unstarted(Setup { tls: *tls, ..Setup::default() });
            let mut relay = Relay::between(&mut house);
            house.start_daemon();
            let mut door = house.program();
            let estimate = |door: &mut Door| {
                let month = door.status()["budget"]["month"].clone();
                ["up", "down"].map(|way| month[way].as_f64().unwrap())
            };
            let (began, began_estimate) = (relay.at_rest(), estimate(&mut door));
            // In one breath: they are on the disk together, and each follows the last one's acknowledgement at once.
            let publish = |number: u32| json!({"id": number, "op": "publish", "topic": "user/update", "payload": format!("{number:035}"), "confirm": true});
            let lines: Vec<String> = (0..30).map(|number| format!("{}\n", publish(number))).collect();
            door.send_raw(lines.concat().as_bytes());
            (0..30).for_each(|_| drop(door.event(|event| event["event"] == "sent")));
            let (ended, ended_estimate) = (relay.at_rest(), estimate(&mut door));
            for (way, name) in ["up", "down"].into_iter().enumerate() {
                let off = |real: f64, estimated: f64| (estimated / real - 1.0) * 100.0;
                // Whether an acknowledgement rides on what is said next or goes alone, the kernel decides by the clock. Here
                // all ride, as they do where each is answered at once; what opens the connection goes alone: two up, one down.
                let ridden = |counted: [[f64; 2]; 2]| counted[0][way] - counted[1][way];
                let real = ridden(began) + [80.0, 40.0][way];
                // The end of the connection, two segments each way, is estimated with its beginning.
                let sign_in = off(real, began_estimate[way] - 80.0);
                let messages = off(ridden(ended) - ridden(began), ended_estimate[way] - began_estimate[way]);
                println!(
                    "{tls:?}, {name}: sign-in {sign_in:+.1} % of {real}, 30 messages {messages:+.1} %; alone {:?}",
                    [began[1][way], ended[1][way]]
                );
                assert!(messages.abs() < 10.0, "{tls:?} {name}: {messages} %");
                // The certificates of the stand-in are much shorter than the cloud's; and on a busy machine what the broker
                // says in two packets leaves in one segment.
                let shared = 2.0 * 40.0 / real * 100.0;
                assert!(*tls != Tls::Off || sign_in.abs() < 25.0 + shared, "{name}: {sign_in} %");
            }
        },
    );
}
