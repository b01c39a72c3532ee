//! The fuzz targets of the doors without a fuzzer: every documented example, packets of every kind, and seeded mutations of
//! both. What a fuzzer found before is replayed here for ever: put its file into `tests/found/`.
//!
//! `WRITE_CORPUS=DIR cargo test -p airgate --test fuzz_smoke` writes the seeds for the real fuzzer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod fuzzed;

use fuzzed::TARGETS;
use std::path::Path;

/// Mutations of each seed for each target.
const ROUNDS: usize = 250;

/// The examples of the documentation.
fn lines() -> Vec<Vec<u8>> {
    let text = include_str!("../../../docs/socket-protocol.md");
    let examples = text.lines().filter_map(|line| line.strip_prefix("> ").or_else(|| line.strip_prefix("< ")));
    examples.map(|line| [line.as_bytes(), b"\n"].concat()).collect()
}

/// A packet of every kind that a client says, and a session of them.
fn packets() -> Vec<Vec<u8>> {
    let mut packets: Vec<Vec<u8>> = vec![
        b"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01c".to_vec(),
        b"\x10\x1d\x00\x04MQTT\x04\xee\x00\x00\x00\x01c\x00\x01w\x00\x02by\x00\x04user\x00\x02pw".to_vec(),
        b"\x30\x0c\x00\x07local/ahey".to_vec(),
        b"\x3b\x0b\x00\x07local/a\x00\x01".to_vec(),
        b"\x40\x02\x00\x01".to_vec(),
        b"\x82\x0f\x00\x02\x00\x06user/#\x01\x00\x01+\x00".to_vec(),
        b"\xa2\x0a\x00\x03\x00\x06user/#".to_vec(),
        b"\xc0\x00".to_vec(),
        b"\xe0\x00".to_vec(),
    ];
    packets.push(packets.concat());
    packets
}

/// With a control byte in front: the whole packet or line fits, and it comes in small pieces.
fn seeds(name: &str) -> Vec<Vec<u8>> {
    let seeds = if name == "mqtt_door" { packets() } else { lines() };
    assert!(seeds.len() >= 10, "the seeds are gone");
    seeds.into_iter().map(|seed| [&[0xf3], &seed[..]].concat()).collect()
}

/// A generator of its own, so that a failure is the same everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below.max(1) as u64) as usize
    }

    fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut out = seed.to_vec();
        for _ in 0..=self.roll(6) {
            let at = self.roll(out.len() + 1);
            match self.roll(5) {
                0 if at < out.len() => out[at] ^= 1 << self.roll(8),
                1 => out.insert(at, self.roll(256) as u8),
                2 if at < out.len() => drop(out.remove(at)),
                3 => {
                    let start = self.roll(other.len());
                    let piece = other[start..(start + self.roll(80)).min(other.len())].to_vec();
                    out.splice(at..at, piece);
                }
                _ => out.truncate(at),
            }
        }
        out
    }
}

#[test]
fn no_example_and_no_mutation_of_one_breaks_anything() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        for (n, seed) in seeds.iter().enumerate() {
            target(seed);
            for _ in 0..ROUNDS {
                target(&dice.mutate(seed, &seeds[(n + 1) % seeds.len()]));
            }
        }
    }
}

#[test]
fn what_a_fuzzer_found_stays_found() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/found");
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_written_when_asked_for() {
    let Some(folder) = std::env::var_os("WRITE_CORPUS") else { return };
    for (name, _) in TARGETS {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (n, seed) in seeds(name).iter().enumerate() {
            std::fs::write(folder.join(format!("example-{n}")), seed).unwrap();
        }
    }
}
