//! Registration against what other clients sent, and answers that must not be believed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use iotcloud::aliyun::{
    Aliyun, AnswerError, Config, Credential, HttpsError, Instance, Registration, RegistrationConfig, RegistrationMode,
    SecureMode, SignMethod,
};
use iotcloud::{Cloud, Moment, RefusalKind, Root, Secret, Tls, TlsChoice};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn vectors(modes: &[&str]) -> Vec<Value> {
    let all: Vec<Value> = serde_json::from_str(include_str!("vectors/aliyun-register.json")).unwrap();
    all.into_iter().filter(|v| modes.contains(&v["mode"].as_str().unwrap())).collect()
}

fn config(mode: RegistrationMode) -> RegistrationConfig {
    RegistrationConfig {
        mode,
        product_key: "a1X2bEnP82z".into(),
        device_name: "861551056421746".into(),
        product_secret: Secret::new("7jluWm1zql7bt8qK"),
        instance: Instance::OldPublic { region: "cn-shanghai".into() },
        sign_method: SignMethod::default(),
        tls: TlsChoice::default(),
        host: None,
        port: None,
        https_host: None,
        secure_mode: SecureMode::default(),
        client_id: None,
    }
}

fn listed() -> Registration {
    Registration::new(config(RegistrationMode::Register)).unwrap()
}

fn unlisted() -> Registration {
    Registration::new(config(RegistrationMode::RegisterNoPrereg)).unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn parts(client_id: &str) -> (String, BTreeSet<String>) {
    let (cid, rest) = client_id.split_once('|').unwrap();
    (cid.to_owned(), rest.strip_suffix('|').unwrap().split(',').map(str::to_owned).collect())
}

#[test]
fn registrations_are_those_that_other_clients_sent() {
    let vectors = vectors(&["register", "regnwl"]);
    assert_eq!(vectors.len(), 11);
    for v in &vectors {
        let (id, parsed) = (&v["id"], &v["parsed"]);
        let flags = &parsed["extensions"];
        let unlisted = v["mode"] == "regnwl";
        let mode = if unlisted { RegistrationMode::RegisterNoPrereg } else { RegistrationMode::Register };
        let mut config = config(mode);
        config.product_key = text(&parsed["productKey"]);
        config.device_name = text(&parsed["deviceName"]);
        config.product_secret = Secret::new(text(&v["signKey"]));
        config.sign_method = text(&v["signMethod"]).parse().unwrap();
        config.client_id = Some(text(&parsed["clientIdBase"]));
        if let Some(instance) = flags["instanceId"].as_str() {
            config.instance = Instance::Id(instance.to_owned());
        }
        config.secure_mode = if flags["securemode"] == "2" { SecureMode::Sdk } else { SecureMode::Documented };
        let made = Registration::new(config)
            .unwrap()
            .sign_in(&Moment::new(0, 0).with_random(flags["random"].as_str().unwrap()).unwrap());
        assert_eq!(parts(&made.client_id), parts(v["clientId"].as_str().unwrap()), "{id}");
        assert_eq!(made.username.as_deref(), v["username"].as_str(), "{id}");
        assert!(made.password.unwrap().expose().eq_ignore_ascii_case(v["expected"].as_str().unwrap()), "{id}");
        assert!(made.tls != iotcloud::Tls::Off && made.clean_session, "{id}");
        if let Some(host) = v["host"].as_str().filter(|host| host.ends_with(".com")) {
            assert!(made.host.eq_ignore_ascii_case(host), "{id}: {}", made.host);
        }
    }
}

#[test]
fn documented_form_is_met_to_the_letter() {
    let v = &vectors(&["regnwl"]).into_iter().find(|v| v["id"] == "third-regnwl-sample").unwrap();
    let mut config = config(RegistrationMode::RegisterNoPrereg);
    config.product_key = text(&v["inputs"]["productKey"]);
    config.device_name = text(&v["inputs"]["deviceName"]);
    config.product_secret = Secret::new(text(&v["inputs"]["productSecret"]));
    config.instance = Instance::Id(text(&v["inputs"]["instanceId"]));
    let made = Registration::new(config).unwrap().sign_in(&Moment::new(0, 0).with_random("Test2").unwrap());
    assert_eq!(made.client_id, v["clientId"]);
}

#[test]
fn securemode_follows_the_newest_documentation() {
    let mode = |mode, instance: Instance, secure_mode| {
        let made = Registration::new(RegistrationConfig { instance, secure_mode, ..config(mode) }).unwrap();
        let client_id = made.sign_in(&Moment::new(0, 1)).client_id;
        client_id.split_once("securemode=").unwrap().1.split(',').next().unwrap().to_owned()
    };
    let old = || Instance::OldPublic { region: "cn-shanghai".into() };
    let new = || Instance::Id("iot-x".into());
    let (listed, unlisted) = (RegistrationMode::Register, RegistrationMode::RegisterNoPrereg);
    assert_eq!(mode(listed, old(), SecureMode::Documented), "2");
    assert_eq!(mode(listed, new(), SecureMode::Documented), "-2");
    assert_eq!(mode(unlisted, new(), SecureMode::Documented), "-2");
    assert_eq!(mode(unlisted, new(), SecureMode::Sdk), "2");
    assert_eq!(mode(listed, new(), SecureMode::Luatos), "2");
    assert_eq!(mode(unlisted, new(), SecureMode::Luatos), "-2");
}

#[test]
fn token_signs_in_unchanged_under_the_pushed_client_id() {
    let vectors = vectors(&["connwl"]);
    assert_eq!(vectors.len(), 4);
    for v in &vectors {
        let parsed = &v["parsed"];
        let credential =
            Credential::Token { client_id: text(&parsed["clientIdBase"]), token: Secret::new(text(&v["password"])) };
        let config = Config::new(text(&parsed["productKey"]), text(&parsed["deviceName"]), credential);
        let made = Cloud::Aliyun(Aliyun::new(config).unwrap()).sign_in(&Moment::new(5, 6));
        let (cid, ours) = parts(&made.client_id);
        let (their_cid, theirs) = parts(v["clientId"].as_str().unwrap());
        assert_eq!(cid, their_cid);
        assert!(ours.is_subset(&theirs) && ours.contains("authType=connwl"), "{ours:?}");
        assert_eq!(made.username.as_deref(), v["username"].as_str());
        assert_eq!(made.password.unwrap().expose(), v["password"]);
    }
}

#[test]
fn https_requests_are_those_that_other_clients_sent() {
    let vectors = vectors(&["https-register"]);
    assert_eq!(vectors.len(), 3);
    for v in &vectors {
        let body = v["http"]["body"].as_str().unwrap();
        let field = |name: &str| body.split('&').find_map(|pair| pair.strip_prefix(&format!("{name}="))).unwrap();
        let mut config = config(RegistrationMode::Register);
        config.sign_method = field("signMethod").parse().unwrap();
        let moment = Moment::new(0, 0).with_random(field("random")).unwrap();
        let made = Registration::new(config).unwrap().https_request(&moment).unwrap();
        assert!(made.body.expose().eq_ignore_ascii_case(body), "{}", v["id"]);
        assert_eq!(made.path, v["http"]["url"]);
    }
    assert_eq!(unlisted().https_request(&Moment::new(0, 0)), None, "HTTPS registers listed devices alone");
}

#[test]
fn https_goes_to_the_regions_host_with_the_root_that_signs_it_or_where_the_user_says() {
    let place = |change: &dyn Fn(&mut RegistrationConfig)| {
        let mut config = config(RegistrationMode::Register);
        change(&mut config);
        let made = Registration::new(config).unwrap().https_request(&Moment::new(0, 0)).unwrap();
        (format!("{}:{}", made.host, made.port), made.tls)
    };
    let shanghai = ("iot-auth.cn-shanghai.aliyuncs.com:443".to_owned(), Tls::Verify(Root::GlobalSignR1));
    assert_eq!(place(&|_| {}), shanghai);
    assert_eq!(place(&|c| c.instance = Instance::Id("iot-1".into())), shanghai);
    let abroad = place(&|c| c.instance = Instance::OldPublic { region: "us-west-1".into() });
    assert_eq!(abroad, ("iot-auth-x.us-west-1.aliyuncs.com:443".to_owned(), Tls::Verify(Root::AliyunIot)));
    let own = place(&|c| {
        c.https_host = Some(("localhost".into(), 8443));
        c.tls = TlsChoice::CaFile("/ca.pem".into());
    });
    assert_eq!(own, ("localhost:8443".to_owned(), Tls::Verify(Root::CaFile("/ca.pem".into()))));
}

#[test]
fn https_error_codes_are_told_as_sentences() {
    for (code, word) in
        [(6288, "switch"), (6289, "reset"), (6600, "product_secret"), (6250, "product_key"), (1, "list")]
    {
        let body = format!("{{\"code\":{code},\"message\":\"x\"}}");
        let error = listed().on_https_response(body.as_bytes()).unwrap_err();
        assert_eq!(error, HttpsError::Refused { code });
        assert!(error.to_string().contains(word), "{error}");
    }
    let good = br#"{"code":200,"data":{"productKey":"a1X2bEnP82z","deviceName":"861551056421746","deviceSecret":"s"},"message":"success"}"#;
    assert_eq!(listed().on_https_response(good), Ok(Secret::new("s").into()));
}

#[test]
fn answers_are_read_on_either_topic_with_blanks_in_any_order_and_with_unknown_fields() {
    let secret = b"{ \"deviceSecret\" : \"s3\",\n\"new\":[1], \"deviceName\": \"861551056421746\", \"productKey\":\"a1X2bEnP82z\" }";
    for topic in ["/ext/register", "/ext/regnwl"] {
        assert_eq!(listed().on_message(topic, secret), Some(Ok(Secret::new("s3").into())));
    }
    let token = br#"{"clientId":"c1","productKey":"a1X2bEnP82z","deviceName":"861551056421746","deviceToken":"t1"}"#;
    let expected = Credential::Token { client_id: "c1".into(), token: Secret::new("t1") };
    assert_eq!(unlisted().on_message("/ext/register", token), Some(Ok(expected)));
    assert_eq!(listed().on_message("/a1X2bEnP82z/861551056421746/user/get", secret), None);
}

#[test]
fn answers_for_others_or_without_a_secret_are_refused() {
    let read = |registration: &Registration, json: &str| registration.read_answer(json.as_bytes()).unwrap_err();
    let ours = r#""productKey":"a1X2bEnP82z","deviceName":"861551056421746""#;
    let other = r#"{"productKey":"b","deviceName":"861551056421746","deviceSecret":"s"}"#;
    assert_eq!(read(&listed(), other), AnswerError::OtherProduct("b".into()));
    let other = r#"{"productKey":"a1X2bEnP82z","deviceName":"d2","deviceSecret":"s"}"#;
    assert_eq!(read(&listed(), other), AnswerError::OtherDevice("d2".into()));
    assert_eq!(read(&listed(), &format!("{{{ours}}}")), AnswerError::Missing("deviceSecret"));
    assert_eq!(read(&unlisted(), &format!("{{{ours},\"clientId\":\"c\"}}")), AnswerError::Missing("deviceToken"));
    assert_eq!(read(&listed(), r#"{"deviceSecret":"s"}"#), AnswerError::Missing("productKey"));
    for bad in ["", " s", "x\\n"] {
        let error = read(&listed(), &format!("{{{ours},\"deviceSecret\":\"{bad}\"}}"));
        assert!(matches!(error, AnswerError::Unusable(_)), "{bad:?}");
    }
    for bad in [String::new(), "a|b".into(), "x".repeat(256)] {
        let error = read(&unlisted(), &format!("{{{ours},\"deviceToken\":\"t\",\"clientId\":\"{bad}\"}}"));
        assert!(matches!(error, AnswerError::Unusable(_)), "{bad:?}");
    }
}

#[test]
fn unreadable_answers_tell_where_but_not_what() {
    for json in ["", "null", "[]", "{\"deviceSecret\":\"hunter2\"", "{\"deviceSecret\":{\"hunter2\":1}}"] {
        let error = listed().read_answer(json.as_bytes()).unwrap_err();
        assert!(matches!(error, AnswerError::Malformed { .. }), "{json}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn registration_without_tls_is_refused_before_it_is_tried() {
    let config = RegistrationConfig { tls: TlsChoice::Off, ..config(RegistrationMode::Register) };
    assert_eq!(Registration::new(config).unwrap_err().field, "tls");
}

#[test]
fn refusals_name_the_switch_and_the_reset() {
    let refusal = listed().refusal(None);
    assert_eq!(refusal.kind, RefusalKind::Unknown);
    assert!(refusal.hint.contains("dynamic registration") && refusal.hint.contains("reset"));
    assert_eq!(listed().refusal(Some(4)).kind, RefusalKind::Credentials);
    assert_eq!(listed().refusal(Some(3)).kind, RefusalKind::Temporary);
    assert!(unlisted().refusal(Some(4)).hint.contains("five"));
}

#[test]
fn no_secret_shows_in_debug() {
    let made = listed().https_request(&Moment::new(0, 7)).unwrap();
    let shown = format!("{:?} {made:?} {:?}", listed(), listed().sign_in(&Moment::new(0, 7)));
    assert!(
        !shown.contains("7jluWm1zql7bt8qK")
            && !shown.contains(listed().sign_in(&Moment::new(0, 7)).password.unwrap().expose())
    );
}

proptest! {
    #[test]
    fn any_answer_is_taken_or_refused_without_a_panic(payload: Vec<u8>, secret in "\\PC{0,300}") {
        let _ = listed().on_message("/ext/register", &payload);
        let json = serde_json::json!({"productKey": "a1X2bEnP82z", "deviceName": "861551056421746", "deviceSecret": secret});
        if let Ok(credential) = listed().read_answer(json.to_string().as_bytes()) {
            prop_assert!(Aliyun::new(Config::new("a1X2bEnP82z", "861551056421746", credential)).is_ok());
        }
    }
}
