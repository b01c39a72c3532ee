//! The limits in the documentation of the sockets are those of the daemon.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use airgate::{local, router, users};

#[test]
fn the_documented_limits_are_those_of_the_daemon() {
    let limits = [
        ("LOCAL_PAYLOAD", local::LOCAL_PAYLOAD),
        ("FILTERS_PER_PROGRAM", router::FILTERS_PER_PROGRAM),
        ("WAITING_MESSAGES", router::WAITING_MESSAGES),
        ("WAITING_BYTES", router::WAITING_BYTES),
        ("HELD_BYTES_PER_USER", router::HELD_BYTES_PER_USER),
        ("SMALL_BYTES", router::SMALL_BYTES),
        ("DURABLES_PER_USER", router::DURABLES_PER_USER),
        ("RETAINED_TOPICS", router::RETAINED_TOPICS),
        ("RETAINED_BYTES", router::RETAINED_BYTES),
        ("PROGRAMS", users::PROGRAMS),
        ("PROGRAMS_PER_USER", users::PROGRAMS_PER_USER),
    ];
    let text = include_str!("../../../docs/socket-protocol.md");
    for (name, value) in limits {
        let row = format!("| `{name}` | {value} |");
        assert!(text.contains(&row), "{row}");
    }
}
