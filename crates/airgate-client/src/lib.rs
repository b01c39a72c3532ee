//! What a Rust program uses to talk to the daemon through its local socket.
//!
//! ```no_run
//! use airgate_client::{Client, DEFAULT_SOCKET, Event, Publish};
//!
//! # async fn example() -> Result<(), airgate_client::Error> {
//! let (client, mut events) = Client::connect(DEFAULT_SOCKET).await?;
//! client.subscribe("user/get").await?;
//! let (accepted, confirmation) = client.publish_confirmed(Publish::new("user/update", "hello world")).await?;
//! println!("on the disk as number {}", accepted.seq);
//! confirmation.await?;
//! println!("in the cloud");
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Message(message) => println!("{}: {} bytes", message.topic, message.payload.len()),
//!         other => println!("{other:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Requests may be made from any number of clones at once; they are pipelined. A lost connection ends everything with
//! [`Error::Closed`]. A program that is to outlive its daemon uses [`Reconnecting`], which connects again, subscribes again, and
//! repeats a publish whose answer was lost without letting it be accepted twice. A program without a runtime uses
//! [`blocking::Client`].
#![forbid(unsafe_code)]

pub mod blocking;
mod client;
mod confirmation;
mod connection;
mod error;
mod events;
mod reconnecting;

pub use airgate_proto::{
    Answer, Ask, Call, Code, Device, DeviceSecret, Dropped, Event, Hello, Link, LinkState, Message, Priority, Publish,
    Qos, Selection, Use, topic,
};
pub use client::{Accepted, Client, DEFAULT_SOCKET, Submitted, Verdict};
pub use confirmation::Confirmation;
pub use error::Error;
pub use events::{EVENT_QUEUE, Events};
pub use reconnecting::{Reconnecting, Update, Updates};
