//! `airgate pub`: one message, or one a line.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::{Accepted, Client, Priority, Publish, Qos};
use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};
use serde_json::json;
use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use tokio::sync::mpsc;

/// Messages handed over and not yet accepted: what comes through a pipe need not wait for the disk line by line.
const ACCEPTING: usize = 64;
/// Messages accepted and not yet confirmed; each costs some hundred bytes here.
const CONFIRMING: usize = 10_000;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// The topic; a relative one is put below the device's own.
    topic: String,
    /// The message; `-` sends each line of standard input as one, and without it all of standard input is one.
    #[arg(allow_hyphen_values = true)]
    message: Option<String>,
    /// Send the content of this file as one message.
    #[arg(long, short, value_name = "FILE", conflicts_with = "message")]
    file: Option<PathBuf>,
    /// 0: may be lost; 1: kept until the cloud has it.
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// 0 to 9; 9 goes first.
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: u8,
    /// Give the message up when it could not be sent for so long: seconds, or as in 90s, 1h or 7d.
    #[arg(long, value_name = "TIME", value_parser = ttl)]
    ttl: Option<NonZeroU32>,
    /// Accept it once only, however often it is published under this key.
    #[arg(long)]
    key: Option<String>,
    /// Wait until the cloud has acknowledged it.
    #[arg(long)]
    confirm: bool,
    /// Print one JSON object a message: `seq`, its number, `duplicate`, and `sent`, which --confirm waits for.
    #[arg(long)]
    json: bool,
}

fn ttl(text: &str) -> Result<NonZeroU32, String> {
    let seconds = match text.parse::<u64>() {
        Ok(seconds) => seconds,
        Err(_) => crate::config::duration(text)?.as_secs(),
    };
    let seconds = u32::try_from(seconds).ok().and_then(NonZeroU32::new);
    seconds.ok_or_else(|| format!("`{text}` is not between 1 second and 136 years"))
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    block_on(run(args))
}

async fn run(args: &Args) -> Result<(), Fail> {
    // The events of this connection are of no interest.
    let (client, _) = Client::connect(&args.socket.socket).await?;
    let mut messages = messages(args);
    let (mut accepting, mut confirming) = (FuturesOrdered::new(), FuturesUnordered::new());
    let mut lines = Some(0);
    while lines.is_some() || !accepting.is_empty() || !confirming.is_empty() {
        let room = lines.is_some() && accepting.len() < ACCEPTING && confirming.len() < CONFIRMING;
        tokio::select! {
            message = messages.recv(), if room => match message {
                Some(message) => {
                    let payload = message.map_err(|error| Fail::failed("input", error))?;
                    let line = lines.map(|before| before + 1);
                    lines = line;
                    // In the order of the lines.
                    let (submitted, confirmation) = client.submit(publish(args, payload)).await?;
                    accepting.push_back(async move { (line, submitted.await, confirmation) });
                }
                None => lines = None,
            },
            Some((line, accepted, confirmation)) = accepting.next() => {
                let accepted = accepted.map_err(|error| which(args, line, error))?;
                match confirmation {
                    Some(confirmation) => confirming.push(async move { (accepted, confirmation.await) }),
                    None => report(args, accepted)?,
                }
            }
            Some((accepted, sent)) = confirming.next() => {
                sent?;
                report(args, accepted)?;
            }
        }
    }
    Ok(())
}

fn publish(args: &Args, payload: Vec<u8>) -> Publish {
    Publish {
        qos: if args.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
        priority: Priority::new(args.priority).unwrap_or_default(),
        ttl_s: args.ttl,
        confirm: args.confirm,
        key: args.key.clone(),
        ..Publish::new(args.topic.clone(), payload)
    }
}

/// The failure, and of which line if there are many.
fn which(args: &Args, line: Option<u64>, error: airgate_client::Error) -> Fail {
    match (args.message.as_deref(), line) {
        (Some("-"), Some(line)) => Fail::from(error).of(&format!("line {line}")),
        _ => error.into(),
    }
}

fn report(args: &Args, Accepted { seq, duplicate }: Accepted) -> Result<(), Fail> {
    if !args.json {
        return Ok(());
    }
    let report = json!({ "seq": seq, "duplicate": duplicate, "sent": args.confirm });
    writeln!(io::stdout(), "{report}").map_err(|error| Fail::failed("output", error))
}

/// The messages that the arguments ask for. They are read by a thread of its own, because reading blocks.
fn messages(args: &Args) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    let (message, file) = (args.message.clone(), args.file.clone());
    std::thread::spawn(move || match (message.as_deref(), file) {
        (Some("-"), _) => {
            for line in io::stdin().lock().split(b'\n') {
                let end = line.is_err();
                if sender.blocking_send(line.map(without_return)).is_err() || end {
                    return;
                }
            }
        }
        (Some(text), _) => drop(sender.blocking_send(Ok(text.as_bytes().to_vec()))),
        (None, Some(file)) => drop(sender.blocking_send(read(&file))),
        (None, None) => {
            let mut all = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut all);
            drop(sender.blocking_send(read.map(|_| all)));
        }
    });
    receiver
}

fn without_return(mut line: Vec<u8>) -> Vec<u8> {
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    line
}

fn read(file: &Path) -> io::Result<Vec<u8>> {
    fs::read(file).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_seconds_or_has_a_unit() {
        let seconds = |text| ttl(text).map(NonZeroU32::get);
        assert_eq!((seconds("90"), seconds("2h"), seconds("1d")), (Ok(90), Ok(7200), Ok(86_400)));
        assert!(ttl("0").is_err() && ttl("soon").is_err() && ttl("99999999999").is_err());
    }
}
