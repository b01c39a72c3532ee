//! See `fuzzed::json_line`.

#![no_main]

#[path = "../../crates/airgate/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::json_line(data));
