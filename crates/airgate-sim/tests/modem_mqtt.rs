//! The rules of MQTT on the module, against a broker made of the codec.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::{CacheForm, Oversize, Profile};
use modem_support::Bench;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnectReturnCode, Packet, PubRel, SubscribeReasonCode};

const OK: &str = "\r\nOK\r\n";
const FAILED: &str = "\r\n+CME ERROR: 767\r\n";

fn quiet(profile: Profile) -> Bench {
    let mut bench = Bench::ready(profile);
    bench.say("ATE0");
    bench.heard.clear();
    bench
}

fn online() -> Bench {
    Bench::online(Profile::v1161())
}

#[test]
fn connection_and_session_are_two_steps_with_a_state_between() {
    let mut bench = quiet(Profile::v1161());
    let statu = |state: u8| format!("\r\n+MQTTSTATU :{state}\r\n{OK}");
    assert_eq!(bench.say("AT+MQTTSTATU"), statu(0));
    assert_eq!(bench.say("AT+MIPSTART=\"broker.example\",\"1884\""), format!("{OK}\r\nCONNECT OK\r\n"));
    assert_eq!(bench.opened, [("broker.example".to_owned(), 1884, false)]);
    assert!(bench.packets.is_empty());
    assert_eq!(bench.say("AT+MQTTSTATU"), statu(2));
    assert_eq!(bench.say("AT+MCONNECT=1,60"), format!("{OK}\r\nCONNACK OK\r\n"));
    assert_eq!(bench.say("AT+MQTTSTATU"), statu(1));
}

#[test]
fn connect_packet_carries_what_mconfig_said() {
    let mut bench = quiet(Profile::v1161());
    bench.say("AT+MCONFIG=\"id|a=1,b=2|\",\"u&k\",\"p\\5Cw\",1,1,\"will/t\",\"gone\"");
    bench.say("AT+MIPSTART=h,1883");
    bench.say("AT+MCONNECT=0,300");
    let Some(Packet::Connect(connect)) = bench.packets.first() else { panic!("{:?}", bench.packets) };
    assert_eq!((connect.client_id.as_str(), connect.keep_alive, connect.clean_session), ("id|a=1,b=2|", 300, false));
    let login = connect.login.clone().unwrap();
    assert_eq!((login.username.as_str(), login.password.as_str()), ("u&k", "p\\w"));
    let will = connect.last_will.clone().unwrap();
    assert_eq!(
        (will.topic.as_str(), &will.message[..], will.qos, will.retain),
        ("will/t", &b"gone"[..], QoS::AtLeastOnce, true)
    );
}

#[test]
fn mconfig_refuses_what_is_longer_than_its_limits() {
    let mut bench = quiet(Profile::v1161());
    assert_eq!(bench.say(&format!("AT+MCONFIG=\"{}\"", "c".repeat(256))), OK);
    assert_eq!(bench.say(&format!("AT+MCONFIG=\"{}\"", "c".repeat(257))), "\r\n+CME ERROR: 793\r\n");
    assert_eq!(
        bench.say(&format!("AT+MCONFIG=\"c\",\"u\",\"p\",0,0,\"t\",\"{}\"", "w".repeat(1361))),
        "\r\n+CME ERROR: 793\r\n"
    );
}

#[test]
fn commands_without_session_and_a_second_mconnect_fail_with_767() {
    let mut bench = quiet(Profile::v1161());
    for line in [
        "AT+MCONNECT=1,60",
        "AT+MPUB=\"t\",0,0,\"x\"",
        "AT+MSUB=\"t\",0",
        "AT+MUNSUB=\"t\"",
        "AT+MDISCONNECT",
        "AT+MIPCLOSE",
        "AT+MPUBEX=\"t\",0,0,3",
    ] {
        assert_eq!(bench.say(line), FAILED, "{line}");
    }
    assert_eq!(online().say("AT+MCONNECT=1,60"), FAILED);
}

#[test]
fn connection_refused_is_told_in_the_way_of_the_profile() {
    for (profile, told) in [
        (Profile::v1161(), "\r\nOK\r\n\r\nSTATE: TCP CLOSED\r\n\r\nCONNECT FAIL\r\n"),
        (Profile { connect_result_first: true, ..Profile::v1161() }, "\r\n+CME ERROR: 3\r\n"),
    ] {
        let mut bench = quiet(profile);
        bench.broker.listens = false;
        assert_eq!(bench.say("AT+MIPSTART=\"h\",1"), told);
        assert_eq!(bench.say("AT+MIPCLOSE"), FAILED);
    }
}

#[test]
fn mipstart_on_an_open_connection_says_already_connect() {
    let mut bench = online();
    assert_eq!(bench.say("AT+MIPSTART=\"h\",1"), format!("{OK}\r\nALREADY CONNECT\r\n"));
    assert_eq!(bench.opened.len(), 1);
}

#[test]
fn broker_that_refuses_the_session_gives_error_after_ok() {
    let mut bench = quiet(Profile::v1161());
    bench.broker.connack = ConnectReturnCode::BadUserNamePassword;
    bench.say("AT+MIPSTART=\"h\",1");
    assert_eq!(bench.say("AT+MCONNECT=1,60"), format!("{OK}\r\nERROR\r\n"));
    bench.broker_closes();
    assert!(bench.text().ends_with("\r\nERROR\r\n\r\nCLOSED\r\n"));
}

#[test]
fn publish_prints_the_acknowledgements_of_its_quality() {
    let mut bench = online();
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"a\\22\\0D\""), OK);
    assert_eq!(bench.say("AT+MPUB=\"t\",1,1,\"b\""), format!("{OK}\r\nPUBACK\r\n"));
    assert_eq!(bench.say("AT+MPUB=\"t\",2,0,\"c\""), format!("{OK}\r\nPUBREC\r\n\r\nPUBCOMP\r\n"));
    let sent: Vec<_> = bench
        .packets
        .iter()
        .filter_map(|p| if let Packet::Publish(p) = p { Some((p.payload.to_vec(), p.retain)) } else { None })
        .collect();
    assert_eq!(sent, [(b"a\"\r".to_vec(), false), (b"b".to_vec(), true), (b"c".to_vec(), false)]);
}

#[test]
fn acknowledgement_that_nobody_waits_for_is_not_printed() {
    let mut bench = online();
    bench.broker_sends(&Packet::PubAck(rumqttc::mqttbytes::v4::PubAck::new(77)));
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "");
}

#[test]
fn unquoted_message_is_an_error_and_the_ceiling_holds() {
    let mut bench = Bench::online(Profile { publish_max: 10, ..Profile::v1161() });
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,bare"), "\r\nERROR\r\n");
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"0123456789\""), OK);
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"01234567890\""), "\r\n+CME ERROR: 793\r\n");
    assert_eq!(bench.say("AT+MPUBEX=\"t\",0,0,11"), "\r\n+CME ERROR: 793\r\n");
}

#[test]
fn mpubex_takes_counted_raw_bytes_and_the_line_end_behind_is_swallowed() {
    let mut bench = online();
    assert_eq!(bench.say("AT+MPUBEX=\"t\",1,0,6"), "\r\n>");
    assert_eq!(bench.say("\r\n\u{1a}\"\\x"), format!("{OK}\r\nPUBACK\r\n"));
    let Some(Packet::Publish(publish)) = bench.packets.last() else { panic!("{:?}", bench.packets) };
    assert_eq!(&publish.payload[..], b"\r\n\x1a\"\\x");
    assert_eq!(bench.say("AT"), OK);
}

#[test]
fn mpubex_after_a_bare_cr_eats_a_leading_lf_of_the_data() {
    let mut bench = online();
    bench.send(b"AT+MPUBEX=\"t\",0,0,2\r");
    bench.run(Duration::from_secs(1));
    bench.send(b"\nab");
    bench.run(Duration::from_secs(1));
    let Some(Packet::Publish(publish)) = bench.packets.last() else { panic!("{:?}", bench.packets) };
    assert_eq!(&publish.payload[..], b"ab");
}

#[test]
fn open_mpubex_ends_at_ctrl_z_or_after_five_seconds_of_silence() {
    let mut bench = online();
    bench.say("AT+MPUBEX=\"t\",0,0");
    bench.send(b"one\x1a");
    bench.run(Duration::from_secs(1));
    bench.say("AT+MPUBEX=\"t\",0,0");
    bench.send(b"tw");
    bench.run(Duration::from_secs(4));
    bench.send(b"o");
    bench.run(Duration::from_millis(4900));
    bench.heard.clear();
    bench.run(Duration::from_millis(200));
    assert_eq!(bench.take(), OK);
    let sent: Vec<_> = bench
        .packets
        .iter()
        .filter_map(|p| if let Packet::Publish(p) = p { Some(p.payload.to_vec()) } else { None })
        .collect();
    assert_eq!(sent, [b"one".to_vec(), b"two".to_vec()]);
}

#[test]
fn counted_mpubex_that_misses_bytes_waits_for_ever_or_errs_after_the_gap() {
    for (profile, told) in [(Profile::v1161(), ""), (Profile::v1169(), "\r\nERROR\r\n")] {
        let mut bench = Bench::online(profile);
        bench.say("AT+MPUBEX=\"t\",0,0,9");
        bench.heard.clear();
        bench.send(b"short");
        bench.run(Duration::from_secs(60));
        assert_eq!(bench.take(), told);
    }
}

#[test]
fn data_sent_in_one_go_with_mpubex_is_lost_where_the_firmware_cannot() {
    for (one_shot, told) in [(true, "\r\n>\r\nOK\r\n"), (false, "\r\n>")] {
        let mut bench = Bench::online(Profile { one_shot_data: one_shot, ..Profile::v1161() });
        assert_eq!(bench.say("AT+MPUBEX=\"t\",0,0,3\r\nabc"), told);
    }
}

#[test]
fn urc_waits_for_the_end_of_the_data_phase_unless_the_profile_lets_it_in() {
    for (lets_in, told) in
        [(true, "\r\n+MSUB: \"t\",1 byte,x\r\n\r\nOK\r\n"), (false, "\r\nOK\r\n\r\n+MSUB: \"t\",1 byte,x\r\n")]
    {
        let mut bench = Bench::online(Profile { urcs_in_data_phase: lets_in, ..Profile::v1161() });
        bench.say("AT+MPUBEX=\"u\",0,0,3");
        bench.heard.clear();
        bench.message("t", b"x", QoS::AtMostOnce, 0);
        bench.send(b"abc");
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.take(), told);
    }
}

#[test]
fn four_thousand_bytes_that_look_like_answers_reach_the_broker_at_any_chunking() {
    let seed = b"\r\nOK\r\n\r\nERROR\r\n> +MSUB: \"x\",3 byte,abc\r\n\"quotes\" \\22 \x00\xff,\x1a+++AT\r\n";
    let payload: Vec<u8> = seed.iter().copied().cycle().take(4000).collect();
    for chunk in [1, 2, 3, 7, 64, 999, 4000] {
        let mut bench = online();
        assert_eq!(bench.say("AT+MPUBEX=\"t\",1,0,4000"), "\r\n>");
        bench.heard.clear();
        for piece in payload.chunks(chunk) {
            bench.send(piece);
            bench.run(Duration::from_millis(1));
        }
        bench.run(Duration::from_secs(1));
        assert_eq!(bench.take(), format!("{OK}\r\nPUBACK\r\n"), "in pieces of {chunk}");
        let Some(Packet::Publish(publish)) = bench.packets.last() else { panic!("{:?}", bench.packets) };
        assert_eq!(publish.payload[..], payload, "in pieces of {chunk}");
    }
}

#[test]
fn received_payload_is_raw_behind_its_length() {
    let mut bench = online();
    bench.message("a/b", b"{\"k\":\r\n\0\xff}", QoS::AtLeastOnce, 5);
    assert_eq!(bench.heard, b"\r\n+MSUB: \"a/b\",10 byte,{\"k\":\r\n\0\xff}\r\n");
    assert!(matches!(bench.packets.last(), Some(Packet::PubAck(ack)) if ack.pkid == 5));
}

#[test]
fn qos2_message_that_comes_twice_is_shown_once_until_released() {
    let mut bench = online();
    bench.message("t", b"x", QoS::ExactlyOnce, 9);
    bench.message("t", b"x", QoS::ExactlyOnce, 9);
    bench.broker_sends(&Packet::PubRel(PubRel::new(9)));
    assert_eq!(bench.take().matches("+MSUB").count(), 1);
    assert!(matches!(bench.packets.last(), Some(Packet::PubComp(_))));
    bench.message("t", b"x", QoS::ExactlyOnce, 9);
    assert_eq!(bench.take().matches("+MSUB").count(), 1);
}

#[test]
fn hex_mode_prints_upper_case_digits_with_the_raw_length_and_takes_digits() {
    let mut bench = online();
    bench.say("AT+MQTTMODE=1");
    bench.heard.clear();
    bench.message("t", b"{\"cmd\": \"123\"}", QoS::AtMostOnce, 0);
    assert_eq!(bench.take(), "\r\n+MSUB: \"t\",14 byte,7B22636D64223A2022313233227D\r\n");
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"31323a\""), OK);
    assert!(matches!(bench.packets.last(), Some(Packet::Publish(p)) if &p.payload[..] == b"12:"));
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"313\""), "\r\nERROR\r\n");
}

#[test]
fn cache_keeps_four_and_the_newest_overwrites_the_oldest() {
    let mut bench = online();
    bench.say("AT+MQTTMSGSET=1");
    bench.heard.clear();
    for payload in ["m0", "m1", "m2", "m3", "m4"] {
        bench.message("t", payload.as_bytes(), QoS::AtMostOnce, 0);
    }
    assert_eq!(bench.take(), "\r\n+MSUB: 0\r\n\r\n+MSUB: 1\r\n\r\n+MSUB: 2\r\n\r\n+MSUB: 3\r\n\r\n+MSUB: 0\r\n");
    let read = bench.say("AT+MQTTMSGGET");
    let messages: String = ["m1", "m2", "m3", "m4"].map(|m| format!("\r\n+MSUB: t,2 byte,{m}\r\n")).concat();
    assert_eq!(read, format!("{messages}{OK}"));
    assert_eq!(bench.say("AT+MQTTMSGGET"), OK);
    assert!(bench.say("AT+MQTTMSGGET?").starts_with("\r\n+MQTTMSGGET: 0,INVALID\r\n+MQTTMSGGET: 1,INVALID\r\n"));
    assert_eq!(bench.say("AT+MQTTMSGSET?"), format!("\r\n+MQTTMSGSET:1\r\n{OK}"));
}

#[test]
fn cached_message_is_spelled_as_the_profile_says() {
    for (form, text) in [(CacheForm::Tight, "+MSUB:t,1 byte,x"), (CacheForm::Quoted, "+MSUB: \"t\",1 byte,x")] {
        let mut bench = Bench::online(Profile { cache_form: form, ..Profile::v1161() });
        bench.say("AT+MQTTMSGSET=1");
        bench.message("t", b"x", QoS::AtMostOnce, 0);
        assert_eq!(bench.say("AT+MQTTMSGGET"), format!("\r\n{text}\r\n{OK}"));
    }
}

#[test]
fn payload_above_the_ceiling_is_acknowledged_and_dropped_or_cut() {
    for (oversize, told) in [(Oversize::Drop, ""), (Oversize::Truncate, "\r\n+MSUB: \"t\",4 byte,0123\r\n")] {
        let mut bench = Bench::online(Profile { receive_max: 4, oversize, ..Profile::v1161() });
        bench.message("t", b"01234", QoS::AtLeastOnce, 3);
        assert_eq!(bench.take(), told);
        assert!(matches!(bench.packets.last(), Some(Packet::PubAck(_))));
    }
}

#[test]
fn subscription_is_confirmed_and_a_refusal_is_told_as_the_profile_says() {
    let mut bench = online();
    assert_eq!(bench.say("AT+MSUB=\"a/#\",1"), format!("{OK}\r\nSUBACK\r\n"));
    assert_eq!(bench.say("AT+MUNSUB=\"a/#\""), format!("{OK}\r\nUNSUBACK\r\n"));
    let mut bench = Bench::online(Profile::v1169());
    bench.broker.suback = SubscribeReasonCode::Failure;
    assert_eq!(bench.say("AT+MSUB=\"a/#\",1"), format!("{OK}\r\nERROR\r\n"));
}

#[test]
fn loss_of_the_connection_is_told_by_closed_and_mipclose_then_fails() {
    let mut bench = online();
    bench.broker_closes();
    assert_eq!(bench.take(), "\r\nCLOSED\r\n");
    assert_eq!(bench.say("AT+MIPCLOSE"), FAILED);
    let mut bench = online();
    bench.engine.close_session(bench.now);
    bench.run(Duration::ZERO);
    assert_eq!((bench.take().as_str(), bench.aborted.len()), ("\r\nCLOSED\r\n", 1));
}

#[test]
fn orderly_farewell_sends_disconnect_and_prints_no_closed() {
    let mut bench = online();
    assert_eq!(bench.say("AT+MDISCONNECT"), OK);
    assert!(matches!(bench.packets.last(), Some(Packet::Disconnect)));
    bench.broker_closes();
    assert_eq!(bench.say("AT+MIPCLOSE"), OK);
    assert_eq!(bench.say("AT+MIPCLOSE"), FAILED);
}

#[test]
fn silence_is_broken_by_a_ping_and_a_broker_that_does_not_answer_is_given_up() {
    let mut bench = online();
    bench.run(Duration::from_secs(59));
    assert!(matches!(bench.packets.last(), Some(Packet::PingReq)), "{:?}", bench.packets);
    bench.broker.answers = false;
    bench.run(Duration::from_secs(100));
    assert_eq!(bench.take(), "\r\nCLOSED\r\n");
    assert_eq!(bench.aborted.len(), 1);
}

#[test]
fn garbage_from_the_broker_closes_the_connection() {
    let mut bench = online();
    let id = bench.connection.unwrap();
    bench
        .engine
        .network(airgate_sim::modem::engine::NetEvent::Received(id, bytes::Bytes::from_static(&[0, 0, 0])), bench.now);
    bench.run(Duration::ZERO);
    assert_eq!(bench.take(), "\r\nCLOSED\r\n");
}

#[test]
fn event_of_an_older_connection_does_nothing() {
    let mut bench = online();
    let old = bench.connection.unwrap();
    bench.say("AT+MIPCLOSE");
    bench.say("AT+MIPSTART=\"h\",1");
    bench.heard.clear();
    bench.engine.network(airgate_sim::modem::engine::NetEvent::Closed(old), bench.now);
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "");
}

#[test]
fn flight_mode_kills_the_session() {
    let mut bench = online();
    assert_eq!(bench.say("AT+CFUN=4"), format!("{OK}\r\n+CGEV: ME DETACH\r\n\r\nCLOSED\r\n"));
    assert_eq!(bench.say("AT+MPUB=\"t\",0,0,\"x\""), FAILED);
}

#[test]
fn tls_verification_without_an_authority_file_is_refused_at_once() {
    let mut bench = quiet(Profile::v1161());
    assert_eq!(bench.say("AT+SSLCFG=\"seclevel\",88,1"), OK);
    assert_eq!(bench.say("AT+SSLCFG=\"seclevel\",88"), format!("\r\n+SSLCFG:\"seclevel\",88,1\r\n{OK}"));
    assert_eq!(bench.say("AT+SSLMIPSTART=\"h\",8883"), "\r\n+CME ERROR: 62\r\n");
    assert_eq!(bench.say("AT+SSLCFG=\"seclevel\",88,"), OK);
    assert_eq!(bench.say("AT+SSLMIPSTART=\"h\",8883"), format!("{OK}\r\nCONNECT OK\r\n"));
    assert_eq!(bench.opened, [("h".to_owned(), 8883, true)]);
    assert_eq!(bench.say("AT+SSLCFG=\"nosuch\",88,1"), "\r\n+CME ERROR: 793\r\n");
}

#[test]
fn nasty_module_lets_a_urc_in_between_information_and_ok() {
    let mut bench = Bench::online(Profile::nasty());
    bench.message("t", b"x", QoS::AtMostOnce, 0);
    assert_eq!(bench.say("AT+CSQ"), "\r\n+CSQ: 25,0\r\n\r\n+MSUB: \"t\",1 byte,x\r\n\r\nOK\r\n");
}

#[test]
fn round_trip_time_delays_each_answer_of_the_network() {
    let setup = airgate_sim::modem::engine::Setup { rtt: Duration::from_millis(800), ..Default::default() };
    let mut bench = Bench::new(Profile { connect: Duration::ZERO, ..Profile::v1161() }, setup);
    bench.run(Duration::from_secs(10));
    bench.say("ATE0");
    bench.heard.clear();
    bench.send(b"AT+MIPSTART=\"h\",1\r\n");
    bench.run(Duration::from_millis(800));
    assert_eq!(bench.take(), OK);
    bench.run(Duration::from_millis(1));
    assert_eq!(bench.take(), "\r\nCONNECT OK\r\n");
}

#[test]
fn broker_that_never_answers_connect_is_given_up() {
    let mut bench = quiet(Profile::v1161());
    bench.broker.answers = false;
    bench.say("AT+MIPSTART=\"h\",1");
    bench.say("AT+MCONNECT=1,60");
    bench.heard.clear();
    bench.run(Duration::from_secs(61));
    assert_eq!(bench.take(), "\r\nERROR\r\n\r\nCLOSED\r\n");
    assert_eq!(bench.aborted.len(), 1);
}

#[test]
fn same_seed_tears_the_output_at_the_same_places() {
    let pieces = |seed: u64| {
        let setup = airgate_sim::modem::engine::Setup { seed, ..Default::default() };
        let mut bench = Bench::new(Profile::nasty(), setup);
        let mut lengths = Vec::new();
        for _ in 0..600 {
            let before = bench.heard.len();
            bench.run(Duration::from_millis(10));
            lengths.push(bench.heard.len() - before);
        }
        lengths
    };
    assert_eq!(pieces(7), pieces(7));
    assert_ne!(pieces(7), pieces(8));
}
