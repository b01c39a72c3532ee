//! The daemon: a program on the host hands it a message through a Unix socket, and it goes through the module to the
//! cloud exactly as promised; what comes down goes the other way.
//!
//! A room each, top to bottom in the order in which a message goes: `local`, `router`, `outbox`, `session`, `uplink`.
//! Rooms talk through typed channels; no room reaches over its neighbour. `daemon` puts them together, `status` draws
//! what is visible of them, and those who show it (`local`, `history`, `metrics`) stand above it; `check` goes the way
//! from the configuration to the cloud once and names what fails; `clock` is a process of its own.

pub mod batch;
pub mod budget;
pub mod check;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod daemon;
pub mod heals;
pub mod history;
pub mod interrupted;
pub mod local;
pub mod metrics;
pub mod outbox;
pub mod recovery;
pub mod router;
pub mod service;
pub mod session;
pub mod status;
pub mod store;
pub mod texts;
pub mod top;
pub mod uplink;
pub mod users;
pub mod view;
