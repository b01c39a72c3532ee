//! The command line: one command, `airgate`.

mod at;
mod auth;
mod check;
mod clock;
mod config;
mod credentials;
mod docs;
mod fail;
mod manual;
mod metrics;
mod outbox;
mod publish;
mod reload;
mod report;
mod rights;
mod run;
mod status;
mod subscribe;
mod top;
mod whose;

use clap::{Parser, Subcommand};
use fail::Fail;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Gateway between programs on this host and an IoT cloud, through an Air780E LTE module.
#[derive(Debug, Parser)]
#[command(name = "airgate", version, about, max_term_width = 100)]
#[command(after_help = "Exit codes: 0 done, 1 failed, 2 usage or configuration, 3 no daemon, 4 refused.")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the daemon in the foreground.
    Run(run::Args),
    /// Publish a message through the daemon.
    Pub(publish::Args),
    /// Print messages that come from the cloud.
    Sub(subscribe::Args),
    /// Climb from the configuration to the cloud; name the first rung that fails and what to do.
    Check(check::Args),
    /// Show what is going on.
    Status(status::Args),
    /// Show what is going on, live; q quits.
    Top(top::Args),
    /// Print the last 30 days as a page of HTML with plots.
    Report(report::Args),
    /// Print the status as Prometheus reads it.
    Metrics(metrics::Args),
    /// Show what sign-in would use, without any connection.
    Auth(auth::Args),
    /// List, import or forget what registration handed out.
    Credentials(credentials::Args),
    /// List, drop or export the messages that wait (operators only).
    Outbox(outbox::Args),
    /// Send one AT command to the module through the daemon (operators only).
    At(at::Args),
    /// Show how far this host's clock is off, and keep it right.
    Clock(clock::Args),
    /// Show the configuration in effect, or an example to start from.
    Config(config::Args),
    /// Print the completions of a shell.
    Completions(docs::Completions),
    /// Print the manual page, or write all of them into a directory.
    Man(docs::Man),
}

/// Where the daemon's socket is.
#[derive(Debug, clap::Args)]
struct Socket {
    /// The daemon's socket.
    #[arg(long, env = "AIRGATE_SOCKET", default_value = "/run/airgate/airgate.sock", value_name = "PATH")]
    socket: PathBuf,
}

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Run(_)) {
        end_with_its_reader();
    }
    let done = match cli.command {
        Command::Run(args) => run::main(&args),
        Command::Pub(args) => publish::main(&args),
        Command::Sub(args) => subscribe::main(&args),
        Command::Check(args) => check::main(&args),
        Command::Status(args) => status::main(&args),
        Command::Top(args) => top::main(&args),
        Command::Report(args) => report::main(&args),
        Command::Metrics(args) => metrics::main(&args),
        Command::Auth(args) => auth::main(&args),
        Command::Credentials(args) => credentials::main(&args),
        Command::Outbox(args) => outbox::main(&args),
        Command::At(args) => at::main(&args),
        Command::Clock(args) => clock::main(&args),
        Command::Config(args) => config::main(&args),
        Command::Completions(args) => docs::completions(&args),
        Command::Man(args) => docs::man(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(fail) => fail.show(),
    }
}

/// Prints it.
fn out(text: &str) -> Result<(), Fail> {
    io::stdout().write_all(text.as_bytes()).map_err(|error| Fail::failed("stdout", error))
}

/// A command whose reader has seen enough, as `head` has, ends like every other in a pipe: by SIGPIPE, without a word. The
/// daemon does not: what it writes to may go away.
fn end_with_its_reader() {
    let always = Arc::new(AtomicBool::new(true));
    if let Err(error) = signal_hook::flag::register_conditional_default(signal_hook::consts::SIGPIPE, always) {
        tracing::debug!(%error, "a broken pipe will be an error");
    }
}

/// Runs what a client command does in a small runtime of its own.
fn block_on<T>(work: impl Future<Output = Result<T, Fail>>) -> Result<T, Fail> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Fail::failed("runtime", error))?.block_on(work)
}
