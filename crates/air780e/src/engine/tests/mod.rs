//! The engine on a bench: what the module says goes in, what is sent and what is told comes out.

mod answers;
mod data;
mod line;
mod stages;

use super::*;
use crate::command::general::{NumericErrors, Raw};
use crate::command::http::{Read, SetBody};
use crate::command::mqtt::{Connect, OpenTcp, PublishBytes, PublishText, Subscribe, acknowledgement};
use crate::command::network::GetSignal;
use crate::command::{Command, exchange};
use crate::exchange::{Ends, Information};
use proptest::prelude::*;

struct Bench {
    engine: Engine,
    now: Instant,
}

const IMEI: &[u8] = b"\r\n861551056421746\r\n\r\nOK\r\n";

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut engine = Engine::new(115_200, now);
        engine.port_opened(now);
        Self { engine, now }
    }

    /// A bench whose module has answered the knock and the fence.
    fn synchronised() -> Self {
        let mut bench = Self::new();
        assert_eq!(bench.sent(), &b"AT\r"[..]);
        bench.gets(b"\r\nOK\r\n");
        assert_eq!(bench.sent(), &b"AT+CGSN\r"[..]);
        assert_eq!(bench.gets(IMEI), [Event::Synchronised]);
        bench
    }

    fn start<C: Command>(&mut self, ticket: u64, command: &C) {
        self.begin(ticket, exchange(command).unwrap());
    }

    fn publish(&mut self, ticket: u64, qos: u8) {
        let mut exchange = exchange(&PublishText { topic: "t", qos, retain: 0, text: "hello" }).unwrap();
        exchange.follow_up = acknowledgement(qos);
        self.begin(ticket, exchange);
    }

    fn begin(&mut self, ticket: u64, exchange: Exchange) {
        assert!(self.engine.can_start(&exchange));
        self.engine.start(ticket, exchange, self.now);
    }

    fn sent(&mut self) -> Bytes {
        self.engine.take_output()
    }

    fn gets(&mut self, bytes: &[u8]) -> Vec<Event> {
        self.engine.receive(bytes, self.now);
        self.events()
    }

    fn events(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.engine.next_event()).collect()
    }

    fn wait(&mut self, seconds: u64) -> Vec<Event> {
        self.now += Duration::from_secs(seconds);
        self.engine.tick(self.now);
        self.events()
    }
}

fn ok(ticket: u64) -> Event {
    Event::Done(ticket, Ok(Vec::new()))
}

fn said(ticket: u64, information: &str) -> Event {
    Event::Done(ticket, Ok(information.as_bytes().to_vec()))
}

fn failed(ticket: u64, failure: Failure) -> Event {
    Event::Done(ticket, Err(failure))
}
