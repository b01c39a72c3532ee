//! Every way to sign in, on every kind of instance, from an empty store to an acknowledged message; and what goes wrong with it.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{DEVICE_SECRET, Door, House, Instance, Setup, Tls, eventually, in_parallel, run};
use serde_json::{Value, json};
use std::process::Command;

/// How a device proves itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    DeviceSecret,
    Register,
    RegisterNoPrereg,
}

impl Mode {
    const ALL: [Self; 3] = [Self::DeviceSecret, Self::Register, Self::RegisterNoPrereg];

    fn registers(self) -> Option<&'static str> {
        (self != Self::DeviceSecret).then_some("mqtt")
    }

    fn auth(self) -> &'static str {
        match self {
            Self::DeviceSecret => "",
            Self::Register => "auth = \"register\"\n",
            Self::RegisterNoPrereg => "auth = \"register_no_prereg\"\n",
        }
    }

    fn house(self, instance: Instance, tls: Tls) -> House {
        House::with(Setup {
            registers: self.registers(),
            cloud: self.auth(),
            instance,
            tls,
            own_hosts: true,
            ..Setup::default()
        })
    }
}

/// The stand-in's log: those events.
fn events(house: &House, kind: &str) -> Vec<Value> {
    let log = house.cloud.ask(&json!({"do": "log"}))["events"].as_array().unwrap().clone();
    log.into_iter().filter(|event| event["event"] == kind).collect()
}

fn arrives(house: &House, payload: &str) {
    house.program().publish("user/update", payload);
    house.all_arrive("user/update", &[payload.to_owned()]);
}

fn trouble(program: &mut Door, code: &str) -> Value {
    eventually(code, || {
        let trouble = program.status()["link"]["trouble"].clone();
        (trouble["code"] == code).then_some(trouble)
    })
}

fn first_message_and_restart(mode: Mode, instance: Instance, tls: Tls) {
    let mut house = mode.house(instance, tls);
    if (mode, instance) == (Mode::RegisterNoPrereg, Instance::OldPublic) {
        let told = trouble(&mut Door::open(&house.socket()), "registration_refused");
        assert!(told["hint"].as_str().unwrap().contains("enterprise"), "{told}");
        return;
    }
    arrives(&house, "first");
    assert!(house.terminate_daemon());
    house.start_daemon();
    arrives(&house, "second");
    let registered = usize::from(mode != Mode::DeviceSecret);
    assert_eq!(events(&house, "registered").len(), registered, "no second registration");
    assert_eq!(events(&house, "refused"), Vec::<Value>::new());
    let signed_in = events(&house, "connected");
    assert_eq!(signed_in.len(), 2);
    let way = match (mode, tls) {
        (Mode::RegisterNoPrereg, _) => "|securemode=-2,authType=connwl",
        (_, Tls::Off) => "|securemode=3,",
        (_, _) => "|securemode=2,",
    };
    assert!(signed_in.iter().all(|event| event["client_id"].as_str().unwrap().contains(way)), "{signed_in:?}");
}

#[test]
fn every_way_on_every_instance_leads_from_an_empty_store_to_the_cloud_and_a_restart_registers_nothing() {
    let mut cells = Vec::new();
    for mode in Mode::ALL {
        for instance in Instance::ALL {
            for tls in [Tls::OwnAuthority, Tls::Off] {
                // The platform registers over TLS alone.
                if mode == Mode::DeviceSecret || tls != Tls::Off {
                    cells.push((mode, instance, tls));
                }
            }
        }
    }
    in_parallel(
        &cells,
        |cell| format!("{cell:?}"),
        |(mode, instance, tls)| first_message_and_restart(*mode, *instance, *tls),
    );
}

/// What was accepted before and while it went wrong arrives, and no more was registered than had to be.
fn spoilt_answer(mode: Mode, way: &'static str, how: &'static str) {
    let house = House::with(Setup {
        registers: Some(way),
        cloud: mode.auth(),
        instance: Instance::Enterprise,
        tls: Tls::OwnAuthority,
        own_hosts: true,
        spoil_answers: Some(how),
        ..Setup::default()
    });
    let mut program = Door::open(&house.socket());
    program.publish("user/update", how);
    house.all_arrive("user/update", &[how.to_owned()]);
    let registered = events(&house, "registered").len();
    assert_eq!(registered, if how == "doubled" { 1 } else { 2 }, "{mode:?} {how}");
    let log = house.log();
    if ["malformed", "other_device"].contains(&how) {
        assert!(log.contains("answer to the registration"), "{mode:?} {how}: {log}");
    }
    let told = if (way, how) == ("https", "lost") { "registration_failed" } else { "registration_unanswered" };
    assert_eq!(log.contains(told), how != "doubled", "{mode:?} {way} {how}: {log}");
}

#[test]
fn an_answer_that_is_lost_doubled_garbled_or_somebody_elses_costs_one_registration_more_and_no_message() {
    let mut cells = Vec::new();
    for mode in [Mode::Register, Mode::RegisterNoPrereg] {
        for how in ["lost", "doubled", "malformed", "other_device"] {
            cells.push((mode, "mqtt", how));
        }
    }
    cells.extend(["lost", "malformed", "other_device"].map(|how| (Mode::Register, "https", how)));
    in_parallel(&cells, |cell| format!("{cell:?}"), |(mode, way, how)| spoilt_answer(*mode, way, how));
}

/// Where a registered device keeps what it was given.
fn store(house: &House) -> std::path::PathBuf {
    house.path("store")
}

/// A store file that is spoilt while the daemon is down.
fn spoilt_store(mode: Mode, what: &str) {
    let mut house = mode.house(Instance::Enterprise, Tls::OwnAuthority);
    arrives(&house, "before");
    assert!(house.terminate_daemon());
    let file = store(&house).join("credentials.redb");
    match what {
        "torn" => std::fs::File::options().write(true).open(&file).unwrap().set_len(5_000).unwrap(),
        _ => std::fs::remove_file(&file).unwrap(),
    }
    house.start_daemon();
    let mut program = Door::open(&house.socket());
    program.publish("user/update", "kept all the while");
    if mode == Mode::Register {
        // The device has signed in: the platform gives its secret again after a reset in the console alone.
        let told = trouble(&mut program, "registration_refused");
        assert!(told["hint"].as_str().unwrap().contains("reset"), "{told}");
        house.cloud.console(json!({"do": "reset"}));
    }
    house.all_arrive("user/update", &["kept all the while".to_owned()]);
    assert_eq!(events(&house, "registered").len(), 2, "{mode:?} {what}");
    assert_eq!(house.log().contains("is set aside"), what == "torn", "{mode:?} {what}");
}

/// A command that becomes another one in which this was mounted, and nowhere else.
fn mounted(mount: &str) -> [String; 5] {
    ["unshare", "-m", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")].map(str::to_owned)
}

/// Whether this user may mount; told if not.
fn may_mount(what: &str) -> bool {
    let may = run(Command::new("unshare").args(["-m", "true"])).status.success();
    if !may {
        println!("{what}: left out, since only root may mount");
    }
    may
}

/// How a store comes to take nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TakesNothing {
    FileInTheWay,
    NoFileMayGrow,
    DiskFull,
    ReadOnly,
}

impl TakesNothing {
    fn starts(self, house: &mut House) {
        let store = store(house);
        let path = store.display();
        let mount = match self {
            Self::FileInTheWay => {
                // Root writes wherever rights forbid it: where a directory should be, there is a file.
                std::fs::write(&store, "in the way").unwrap();
                return house.start_daemon();
            }
            // The store wants more from its first byte, the outbox does not.
            Self::NoFileMayGrow => {
                let limited = ["env", "--ignore-signal=XFSZ", "prlimit", "--fsize=65536:unlimited"];
                return house.start_daemon_under(&limited);
            }
            Self::DiskFull => format!("mount -t tmpfs -o size=8k tmpfs '{path}'"),
            Self::ReadOnly => format!("mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}'"),
        };
        std::fs::create_dir(&store).unwrap();
        house.start_daemon_under(&mounted(&mount).each_ref().map(String::as_str));
    }

    fn ends(self, house: &House) {
        let (pid, store) = (house.daemon_pid().to_string(), store(house));
        let mut help = match self {
            Self::FileInTheWay => return std::fs::remove_file(&store).unwrap(),
            Self::NoFileMayGrow => Command::new("prlimit"),
            Self::DiskFull | Self::ReadOnly => Command::new("nsenter"),
        };
        match self {
            Self::DiskFull => help.args(["-t", &pid, "-m", "mount", "-o", "remount,size=16m"]).arg(&store),
            Self::ReadOnly => help.args(["-t", &pid, "-m", "mount", "-o", "remount,rw,bind"]).arg(&store),
            _ => help.args(["--fsize=unlimited", "--pid", &pid]),
        };
        let helped = run(&mut help);
        assert!(helped.status.success(), "{}", String::from_utf8_lossy(&helped.stderr));
    }
}

/// A store that takes nothing: nothing is asked of the cloud until it does.
fn unwritable_store(why: TakesNothing) {
    if matches!(why, TakesNothing::DiskFull | TakesNothing::ReadOnly) && !may_mount("a store that takes nothing") {
        return;
    }
    let mut house = House::unstarted(Setup {
        registers: Some("mqtt"),
        cloud: Mode::RegisterNoPrereg.auth(),
        instance: Instance::Enterprise,
        tls: Tls::OwnAuthority,
        own_hosts: true,
        ..Setup::default()
    });
    why.starts(&mut house);
    let mut program = Door::open(&house.socket());
    program.publish("user/update", "kept all the while");
    let told = trouble(&mut program, "store_unusable");
    assert!(told["hint"].as_str().unwrap().contains("check the disk"), "{told}");
    assert_eq!(events(&house, "registered").len(), 0, "what cannot be kept is not asked for");
    why.ends(&house);
    house.all_arrive("user/update", &["kept all the while".to_owned()]);
    assert_eq!(events(&house, "registered").len(), 1);
}

/// A disk that became read-only after the device was registered.
fn read_only_store(mode: Mode) {
    if !may_mount("a store that became read-only") {
        return;
    }
    let mut house = mode.house(Instance::Enterprise, Tls::OwnAuthority);
    arrives(&house, "before");
    assert!(house.terminate_daemon());
    let store = store(&house);
    let path = store.display();
    let mount = format!("mount --bind '{path}' '{path}' && mount -o remount,ro,bind '{path}'");
    house.start_daemon_under(&mounted(&mount).each_ref().map(String::as_str));
    arrives(&house, "with what was kept");
    assert_eq!(events(&house, "registered").len(), 1);
    assert!(house.terminate_daemon());
}

/// Something is done in the console to a device that is online, and undone.
fn console(mode: Mode, calls: &[Value], undo: &[Value], code: Option<&str>) {
    let mut house = mode.house(Instance::Enterprise, Tls::OwnAuthority);
    arrives(&house, "before");
    for call in calls.iter().chain([&json!({"do": "kick"})]) {
        house.cloud.console(call.clone());
    }
    let mut program = Door::open(&house.socket());
    program.publish("user/update", "kept all the while");
    if let Some(code) = code {
        let told = trouble(&mut program, code);
        assert!(told["hint"].as_str().unwrap().contains("console"), "{told}");
    }
    for call in undo {
        house.cloud.console(call.clone());
    }
    house.all_arrive("user/update", &["before".to_owned(), "kept all the while".to_owned()]);
    assert_eq!(events(&house, "registered").len(), usize::from(mode != Mode::DeviceSecret), "none is burnt");
    assert!(house.terminate_daemon());
}

/// A module that believes in another century, and is not told the time by its network.
fn wrong_clock() {
    let mut house = Mode::DeviceSecret.house(Instance::Enterprise, Tls::OwnAuthority);
    arrives(&house, "before");
    let mut program = house.program();
    for command in ["AT+CTZU=0", "AT+CCLK=\"01/01/01,00:00:00+00\""] {
        program.ask_ok(json!({"op": "at", "command": command}));
    }
    house.cloud.console(json!({"do": "kick"}));
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    arrives(&house, "after");
    let clock = program.ask_ok(json!({"op": "at", "command": "AT+CCLK?"})).to_string();
    assert!(clock.contains("01/01/01"), "it was wrong all the while: {clock}");
    assert_eq!(events(&house, "refused"), Vec::<Value>::new());
    assert!(house.terminate_daemon());
}

/// A host whose clock is wrong until somebody sets it, here between two starts. No time may count as gone by for that.
fn wrong_host_clock(by: &str) {
    let mut house = House::unstarted(Setup {
        registers: Some("mqtt"),
        cloud: Mode::Register.auth(),
        instance: Instance::Enterprise,
        tls: Tls::OwnAuthority,
        own_hosts: true,
        ..Setup::default()
    });
    let (preload, by_offset) = (format!("LD_PRELOAD={}", faketime().display()), format!("FAKETIME={by}"));
    house.start_daemon_under(&["env", &preload, &by_offset, "DONT_FAKE_MONOTONIC=1", "NO_FAKE_STAT=1"]);
    arrives(&house, "by the wrong clock");
    eventually("it knows how wrong its host is", || {
        let told = run(&mut house.airgate(&["clock", "show", "--json"]));
        let told: Value = serde_json::from_slice(&told.stdout).ok()?;
        (told["host_offset_ms"].as_i64()?.abs() > 365 * 86_400_000).then_some(())
    });
    house.kill_modem();
    let mut program = Door::open(&house.socket());
    let kept = json!({"op": "publish", "topic": "user/update", "payload": "kept over the jump", "ttl_s": 3_600});
    program.ask_ok(kept);
    house.kill_daemon();
    house.start_modem();
    house.start_daemon();
    arrives(&house, "by the right clock");
    house.all_arrive("user/update", &["kept over the jump".to_owned()]);
    assert_eq!(events(&house, "registered").len(), 1);
    assert_eq!(events(&house, "refused"), Vec::<Value>::new());
}

/// What gives a program another clock. The loader finds it by its path.
fn faketime() -> std::path::PathBuf {
    let folders = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok);
    let mut found = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1")).filter(|path| path.exists());
    found.next().expect("hint: apt-get install faketime, or run scripts/test")
}

/// The cloud refuses the registration over MQTT, which tells nobody why; it takes the one over HTTPS.
fn first_way_fails() {
    let mut house = House::unstarted(Setup {
        registers: Some("auto"),
        cloud: Mode::Register.auth(),
        instance: Instance::Enterprise,
        tls: Tls::OwnAuthority,
        own_hosts: true,
        ..Setup::default()
    });
    house.cloud.console(json!({"do": "refuse", "count": 1, "code": 3}));
    house.start_daemon();
    arrives(&house, "by the other way");
    let log = house.log();
    let ways: Vec<&str> = log.lines().filter(|line| line.contains("registers the device with the cloud")).collect();
    assert!(matches!(ways[..], [mqtt, https] if mqtt.contains("way=Mqtt") && https.contains("way=Https")), "{ways:?}");
    assert_eq!(events(&house, "registered").len(), 1);
}

/// A fault by its name, and how to live through it.
type Fault = (&'static str, Box<dyn Fn() + Sync>);

#[test]
fn a_store_that_is_spoilt_or_takes_nothing_and_what_is_done_in_the_console_heals_or_is_told() {
    let secret = |secret: &str| json!({"do": "secret", "device_secret": secret});
    let disable = |on: bool| json!({"do": "disable", "on": on});
    let cells: Vec<Fault> = vec![
        ("torn", Box::new(|| spoilt_store(Mode::Register, "torn"))),
        ("missing", Box::new(|| spoilt_store(Mode::Register, "missing"))),
        ("torn, not listed", Box::new(|| spoilt_store(Mode::RegisterNoPrereg, "torn"))),
        ("a file in the way", Box::new(|| unwritable_store(TakesNothing::FileInTheWay))),
        ("no file may grow", Box::new(|| unwritable_store(TakesNothing::NoFileMayGrow))),
        ("disk full", Box::new(|| unwritable_store(TakesNothing::DiskFull))),
        ("read-only", Box::new(|| unwritable_store(TakesNothing::ReadOnly))),
        ("became read-only", Box::new(|| read_only_store(Mode::Register))),
        ("became read-only, not listed", Box::new(|| read_only_store(Mode::RegisterNoPrereg))),
        ("a year behind", Box::new(|| wrong_host_clock("-366d"))),
        ("a year ahead", Box::new(|| wrong_host_clock("+366d"))),
        ("first way fails", Box::new(first_way_fails)),
        ("wrong clock", Box::new(wrong_clock)),
        ("reset", Box::new(|| console(Mode::Register, &[json!({"do": "reset"})], &[], None))),
        (
            "secret changed",
            Box::new(move || {
                let (new, old) = (secret(&"9".repeat(32)), secret(DEVICE_SECRET));
                console(Mode::DeviceSecret, &[new], &[old], Some("sign_in_refused"));
            }),
        ),
        (
            "disabled",
            Box::new(move || console(Mode::Register, &[disable(true)], &[disable(false)], Some("sign_in_refused"))),
        ),
        (
            "disabled, not listed",
            Box::new(move || {
                console(Mode::RegisterNoPrereg, &[disable(true)], &[disable(false)], Some("sign_in_refused"));
            }),
        ),
    ];
    in_parallel(&cells, |(name, _)| (*name).to_owned(), |(_, cell)| cell());
}
