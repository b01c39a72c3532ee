//! `airgate status`: what is going on, once.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::status::unix_ms;
use crate::view::paint::Paint;
use crate::view::screen;
use airgate_client::Client;
use serde_json::Value;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// Print the whole status object as JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let status: Value = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(client.status().await?)
    })?;
    if args.json {
        super::out(&format!("{status:#}\n"))
    } else {
        super::out(&screen::draw(&status, unix_ms(), Paint::of_stdout()))
    }
}
