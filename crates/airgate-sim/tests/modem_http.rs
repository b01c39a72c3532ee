//! The module's HTTP: requests as written, answers as buffered, and every way to fail.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod modem_support;

use std::time::Duration;

use airgate_sim::modem::engine::Failure;
use airgate_sim::modem::{HttpOverflow, Profile};
use modem_support::Bench;

/// A module with echo off, bearer open and a session for this address.
fn session(profile: Profile, url: &str) -> Bench {
    let mut bench = Bench::ready(profile);
    for line in ["ATE0", "AT+SAPBR=1,1", "AT+HTTPINIT", &format!("AT+HTTPPARA=\"URL\",\"{url}\"")] {
        let answer = bench.say(line);
        assert!(answer.ends_with("OK\r\n"), "{line}: {answer}");
    }
    bench.heard.clear();
    bench
}

fn page(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn answer_is_read_whole_and_in_pieces() {
    let mut bench = session(Profile::v1161(), "http://web.example/hello.txt");
    bench.web.answers.push_back(vec![page("Hello LuatOS!!!")]);
    assert_eq!(bench.say("AT+HTTPACTION=0"), "\r\nOK\r\n\r\n+HTTPACTION: 0,200,15\r\n");
    assert_eq!(bench.say("AT+HTTPREAD"), "\r\n+HTTPREAD: 15\r\nHello LuatOS!!!\r\nOK\r\n");
    assert_eq!(bench.say("AT+HTTPREAD=6,4"), "\r\n+HTTPREAD: 4\r\nLuat\r\nOK\r\n");
    assert_eq!(bench.say("AT+HTTPREAD=15,4"), "\r\n+HTTPREAD: 0\r\n\r\nOK\r\n");
    assert_eq!(bench.say("AT+HTTPREAD=16,4"), "\r\n+CME ERROR: 53\r\n");
    assert!(bench.web.requests[0].starts_with("GET /hello.txt HTTP/1.1\r\nHost: web.example\r\n"));
    assert!(bench.web.requests[0].contains("\r\nUser-Agent: AM_MODULE\r\n"));
}

#[test]
fn post_carries_data_and_headers_of_the_host() {
    let mut bench = session(Profile::v1161(), "https://web.example/x");
    bench.say("AT+HTTPPARA=\"USER_DEFINED\",\"X-A: 1\"");
    bench.say("AT+HTTPPARA=\"USERDATA\",\"X-B: 2\\0D\\0AX-C: \\22q\\22\"");
    bench.say("AT+HTTPPARA=\"CONTENT\",\"application/json\"");
    bench.heard.clear();
    assert_eq!(bench.say("AT+HTTPDATA=6,5000"), "\r\nDOWNLOAD\r\n");
    bench.send(b"{\"a\r\n1\r\n");
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.take(), "\r\nDOWNLOAD\r\n\r\nOK\r\n");
    bench.web.answers.push_back(vec![page("")]);
    assert_eq!(bench.say("AT+HTTPACTION=1"), "\r\nOK\r\n\r\n+HTTPACTION: 1,200,0\r\n");
    let request = &bench.web.requests[0];
    for part in ["POST /x HTTP/1.1", "X-A: 1", "X-B: 2", "X-C: \"q\"", "Content-Type: application/json"] {
        assert!(request.contains(part), "{part}: {request}");
    }
    assert!(request.ends_with("Content-Length: 6\r\n\r\n{\"a\r\n1"), "{request}");
    assert_eq!(bench.opened, [("web.example".to_owned(), 443, true)]);
}

#[test]
fn data_that_stops_short_is_taken_when_its_time_is_over() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+HTTPDATA=100,5000");
    bench.send(b"abc");
    bench.run(Duration::from_secs(4));
    assert!(bench.take().ends_with("\r\nOK\r\n"));
    bench.web.answers.push_back(vec![page("")]);
    bench.say("AT+HTTPACTION=1");
    assert!(bench.web.requests[0].ends_with("\r\n\r\nabc"));
}

#[test]
fn range_is_asked_for_and_its_status_passed_on() {
    let mut bench = session(Profile::v1161(), "http://web.example/f");
    bench.say("AT+HTTPPARA=\"BREAK\",3072;+HTTPPARA=\"BREAKEND\",6143");
    let piece = "x".repeat(3072);
    let answer = format!("HTTP/1.1 206 Partial Content\r\nContent-Length: 3072\r\n\r\n{piece}");
    bench.web.answers.push_back(vec![answer.into_bytes()]);
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,206,3072\r\n"));
    assert!(bench.web.requests[0].contains("\r\nRange: bytes=3072-6143\r\n"));
}

#[test]
fn head_gives_length_0_and_its_headers_on_demand() {
    let mut bench = session(Profile::v1161(), "http://web.example/f");
    bench.web.answers.push_back(vec![b"HTTP/1.1 200 OK\r\nETag: W/\"1\"\r\nContent-Length: 119345\r\n\r\n".to_vec()]);
    assert!(bench.say("AT+HTTPACTION=2").ends_with("+HTTPACTION: 2,200,0\r\n"));
    assert_eq!(bench.say("AT+HTTPHEAD"), "\r\n+HTTPHEAD: 35\r\nETag: W/\"1\"\r\nContent-Length: 119345\r\nOK\r\n");
}

#[test]
fn answer_above_the_buffer_is_cut_with_or_without_a_word() {
    for (overflow, status) in [(HttpOverflow::NoMemory, 602), (HttpOverflow::Cut, 200)] {
        let mut bench = session(Profile { http_overflow: overflow, ..Profile::v1161() }, "http://web.example/f");
        bench.web.answers.push_back(vec![page(&"y".repeat(5000))]);
        assert!(bench.say("AT+HTTPACTION=0").ends_with(&format!("+HTTPACTION: 0,{status},4096\r\n")));
        assert_eq!(bench.say("AT+HTTPREAD").len(), "\r\n+HTTPREAD: 4096\r\n\r\nOK\r\n".len() + 4096);
    }
}

#[test]
fn each_failure_of_the_network_has_its_code() {
    let codes = [(Failure::Unreachable, 601), (Failure::Name, 603), (Failure::TlsSetup, 605), (Failure::TlsAlert, 606)];
    for (failure, code) in codes {
        let mut bench = session(Profile::v1161(), "https://web.example/f");
        bench.web.failure = Some(failure);
        assert_eq!(bench.say("AT+HTTPACTION=0"), format!("\r\nOK\r\n\r\n+HTTPACTION: 0,{code},0\r\n"));
    }
}

#[test]
fn missing_certificate_is_found_before_a_connection_is_made() {
    let mut bench = session(Profile::v1161(), "https://web.example/f");
    bench.say("AT+SSLCFG=\"seclevel\",153,1;+SSLCFG=\"cacert\",153,\"ca.crt\"");
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,605,0\r\n"));
    assert!(bench.opened.is_empty());
}

#[test]
fn request_without_bearer_or_with_a_bad_address_fails_in_the_form_of_the_profile() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+SAPBR=0,1");
    assert_eq!(bench.say("AT+HTTPACTION=0"), "\r\nOK\r\n\r\n+HTTPACTION: 0,601,0\r\n");
    let mut bench = session(Profile { http_error_first: true, ..Profile::v1161() }, "ftp://web.example/");
    assert_eq!(bench.say("AT+HTTPACTION=0"), "\r\n+CME ERROR: 3\r\n\r\n+HTTPACTION: 0,600,0\r\n");
}

#[test]
fn second_request_is_busy_and_the_first_goes_on() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+HTTPACTION=0");
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,604,0\r\n"));
    let id = bench.web.open[0];
    bench.engine.network(airgate_sim::modem::engine::NetEvent::Received(id, page("z").into()), bench.now);
    bench.run(Duration::from_secs(1));
    assert!(bench.text().ends_with("+HTTPACTION: 0,200,1\r\n"));
}

#[test]
fn silence_and_a_close_in_mid_answer_are_601() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+HTTPPARA=\"TIMEOUT\",30;+HTTPACTION=0");
    bench.run(Duration::from_secs(27));
    assert!(!bench.text().contains("601"));
    bench.run(Duration::from_secs(3));
    assert!(bench.text().ends_with("+HTTPACTION: 0,601,0\r\n"));
    bench.web.answers.push_back(vec![]);
    bench.heard.clear();
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,601,0\r\n"));
}

#[test]
fn bearer_lost_in_mid_request_is_told_before_the_failure() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+HTTPACTION=0");
    let said = bench.say("AT+CGATT=0");
    assert!(said.ends_with("+SAPBR 1: DEACT\r\n\r\n+HTTPACTION: 0,601,0\r\n"), "{said}");
}

#[test]
fn redirect_is_followed_only_when_asked() {
    let moved = || vec![b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n".to_vec()];
    let mut bench = session(Profile::v1161(), "http://web.example/a");
    bench.web.answers.push_back(moved());
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,302,0\r\n"));
    bench.web.answers.extend([moved(), vec![page("b")]]);
    bench.say("AT+HTTPPARA=\"REDIR\",1");
    assert!(bench.say("AT+HTTPACTION=0").ends_with("+HTTPACTION: 0,200,1\r\n"));
    assert!(bench.web.requests[2].starts_with("GET /b "));
}

#[test]
fn urc_may_come_for_every_piece_and_the_read_in_its_other_spellings() {
    let profile = Profile { http_action_repeats: true, http_tight: true, http_blank_line: true, ..Profile::v1161() };
    let mut bench = session(profile, "http://web.example/");
    let (first, rest) = {
        let all = page("abcdef");
        (all[..all.len() - 2].to_vec(), all[all.len() - 2..].to_vec())
    };
    bench.web.answers.push_back(vec![first, rest]);
    let said = bench.say("AT+HTTPACTION=0");
    assert_eq!(said, "\r\nOK\r\n\r\n+HTTPACTION: 0,200,4\r\n\r\n+HTTPACTION: 0,200,6\r\n");
    assert_eq!(bench.say("AT+HTTPREAD"), "\r\n+HTTPREAD:6\r\nabcdef\r\n\r\nOK\r\n");
}

#[test]
fn nothing_works_without_a_session_and_a_reset_ends_it() {
    let mut bench = Bench::ready(Profile::v1161());
    bench.say("ATE0");
    for line in ["AT+HTTPACTION=0", "AT+HTTPPARA=\"CID\",1", "AT+HTTPDATA=1,1000", "AT+HTTPREAD", "AT+HTTPTERM"] {
        assert_eq!(bench.say(line), "\r\n+CME ERROR: 3\r\n", "{line}");
    }
    let mut bench = session(Profile::v1161(), "http://web.example/");
    bench.say("AT+HTTPACTION=0");
    bench.engine.reset(bench.now);
    bench.run(Duration::from_secs(10));
    assert_eq!(bench.aborted.len(), 1);
    bench.say("ATE0");
    assert_eq!(bench.say("AT+HTTPREAD"), "\r\n+CME ERROR: 3\r\n");
}

#[test]
fn parameters_out_of_their_limits_are_refused_and_the_rest_is_listed() {
    let mut bench = session(Profile::v1161(), "http://web.example/");
    let long = format!("AT+HTTPPARA=\"URL\",\"http://a/{}\"", "x".repeat(500));
    for line in [&long, "AT+HTTPDATA=3357,1000", "AT+HTTPDATA=1,999", "AT+HTTPREAD=0,3357", "AT+HTTPPARA=\"NO\",1"] {
        assert_eq!(bench.say(line), "\r\n+CME ERROR: 793\r\n", "{line}");
    }
    assert_eq!(bench.say("AT+HTTPINIT"), "\r\n+CME ERROR: 3\r\n");
    assert!(bench.say("AT+HTTPPARA?").contains("\r\n+HTTPPARA: \"URL\",\"http://web.example/\"\r\n"));
}
