//! A module that hangs for good is reset by the host's own means, and nothing that was accepted is lost.

use airgate_tests::{House, bin, eventually};
use std::path::Path;
use std::time::{Duration, Instant};

/// Beyond the minute for which the ladder lets a module be silent.
const RESCUED: Duration = Duration::from_secs(150);

/// What a person wires: a program that takes the module's power away and gives it back.
fn power_switch(house: &House) -> String {
    let sim = bin("airgate-sim").get_program().to_string_lossy().into_owned();
    let console = house.path("modem.sock").display().to_string();
    let script = format!("{sim} tell {console} off && {sim} tell {console} on");
    format!("[modem]\nreset = {{ command = [\"/bin/sh\", \"-c\", \"{script}\"] }}\n")
}

/// Until this one arrives; order is kept, so all before it have arrived then.
fn arrived_late(house: &House, topic: &str, last: &str) -> Vec<String> {
    let end = Instant::now() + RESCUED;
    while !house.cloud.received(topic).iter().any(|payload| payload == last) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(100));
    }
    house.cloud.received(topic)
}

#[test]
fn a_module_that_hangs_until_its_power_is_cut_is_healed_by_the_configured_command() {
    let mut house = House::new();
    house.terminate_daemon();
    let drop_ins = house.path("conf.d");
    std::fs::create_dir(&drop_ins).unwrap();
    std::fs::write(drop_ins.join("reset.toml"), power_switch(&house)).unwrap();
    house.start_daemon();
    let mut program = house.program();
    program.publish("user/update", "before");
    house.all_arrive("user/update", &["before".into()]);
    house.fault("now: hang until power");
    for number in 0..5 {
        program.publish("user/update", &format!("while it hangs {number}"));
    }
    let arrived = arrived_late(&house, "user/update", "while it hangs 4");
    for number in 0..5 {
        let wanted = format!("while it hangs {number}");
        assert!(arrived.contains(&wanted), "{wanted}: {arrived:?}\n{}", house.log());
    }

    let recovery = eventually("the heal is told", || {
        let recovery = program.status()["module"]["recovery"].clone();
        (recovery["last"]["healed"] == true).then_some(recovery)
    });
    assert_eq!(recovery["last"]["rung"], "hardware", "{recovery}");
    assert_eq!(recovery["today"]["hardware"], 1, "{recovery}");
    let kept = house.path("recovery.json");
    eventually("the budget is on the disk", || used(&kept).contains("[0,0,0,1]").then_some(()));
    house.kill_daemon();
    house.start_daemon();
    let mut program = house.program();
    assert_eq!(program.status()["module"]["recovery"]["today"]["hardware"], 1, "a restart refills nothing");
}

fn used(file: &Path) -> String {
    std::fs::read_to_string(file).unwrap_or_default()
}
