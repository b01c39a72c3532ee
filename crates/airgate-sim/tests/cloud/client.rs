//! An MQTT client that does what a test says and nothing by itself.

use airgate_sim::cloud::{Cloud, Devices, Options};
use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use hmac::{Hmac, KeyInit, Mac};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Codec, ConnAck, Connect, Packet, Publish, Subscribe};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::codec::Framed;

/// How long an event may take before the test fails: a bound, not a wait.
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) const PK: &str = "a1X2bEnP82z";
pub(crate) const DN: &str = "861551056421746";
pub(crate) const SECRET: &str = "ga7XA6KdlEeiPXQPpRbAjOZXwG8ydgSe";

pub(crate) struct Client<S = TcpStream>(Framed<S, Codec>);

impl Client {
    pub(crate) async fn open(cloud: &Cloud) -> Self {
        Client::over(TcpStream::connect(cloud.mqtt_addr()).await.unwrap())
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Client(Framed::new(stream, Codec { max_incoming_size: 1 << 20, max_outgoing_size: 1 << 20 }))
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        self.0.send(packet).await.unwrap();
    }

    /// The next packet, or none when the other side has closed.
    pub(crate) async fn next(&mut self) -> Option<Packet> {
        let next = tokio::time::timeout(SOON, self.0.next()).await.expect("nothing came and nothing was closed");
        next.and_then(Result::ok)
    }

    /// Sends a CONNECT and returns the return code and the session present flag.
    pub(crate) async fn connect(&mut self, connect: Connect) -> (u8, bool) {
        // By hand: the codec's way to write a CONNECT leaves an empty password out.
        let mut bytes = BytesMut::new();
        connect.write(&mut bytes).unwrap();
        tokio::io::AsyncWriteExt::write_all(self.0.get_mut(), &bytes).await.unwrap();
        match self.next().await {
            Some(Packet::ConnAck(ConnAck { code, session_present })) => (code as u8, session_present),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str) {
        let mut subscribe = Subscribe::new(filter, QoS::AtLeastOnce);
        subscribe.pkid = 1;
        self.send(Packet::Subscribe(subscribe)).await;
        assert!(matches!(self.next().await, Some(Packet::SubAck(_))));
    }
}

/// A CONNECT of the test's device, signed with hmacsha256.
pub(crate) fn signed(flags: &str) -> Connect {
    let content = format!("clientIdciddeviceName{DN}productKey{PK}");
    let mac = <Hmac<sha2::Sha256>>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(content).finalize();
    let password: String = mac.into_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
    let mut connect = Connect::new(format!("cid|securemode=3,signmethod=hmacsha256{flags}|"));
    connect.keep_alive = 300;
    connect.set_login(format!("{DN}&{PK}"), password);
    connect
}

pub(crate) fn up(topic: &str, payload: &[u8], pkid: u16) -> Packet {
    let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
    publish.pkid = pkid;
    Packet::Publish(publish)
}

/// A stand-in that knows the test's device.
pub(crate) async fn cloud() -> Cloud {
    Cloud::start(Options { devices: Devices::one(PK, DN, SECRET), ..Options::default() }).await.unwrap()
}

pub(crate) fn topic(name: &str) -> String {
    format!("/{PK}/{DN}/user/{name}")
}
