//! Any broker: settings as given, mistakes told by their field.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail loudly")]

use iotcloud::mqtt::{Config, Mqtt};
use iotcloud::{Cloud, Incoming, Moment, RefusalKind, Root, Secret, Tls, TlsChoice, TopicError};

fn config() -> Config {
    Config::new("broker.example", "gateway-1")
}

fn cloud(config: Config) -> Cloud {
    Cloud::Mqtt(Mqtt::new(config).unwrap())
}

#[test]
fn settings_go_through_as_they_are() {
    let mut config = config();
    config.username = Some("u".into());
    config.password = Some(Secret::new("p"));
    let made = cloud(config).sign_in(&Moment::new(0, 0));
    assert_eq!((made.host.as_str(), made.port, made.tls), ("broker.example", 8883, Tls::Verify(Root::System)));
    assert_eq!((made.client_id.as_str(), made.username.as_deref()), ("gateway-1", Some("u")));
    assert_eq!(made.password.unwrap().expose(), "p");
    let made = cloud(Config { tls: TlsChoice::Off, ..self::config() }).sign_in(&Moment::new(0, 0));
    assert_eq!((made.port, made.tls, made.username, made.password), (1883, Tls::Off, None, None));
}

#[test]
fn topics_so_deep_that_a_broker_closes_the_connection_are_none() {
    let plain = cloud(config());
    assert!(plain.expand(&"/".repeat(200)).is_ok());
    assert_eq!(plain.expand(&"/".repeat(201)), Err(TopicError::TooDeep { slashes: 201, limit: 200 }));
    let below = cloud(Config { topic_prefix: "a/b".into(), ..config() });
    assert_eq!(below.expand(&format!("c{}", "/".repeat(199))), Err(TopicError::TooDeep { slashes: 201, limit: 200 }));
}

#[test]
fn mistakes_name_their_field() {
    type Change = fn(&mut Config);
    let cases: [(&str, Change); 7] = [
        ("host", |c| c.host = "mqtt://x".into()),
        ("port", |c| c.port = Some(0)),
        ("client_id", |c| c.client_id = "x".repeat(257)),
        ("username", |c| c.username = Some(String::new())),
        ("password", |c| c.password = Some(Secret::new("without user name"))),
        ("keepalive_s", |c| c.keepalive_s = 0),
        ("topic_prefix", |c| c.topic_prefix = "a/#".into()),
    ];
    for (field, change) in cases {
        let mut config = config();
        change(&mut config);
        assert_eq!(Mqtt::new(config).expect_err(field).field, field);
    }
}

#[test]
fn topics_stay_as_they_are_without_prefix() {
    let cloud = cloud(config());
    for topic in ["a/b", "/a", "$SYS/x", "a/#"] {
        assert_eq!(cloud.expand(topic).as_deref(), Ok(topic));
        assert_eq!(cloud.shorten(topic), topic);
    }
    assert!(cloud.expand("").is_err() && cloud.expand(&"x".repeat(65_536)).is_err());
}

#[test]
fn prefix_stands_before_relative_topics_only() {
    let cloud = cloud(Config { topic_prefix: "site/1/".into(), ..config() });
    assert_eq!(cloud.expand("t").as_deref(), Ok("site/1/t"));
    assert_eq!(cloud.shorten("site/1/t"), "t");
    assert_eq!(cloud.expand("/t").as_deref(), Ok("/t"));
    assert_eq!(cloud.shorten("site/1//t"), "site/1//t");
}

#[test]
fn broker_has_no_dialogue_of_its_own() {
    let cloud = cloud(config());
    assert!(cloud.on_connected(Some("1")).is_empty());
    assert_eq!(cloud.on_message("/ota/device/upgrade/a/b", b"x"), Incoming::ForPrograms);
}

#[test]
fn refusals_name_the_setting_to_change() {
    for (code, kind, word) in [
        (Some(1), RefusalKind::Configuration, "3.1.1"),
        (Some(2), RefusalKind::Configuration, "`client_id`"),
        (Some(3), RefusalKind::Temporary, "tried again"),
        (Some(4), RefusalKind::Credentials, "`password`"),
        (Some(5), RefusalKind::Credentials, "`client_id`"),
        (None, RefusalKind::Unknown, "log"),
    ] {
        let refusal = cloud(config()).refusal(code);
        assert_eq!(refusal.kind, kind);
        assert!(refusal.hint.contains(word) && refusal.message.contains("broker.example"), "{refusal:?}");
    }
}
