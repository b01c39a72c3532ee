//! The same daemon and module against Debian's own broker.

use airgate_tests::{House, Process, eventually, free_port};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn mosquitto(port: u16, log: &std::path::Path) -> Process {
    let broker =
        ["/usr/sbin/mosquitto", "/usr/bin/mosquitto"].into_iter().find(|path| std::path::Path::new(path).exists());
    let broker = broker.expect("mosquitto is installed: apt-get install mosquitto mosquitto-clients");
    let process = Process::start(Command::new(broker).arg("-p").arg(port.to_string()), log);
    eventually("the broker listens", || TcpStream::connect(("127.0.0.1", port)).ok());
    process
}

#[test]
fn mosquitto_sub_sees_each_message_and_mosquitto_pub_reaches_a_program() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let _broker = mosquitto(port, &dir.path().join("broker.log"));
    let house = House::with_broker(port);
    house.program();

    let port = port.to_string();
    let mut subscriber = Command::new("mosquitto_sub")
        .args(["-p", &port, "-q", "1", "-t", "plant/#", "-v", "-C", "20", "-d"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(subscriber.stdout.take().unwrap()).lines().map(Result::unwrap);
    lines.find(|line| line.contains("Subscribed")).expect("the broker grants the subscription");
    for number in 0..20 {
        let done = house.airgate(&["pub", "plant/1", &format!("reading {number}")]).status().unwrap();
        assert!(done.success());
    }
    let seen: Vec<String> = lines.filter(|line| line.starts_with("plant/1 ")).collect();
    assert_eq!(seen, (0..20).map(|number| format!("plant/1 reading {number}")).collect::<Vec<_>>());
    subscriber.wait().unwrap();

    let program = house.airgate(&["sub", "plant/commands", "-C", "1"]).stdout(Stdio::piped()).spawn().unwrap();
    eventually("the subscription", || house.log().contains("subscribed filter=\"plant/commands\"").then_some(()));
    let sent =
        Command::new("mosquitto_pub").args(["-p", &port, "-q", "1", "-t", "plant/commands", "-m", "open"]).status();
    assert!(sent.unwrap().success());
    assert_eq!(program.wait_with_output().unwrap().stdout, b"open\n");
}
