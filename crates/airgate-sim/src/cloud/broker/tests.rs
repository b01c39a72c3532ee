//! The platform without I/O, under a clock of the test's own.

use super::*;
use crate::cloud::devices;
use crate::cloud::message::{Delivery, Message, Qos, RequestError};
use proptest::prelude::*;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{PubAck, Publish, Subscribe, SubscribeFilter, SubscribeReasonCode, Unsubscribe};

mod requests;

const SECOND: Duration = Duration::from_secs(1);
const UPDATE: &str = "/pk/dn/user/update";
const GET: &str = "/pk/dn/user/get";

/// A platform with one device, `pk/dn`, whose password is computed by the documentation's formula elsewhere:
/// HMAC-MD5 with the key `secret` over `clientIdcdeviceNamednproductKeypk`.
const PASSWORD: &str = "cc586b282481b26a30971ff60e19e104";

struct World {
    broker: Broker,
    now: Duration,
    conns: u64,
}

impl World {
    fn new(limits: bool) -> Self {
        let devices = devices::Devices::one("pk", "dn", "secret");
        World { broker: Broker::new(&devices, limits), now: Duration::from_secs(1_000_000), conns: 0 }
    }

    fn input(&mut self, conn: ConnId, input: Input) -> Vec<Output> {
        self.broker.handle(self.now, conn, input);
        let outputs = self.broker.take_outputs();
        outputs.into_iter().filter(|output| !matches!(output, Output::Tell(_))).collect()
    }

    fn packet(&mut self, conn: ConnId, packet: Packet) -> Vec<Output> {
        self.input(conn, Input::Packet(packet))
    }

    fn open(&mut self) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        assert_eq!(self.input(conn, Input::Opened { tls: false, host: None }), []);
        conn
    }

    fn connect_as(&mut self, change: impl FnOnce(&mut Connect)) -> (ConnId, Vec<Output>) {
        let conn = self.open();
        let mut connect = Connect::new("c|securemode=3|");
        connect.keep_alive = 60;
        connect.set_login("dn&pk", PASSWORD);
        change(&mut connect);
        (conn, self.packet(conn, Packet::Connect(connect)))
    }

    fn connect(&mut self, clean_session: bool) -> ConnId {
        let (conn, outputs) = self.connect_as(|connect| connect.clean_session = clean_session);
        assert!(
            outputs.iter().any(|output| matches!(output, Output::Send(c, Packet::ConnAck(ack))
            if *c == conn && ack.code == ConnectReturnCode::Success)),
            "{outputs:?}"
        );
        conn
    }

    fn subscribe(&mut self, conn: ConnId, filter: &str) {
        let outputs = self.packet(conn, Packet::Subscribe(Subscribe::new(filter, QoS::AtLeastOnce)));
        assert_eq!(outputs, [suback(conn, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)])]);
    }

    fn publish(&mut self, topic: &str, text: &str, qos: Qos) -> (Result<Delivery, RequestError>, Vec<Output>) {
        let message = Message { topic: topic.to_owned(), payload: text.to_owned().into(), qos };
        let result = self.broker.publish(self.now, &DeviceId::new("pk", "dn"), message);
        (result, self.broker.take_outputs())
    }

    fn arrived(&self) -> usize {
        self.broker.journal.received().count()
    }
}

fn refused(conn: ConnId, code: ConnectReturnCode) -> [Output; 2] {
    [Output::Send(conn, Packet::ConnAck(ConnAck::new(code, false))), Output::Close(conn)]
}

fn suback(conn: ConnId, codes: Vec<SubscribeReasonCode>) -> Output {
    Output::Send(conn, Packet::SubAck(rumqttc::mqttbytes::v4::SubAck::new(0, codes)))
}

fn up(topic: &str, qos: QoS, pkid: u16) -> Packet {
    let mut publish = Publish::new(topic, qos, "x");
    publish.pkid = pkid;
    Packet::Publish(publish)
}

fn puback(conn: ConnId, pkid: u16) -> Output {
    Output::Send(conn, Packet::PubAck(PubAck::new(pkid)))
}

/// The publishes among the outputs: packet identifier, DUP, payload.
fn publishes(outputs: &[Output]) -> Vec<(u16, bool, &str)> {
    let text = |publish: &'_ Publish| (publish.pkid, publish.dup);
    outputs
        .iter()
        .filter_map(|output| match output {
            Output::Send(_, Packet::Publish(p)) => {
                Some((text(p).0, text(p).1, std::str::from_utf8(&p.payload).unwrap()))
            }
            _ => None,
        })
        .collect()
}

// [cloud-1]
#[test]
fn later_connection_of_the_same_device_throws_out_the_first() {
    let mut world = World::new(true);
    let first = world.connect(true);
    let (second, outputs) = world.connect_as(|connect| connect.client_id = "c|other=name|".to_owned());
    let accepted = Output::Send(second, Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)));
    assert_eq!(outputs, [Output::Close(first), accepted]);
    assert_eq!(world.input(first, Input::Closed("late".to_owned())), []);
    assert_eq!(world.packet(second, Packet::PingReq), [Output::Send(second, Packet::PingResp)]);
}

// [cloud-2]
#[test]
fn keep_alive_out_of_range_is_refused_with_2_and_its_bounds_are_not() {
    let mut world = World::new(false);
    for seconds in [0, 29, 1201, u16::MAX] {
        let (conn, outputs) = world.connect_as(|connect| connect.keep_alive = seconds);
        assert_eq!(outputs, refused(conn, ConnectReturnCode::BadClientId), "{seconds}");
    }
    for seconds in [30, 1200] {
        let (conn, outputs) = world.connect_as(|connect| connect.keep_alive = seconds);
        assert!(!outputs.contains(&Output::Close(conn)), "{seconds}");
    }
}

// [cloud-6]
#[test]
fn silence_of_one_and_a_half_keep_alives_ends_the_connection_and_any_packet_starts_it_anew() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    world.now += 89 * SECOND;
    assert_eq!(world.input(conn, Input::Deadline), []);
    world.packet(conn, Packet::PingReq);
    world.now += 89 * SECOND;
    assert_eq!(world.input(conn, Input::Deadline), []);
    world.now += SECOND;
    assert_eq!(world.input(conn, Input::Deadline), [Output::Close(conn)]);
    assert_eq!(world.broker.deadline(conn), None);
}

#[test]
fn connection_that_never_sends_a_connect_is_closed() {
    let mut world = World::new(true);
    let conn = world.open();
    world.now = world.broker.deadline(conn).unwrap();
    assert_eq!(world.input(conn, Input::Deadline), [Output::Close(conn)]);
}

// [cloud-2]
#[test]
fn sixth_connect_within_a_minute_is_refused_with_3_unless_limits_are_off() {
    for (limits, lets_in) in [(true, false), (false, true)] {
        let mut world = World::new(limits);
        for _ in 0..5 {
            world.connect(true);
        }
        let (conn, outputs) = world.connect_as(|_| {});
        assert_eq!(outputs == refused(conn, ConnectReturnCode::ServiceUnavailable), !lets_in);
        world.now += 60 * SECOND;
        world.connect(true);
    }
}

// [cloud-2]
#[test]
fn unknown_device_and_wrong_secret_are_refused_with_4_and_a_malformed_client_id_with_2() {
    let mut world = World::new(true);
    for login in [("dn&other", PASSWORD), ("other&pk", PASSWORD), ("dn&pk", "00"), ("", ""), ("dn", PASSWORD)] {
        let (conn, outputs) = world.connect_as(|connect| {
            connect.set_login(login.0, login.1);
        });
        assert_eq!(outputs, refused(conn, ConnectReturnCode::BadUserNamePassword), "{login:?}");
    }
    for client_id in ["", "c", "|securemode=3|", "c|authType=register|"] {
        let (conn, outputs) = world.connect_as(|connect| connect.client_id = client_id.to_owned());
        assert_eq!(outputs, refused(conn, ConnectReturnCode::BadClientId), "{client_id}");
    }
}

#[test]
fn other_protocol_version_is_refused_with_1() {
    let mut world = World::new(true);
    let conn = world.open();
    let outputs = world.input(conn, Input::WrongVersion(5));
    assert_eq!(outputs, refused(conn, ConnectReturnCode::RefusedProtocolVersion));
    assert_eq!(world.input(conn, Input::WrongVersion(5)), []);
}

// [cloud-3]
#[test]
fn eleventh_qos_1_message_within_a_second_is_acknowledged_and_dropped() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    for pkid in 1..=11 {
        assert_eq!(world.packet(conn, up(UPDATE, QoS::AtLeastOnce, pkid)), [puback(conn, pkid)]);
    }
    assert_eq!(world.arrived(), 10);
    assert!(world.broker.journal.events().any(|event| matches!(event, Event::Dropped { .. })));
    world.now += SECOND;
    world.packet(conn, up(UPDATE, QoS::AtLeastOnce, 12));
    assert_eq!(world.arrived(), 11);
}

// [cloud-3]
#[test]
fn message_to_another_devices_topic_is_acknowledged_and_dropped() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    for (topic, pkid) in [("/pk/other/user/update", 1), ("/pk/dn/+", 2), (&"/pk/dn/x".repeat(17), 3)] {
        assert_eq!(world.packet(conn, up(topic, QoS::AtLeastOnce, pkid)), [puback(conn, pkid)]);
    }
    assert_eq!(world.arrived(), 0);
}

#[test]
fn filters_that_are_not_the_devices_own_and_the_ninth_get_0x80() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    let filter = |path: &str| SubscribeFilter::new(path.to_owned(), QoS::AtMostOnce);
    let mut filters = vec![filter("#"), filter("/pk/other/user/get"), filter(GET)];
    filters.extend((3..9).map(|number| filter(&format!("/pk/dn/user/{number}"))));
    let outputs = world.packet(conn, Packet::Subscribe(Subscribe::new_many(filters)));
    let mut codes = vec![SubscribeReasonCode::Success(QoS::AtMostOnce); 9];
    for refused in [0, 1, 8] {
        codes[refused] = SubscribeReasonCode::Failure;
    }
    assert_eq!(outputs, [suback(conn, codes)]);
}

// [cloud-4]
#[test]
fn qos_2_ends_the_connection_whether_published_or_subscribed() {
    let mut world = World::new(true);
    let packets = [
        up(UPDATE, QoS::ExactlyOnce, 1),
        Packet::Subscribe(Subscribe::new(GET, QoS::ExactlyOnce)),
        Packet::PubRel(rumqttc::mqttbytes::v4::PubRel::new(1)),
    ];
    for packet in packets {
        let conn = world.connect(true);
        assert_eq!(world.packet(conn, packet), [Output::Close(conn)]);
    }
    assert_eq!(world.arrived(), 0);
}

// [cloud-5]
#[test]
fn will_and_retain_flag_are_ignored() {
    let mut world = World::new(true);
    let (conn, _) = world.connect_as(|connect| {
        connect.clean_session = false;
        connect.last_will = Some(rumqttc::mqttbytes::v4::LastWill::new(GET, "will", QoS::AtLeastOnce, true));
    });
    let mut retained = Publish::new(UPDATE, QoS::AtMostOnce, "x");
    retained.retain = true;
    assert_eq!(world.packet(conn, Packet::Publish(retained)), []);
    world.subscribe(conn, UPDATE);
    assert_eq!(world.input(conn, Input::Closed("gone".to_owned())), [Output::Close(conn)]);
    assert_eq!(world.arrived(), 1);
    let (_, outputs) = world.connect_as(|connect| connect.clean_session = false);
    assert_eq!(publishes(&outputs), []);
}

#[test]
fn oversize_payload_and_second_connect_end_the_connection() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    let full = Publish::new(UPDATE, QoS::AtMostOnce, vec![0; 256 * 1024]);
    assert_eq!(world.packet(conn, Packet::Publish(full)), []);
    let over = Publish::new(UPDATE, QoS::AtMostOnce, vec![0; 256 * 1024 + 1]);
    assert_eq!(world.packet(conn, Packet::Publish(over)), [Output::Close(conn)]);
    assert_eq!(world.arrived(), 1);
    let conn = world.connect(true);
    assert_eq!(world.packet(conn, Packet::Connect(Connect::new("x"))), [Output::Close(conn)]);
}

#[test]
fn persistent_session_keeps_its_subscription_and_gets_its_queue_in_order() {
    let mut world = World::new(true);
    let first = world.connect(false);
    world.subscribe(first, GET);
    world.packet(first, Packet::Disconnect);
    assert_eq!(world.publish(GET, "1", Qos::AtLeastOnce).0, Ok(Delivery::Queued));
    assert_eq!(world.publish(GET, "lost", Qos::AtMostOnce).0, Ok(Delivery::Offline));
    assert_eq!(world.publish(GET, "2", Qos::AtLeastOnce).0, Ok(Delivery::Queued));
    let (second, outputs) = world.connect_as(|connect| connect.clean_session = false);
    assert_eq!(outputs[0], Output::Send(second, Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, true))));
    assert_eq!(publishes(&outputs), [(1, false, "1"), (2, false, "2")]);
}

#[test]
fn what_was_not_acknowledged_comes_again_with_dup_before_what_waited() {
    let mut world = World::new(true);
    let first = world.connect(false);
    world.subscribe(first, GET);
    for text in ["1", "2"] {
        assert_eq!(publishes(&world.publish(GET, text, Qos::AtLeastOnce).1).len(), 1);
    }
    world.packet(first, Packet::PubAck(PubAck::new(1)));
    world.input(first, Input::Closed("gone".to_owned()));
    world.publish(GET, "3", Qos::AtLeastOnce).0.unwrap();
    let (_, outputs) = world.connect_as(|connect| connect.clean_session = false);
    assert_eq!(publishes(&outputs), [(2, true, "2"), (3, false, "3")]);
}

#[test]
fn clean_session_forgets_subscriptions_and_queue() {
    let mut world = World::new(true);
    let first = world.connect(false);
    world.subscribe(first, GET);
    world.packet(first, Packet::Disconnect);
    world.publish(GET, "1", Qos::AtLeastOnce).0.unwrap();
    let (_, outputs) = world.connect_as(|connect| connect.clean_session = true);
    assert_eq!(publishes(&outputs), []);
    assert_eq!(world.publish(GET, "2", Qos::AtLeastOnce).0, Ok(Delivery::NotSubscribed));
    let (_, outputs) = world.connect_as(|connect| connect.clean_session = false);
    assert!(matches!(&outputs[1], Output::Send(_, Packet::ConnAck(ack)) if !ack.session_present), "{outputs:?}");
}

#[test]
fn system_topics_come_without_subscribe_only_with_ss_1() {
    let mut world = World::new(true);
    for (client_id, delivery) in [("c|_ss=1|", Delivery::Sent), ("c|_ss=0|", Delivery::NotSubscribed)] {
        world.connect_as(|connect| connect.client_id = client_id.to_owned());
        for topic in ["/ota/device/upgrade/pk/dn", "/sys/pk/dn/thing/service/property/set", "/ext/ntp/pk/dn/response"] {
            assert_eq!(world.publish(topic, "{}", Qos::AtLeastOnce).0, Ok(delivery), "{client_id} {topic}");
        }
        assert_eq!(world.publish(GET, "{}", Qos::AtLeastOnce).0, Ok(Delivery::NotSubscribed));
        assert_eq!(world.publish("/sys/pk/dn/rrpc/request/1", "{}", Qos::AtLeastOnce).0, Ok(Delivery::Sent));
    }
}

#[test]
fn unsubscribed_topic_is_delivered_no_more() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    world.subscribe(conn, GET);
    assert_eq!(world.publish(GET, "1", Qos::AtMostOnce).0, Ok(Delivery::Sent));
    world.packet(conn, Packet::Unsubscribe(Unsubscribe::new(GET)));
    assert_eq!(world.publish(GET, "2", Qos::AtMostOnce).0, Ok(Delivery::NotSubscribed));
}

#[test]
fn lost_puback_is_not_sent_and_the_message_counts_as_arrived() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    world.broker.faults.lose_pubacks(1);
    assert_eq!(world.packet(conn, up(UPDATE, QoS::AtLeastOnce, 1)), []);
    assert_eq!(world.packet(conn, up(UPDATE, QoS::AtLeastOnce, 1)), [puback(conn, 1)]);
    assert_eq!(world.arrived(), 2);
}

#[test]
fn outage_ends_connections_and_refuses_with_3_until_it_is_over() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    world.broker.set_outage(true);
    assert!(world.broker.take_outputs().contains(&Output::Close(conn)));
    let (conn, outputs) = world.connect_as(|_| {});
    assert_eq!(outputs, refused(conn, ConnectReturnCode::ServiceUnavailable));
    world.broker.set_outage(false);
    world.connect(true);
}

#[test]
fn refusals_put_in_are_used_up_one_by_one_and_only_by_the_device_they_are_for() {
    let mut world = World::new(true);
    world.broker.faults.refuse(Some(DeviceId::new("pk", "other")), 1, ConnectReturnCode::NotAuthorized);
    world.connect(true);
    world.broker.faults.refuse(Some(DeviceId::new("pk", "dn")), 1, ConnectReturnCode::NotAuthorized);
    let (conn, outputs) = world.connect_as(|_| {});
    assert_eq!(outputs, refused(conn, ConnectReturnCode::NotAuthorized));
    world.connect(true);
}

#[test]
fn publish_to_nobody_with_a_bad_topic_or_too_much_is_an_error() {
    let mut world = World::new(true);
    world.connect(true);
    assert!(matches!(world.publish("/a/+", "", Qos::AtMostOnce).0, Err(RequestError::BadTopic(_))));
    let large = "x".repeat(256 * 1024 + 1);
    assert_eq!(world.publish(GET, &large, Qos::AtMostOnce).0, Err(RequestError::PayloadTooLarge(256 * 1024 + 1)));
    for _ in 0..50 {
        world.publish(GET, "", Qos::AtMostOnce).0.unwrap();
    }
    assert!(matches!(world.publish(GET, "", Qos::AtMostOnce).0, Err(RequestError::TooFast(_))));
}

#[test]
fn clock_request_is_answered_to_who_subscribed_it() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    world.subscribe(conn, "/ext/ntp/pk/dn/response");
    let request = Publish::new("/ext/ntp/pk/dn/request", QoS::AtMostOnce, r#"{"deviceSendTime":"1"}"#);
    let outputs = world.packet(conn, Packet::Publish(request));
    let text = r#"{"deviceSendTime":"1","serverRecvTime":"1000000000","serverSendTime":"1000000000"}"#;
    assert_eq!(publishes(&outputs), [(0, false, text)]);
}

#[test]
fn reported_version_is_taken_down() {
    let mut world = World::new(true);
    let conn = world.connect(true);
    let inform =
        Publish::new("/ota/device/inform/pk/dn", QoS::AtMostOnce, r#"{"id":"1","params":{"version":"1.0.1"}}"#);
    world.packet(conn, Packet::Publish(inform));
    assert_eq!(world.broker.devices[&DeviceId::new("pk", "dn")].versions["default"], "1.0.1");
}

fn arbitrary_input() -> impl Strategy<Value = Input> {
    let topic = prop::sample::select(vec![UPDATE, GET, "/ext/ntp/pk/dn/request", "#", "", "/设/备"]);
    let qos = prop::sample::select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let connect = (any::<bool>(), any::<bool>(), any::<u16>()).prop_map(|(clean, right, keep_alive)| {
        let mut connect = Connect::new("c|_ss=1|");
        connect.clean_session = clean;
        connect.keep_alive = keep_alive % 1500;
        connect.set_login("dn&pk", if right { PASSWORD } else { "" });
        Packet::Connect(connect)
    });
    let packet = prop_oneof![
        3 => connect,
        3 => (topic.clone(), qos.clone(), 1u16..4).prop_map(|(topic, qos, pkid)| up(topic, qos, pkid)),
        2 => (topic, qos).prop_map(|(topic, qos)| Packet::Subscribe(Subscribe::new(topic, qos))),
        2 => (1u16..6).prop_map(|pkid| Packet::PubAck(PubAck::new(pkid))),
        1 => prop::sample::select(vec![Packet::PingReq, Packet::PingResp, Packet::Disconnect]),
    ];
    prop_oneof![
        3 => Just(Input::Opened { tls: true, host: None }),
        12 => packet.prop_map(Input::Packet),
        1 => Just(Input::Deadline),
        1 => Just(Input::Closed(String::new())),
        1 => Just(Input::Malformed(String::new())),
        1 => Just(Input::WrongVersion(5)),
    ]
}

proptest! {
    #[test]
    fn whatever_comes_the_device_is_online_exactly_with_its_one_signed_in_connection(
        steps in prop::collection::vec((0u64..40, 0u64..3, arbitrary_input()), 0..60)
    ) {
        let mut world = World::new(false);
        for (seconds, conn, input) in steps {
            world.now += Duration::from_secs(seconds);
            // The shell never opens a connection under the name of one that is open.
            if matches!(input, Input::Opened { .. }) && world.broker.connections.contains_key(&ConnId(conn)) {
                continue;
            }
            world.input(ConnId(conn), input);
            world.publish(GET, "x", Qos::AtLeastOnce).0.unwrap();
            let signed_in: Vec<ConnId> =
                world.broker.connections.iter().filter(|(_, c)| matches!(c.stage, Stage::SignedIn(_))).map(|(conn, _)| *conn).collect();
            let online: Vec<ConnId> = world.broker.devices.values().filter_map(|device| device.online).collect();
            prop_assert_eq!(signed_in, online);
        }
    }
}
