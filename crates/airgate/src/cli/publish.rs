//! `airgate pub`: one message, or one a line.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::{Client, Event, Priority, Publish, Qos};
use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read};
use std::num::NonZeroU32;
use tokio::sync::mpsc;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// The topic; a relative one is put below the device's own.
    topic: String,
    /// The message; `-` sends each line of standard input as one, and without it all of standard input is one.
    #[arg(allow_hyphen_values = true)]
    message: Option<String>,
    /// 0: may be lost; 1: kept until the cloud has it.
    #[arg(long, short, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=1))]
    qos: u8,
    /// 0 to 9; 9 goes first.
    #[arg(long, short, default_value_t = 4, value_parser = clap::value_parser!(u8).range(0..=9))]
    priority: u8,
    /// Give the message up when it could not be sent for so long.
    #[arg(long, value_name = "SECONDS")]
    ttl: Option<NonZeroU32>,
    /// Wait until the cloud has acknowledged it.
    #[arg(long)]
    confirm: bool,
}

pub(super) fn main(args: Args) -> Result<(), Fail> {
    block_on(run(args))
}

async fn run(args: Args) -> Result<(), Fail> {
    let (client, mut events) = Client::connect(&args.socket.socket).await?;
    let mut ends = Ends::default();
    let mut messages = messages(args.message.clone());
    while let Some(payload) = messages.recv().await {
        let payload = payload.map_err(|error| Fail::failed("input", error))?;
        let publish = client.publish(Publish {
            qos: if args.qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce },
            priority: Priority::new(args.priority).unwrap_or_default(),
            ttl_s: args.ttl,
            confirm: args.confirm,
            ..Publish::new(args.topic.clone(), payload)
        });
        tokio::pin!(publish);
        let accepted = loop {
            tokio::select! {
                accepted = &mut publish => break accepted?,
                event = events.next() => ends.on_event(event)?,
            }
        };
        if args.confirm {
            ends.wait_for(accepted.seq)?;
        }
    }
    while !ends.waited_for.is_empty() {
        ends.on_event(events.next().await)?;
    }
    Ok(())
}

/// Which messages have ended, and which are waited for. An end may be told before the number it is about.
#[derive(Default)]
struct Ends {
    waited_for: HashSet<u64>,
    told: HashMap<u64, Option<String>>,
}

impl Ends {
    fn wait_for(&mut self, seq: u64) -> Result<(), Fail> {
        match self.told.remove(&seq) {
            None => drop(self.waited_for.insert(seq)),
            Some(None) => {}
            Some(Some(reason)) => return Err(given_up(&reason)),
        }
        Ok(())
    }

    fn on_event(&mut self, event: Option<Event>) -> Result<(), Fail> {
        let (seq, reason) = match event {
            Some(Event::Sent { seq }) => (seq, None),
            Some(Event::Dropped(dropped)) => (dropped.seq, Some(dropped.reason)),
            Some(_) => return Ok(()),
            None => return Err(airgate_client::Error::Closed.into()),
        };
        match (self.waited_for.remove(&seq), reason) {
            (true, Some(reason)) => Err(given_up(&reason)),
            (true, None) => Ok(()),
            (false, reason) => {
                self.told.insert(seq, reason);
                Ok(())
            }
        }
    }
}

fn given_up(reason: &str) -> Fail {
    Fail::failed("dropped", format!("a message was given up: {reason}"))
}

/// The messages that the argument asks for. Standard input is read by a thread of its own, because reading it blocks.
fn messages(argument: Option<String>) -> mpsc::Receiver<io::Result<Vec<u8>>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || match argument.as_deref() {
        Some("-") => {
            for line in io::stdin().lock().split(b'\n') {
                let line = line.map(|mut line| {
                    if line.last() == Some(&b'\r') {
                        line.pop();
                    }
                    line
                });
                let end = line.is_err();
                if sender.blocking_send(line).is_err() || end {
                    return;
                }
            }
        }
        Some(text) => drop(sender.blocking_send(Ok(text.as_bytes().to_vec()))),
        None => {
            let mut all = Vec::new();
            let read = io::stdin().lock().read_to_end(&mut all);
            drop(sender.blocking_send(read.map(|_| all)));
        }
    });
    receiver
}
