//! `airgate clock`: how far this host's clock is off, and keeping it right.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::clock::ask::Heard;
use crate::clock::host::{Dry, Host, System};
use crate::clock::keeper::{EAGER, Keeper};
use crate::clock::steer::Sample;
use crate::service::log::{self, Target};
use crate::service::shutdown;
use crate::view::words::duration;
use airgate_client::Client;
use std::path::Path;
use tokio::time::sleep;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what time it is, by the network's or the cloud's clock, and how far this host's is off.
    Show(Show),
    /// Set this host's clock once, now, whichever way it is off (needs the right to set it).
    Set(Set),
    /// Keep this host's clock right for as long as `[clock] set` says so; airgate-clock.service runs this.
    Follow(Follow),
}

#[derive(Debug, clap::Args)]
struct Show {
    #[command(flatten)]
    socket: Socket,
    /// Print the daemon's answer as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Set {
    #[command(flatten)]
    socket: Socket,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct Follow {
    #[command(flatten)]
    socket: Socket,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    match &args.command {
        Command::Show(args) => block_on(show(args)),
        Command::Set(args) => block_on(set(args)),
        Command::Follow(args) => {
            log::init(tracing::Level::INFO, Target::Auto).map_err(|error| Fail::usage("log", error, ""))?;
            block_on(follow(args))
        }
    }
}

async fn show(args: &Show) -> Result<(), Fail> {
    let (client, _events) = Client::connect(&args.socket.socket).await?;
    let told = client.time().await?;
    if args.json {
        println!("{told:#}");
        return Ok(());
    }
    println!("{}", describe(&heard(told)?));
    Ok(())
}

fn describe(heard: &Heard) -> String {
    match heard.sample() {
        None => "nothing was heard from the network or the cloud yet".into(),
        Some(Sample { offset_ms, uncertainty_ms, .. }) => format!(
            "by the {}'s clock this host is {} (within {}); heard {} ago",
            heard.source,
            match offset_ms {
                0 => "right".into(),
                ..0 => format!("ahead by {}", seconds(offset_ms.unsigned_abs())),
                _ => format!("behind by {}", seconds(offset_ms.unsigned_abs())),
            },
            seconds(uncertainty_ms),
            duration(heard.age_ms / 1_000),
        ),
    }
}

/// `1.5 s`, `2 h 3 min`.
fn seconds(ms: u64) -> String {
    if ms < 60_000 { format!("{}.{:03} s", ms / 1_000, ms % 1_000) } else { duration(ms / 1_000) }
}

async fn set(args: &Set) -> Result<(), Fail> {
    let (client, _events) = Client::connect(&args.socket.socket).await?;
    let heard = heard(client.time().await?)?;
    let sample = heard.sample().ok_or_else(|| {
        Fail::failed("time_unknown", "nothing was heard from the network or the cloud yet; see `airgate status`")
    })?;
    println!("{}", describe(&heard));
    if sample.offset_ms.unsigned_abs() <= sample.uncertainty_ms {
        println!("that is within what can be told: it is left alone");
    } else if args.dry_run {
        println!("it would be set");
    } else {
        System
            .set_by(sample.offset_ms)
            .map_err(|error| Fail::failed("clock", format!("the clock was not set: {error}")))?;
        println!("it was set");
    }
    Ok(())
}

async fn follow(args: &Follow) -> Result<(), Fail> {
    let mut host: Box<dyn Host> = if args.dry_run { Box::new(Dry) } else { Box::new(System) };
    let mut keeper = Keeper::new();
    let stop = shutdown().map_err(|error| Fail::failed("signals", error))?;
    tokio::pin!(stop);
    loop {
        let pause = match ask(&args.socket.socket).await {
            Ok(heard) if !heard.set_host_clock => {
                tracing::info!("this host's clock is left alone: [clock] set is not true in the configuration");
                return Ok(());
            }
            Ok(heard) => keeper.keep(&heard, host.as_mut()).map_err(not_set)?,
            Err(error) => {
                tracing::debug!(?error, "the daemon does not answer");
                EAGER
            }
        };
        tokio::select! {
            _ = &mut stop => return Ok(()),
            () = sleep(pause) => {}
        }
    }
}

/// Asks anew each time: a connection of its own for each question leaves nothing to keep alive, and hears no events.
async fn ask(socket: &Path) -> Result<Heard, Fail> {
    let (client, _events) = Client::connect(socket).await?;
    heard(client.time().await?)
}

fn heard(answer: serde_json::Value) -> Result<Heard, Fail> {
    serde_json::from_value(answer).map_err(|error| Fail::failed("protocol", format!("what the daemon says: {error}")))
}

fn not_set(error: std::io::Error) -> Fail {
    Fail::failed("clock", format!("the clock was not set: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_said_on_which_side_the_clock_is_wrong() {
        let told = |offset_ms: i64, age_ms: u64| {
            let answer = json!({"unix_ms": 1_795_440_329_000_u64, "source": "cloud", "uncertainty_ms": 40,
                                "host_offset_ms": offset_ms, "age_ms": age_ms});
            describe(&serde_json::from_value(answer).unwrap())
        };
        assert_eq!(
            told(-1_500, 61_000),
            "by the cloud's clock this host is ahead by 1.500 s (within 0.040 s); heard 1 min 1 s ago"
        );
        assert!(told(7_200_000, 0).contains("behind by 2 h 0 min"));
    }
}
