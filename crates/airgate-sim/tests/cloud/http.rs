//! Registration over HTTPS, from outside.

use crate::client::SOON;
use crate::connections::tls_to;
use airgate_sim::cloud::{Cloud, Devices, Options, Product};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

const PK: &str = "a1X2bEnP82z";
const DN: &str = "861551056421746";
const SECRET: &str = "7jluWm1zql7bt8qK";

/// What the SDK for Node sends.
const FORM: &str = "productKey=a1X2bEnP82z&deviceName=861551056421746&random=567345&sign=f31741582425d34841bedadd435295579e1172bc&signMethod=hmacsha1";

fn world() -> Devices {
    let mut devices = Devices::one(PK, DN, "not known to the device");
    devices.products = vec![Product {
        product_key: PK.to_owned(),
        product_secret: Some(SECRET.into()),
        instance_id: None,
        kind: None,
        dynamic_registration: true,
    }];
    devices
}

async fn start(devices: Devices) -> Cloud {
    Cloud::start(Options { devices, limits: false, ..Options::default() }).await.unwrap()
}

/// Sends text and returns everything that comes until the connection is closed.
async fn exchange(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8(answer).unwrap()
}

fn post(form: &str, connection: &str) -> String {
    format!(
        "POST /auth/register/device HTTP/1.1\r\nHost: iot-auth.cn-shanghai.aliyuncs.com\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: {connection}\r\n\r\n{form}",
        form.len()
    )
}

async fn plain(cloud: &Cloud, request: &str) -> String {
    exchange(TcpStream::connect(cloud.http_addr()).await.unwrap(), request).await
}

async fn register(cloud: &Cloud, form: &str) -> Value {
    let answer = plain(cloud, &post(form, "close")).await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    serde_json::from_str(body).unwrap()
}

#[tokio::test]
async fn forms_that_other_clients_sent_get_a_secret() {
    let vectors: Vec<Value> = serde_json::from_str(include_str!("../vectors/aliyun-registration.json")).unwrap();
    let cloud = start(world()).await;
    let mut tried = 0;
    for vector in vectors.iter().filter(|vector| vector["mode"] == "https-register") {
        let answer = register(&cloud, vector["body"].as_str().unwrap()).await;
        assert_eq!((&answer["code"], &answer["message"]), (&json!(200), &json!("success")), "{}", vector["id"]);
        assert_eq!((&answer["data"]["productKey"], &answer["data"]["deviceName"]), (&json!(PK), &json!(DN)));
        assert_eq!(answer["data"]["deviceSecret"].as_str().unwrap().len(), 32);
        tried += 1;
    }
    assert_eq!(tried, 3);
}

#[tokio::test]
async fn same_port_speaks_tls_under_the_name_of_the_platform() {
    let cloud = start(world()).await;
    let stream = tls_to(&cloud, cloud.http_addr(), "iot-auth.cn-shanghai.aliyuncs.com").await.unwrap();
    let answer = exchange(stream, &post(FORM, "close")).await;
    assert!(answer.contains(r#"{"code":200,"data":{"productKey":"a1X2bEnP82z","#), "{answer}");
}

#[tokio::test]
async fn each_refusal_has_the_code_of_the_documentation() {
    let cloud = start(world()).await;
    for (form, code) in [
        (FORM.replace("random=567345&", ""), 460),
        ("%".to_owned(), 460),
        (FORM.replace("productKey=a1", "productKey=b1"), 6250),
        (FORM.replace("hmacsha1", "sha1"), 6292),
        (FORM.replace("567345", "567346"), 6600),
    ] {
        assert_eq!(register(&cloud, &form).await["code"], code, "{form}");
    }
    let mut off = world();
    off.products[0].dynamic_registration = false;
    assert_eq!(register(&start(off).await, FORM).await["code"], 6288);
    let mut activated = world();
    activated.devices[0].activated = true;
    let cloud = start(activated).await;
    assert_eq!(register(&cloud, FORM).await["code"], 6289);
    cloud.reset(PK, DN).unwrap();
    assert_eq!(register(&cloud, FORM).await["code"], 200);
    let mut nobody = world();
    nobody.devices.clear();
    assert_eq!(register(&start(nobody).await, FORM).await["code"], 6100);
}

#[tokio::test]
async fn connection_that_is_kept_alive_takes_the_next_request() {
    let cloud = start(world()).await;
    let answer = plain(&cloud, &(post(FORM, "keep-alive") + &post(FORM, "close"))).await;
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2, "{answer}");
}

#[tokio::test]
async fn what_is_not_offered_is_told_by_its_status() {
    let cloud = start(world()).await;
    for (request, status) in [
        ("GET /auth/register/device HTTP/1.0\r\n\r\n", "405 "),
        ("GET /other HTTP/1.0\r\n\r\n", "404 "),
        ("\r\r\r", "400 "),
        ("POST /auth/register/device HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "413 "),
    ] {
        let answer = plain(&cloud, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request:?}: {answer}");
    }
}
