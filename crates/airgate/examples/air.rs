//! Bytes on the air for each reading, with and without batches: what the data budget counts, through TLS and without.
//!
//! Readings are JSON of some 40 bytes, at QoS 1; a publication is as long as it may be by default. `scripts/bench air` prints this.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use airgate::batch::{Batches, Load, Policies};
use airgate::budget::Air;
use airgate::config::{Batch, BatchForm, Modem, Route};
use airgate::outbox::{BatchId, Message, Outgoing, Qos};
use std::time::Duration;

const READINGS: u64 = 960;
const TOPIC: &str = "/a1EndToEnd0/861551056421746/user/readings";
const FROM: &str = "#";

fn reading(number: u64) -> String {
    let (temperature, humidity) = (200 + number * 37 % 90, 400 + number * 53 % 200);
    let at = 1_795_000_000 + number * 10;
    format!("{{\"at\":{at},\"t\":{}.{},\"rh\":{humidity}}}", temperature / 10, temperature % 10)
}

/// Bytes in both directions for one reading.
fn cost(batch: Option<Batch>, tls: bool) -> f64 {
    let route = Route { from: FROM.into(), to: None, qos: None, priority: None, ttl: None, batch };
    let mut batches = Batches::new(Policies::new(&[route]), Modem::default().max_publish_bytes);
    let mut loads: Vec<Load> = Vec::new();
    for seq in 0..READINGS {
        let message = Message {
            topic: TOPIC.to_owned(),
            payload: reading(seq).into(),
            qos: Qos::AtLeastOnce,
            priority: 4,
            expires_unix_ms: None,
            uid: 1000,
            key: None,
            batch: batch.map(|batch| BatchId::new(FROM, &batch)),
        };
        loads.extend(batches.push(0, Outgoing { seq, message }));
    }
    loads.extend(std::iter::from_fn(|| batches.take_due(u64::MAX)));
    assert_eq!(loads.iter().map(|load| load.seqs.len() as u64).sum::<u64>(), READINGS, "each leaves once");
    let air = Air { tls };
    let bytes: u64 = loads.iter().map(|load| air.publish(load.topic.len(), load.payload.len(), 1).bytes()).sum();
    bytes as f64 / READINGS as f64
}

fn main() {
    let length = (0..READINGS).map(|n| reading(n).len()).sum::<usize>() as f64 / READINGS as f64;
    let topic = TOPIC.len();
    println!("air    readings of {length:.0} bytes, topic of {topic}, QoS 1: bytes on the air for each, both ways");
    let row = |name: &str, batch: Option<Batch>| {
        println!("air    {name:<26} through TLS {:6.1}, plain {:6.1}", cost(batch, true), cost(batch, false));
    };
    row("one by one", None);
    for max_messages in [8, 32, 48] {
        for (form, deflate) in [(BatchForm::JsonArray, false), (BatchForm::Lines, false), (BatchForm::JsonArray, true)]
        {
            let max_wait = Duration::from_secs(3_600);
            let batch = Batch { max_messages, max_bytes: usize::MAX, max_wait, form, deflate };
            let name = if form == BatchForm::Lines { "lines" } else { "JSON array" };
            let deflated = if deflate { ", deflated" } else { "" };
            row(&format!("{max_messages} as {name}{deflated}"), Some(batch));
        }
    }
}
