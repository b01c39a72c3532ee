//! Logs of real modules, replayed: the host's bytes in, the same answers out.
//!
//! Where a log says that its CR LF are written out, bytes are compared; elsewhere the sequence of lines that are not
//! empty. What a log leaves out (echo, `OK` lines) is left out of ours too. [`DIFFERENCES`] lists what cannot be the same.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::path::Path;
use std::time::Duration;

use airgate_sim::modem::engine::{Offer, Setup};
use airgate_sim::modem::{CacheForm, Nitz, Profile};
use modem_support::Bench;
use rumqttc::mqttbytes::QoS;

/// File and line, with the reason for which that line is not compared.
const DIFFERENCES: &[(&str, usize, &str)] = &[
    ("40", 29, "put there by the author at a later time, says the log's note"),
    ("40", 30, "as line 29"),
    ("40", 31, "as line 29"),
    ("40", 32, "as line 29"),
    ("40", 47, "as line 29"),
    ("40", 48, "as line 29"),
    ("55", 13, "registered abroad, while AT+CREG? of the same log says at home: the simulated module roams nowhere"),
    ("55", 14, "as line 13"),
    ("44", 37, "typed by the host: the terminal of the log put it among the answers"),
    ("44", 38, "as line 37"),
    ("44", 39, "as line 37"),
];

/// Lines of log 55 with commands of the chip's maker, which the module's own manual does not have.
const CHIP_COMMANDS: std::ops::RangeInclusive<usize> = 25..=32;
const CHIP_COMMANDS_2: std::ops::RangeInclusive<usize> = 35..=40;

/// Logs of commands known here that are no dialogue to replay, with the reason.
const NOT_REPLAYED: &[(&str, &str)] = &[
    ("03", "holds the module's side alone"),
    ("04", "its logger hides lines; what it shows of the boot is tested as the double RDY of the nasty profile"),
    ("09", "the certificate in its data phase is cut short"),
    ("10", "as 09"),
    ("21", "the payload is cut short"),
    ("22", "shows a host's own bug"),
    ("38", "the module has two SIM holders"),
    ("43", "the TCP commands are not simulated"),
    ("46", "as 43"),
    ("48", "as 43"),
    ("49", "as 43"),
    ("52", "as 43"),
    ("45", "the voltage of the pins is not simulated"),
    ("51", "the power modes of another flavour of the firmware"),
    ("57", "sleep is not simulated"),
    ("58", "FTP is not simulated"),
];

#[derive(Debug, PartialEq)]
enum Entry {
    /// What the host says, with its line.
    Host(usize, Vec<u8>),
    /// What the module says until the host speaks again, with the line it began at.
    Module(usize, Vec<u8>),
}

struct Transcript {
    exact: bool,
    entries: Vec<Entry>,
}

fn unescape(text: &str) -> Vec<u8> {
    text.replace("\\r\\n", "\r\n").replace("{\\n", "{\n").replace("\"hello\"\\n", "\"hello\"\n").into_bytes()
}

fn load(number: &str, text: &str) -> Transcript {
    let exact = text.lines().any(|line| line.starts_with("# bytes: CRLF written out"));
    let mut entries: Vec<Entry> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let chips = |line: &usize| CHIP_COMMANDS.contains(line) || CHIP_COMMANDS_2.contains(line);
        let skipped = number == "55" && chips(&(index + 1))
            || DIFFERENCES.iter().any(|(file, at, _)| *file == number && *at == index + 1);
        let (side, rest) = line.split_at(line.len().min(2));
        match side {
            "> " if !skipped => {
                // Log 25 hides host and port behind placeholders.
                let rest = rest.replace("<domain>,<port>", "h,1883");
                let bytes = if exact { unescape(&rest) } else { format!("{rest}\r\n").into_bytes() };
                entries.push(Entry::Host(index + 1, bytes));
            }
            "< " | "<" if !skipped => {
                // The log does not show these bytes; any will do.
                let rest = &rest.replace("(3072 raw bytes)", &"x".repeat(3072));
                let bytes = if exact { unescape(rest) } else { format!("{rest}\r\n").into_bytes() };
                match entries.last_mut() {
                    Some(Entry::Module(_, said)) => said.extend(bytes),
                    _ => entries.push(Entry::Module(index + 1, bytes)),
                }
            }
            _ => {}
        }
    }
    Transcript { exact, entries }
}

/// The web's answers, made of what the log shows of them: status, length, and the block that is read later.
fn web_answers(entries: &[Entry]) -> Vec<Vec<u8>> {
    let said: Vec<String> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Module(_, said) => Some(String::from_utf8_lossy(said).into_owned()),
            Entry::Host(..) => None,
        })
        .collect();
    let block = |name: &str, after: usize| {
        let (_, rest) = said[after..].iter().find_map(|said| said.split_once(name)).unwrap_or_default();
        let (length, rest) = rest.split_once("\r\n").unwrap_or_default();
        let length = length.trim().parse().unwrap_or_default();
        rest.trim_start_matches("\r\n").get(..length).unwrap_or_default().to_owned()
    };
    let mut answers = Vec::new();
    for (index, text) in said.iter().enumerate() {
        let Some((_, rest)) = text.split_once("+HTTPACTION: ") else { continue };
        let fields: Vec<&str> = rest.lines().next().unwrap().split(',').collect();
        let (head, body) = if fields[0] == "2" {
            (block("+HTTPHEAD:", index), String::new())
        } else {
            let body = block("+HTTPREAD:", index);
            (format!("Content-Length: {}", body.len()), body)
        };
        answers.push(format!("HTTP/1.1 {} X\r\n{head}\r\n\r\n{body}", fields[1]).into_bytes());
    }
    answers
}

fn lines(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes).replace("'v\u{1}\u{2}'!\\n", "'v'!\\n\r\n");
    // The steps of an installation are irregular, and logs leave them out.
    let step = |line: &&str| line.starts_with("+QIND: \"FOTA\",\"UPDATING\",") || line.starts_with("(... mono");
    text.split("\r\n").filter(|line| !line.is_empty() && !step(line)).map(str::to_owned).collect()
}

/// Message and topic of a `+MSUB` line that the log shows in direct mode.
fn messages(said: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8(said.to_vec()).unwrap();
    text.split("+MSUB: \"")
        .skip(1)
        .map(|rest| {
            let (topic, rest) = rest.split_once("\",").unwrap();
            let (length, rest) = rest.split_once(" byte,").unwrap();
            (topic.to_owned(), rest.as_bytes()[..length.parse().unwrap()].to_vec())
        })
        .collect()
}

/// Something the world does before the host says the line with this number.
type Hook = (usize, fn(&mut Bench));

struct Case {
    number: &'static str,
    profile: Profile,
    setup: Setup,
    /// Lines that the host has sent before the log begins.
    before: &'static [&'static str],
    /// The log begins before the module is registered.
    boots: bool,
    /// The log leaves final results out.
    hides_ok: bool,
    /// The log was taken over USB, which is away while the module starts.
    hides_boot: bool,
    /// What the world does before the host says the line with this number.
    hooks: &'static [Hook],
}

fn replay(case: Case) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let path = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.file_name().unwrap().to_string_lossy().starts_with(&format!("{}-", case.number)))
        .unwrap();
    let transcript = load(case.number, &std::fs::read_to_string(path).unwrap());
    let mut bench = Bench::new(case.profile, case.setup);
    bench.web.answers.extend(web_answers(&transcript.entries).into_iter().map(|answer| vec![answer]));
    if !case.boots {
        bench.run(Duration::from_secs(10));
    }
    for line in case.before {
        bench.say(line);
    }
    if case.boots {
        bench.run(Duration::from_millis(1700));
    }
    bench.heard.clear();
    let mut sent: Vec<String> = Vec::new();
    for entry in &transcript.entries {
        match entry {
            Entry::Host(line, bytes) => {
                for (_, hook) in case.hooks.iter().filter(|(at, _)| at == line) {
                    hook(&mut bench);
                }
                sent.push(String::from_utf8_lossy(bytes).trim_end().to_owned());
                bench.send(bytes);
                bench.run(Duration::from_secs(2));
            }
            Entry::Module(line, said) => {
                let at = format!("transcript {} line {line}", case.number);
                let shows = |text: &str| String::from_utf8_lossy(said).contains(text);
                if shows("SIM REMOVED") {
                    bench.engine.set_sim(false, bench.now);
                    bench.run(Duration::from_secs(11));
                    bench.engine.set_sim(true, bench.now);
                    bench.run(Duration::from_secs(6));
                } else if shows("UPGRADEIND") {
                    bench.run(Duration::from_secs(150));
                } else if shows("+WIFILOC") {
                    bench.run(Duration::from_secs(25));
                } else if shows("boot.rom") || shows("^MODE") {
                    bench.run(Duration::from_secs(6));
                }
                if bench.connection.is_some() && lines(&bench.heard).iter().all(|line| !line.starts_with("+MSUB")) {
                    for (topic, payload) in messages(said) {
                        bench.message(&topic, &payload, QoS::AtMostOnce, 0);
                    }
                    if lines(said).iter().any(|line| line == "CLOSED") {
                        bench.broker_closes();
                    }
                }
                let mut heard = std::mem::take(&mut bench.heard);
                if let Some(at) = heard.windows(9).position(|text| text == b"^boot.rom").filter(|_| case.hides_boot) {
                    heard.truncate(at);
                }
                if transcript.exact {
                    assert_eq!(String::from_utf8_lossy(&heard), String::from_utf8_lossy(said), "{at}");
                } else {
                    let expected = lines(said);
                    let hidden = |line: &String| sent.contains(line) || case.hides_ok && line == "OK";
                    let shown = |line: &String| expected.contains(line) || !hidden(line);
                    let heard: Vec<String> = lines(&heard).into_iter().filter(shown).collect();
                    assert_eq!(heard, expected, "{at}");
                }
            }
        }
    }
}

fn case(number: &'static str) -> Case {
    Case {
        number,
        profile: Profile::v1161(),
        setup: Setup::default(),
        before: &[],
        boots: false,
        hides_ok: false,
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
    replay(Case { profile, before: &["AT+CMGF=1"], hides_ok: true, ..case("55") });
}

#[test]
fn every_log_here_is_replayed_or_has_a_reason() {
    let replayed = [
        "01", "05", "06", "07", "08", "11", "13", "14", "15", "16", "18", "23", "25", "27", "29", "40", "42", "44",
        "55", "31", "32", "34", "35", "36", "41",
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
