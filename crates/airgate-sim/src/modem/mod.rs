//! The simulated module: a pty that behaves as an Air780E with AT firmware does.
//!
//! [`engine`] is the module without I/O; the shell around it owns the pty, the connections and the clock.

mod cli;
pub mod engine;
mod handle;
mod net;
mod profile;
mod pty;
mod record;
mod route;
mod shell;
mod throttle;
mod tls;

pub use cli::{Args, run};
pub use handle::{LineBytes, Modem, Options};
pub use profile::*;
pub use route::Route;
