//! Connections over TCP and TLS, and what goes over them.

use crate::client::{Client, DN, PK, SECRET, SOON, cloud, signed, topic, up};
use airgate_sim::cloud::{Cloud, Delivery, Devices, Event, Options, Qos};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Subscribe, SubscribeReasonCode};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto::ring};

async fn event(events: &mut tokio::sync::broadcast::Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = tokio::time::timeout(SOON, events.recv()).await.expect("the event did not come").unwrap();
        if wanted(&event) {
            return event;
        }
    }
}

#[tokio::test]
async fn message_arrives_is_acknowledged_and_is_told_to_who_watches() {
    let cloud = cloud().await;
    let mut events = cloud.subscribe_received();
    let mut client = Client::open(&cloud).await;
    client.connect(signed("")).await;
    client.send(up(&topic("update"), b"\xff\x00", 7)).await;
    assert_eq!(client.next().await, Some(Packet::PubAck(PubAck::new(7))));
    let Event::Received(told) = event(&mut events, |event| matches!(event, Event::Received(_))).await else { panic!() };
    assert_eq!(cloud.received(), std::slice::from_ref(&told));
    assert_eq!((told.topic, &told.payload[..], told.qos, told.seq), (topic("update"), &b"\xff\x00"[..], 1, 1));
}

#[tokio::test]
async fn second_connection_throws_out_the_first() {
    let cloud = cloud().await;
    let mut events = cloud.subscribe_received();
    let mut first = Client::open(&cloud).await;
    assert_eq!(first.connect(signed("")).await.0, 0);
    let mut second = Client::open(&cloud).await;
    assert_eq!(second.connect(signed(",ext=1")).await.0, 0);
    assert_eq!(first.next().await, None);
    let gone = event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    assert!(matches!(gone, Event::Disconnected { why, .. } if why == "kicked by the same device"));
    second.send(Packet::PingReq).await;
    assert_eq!(second.next().await, Some(Packet::PingResp));
}

#[tokio::test]
async fn persistent_session_gets_what_was_published_while_it_was_away() {
    let cloud = cloud().await;
    let mut events = cloud.subscribe_received();
    let mut connect = signed("");
    connect.clean_session = false;
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(connect.clone()).await, (0, false));
    client.subscribe(&topic("get")).await;
    drop(client);
    event(&mut events, |event| matches!(event, Event::Disconnected { .. })).await;
    assert_eq!(cloud.publish(PK, DN, &topic("get"), "later", Qos::AtLeastOnce), Ok(Delivery::Queued));
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(connect).await, (0, true));
    let Some(Packet::Publish(publish)) = client.next().await else { panic!() };
    assert_eq!((&publish.payload[..], publish.qos), (&b"later"[..], QoS::AtLeastOnce));
}

#[tokio::test]
async fn subscription_of_another_devices_topic_is_answered_0x80() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    client.connect(signed("")).await;
    client.send(Packet::Subscribe(Subscribe::new(format!("/{PK}/other/user/get"), QoS::AtLeastOnce))).await;
    let Some(Packet::SubAck(suback)) = client.next().await else { panic!() };
    assert_eq!(suback.return_codes, [SubscribeReasonCode::Failure]);
}

#[tokio::test]
async fn largest_payload_passes_both_ways_and_one_byte_more_closes_the_connection() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    client.connect(signed("")).await;
    client.subscribe(&topic("get")).await;
    let largest = vec![b'x'; 256 * 1024];
    client.send(up(&topic("update"), &largest, 1)).await;
    assert_eq!(client.next().await, Some(Packet::PubAck(PubAck::new(1))));
    assert_eq!(cloud.publish(PK, DN, &topic("get"), largest.clone(), Qos::AtLeastOnce), Ok(Delivery::Sent));
    assert!(matches!(client.next().await, Some(Packet::Publish(publish)) if publish.payload == largest));
    client.send(up(&topic("update"), &[&largest[..], b"x"].concat(), 2)).await;
    assert_eq!(client.next().await, None);
    assert_eq!(cloud.received().len(), 1);
}

#[tokio::test]
async fn kicked_device_sees_the_end_and_may_come_back() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    client.connect(signed("")).await;
    assert_eq!(cloud.kick(PK, DN), Ok(true));
    assert_eq!(client.next().await, None);
    assert_eq!(cloud.kick(PK, DN), Ok(false));
    assert!(cloud.kick(PK, "nobody").is_err());
    assert_eq!(Client::open(&cloud).await.connect(signed("")).await.0, 0);
}

#[tokio::test]
async fn client_that_does_not_read_is_cut_off_and_finds_its_messages_when_it_is_back() {
    let devices = Devices::one(PK, DN, SECRET);
    let cloud = Cloud::start(Options { devices, limits: false, ..Options::default() }).await.unwrap();
    let mut connect = signed("");
    connect.clean_session = false;
    let mut client = Client::open(&cloud).await;
    client.connect(connect.clone()).await;
    client.subscribe(&topic("get")).await;
    // No turn for the connection's task in between: its queue must fill up.
    let sent =
        (0..10_000).take_while(|_| cloud.publish(PK, DN, &topic("get"), "x", Qos::AtMostOnce) == Ok(Delivery::Sent));
    let sent = sent.count();
    assert!((1000..10_000).contains(&sent), "{sent}");
    assert_eq!(cloud.publish(PK, DN, &topic("get"), "kept", Qos::AtLeastOnce), Ok(Delivery::Queued));
    assert!(matches!(cloud.log().last(), Some(Event::Disconnected { why, .. }) if why == "the client does not read"));
    let mut client = Client::open(&cloud).await;
    assert_eq!(client.connect(connect).await, (0, true));
    assert!(matches!(client.next().await, Some(Packet::Publish(publish)) if &publish.payload[..] == b"kept"));
}

#[tokio::test]
async fn named_ca_file_is_written_anew_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    let ca_file = dir.path().join("ca.pem");
    std::fs::write(&ca_file, "old").unwrap();
    let cloud = Cloud::start(Options { ca_file: Some(ca_file.clone()), ..Options::default() }).await.unwrap();
    assert_eq!(cloud.ca_path(), ca_file);
    cloud.shutdown().await;
    assert!(std::fs::read_to_string(&ca_file).unwrap().starts_with("-----BEGIN CERTIFICATE"));
    let ca_file = Some(dir.path().join("no/such/dir/ca.pem"));
    let error = Cloud::start(Options { ca_file, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains("no/such/dir"), "{error}");
}

#[tokio::test]
async fn property_post_is_answered_without_subscribe_when_the_client_id_says_ss_1() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    client.connect(signed(",_ss=1")).await;
    let post = format!("/sys/{PK}/{DN}/thing/event/property/post");
    client.send(up(&post, br#"{"id":"42","params":{"t":1}}"#, 1)).await;
    let Some(Packet::Publish(reply)) = client.next().await else { panic!() };
    assert_eq!(reply.topic, format!("{post}_reply"));
    assert!(reply.payload.starts_with(br#"{"code":200,"data":{},"id":"42","#));
}

/// A TLS connection to the stand-in under one of its names, trusting its CA and nothing else.
pub(crate) async fn tls(cloud: &Cloud, name: &'static str) -> std::io::Result<Client<TlsStream<TcpStream>>> {
    tls_to(cloud, cloud.mqtts_addr(), name).await.map(Client::over)
}

/// The same to any of its listeners, for any protocol.
pub(crate) async fn tls_to(
    cloud: &Cloud,
    address: SocketAddr,
    name: &'static str,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(cloud.ca_path()).unwrap()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

#[tokio::test]
async fn plain_port_takes_tls_as_well_and_what_comes_from_a_front_counts_as_tls() {
    let at = Some("127.0.0.1:0".to_owned());
    let options = Options { devices: Devices::one(PK, DN, SECRET), fronted_listen: at, ..Options::default() };
    let cloud = Cloud::start(options).await.unwrap();
    let stream = tls_to(&cloud, cloud.mqtt_addr(), "localhost").await.unwrap();
    assert_eq!(Client::over(stream).connect(signed("")).await.0, 0);
    let stream = TcpStream::connect(cloud.fronted_addr().unwrap()).await.unwrap();
    assert_eq!(Client::over(stream).connect(signed("")).await.0, 0);
    let over_tls = |event: &&Event| matches!(event, Event::Connected { tls: true, .. });
    assert_eq!(cloud.log().iter().filter(over_tls).count(), 2);
}

#[tokio::test]
async fn a_strict_platform_knows_a_product_at_its_own_instance_alone() {
    let options = Options { devices: Devices::one(PK, DN, SECRET), strict_instance: true, ..Options::default() };
    let cloud = Cloud::start(options).await.unwrap();
    for (name, code) in [
        ("localhost", 0),
        ("a1X2bEnP82z.iot-as-mqtt.cn-shanghai.aliyuncs.com", 0),
        ("iot-06z00.mqtt.iothub.aliyuncs.com", 4),
        ("a1another00.iot-as-mqtt.cn-shanghai.aliyuncs.com", 4),
    ] {
        assert_eq!(tls(&cloud, name).await.unwrap().connect(signed("")).await.0, code, "{name}");
    }
}

#[tokio::test]
async fn tls_listener_is_trusted_under_the_names_of_the_platform_and_no_other() {
    let cloud = cloud().await;
    for name in [
        "localhost",
        "127.0.0.1",
        "a1X2bEnP82z.iot-as-mqtt.cn-shanghai.aliyuncs.com",
        "iot-06z00.mqtt.iothub.aliyuncs.com",
        "iot-auth.cn-shanghai.aliyuncs.com",
    ] {
        let mut client = tls(&cloud, name).await.unwrap();
        assert_eq!(client.connect(signed("")).await.0, 0, "{name}");
    }
    assert!(tls(&cloud, "example.com").await.is_err());
    assert!(cloud.log().iter().all(|event| !matches!(event, Event::Connected { tls: false, .. })));
}

#[tokio::test]
async fn shutdown_ends_connections_stops_listening_and_removes_the_ca_file() {
    let cloud = cloud().await;
    let (address, ca) = (cloud.mqtt_addr(), cloud.ca_path().to_owned());
    let mut client = Client::open(&cloud).await;
    client.connect(signed("")).await;
    // One that hangs in its TLS handshake must not hold the shutdown up.
    let _handshake = TcpStream::connect(cloud.mqtts_addr()).await.unwrap();
    assert!(ca.exists());
    cloud.shutdown().await;
    assert_eq!(client.next().await, None);
    assert!(TcpStream::connect(address).await.is_err());
    assert!(!ca.exists());
}
