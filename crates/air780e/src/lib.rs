//! Driver for the Air780E LTE module with AT firmware, useful without any other crate of this workspace.
//!
//! Here live the wire framer, the typed commands, the pure state machines that decide what is sent next, and one
//! task that owns the serial port. Clouds, configuration files and queues may not live here.

mod channels;
pub mod command;
mod driver;
pub mod engine;
pub mod exchange;
pub mod facts;
mod fence;
pub mod frame;
pub mod ladder;
pub mod limits;
pub mod link;
pub mod modem;
pub mod port;
pub mod rate;
pub mod service;
pub mod session;
pub mod sms;
pub mod status;
pub mod step;
pub mod time;
pub mod urc;

pub use channels::{Event, Note, Publication, PublishError, Recovery};
pub use modem::{Config, Modem};

/// The example of the README is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
