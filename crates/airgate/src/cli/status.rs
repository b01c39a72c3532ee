//! `airgate status`: what is going on, once; or what happened in the last 30 days.

use super::fail::Fail;
use super::report::rows;
use super::{Socket, block_on};
use crate::clock::host::unix_ms;
use crate::view::paint::Paint;
use crate::view::{month, screen};
use airgate_client::Client;
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// Show the last 30 days instead, a line for each day.
    #[arg(long)]
    history: bool,
    /// Print the whole object as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let told: Value = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(if args.history { client.history().await? } else { client.status().await? })
    })?;
    let paint = Paint::of_stdout();
    super::out(&match (args.json, args.history) {
        (true, _) => format!("{told:#}\n"),
        (false, false) => screen::draw(&told, unix_ms(), paint),
        (false, true) => {
            let damaged = told.get("damaged").and_then(Value::as_u64).unwrap_or(0);
            month::draw(&rows(told)?, damaged, paint)
        }
    })
}
