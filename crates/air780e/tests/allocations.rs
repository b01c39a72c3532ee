//! What a line costs in memory: measured, in a process of its own.

use air780e::frame::Framer;

/// What a read of a serial port returns at most.
const CHUNK: usize = 4096;

/// Allocations while `stream` goes through a framer in pieces, and frames that came of it.
fn through_the_framer(stream: &[u8]) -> (u64, u64) {
    let (mut framer, mut frames) = (Framer::default(), 0);
    let memory = allocation_counter::measure(|| {
        for chunk in stream.chunks(CHUNK) {
            framer.push(chunk);
            while framer.next_frame().is_some() {
                frames += 1;
            }
        }
    });
    (memory.count_total, frames)
}

#[test]
fn a_line_costs_no_allocation_of_its_own() {
    let stream = b"\r\nOK\r\n\r\n+CSQ: 25,0\r\n\r\nPUBACK\r\n".repeat(10_000);
    let (allocations, lines) = through_the_framer(&stream);
    println!("{allocations} allocations for {lines} lines in {} reads", stream.len() / CHUNK);
    assert_eq!(lines, 30_000);
    // The buffer of a read is shared by all its lines.
    assert!(allocations <= 3 * (stream.len() / CHUNK) as u64 + 10, "{allocations} allocations for {lines} lines");
}

#[test]
fn a_message_costs_a_few_for_its_topic_and_payload() {
    let stream = b"\r\n+MSUB: \"/product/device/user/get\",64 byte,0123456789012345678901234567890123456789012345678901234567890123\r\n".repeat(1_000);
    let (allocations, messages) = through_the_framer(&stream);
    println!("{allocations} allocations for {messages} messages");
    assert_eq!(messages, 1_000);
    assert!(allocations <= 4 * messages, "{allocations} allocations for {messages} messages");
}
