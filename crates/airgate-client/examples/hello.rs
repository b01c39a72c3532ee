//! Publishes `hello world`, waits until the cloud has it, and shows what comes down for a minute.
//!
//! `cargo run -p airgate-client --example hello [SOCKET]`

use airgate_client::{Client, DEFAULT_SOCKET, Error, Event, Publish};
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let socket = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
    let (client, mut events) = Client::connect(socket).await?;
    println!("{} is {:?}", client.hello().daemon, client.hello().link);
    client.subscribe("user/#").await?;
    let (accepted, confirmation) = client.publish_confirmed(Publish::new("user/update", "hello world")).await?;
    println!("accepted as number {}", accepted.seq);
    confirmation.await?;
    println!("the cloud has it");
    while let Ok(event) = tokio::time::timeout(Duration::from_secs(60), events.next()).await {
        match event.ok_or(Error::Closed)? {
            Event::Message(message) => {
                println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
            }
            other => println!("{other:?}"),
        }
    }
    Ok(())
}
