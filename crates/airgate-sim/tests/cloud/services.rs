//! What the stand-in says of gateways, and who may be called: the codes of the documentation.

use crate::client::{Client, DN, PK, signed, topic, up};
use airgate_sim::cloud::{Cloud, Device, Devices, Options, Product};
use hmac::{Hmac, KeyInit, Mac};
use rumqttc::mqttbytes::v4::{Packet, Publish};
use serde_json::{Value, json};

const SUB: (&str, &str, &str) = ("a1SubDevPk0", "sub-01", "SubSecret0123456789abcdef");

/// The test's device, a product of sub-devices with one that is listed.
async fn cloud() -> Cloud {
    let mut devices = Devices::one(PK, DN, crate::client::SECRET);
    let product = devices.products[0].clone();
    devices.products.push(Product { product_key: SUB.0.into(), dynamic_registration: true, ..product });
    devices.devices.push(Device {
        product_key: SUB.0.into(),
        device_name: SUB.1.into(),
        device_secret: SUB.2.into(),
        activated: false,
    });
    Cloud::start(Options { devices, limits: false, ..Options::default() }).await.unwrap()
}

/// The next message from the platform, past everything else.
async fn message(client: &mut Client) -> (String, Value) {
    loop {
        match client.next().await {
            Some(Packet::Publish(Publish { topic, payload, .. })) => {
                return (topic, serde_json::from_slice(&payload).unwrap_or_default());
            }
            Some(_) => {}
            None => panic!("closed"),
        }
    }
}

/// Code and data of the reply to a request.
async fn ask(client: &mut Client, topic: &str, params: Value) -> (u64, Value) {
    client.send(up(topic, json!({"id": "7", "params": params}).to_string().as_bytes(), 9)).await;
    let (replied, reply) = message(client).await;
    assert_eq!((replied, &reply["id"]), (format!("{topic}_reply"), &json!("7")));
    (reply["code"].as_u64().unwrap(), reply["data"].clone())
}

fn signed_sub(secret: &str) -> Value {
    let content = format!("clientIdcdeviceName{}productKey{}timestamp5", SUB.1, SUB.0);
    let mac = <Hmac<sha2::Sha256>>::new_from_slice(secret.as_bytes()).unwrap().chain_update(content).finalize();
    let sign: String = mac.into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    json!({"productKey": SUB.0, "deviceName": SUB.1, "clientId": "c", "timestamp": 5, "signMethod": "hmacSha256", "sign": sign})
}

#[tokio::test]
async fn mistakes_of_a_gateway_get_their_codes_and_a_sub_devices_topics_open_with_its_session() {
    let cloud = cloud().await;
    let mut client = Client::open(&cloud).await;
    client.connect(signed(",_ss=1")).await;
    let thing = |path: &str| format!("/sys/{PK}/{DN}/thing/{path}");
    let session = |path: &str| format!("/ext/session/{PK}/{DN}/combine/{path}");
    let named = json!([{"productKey": SUB.0, "deviceName": SUB.1}]);
    let nobody = json!([{"productKey": SUB.0, "deviceName": "nobody"}]);

    assert_eq!(ask(&mut client, &thing("sub/register"), nobody).await.0, 6100);
    assert_eq!(ask(&mut client, &thing("sub/register"), json!([{"productKey": PK, "deviceName": DN}])).await.0, 6288);
    let (code, data) = ask(&mut client, &thing("sub/register"), named.clone()).await;
    assert_eq!((code, &data[0]["deviceSecret"]), (200, &json!(SUB.2)));
    assert_eq!(ask(&mut client, &session("login"), signed_sub(SUB.2)).await.0, 6401);
    assert_eq!(ask(&mut client, &thing("topo/add"), json!([signed_sub("wrong")])).await.0, 401);
    assert_eq!(ask(&mut client, &thing("topo/add"), json!({"x": 1})).await.0, 460);
    assert_eq!(ask(&mut client, &thing("topo/add"), json!([signed_sub(SUB.2)])).await.0, 200);
    assert_eq!(ask(&mut client, &thing("topo/get"), json!({})).await, (200, named.clone()));
    assert_eq!(ask(&mut client, &session("login"), signed_sub("wrong")).await.0, 6287);
    assert_eq!(ask(&mut client, &session("logout"), named[0].clone()).await.0, 520);

    let post = format!("/sys/{}/{}/thing/event/property/post", SUB.0, SUB.1);
    client.send(up(&post, b"{}", 1)).await;
    assert!(matches!(client.next().await, Some(Packet::PubAck(_))));
    assert_eq!(cloud.received().iter().filter(|message| message.topic == post).count(), 0, "not yet its own");
    let batch = json!({"signMethod": "hmacSha256", "deviceList": [signed_sub(SUB.2)]});
    assert_eq!(ask(&mut client, &session("batch_login"), batch).await.0, 200);
    assert_eq!(ask(&mut client, &post, json!({"kwh": 7})).await.0, 200);
    let arrived = cloud.received();
    assert_eq!(arrived.iter().filter(|m| m.from.device_name == SUB.1 && m.topic == post).count(), 1);

    assert!(cloud.kick(SUB.0, SUB.1).unwrap());
    let (at, told) = message(&mut client).await;
    assert_eq!((at, &told["code"], &told["data"]), (format!("/ext/error/{PK}/{DN}"), &json!(427), &named[0]));
    assert_eq!(ask(&mut client, &thing("topo/delete"), named).await.0, 200);
    assert_eq!(ask(&mut client, &thing("topo/get"), json!({})).await, (200, json!([])));
}

#[tokio::test]
async fn calls_on_topics_of_its_own_reach_a_device_that_asked_for_them_alone() {
    use airgate_sim::cloud::{Delivery, Qos};
    let cloud = cloud().await;
    for (flags, delivery) in
        [("", Delivery::NotSubscribed), (",ext=2", Delivery::NotSubscribed), (",ext=3", Delivery::Sent)]
    {
        let mut client = Client::open(&cloud).await;
        client.connect(signed(flags)).await;
        client.subscribe(&format!("/ext/rrpc/+{}", topic("get"))).await;
        let called = format!("/ext/rrpc/17{}", topic("get"));
        assert_eq!(cloud.publish(PK, DN, &called, "ping", Qos::AtMostOnce), Ok(delivery), "{flags}");
    }
}
