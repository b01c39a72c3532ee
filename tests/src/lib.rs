//! End-to-end tests: they start the real binaries and look at them from outside, through files, sockets and signals.
//!
//! Nothing of the product and nothing of the simulators is linked here (one test asks both for the times that they promise). What is here makes a house: a simulated module
//! on a pty, a stand-in cloud or a real broker, and the daemon between them, each a process of its own that a test can
//! kill and start again.

#![expect(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "tests may panic")]

mod door;
mod house;
mod interop;
pub mod mqtt;
mod process;

pub use door::Door;
pub use house::{Cloud, DEVICE_SECRET, House, Instance, SUB_DEVICE_SECRET, Setup, Tls, base64, free_port};
pub use interop::{interop, interop_clients};
pub use process::{Process, bin, bin_under, built, eventually, in_parallel, run};

/// How long anything may take that is expected to happen. Only a failing test waits so long.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// Everything that would mislead a parser of lines, at any length.
pub fn nasty_payload(len: usize) -> Vec<u8> {
    let seed =
        b"\r\nOK\r\n\r\nERROR\r\n> +MSUB: \"x\",3 byte,abc\r\n\"quotes\" \\22 \x00\xff,\r\n+CME ERROR: 3\r\nCLOSED\r\n";
    seed.iter().copied().cycle().take(len).collect()
}
