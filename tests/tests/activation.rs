//! The sockets may come from systemd (`airgate.socket`): then they are there before the daemon and after it.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, bin, eventually};
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::process::{Child, Command, Stdio};

/// A daemon that gets its two sockets as systemd hands them over: as files 3 and 4, with their number and its process.
///
/// Source: sd_listen_fds(3).
struct Activated(Child);

impl Activated {
    fn start(house: &House, sockets: [&UnixListener; 2], names: &str) -> Self {
        let [json, mqtt] = sockets.map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().unwrap())));
        let script = "exec 3<&0 4<&1 </dev/null >/dev/null; LISTEN_FDS=2 LISTEN_PID=$$ exec \"$0\" run --config \"$1\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(bin("airgate").get_program()).arg(house.path("airgate.toml"));
        let log = File::options().append(true).open(house.path("daemon.log")).unwrap();
        Self(
            command
                .env("AIRGATE_LOG", "debug")
                .env("LISTEN_FDNAMES", names)
                .stdin(json)
                .stdout(mqtt)
                .stderr(log)
                .spawn()
                .unwrap(),
        )
    }

    fn terminate(mut self) {
        assert!(Command::new("kill").arg(self.0.id().to_string()).status().unwrap().success());
        let status = eventually("the daemon ends", || self.0.try_wait().unwrap());
        assert!(status.success(), "{status}");
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_comes_before_the_daemon_waits_at_the_door_and_the_door_outlives_the_daemon() {
    let mut house = House::new();
    assert!(house.terminate_daemon());
    let (json, mqtt) = (house.socket(), house.path("mqtt.sock"));
    assert!(!json.exists() && !mqtt.exists(), "its own sockets go with it");
    let sockets = [UnixListener::bind(&json).unwrap(), UnixListener::bind(&mqtt).unwrap()];

    for round in ["first", "second"] {
        // It connects, and is answered when there is somebody to answer.
        let early = std::thread::spawn({
            let json = json.clone();
            move || {
                let mut early = Door::open(&json);
                early.publish("user/update", round);
            }
        });
        let daemon = Activated::start(&house, [&sockets[0], &sockets[1]], "airgate:airgate");
        early.join().unwrap();
        house.all_arrive("user/update", &[round.to_owned()]);
        daemon.terminate();
        assert!(json.exists() && mqtt.exists(), "the sockets are systemd's, and stay");
    }
}

#[test]
fn sockets_with_names_may_be_anywhere_and_in_any_order() {
    let mut house = House::new();
    assert!(house.terminate_daemon());
    let (one, other) = (house.path("one.sock"), house.path("other.sock"));
    let sockets = [UnixListener::bind(&one).unwrap(), UnixListener::bind(&other).unwrap()];
    let daemon = Activated::start(&house, [&sockets[0], &sockets[1]], "mqtt:json");
    Door::open(&other).publish("user/update", "by its name");
    house.all_arrive("user/update", &["by its name".to_owned()]);
    assert!(!house.socket().exists(), "it makes none of its own");
    daemon.terminate();
}
