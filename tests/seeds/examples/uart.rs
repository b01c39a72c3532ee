//! Payload bytes per second over the serial line, beside the ceiling that the protocol exchange itself sets.
//!
//! Measured in simulated time, to the microsecond: the driver's engine and the simulated module's, both as they are, with
//! a line of the given rate between them (8N1, ten bits a byte) and a broker that answers at once. What the operating
//! system adds is not in these numbers. The ceiling of a message is its bytes in both directions, the module's
//! turn-around, and the longer of the bytes of `OK` and the round trip to the broker:
//!
//! * `MPUB`: line + turn-around + max(`OK`, round trip) + `PUBACK`
//! * `MPUBEX`: line + turn-around + prompt + payload + max(`OK`, round trip) + `PUBACK`
//!
//! The round trip and `PUBACK` count at QoS 1 alone. One message is in flight, because the module does not say which
//! message an acknowledgement is for.
//!
//! Where the exchange itself wastes the line, at small messages that wait for their acknowledgement, what helps is measured
//! at the end: ten readings in one message (a route's `batch`). Text of up to 512 bytes goes by `MPUB` because that spares
//! the prompt and one turn-around; the other way is measured beside it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "a benchmark may panic")]

use air780e::command::exchange;
use air780e::command::mqtt::{MAX_INLINE, PublishBytes, PublishText, acknowledgement};
use air780e::engine::{Engine as Driver, Event};
use air780e::exchange::Exchange;
use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Engine as Module, NetEvent, Output, Setup};
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{ConnAck, ConnectReturnCode, Packet, PubAck};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const MESSAGES: u32 = 40;
const TOPIC: &str = "/a1EndToEnd0/861551056421746/user/update";

#[derive(Clone, Copy)]
struct Cell {
    baud: u32,
    size: usize,
    qos: u8,
    turnaround: Duration,
    round_trip: Duration,
    /// The longest text that goes by `MPUB`.
    inline: usize,
}

impl Cell {
    fn line(self, bytes: usize) -> Duration {
        Duration::from_nanos(bytes as u64 * 10_000_000_000 / u64::from(self.baud))
    }

    fn message(self) -> Exchange {
        let text = "x".repeat(self.size);
        let mut message = if self.size <= self.inline {
            exchange(&PublishText { topic: TOPIC, qos: self.qos, retain: 0, text: &text })
        } else {
            exchange(&PublishBytes { topic: TOPIC, qos: self.qos, retain: 0, payload: Bytes::from(text) })
        }
        .unwrap();
        message.follow_up = acknowledgement(self.qos);
        message
    }

    fn ceiling(self) -> Duration {
        let message = self.message();
        let turnaround = self.turnaround + self.line(2);
        let data = message.data.as_ref().map_or(0, |data| data.len() + b"\r\n>".len());
        let (ok, puback) = (self.line(b"\r\nOK\r\n".len()), self.line(b"\r\nPUBACK\r\n".len()));
        let end = if self.qos == 0 { ok } else { ok.max(self.round_trip) + puback };
        self.line(message.line.len() + data) + turnaround + end
    }
}

enum Arrival {
    AtModule(Bytes),
    AtHost(Bytes),
}

/// Both ends of the line, and what is on it.
struct Bench {
    cell: Cell,
    driver: Driver,
    module: Module,
    started: Instant,
    now: Duration,
    on_the_line: BTreeMap<(Duration, u64), Arrival>,
    sent: u64,
    free: [Duration; 2],
    inbound: BytesMut,
}

impl Bench {
    fn new(cell: Cell) -> Self {
        let started = Instant::now();
        let setup = Setup { baud: cell.baud, turnaround: cell.turnaround, rtt: cell.round_trip, ..Setup::default() };
        let mut bench = Self {
            cell,
            driver: Driver::new(cell.baud, started),
            module: Module::new(Profile::v1161(), setup),
            started,
            now: Duration::ZERO,
            on_the_line: BTreeMap::new(),
            sent: 0,
            free: [Duration::ZERO; 2],
            inbound: BytesMut::new(),
        };
        for line in ["", "ATE0\r", "AT+MQTTMSGSET=0\r", "AT+MIPSTART=\"h\",1883\r", "AT+MCONNECT=1,600\r"] {
            bench.module.receive(line.as_bytes(), bench.now);
            bench.until(bench.now + Duration::from_secs(10));
        }
        bench.driver.port_opened(bench.time());
        while !bench.driver.is_free() {
            bench.step();
        }
        bench
    }

    fn time(&self) -> Instant {
        self.started + self.now
    }

    fn until(&mut self, end: Duration) {
        while self.next().is_some_and(|at| at <= end) {
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Duration> {
        let driver = self.driver.wake_at().map(|at| at - self.started);
        let line = self.on_the_line.first_key_value().map(|((at, _), _)| *at);
        [driver, line, self.module.wake_at()].into_iter().flatten().min()
    }

    /// Lets the next thing happen.
    fn step(&mut self) {
        self.collect();
        self.now = self.next().expect("something happens").max(self.now);
        self.driver.tick(self.time());
        self.module.advance(self.now);
        while let Some(entry) = self.on_the_line.first_entry().filter(|entry| entry.key().0 <= self.now) {
            match entry.remove() {
                Arrival::AtModule(bytes) => self.module.receive(&bytes, self.now),
                Arrival::AtHost(bytes) => self.driver.receive(&bytes, self.time()),
            }
        }
        self.collect();
    }

    fn collect(&mut self) {
        let bytes = self.driver.take_output();
        if !bytes.is_empty() {
            self.put(0, bytes.len(), Arrival::AtModule(bytes));
        }
        while let Some(output) = self.module.next_output() {
            match output {
                Output::Host(bytes) => self.put(1, bytes.len(), Arrival::AtHost(bytes)),
                Output::Open { id, .. } => self.module.network(NetEvent::Opened(id), self.now),
                Output::Send { id, bytes } => self.serve(id, &bytes),
                _ => {}
            }
        }
    }

    fn put(&mut self, direction: usize, bytes: usize, arrival: Arrival) {
        let free = self.free.get_mut(direction).unwrap();
        *free = (*free).max(self.now) + self.cell.line(bytes);
        self.sent += 1;
        self.on_the_line.insert((*free, self.sent), arrival);
    }

    fn serve(&mut self, id: u64, bytes: &[u8]) {
        self.inbound.extend_from_slice(bytes);
        while let Ok(packet) = Packet::read(&mut self.inbound, usize::MAX) {
            let answer = match packet {
                Packet::Connect(_) => Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false)),
                Packet::Publish(publish) if publish.pkid > 0 => Packet::PubAck(PubAck::new(publish.pkid)),
                Packet::PingReq => Packet::PingResp,
                _ => continue,
            };
            let mut out = BytesMut::new();
            answer.write(&mut out, usize::MAX).unwrap();
            self.module.network(NetEvent::Received(id, out.freeze()), self.now);
        }
    }

    /// The mean time of a message.
    fn run(mut self) -> Duration {
        while self.driver.next_event().is_some() {}
        let began = self.now;
        for ticket in 0..u64::from(MESSAGES) {
            self.driver.start(ticket, self.cell.message(), self.time());
            let done = Event::Done(ticket, Ok(Vec::new()));
            while self.driver.next_event().is_none_or(|event| event != done) {
                self.step();
            }
        }
        (self.now - began) / MESSAGES
    }
}

fn main() {
    println!("  baud  size QoS  turn  trip |  bytes/s  ceiling");
    let mut worst = 100.0_f64;
    for baud in [115_200, 921_600] {
        for size in [64, 256, 1024, 4000] {
            for qos in [0, 1] {
                for (turnaround, round_trip) in [1, 5, 20].iter().flat_map(|ta| [0, 50, 200].map(|rtt| (*ta, rtt))) {
                    if qos == 0 && round_trip > 0 {
                        continue;
                    }
                    let millis = Duration::from_millis;
                    let (turnaround, round_trip) = (millis(turnaround), millis(round_trip));
                    let cell = Cell { baud, size, qos, turnaround, round_trip, inline: MAX_INLINE };
                    let rate = |time: Duration| size as f64 / time.as_secs_f64();
                    let (measured, ceiling) = (rate(Bench::new(cell).run()), rate(cell.ceiling()));
                    let share = measured / ceiling * 100.0;
                    worst = worst.min(share);
                    println!(
                        "{baud:6} {size:5}   {qos} {:3} ms {:3} ms | {measured:8.0} {ceiling:8.0} {share:6.2} %",
                        turnaround.as_millis(),
                        round_trip.as_millis()
                    );
                }
            }
        }
    }
    println!("worst cell: {worst:.2} % of the ceiling");
    println!("64-byte readings at QoS 1, bytes/s:  by MPUB  by MPUBEX  ten in a message");
    for round_trip in [0, 50, 200] {
        let (turnaround, round_trip) = (Duration::from_millis(5), Duration::from_millis(round_trip));
        let one = Cell { baud: 115_200, size: 64, qos: 1, turnaround, round_trip, inline: MAX_INLINE };
        // A JSON array: two brackets, nine commas.
        let ten = Cell { size: 10 * one.size + 11, ..one };
        let rate = |cell: Cell, useful: usize| useful as f64 / Bench::new(cell).run().as_secs_f64();
        println!(
            "  turn-around 5 ms, round trip {:3} ms: {:8.0} {:10.0} {:17.0}",
            round_trip.as_millis(),
            rate(one, one.size),
            rate(Cell { inline: 0, ..one }, one.size),
            rate(ten, 10 * one.size)
        );
    }
}
