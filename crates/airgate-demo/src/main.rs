//! The whole of airgate in one process, from the module to a program.

fn main() {}
