//! Each fault as a host sees it, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{self, Engine, NetEvent, Setup};
use airgate_sim::modem::faults::{Faulty, Mix, Output, script};
use bytes::BytesMut;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck};

const SECOND: Duration = Duration::from_secs(1);

struct Bench {
    module: Faulty,
    now: Duration,
    heard: Vec<u8>,
    plugs: Vec<(Duration, String)>,
    published: Vec<Vec<u8>>,
    inbound: BytesMut,
}

impl Bench {
    fn new(rules: &str) -> Self {
        let engine = Engine::new(Profile::v1161(), Setup::default());
        Self::with(Faulty::new(engine, script(rules).unwrap(), None, 1))
    }

    fn with(module: Faulty) -> Self {
        Self {
            module,
            now: Duration::ZERO,
            heard: Vec::new(),
            plugs: Vec::new(),
            published: Vec::new(),
            inbound: BytesMut::new(),
        }
    }

    /// A module with a session, and a fault from here on.
    fn online(rule: &str) -> Self {
        let mut bench = Self::new("");
        bench.run(10 * SECOND);
        for line in ["ATE0", "AT+MQTTMSGSET=0", "AT+MIPSTART=\"h\",1883", "AT+MCONNECT=1,60"] {
            bench.say(line);
        }
        assert!(bench.text().ends_with("CONNACK OK\r\n"), "{}", bench.text());
        bench.heard.clear();
        bench.module.add(rule.parse().unwrap());
        bench.run(Duration::ZERO);
        bench
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    fn send(&mut self, bytes: &[u8]) {
        self.module.receive(bytes, self.now);
        self.collect();
    }

    /// Sends a line and returns what comes within two seconds.
    fn say(&mut self, line: &str) -> String {
        self.say_within(line, 2 * SECOND)
    }

    fn say_within(&mut self, line: &str, time: Duration) -> String {
        let before = self.heard.len();
        self.send(format!("{line}\r").as_bytes());
        self.run(time);
        String::from_utf8_lossy(&self.heard[before..]).into_owned()
    }

    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        while let Some(at) = self.module.wake_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.module.advance(self.now);
            self.collect();
        }
        self.now = end;
        self.module.advance(end);
        self.collect();
    }

    fn collect(&mut self) {
        while let Some(output) = self.module.next_output() {
            match output {
                Output::Module(engine::Output::Host(bytes)) => self.heard.extend_from_slice(&bytes),
                Output::Module(engine::Output::Open { id, .. }) => self.module.network(NetEvent::Opened(id), self.now),
                Output::Module(engine::Output::Send { id, bytes }) => self.serve(id, &bytes),
                Output::Module(_) => {}
                other => self.plugs.push((self.now, format!("{other:?}"))),
            }
        }
    }

    fn serve(&mut self, id: u64, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        while let Ok(packet) = Packet::read(&mut self.inbound, usize::MAX) {
            let answer = match packet {
                Packet::Connect(_) => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
                Packet::PingReq => Packet::PingResp,
                Packet::Publish(publish) => {
                    self.published.push(publish.payload.to_vec());
                    if publish.qos != QoS::AtLeastOnce {
                        continue;
                    }
                    Packet::PubAck(PubAck::new(publish.pkid))
                }
                _ => continue,
            };
            let mut out = BytesMut::new();
            answer.write(&mut out, usize::MAX).unwrap();
            self.module.network(NetEvent::Received(id, out.freeze()), self.now);
        }
    }
}

#[test]
fn without_rules_nothing_is_changed() {
    let mut bench = Bench::new("");
    bench.run(10 * SECOND);
    assert!(bench.text().contains("\r\nRDY\r\n"), "{}", bench.text());
    assert_eq!(bench.say("AT+CSQ"), "AT+CSQ\r\r\n+CSQ: 25,0\r\n\r\nOK\r\n");
    assert_eq!(bench.module.fired_count(), 0);
}

#[test]
fn lost_flipped_and_inserted_bytes_reach_the_host() {
    let mut bench = Bench::online("on *: lose 3 to-host");
    assert_eq!(bench.say("AT"), "K\r\n", "three of CR LF O K CR LF are lost");
    let mut bench = Bench::online("on AT+CSQ: flip 20 to-host");
    assert!(!bench.say("AT+CSQ").contains("OK"));
    assert_eq!(bench.say("AT"), "\r\nOK\r\n");
    let mut bench = Bench::online("on *: insert 5 to-host");
    assert!(bench.say("AT").ends_with("\r\nOK\r\n") && bench.heard.len() == 11);
}

#[test]
fn damage_towards_the_module_makes_it_refuse_the_line() {
    let mut bench = Bench::online("now: lose 1 to-module");
    assert_eq!(bench.say("AT+CSQ"), "\r\nERROR\r\n");
    assert_eq!(bench.say("AT+CSQ"), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n");
}

#[test]
fn a_stalled_line_holds_both_directions_and_lets_them_go_at_once() {
    let mut bench = Bench::online("now: stall 5s");
    assert_eq!(bench.say_within("AT", 4 * SECOND), "");
    assert_eq!(bench.say_within("AT", 4 * SECOND), "\r\nOK\r\n\r\nOK\r\n");
}

#[test]
fn a_late_answer_comes_behind_its_time_out_in_front_of_the_next() {
    let mut bench = Bench::online("on AT+CSQ: late 12s");
    assert_eq!(bench.say_within("AT+CSQ", 10 * SECOND), "");
    assert_eq!(bench.say_within("AT", 10 * SECOND), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n\r\nOK\r\n");
}

#[test]
fn a_doubled_result_comes_twice() {
    let mut bench = Bench::online("on AT+CSQ: double");
    assert_eq!(bench.say("AT+CSQ"), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n\r\nOK\r\n");
}

#[test]
fn an_acknowledgement_that_never_comes_was_one_to_the_broker() {
    let mut bench = Bench::online("on AT+MPUB: swallow PUBACK");
    let heard = bench.say("AT+MPUB=\"t\",1,0,\"x\"");
    assert!(heard.contains("OK") && !heard.contains("PUBACK"), "{heard}");
    assert_eq!(bench.published, [b"x"]);
    assert!(bench.say("AT+MPUB=\"t\",1,0,\"y\"").contains("PUBACK"), "only once");
}

#[test]
fn without_its_prompt_the_module_waits_for_the_data_all_the_same() {
    let mut bench = Bench::online("on AT+MPUBEX: no-prompt");
    assert!(!bench.say("AT+MPUBEX=\"t\",1,0,3").contains('>'));
    bench.send(b"abc");
    bench.run(SECOND);
    assert_eq!(bench.published, [b"abc"]);
}

#[test]
fn a_line_of_its_own_comes_between_echo_and_answer() {
    let mut bench = Bench::new("on AT+CSQ: say +CMTI: \"SM\",1");
    bench.run(10 * SECOND);
    assert_eq!(bench.say("AT+CSQ"), "AT+CSQ\r\r\n+CMTI: \"SM\",1\r\n\r\n+CSQ: 25,0\r\n\r\nOK\r\n");
}

#[test]
fn a_broken_connection_is_told() {
    assert_eq!(Bench::online("now: close").text(), "\r\nCLOSED\r\n");
}

#[test]
fn out_of_coverage_everything_is_lost_and_comes_back_by_itself() {
    for rule in ["now: no-service 60s", "now: no-sim 60s"] {
        let mut bench = Bench::online(rule);
        bench.run(SECOND);
        assert!(bench.text().contains("+NO Service") && bench.text().contains("CLOSED"), "{}", bench.text());
        assert!(bench.say("AT+CGATT?").contains("+CGATT: 0"));
        assert!(bench.say("AT+CFUN=0").contains("OK") && bench.say("AT+CFUN=1").contains("OK"));
        bench.run(20 * SECOND);
        assert!(bench.say("AT+CGATT?").contains("+CGATT: 0"), "a fresh start of the radio finds no network either");
        bench.run(60 * SECOND);
        assert!(bench.say("AT+CGATT?").contains("+CGATT: 1"), "{rule}");
    }
}

#[test]
fn a_storm_of_errors_spares_only_the_bare_command() {
    let mut bench = Bench::online("now: refuse 100 10s");
    assert_eq!(bench.say("AT+CSQ"), "\r\n+CME ERROR: 100\r\n");
    assert_eq!(bench.say("AT"), "\r\nOK\r\n");
    bench.run(10 * SECOND);
    assert_eq!(bench.say("AT+CSQ"), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n");
}

#[test]
fn a_reboot_in_mid_command_leaves_the_command_without_answer() {
    let mut bench = Bench::online("on AT+MCONNECT: reboot");
    let heard = bench.say("AT+MCONNECT=1,60");
    assert!(heard.starts_with("^boot.rom") && heard.contains("RDY"), "{heard}");
    assert!(bench.say("AT*EXINFO?").contains("*EXINFO: 6"));
}

#[test]
fn a_reboot_in_the_data_phase_publishes_nothing() {
    let mut bench = Bench::online("in-data 10: reboot");
    bench.say("AT+MPUBEX=\"t\",1,0,20");
    bench.send(b"01234567890123456789");
    bench.run(10 * SECOND);
    assert!(bench.text().contains("RDY") && !bench.text().contains("ERROR"), "{}", bench.text());
    assert!(bench.published.is_empty());
}

#[test]
fn a_weak_supply_boots_again_and_again() {
    let mut bench = Bench::online("now: boot-loop 4");
    bench.run(10 * SECOND);
    assert_eq!(bench.text().matches("RDY").count(), 4);
    assert_eq!(bench.text().matches("^boot.rom").count(), 4);
    assert_eq!(bench.text().matches("+E_UTRAN Service").count(), 1, "{}", bench.text());
}

#[test]
fn a_hang_ends_with_what_it_is_said_to_end_with() {
    let mut bench = Bench::online("now: hang until reset");
    assert_eq!(bench.say_within("AT", 100 * SECOND), "");
    assert!(bench.module.is_deaf());
    bench.module.reset(bench.now);
    bench.run(10 * SECOND);
    assert!(bench.say("AT").contains("OK"));

    let mut bench = Bench::online("now: hang until power");
    bench.module.reset(bench.now);
    assert_eq!(bench.say_within("AT", 10 * SECOND), "", "the RESET key is of no use");
    bench.module.power(false, bench.now);
    bench.run(SECOND);
    bench.module.power(true, bench.now);
    bench.run(10 * SECOND);
    assert!(bench.say("AT").contains("OK"));

    let mut bench = Bench::online("now: hang 20s");
    assert_eq!(bench.say_within("AT", 19 * SECOND), "");
    bench.run(2 * SECOND);
    assert_eq!(bench.say("AT+MQTTSTATU"), "\r\n+MQTTSTATU :1\r\n\r\nOK\r\n", "as if nothing had been");
}

#[test]
fn a_port_vanishes_and_comes_back_under_the_path_that_is_asked_for() {
    let mut bench = Bench::online("now: vanish 3s as /dev/ttyUSB1");
    bench.run(10 * SECOND);
    let texts: Vec<_> = bench.plugs.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts, ["Unplug", "Plug(Some(\"/dev/ttyUSB1\"))"]);
    assert_eq!(bench.plugs[1].0 - bench.plugs[0].0, 3 * SECOND);
}

#[test]
fn rules_count_commands_bytes_and_lines_and_happen_as_often_as_they_say() {
    let mut bench =
        Bench::new("on AT+CSQ #2: say second\nbyte 4 to-module: say four bytes\nsays RDY: say hello times 2");
    bench.run(10 * SECOND);
    assert_eq!(bench.text().matches("hello").count(), 1, "one boot so far");
    bench.module.reset(bench.now);
    bench.run(10 * SECOND);
    bench.module.reset(bench.now);
    bench.run(10 * SECOND);
    assert_eq!(bench.text().matches("hello").count(), 2);
    assert!(bench.say("ATE0").contains("four bytes"));
    assert!(!bench.say("AT+CSQ").contains("second"));
    assert!(bench.say("at+csq").contains("second"));
    assert!(!bench.say("AT+CSQ").contains("second"));
    assert_eq!(bench.module.lines_heard(), 4);
}

#[test]
fn every_so_often_ends_when_it_is_told_to() {
    let mut bench = Bench::online("every 10s: say tick");
    bench.run(35 * SECOND);
    assert_eq!(bench.text().matches("tick").count(), 3);
    bench.module.calm();
    bench.run(60 * SECOND);
    assert_eq!(bench.text().matches("tick").count(), 3);
}

#[test]
fn the_same_seed_is_the_same_run_and_calm_ends_it() {
    let run = |seed| {
        let mix = Mix { every: 5 * SECOND, careful: false, hangs: false };
        let engine = Engine::new(Profile::nasty(), Setup::default());
        let mut bench = Bench::with(Faulty::new(engine, Vec::new(), Some(mix), seed));
        for _ in 0..120 {
            bench.say("AT+CSQ");
        }
        bench.module.calm();
        let fired = bench.module.fired_count();
        // The longest fault of the mix lasts three minutes.
        bench.run(300 * SECOND);
        assert_eq!(bench.module.fired_count(), fired);
        assert!(bench.say("AT").contains("OK"), "seed {seed} does not come to rest");
        (bench.heard, fired)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
    assert!(run(7).1 > 20);
}
