//! The command `airgate-sim`.

use airgate_sim::{cloud, modem};
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
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
    /// One call on a module's console: a fault rule, calm, reset, close, state, on or off.
    Tell {
        /// The socket that was given to `--console`
        socket: PathBuf,
        /// The call, as words of one line
        #[arg(required = true)]
        line: Vec<String>,
    },
    /// The cloud on TCP and TLS.
    Cloud(cloud::Args),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Modem(args) => modem::run(*args),
        Command::Tell { socket, line } => tell(&socket, &line.join(" ")),
        Command::Cloud(args) => run_cloud(args),
    }
}

fn tell(socket: &Path, line: &str) -> ExitCode {
    match modem::ask(socket, line) {
        Ok(answer) => {
            println!("{answer}");
            if answer.contains("\"ok\":true") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error: nobody answers at {}: {error}", socket.display());
            ExitCode::FAILURE
        }
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
