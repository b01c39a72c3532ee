//! Sign-in against what other clients sent and what independent HMACs computed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use iotcloud::aliyun::{Aliyun, Config, Instance, SignMethod};
use iotcloud::{Cloud, Moment, Secret, SignIn, TlsChoice};
use serde_json::Value;
use std::collections::BTreeSet;

fn vectors(text: &str) -> Vec<Value> {
    serde_json::from_str(text).unwrap()
}

fn sign_in(config: Config, timestamp: &str) -> SignIn {
    let moment = Moment::new(0, 0).with_timestamp(timestamp).unwrap();
    Cloud::Aliyun(Aliyun::new(config).unwrap()).sign_in(&moment)
}

/// Free part and sorted flags of a client ID.
fn parts(client_id: &str) -> (String, BTreeSet<String>) {
    let (cid, rest) = client_id.split_once('|').unwrap();
    (cid.to_owned(), rest.strip_suffix('|').unwrap().split(',').map(str::to_owned).collect())
}

fn instance_of(host: &str) -> Option<Instance> {
    if let Some(id) = host.strip_suffix(".mqtt.iothub.aliyuncs.com") {
        return Some(Instance::Id(id.to_owned()));
    }
    let (_, rest) = host.split_once(".iot-as-mqtt.")?;
    Some(Instance::OldPublic { region: rest.strip_suffix(".aliyuncs.com")?.to_owned() })
}

#[test]
fn passwords_are_those_that_the_platform_computes() {
    let vectors = vectors(include_str!("vectors/aliyun-direct.json"));
    assert_eq!(vectors.len(), 35);
    for v in &vectors {
        let (id, parsed) = (&v["id"], &v["parsed"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let flags = &parsed["extensions"];
        let mut config =
            Config::new(text(&parsed["productKey"]), text(&parsed["deviceName"]), Secret::new(text(&v["signKey"])));
        config.client_id = Some(text(&parsed["clientIdBase"]));
        config.sign_method = text(&v["signMethod"]).parse().unwrap();
        config.tls = if flags["securemode"] == "2" { TlsChoice::Verify } else { TlsChoice::Off };
        let instance = v["host"].as_str().and_then(instance_of);
        let knows_host = instance.is_some();
        config.instance = instance.unwrap_or(config.instance);
        config.host = if knows_host { None } else { v["host"].as_str().map(str::to_owned) };
        config.port = v["port"].as_u64().map(|port| port.try_into().unwrap());

        let made = sign_in(config, flags["timestamp"].as_str().unwrap());
        assert!(made.password.unwrap().expose().eq_ignore_ascii_case(v["expected"].as_str().unwrap()), "{id}");
        assert_eq!(made.username.as_deref(), v["username"].as_str(), "{id}");
        let (cid, ours) = parts(&made.client_id);
        let (their_cid, theirs) = parts(v["clientId"].as_str().unwrap());
        assert_eq!(cid, their_cid, "{id}");
        assert!(ours.is_subset(&theirs), "{id}: {ours:?} {theirs:?}");
        if knows_host {
            assert!(made.host.eq_ignore_ascii_case(v["host"].as_str().unwrap()), "{id}: {}", made.host);
        }
    }
}

#[test]
fn client_ids_are_literally_those_of_the_modules_own_library() {
    let vectors = vectors(include_str!("vectors/clouds-aliyun.json"));
    assert_eq!(vectors.len(), 9);
    for v in &vectors {
        let input = |key: &str| v["inputs"][key].as_str().map(str::to_owned);
        let secret = Secret::new(input("device_secret").unwrap());
        let mut config = Config::new(input("product_key").unwrap(), input("device_name").unwrap(), secret);
        config.client_id = input("client_id");
        config.sign_method = input("signmethod").unwrap().parse().unwrap();
        let tls = v["inputs"]["tls"].as_bool().unwrap_or(false);
        config.tls = if tls { TlsChoice::Verify } else { TlsChoice::Off };

        let made = sign_in(config, &input("timestamp").unwrap());
        assert_eq!(made.client_id, v["expected"]["client_id"], "{}", v["id"]);
        assert_eq!(made.username.unwrap(), v["expected"]["username"], "{}", v["id"]);
        assert_eq!(made.password.unwrap().expose(), v["expected"]["password"], "{}", v["id"]);
    }
}

#[test]
fn sign_methods_are_read_in_any_case_and_named_when_unknown() {
    assert_eq!("HmacSHA1".parse(), Ok(SignMethod::HmacSha1));
    assert!("sha256".parse::<SignMethod>().unwrap_err().to_string().contains("hmacsha256, hmacsha1 or hmacmd5"));
}

#[test]
fn present_time_is_signed_in_milliseconds() {
    let cloud = Cloud::Aliyun(Aliyun::new(Config::new("pk", "device", Secret::new("secret"))).unwrap());
    let made = cloud.sign_in(&Moment::new(1_700_000_000_123, 5));
    assert_eq!(made.client_id, "pk.device|securemode=2,signmethod=hmacsha256,timestamp=1700000000123|");
}

#[test]
fn timestamps_that_would_break_the_client_id_are_refused() {
    for text in ["", "1|2", "12a", "-1", "123456789012345678901"] {
        assert!(Moment::new(0, 0).with_timestamp(text).is_err(), "{text}");
    }
    assert!(Moment::new(0, 0).with_random("a,b").is_err());
    assert_eq!(Moment::new(0, 0).with_random("Test2").unwrap().random(), "Test2");
}
