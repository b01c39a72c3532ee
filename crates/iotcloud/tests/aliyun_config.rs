//! Settings of a device: defaults, and mistakes told by their field.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use base64::Engine as _;
use iotcloud::aliyun::{Aliyun, Config, Instance};
use iotcloud::{Cloud, Moment, Root, Secret, SignIn, Tls, TlsChoice};
use proptest::prelude::*;
use sha2::Digest as _;

const SECRET: &str = "ga7XA6KdlEeiPXQPpRbAjOZXwG8ydgSe";

fn config() -> Config {
    Config::new("a1X2bEnP82z", "861551056421746", Secret::new(SECRET))
}

fn sign_in(config: Config) -> SignIn {
    Cloud::Aliyun(Aliyun::new(config).unwrap()).sign_in(&Moment::new(1, 2))
}

#[track_caller]
fn assert_refused(change: impl FnOnce(&mut Config), field: &str) {
    let mut config = config();
    change(&mut config);
    let error = Aliyun::new(config).expect_err(field);
    assert_eq!(error.field, field);
    assert!(!error.message.is_empty() && !error.hint.is_empty());
    assert!(!error.to_string().contains(SECRET) && !format!("{error:?}").contains(SECRET));
}

#[test]
fn remote_calls_on_own_topics_are_asked_for_in_the_client_id() {
    let mut config = Config::new("pk", "device", Secret::new("secret"));
    config.custom_rrpc = true;
    let sign_in = Cloud::Aliyun(Aliyun::new(config).unwrap()).sign_in(&Moment::new(7, 0));
    assert_eq!(sign_in.client_id, "pk.device|securemode=2,signmethod=hmacsha256,timestamp=7,ext=1|");
}

#[test]
fn tls_on_8883_with_the_clouds_own_root_is_the_default() {
    let made = sign_in(config());
    assert_eq!((made.port, made.tls, made.keepalive_s), (8883, Tls::Verify(Root::AliyunIot), 300));
    assert!(!made.clean_session, "what the cloud sends while the link is down would be lost");
}

#[test]
fn plain_tcp_goes_to_1883_and_says_securemode_3() {
    let made = sign_in(Config { tls: TlsChoice::Off, ..config() });
    assert_eq!((made.port, made.tls), (1883, Tls::Off));
    assert!(made.client_id.contains("securemode=3"));
}

#[test]
fn root_follows_the_port_unless_the_user_names_one() {
    for (port, root) in [(443, Root::GlobalSignR1), (1883, Root::GlobalSignR1), (8883, Root::AliyunIot)] {
        assert_eq!(sign_in(Config { port: Some(port), ..config() }).tls, Tls::Verify(root));
    }
    let own = sign_in(Config { tls: TlsChoice::CaFile("/ca.pem".into()), ..config() });
    assert_eq!(own.tls, Tls::Verify(Root::CaFile("/ca.pem".into())));
    assert_eq!(sign_in(Config { tls: TlsChoice::Unverified, ..config() }).tls, Tls::Unverified);
}

#[test]
fn instance_decides_the_host_and_an_override_wins() {
    let mut changed = config();
    changed.instance = Instance::Id("iot-06z00g5skj718oo".into());
    assert_eq!(sign_in(changed.clone()).host, "iot-06z00g5skj718oo.mqtt.iothub.aliyuncs.com");
    changed.host = Some("127.0.0.1".into());
    assert_eq!(sign_in(changed).host, "127.0.0.1");
}

#[test]
fn mistakes_name_their_field() {
    assert_refused(|c| c.product_key = String::new(), "product_key");
    assert_refused(|c| c.product_key = "a1/x".into(), "product_key");
    for name in ["", "a b", "a/b", "a+b", "a#", "a&b", "a|b", "a\n", &"x".repeat(33)] {
        assert_refused(|c| c.device_name = name.into(), "device_name");
    }
    for secret in ["", "secret\n", " secret", "se\0cret", &"x".repeat(257)] {
        assert_refused(|c| c.credential = Secret::new(secret).into(), "device_secret");
    }
    assert_refused(|c| c.instance = Instance::Id("https://x".into()), "instance_id");
    assert_refused(|c| c.instance = Instance::OldPublic { region: String::new() }, "region");
    for host in ["", "mqtt://x", "x:1883", "a b"] {
        assert_refused(|c| c.host = Some(host.into()), "host");
    }
    assert_refused(|c| c.port = Some(0), "port");
    for seconds in [0, 29, 1201] {
        assert_refused(|c| c.keepalive_s = seconds, "keepalive_s");
    }
    // 64 characters of four bytes each do not fit into what the module takes.
    for cid in ["", "a|b", "a\r", &"x".repeat(65), &"𝄞".repeat(64)] {
        assert_refused(|c| c.client_id = Some(cid.to_owned()), "client_id");
    }
}

#[test]
fn bounds_themselves_are_allowed() {
    for seconds in [30, 1200] {
        assert_eq!(sign_in(Config { keepalive_s: seconds, ..config() }).keepalive_s, seconds);
    }
    assert!(Aliyun::new(Config { device_name: "x".repeat(32), ..config() }).is_ok());
    assert!(Aliyun::new(Config { client_id: Some("x".repeat(64)), ..config() }).is_ok());
    assert!(Aliyun::new(Config { credential: Secret::new("x".repeat(256)).into(), ..config() }).is_ok());
}

#[test]
fn secrets_show_in_no_debug_text() {
    let cloud = Cloud::Aliyun(Aliyun::new(config()).unwrap());
    let made = cloud.sign_in(&Moment::new(1, 2));
    let shown = format!("{cloud:?} {made:?}");
    assert!(shown.contains("[REDACTED]"));
    assert!(!shown.contains(SECRET) && !shown.contains(made.password.unwrap().expose()));
}

#[test]
fn embedded_root_is_the_published_one() {
    let pem = Root::AliyunIot.pem().unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    let print: String = sha2::Sha256::digest(der).iter().map(|byte| format!("{byte:02X}")).collect();
    assert_eq!(print, "7CA438A3976B5242D231F861499822DA855831382735836B361E7E9715661676");
}

proptest! {
    #[test]
    fn accepted_settings_fit_the_module_and_parse_back(name in "\\PC{0,40}", cid in proptest::option::of("\\PC{0,70}"), ms: u64) {
        let config = Config { device_name: name.clone(), client_id: cid, ..config() };
        if let Ok(aliyun) = Aliyun::new(config) {
            let made = Cloud::Aliyun(aliyun).sign_in(&Moment::new(ms, 0));
            prop_assert!(made.client_id.len() <= 256 && made.client_id.matches('|').count() == 2);
            let username = made.username.unwrap();
            prop_assert!(username.len() <= 256);
            prop_assert_eq!(username.split_once('&'), Some((name.as_str(), "a1X2bEnP82z")));
        }
    }
}
