//! The command `airgate-sim`.

use airgate_sim::{cloud, modem};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The outside world of airgate, simulated.
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The module on a pty.
    Modem(Box<modem::Args>),
    /// The cloud on TCP and TLS.
    Cloud(cloud::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Modem(args) => modem::run(*args),
        Command::Cloud(args) => run_cloud(args),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn run_cloud(args: cloud::Args) -> ExitCode {
    match cloud::run(args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
