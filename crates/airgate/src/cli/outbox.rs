//! `airgate outbox`: what waits, and what to do with it. For operators.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::clock::host::unix_ms;
use crate::local::waiting::{selects, shown};
use crate::outbox::{self, OpenError};
use crate::view::words::duration;
use airgate_client::{Client, Selection};
use clap::Subcommand;
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the messages that wait.
    List(List),
    /// Drop messages that wait; what is being sent stays. Programs are told.
    Drop(Drop),
    /// Print the messages that wait with their payloads, one JSON object a line. They stay.
    Export(Export),
}

#[derive(Debug, clap::Args)]
struct Which {
    /// Only under topics that match this MQTT filter.
    #[arg(long, value_name = "FILTER")]
    topic: Option<String>,
    /// Only of the programs of this user, by number.
    #[arg(long, value_name = "UID")]
    user: Option<u32>,
    /// Only those that have waited at least so long, as in 90s, 1h or 7d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    older: Option<u32>,
}

#[derive(Debug, clap::Args)]
struct List {
    #[command(flatten)]
    socket: Socket,
    #[command(flatten)]
    which: Which,
    /// Print one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Drop {
    #[command(flatten)]
    socket: Socket,
    #[command(flatten)]
    which: Which,
    /// Everything, when nothing else is said.
    #[arg(long)]
    all: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Export {
    #[command(flatten)]
    socket: Socket,
    #[command(flatten)]
    which: Which,
    /// The outbox's directory, to read it while no daemon runs.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Which {
    fn selection(&self) -> Selection {
        Selection { filter: self.topic.clone(), uid: self.user, older_s: self.older }
    }
}

fn age(text: &str) -> Result<u32, String> {
    let age = crate::config::duration(text)?;
    u32::try_from(age.as_secs()).map_err(|_| format!("`{text}` is longer than anything waits"))
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    match &args.command {
        Command::List(List { socket, which, json }) => {
            if !json {
                row(["NUMBER", "AGE", "PRIO", "USER", "BYTES", "TOPIC"].map(str::to_owned))?;
            }
            each(socket, &which.selection(), false, |one| if *json { line(one) } else { row(columns(one)) })
        }
        Command::Drop(args) => drop_some(args),
        Command::Export(Export { which, dir: Some(dir), .. }) => stopped(dir, &which.selection()),
        Command::Export(Export { socket, which, dir: None }) => each(socket, &which.selection(), true, line),
    }
}

/// Page by page, so that a million of them need no memory.
fn each(
    socket: &Socket,
    selection: &Selection,
    payloads: bool,
    mut each: impl FnMut(&Value) -> Result<(), Fail>,
) -> Result<(), Fail> {
    block_on(async {
        let (client, _events) = Client::connect(&socket.socket).await?;
        let queued = client.status().await?.pointer("/outbox/queued").and_then(Value::as_u64).unwrap_or(0);
        let mut progress = Progress::of(queued, io::stdout().is_terminal());
        let mut after = 0;
        loop {
            let page = client.outbox_list(selection.clone(), after, payloads).await?;
            for one in page.get("messages").and_then(Value::as_array).into_iter().flatten() {
                each(one)?;
                progress.step();
            }
            match page.get("next").and_then(Value::as_u64) {
                Some(next) => after = next,
                None => return Ok(()),
            }
        }
    })
}

/// How far it is, on standard error: for a person who waits for a file to be written, and for nobody else.
struct Progress {
    shown: bool,
    done: u64,
    queued: u64,
}

impl Progress {
    /// More messages than this take long enough to wonder.
    const MANY: u64 = 2_000;
    /// Messages between two looks.
    const STEP: u64 = 500;

    /// Of so many messages at most; where the messages themselves are on the terminal, they show how far it is.
    fn of(queued: u64, on_terminal: bool) -> Self {
        Self { shown: queued > Self::MANY && !on_terminal && io::stderr().is_terminal(), done: 0, queued }
    }

    fn step(&mut self) {
        self.done += 1;
        if self.shown && self.done.is_multiple_of(Self::STEP) {
            // Who closed it does not want to know.
            let _ = write!(io::stderr(), "\r{} of at most {} messages", self.done, self.queued.max(self.done));
        }
    }
}

impl std::ops::Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = writeln!(io::stderr(), "\r{} messages\x1b[K", self.done);
        }
    }
}

fn drop_some(args: &Drop) -> Result<(), Fail> {
    let selection = args.which.selection();
    if selection == Selection::default() && !args.all {
        let hint = "say which with --topic, --user or --older, or --all";
        return Err(Fail::usage("nothing_selected", "this would drop every message", hint));
    }
    let dropped = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(client.outbox_drop(selection).await?)
    })?;
    if args.json {
        return line(&dropped);
    }
    let count = dropped.get("dropped").and_then(Value::as_u64).unwrap_or(0);
    print(&format!("{count} dropped"))
}

fn stopped(dir: &std::path::Path, selection: &Selection) -> Result<(), Fail> {
    let now_ms = unix_ms();
    let mut printed = Ok(());
    let read = outbox::read_stopped(dir, |listed| {
        if printed.is_ok() && selects(selection, &listed, now_ms) {
            printed = line(&shown(&listed, now_ms, true));
        }
    });
    match read {
        Ok(()) => printed,
        Err(error @ OpenError::InUse { .. }) => {
            Err(Fail::usage("in_use", error, "leave out --dir to ask the daemon that runs"))
        }
        Err(error) => Err(Fail::failed("outbox", error)),
    }
}

fn columns(one: &Value) -> [String; 6] {
    let text = |name: &str| one.get(name).map_or_else(String::new, |v| v.as_str().map_or(v.to_string(), str::to_owned));
    let age = one.get("age_ms").and_then(Value::as_u64).map_or("memory".to_owned(), |ms| duration(ms / 1000));
    let sending = if one.get("in_flight") == Some(&Value::Bool(true)) { " (being sent)" } else { "" };
    [text("seq"), age, text("priority"), text("uid"), text("bytes"), format!("{}{sending}", text("topic"))]
}

fn row([number, age, priority, user, bytes, topic]: [String; 6]) -> Result<(), Fail> {
    print(&format!("{number:>10}  {age:>12}  {priority:>4}  {user:>6}  {bytes:>6}  {topic}"))
}

fn line(one: &Value) -> Result<(), Fail> {
    print(&one.to_string())
}

/// A reader that has seen enough, as `head` does, is no panic.
fn print(text: &str) -> Result<(), Fail> {
    writeln!(io::stdout(), "{text}").map_err(|error| Fail::failed("stdout", error))
}
