//! The simulated module: a pty that behaves as an Air780E with AT firmware does.
//!
//! [`engine`] is the module without I/O; the shell around it owns the pty, the connections and the clock.

pub mod engine;
mod profile;

pub use profile::*;
