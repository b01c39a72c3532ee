//! What a Rust program uses to talk to the daemon through its local socket.
//!
//! ```no_run
//! use airgate_client::{Client, DEFAULT_SOCKET, Event, Publish};
//!
//! # async fn example() -> Result<(), airgate_client::Error> {
//! let (client, mut events) = Client::connect(DEFAULT_SOCKET).await?;
//! client.subscribe("user/get").await?;
//! let accepted = client.publish(Publish { confirm: true, ..Publish::new("user/update", "hello world") }).await?;
//! println!("on the disk as number {}", accepted.seq);
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(message) => println!("{}: {} bytes", message.topic, message.payload.len()),
//!         Event::Sent { seq } => println!("number {seq} is in the cloud"),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Requests may be made from any number of clones at once; they are pipelined. A lost connection ends everything with
//! [`Error::Closed`] and is not made anew.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod error;
mod events;

pub use airgate_proto::{
    Code, Device, Dropped, Event, Hello, Link, LinkState, Message, Priority, Publish, Qos, Selection, topic,
};
pub use client::{Accepted, Client, DEFAULT_SOCKET};
pub use error::Error;
pub use events::{EVENT_QUEUE, Events};
