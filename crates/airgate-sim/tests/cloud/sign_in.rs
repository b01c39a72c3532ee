//! Who is let in: the vectors that were taken from other clients and from documentation.

use crate::client::{Client, DN, PK, cloud, signed};
use airgate_sim::cloud::{Cloud, Device, DeviceId, Devices, Options, Product};
use rumqttc::mqttbytes::v4::{Connect, Packet};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[derive(Deserialize)]
struct Vector {
    id: String,
    product_key: String,
    device_name: String,
    device_secret: String,
    client_id: String,
    username: String,
    password: String,
    keep_alive: u16,
    clean_session: bool,
    verifies: bool,
}

/// A world for one vector: the same device has different secrets in different vectors.
async fn world(vector: &Vector) -> Cloud {
    let mut devices = Devices::default();
    devices.products.push(Product {
        product_key: vector.product_key.clone(),
        product_secret: None,
        instance_id: None,
        kind: None,
        dynamic_registration: false,
    });
    devices.devices.push(Device {
        product_key: vector.product_key.clone(),
        device_name: vector.device_name.clone(),
        device_secret: vector.device_secret.as_str().into(),
        activated: false,
    });
    Cloud::start(Options { devices, ..Options::default() }).await.unwrap()
}

#[tokio::test]
async fn every_vector_that_verifies_signs_in_and_every_other_is_refused_with_4() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../vectors/aliyun-direct.json")).unwrap();
    assert!(vectors.iter().filter(|vector| vector.verifies).count() >= 30);
    assert!(vectors.iter().filter(|vector| !vector.verifies).count() >= 3);
    for vector in vectors {
        let cloud = world(&vector).await;
        let mut connect = Connect::new(&vector.client_id);
        connect.keep_alive = vector.keep_alive;
        connect.clean_session = vector.clean_session;
        connect.set_login(&vector.username, &vector.password);
        let (code, _) = Client::open(&cloud).await.connect(connect).await;
        assert_eq!(code, if vector.verifies { 0 } else { 4 }, "{}", vector.id);
        cloud.shutdown().await;
    }
}

#[tokio::test]
async fn refused_client_gets_its_code_and_then_the_end_of_the_connection() {
    let cloud = cloud().await;
    let mut unknown = signed("");
    unknown.set_login(format!("nobody&{PK}"), "00");
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(unknown).await, (4, false));
    assert_eq!(client.next().await, None);
    let mut short = signed("");
    short.keep_alive = 10;
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(short).await, (2, false));
    assert_eq!(client.next().await, None);
}

#[tokio::test]
async fn refusals_that_a_test_asks_for_reach_the_device() {
    let cloud = cloud().await;
    cloud.refuse(Some(DeviceId::new(PK, DN)), 1, 5).unwrap();
    assert_eq!(Client::open(&cloud).await.connect(signed("")).await, (5, false));
    assert_eq!(Client::open(&cloud).await.connect(signed("")).await, (0, false));
    assert!(cloud.refuse(None, 1, 0).is_err() && cloud.refuse(None, 1, 6).is_err());
}

/// What comes back over a fresh connection for these bytes, until it is closed.
async fn answer(cloud: &Cloud, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(cloud.mqtt_addr()).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(crate::client::SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn connect_of_another_version_is_answered_in_words_of_its_own() {
    let cloud = cloud().await;
    let unsupported = b"\x20\x03\x00\x84\x00";
    assert_eq!(answer(&cloud, b"\x10\x0d\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x00").await, unsupported);
    assert_eq!(answer(&cloud, b"\x10\x0c\x00\x04MQTT\x02\x02\x00\x3c\x00\x00").await, b"\x20\x02\x00\x01");
}

#[tokio::test]
async fn bytes_that_are_not_mqtt_close_the_connection_and_leave_the_others_alone() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(signed("")).await.0, 0);
    for bytes in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\xff\xff\xff\xff\xff\xff", b"\x00\x00", b"\x30\xff\xff\xff\x7f", b"\x82\x00"]
    {
        assert_eq!(answer(&cloud, bytes).await, b"", "{bytes:?}");
    }
    client.send(Packet::PingReq).await;
    assert_eq!(client.next().await, Some(Packet::PingResp));
}
