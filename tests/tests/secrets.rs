//! No secret is seen where it does not belong: the log at its most talkative, the status, the process table, what a core
//! dump holds of the command line and the environment, the listings of the configuration and the store, the page and the
//! numbers for others, the archive for whoever helps, and the error about the very line that holds it.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{DEVICE_SECRET, House, Instance, SUB_DEVICE_SECRET, Setup, Tls, bin, run};
use serde_json::json;
use std::os::unix::fs::FileExt;
use std::process::Command;

/// What the process table shows of a process to everybody, and to its owner.
fn process_table(pid: u32) -> String {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).expect("the daemon runs");
    format!("{}\n{}", String::from_utf8_lossy(&read("cmdline")), String::from_utf8_lossy(&read("environ")))
}

/// The command line and the environment as they lie in the process's memory, and so in its core dump.
fn in_a_core_dump(pid: u32) -> String {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("the daemon runs");
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    // Source: proc(5), fields 48 to 51, counted from 1 with the name as the second.
    let place = |field: usize| fields[field - 3].parse::<u64>().unwrap();
    let memory = std::fs::File::open(format!("/proc/{pid}/mem")).expect("it is ours");
    let read = |from: u64, to: u64| {
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        memory.read_exact_at(&mut bytes, from).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let (words, environment) = (read(place(48), place(49)), read(place(50), place(51)));
    assert!(words.contains("airgate.toml") && environment.contains("AIRGATE_LOG=trace"), "{words} {environment}");
    words + &environment
}

/// All that a command says; it must go well.
fn said(command: &mut Command) -> String {
    let output = run(command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// What the commands tell of the configuration and the store.
fn listings(house: &House) -> String {
    let commands = [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["credentials", "list"],
        &["credentials", "list", "--json"],
        &["auth"],
    ];
    commands.map(|command| said(bin("airgate").args(command).arg("--config").arg(house.path("airgate.toml")))).concat()
}

/// What others are given: the page, the numbers, what waits, the way to the cloud, the archive for whoever helps.
fn given_away(house: &House) -> String {
    let mut page = house.airgate(&["report"]);
    let told = [&["metrics"][..], &["outbox", "list"]].map(|command| said(&mut house.airgate(command))).concat();
    let bundle = house.path("bundle.tar.gz");
    let mut check = house.airgate(&["check", "--json"]);
    let checked = said(check.arg("--config").arg(house.path("airgate.toml")).arg("--bundle").arg(&bundle));
    let unpacked = said(Command::new("tar").arg("-xzOf").arg(&bundle));
    assert!(unpacked.contains("product_key"), "the settings are in the archive");
    [said(&mut page), told, checked, unpacked].concat()
}

/// The secrets that a registration handed out, as they lie in the store.
fn handed_out(house: &House) -> Vec<String> {
    let store = std::fs::read(house.path("store/credentials.redb")).unwrap_or_default();
    let text = String::from_utf8_lossy(&store).into_owned();
    text.split("\"secret\":\"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned())).collect()
}

/// A run of hexadecimal digits as long as a signature.
fn signature(text: &str) -> Option<&str> {
    let is_hex = |b: &u8| b.is_ascii_hexdigit();
    let mut at = 0;
    while let Some(start) = text.as_bytes().get(at..)?.iter().position(is_hex).map(|found| at + found) {
        let length = text.as_bytes()[start..].iter().take_while(|b| is_hex(b)).count();
        if length >= 32 {
            return text.get(start..start + length);
        }
        at = start + length;
    }
    None
}

/// Nothing of these in any of the places, and in those that hold no random paths nothing that looks like a secret or a signature.
fn nothing_is_shown(mut house: House, secrets: &[&str]) {
    let handed_out = handed_out(&house);
    let secrets: Vec<&str> = secrets.iter().copied().chain(handed_out.iter().map(String::as_str)).collect();
    let given_away = given_away(&house);
    let shown = run(house.airgate(&["status"]).arg("--json")).stdout;
    let shown = [String::from_utf8_lossy(&shown).into_owned(), house.program().status().to_string()].concat();
    let (table, core, listed) =
        (process_table(house.daemon_pid()), in_a_core_dump(house.daemon_pid()), listings(&house));
    assert!(house.terminate_daemon());
    let log = house.log();
    assert!(log.contains("TRACE"), "the log is at its most talkative");
    for secret in secrets {
        let places = [
            ("log", &log),
            ("status", &shown),
            ("process table", &table),
            ("core", &core),
            ("listings", &listed),
            ("page, the numbers or the archive", &given_away),
        ];
        for (what, text) in places {
            assert!(!text.contains(secret), "a secret is in the {what}");
        }
    }
    for (what, text) in [("log", &log), ("status", &shown), ("listings", &listed)] {
        assert_eq!(signature(text), None, "a secret or the password of a sign-in is in the {what}");
    }
}

#[test]
fn no_secret_is_in_the_log_the_status_or_the_process_table() {
    let mut house = House::with(Setup { log: "trace", ..Setup::default() });
    let mut program = house.program();
    let device = json!({"product_key": "a1Sensor000", "device_name": "meter-1"});
    let login = json!({"id": "l", "op": "device_add", "device": device, "device_secret": SUB_DEVICE_SECRET});
    program.send_raw(format!("{login}\n").as_bytes());
    program.publish("user/update", "something to carry");
    house.all_arrive("user/update", &["something to carry".to_owned()]);
    // Once more, through a lost session.
    house.cloud.kill();
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    house.cloud.start();
    program.online();
    nothing_is_shown(house, &[DEVICE_SECRET, SUB_DEVICE_SECRET]);
}

#[test]
fn a_device_that_registers_by_either_way_signs_in_with_what_it_fetched_once_and_shows_nothing_of_it() {
    let listed = (Instance::OldPublic, "");
    let unlisted = (Instance::Enterprise, "auth = \"register_no_prereg\"\n");
    for (way, (instance, cloud)) in [("https", listed), ("mqtt", listed), ("mqtt", unlisted)] {
        let setup =
            Setup { log: "trace", registers: Some(way), tls: Tls::OwnAuthority, instance, cloud, ..Setup::default() };
        let mut house = House::with(setup);
        house.program().publish("user/update", way);
        house.all_arrive("user/update", &[way.to_owned()]);
        assert!(house.terminate_daemon());
        house.start_daemon();
        house.program();
        let log = house.log();
        assert_eq!(log.matches("registers the device with the cloud").count(), 1, "{way}: once");
        assert!(log.to_lowercase().contains(&format!("way={way}")), "{way}");
        assert!(!handed_out(&house).is_empty(), "{way}: what was fetched lies in the store");
        nothing_is_shown(house, &["productsecret000"]);
    }
}

#[test]
fn an_error_about_the_line_that_holds_a_secret_does_not_show_it() {
    let lines = [
        "device_secret = SECRET",
        "device_secret = \"SECRET",
        "device_secret = \"SECRET\" x",
        "device_secret = [\"SECRET\"]",
        "device_secret = \"SECRET\"\ndevice_secret = \"SECRET\"",
        "device_secret: \"SECRET\"",
        "device_secret \"SECRET\"",
        "device_secrt = \"SECRET\"",
        "[modem]\nkey = \"SECRET\"",
        "device_secret = \"SECRET\"\nDeviceSecret = \"other\"",
        "device_secret = \"\"\"\nSECRET\n\"\"",
        "tls = { verify = maybe, key = \"SECRET\" }",
        "password = \"SECRET\"",
    ];
    let commands = [&["run"][..], &["check", "--wait", "1"], &["config", "show"], &["auth"], &["credentials", "list"]];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    for line in lines {
        let line = line.replace("SECRET", SUB_DEVICE_SECRET);
        std::fs::write(&file, format!("[cloud]\nprovider = \"aliyun\"\nproduct_key = \"a1X\"\n{line}\n")).unwrap();
        for command in commands {
            let output = run(bin("airgate").args(command).arg("--config").arg(&file));
            let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
            assert!(!output.status.success() && told.contains("airgate.toml"), "{command:?}: {told}");
            assert!(!told.contains(SUB_DEVICE_SECRET), "{command:?} shows a secret: {told}");
        }
    }
}
