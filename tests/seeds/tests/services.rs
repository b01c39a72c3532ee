//! The driver's services against the simulated module: two rooms that share nothing but the module's documentation.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use air780e::command::network::{GetCircuitRegistration, GetPacketRegistration, GetRegistration};
use air780e::command::ssl::{CreateFile, DeleteFile, GetFileSize, ReadText, WriteFile};
use air780e::exchange::Failure;
use air780e::service::http::{HttpError, Request};
use air780e::service::place::{Means, ServiceError};
use air780e::session::{Desired, Session, Will};
use air780e::status::Phase;
use air780e::{Config, Modem};
use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{self, Options, Profile};
use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{Connect, Packet};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(60);

/// A web server with one file: ranges, HEAD and POST, one connection at a time.
fn web(file: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut request, mut buf) = (Vec::new(), [0; 4096]);
            let head = loop {
                if let Some(end) = request.windows(4).position(|w| w == b"\r\n\r\n") {
                    break end + 4;
                }
                match stream.read(&mut buf).unwrap_or(0) {
                    0 => break 0,
                    len => request.extend_from_slice(&buf[..len]),
                }
            };
            let text = String::from_utf8_lossy(&request[..head]).to_ascii_lowercase();
            let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
            let length: usize = value("content-length:").map_or(0, |len| len.parse().unwrap());
            while request.len() < head + length {
                let len = stream.read(&mut buf).unwrap();
                request.extend_from_slice(&buf[..len]);
            }
            let (status, body) = match value("range: bytes=").and_then(|range| range.split_once('-')) {
                _ if text.starts_with("post") => ("200 OK", request[head..].to_vec()),
                _ if text.starts_with("get /none") => ("404 Not Found", b"nothing here".to_vec()),
                Some((first, last)) => {
                    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
                    ("206 Partial Content", file[first..=last.min(file.len() - 1)].to_vec())
                }
                None => ("200 OK", file.clone()),
            };
            let head = format!("HTTP/1.1 {status}\r\nETag: \"v1\"\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes());
            if !text.starts_with("head") {
                let _ = stream.write_all(&body);
            }
        }
    });
    port
}

/// A module and its driver, in the network.
struct Bench {
    driver: Modem,
    console: PathBuf,
    _module: modem::Modem,
    _dir: TempDir,
}

impl Bench {
    async fn new(profile: Profile) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let console = dir.path().join("console.sock");
        let setup = Setup { baud: 0, ..Setup::default() };
        let module =
            modem::Modem::start(Options { profile, setup, console: Some(console.clone()), ..Options::default() });
        let module = module.unwrap();
        let port = module.path().to_str().unwrap().to_owned();
        let (driver, mut events) = Modem::start(Config::new(port));
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let mut status = driver.status();
        timeout(PATIENCE, status.wait_for(|status| status.phase == Phase::Attached)).await.unwrap().unwrap();
        drop(status);
        Self { driver, console, _module: module, _dir: dir }
    }

    async fn tell(&self, line: &'static str) -> String {
        let console = self.console.clone();
        tokio::task::spawn_blocking(move || ask(&console, line)).await.unwrap()
    }
}

fn ask(console: &Path, line: &str) -> String {
    let mut stream = std::os::unix::net::UnixStream::connect(console).unwrap();
    writeln!(stream, "{line}").unwrap();
    let mut answer = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stream), &mut answer).unwrap();
    assert!(answer.contains("\"ok\":true"), "{line}: {answer}");
    answer
}

/// Does the same with a module of every firmware, all at once.
async fn with_every_firmware<F>(test: impl Fn(Arc<Bench>) -> F + Clone + Send + Sync + 'static)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tests = JoinSet::new();
    for profile in [Profile::v1161(), Profile::v1169(), Profile::ep(), Profile::nasty()] {
        let test = test.clone();
        tests.spawn(async move { test(Arc::new(Bench::new(profile).await)).await });
    }
    while let Some(outcome) = tests.join_next().await {
        outcome.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_and_downloads_go_through_every_firmware() {
    let file: Vec<u8> = (0..7000_u32).flat_map(|n| [(n % 251) as u8, b'\n']).take(7000).collect();
    let port = web(file.clone());
    with_every_firmware(move |bench| {
        let file = file.clone();
        async move {
            let url = |path: &str| format!("http://127.0.0.1:{port}/{path}");
            let body = b"{\"a\":1}\r\nOK\r\n".as_slice();
            let answer = bench.driver.http(&Request::post(url("x"), body).header("X-A", "1")).await.unwrap();
            assert_eq!((answer.status, &answer.body[..]), (200, body));
            assert_eq!(bench.driver.http(&Request::get(url("none"))).await.unwrap().status, 404);
            let error = bench.driver.http(&Request::get(url("file"))).await.unwrap_err();
            assert!(matches!(error, HttpError::TooLarge { .. } | HttpError::Transport(602)), "{error}");
            let mut download = bench.driver.download(Request::get(url("file")));
            let mut got = Vec::new();
            while let Some(piece) = download.next().await.unwrap() {
                got.extend_from_slice(&piece);
            }
            assert_eq!(got, file);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_as_such() {
    let bench = Bench::new(Profile::nasty()).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = bench.driver.http(&Request::get(format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert_eq!(error, HttpError::Transport(601));
}

#[tokio::test(flavor = "multi_thread")]
async fn short_messages_go_both_ways_in_every_firmware() {
    with_every_firmware(|bench| async move {
        bench.tell(r#"{"do":"sms","from":"+46708251358","text":"open {the} door €"}"#).await;
        let mut texts = bench.driver.texts();
        let sms = timeout(PATIENCE, texts.next()).await.unwrap().unwrap();
        assert_eq!((sms.from.as_str(), sms.text.as_str()), ("+46708251358", "open {the} door €"));
        bench.tell(r#"{"do":"sms","from":"10086","text":"你好"}"#).await;
        let sms = timeout(PATIENCE, texts.next()).await.unwrap().unwrap();
        assert_eq!((sms.from.as_str(), sms.text.as_str()), ("10086", "你好"));
        assert!(sms.sent_unix_s.is_some());
        assert_eq!(bench.driver.send_text("+46708251358", "done ✓").await.unwrap().len(), 1);
        assert_eq!(bench.driver.send_text("10086", &"a".repeat(300)).await.unwrap().len(), 2);
        let state = bench.tell(r#"{"do":"state"}"#).await;
        assert!(state.contains("done ✓") && state.contains("+46708251358"), "{state}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_place_is_told_or_that_nobody_knows_it() {
    with_every_firmware(|bench| async move {
        bench.tell(r#"{"do":"position","place":["31.1819737","120.6683902"]}"#).await;
        let place = bench.driver.locate(Means::Cells).await.unwrap();
        assert_eq!((place.latitude, place.longitude), (31.181_973_7, 120.668_390_2));
        bench.tell(r#"{"do":"position","place":null}"#).await;
        assert_eq!(bench.driver.locate(Means::Cells).await, Err(ServiceError::Location(404)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn card_cell_and_network_are_known() {
    with_every_firmware(|bench| async move {
        let mut status = bench.driver.status();
        let known = status.wait_for(|status| {
            let facts = &status.facts;
            facts.iccid.is_some() && facts.imsi.is_some() && facts.cell.is_some() && facts.address.is_some()
        });
        let facts = timeout(PATIENCE, known).await.unwrap().unwrap().facts.clone();
        assert!(facts.cell.unwrap().rsrp_dbm().is_some(), "{facts:?}");
    })
    .await;
}

/// The first packet on the next connection.
fn connect_packet(listener: &TcpListener) -> Connect {
    let (mut stream, _) = listener.accept().unwrap();
    let (mut received, mut buf) = (BytesMut::new(), [0; 4096]);
    loop {
        let len = stream.read(&mut buf).unwrap();
        assert!(len > 0, "the module closed: {received:?}");
        received.extend_from_slice(&buf[..len]);
        if let Ok(Packet::Connect(connect)) = Packet::read(&mut received, usize::MAX) {
            return connect;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_will_reaches_the_broker_through_every_firmware() {
    with_every_firmware(|bench| async move {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let message = "gone, \"for good\"\r\n\\22 é";
        let will = Will { topic: "state/1".into(), message: message.into(), qos: 1, retain: true };
        let credentials = Some(("user".into(), String::from("secret").into()));
        let session = Session { credentials, will: Some(will), ..Session::new(1, "127.0.0.1", port, "id") };
        session.check().unwrap();
        bench.driver.want(Desired { session: Some(Arc::new(session)), ..Desired::default() });
        let connect = tokio::task::spawn_blocking(move || connect_packet(&listener));
        let connect = timeout(PATIENCE, connect).await.unwrap().unwrap();
        let will = connect.last_will.unwrap();
        assert_eq!((will.topic.as_str(), will.message.as_ref()), ("state/1", message.as_bytes()));
        assert_eq!((will.qos as u8, will.retain), (1, true));
        assert_eq!(connect.login.unwrap().username, "user");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_text_is_written_read_back_and_deleted_in_every_firmware() {
    with_every_firmware(|bench| async move {
        let (driver, name) = (&bench.driver, "root.pem");
        let lines = ["-----BEGIN CERTIFICATE-----", "MIIDdzCCAl+gAwIBAgIE", "-----END CERTIFICATE-----"];
        let content = lines.join("\n") + "\n";
        driver.send(&CreateFile { name }).await.unwrap();
        driver.send(&WriteFile { name, content: content.clone().into() }).await.unwrap();
        assert_eq!(driver.send(&GetFileSize { name }).await.unwrap().size, content.len());
        assert_eq!(driver.send(&ReadText::new(name, 0, content.len())).await.unwrap().0, lines);
        assert_eq!(driver.send(&ReadText::new(name, lines[0].len() + 1, 10)).await.unwrap().0, [&lines[1][..10]]);
        driver.send(&DeleteFile { name }).await.unwrap();
        assert!(matches!(driver.send(&GetFileSize { name }).await, Err(Failure::Refused(_))));
        assert!(matches!(driver.send(&DeleteFile { name }).await, Err(Failure::Refused(_))));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_registration_is_told() {
    with_every_firmware(|bench| async move {
        let driver = &bench.driver;
        assert_eq!(driver.send(&GetRegistration).await.unwrap().stat, 1);
        assert_eq!(driver.send(&GetPacketRegistration).await.unwrap().stat, 1);
        assert_eq!(driver.send(&GetCircuitRegistration).await.unwrap().stat, 1);
    })
    .await;
}
