//! The daemon: a program on the host hands it a message through a Unix socket, and it goes through the module to the
//! cloud exactly as promised; what comes down goes the other way.
//!
//! A room each, top to bottom in the order in which a message goes. Rooms talk through typed channels; no room reaches
//! over its neighbour.

pub mod config;
pub mod outbox;
pub mod service;
