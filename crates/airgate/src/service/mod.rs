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

use rustix::process::{Resource, getrlimit, setrlimit};
pub use signals::{hangups, shutdown};

/// As many files as all places at the doors need; the system's default is often half of that.
pub fn raise_file_limit() {
    const FILES: u64 = 4096;
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(FILES, |maximum| maximum.min(FILES));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::debug!(%error, "the limit of open files stays as it is");
        }
    }
}
