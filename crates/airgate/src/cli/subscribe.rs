//! `airgate sub`: prints what comes from the cloud.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::{Client, Event, Message, Qos};
use std::io::{self, Write};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// MQTT filters: + is any one level, # all levels from here.
    #[arg(required = true, value_name = "FILTER")]
    filters: Vec<String>,
    /// Print one JSON object a message, with topic and payload.
    #[arg(long)]
    json: bool,
    /// Print the topic in front of each message.
    #[arg(long, short, conflicts_with = "json")]
    verbose: bool,
    /// End after so many messages.
    #[arg(long, short = 'C', value_name = "N")]
    count: Option<u64>,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    block_on(run(args))
}

async fn run(args: &Args) -> Result<(), Fail> {
    let (client, mut events) = Client::connect(&args.socket.socket).await?;
    for filter in &args.filters {
        client.subscribe(filter).await?;
    }
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        match events.next().await {
            Some(Event::Message(message)) => {
                left -= 1;
                print(&message, args).map_err(|error| Fail::failed("output", error))?;
            }
            Some(Event::Call(call)) => {
                left -= 1;
                let payload = serde_json::to_vec(&call).map_err(|error| Fail::failed("output", error))?;
                let message = Message { topic: call.topic, payload, qos: Qos::AtLeastOnce };
                print(&message, args).map_err(|error| Fail::failed("output", error))?;
            }
            Some(Event::Lagged { missed }) => eprintln!("notice: {missed} messages were missed: read faster"),
            Some(_) => {}
            None => return Err(airgate_client::Error::Closed.into()),
        }
    }
    Ok(())
}

fn print(message: &Message, args: &Args) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let mut object = serde_json::to_value(message)?;
        if let Some(object) = object.as_object_mut() {
            object.remove("event");
        }
        writeln!(out, "{object}")?;
    } else {
        if args.verbose {
            write!(out, "{} ", message.topic)?;
        }
        out.write_all(&message.payload)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}
