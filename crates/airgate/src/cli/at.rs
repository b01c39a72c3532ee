//! `airgate at`: one AT command through the running daemon.

use super::fail::Fail;
use super::{Socket, block_on};
use airgate_client::Client;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    socket: Socket,
    /// The command line, for example 'AT+CSQ'.
    command: String,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let lines = block_on(async {
        let (client, _events) = Client::connect(&args.socket.socket).await?;
        Ok(client.at(&args.command).await?)
    })?;
    for line in lines {
        println!("{line}");
    }
    println!("OK");
    Ok(())
}
