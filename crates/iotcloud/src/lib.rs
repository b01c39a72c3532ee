//! The clouds without I/O: how each of them wants to be signed in to, which topics it uses and what it says there.
//!
//! Time, randomness and received bytes come in as arguments; what to publish, subscribe or keep goes out as values.
//! Sockets, clocks, files and logging may not live here.
