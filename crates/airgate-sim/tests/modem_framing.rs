//! The framing rules of the line, each as the host sees it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::Setup;
use modem_support::Bench;
use proptest::prelude::*;

fn ready() -> Bench {
    Bench::ready(Profile::v1161())
}

#[test]
fn echo_repeats_the_line_with_its_cr_and_lf_until_ate0() {
    let mut bench = ready();
    assert_eq!(bench.say("AT+CREG?"), "AT+CREG?\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n");
    assert_eq!(bench.say("ATE0"), "ATE0\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT"), "\r\nOK\r\n");
}

#[test]
fn line_ended_by_cr_alone_is_answered() {
    let mut bench = ready();
    bench.send(b"AT\r");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "AT\r\r\nOK\r\n");
}

#[test]
fn echo_comes_before_the_answer_is_ready() {
    let mut bench = Bench::new(Profile::v1161(), Setup { turnaround: Duration::from_millis(80), ..Setup::default() });
    bench.run(Duration::from_secs(5));
    bench.heard.clear();
    bench.send(b"AT\r\n");
    assert_eq!(bench.take(), "AT\r\n");
    bench.run(Duration::from_millis(79));
    assert_eq!(bench.take(), "");
    bench.run(Duration::from_millis(1));
    assert_eq!(bench.take(), "\r\nOK\r\n");
}

#[test]
fn several_commands_on_a_line_have_one_final_result() {
    let mut bench = ready();
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CFUN=1;+CIMI;+VER"), "\r\n460041234567890\r\n\r\nAirM2M_780E_V1161_LTE_AT\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CSQ;+NOSUCH;+CSQ"), "\r\n+CSQ: 25,0\r\n\r\nERROR\r\n");
}

#[test]
fn a_slash_repeats_the_last_line_without_cr() {
    let mut bench = ready();
    bench.say("ATE0");
    bench.say("AT+CSQ");
    bench.heard.clear();
    bench.send(b"A/");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n");
}

#[test]
fn line_without_at_and_unknown_command_are_errors_and_empty_lines_are_nothing() {
    let mut bench = ready();
    assert_eq!(bench.say("SHUT OK"), "SHUT OK\r\n\r\nERROR\r\n");
    assert_eq!(bench.say("AT+NOSUCH"), "AT+NOSUCH\r\n\r\nERROR\r\n");
    assert_eq!(bench.say("\r\n\r\n"), "");
}

#[test]
fn line_at_the_limit_is_taken_and_one_byte_more_is_an_error() {
    let profile = Profile { line_max: 40, ..Profile::v1161() };
    let mut bench = Bench::ready(profile);
    bench.say("ATE0");
    let line = |length: usize| format!("AT+MCONFIG={}", "c".repeat(length - 11));
    assert_eq!(bench.say(&line(40)), "\r\nOK\r\n");
    assert_eq!(bench.say(&line(41)), "\r\nERROR\r\n");
    assert_eq!(bench.say("AT"), "\r\nOK\r\n");
}

#[test]
fn commands_sent_without_waiting_are_answered_one_after_the_other() {
    let mut bench = ready();
    bench.say("ATE0");
    bench.heard.clear();
    bench.send(b"AT+CSQ\r\nAT+CGATT?\r\nAT\r\n");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\n+CSQ: 25,0\r\n\r\nOK\r\n\r\n+CGATT: 1\r\n\r\nOK\r\n\r\nOK\r\n");
}

#[test]
fn cme_errors_follow_cmee() {
    let mut bench = ready();
    bench.say("ATE0");
    assert_eq!(bench.say("AT+MIPCLOSE"), "\r\n+CME ERROR: 767\r\n");
    assert_eq!(bench.say("AT+CMEE=2;+MIPCLOSE"), "\r\n+CME ERROR: operation failed\r\n");
    assert_eq!(bench.say("AT+CMEE=0;+MIPCLOSE"), "\r\nERROR\r\n");
}

#[test]
fn boot_tells_banner_rdy_and_network_in_this_order() {
    let mut bench = Bench::new(Profile::v1161(), Setup::default());
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "^boot.rom'v\u{1}\u{2}'!\\n\r\nRDY\r\n");
    bench.run(Duration::from_secs(4));
    let network =
        "\r\n^MODE: 17,17\r\n\r\n+E_UTRAN Service\r\n\r\n+CGEV: ME PDN ACT 1\r\n\r\n+NITZ: 2024/10/10,07:53:42+0,0\r\n";
    assert_eq!(bench.take(), network);
}

#[test]
fn nasty_module_says_rdy_twice_and_loses_what_comes_behind_the_first() {
    let mut bench = Bench::new(Profile::nasty(), Setup::default());
    bench.run(Duration::from_millis(150));
    bench.send(b"ATE0\r\n");
    bench.run(Duration::from_millis(1500));
    assert_eq!(bench.text().matches("RDY").count(), 2);
    assert!(!bench.text().contains("OK"), "{}", bench.text());
    bench.heard.clear();
    assert!(bench.say("AT").starts_with("AT\r\n\r\nOK\r\n"));
}

#[test]
fn reset_loses_what_is_not_stored_and_keeps_what_is() {
    let mut bench = Bench::online(Profile::v1161());
    bench.say("AT+CREG=2;&W");
    bench.say("AT+CMEE=0;+FSCREATE=\"a\"");
    let id = bench.connection.unwrap();
    assert!(bench.say("AT+RESET").starts_with("\r\nOK\r\n^boot.rom"));
    bench.run(Duration::from_secs(5));
    assert_eq!(bench.aborted, [id]);
    assert!(bench.packets.is_empty(), "no DISCONNECT: {:?}", bench.packets);
    bench.heard.clear();
    assert_eq!(bench.say("AT+MQTTSTATU"), "\r\n+MQTTSTATU :0\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CMEE?;+FSFLSIZE=\"a\""), "\r\n+CMEE: 1\r\n\r\n+FSFLSIZE: 0\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+CREG?"), "\r\n+CREG: 2,1,\"4844\",\"0EA2D0CA\",7\r\n\r\nOK\r\n");
}

#[test]
fn new_line_rate_begins_behind_the_ok() {
    let setup = Setup { baud: 115_200, ..Setup::default() };
    let mut bench = Bench::new(Profile::v1161(), setup);
    bench.run(Duration::from_secs(5));
    bench.say("AT+IPR=9600");
    assert_eq!(bench.rates, [115_200, 9600]);
    assert!(bench.say("AT+IPR=1234").ends_with("\r\n+CME ERROR: 793\r\n"));
}

#[test]
fn module_without_sim_never_registers() {
    let mut bench = Bench::new(Profile::v1161(), Setup { sim: false, ..Setup::default() });
    bench.run(Duration::from_secs(30));
    assert!(!bench.take().contains("MODE"));
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CPIN?"), "\r\n+CME ERROR: 10\r\n");
    assert_eq!(bench.say("AT+CREG?"), "\r\n+CREG: 0,0\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+MIPSTART=\"h\",1"), "\r\n+CME ERROR: 767\r\n");
}

#[test]
fn flight_mode_and_back_tells_detach_and_the_network_again() {
    let mut bench = ready();
    bench.say("ATE0");
    assert_eq!(bench.say("AT+CFUN=4"), "\r\nOK\r\n\r\n+CGEV: ME DETACH\r\n");
    assert!(bench.say("AT+CFUN=1").starts_with("\r\nOK\r\n\r\n^MODE: 17,17\r\n"));
}

#[test]
fn file_write_prompts_takes_raw_bytes_unechoed_and_swallows_the_surplus_crlf() {
    let mut bench = ready();
    bench.say("AT+FSCREATE=\"f\"");
    assert_eq!(bench.say("AT+FSWRITE=\"f\",0,4,10"), "AT+FSWRITE=\"f\",0,4,10\r\n\r\n>");
    assert_eq!(bench.say("\rx\n\u{1a}"), "\r\nOK\r\n");
    assert_eq!(bench.say("AT+FSREAD=\"f\",0,4,0"), "AT+FSREAD=\"f\",0,4,0\r\n\r\n\rx\n\u{1a}\r\nOK\r\n");
}

#[test]
fn file_write_that_misses_bytes_ends_in_timeout() {
    let mut bench = ready();
    bench.say("AT+FSCREATE=\"f\"");
    bench.say("AT+FSWRITE=\"f\",0,4,10");
    bench.heard.clear();
    bench.send(b"ab");
    bench.run(Duration::from_secs(7));
    assert_eq!(bench.take(), "");
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.take(), "\r\nTimeOut\r\n");
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_answers(cuts in proptest::collection::vec(0_usize..160, 0..20)) {
        let script: &[u8] = b"ATE0&W+CREG=2;&W\r\nAT+CSQ\rA/AT+FSCREATE=\"f\"\r\nAT+FSWRITE=\"f\",0,6,9\r\n\rab\n\x1a!\r\nnonsense\r\nAT+MCONFIG=a,b,c\rAT+FSREAD=\"f\",0,6,0\r\n";
        let answers = |cuts: &[usize]| {
            let mut bench = ready();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| (*cut).min(script.len())).collect();
            cuts.extend([0, script.len()]);
            cuts.sort_unstable();
            for pair in cuts.windows(2) {
                bench.send(&script[pair[0]..pair[1]]);
            }
            bench.run(Duration::from_secs(3));
            bench.take()
        };
        prop_assert_eq!(answers(&cuts), answers(&[]));
    }

    #[test]
    fn no_input_panics_the_engine(
        chunks in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..60),
                "AT[+&*][A-Z]{1,8}[=?,\"0-9a-z;\\\\]{0,20}\r".prop_map(String::into_bytes),
                "AT\\+(MPUBEX|MPUB|FSWRITE|SSLCFG|MCONFIG|SAPBR|IPR)=[\"a0-9,;\\\\]{0,24}\r\n".prop_map(String::into_bytes),
            ],
            1..20,
        ),
        nasty in any::<bool>(),
    ) {
        let mut bench = Bench::online(if nasty { Profile::nasty() } else { Profile::v1161() });
        for chunk in chunks {
            bench.send(&chunk);
            bench.run(Duration::from_millis(700));
        }
        bench.run(Duration::from_secs(30));
    }
}
