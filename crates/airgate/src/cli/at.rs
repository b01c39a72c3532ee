//! `airgate at`: AT commands through the running daemon.

use super::fail::Fail;
use super::{Socket, block_on, out};
use airgate_client::Client;
use serde_json::json;
use std::io::{self, BufRead};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// The command line, for example 'AT+CSQ'; `-` sends each line of standard input, and ends at the first that fails.
    command: String,
    /// Print one JSON object a command: `command` and `lines`.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    block_on(async {
        let (client, _) = Client::connect(&args.socket.socket).await?;
        if args.command != "-" {
            return ask(&client, args, &args.command).await;
        }
        // Nothing else goes on meanwhile that reading could hold up.
        for line in io::stdin().lock().lines() {
            let line = line.map_err(|error| Fail::failed("input", error))?;
            if !line.trim().is_empty() {
                ask(&client, args, line.trim()).await?;
            }
        }
        Ok(())
    })
}

async fn ask(client: &Client, args: &Args, command: &str) -> Result<(), Fail> {
    let lines = client.at(command).await?;
    let text = match args.json {
        true => json!({ "command": command, "lines": lines }).to_string(),
        false => lines.into_iter().chain(["OK".to_owned()]).collect::<Vec<_>>().join("\n"),
    };
    out(&format!("{text}\n"))
}
