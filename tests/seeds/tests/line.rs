//! The rate of the line and its port, with the real driver on a real pty: found, raised, kept, given up, and gone.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use air780e::session::AccessPoint;
use air780e::status::{Phase, Status};
use air780e::{Config, Modem};
use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{self, Options, Profile};
use std::path::Path;
use std::time::Duration;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(90);

fn module(baud: u32) -> Options {
    let profile = Profile { attach: Duration::from_millis(100), ..Profile::v1161() };
    Options { profile, setup: Setup { baud, ..Setup::default() }, ..Options::default() }
}

fn drive(config: Config) -> Modem {
    let (driver, mut events) = Modem::start(config);
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    driver
}

fn config(path: &Path, baud: u32, max_baud: Option<u32>) -> Config {
    Config { baud, max_baud, ..Config::new(path.to_str().unwrap()) }
}

async fn until(driver: &Modem, what: impl FnMut(&Status) -> bool) -> Status {
    let mut status = driver.status();
    let last = driver.status();
    match timeout(PATIENCE, status.wait_for(what)).await {
        Ok(status) => status.unwrap().clone(),
        Err(_) => panic!("never: {:?}", last.borrow()),
    }
}

async fn attached(driver: &Modem, baud: u32) {
    until(driver, |status| status.phase == Phase::Attached && status.baud == baud).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_is_found_at_whatever_rate_it_runs() {
    let auto = Options { profile: Profile { auto_baud: true, ..module(0).profile }, ..module(115_200) };
    let modules = [(9_600, module(9_600)), (921_600, module(921_600)), (115_200, auto)];
    let found = modules.map(|(baud, options)| {
        tokio::spawn(async move {
            let module = modem::Modem::start(options).unwrap();
            attached(&drive(config(module.path(), 0, None)), baud).await;
        })
    });
    for one in found {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raised_rate_is_kept_over_a_boot_of_the_module_and_a_restart_of_the_driver() {
    let module = modem::Modem::start(module(115_200)).unwrap();
    let driver = drive(config(module.path(), 115_200, Some(921_600)));
    attached(&driver, 921_600).await;
    assert_eq!(driver.ask("AT+IPR?").await.unwrap(), ["+IPR: 921600"]);
    let boots = driver.status().borrow().boots;
    module.reset();
    // Heard at the raised rate, so it boots at it.
    until(&driver, |status| status.boots > boots && status.phase == Phase::Attached && status.baud == 921_600).await;
    drop(driver);
    attached(&drive(config(module.path(), 115_200, Some(921_600))), 921_600).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wire_that_does_not_carry_the_raised_rate_leaves_the_module_at_the_old_one() {
    let module = modem::Modem::start(Options { wire_max: Some(230_400), ..module(115_200) }).unwrap();
    let driver = drive(config(module.path(), 115_200, Some(921_600)));
    until(&driver, |status| status.baud == 921_600).await;
    attached(&driver, 115_200).await;
    module.reset();
    let boots = driver.status().borrow().boots;
    until(&driver, |status| status.boots > boots && status.phase == Phase::Attached && status.baud == 115_200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hardware_flow_control_is_set_and_set_again_after_a_boot_that_forgot_it() {
    let module = modem::Modem::start(module(0)).unwrap();
    let driver = drive(Config { hardware_flow: true, ..config(module.path(), 115_200, None) });
    attached(&driver, 115_200).await;
    assert_eq!(driver.ask("AT+IFC?").await.unwrap(), ["+IFC: 2, 2"]);
    let boots = driver.status().borrow().boots;
    module.reset();
    until(&driver, |status| status.boots > boots && status.phase == Phase::Attached).await;
    assert_eq!(driver.ask("AT+IFC?").await.unwrap(), ["+IFC: 2, 2"]);
    // It was not the module that remembered.
    drop(driver);
    let driver = drive(config(module.path(), 115_200, None));
    attached(&driver, 115_200).await;
    let boots = driver.status().borrow().boots;
    module.reset();
    until(&driver, |status| status.boots > boots && status.phase == Phase::Attached).await;
    assert_eq!(driver.ask("AT+IFC?").await.unwrap(), ["+IFC: 0, 0"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn hardware_flow_control_goes_with_a_raised_rate_and_with_a_port_that_comes_back() {
    let module = modem::Modem::start(module(115_200)).unwrap();
    let driver = drive(Config { hardware_flow: true, ..config(module.path(), 115_200, Some(921_600)) });
    attached(&driver, 921_600).await;
    assert_eq!(driver.ask("AT+IFC?").await.unwrap(), ["+IFC: 2, 2"]);
    module.fault("now: vanish 300ms".parse().unwrap());
    until(&driver, |status| status.phase == Phase::NoPort).await;
    attached(&driver, 921_600).await;
    assert_eq!(driver.ask("AT+IFC?").await.unwrap(), ["+IFC: 2, 2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_with_another_access_point_is_told_and_restarted_once() {
    let module = modem::Modem::start(module(0)).unwrap();
    let access = AccessPoint { name: "private.apn".into(), login: None };
    let driver = drive(Config { access_point: Some(access), ..Config::new(module.path().to_str().unwrap()) });
    let mut status = driver.status();
    let kept = async {
        // It may have attached by its old one, and the boot that it comes from may just have been heard.
        let knows = |contexts: Vec<String>| contexts.iter().any(|line| line.contains("private.apn"));
        loop {
            until(&driver, |status| status.phase == Phase::Attached).await;
            if driver.ask("AT+CGDCONT?").await.is_ok_and(knows) {
                break;
            }
            let _ = timeout(Duration::from_secs(1), status.changed()).await;
        }
        until(&driver, |status| status.boots > 0 && status.phase == Phase::Attached).await;
    };
    timeout(PATIENCE, kept).await.expect("it has the access point, and was restarted");
    // It is right from the start now.
    drop(driver);
    let access = AccessPoint { name: "Private.APN".into(), login: None };
    let driver = drive(Config { access_point: Some(access), ..Config::new(module.path().to_str().unwrap()) });
    attached(&driver, 115_200).await;
    assert_eq!(driver.status().borrow().boots, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_comes_back_under_another_name_is_followed_and_the_dead_one_let_go() {
    let dir = tempfile::tempdir().unwrap();
    let link = dir.path().join("ttyACM0");
    let module = modem::Modem::start(Options { link: Some(link.clone()), ..module(0) }).unwrap();
    let pattern = dir.path().join("ttyACM*").display().to_string();
    let driver = drive(Config::new(pattern));
    attached(&driver, 115_200).await;
    let before = std::fs::read_link(&link).unwrap();
    let rule = format!("now: vanish 500ms as {}", dir.path().join("ttyACM3").display());
    module.fault(rule.parse().unwrap());
    until(&driver, |status| status.phase == Phase::NoPort).await;
    attached(&driver, 115_200).await;
    // The simulated module lives in this process and has let go too.
    let open = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
    let dead = open.filter_map(|fd| std::fs::read_link(fd.path()).ok()).filter(|target| {
        let target = target.to_string_lossy().into_owned();
        target.starts_with(&*before.to_string_lossy()) && target.ends_with("(deleted)")
    });
    assert_eq!(dead.count(), 0);
}
