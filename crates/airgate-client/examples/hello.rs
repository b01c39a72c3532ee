//! Publishes `hello world`, waits until the cloud has it, and shows what comes down meanwhile.
//!
//! `cargo run -p airgate-client --example hello [SOCKET]`

use airgate_client::{Client, DEFAULT_SOCKET, Error, Event, Publish};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let socket = std::env::args().nth(1).unwrap_or_else(|| DEFAULT_SOCKET.to_owned());
    let (client, mut events) = Client::connect(socket).await?;
    println!("{} is {:?}", client.hello().daemon, client.hello().link);
    client.subscribe("user/#").await?;
    let hello = Publish { confirm: true, ..Publish::new("user/update", "hello world") };
    let accepted = client.publish(hello).await?;
    println!("accepted as number {}", accepted.seq);
    while let Some(event) = events.next().await {
        match event {
            Event::Sent { seq } if seq == accepted.seq => {
                println!("the cloud has it");
                return Ok(());
            }
            Event::Message(message) => {
                println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
            }
            other => println!("{other:?}"),
        }
    }
    Err(Error::Closed)
}
