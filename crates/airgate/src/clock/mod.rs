//! Keeps this host's clock right by the time that the daemon hears, in a process of its own.
//!
//! The daemon has no right to set the clock. `airgate clock follow`, started by `airgate-clock.service` with CAP_SYS_TIME
//! and nothing else, asks it now and then at its socket what time it is and how sure that is ([`ask`]), decides
//! ([`steer`], pure), and ([`keeper`]) sets it. What the clock shows ([`host::unix_ms`]) is for all rooms.

pub mod ask;
pub mod host;
pub mod keeper;
pub mod steer;
