//! `airgate check` against the simulated module and the stand-in cloud: each fault names its rung.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, Setup, bin, eventually, free_port, run};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;

/// One thing that can be wrong between the configuration and the cloud.
struct Case {
    /// In words.
    fault: &'static str,
    /// Of `airgate-sim modem`.
    modem: &'static [&'static str],
    /// What happens in the world before the check, on the module's console.
    world: &'static [&'static str],
    /// Added to `[modem]`.
    line: &'static str,
    /// The rung that is named.
    rung: &'static str,
    /// How it stands.
    state: &'static str,
    /// Words of what is said and to be done.
    words: &'static [&'static str],
}

/// Where nothing is wrong but that nobody listens at the broker's address.
const WELL: Case = Case {
    fault: "nobody listens",
    modem: &[],
    world: &[],
    line: "",
    rung: "connection",
    state: "failed",
    words: &["`host`"],
};

const CASES: &[Case] = &[
    WELL,
    Case {
        fault: "a login console",
        modem: &["--instead", "login"],
        rung: "console",
        words: &["serial-getty@"],
        ..WELL
    },
    Case {
        fault: "a LuatOS image",
        modem: &["--instead", "luatos"],
        rung: "image",
        words: &["LuatOS", "_LTE_AT"],
        ..WELL
    },
    Case {
        fault: "echo only",
        modem: &["--instead", "echo"],
        rung: "answer",
        words: &["connected with each other"],
        ..WELL
    },
    Case {
        fault: "swapped wires",
        modem: &["--instead", "nothing"],
        rung: "answer",
        words: &["swapped", "PWRKEY"],
        ..WELL
    },
    Case { fault: "something else", modem: &["--instead", "gps"], rung: "answer", words: &["something else"], ..WELL },
    Case {
        fault: "a supply that breaks down",
        modem: &["--instead", "brown-out"],
        rung: "answer",
        words: &["supply"],
        ..WELL
    },
    Case {
        fault: "a supply that breaks down when it registers",
        world: &[r#"{"do":"fault","rule":"on AT+CGSN: boot-loop 9"}"#],
        rung: "answer",
        words: &["supply"],
        ..WELL
    },
    Case { fault: "another rate", modem: &["--baud", "9600"], rung: "answer", words: &["baud = 9600"], ..WELL },
    Case {
        fault: "a module that hangs",
        world: &["now: hang until power"],
        rung: "answer",
        words: &["PWRKEY"],
        ..WELL
    },
    Case { fault: "no SIM card", modem: &["--no-sim"], rung: "sim", words: &["notch"], ..WELL },
    Case {
        fault: "a PIN that is not given",
        modem: &["--sim-pin", "4321"],
        rung: "sim",
        words: &["sim_pin = "],
        ..WELL
    },
    Case {
        fault: "a PIN that is wrong",
        modem: &["--sim-pin", "4321"],
        line: "sim_pin = \"1111\"",
        rung: "sim",
        words: &["did not take its PIN", "three wrong ones"],
        ..WELL
    },
    Case {
        fault: "no signal",
        world: &[r#"{"do":"network","state":"none"}"#],
        rung: "signal",
        words: &["antenna"],
        ..WELL
    },
    Case {
        fault: "a card that the network refuses",
        world: &[r#"{"do":"network","state":"denied"}"#],
        rung: "registration",
        words: &["refuses the card", "paid"],
        ..WELL
    },
    Case {
        fault: "a search that finds nothing",
        modem: &["--profile", "780e-v1161,attach=600000"],
        rung: "registration",
        words: &["--wait", "band"],
        ..WELL
    },
    Case {
        fault: "a wrong access point",
        world: &[r#"{"do":"address","address":"0.0.0.0"}"#],
        rung: "pdp",
        words: &["apn = {"],
        ..WELL
    },
    Case {
        fault: "a network that tells a wrong time",
        world: &[r#"{"do":"time","unix":2500000000}"#],
        rung: "clock",
        state: "warning",
        words: &["differ by", "one of them is wrong"],
        ..WELL
    },
    Case {
        fault: "an old firmware",
        modem: &["--profile", "780e-v1161,version=AirM2M_780E_V1140_LTE_AT"],
        rung: "firmware",
        state: "warning",
        words: &["V1140 is older", "newer"],
        ..WELL
    },
    Case {
        fault: "longer messages than the firmware takes",
        modem: &["--profile", "780e-v1169"],
        line: "max_publish_bytes = 4100",
        rung: "firmware",
        state: "warning",
        words: &["V1169_LTE_AT takes at most 2384 bytes", "max_publish_bytes = 2384 under [modem]", "airgate.toml:3:"],
        ..WELL
    },
    Case {
        fault: "messages as long as the firmware takes",
        modem: &["--profile", "780e-v1169"],
        line: "max_publish_bytes = 2384",
        rung: "firmware",
        state: "ok",
        words: &["V1169"],
        ..WELL
    },
    Case {
        fault: "long messages and a firmware of which no bound is known",
        line: "max_publish_bytes = 4100",
        rung: "firmware",
        state: "ok",
        words: &["V1161"],
        ..WELL
    },
];

/// Looks at one case: the module, a configuration, no daemon.
fn look(case: &Case) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    let mut command = bin("airgate-sim");
    command.arg("modem").arg("--link").arg(dir.path().join("modem"));
    if !case.modem.contains(&"--baud") {
        command.args(["--baud", "0"]);
    }
    command.arg("--console").arg(dir.path().join("console.sock")).args(case.modem);
    let mut modem = Process::start(&mut command, &dir.path().join("modem.log"));
    modem.first_line();
    for call in case.world {
        let told = run(bin("airgate-sim").arg("tell").arg(dir.path().join("console.sock")).arg(call));
        assert!(String::from_utf8_lossy(&told.stdout).contains("\"ok\":true"), "{call}: {told:?}");
    }
    let config = format!(
        "[modem]\nport = \"{folder}/modem\"\n{}\n[outbox]\ndir = \"{folder}/outbox\"\n[local]\n\
         socket = \"{folder}/airgate.sock\"\n[cloud]\nprovider = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {}\ntls = false\n",
        case.line,
        free_port()
    );
    std::fs::write(dir.path().join("airgate.toml"), config).unwrap();
    let report = check(&dir.path().join("airgate.toml"));
    let rungs = report["rungs"].as_array().unwrap();
    let named = rungs.iter().find(|finding| finding["rung"] == case.rung).unwrap();
    let said = format!("{} {}", named["what"], named["hint"]);
    let missing: Vec<_> = case.words.iter().filter(|words| !said.contains(*words)).collect();
    let failed = if case.state == "failed" { case.rung } else { WELL.rung };
    if named["state"] == case.state && report["failed"] == failed && missing.is_empty() {
        return Ok(());
    }
    Err(format!("{}: {} is to be named, with {missing:?}: {report:#}", case.fault, case.rung))
}

#[test]
fn each_fault_names_its_rung_and_what_to_do() {
    // Side by side, since most of the time goes by in listening to silence; not all at once, since a module must get its turn.
    let cases = Mutex::new(CASES.iter());
    let lane = || {
        let next = || cases.lock().unwrap().next();
        std::iter::from_fn(next).filter_map(|case| look(case).err()).collect::<Vec<_>>()
    };
    let wrong: Vec<_> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..6).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().flat_map(|lane| lane.join().expect("they were looked at")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(config: &Path) -> Value {
    let output = run(bin("airgate").args(["check", "--json", "--wait", "25", "--config"]).arg(config));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {output:?}"));
    assert_eq!(output.status.code(), Some(if report["ok"] == true { 0 } else { 1 }), "{report:#}");
    report
}

fn state<'r>(report: &'r Value, rung: &str) -> &'r Value {
    &report["rungs"].as_array().unwrap().iter().find(|finding| finding["rung"] == rung).unwrap()["state"]
}

#[test]
fn without_a_daemon_all_rungs_up_to_the_sign_in_are_climbed() {
    let mut house = House::new();
    house.kill_daemon();
    let report = check(&house.path("airgate.toml"));
    assert_eq!((&report["failed"], state(&report, "sign_in")), (&Value::Null, &"ok".into()), "{report:#}");
}

#[test]
fn what_the_firmware_takes_is_compared_beside_a_running_daemon_too() {
    let house =
        House::with(Setup { profile: "780e-v1169", modem: "max_publish_bytes = \"4 KiB\"", ..Setup::default() });
    house.program();
    let report = check(&house.path("airgate.toml"));
    assert_eq!((&report["failed"], state(&report, "firmware")), (&Value::Null, &"warning".into()), "{report:#}");
    assert!(report.to_string().contains("max_publish_bytes = 2384 under [modem] (it is 4096"), "{report:#}");
}

#[test]
fn a_wrong_secret_is_the_sign_in_rung_with_and_without_a_daemon() {
    let mut house = House::with(Setup { secret: "ffffffffffffffffffffffffffffffff", ..Setup::default() });
    let mut program = Door::open(&house.socket());
    eventually("a refusal", || (program.status()["link"]["trouble"]["code"] == "sign_in_refused").then_some(()));
    for daemon in [true, false] {
        if !daemon {
            house.kill_daemon();
        }
        let report = check(&house.path("airgate.toml"));
        assert_eq!(report["failed"], "sign_in", "with daemon: {daemon}, {report:#}");
        let text = report.to_string();
        assert!(text.contains("DeviceSecret") && !text.contains("ffffffff"), "{text}");
    }
}

#[test]
fn the_bundle_tells_everything_but_secrets_with_and_without_a_daemon() {
    const SECRET: &str = "0123456789abcdef0123456789abcdef";
    let mut house = House::new();
    house.program();
    for daemon in [true, false] {
        if !daemon {
            house.kill_daemon();
        }
        let file = house.path("bundle.tar.gz");
        let mut command = bin("airgate");
        command.args(["check", "--wait", "25", "--config"]).arg(house.path("airgate.toml"));
        let output = run(command.arg("--bundle").arg(&file));
        assert!(output.status.success(), "{output:?}");
        let packed = run(Command::new("tar").arg("-xzOf").arg(&file));
        let text = String::from_utf8_lossy(&packed.stdout);
        for part in ["cloud.device_secret = \"********\"", "device_secret = [REDACTED]", "sign-in", "airgate 0."] {
            assert!(text.contains(part), "{part}: {text:.3000}");
        }
        assert_eq!(text.contains("\"acknowledged\""), daemon, "the status of a daemon that runs");
        for text in [text.as_ref(), &String::from_utf8_lossy(&output.stdout), &String::from_utf8_lossy(&output.stderr)]
        {
            assert!(!text.contains(SECRET), "a secret is in the bundle");
        }
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "for its owner alone");
    }
}
