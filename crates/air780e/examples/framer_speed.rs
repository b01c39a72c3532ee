//! How fast the framer is, in megabytes a second on one core: lines as they come on an idle line, and messages.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use air780e::frame::Framer;
use std::time::{Duration, Instant};

/// Bytes that a read of a serial port returns at most.
const CHUNK: usize = 4096;

fn measure(name: &str, once: &[u8]) {
    let stream = once.repeat(1 + 1_000_000 / once.len());
    let (mut framer, mut bytes, mut frames) = (Framer::default(), 0, 0_u64);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(2) {
        for chunk in stream.chunks(CHUNK) {
            framer.push(chunk);
            while let Some(frame) = framer.next_frame() {
                std::hint::black_box(&frame);
                frames += 1;
            }
        }
        bytes += stream.len();
    }
    let seconds = began.elapsed().as_secs_f64();
    let (rate, frames) = (bytes as f64 / seconds / 1e6, frames as f64 / seconds / 1e6);
    println!("framer {name:22} {rate:6.0} MB/s, {frames:.1} million frames/s");
}

fn main() {
    measure("short lines", b"\r\nOK\r\n\r\n+CSQ: 25,0\r\n\r\nPUBACK\r\n");
    measure("long lines", [b"\r\n+HTTPHEAD: ", &b"x".repeat(500)[..], b"\r\n"].concat().as_slice());
    for size in [64, 1024, 4000] {
        let payload = b"\r\nOK\r\n{\"value\": 25.1}".iter().copied().cycle().take(size).collect::<Vec<_>>();
        let header = format!("\r\n+MSUB: \"/product/device/user/get\",{size} byte,");
        measure(&format!("messages of {size} bytes"), &[header.as_bytes(), &payload, b"\r\n"].concat());
    }
}
