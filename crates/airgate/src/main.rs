//! The command `airgate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    airgate::cli::main()
}
