//! See `fuzzed::mqtt_door`.

#![no_main]

#[path = "../../crates/airgate/tests/fuzzed/mod.rs"]
mod fuzzed;

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzzed::mqtt_door(data));
