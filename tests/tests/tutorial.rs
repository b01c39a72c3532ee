//! The programs of the LuatOS tutorial on Aliyun, with the names that its pages give to the settings, right and wrong.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate_tests::{House, Setup, bin, eventually, run};
use serde_json::{Value, json};

const PK: &str = "a1EndToEnd0";
const DN: &str = "861551056421746";

/// As the samples up to 2025 spell it: `produt_id`, `key`, and the port under `ip`.
const MISSPELT: &[(&str, &str)] =
    &[("product_key", "produt_id"), ("device_secret", "key"), ("port", "ip"), ("device_name", "deviceName")];

#[test]
fn the_three_programs_work_with_the_spellings_of_the_tutorial_and_notices() {
    let extra = "[log]\nlevel = \"info\"\n";
    let mut house = House::with(Setup { spelling: MISSPELT, extra, ..Setup::default() });
    // It publishes "hello world" again and again, also while the link is down.
    let update = format!("/{PK}/{DN}/user/update");
    let mut program = house.program();
    program.publish(&update, "hello world 1");
    house.cloud.kill();
    program.event(|event| event["event"] == "link" && event["state"] == "offline");
    program.publish(&update, "hello world 2");
    house.cloud.start();
    house.all_arrive("user/update", &["hello world 1".to_owned(), "hello world 2".to_owned()]);

    // It subscribes to user/get and prints what comes.
    let mut listener = house.program();
    listener.ask_ok(json!({"op": "subscribe", "filter": format!("/{PK}/{DN}/user/get")}));
    house.cloud.subscribed("user/get");
    house.cloud.publish("user/get", b"switch on");
    let heard = listener.event(|event| event["event"] == "message");
    assert_eq!(heard["payload"], "switch on");

    // It reboots when a firmware is there: here, it is told which.
    let md5 = "93230c3bde425a9d7984a594ac55ea1e";
    let data = json!({"size": 4, "version": "2.0.0", "url": "https://ota.example/f", "signMethod": "Md5", "sign": md5});
    let task = json!({"code": "1000", "data": data, "id": 1, "message": "success"}).to_string();
    let topic = format!("/ota/device/upgrade/{PK}/{DN}");
    eventually("the device listens", || {
        let publish =
            json!({"do": "publish", "product_key": PK, "device_name": DN, "topic": topic, "payload": task, "qos": 1});
        (house.cloud.ask(&publish)["delivery"] == "sent").then_some(())
    });
    assert_eq!(listener.event(|event| event["event"] == "ota")["version"], "2.0.0");

    let log = house.log();
    for (ours, theirs) in MISSPELT {
        let told =
            log.lines().any(|line| line.contains("configuration:") && line.contains(ours) && line.contains(theirs));
        assert!(told, "a notice about `{theirs}`: {log}");
    }
}

fn auth(cloud: &str) -> (Value, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, format!("[cloud]\nprovider = \"aliyun\"\n{cloud}")).unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    let output = run(bin("airgate").args(["auth", "--json", "--timestamp", "7", "--imei", DN, "--config"]).arg(&file));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{cloud}: {errors}");
    (serde_json::from_slice(&output.stdout).unwrap(), errors)
}

#[test]
fn every_spelling_of_a_setting_gives_the_same_sign_in() {
    let (right, silent) = auth("product_key = \"a1X\"\ndevice_secret = \"s\"\nkeepalive_s = 240\n");
    assert!(!silent.contains("notice"), "{silent}");
    for product in ["product_id", "produt_id", "productId", "productKey", "ProductKey"] {
        for secret in ["key", "deviceSecret", "DeviceSecret", "psk"] {
            let (made, told) =
                auth(&format!("{product} = \"a1X\"\n{secret} = \"s\"\nkeepalive = 240\nautoreconn = 3000\n"));
            assert_eq!(made, right, "{product} {secret}");
            for spelling in [product, secret, "keepalive", "autoreconn"] {
                assert!(told.contains(spelling), "a notice about `{spelling}`: {told}");
            }
        }
    }
}

#[test]
fn every_spelling_of_a_registration_gives_the_same_sign_in() {
    let random = |text: &str| -> Value {
        let (mut made, _) = auth(text);
        // The random text differs, and with it what is signed.
        let client_id = made["client_id"].as_str().unwrap().to_owned();
        let (before, rest) = client_id.split_once("random=").unwrap();
        made["client_id"] = format!("{before}{}", rest.split_once(',').unwrap().1).into();
        made["password"] = made["password"].as_str().unwrap().len().into();
        made
    };
    let right =
        random("product_key = \"a1X\"\ndevice_name = \"pump1\"\nproduct_secret = \"s\"\ninstance_id = \"iot-1\"\n");
    assert!(right["client_id"].as_str().unwrap().contains("authType=register,"));
    for device in ["deviceName", "DeviceName"] {
        for secret in ["productSecret", "ProductSecret"] {
            for instance in ["instanceId", "InstanceId", "iot_instance_id"] {
                let text =
                    format!("produt_id = \"a1X\"\n{device} = \"pump1\"\n{secret} = \"s\"\n{instance} = \"iot-1\"\n");
                assert_eq!(random(&text), right, "{text}");
            }
        }
    }
    // Without a name the device is the IMEI and need not be listed.
    let unlisted = random("product_id = \"a1X\"\nproduct_secret = \"s\"\ninstance_id = \"iot-1\"\n");
    assert_eq!(unlisted["username"], format!("{DN}&a1X"));
    assert!(unlisted["client_id"].as_str().unwrap().contains("securemode=-2,authType=regnwl,"), "{unlisted}");
}

#[test]
fn two_spellings_of_one_setting_that_differ_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    let text = "[cloud]\nprovider = \"aliyun\"\nproduct_id = \"a1X\"\nprodut_id = \"a1Y\"\nkey = \"s\"\n";
    std::fs::write(&file, text).unwrap();
    let output = run(bin("airgate").args(["auth", "--json", "--imei", DN, "--config"]).arg(&file));
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
