//! What a Rust program uses to talk to the daemon through its local socket.
