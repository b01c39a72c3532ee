//! Registration under the test's clock, and requests of the platform to a device.

use super::*;

#[test]
fn registered_connection_ends_after_15_s_whatever_the_device_sends_and_stays_until_then() {
    let mut world = World::new(true);
    let product = world.broker.products.get_mut("pk").unwrap();
    (product.product_secret, product.dynamic_registration) = (Some("ps".into()), true);
    let conn = ConnId(1);
    world.input(conn, Input::Opened { tls: true, host: None });
    let mut connect = Connect::new("c|securemode=2,authType=register,random=7,signmethod=hmacmd5|");
    // HMAC-MD5 with the key `ps` over `deviceNamedn` `productKeypk` `random7`, computed elsewhere.
    connect.set_login("dn&pk", "772cbe9a263b3286d1b0981e82a0c553");
    assert_eq!(world.packet(conn, Packet::Connect(connect)).len(), 2, "CONNACK and the credentials");
    world.now += 14 * SECOND;
    assert_eq!(world.packet(conn, Packet::PingReq), [Output::Send(conn, Packet::PingResp)]);
    assert_eq!(world.packet(conn, up(UPDATE, QoS::AtLeastOnce, 1)), [], "it is not signed in");
    assert_eq!(world.input(conn, Input::Deadline), []);
    world.now += SECOND;
    assert_eq!(world.input(conn, Input::Deadline), [Output::Close(conn)]);
}

#[test]
fn property_set_is_a_compact_request_on_the_topic_of_the_service() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    let topic = "/sys/pk/dn/thing/service/property/set";
    world.subscribe(conn, topic);
    let id = DeviceId::new("pk", "dn");
    let sent = world.broker.request(world.now, &id, "property/set", &serde_json::json!({"t": 1}));
    assert_eq!(sent, Ok((1, Delivery::Sent)));
    let outputs = world.broker.take_outputs();
    let [Output::Send(_, Packet::Publish(publish))] = outputs.as_slice() else { panic!("{outputs:?}") };
    let text = r#"{"id":"1","method":"thing.service.property.set","params":{"t":1},"version":"1.0"}"#;
    assert_eq!((publish.topic.as_str(), &publish.payload[..]), (topic, text.as_bytes()));
}
