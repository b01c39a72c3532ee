//! Logs of real modules, replayed: the host's bytes in, the same answers out.
//!
//! Where a log says that its CR LF are written out, bytes are compared; elsewhere the sequence of lines that are not
//! empty. What a log leaves out (echo, `OK` lines) is left out of ours too. What cannot be the same is listed with its reason:
//! lines in `replay`, whole logs here.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../modem_support/mod.rs"]
mod modem_support;
mod replay;

use std::path::Path;
use std::time::Duration;

use airgate_sim::modem::engine::{Offer, Setup};
use airgate_sim::modem::{CacheForm, Nitz, Profile};
use modem_support::Bench;
use replay::{Case, Hook, lines, replay};
use rumqttc::mqttbytes::QoS;

/// Logs of commands known here that are no dialogue to replay, with the reason.
const NOT_REPLAYED: &[(&str, &str)] = &[
    ("03", "holds the module's side alone"),
    ("04", "its logger hides lines; what it shows of the boot is tested as the double RDY of the nasty profile"),
    ("21", "the payload is cut short"),
    ("22", "shows a host's own bug"),
    ("38", "the module has two SIM holders"),
    ("51", "the power modes of another flavour of the firmware"),
    ("57", "rebuilt notes that leave out how the sleeping module was woken"),
    ("58", "FTP is not simulated"),
];

fn case(number: &'static str) -> Case {
    Case {
        number,
        profile: Profile::v1161(),
        setup: Setup::default(),
        before: &[],
        boots: false,
        hides: &[],
        hides_boot: false,
        hooks: &[],
    }
}

/// A profile of the Air780EP as its single logs show it.
fn ep() -> Profile {
    Profile { deaf_after_rdy: Duration::ZERO, second_rdy: None, ..Profile::ep() }
}

#[test]
fn t01_reset_boot_and_identity() {
    replay(Case { setup: Setup { unix_time: 1_720_600_411, ..Setup::default() }, ..case("01") });
}

#[test]
fn t05_network_time_and_context() {
    let setup = Setup { unix_time: 1_723_167_295, address: "10.222.163.213".into(), ..Setup::default() };
    replay(Case {
        profile: Profile { cgev_reason: false, attach: Duration::from_secs(3), ..ep() },
        setup,
        boots: true,
        ..case("05")
    });
}

#[test]
fn t06_publish_acknowledgements() {
    replay(Case { profile: ep(), ..case("06") });
}

#[test]
fn t07_retained_and_multi_line_message() {
    let before = &["AT+MIPSTART=\"h\",1", "AT+MCONNECT=1,60"];
    replay(Case { profile: ep(), before, ..case("07") });
}

#[test]
fn t08_full_cycle() {
    replay(Case { profile: Profile::v1169(), ..case("08") });
}

#[test]
fn t09_uploaded_authority_and_mqtt_over_tls() {
    let setup = Setup { unix_time: 1_728_632_315 - 3, ..Setup::default() };
    replay(Case { profile: Profile::v1169(), setup, boots: true, ..case("09") });
}

#[test]
fn t10_uploaded_identity_and_mqtt_over_tls() {
    replay(Case { profile: Profile::v1169(), ..case("10") });
}

#[test]
fn t45_voltage_of_the_pins() {
    replay(case("45"));
}

#[test]
fn t11_recovery_after_closed() {
    replay(Case { profile: ep(), ..case("11") });
}

#[test]
fn t14_https_sign_in_then_mqtt() {
    replay(Case { profile: ep(), ..case("14") });
}

#[test]
fn t16_registration_by_https_post() {
    replay(Case { profile: ep(), ..case("16") });
}

#[test]
fn t23_context_and_https_of_a_sister_module() {
    let profile = Profile { version: "AirM2M_Air724UG_V409_LTE_AT".into(), ..Profile::v1161() };
    let setup = Setup { address: "100.86.47.178".into(), ..Setup::default() };
    replay(Case { profile, setup, ..case("23") });
}

#[test]
fn t27_http_get() {
    let setup = Setup { address: "10.159.1.145".into(), ..Setup::default() };
    replay(Case { profile: Profile::v1169(), setup, ..case("27") });
}

#[test]
fn t29_http_head_and_ranges() {
    replay(Case { profile: ep(), before: &["AT+SAPBR=1,1"], ..case("29") });
}

#[test]
fn t15_client_id_with_pipes() {
    replay(Case { profile: ep(), ..case("15") });
}

#[test]
fn t18_long_password() {
    replay(Case { profile: Profile::v1169(), ..case("18") });
}

#[test]
fn t25_kick_before_mconnect() {
    replay(Case { setup: Setup { csq: (29, 99), ..Setup::default() }, ..case("25") });
}

#[test]
fn t40_registration_and_signal() {
    replay(case("40"));
}

#[test]
fn t44_flow_control() {
    replay(case("44"));
}

#[test]
fn t43_data_of_a_tcp_connection() {
    replay(Case { hooks: &[(30, |bench| bench.tcp_receives(b"test"))], ..case("43") });
}

#[test]
fn t46_tcp_send_with_echo_and_timer() {
    let before = &["AT+CIPQSEND=1", "AT+CIPSTART=\"TCP\",\"h\",1"];
    replay(Case { profile: Profile::v1169(), before, ..case("46") });
}

#[test]
fn t48_transparent_tcp() {
    let hooks: &[Hook] = &[(25, |bench| bench.tcp_receives(b"12345678901234567890"))];
    replay(Case { profile: Profile::v1169(), hooks, ..case("48") });
}

#[test]
fn t49_tcp_send() {
    replay(Case { profile: ep(), ..case("49") });
}

#[test]
fn t52_reset_identity_and_tcp_in_transparent_mode() {
    let setup = Setup { csq: (22, 0), address: "10.191.209.135".into(), ..Setup::default() };
    let profile = Profile { cgev_reason: false, ..ep() };
    replay(Case { profile, setup, hides: &["+NITZ"], ..case("52") });
}

fn offer(bench: &mut Bench, version: &str) {
    bench.engine.offer_update(Some(Offer::Version(version.to_owned())));
}

#[test]
fn t31_update_from_the_cloud() {
    let profile = Profile { version: "AirM2M_780EP_V1006_LTE_AT".into(), ..ep() };
    let hooks: &[Hook] = &[
        (24, |bench| bench.engine.offer_update(Some(Offer::Building))),
        (32, |bench| offer(bench, "AirM2M_780EP_V1007_LTE_AT")),
    ];
    replay(Case { profile, hides_boot: true, hooks, ..case("31") });
}

#[test]
fn t32_update_from_an_own_server() {
    let profile = Profile { version: "AirM2M_780EP_V1006_LTE_AT".into(), ..ep() };
    let hooks: &[Hook] = &[(29, |bench| {
        let file = "dfota AirM2M_780EP_V1006_LTE_AT AirM2M_780EP_V1007_LTE_AT\n";
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{file}", file.len());
        bench.web.answers.push_back(vec![answer.into_bytes()]);
    })];
    replay(Case { profile, hides_boot: true, hooks, ..case("32") });
}

#[test]
fn t34_update_that_the_module_fetches_by_itself() {
    let profile = Profile { version: "AirM2M_780ET_V1015_LTE_AT_IPC".into(), upgradeind_crlf: true, ..ep() };
    let hooks: &[Hook] = &[(23, |bench| offer(bench, "AirM2M_780ET_V1016_LTE_AT_IPC"))];
    replay(Case { profile, hides_boot: true, hooks, ..case("34") });
}

#[test]
fn t35_update_with_the_boot_loaders_progress() {
    let profile =
        Profile { version: "AirM2M_780E_V1138_LTE_AT".into(), nitz: Nitz::FourDigitsZone, ..Profile::v1161() };
    let setup = Setup { unix_time: 1_724_395_970 - 231, ..Setup::default() };
    let hooks: &[Hook] = &[
        (13, |bench| bench.engine.offer_update(Some(Offer::Building))),
        (19, |bench| offer(bench, "AirM2M_780E_V1147_LTE_AT")),
    ];
    replay(Case { profile, setup, hooks, ..case("35") });
}

#[test]
fn t36_sim_pulled_out_and_put_back() {
    let profile = Profile { nitz: Nitz::EmptyDst, ..Profile::v1169() };
    let setup = Setup { unix_time: 1_724_740_598 - 28, ..Setup::default() };
    replay(Case { profile, setup, ..case("36") });
}

#[test]
fn t41_location() {
    let setup = Setup { unix_time: 1_724_123_518 - 16, address: "10.212.65.203".into(), ..Setup::default() };
    let hooks: &[Hook] = &[(38, |bench| {
        bench.say("AT+SAPBR=0,1");
        bench.engine.set_address("10.118.31.190");
        bench.engine.set_position(Some(("34.7989590".into(), "114.3210189".into())));
        bench.engine.set_network_time(1_724_123_656 - 31, bench.now);
        bench.run(Duration::ZERO);
        bench.heard.clear();
    })];
    replay(Case { profile: ep(), setup, hooks, ..case("41") });
}

#[test]
fn t55_storage_of_messages_and_what_does_not_exist() {
    let profile = Profile { version: "AirM2M_780EPV_V1011_LTE_AT".into(), ..ep() };
    replay(Case { profile, before: &["AT+CMGF=1"], hides: &["OK"], ..case("55") });
}

#[test]
fn every_log_here_is_replayed_or_has_a_reason() {
    let replayed = [
        "01", "05", "06", "07", "08", "11", "13", "14", "15", "16", "18", "23", "25", "27", "29", "40", "42", "44",
        "55", "31", "32", "34", "35", "36", "09", "10", "43", "45", "46", "48", "49", "52", "41",
    ];
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = replayed.contains(&&name[..2]) || NOT_REPLAYED.iter().any(|(number, _)| name.starts_with(number));
        assert!(known, "{name} is neither replayed nor listed");
    }
}

#[test]
fn t42_file_system() {
    let profile = Profile { file_space: 64_110, ..ep() };
    replay(Case { profile, ..case("42") });
}

#[test]
fn t13_cached_messages() {
    let profile = Profile { cache_form: CacheForm::Tight, nitz: Nitz::FourDigits, ..ep() };
    let before = &["ATE0", "AT+MIPSTART=\"h\",1", "AT+MCONNECT=1,60", "AT+MQTTMSGSET=1"];
    let mut bench = Bench::new(profile, Setup::default());
    bench.run(Duration::from_secs(10));
    for line in before {
        bench.say(line);
    }
    bench.heard.clear();
    // The log types blank lines at will; what is compared is its order of lines.
    bench.message("mqtt/sub_topic", b"123456", QoS::AtMostOnce, 0);
    assert_eq!(lines(&bench.heard), ["+MSUB: 0"]);
    assert_eq!(lines(bench.say("AT+MQTTMSGGET").as_bytes()), ["+MSUB:mqtt/sub_topic,6 byte,123456", "OK"]);
    bench.heard.clear();
    for _ in 0..2 {
        bench.message("mqtt/sub_topic", b"123456", QoS::AtMostOnce, 0);
    }
    assert_eq!(lines(&bench.heard), ["+MSUB: 0", "+MSUB: 1"]);
    let twice = ["+MSUB:mqtt/sub_topic,6 byte,123456", "+MSUB:mqtt/sub_topic,6 byte,123456", "OK"];
    assert_eq!(lines(bench.say("AT+MQTTMSGGET").as_bytes()), twice);
}
