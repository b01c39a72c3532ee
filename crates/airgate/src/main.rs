//! The command `airgate`.

fn main() {}
