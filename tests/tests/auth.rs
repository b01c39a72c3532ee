//! `airgate auth` computes what sign-in would use, for any configuration.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{bin, built, interop, run};
use serde_json::{Value, json};
use std::io::Write;
use std::process::{Command, Stdio};

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

/// The vectors: what other clients sent, and what independent HMACs computed.
fn vectors(file: &str) -> Vec<Value> {
    let path = format!("{}/../crates/iotcloud/tests/vectors/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// `[cloud]` with these keys; those without a value are left out.
fn section(keys: &[(&str, Option<String>)]) -> String {
    let keys = keys.iter().filter_map(|(key, value)| Some(format!("{key} = {}\n", value.as_ref()?)));
    format!("[cloud]\nprovider = \"aliyun\"\n{}", keys.collect::<String>())
}

fn quoted(value: &Value) -> Option<String> {
    value.as_str().map(|text| Value::from(text).to_string())
}

/// The keys for a host of the platform, or for any other.
fn place(host: &Value) -> [(&'static str, Option<String>); 3] {
    let host = host.as_str().unwrap_or_default();
    let id = host.strip_suffix(".mqtt.iothub.aliyuncs.com");
    let region = host.split_once(".iot-as-mqtt.").and_then(|(_, rest)| rest.strip_suffix(".aliyuncs.com"));
    let other = (id.or(region).is_none() && !host.is_empty()).then_some(host);
    let text = |text: &str| format!("{text:?}");
    [("instance_id", id.map(text)), ("region", region.map(text)), ("host", other.map(text))]
}

#[test]
fn sign_ins_of_other_clients_are_reproduced_from_the_same_settings() {
    for v in vectors("aliyun-direct") {
        let (parsed, flags) = (&v["parsed"], &v["parsed"]["extensions"]);
        let config = section(
            &[
                &[
                    ("product_key", quoted(&parsed["productKey"])),
                    ("device_name", quoted(&parsed["deviceName"])),
                    ("device_secret", quoted(&v["signKey"])),
                    ("client_id", quoted(&parsed["clientIdBase"])),
                    ("sign_method", quoted(&v["signMethod"])),
                    ("tls", Some((flags["securemode"] == "2").to_string())),
                    ("port", v["port"].as_u64().map(|port| port.to_string())),
                ],
                &place(&v["host"])[..],
            ]
            .concat(),
        );
        let found = auth(&config, &["--timestamp", flags["timestamp"].as_str().unwrap()]);
        let told = |key: &str| found[key].as_str().unwrap().to_owned();
        let id = &v["id"];
        assert!(told("password").eq_ignore_ascii_case(v["expected"].as_str().unwrap()), "{id}");
        assert_eq!(found["username"], v["username"], "{id}");
        assert!(told("client_id").starts_with(&format!("{}|", parsed["clientIdBase"].as_str().unwrap())), "{id}");
        if let Some(host) = v["host"].as_str() {
            assert!(told("host").eq_ignore_ascii_case(host), "{id}: {found}");
        }
        assert!(v["port"].is_null() || v["port"] == found["port"], "{id}: {found}");
    }
}

#[test]
fn sign_ins_of_the_modules_own_library_are_reproduced_to_the_letter() {
    for v in vectors("clouds-aliyun") {
        let inputs = &v["inputs"];
        let tls = inputs["tls"].as_bool().unwrap_or(false);
        let config = section(&[
            ("product_key", quoted(&inputs["product_key"])),
            ("device_name", quoted(&inputs["device_name"])),
            ("device_secret", quoted(&inputs["device_secret"])),
            ("client_id", quoted(&inputs["client_id"])),
            ("method", quoted(&inputs["signmethod"])),
            ("tls", Some(tls.to_string())),
        ]);
        let found = auth(&config, &["--timestamp", inputs["timestamp"].as_str().unwrap()]);
        for key in ["client_id", "username", "password"] {
            assert_eq!(found[key], v["expected"][key], "{}", v["id"]);
        }
        assert_eq!(found["port"], if tls { 8883 } else { 1883 }, "{}", v["id"]);
    }
}

/// `SEED=17 cargo test -p airgate-tests --test auth` draws others than those of every day.
#[test]
fn any_configuration_gives_what_an_independent_computation_gives() {
    let seed = std::env::var("SEED").unwrap_or_else(|_| "1".to_owned());
    let compared = run(Command::new("python3")
        .arg(interop("aliyun_auth.py"))
        .arg(built().join("airgate"))
        .args([seed.as_str(), "100"]));
    let errors = String::from_utf8_lossy(&compared.stderr);
    assert_eq!(String::from_utf8_lossy(&compared.stdout), "ok\n", "seed {seed}: {errors}");
}

#[test]
fn what_a_registration_handed_out_signs_in_as_it_did_for_other_clients() {
    for v in vectors("aliyun-register").iter().filter(|v| v["mode"] == "connwl") {
        let parsed = &v["parsed"];
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("airgate.toml");
        let keys = section(&[
            ("product_key", quoted(&parsed["productKey"])),
            ("device_name", quoted(&parsed["deviceName"])),
            ("product_secret", Some("\"unused\"".into())),
            ("auth", Some("\"register_no_prereg\"".into())),
            ("instance_id", Some("\"iot-06z009y9rnab11u\"".into())),
        ]);
        std::fs::write(&file, format!("{keys}[outbox]\ndir = \"{}\"\n", dir.path().join("outbox").display())).unwrap();
        let kept = || run(bin("airgate").args(["auth", "--json", "--kept", "--config"]).arg(&file));
        assert!(String::from_utf8_lossy(&kept().stderr).contains("error[nothing_kept]"), "{:?}", kept());
        let answer = json!({
            "productKey": parsed["productKey"], "deviceName": parsed["deviceName"],
            "clientId": parsed["clientIdBase"], "deviceToken": v["password"],
        });
        let mut import = bin("airgate");
        import.args(["credentials", "import", "--config"]).arg(&file);
        import.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut import = import.spawn().unwrap();
        import.stdin.take().unwrap().write_all(answer.to_string().as_bytes()).unwrap();
        assert!(import.wait().unwrap().success());
        let found: Value = serde_json::from_slice(&kept().stdout).unwrap();
        let client_id = format!("{}|securemode=-2,authType=connwl|", parsed["clientIdBase"].as_str().unwrap());
        assert_eq!(found["client_id"], client_id, "{}", v["id"]);
        assert_eq!((&found["username"], &found["password"]), (&v["username"], &v["password"]), "{}", v["id"]);
    }
}

#[test]
fn registrations_over_https_of_other_clients_are_reproduced() {
    for v in vectors("aliyun-register").iter().filter(|v| v["mode"] == "https-register") {
        let body = v["http"]["body"].as_str().unwrap();
        let field = |name: &str| body.split('&').find_map(|field| field.strip_prefix(name)).unwrap();
        let config = section(&[
            ("product_key", Some(format!("{:?}", field("productKey=")))),
            ("device_name", Some(format!("{:?}", field("deviceName=")))),
            ("product_secret", quoted(&v["signKey"])),
            ("sign_method", quoted(&v["signMethod"])),
            ("register_by", Some("\"https\"".into())),
        ]);
        let found = auth(&config, &["--random", field("random=")]);
        assert!(found["body"].as_str().unwrap().eq_ignore_ascii_case(body), "{}: {found}", v["id"]);
        assert_eq!((&found["method"], &found["path"]), (&v["http"]["method"], &v["http"]["url"]));
    }
}

#[test]
fn registrations_of_other_clients_are_reproduced_from_the_same_settings() {
    for v in vectors("aliyun-register") {
        let auth_type = match v["mode"].as_str() {
            Some("register") => "register",
            Some("regnwl") => "register_no_prereg",
            _ => continue,
        };
        let (parsed, flags) = (&v["parsed"], &v["parsed"]["extensions"]);
        let config = section(&[
            ("product_key", quoted(&parsed["productKey"])),
            ("device_name", quoted(&parsed["deviceName"])),
            ("product_secret", quoted(&v["signKey"])),
            ("auth", Some(format!("{auth_type:?}"))),
            ("client_id", quoted(&parsed["clientIdBase"])),
            ("sign_method", quoted(&v["signMethod"])),
            ("instance_id", quoted(&flags["instanceId"])),
            ("register_securemode", (flags["securemode"] == "2").then(|| "\"sdk\"".to_owned())),
        ]);
        let found = auth(&config, &["--random", flags["random"].as_str().unwrap()]);
        let id = &v["id"];
        assert!(found["password"].as_str().unwrap().eq_ignore_ascii_case(v["expected"].as_str().unwrap()), "{id}");
        assert_eq!(found["username"], v["username"], "{id}");
        let client_id = found["client_id"].as_str().unwrap();
        for flag in ["securemode", "authType", "random", "signmethod", "instanceId"] {
            let theirs = flags[flag].as_str().map(|value| format!("{flag}={value}"));
            assert!(theirs.is_none_or(|flag| client_id.contains(&flag)), "{id}: {client_id}");
        }
        assert_eq!((&found["port"], &found["tls"]), (&json!(8883), &json!(true)), "{id}");
    }
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
