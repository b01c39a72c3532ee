//! Being a service: readiness, watchdog, signals, logging.
//!
//! Everything here also works outside of systemd: a notice without a listener goes nowhere, and logs go to stderr.

mod journal;
pub mod log;
pub mod notify;
mod signals;
pub mod warnings;

pub use signals::{hangups, shutdown};
