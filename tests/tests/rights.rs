//! Who may do what, with real users of this host. These tests need root, as in a container; elsewhere they say so and end.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, bin, run};
use std::process::{Command, Output};

const OUTSIDER: u32 = 64_001;
const MEMBER: u32 = 64_002;
const OPERATOR: u32 = 64_003;
/// Stands for the group `airgate`: the one that the socket belongs to.
const GROUP: u32 = 64_100;

/// A house whose sockets belong to the group, and a copy of the command that everybody may run.
fn house(extra: &'static str) -> Option<House> {
    if String::from_utf8_lossy(&run(Command::new("id").arg("-u")).stdout).trim() != "0" {
        eprintln!("not root: nothing is tested here");
        return None;
    }
    let house = House::with(Setup { extra, ..Setup::default() });
    house.program();
    std::fs::copy(bin("airgate").get_program(), house.path("airgate")).unwrap();
    let script = format!(
        "cd {} && chmod 755 . airgate && chmod 600 airgate.toml && chgrp {GROUP} *.sock",
        house.path("").display()
    );
    assert!(run(Command::new("sh").args(["-c", &script])).status.success());
    Some(house)
}

fn as_user(house: &House, user: u32, group: u32, args: &[&str]) -> Output {
    let mut command = Command::new("setpriv");
    command.args(["--reuid", &user.to_string(), "--regid", &group.to_string(), "--clear-groups", "--"]);
    command.arg(house.path("airgate")).args(args).env_remove("AIRGATE_SOCKET");
    if args[0] == "check" {
        command.arg("--config").arg(house.path("airgate.toml"));
    }
    run(command.arg("--socket").arg(house.socket()))
}

/// Exit code and the code of the error.
fn outcome(output: &Output) -> (i32, String) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let code = errors.lines().find_map(|line| line.strip_prefix("error[")?.split(']').next().map(str::to_owned));
    (output.status.code().unwrap_or(-1), code.unwrap_or_default())
}

/// What `airgate check` tells a user who asks why it may not publish there.
fn explained(house: &House, user: u32, group: u32, topic: &str) -> String {
    let output = as_user(house, user, group, &["check", "--publish", topic]);
    assert_eq!(outcome(&output), (4, "not_allowed".into()), "{output:?}");
    String::from_utf8_lossy(&output.stderr).split_once("hint: ").unwrap().1.trim_end().to_owned()
}

fn check(house: &House, user: u32, group: u32, table: &[(&str, (i32, &str))]) {
    for (args, (exit, code)) in table {
        let output = as_user(house, user, group, &args.split(' ').collect::<Vec<_>>());
        assert_eq!(outcome(&output), (*exit, (*code).to_owned()), "user {user}: {args:?}: {output:?}");
    }
}

#[test]
fn without_a_table_a_member_has_the_default_and_an_outsider_nothing() {
    let Some(house) = house("") else { return };
    let denied = as_user(&house, OUTSIDER, OUTSIDER, &["pub", "user/update", "x"]);
    assert_eq!(outcome(&denied), (3, "no_daemon".into()));
    assert!(String::from_utf8_lossy(&denied.stderr).contains("group `airgate`"), "it says what to do: {denied:?}");
    check(
        &house,
        MEMBER,
        GROUP,
        &[
            ("pub user/update x", (0, "")),
            ("pub local/a x", (0, "")),
            ("pub /sys/a1EndToEnd0/861551056421746/thing/event/property/post {}", (4, "not_allowed")),
            ("pub $ota/progress {}", (4, "not_allowed")),
            ("pub local/airgate/link x", (4, "not_allowed")),
            ("sub # -C 1", (4, "not_allowed")),
            ("status", (0, "")),
            ("at AT+CSQ", (4, "not_allowed")),
        ],
    );
    assert_eq!(
        explained(&house, OUTSIDER, OUTSIDER, "user/update"),
        "sudo usermod -aG 64100 64001, then sign in again"
    );
    // It may not read the configuration, which bears secrets: the daemon tells it.
    let why = explained(&house, MEMBER, GROUP, "/sys/x");
    assert!(why.contains("[[app]]\n    user = \"64002\"\n    publish = [\"/sys/x\"]"), "{why}");
    let refused = as_user(&house, MEMBER, GROUP, &["pub", "/sys/x", "x"]);
    let errors = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(errors.contains("may not publish to /sys/x") && errors.contains("granted: user/#"), "{errors}");
}

#[test]
fn with_tables_each_has_what_they_grant_and_an_operator_the_console() {
    let Some(house) = house(
        "[[app]]\ngroup = \"64100\"\npublish = [\"user/pump\"]\nrate = \"2/h\"\n\
         [[app]]\nuser = \"64003\"\npublish = [\"#\"]\nsubscribe = [\"user/#\"]\noperator = true\n",
    ) else {
        return;
    };
    check(
        &house,
        MEMBER,
        GROUP,
        &[
            ("pub --key k user/pump x", (0, "")),
            ("pub --key k user/pump x", (0, "")),
            ("pub user/pump x", (4, "rate_limited")),
            ("pub --key k user/pump x", (4, "rate_limited")),
            ("pub --key k user/update x", (4, "not_allowed")),
            ("pub local/a x", (4, "not_allowed")),
            ("sub user/get -C 1", (4, "not_allowed")),
            ("at AT+CSQ", (4, "not_allowed")),
            ("status", (0, "")),
            ("check --publish user/pump", (0, "")),
            ("check --publish user/update", (4, "not_allowed")),
            ("check --subscribe user/get", (4, "not_allowed")),
            ("check --user 64003 --publish /ext/x", (4, "not_allowed")),
        ],
    );
    check(&house, OPERATOR, OPERATOR, &[("status", (3, "no_daemon"))]);
    let script = format!("chmod 666 {}", house.socket().display());
    assert!(run(Command::new("sh").args(["-c", &script])).status.success());
    check(
        &house,
        OPERATOR,
        OPERATOR,
        &[
            ("at AT+CSQ", (0, "")),
            ("pub user/update x", (0, "")),
            ("pub /ext/x x", (0, "")),
            ("sub $thing/# -C 1", (4, "not_allowed")),
            ("check --publish /ext/x --subscribe user/get", (0, "")),
        ],
    );
}
