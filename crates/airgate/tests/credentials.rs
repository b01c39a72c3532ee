//! `airgate auth` and `airgate credentials` of a device that registers.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::io::Write;
use std::process::{Command, Output, Stdio};

struct Host(tempfile::TempDir);

impl Host {
    fn new(more: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "[cloud]\nprovider = \"aliyun\"\nproduct_key = \"i6faWL8wiwH\"\nproduct_secret = \"Yr0iF3HIgNkwiaPj\"\n\
             instance_id = \"iot-06z009y9rnab11u\"\n{more}\n[outbox]\ndir = \"{}\"\n",
            dir.path().join("outbox").display()
        );
        std::fs::write(dir.path().join("airgate.toml"), config).unwrap();
        Self(dir)
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_airgate"))
            .args(args)
            .arg("--config")
            .arg(self.0.path().join("airgate.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that reads nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn out(&self, args: &[&str], input: &str) -> String {
        let output = self.run(args, input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

const ANSWER: &str = r#"{"productKey":"i6faWL8wiwH", "deviceName":"yixingyimi13", "deviceSecret":"hunter2secret"}"#;

#[test]
fn auth_of_a_device_that_is_not_listed_shows_its_registration() {
    let host = Host::new("device_name = \"yixingyimi13\"\nauth = \"register_no_prereg\"");
    let found: serde_json::Value =
        serde_json::from_str(&host.out(&["auth", "--json", "--random", "Test2"], "")).unwrap();
    assert_eq!(
        found["client_id"],
        "yixingyimi13|securemode=-2,authType=regnwl,random=Test2,signmethod=hmacsha256,instanceId=iot-06z009y9rnab11u|"
    );
    let password = found["password"].as_str().unwrap().to_ascii_lowercase();
    assert_eq!(password, "c3e3aa4863518244419bae4a91d11d01d9fd1c0d7d13059c9c3b5b398fdb2681");
    assert_eq!(found["tls"], true);
}

#[test]
fn imported_answer_is_listed_without_its_secret_and_forgotten() {
    let host = Host::new("device_name = \"yixingyimi13\"");
    host.out(&["credentials", "import"], ANSWER);
    let listed = host.out(&["credentials", "list", "--json"], "");
    let rows: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&rows[0]["device_name"], &rows[0]["by"]), (&"yixingyimi13".into(), &"import".into()));
    assert!(!listed.contains("hunter2") && !host.out(&["credentials", "list"], "").contains("hunter2"));
    host.out(&["credentials", "forget"], "");
    assert_eq!(host.out(&["credentials", "list", "--json"], "").trim(), "[]");
    assert_eq!(host.run(&["credentials", "forget"], "").status.code(), Some(1));
}

#[test]
fn answer_of_another_device_is_not_imported_and_not_shown() {
    let host = Host::new("device_name = \"another13\"");
    let output = host.run(&["credentials", "import"], ANSWER);
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("yixingyimi13") && !error.contains("hunter2"), "{error}");
    assert_eq!(host.out(&["credentials", "list", "--json"], "").trim(), "[]");
}
