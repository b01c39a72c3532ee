//! The fuzz targets without a fuzzer: every transcript, and seeded mutations of them. What a fuzzer found before is
//! replayed here for ever: put its file into `tests/found/`.
//!
//! `WRITE_CORPUS=DIR cargo test -p air780e --test fuzz_smoke` writes the seeds for the real fuzzer.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod fuzzed;

use fuzzed::TARGETS;
use std::path::Path;

/// Mutations of each seed for each target.
const ROUNDS: usize = 250;

fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "txt"));
    files.sort();
    assert!(files.len() >= 30, "the transcripts are gone");
    let said = |path: &std::path::PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        let lines = text.lines().filter_map(|line| line.strip_prefix("< "));
        // Whether line ends are written out or not: one at the end of each line is what a module prints.
        lines.flat_map(|line| [line.replace("\\r\\n", "").as_bytes(), b"\r\n"].concat()).collect()
    };
    files.iter().map(said).collect()
}

/// What a fuzzer found.
fn found() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/found");
    let files = std::fs::read_dir(folder).into_iter().flatten();
    files.map(|entry| std::fs::read(entry.unwrap().path()).unwrap()).collect()
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
        let from = self.roll(seed.len());
        let mut out = seed[from..(from + 20 + self.roll(400)).min(seed.len())].to_vec();
        for _ in 0..=self.roll(6) {
            let at = self.roll(out.len() + 1);
            match self.roll(6) {
                0 if at < out.len() => out[at] ^= 1 << self.roll(8),
                1 => out.insert(at, self.roll(256) as u8),
                2 if at < out.len() => drop(out.remove(at)),
                3 => {
                    let start = self.roll(other.len());
                    let piece = other[start..(start + self.roll(80)).min(other.len())].to_vec();
                    out.splice(at..at, piece);
                }
                4 => out.truncate(at),
                _ => {
                    let tokens: [&[u8]; 12] = [
                        b"\r\nOK\r\n",
                        b"+MSUB: \"t\",5 byte,",
                        b"+HTTPREAD: 7\r\n",
                        b"+CMT: \"1\",,\"x\"\r\n",
                        b"> ",
                        b"DOWNLOAD\r\n",
                        b"\r\nRDY\r\n",
                        b"^boot.rom",
                        b"99999999999",
                        b"\"",
                        b"\xff\xfe",
                        b"+CME ERROR: ",
                    ];
                    let token = tokens[self.roll(tokens.len())].to_vec();
                    out.splice(at..at, token);
                }
            }
        }
        out
    }
}

#[test]
fn no_transcript_and_no_mutation_of_one_breaks_anything() {
    let seeds = seeds();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for (_, target) in TARGETS {
        for (n, seed) in seeds.iter().enumerate() {
            target(seed);
            seed.split(|&b| b == b'\n').for_each(|line| target(line.trim_ascii()));
            for _ in 0..ROUNDS {
                target(&dice.mutate(seed, &seeds[(n + 1) % seeds.len()]));
            }
        }
    }
}

#[test]
fn what_a_fuzzer_found_stays_found() {
    for bytes in found() {
        TARGETS.iter().for_each(|(_, target)| target(&bytes));
    }
}

#[test]
fn the_corpus_of_the_fuzzer_is_written_when_asked_for() {
    let Some(folder) = std::env::var_os("WRITE_CORPUS") else { return };
    for (name, _) in TARGETS {
        let folder = Path::new(&folder).join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for (n, seed) in seeds().iter().enumerate() {
            std::fs::write(folder.join(format!("transcript-{n}")), seed).unwrap();
        }
    }
}
