//! The command `airgate-sim`.

fn main() {}
