//! What is fuzzed: each function takes any bytes and must neither panic nor break what it asserts. Shared by the fuzz
//! targets and by the test that replays and mutates the corpus.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::indexing_slicing, reason = "a finding is a panic")]

use air780e::command::{
    Command, bearer, clock, general, http, location, mqtt, network, pdp, read, serial, sim, sms, ssl,
};
use air780e::command::{exchange, upgrade};
use air780e::engine::{Engine, Event};
use air780e::frame::{Frame, Framer, MAX_LINE, MAX_PAYLOAD};
use air780e::service::http::Headers;
use air780e::sms::Sms;
use air780e::time::Civil;
use air780e::urc::Urc;
use bytes::Bytes;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// One target.
pub type Target = fn(&[u8]);

/// All of them, by the name of their fuzz target.
pub const TARGETS: [(&str, Target); 5] =
    [("framer", framer), ("urc", urc), ("engine", engine), ("answers", answers), ("texts", texts)];

/// Any bytes in any pieces: the frames are the same as in one piece, and none is longer than its limit.
pub fn framer(data: &[u8]) {
    let Some((&control, bytes)) = data.split_first() else { return };
    let cut = |size: usize| {
        let mut framer = Framer::default();
        if control & 1 == 1 {
            framer.allow_prompt();
        }
        let mut frames = Vec::new();
        for piece in bytes.chunks(size.max(1)) {
            framer.push(piece);
            frames.extend(std::iter::from_fn(|| framer.next_frame()));
        }
        frames.extend(framer.give_up_block());
        frames
    };
    let whole = cut(bytes.len());
    assert!(whole.len() <= bytes.len() + 1);
    for frame in &whole {
        match frame {
            Frame::Line(line) => assert!(!line.is_empty() && line.len() <= MAX_LINE),
            Frame::Message(message) => assert!(message.payload.len() <= MAX_PAYLOAD),
            Frame::Block(_, bytes) => assert!(bytes.len() <= MAX_PAYLOAD),
            Frame::Text(_, body) => assert!(body.len() <= MAX_LINE),
            Frame::Prompt | Frame::Broken(_) => {}
        }
    }
    // A line that is too long is given up at another place in other pieces.
    if bytes.len() < MAX_LINE {
        assert_eq!(cut(usize::from(control >> 1)), whole);
    }
}

/// Any line.
pub fn urc(data: &[u8]) {
    for line in data.split(|&b| b == b'\n') {
        let line = Bytes::copy_from_slice(line.trim_ascii());
        if let Some(Urc::Nitz(time)) = Urc::parse(&line) {
            let _ = Civil::nitz(&time);
        }
    }
}

/// A script: what the host does and what the module says. Every command that was started ends exactly once, and what is
/// queued for the line stays small.
pub fn engine(script: &[u8]) {
    let mut now = Instant::now();
    let mut engine = Engine::new(115_200, now);
    let mut ends: HashMap<u64, u32> = HashMap::new();
    let mut script = script.iter().copied();
    let mut ticket = 0;
    engine.port_opened(now);
    while let Some(op) = script.next() {
        match op % 8 {
            0..=2 => {
                let len = usize::from(script.next().unwrap_or(0));
                let bytes: Vec<u8> = script.by_ref().take(len).collect();
                engine.receive(&bytes, now);
            }
            3 => {
                // The line is freed as a healthy module frees it, so that commands get their turn.
                engine.receive(b"\r\nOK\r\n", now);
                let answers = ["+CGMR: \"x\"", "861551056421746", "+CGMI: \"x\"", "+CGMM: \"x\""];
                for answer in answers {
                    engine.receive(format!("\r\n{answer}\r\n").as_bytes(), now);
                }
                engine.receive(b"\r\nOK\r\n", now);
            }
            4 | 5 => {
                let exchange = match script.next().unwrap_or(0) % 7 {
                    0 => exchange(&network::GetSignal),
                    1 => exchange(&general::Raw("AT+X")),
                    2 => exchange(&http::Read { start: 0, length: 10 }),
                    3 => exchange(&http::SetBody { body: Bytes::from_static(b"body") }),
                    4 => exchange(&mqtt::Subscribe { filter: "t", qos: 1 }),
                    5 => exchange(&pdp::GetLocalAddress),
                    _ => exchange(&mqtt::Connect { clean: 1, keep_alive: 60 }),
                }
                .unwrap();
                if engine.can_start(&exchange) {
                    ticket += 1;
                    ends.insert(ticket, 0);
                    engine.start(ticket, exchange, now);
                }
            }
            6 => {
                now += Duration::from_millis(100) * u32::from(script.next().unwrap_or(0));
                engine.tick(now);
            }
            _ if script.next().is_some_and(|byte| byte % 2 == 1) => {
                // The rate is changed when nobody answers, or at a module that has just agreed to it.
                if engine.is_lost() || engine.is_free() {
                    engine.retuned(9_600, now);
                }
            }
            _ => {
                engine.port_lost();
                engine.port_opened(now);
            }
        }
        settle(&mut engine, &mut ends);
    }
    for _ in 0..4 {
        now += Duration::from_secs(200);
        engine.tick(now);
        settle(&mut engine, &mut ends);
    }
    assert!(ends.values().all(|ended| *ended == 1), "{ends:?}");
}

fn settle(engine: &mut Engine, ends: &mut HashMap<u64, u32>) {
    assert!(engine.take_output().len() < 4096);
    while let Some(event) = engine.next_event() {
        if let Event::Done(ticket, _) = event {
            *ends.get_mut(&ticket).unwrap() += 1;
        }
    }
}

fn answer<C: Command>(command: &C, line: &[u8]) {
    let _ = read(command, line);
}

/// Any information, read by every command.
pub fn answers(line: &[u8]) {
    answer(&general::Firmware, line);
    answer(&general::SerialNumber, line);
    answer(&general::SimStatus, line);
    answer(&general::Raw(""), line);
    answer(&network::GetSignal, line);
    answer(&network::GetExtendedSignal, line);
    answer(&network::GetOperator, line);
    answer(&network::GetRegistration, line);
    answer(&network::GetPacketRegistration, line);
    answer(&network::GetCircuitRegistration, line);
    answer(&network::GetAttachment, line);
    answer(&pdp::GetContexts, line);
    answer(&pdp::GetAddress, line);
    answer(&pdp::GetLocalAddress, line);
    answer(&pdp::ShutDown, line);
    answer(&sim::GetImsi, line);
    answer(&sim::GetIccid, line);
    answer(&serial::GetRate, line);
    answer(&serial::GetFlow, line);
    answer(&serial::GetBootCause, line);
    answer(&bearer::GetBearer, line);
    answer(&clock::GetClock, line);
    answer(&http::Read { start: 0, length: 1 }, line);
    answer(&http::ReadHead, line);
    answer(&location::LocateByCells, line);
    answer(&upgrade::GetProgress, line);
    answer(&mqtt::GetSessionState, line);
    answer(&ssl::GetFileSize { name: "x" }, line);
    answer(&ssl::ReadText::new("x", 0, 1), line);
    answer(&sms::ListAll, line);
}

/// What others wrote: short messages and headers.
pub fn texts(data: &[u8]) {
    let (header, body) = data.split_at(data.len() / 2);
    let _ = Sms::from_pdu(data);
    let _ = Sms::from_cmt(header, body);
    let hex: String = data.iter().map(|octet| format!("{octet:02X}")).collect();
    let _ = Sms::from_pdu(hex.as_bytes());
    let _ = Headers::parse(data).content_length();
}
