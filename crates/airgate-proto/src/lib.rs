//! The local socket protocol: newline-delimited JSON frames, their limits and their errors.
//!
//! Only the shapes live here, shared by the daemon and its clients; whoever moves the bytes does so elsewhere.
//! The protocol grows by addition only.
