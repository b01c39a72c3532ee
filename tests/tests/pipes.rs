//! The command line in pipes: what goes in line by line, what comes out for another program, and a reader that has enough.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, eventually, run};
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Output, Stdio};

const SIGPIPE: i32 = 13;

fn with_input(command: &mut Command, input: &[u8], house: &House) -> Output {
    let path = house.path("input");
    std::fs::write(&path, input).unwrap();
    command.stdin(File::open(path).unwrap()).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_line_of_a_pipe_is_a_message_in_order_and_a_file_is_one() {
    let house = House::new();
    house.program();
    let lines_in: Vec<String> = (0..500).map(|number| format!("line {number}")).collect();
    // The last one without its end, and one from another system.
    let input = lines_in.join("\n").replacen("line 1\n", "line 1\r\n", 1);
    let mut command = house.airgate(&["pub", "user/update", "-", "--json"]);
    let output = with_input(&mut command, input.as_bytes(), &house);
    assert!(output.status.success(), "{output:?}");
    let numbers: Vec<u64> = lines(&output).iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers.len(), 500);
    assert!(numbers.is_sorted(), "{numbers:?}");
    assert_eq!(house.all_arrive("user/update", &lines_in), lines_in);

    let file = house.path("picture");
    std::fs::write(&file, [0, 255, b'\n', b'x']).unwrap();
    let picture =
        run(&mut house.airgate(&["pub", "user/file", "--confirm", "--json", "--file", file.to_str().unwrap()]));
    assert_eq!(lines(&picture)[0]["sent"], true, "{picture:?}");
    assert_eq!(house.cloud.received("user/file"), ["base64:AP8KeA=="]);
    let output = with_input(&mut house.airgate(&["pub", "user/whole", "--confirm"]), b"two\nlines\n", &house);
    assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
    assert_eq!(house.cloud.received("user/whole"), ["two\nlines\n"]);
}

#[test]
fn a_line_that_is_refused_is_named_and_a_key_is_accepted_once() {
    let house = House::new();
    let input = format!("good\n{}\n", "x".repeat(5000));
    let output = with_input(&mut house.airgate(&["pub", "user/update", "-"]), input.as_bytes(), &house);
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(4));
    assert!(errors.starts_with("error[payload_too_large]: line 2: ") && errors.contains("\nhint: "), "{errors}");
    let publish = || run(&mut house.airgate(&["pub", "user/update", "x", "--key", "once", "--json", "--ttl", "1h"]));
    let (first, again) = (lines(&publish()), lines(&publish()));
    assert_eq!((&first[0]["duplicate"], &again[0]["duplicate"]), (&Value::from(false), &Value::from(true)));
    assert_eq!(first[0]["seq"], again[0]["seq"]);
}

#[test]
fn at_commands_come_through_a_pipe_one_by_one() {
    let house = House::new();
    house.program();
    let one = run(&mut house.airgate(&["at", "AT+CSQ"]));
    let text = String::from_utf8(one.stdout).unwrap();
    assert!(text.starts_with("+CSQ: ") && text.ends_with("\nOK\n"), "{text}");
    let output = with_input(&mut house.airgate(&["at", "-", "--json"]), b"AT+CSQ\n\nAT+NONSENSE\nAT+CSQ\n", &house);
    let answers = lines(&output);
    assert_eq!((answers.len(), &answers[0]["command"]), (1, &Value::from("AT+CSQ")), "the first that fails ends it");
    assert!(!output.status.success() && output.stderr.starts_with(b"error["), "{output:?}");
}

/// Runs it until its first line is read, and hangs up.
fn hung_up(command: &mut Command, more: impl Fn()) -> (String, Option<i32>, String) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
    let mut first = String::new();
    let mut reader = BufReader::with_capacity(1, child.stdout.take().unwrap());
    reader.read_line(&mut first).unwrap();
    drop(reader);
    eventually("it ends", || {
        more();
        child.try_wait().unwrap()
    });
    let output = child.wait_with_output().unwrap();
    (first, output.status.signal(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_reader_that_has_seen_enough_ends_the_command_without_a_word() {
    let house = House::new();
    let mut writer = house.program();
    let before = house.log().matches("program connected").count();
    let mut sub = house.airgate(&["sub", "local/x", "--json"]);
    let publish = || drop(run(&mut house.airgate(&["pub", "local/x", "again"])));
    let seen = std::thread::scope(|scope| {
        let hearing = scope.spawn(|| hung_up(&mut sub, publish));
        eventually("it listens", || (house.log().matches("program connected").count() > before).then_some(()));
        eventually("it has heard", || {
            writer.publish("local/x", "first");
            hearing.is_finished().then_some(())
        });
        hearing.join().unwrap()
    });
    assert!(seen.0.contains("local/x") && seen.1 == Some(SIGPIPE) && seen.2.is_empty(), "{seen:?}");
    // Nothing listens at the other end from the start.
    for command in ["status", "status --json", "config example", "man"] {
        let quoted = format!("{{ sleep 0.2; {} {command}; echo $? >&2; }} | true", house.path("airgate").display());
        std::fs::copy(airgate_tests::bin("airgate").get_program(), house.path("airgate")).unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-c", &quoted]).env("AIRGATE_SOCKET", house.socket());
        let output = run(&mut shell);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "141\n", "{command}");
    }
}

#[test]
fn nothing_is_coloured_that_is_not_read_by_a_person() {
    let house = House::new();
    for args in [vec!["status"], vec!["pub", "a/+", "x"], vec!["pub"], vec!["--help"]] {
        let mut command = airgate_tests::bin("airgate");
        let output = run(command.args(&args).env("AIRGATE_SOCKET", house.socket()));
        for stream in [output.stdout, output.stderr] {
            assert!(!stream.contains(&0x1b), "{args:?}");
        }
    }
}
