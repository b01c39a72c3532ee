//! `airgate report`: the last 30 days as one page of HTML.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::clock::host::unix_ms;
use crate::history::Row;
use crate::view::report;
use airgate_client::{Client, Error};
use serde_json::Value;
use std::io::{self, IsTerminal};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    if io::stdout().is_terminal() {
        let hint = "write `airgate report > report.html` and open that in a browser";
        return Err(Fail::usage("terminal", "the page is not for a terminal", hint));
    }
    let (status, history) = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok((client.status().await?, client.history().await?))
    })?;
    let now = status.pointer("/clock/unix_ms").and_then(Value::as_u64).unwrap_or_else(unix_ms);
    super::out(&report::page(&status, &rows(history)?, now))
}

/// The hours of an answer to `history`.
pub(super) fn rows(mut history: Value) -> Result<Vec<Row>, Fail> {
    let hours = history.get_mut("hours").map(Value::take).unwrap_or_default();
    let rows = serde_json::from_value(hours).map_err(|error| Error::Protocol(format!("its history: {error}")));
    Ok(rows?)
}
