//! `airgate metrics`: the status as Prometheus reads it.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let text = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(client.metrics().await?)
    })?;
    super::out(&text)
}
