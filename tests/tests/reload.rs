//! The configuration is read again on SIGHUP: what can change does so without touching the link, the rest is named, and a
//! wrong configuration changes nothing.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{Door, House, Process, Setup, bin, eventually, run};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Output};

struct Reloaded {
    house: House,
    /// The configuration that the house was built with.
    config: String,
    /// Whose rights are tried: root has them all, so root tries another user's.
    uid: u32,
    root: bool,
}

impl Reloaded {
    fn new() -> Self {
        // Without `AIRGATE_LOG`, so that the configuration decides the level of the log.
        let house = House::with(Setup { log: "", ..Setup::default() });
        house.program();
        let config = std::fs::read_to_string(house.path("airgate.toml")).unwrap();
        let own = std::fs::metadata(house.path("")).unwrap().uid();
        let root = own == 0;
        if root {
            std::fs::copy(bin("airgate").get_program(), house.path("airgate")).unwrap();
            let script = format!("cd {} && chmod 755 . airgate && chmod 666 *.sock", house.path("").display());
            assert!(run(Command::new("sh").args(["-c", &script])).status.success());
        }
        Self { house, config, uid: if root { 64_002 } else { own }, root }
    }

    /// The command, as the user whose rights are tried.
    fn airgate(&self, args: &[&str]) -> Command {
        if !self.root {
            return self.house.airgate(args);
        }
        let mut command = Command::new("setpriv");
        let uid = self.uid.to_string();
        command.args(["--reuid", &uid, "--regid", &uid, "--clear-groups", "--"]).arg(self.house.path("airgate"));
        command.args(args).arg("--socket").arg(self.house.socket()).env_remove("AIRGATE_SOCKET");
        command
    }

    fn publish(&self, topic: &str, payload: &str) -> Output {
        run(&mut self.airgate(&["pub", topic, payload]))
    }

    /// Puts this behind the configuration and asks the daemon to read it; returns what it logs from then on, once that
    /// holds `until`.
    fn hangup(&self, config: &str, until: &str) -> String {
        let before = self.house.log().len();
        std::fs::write(self.house.path("airgate.toml"), config).unwrap();
        let pid = self.house.daemon_pid().to_string();
        assert!(run(Command::new("kill").args(["-HUP", &pid])).status.success());
        eventually(until, || {
            let log = self.house.log();
            let since = log.get(before..).unwrap_or_default();
            since.contains(until).then(|| since.to_owned())
        })
    }

    fn status(&self) -> serde_json::Value {
        Door::open(&self.house.socket()).status()
    }
}

#[test]
fn rights_routes_level_and_budget_change_while_the_link_stays_up() {
    let daemon = Reloaded::new();
    let before = daemon.status();
    assert!(daemon.publish("user/update", "before").status.success());
    // Somebody whose right to subscribe is about to go.
    let listener = Process::start(&mut daemon.airgate(&["sub", "user/get"]), &daemon.house.path("sub.log"));
    daemon.house.cloud.subscribed("user/get");
    assert!(!daemon.house.log().contains("DEBUG"));

    let more = format!(
        "[[app]]\nuser = \"{}\"\npublish = [\"sensors/#\"]\n[[route]]\nfrom = \"sensors/+\"\nto = \"user/{{1}}\"\n\
         [budget]\nmonthly_bytes = \"1 GiB\"\n[log]\nlevel = \"debug\"\n",
        daemon.uid
    );
    let told = daemon.hangup(&format!("{}{more}", daemon.config), "changed: route");
    for change in ["app(user ", "budget.monthly_bytes = \"1 GiB\" (new)", "log.level = \"debug\" (was \"info\")"] {
        assert!(told.contains(change), "{change}: {told}");
    }
    assert!(!told.contains("restart"), "{told}");

    let refused = daemon.publish("user/update", "not any more");
    assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    assert!(daemon.publish("sensors/temperature", "renamed").status.success());
    daemon.house.all_arrive("user/temperature", &["renamed".to_owned()]);
    assert!(!listener.ends(), "who may not listen any more is disconnected");
    assert!(daemon.house.log().contains("DEBUG"));

    let after = daemon.status();
    assert_eq!(after["budget"]["monthly_bytes"], 1 << 30);
    assert_eq!((&after["link"]["state"], &after["link"]["attempts"]), (&"online".into(), &before["link"]["attempts"]));
    assert_eq!(after["link"]["since_unix_ms"], before["link"]["since_unix_ms"]);
    assert!(!daemon.house.cloud.received("user/update").contains(&"not any more".to_owned()));
}

#[test]
fn a_wrong_configuration_changes_nothing_and_what_needs_a_restart_is_named() {
    let daemon = Reloaded::new();
    let attempts = daemon.status()["link"]["attempts"].clone();

    let wrong = format!("{}[budget]\nmontly_bytes = 1\n[log]\nlevel = \"loud\"\n", daemon.config);
    let told = daemon.hangup(&wrong, "the one in effect stays");
    for mistake in ["montly_bytes", "did you mean `monthly_bytes`", "log.level", "airgate.toml:"] {
        assert!(told.contains(mistake), "{mistake}: {told}");
    }
    assert_eq!(daemon.status()["budget"]["monthly_bytes"], serde_json::Value::Null);
    assert!(daemon.publish("user/update", "as before").status.success());

    let slower = daemon.config.replace("[cloud]\n", "[cloud]\nkeepalive_s = 600\n");
    let told = daemon.hangup(&slower, "cloud.keepalive_s");
    assert!(told.contains("needs a restart (systemctl restart airgate): cloud.keepalive_s = 600 (was 300)"), "{told}");
    let secret = daemon.config.replace("0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210");
    let told = daemon.hangup(&secret, "cloud.device_secret");
    assert!(told.contains("needs a restart") && !told.contains("fedcba98") && !told.contains("01234567"), "{told}");
    daemon.hangup(&daemon.config, "in effect already");
    daemon.house.all_arrive("user/update", &["as before".to_owned()]);
    assert_eq!(daemon.status()["link"]["attempts"], attempts, "the link was left alone");
}
