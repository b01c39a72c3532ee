//! The module on its pty: the line survives its hosts, has its pace, and carries TLS.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{Modem, Options, Profile};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

fn quick() -> Options {
    let profile = Profile {
        attach: Duration::from_millis(20),
        connect: Duration::ZERO,
        connect_tls: Duration::ZERO,
        ..Profile::v1161()
    };
    // The true time, so that certificates made now are valid once the network has told it.
    let unix_time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    Options { profile, setup: Setup { unix_time, ..Setup::default() }, ..Options::default() }
}

/// A host's blocking side of the line.
struct Host(File);

impl Host {
    fn open(path: &Path) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).unwrap();
    }

    /// Reads until `end` has been seen.
    fn until(&mut self, end: &str) -> String {
        let mut heard = Vec::new();
        while !String::from_utf8_lossy(&heard).contains(end) {
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the line is gone");
            heard.push(byte[0]);
        }
        String::from_utf8_lossy(&heard).into_owned()
    }

    fn ask(&mut self, line: &str, end: &str) -> String {
        self.send(&format!("{line}\r\n"));
        self.until(end)
    }
}

async fn with_host<T: Send + 'static>(path: &Path, work: impl FnOnce(Host) -> T + Send + 'static) -> T {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || work(Host::open(&path))).await.unwrap()
}

#[tokio::test]
async fn line_survives_a_host_that_closes_it_and_the_link_goes_with_the_module() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("ttyAIR");
    std::os::unix::fs::symlink("/nowhere", &link).unwrap();
    let modem = Modem::start(Options { link: Some(link.clone()), ..quick() }).unwrap();
    with_host(modem.path(), |mut host| drop(host.until("+NITZ"))).await;
    with_host(modem.path(), |mut host| drop(host.ask("AT", "OK\r\n"))).await;
    modem.reset();
    with_host(modem.path(), |mut host| drop(host.until("RDY\r\n"))).await;
    assert_eq!(modem.bytes().from_host, 4);
    modem.shutdown().await;
    assert!(std::fs::symlink_metadata(&link).is_err());
}

#[tokio::test]
async fn file_in_place_of_the_link_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("precious");
    std::fs::write(&path, "x").unwrap();
    let error = Modem::start(Options { link: Some(path.clone()), ..quick() }).unwrap_err();
    assert!(error.to_string().contains("not a symbolic link"), "{error}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "x");
}

#[tokio::test]
async fn line_of_9600_baud_takes_its_time_in_both_directions() {
    let mut options = quick();
    options.setup.baud = 9600;
    let modem = Modem::start(options).unwrap();
    let times = with_host(modem.path(), |mut host| {
        host.until("+NITZ");
        host.ask("ATE0", "OK\r\n");
        host.ask("AT+FSCREATE=\"f\"", "OK\r\n");
        host.ask("AT+FSWRITE=\"f\",0,480,10", ">");
        let started = Instant::now();
        host.send(&"y".repeat(480));
        host.until("OK\r\n");
        let there = started.elapsed();
        host.ask("AT+FSREAD=\"f\",0,480,0", "OK\r\n");
        [there, started.elapsed() - there]
    })
    .await;
    // 480 bytes of ten bits are half a second; the command around them adds some characters.
    for time in times {
        assert!(time >= Duration::from_millis(495), "{times:?}");
        assert!(time < Duration::from_millis(1500), "{times:?}");
    }
}

/// A TLS broker that accepts any CONNECT; gives its port and the PEM of its authority.
async fn tls_broker() -> (u16, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec!["broker.example".to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            tokio::spawn(async move {
                let mut received = bytes::BytesMut::new();
                while stream.read_buf(&mut received).await.is_ok_and(|count| count > 0) {
                    if let Ok(Packet::Connect(_)) = Packet::read(&mut received, 4096) {
                        let mut answer = bytes::BytesMut::new();
                        ConnAck::new(ConnectReturnCode::Success, false).write(&mut answer).unwrap();
                        stream.write_all(&answer).await.unwrap();
                    }
                }
            });
        }
    });
    (port, ca_pem)
}

#[tokio::test]
async fn tls_is_verified_only_when_asked_and_then_against_the_name() {
    let (port, ca) = tls_broker().await;
    let modem = Modem::start(Options { broker: Some(format!("127.0.0.1:{port}")), ..quick() }).unwrap();
    with_host(modem.path(), move |mut host| {
        host.until("+NITZ");
        host.ask("ATE0", "OK\r\n");
        host.ask("AT+SSLMIPSTART=\"other.example\",8883", "CONNECT OK\r\n");
        host.ask("AT+MCONNECT=1,60", "CONNACK OK\r\n");
        host.ask("AT+MIPCLOSE", "OK\r\n");
        host.ask("AT+FSCREATE=\"ca.crt\"", "OK\r\n");
        host.ask(&format!("AT+FSWRITE=\"ca.crt\",0,{},10", ca.len()), ">");
        host.send(&ca);
        host.until("OK\r\n");
        host.ask("AT+SSLCFG=\"seclevel\",88,1;+SSLCFG=\"cacert\",88,\"ca.crt\"", "OK\r\n");
        host.ask("AT+SSLMIPSTART=\"other.example\",8883", "CONNECT FAIL\r\n");
        host.ask("AT+SSLMIPSTART=\"broker.example\",8883", "CONNECT OK\r\n");
    })
    .await;
}
