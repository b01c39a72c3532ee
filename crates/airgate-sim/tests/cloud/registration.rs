//! Registration over MQTT: the vectors that were taken from other clients, and each rule of the platform.

use crate::client::{Client, SOON, cloud as other_cloud};
use crate::connections::tls;
use airgate_sim::cloud::{Cloud, Device, Devices, InstanceKind, Options, Product};
use hmac::{Hmac, KeyInit, Mac};
use rumqttc::mqttbytes::v4::{Connect, Packet};
use serde::Deserialize;
use serde_json::Value;

const PK: &str = "i6faWL8wiwH";
const DN: &str = "861551056421746";
const PRODUCT_SECRET: &str = "Yr0iF3HIgNkwiaPj";
const INSTANCE: &str = "iot-06z009y9rnab11u";

#[derive(Deserialize)]
struct Vector {
    id: String,
    mode: String,
    #[serde(default)]
    product_key: String,
    #[serde(default)]
    device_name: String,
    product_secret: Option<String>,
    #[serde(default)]
    client_id: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    keep_alive: u16,
}

fn world(product_key: &str, device_name: &str, secret: &str) -> Devices {
    let mut devices = Devices::one(product_key, device_name, "not known to the device");
    devices.products = vec![Product {
        product_key: product_key.to_owned(),
        product_secret: Some(secret.into()),
        instance_id: Some(INSTANCE.to_owned()),
        kind: Some(InstanceKind::Enterprise),
        dynamic_registration: true,
    }];
    devices
}

async fn start(devices: Devices) -> Cloud {
    Cloud::start(Options { devices, limits: false, ..Options::default() }).await.unwrap()
}

async fn cloud() -> Cloud {
    start(world(PK, DN, PRODUCT_SECRET)).await
}

fn hmac_sha256(key: &str, content: &str) -> String {
    let mac = <Hmac<sha2::Sha256>>::new_from_slice(key.as_bytes()).unwrap().chain_update(content).finalize();
    mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn connect(client_id: String, device_name: &str, password: &str) -> Connect {
    let mut connect = Connect::new(client_id);
    connect.keep_alive = 300;
    connect.set_login(format!("{device_name}&{PK}"), password);
    connect
}

fn registration(kind: &str, device_name: &str, more: &str) -> Connect {
    let password = hmac_sha256(PRODUCT_SECRET, &format!("deviceName{device_name}productKey{PK}randomR"));
    let id = format!("{device_name}|securemode=-2,authType={kind},random=R,signmethod=hmacsha256{more}|");
    connect(id, device_name, &password)
}

fn direct(secret: &str) -> Connect {
    let password = hmac_sha256(secret, &format!("clientIdcdeviceName{DN}productKey{PK}"));
    connect("c|securemode=2,signmethod=hmacsha256|".to_owned(), DN, &password)
}

/// The return code over TLS and, if it is 0, what is pushed: topic and text.
async fn ask(cloud: &Cloud, connect: Connect) -> (u8, Option<(String, String)>) {
    let mut client = tls(cloud, "localhost").await.unwrap();
    let (code, _) = client.connect(connect).await;
    match client.next().await {
        Some(Packet::Publish(push)) => (code, Some((push.topic, String::from_utf8(push.payload.into()).unwrap()))),
        None => (code, None),
        other => panic!("{other:?}"),
    }
}

async fn given(cloud: &Cloud, connect: Connect) -> Value {
    let (code, push) = ask(cloud, connect).await;
    assert_eq!(code, 0);
    serde_json::from_str(&push.unwrap().1).unwrap()
}

async fn code(cloud: &Cloud, connect: Connect) -> u8 {
    tls(cloud, "localhost").await.unwrap().connect(connect).await.0
}

#[tokio::test]
async fn every_registration_that_other_clients_sent_is_answered_without_a_subscription() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/aliyun-registration.json")).unwrap();
    let mut tried = 0;
    for vector in vectors.iter().filter(|vector| vector.mode == "register" || vector.mode == "regnwl") {
        let cloud =
            start(world(&vector.product_key, &vector.device_name, vector.product_secret.as_ref().unwrap())).await;
        let mut connect = Connect::new(&vector.client_id);
        connect.keep_alive = vector.keep_alive;
        connect.set_login(&vector.username, &vector.password);
        let (code, push) = ask(&cloud, connect).await;
        assert_eq!(code, 0, "{}", vector.id);
        let (topic, text) = push.unwrap();
        assert_eq!(topic, format!("/ext/{}", vector.mode), "{}", vector.id);
        assert!(!text.contains(' '), "{text}");
        let keys = if vector.mode == "register" { "deviceSecret" } else { "deviceToken" };
        let given: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (&given["productKey"], &given["deviceName"]),
            (&vector.product_key.clone().into(), &vector.device_name.clone().into())
        );
        assert!(given[keys].as_str().unwrap().len() >= 16);
        tried += 1;
    }
    assert_eq!(tried, 11);
}

#[tokio::test]
async fn token_signs_in_with_the_client_ids_that_other_clients_make_of_it() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/aliyun-registration.json")).unwrap();
    let cloud = cloud().await;
    let pushed = given(&cloud, registration("regnwl", DN, "")).await;
    let (client_id, token) = (pushed["clientId"].as_str().unwrap(), pushed["deviceToken"].as_str().unwrap());
    let mut tried = 0;
    for vector in vectors.iter().filter(|vector| vector.mode == "connwl") {
        let flags = vector.client_id.split_once('|').unwrap().1;
        let id = format!("{client_id}|{flags}");
        assert_eq!(code(&cloud, connect(id.clone(), DN, token)).await, 0, "{}", vector.id);
        assert_eq!(code(&cloud, connect(id, DN, "wrong")).await, 4, "{}", vector.id);
        assert_eq!(code(&cloud, connect(format!("other|{flags}"), DN, token)).await, 4, "{}", vector.id);
        tried += 1;
    }
    assert_eq!(tried, 4);
}

#[tokio::test]
async fn registration_over_plain_tcp_is_answered_2() {
    let cloud = cloud().await;
    for kind in ["register", "regnwl"] {
        assert_eq!(Client::open(&cloud).await.connect(registration(kind, DN, "")).await.0, 2, "{kind}");
    }
}

#[tokio::test]
async fn last_secret_given_wins_and_the_first_sign_in_ends_registration_until_reset() {
    let cloud = cloud().await;
    let secret =
        async || given(&cloud, registration("register", DN, "")).await["deviceSecret"].as_str().unwrap().to_owned();
    let (first, last) = (secret().await, secret().await);
    assert_ne!(first, last);
    assert_eq!(code(&cloud, direct(&first)).await, 4);
    assert_eq!(code(&cloud, direct(&last)).await, 0);
    assert_eq!(ask(&cloud, registration("register", DN, "")).await, (4, None));
    cloud.reset(PK, DN).unwrap();
    assert_eq!(code(&cloud, direct(&last)).await, 0, "a reset leaves the secret");
    cloud.reset(PK, DN).unwrap();
    assert_ne!(secret().await, last);
    assert!(cloud.reset(PK, "nobody").is_err());
}

#[tokio::test]
async fn registration_that_the_product_does_not_allow_is_answered_4() {
    let mut off = world(PK, DN, PRODUCT_SECRET);
    off.products[0].dynamic_registration = false;
    assert_eq!(ask(&start(off).await, registration("register", DN, "")).await, (4, None));
    let mut old = world(PK, DN, PRODUCT_SECRET);
    (old.products[0].instance_id, old.products[0].kind) = (None, None);
    let old = start(old).await;
    assert_eq!(ask(&old, registration("regnwl", DN, "")).await, (4, None));
    given(&old, registration("register", DN, "")).await;
    let other = start(world(PK, DN, "another secret")).await;
    assert_eq!(ask(&other, registration("register", DN, "")).await, (4, None));
    assert_eq!(ask(&other_cloud().await, registration("register", DN, "")).await, (4, None), "unknown product");
}

#[tokio::test]
async fn name_that_is_not_listed_registers_by_regnwl_alone_and_five_times_at_most() {
    let cloud = cloud().await;
    assert_eq!(ask(&cloud, registration("register", "unlisted", "")).await, (4, None));
    for _ in 0..5 {
        given(&cloud, registration("regnwl", "unlisted", "")).await;
    }
    assert_eq!(ask(&cloud, registration("regnwl", "unlisted", "")).await, (4, None));
    assert_eq!(ask(&cloud, registration("regnwl", "with/slash", "")).await, (4, None));
}

#[tokio::test]
async fn strict_platform_wants_the_instance_of_the_product() {
    let devices = world(PK, DN, PRODUCT_SECRET);
    let options = Options { devices, limits: false, strict_instance: true, ..Options::default() };
    let cloud = Cloud::start(options).await.unwrap();
    assert_eq!(ask(&cloud, registration("register", DN, "")).await, (4, None));
    assert_eq!(ask(&cloud, registration("register", DN, ",instanceId=iot-other")).await, (4, None));
    given(&cloud, registration("register", DN, &format!(",instanceId={INSTANCE}"))).await;
}

#[tokio::test]
async fn registration_that_lacks_something_is_answered_2() {
    let cloud = cloud().await;
    for flags in [
        "securemode=3,authType=register,random=R,signmethod=hmacsha256",
        "authType=register,random=R,signmethod=hmacsha256",
        "securemode=2,authType=register,signmethod=hmacsha256",
        "securemode=2,authType=register,random=R",
        "securemode=2,authType=register,random=R,signmethod=sha256",
        "securemode=2,authType=other,random=R,signmethod=hmacsha256",
    ] {
        assert_eq!(ask(&cloud, connect(format!("c|{flags}|"), DN, "00")).await, (2, None), "{flags}");
    }
}

#[tokio::test]
async fn device_that_got_its_credentials_disconnects_at_once() {
    let cloud = cloud().await;
    let mut client = tls(&cloud, "localhost").await.unwrap();
    assert_eq!(client.connect(registration("register", DN, "")).await.0, 0);
    assert!(matches!(client.next().await, Some(Packet::Publish(_))));
    client.send(Packet::Disconnect).await;
    let ended = tokio::time::timeout(SOON, client.next()).await.unwrap();
    assert_eq!(ended, None);
}

#[tokio::test]
async fn activated_device_of_the_devices_file_does_not_register() {
    let mut devices = world(PK, DN, PRODUCT_SECRET);
    devices.devices.iter_mut().for_each(|device: &mut Device| device.activated = true);
    assert_eq!(ask(&start(devices).await, registration("register", DN, "")).await, (4, None));
}
