//! The module's services with real servers: HTTPS and MQTT over TLS with an authority of one's own, time over UDP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{Modem, Options, Profile, Route};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A host's blocking side of the line.
struct Host(File);

impl Host {
    fn open(path: &Path) -> Self {
        Self(OpenOptions::new().read(true).write(true).open(path).unwrap())
    }

    fn until(&mut self, ends: &[&str]) -> String {
        let mut heard = Vec::new();
        loop {
            let text = String::from_utf8_lossy(&heard);
            if ends.iter().any(|end| text.contains(end)) {
                return text.into_owned();
            }
            let mut byte = [0];
            assert_eq!(self.0.read(&mut byte).unwrap(), 1, "the line is gone");
            heard.push(byte[0]);
        }
    }

    fn ask(&mut self, line: &str, end: &str) -> String {
        self.0.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        let said = self.until(&[end, "ERROR"]);
        assert!(said.contains(end), "{line}: {said}");
        said
    }

    fn upload(&mut self, name: &str, content: &str) {
        self.ask(&format!("AT+FSCREATE=\"{name}\""), "OK\r\n");
        self.ask(&format!("AT+FSWRITE=\"{name}\",0,{},10", content.len()), ">");
        self.0.write_all(content.as_bytes()).unwrap();
        self.until(&["OK\r\n"]);
    }

    /// The status of a request, or what stands in its place.
    fn status(&mut self) -> String {
        self.0.write_all(b"AT+HTTPACTION=0\r\n").unwrap();
        self.until(&["+HTTPACTION: 0,"]);
        self.until(&["\r\n"]).trim_end().to_owned()
    }
}

/// A module on which nothing takes time, whose network knows the true time.
fn module(routes: &[(&str, u16)]) -> Modem {
    let profile = Profile {
        attach: Duration::from_millis(20),
        connect: Duration::ZERO,
        connect_tls: Duration::ZERO,
        ..Profile::v1161()
    };
    let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let route = |(name, port): &(&str, u16)| format!("{name}=127.0.0.1:{port}").parse::<Route>().unwrap();
    let routes = routes.iter().map(route).collect();
    Modem::start(Options { profile, routes, setup: Setup { unix_time, ..Setup::default() }, ..Options::default() })
        .unwrap()
}

async fn with_host(modem: Modem, work: impl FnOnce(Host) + Send + 'static) {
    let path = modem.path().to_owned();
    let work = move || {
        let mut host = Host::open(&path);
        host.until(&["+NITZ"]);
        host.ask("ATE0", "OK\r\n");
        host.ask("AT+SAPBR=1,1", "OK\r\n");
        work(host);
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    modem.shutdown().await;
}

/// A TLS server for `web.example` that answers each connection with the same page, and the PEM of its authority.
async fn https(years: std::ops::Range<i32>) -> (u16, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_pem = ca.self_signed(&ca_key).unwrap().pem();
    let key = KeyPair::generate().unwrap();
    let mut leaf = CertificateParams::new(vec!["web.example".to_owned()]).unwrap();
    leaf.not_before = date_time_ymd(years.start, 1, 1);
    leaf.not_after = date_time_ymd(years.end, 1, 1);
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
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.is_ok_and(|count| count > 0) {}
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret").await;
            let _ = stream.shutdown().await;
        }
    });
    (port, ca_pem)
}

fn ask_for(host: &mut Host, url: &str) {
    host.ask("AT+HTTPINIT", "OK\r\n");
    host.ask(&format!("AT+HTTPPARA=\"URL\",\"{url}\""), "OK\r\n");
}

#[tokio::test]
async fn page_comes_over_tls_from_a_server_whose_authority_was_uploaded() {
    let (port, ca) = https(2020..4000).await;
    with_host(module(&[("web.example", port)]), move |mut host| {
        host.upload("ca.crt", &ca);
        host.ask("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"ca.crt\"", "OK\r\n");
        ask_for(&mut host, "https://web.example/x");
        assert_eq!(host.status(), "200,6");
        assert_eq!(host.ask("AT+HTTPREAD", "OK\r\n"), "\r\n+HTTPREAD: 6\r\nsecret\r\nOK\r\n");
    })
    .await;
}

#[tokio::test]
async fn authority_that_did_not_sign_and_name_that_is_another_are_refused_only_when_asked_to_verify() {
    let (port, _) = https(2020..4000).await;
    let (_, other) = https(2020..4000).await;
    with_host(module(&[("web.example", port), ("other.example", port)]), move |mut host| {
        ask_for(&mut host, "https://other.example/");
        assert_eq!(host.status(), "200,6");
        host.upload("other.crt", &other);
        host.ask("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"other.crt\"", "OK\r\n");
        assert_eq!(host.status(), "606,0");
        host.ask("AT+HTTPPARA=\"URL\",\"https://web.example/\"", "OK\r\n");
        assert_eq!(host.status(), "606,0");
    })
    .await;
}

#[tokio::test]
async fn name_to_check_may_be_another_than_the_one_that_is_called() {
    let (port, ca) = https(2020..4000).await;
    with_host(module(&[("10.0.0.1", port)]), move |mut host| {
        host.upload("ca.crt", &ca);
        host.ask("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"ca.crt\"", "OK\r\n");
        ask_for(&mut host, "https://10.0.0.1/");
        assert_eq!(host.status(), "606,0");
        host.ask("AT+SSLCFG=\"hostname\",153,\"web.example\"", "OK\r\n");
        assert_eq!(host.status(), "200,6");
    })
    .await;
}

#[tokio::test]
async fn certificate_is_judged_by_the_modules_own_clock_or_not_at_all() {
    let (port, ca) = https(2020..2022).await;
    with_host(module(&[("web.example", port)]), move |mut host| {
        host.upload("ca.crt", &ca);
        host.ask("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"ca.crt\"", "OK\r\n");
        ask_for(&mut host, "https://web.example/");
        assert_eq!(host.status(), "606,0", "out of date");
        host.ask("AT+CCLK=\"21/06/01,00:00:00+00\"", "OK\r\n");
        assert_eq!(host.status(), "200,6");
        host.ask("AT+CCLK=\"00/01/01,00:00:00+00\"", "OK\r\n");
        assert_eq!(host.status(), "606,0", "not yet valid");
        host.ask("AT+SSLCFG=\"ignorelocaltime\",153,1", "OK\r\n");
        assert_eq!(host.status(), "200,6");
    })
    .await;
}

#[tokio::test]
async fn file_that_is_no_certificate_fails_before_the_handshake() {
    let (port, _) = https(2020..4000).await;
    with_host(module(&[("web.example", port)]), move |mut host| {
        host.upload("ca.crt", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        host.ask("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"ca.crt\"", "OK\r\n");
        ask_for(&mut host, "https://web.example/");
        assert_eq!(host.status(), "605,0");
    })
    .await;
}

#[tokio::test]
async fn server_that_is_not_there_is_601() {
    // A port that was just free; nobody listens on it.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    with_host(module(&[("web.example", port)]), move |mut host| {
        ask_for(&mut host, "http://web.example/");
        assert_eq!(host.status(), "601,0");
    })
    .await;
}

#[tokio::test]
async fn time_server_is_asked_over_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = socket.local_addr().unwrap().port();
    tokio::spawn(async move {
        let mut question = [0; 64];
        let (count, from) = socket.recv_from(&mut question).await.unwrap();
        assert_eq!((count, question[0] & 7), (48, 3), "a client's packet");
        let mut answer = [0; 48];
        answer[..2].copy_from_slice(&[0x24, 1]);
        answer[24..32].copy_from_slice(&question[40..48]);
        // 2030-01-01 00:00:00 UTC
        answer[40..44].copy_from_slice(&(1_893_456_000_u32 + 2_208_988_800).to_be_bytes());
        socket.send_to(&answer, from).await.unwrap();
    });
    with_host(module(&[("ntp.example", port)]), |mut host| {
        host.ask("AT+CNTPCID=1;+CNTP=\"ntp.example\",32", "OK\r\n");
        host.ask("AT+CNTP", "+CNTP: 1\r\n");
        assert!(host.ask("AT+CCLK?", "OK\r\n").contains("\"30/01/01,08:00:0"));
    })
    .await;
}
