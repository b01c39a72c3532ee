//! `airgate auth` computes what sign-in would use, for any configuration.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{bin, run};
use serde_json::{Value, json};

fn auth(config: &str, args: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, config).unwrap();
    let output = run(bin("airgate").args(["auth", "--json", "--config"]).arg(&file).args(args));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Source: test values of LuatOS `luat_iotauth.c`, computed anew with an independent HMAC.
#[test]
fn a_known_aliyun_sign_in_is_reproduced() {
    let config = "[cloud]\nprovider = \"aliyun\"\nproduct_key = \"123456789\"\ndevice_name = \"abcdefg\"\n\
                  device_secret = \"Y877Bgo8X5owd3lcB5wWDjryNPoB\"\n";
    let found = auth(config, &["--timestamp", "1700000000"]);
    assert_eq!(found["client_id"], "123456789.abcdefg|securemode=2,signmethod=hmacsha256,timestamp=1700000000|");
    assert_eq!(found["username"], "abcdefg&123456789");
    assert_eq!(found["host"], "123456789.iot-as-mqtt.cn-shanghai.aliyuncs.com");
    assert_eq!((&found["port"], &found["tls"]), (&json!(8883), &json!(true)));
    assert_eq!(found["password"].as_str().unwrap().len(), 64);
}

#[test]
fn the_imei_is_the_device_name_when_none_is_given() {
    let config = "[cloud]\nprovider = \"aliyun\"\nproduct_key = \"a1X\"\ndevice_secret = \"secret\"\n\
                  instance_id = \"iot-06z000000000000\"\nsign_method = \"hmacsha1\"\ntls = false\n";
    let found = auth(config, &["--timestamp", "1", "--imei", "861551056421746"]);
    assert_eq!(found["username"], "861551056421746&a1X");
    assert_eq!(found["host"], "iot-06z000000000000.mqtt.iothub.aliyuncs.com");
    assert_eq!((&found["port"], &found["tls"]), (&json!(1883), &json!(false)));
}

#[test]
fn any_broker_is_told_as_it_was_given() {
    let config = "[cloud]\nprovider = \"mqtt\"\nhost = \"broker.example\"\nclient_id = \"me\"\nusername = \"u\"\npassword = \"p\"\ntls = false\n";
    let found = auth(config, &[]);
    assert_eq!(
        found,
        json!({"host": "broker.example", "port": 1883, "tls": false, "client_id": "me", "username": "u", "password": "p"})
    );
}

#[test]
fn the_password_is_hidden_from_onlookers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, "[cloud]\nprovider = \"mqtt\"\nhost = \"b\"\nclient_id = \"me\"\nusername = \"u\"\npassword = \"hunter2\"\ntls = false\n").unwrap();
    let hidden = run(bin("airgate").args(["auth", "--config"]).arg(&file));
    assert!(!String::from_utf8_lossy(&hidden.stdout).contains("hunter2"));
    let shown = run(bin("airgate").args(["auth", "--show-secrets", "--config"]).arg(&file));
    assert!(String::from_utf8_lossy(&shown.stdout).contains("hunter2"));
}
