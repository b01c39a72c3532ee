//! See `fuzzed::framer`.

#![no_main]

#[path = "../../crates/air780e/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::framer(data));
