//! Packages: pushed, asked for, downloaded.

use crate::client::{Client, DN, PK, SECRET, SOON, signed, up};
use airgate_sim::cloud::{Cloud, Devices, Event, Options, Package};
use rumqttc::mqttbytes::v4::{Packet, PubAck};
use serde_json::{Value, json};
use std::path::Path;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CONTENT: &str = "123456789";
const MD5: &str = "25f9e794323b453885f5181f1b624d0b";

fn package(dir: &Path, version: &str, module: &str) -> Package {
    let file = dir.join("package.bin");
    std::fs::write(&file, CONTENT).unwrap();
    Package {
        product_key: PK.to_owned(),
        device_name: None,
        module: module.to_owned(),
        version: version.to_owned(),
        file,
    }
}

async fn start(packages: Vec<Package>) -> Cloud {
    let devices = Devices { ota: packages, ..Devices::one(PK, DN, SECRET) };
    Cloud::start(Options { devices, limits: false, ..Options::default() }).await.unwrap()
}

async fn device(cloud: &Cloud) -> Client {
    let mut client = Client::open(cloud).await;
    assert_eq!(client.connect(signed(",_ss=1")).await.0, 0);
    client
}

/// What comes after an uplink message, until its PUBACK and a PINGRESP: topics and contents.
async fn after(client: &mut Client, topic: &str, payload: Value) -> Vec<(String, Value)> {
    client.send(up(topic, payload.to_string().as_bytes(), 9)).await;
    client.send(Packet::PingReq).await;
    let mut came = Vec::new();
    loop {
        match client.next().await {
            Some(Packet::PingResp) => return came,
            Some(Packet::Publish(publish)) => {
                if publish.pkid != 0 {
                    client.send(Packet::PubAck(PubAck::new(publish.pkid))).await;
                }
                came.push((publish.topic, serde_json::from_slice(&publish.payload).unwrap()));
            }
            Some(Packet::PubAck(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn report(client: &mut Client, params: Value) -> Vec<(String, Value)> {
    after(client, &format!("/ota/device/inform/{PK}/{DN}"), json!({"id": "1", "params": params})).await
}

async fn download(cloud: &Cloud, path: &str, field: &str) -> String {
    let mut stream = TcpStream::connect(cloud.http_addr()).await.unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n{field}\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(SOON, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn version_report_that_differs_is_followed_by_the_package_and_one_that_agrees_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = start(vec![package(dir.path(), "2.0", "default")]).await;
    let mut client = device(&cloud).await;
    let pushed = report(&mut client, json!({"version": "1.0"})).await;
    let [(topic, push)] = pushed.as_slice() else { panic!("{pushed:?}") };
    assert_eq!(*topic, format!("/ota/device/upgrade/{PK}/{DN}"));
    assert!(push["id"].is_u64());
    let url = format!("https://{}/ota/0", cloud.http_addr());
    assert_eq!(
        (&push["code"], &push["message"], &push["data"]),
        (
            &json!("1000"),
            &json!("success"),
            &json!({"size": 9, "version": "2.0", "url": url, "md5": MD5, "sign": MD5, "signMethod": "Md5"})
        )
    );
    let mut client = device(&cloud).await;
    assert!(matches!(client.next().await, Some(Packet::Publish(again)) if again.topic == *topic), "it is back");
    assert_eq!(report(&mut client, json!({"version": "2.0"})).await, []);
    assert_eq!(report(&mut client, json!({"version": "1.0", "module": "MCU"})).await, []);
}

#[tokio::test]
async fn device_that_asks_gets_the_package_of_the_module_or_nothing_with_its_own_id() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = start(vec![package(dir.path(), "2.0", "MCU")]).await;
    let mut client = device(&cloud).await;
    let get = format!("/sys/{PK}/{DN}/thing/ota/firmware/get");
    let answer = after(&mut client, &get, json!({"id": 2, "params": {}})).await;
    assert_eq!(answer, [(format!("{get}_reply"), json!({"code": 200, "data": {}, "id": 2}))]);
    let answer = after(&mut client, &get, json!({"id": "x", "params": {"module": "MCU"}})).await;
    assert_eq!((&answer[0].1["data"]["module"], &answer[0].1["id"]), (&json!("MCU"), &json!("x")));
}

#[tokio::test]
async fn package_added_later_goes_to_who_is_online_with_another_version() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = start(Vec::new()).await;
    let mut client = device(&cloud).await;
    assert_eq!(report(&mut client, json!({"version": "1.0"})).await, []);
    assert_eq!(cloud.ota(package(dir.path(), "1.0", "default")), Ok(0));
    assert_eq!(cloud.ota(package(dir.path(), "1.1", "default")), Ok(1));
    assert!(
        matches!(client.next().await, Some(Packet::Publish(push)) if push.topic.starts_with("/ota/device/upgrade/"))
    );
    let missing = Package { file: dir.path().join("missing"), ..package(dir.path(), "3", "default") };
    assert!(cloud.ota(missing).unwrap_err().to_string().contains("missing"));
}

#[tokio::test]
async fn progress_is_taken_down_in_the_log() {
    let cloud = start(Vec::new()).await;
    let mut client = device(&cloud).await;
    let progress = json!({"id": "1", "params": {"step": "-3", "desc": "digest", "module": "MCU"}});
    assert_eq!(after(&mut client, &format!("/ota/device/progress/{PK}/{DN}"), progress).await, []);
    let last = cloud.log().pop();
    assert!(
        matches!(last, Some(Event::Progress { module, step, desc, .. }) if (module.as_str(), step.as_str(), desc.as_str()) == ("MCU", "-3", "digest"))
    );
}

#[tokio::test]
async fn file_is_served_whole_and_in_ranges() {
    let dir = tempfile::tempdir().unwrap();
    let cloud = start(vec![package(dir.path(), "2.0", "default")]).await;
    for (field, status, range, body) in [
        ("", "200 ", "", CONTENT),
        ("Range: bytes=2-4\r\n", "206 ", "Content-Range: bytes 2-4/9\r\n", "345"),
        ("range: bytes=7-\r\n", "206 ", "Content-Range: bytes 7-8/9\r\n", "89"),
        ("Range: bytes=-2\r\n", "206 ", "Content-Range: bytes 7-8/9\r\n", "89"),
        ("Range: bytes=5-99\r\n", "206 ", "Content-Range: bytes 5-8/9\r\n", "6789"),
        ("Range: lines=1-2\r\n", "200 ", "", CONTENT),
    ] {
        let answer = download(&cloud, "/ota/0", field).await;
        let (head, got) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")) && head.contains(range), "{field}: {head}");
        assert_eq!(got, body, "{field}");
    }
    for field in ["Range: bytes=9-\r\n", "Range: bytes=4-2\r\n", "Range: bytes=-0\r\n"] {
        assert!(download(&cloud, "/ota/0", field).await.starts_with("HTTP/1.1 416 "), "{field}");
    }
    assert!(download(&cloud, "/ota/1", "").await.starts_with("HTTP/1.1 404 "));
    assert!(download(&cloud, "/ota/x", "").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn package_without_its_file_is_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Package { file: dir.path().join("missing"), ..package(dir.path(), "2.0", "default") };
    let devices = Devices { ota: vec![missing], ..Devices::one(PK, DN, SECRET) };
    let error = Cloud::start(Options { devices, ..Options::default() }).await.unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
}
