//! Being a service: readiness, watchdog, signals, logging, events.
//!
//! Everything here also works outside of systemd: a notice without a listener goes nowhere, and logs go to stderr.

pub mod chronicle;
pub mod events;
mod journal;
pub mod log;
pub mod notify;
pub mod pulse;
pub mod recent;
mod signals;
pub mod storm;
mod text;
pub mod warnings;

pub use signals::{hangups, shutdown};
