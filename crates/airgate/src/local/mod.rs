//! The doors for programs on this host: one speaks JSON lines, the other MQTT 3.1.1. Behind them is the same room.
//!
//! Who calls is known from the kernel. The doors take a bounded number of programs, and each program a bounded share; a user's
//! programs come in no faster than others can live with.

mod about;
mod accounts;
mod calls;
mod cloud;
mod connection;
mod door;
mod listener;
mod mqtt;
mod publish;
pub mod rights;
mod stream;
pub mod waiting;
pub mod why;

pub use accounts::Accounts;
pub use door::Door;
pub use listener::{BindError, Listener, open};
pub use mqtt::seat::Seats;
pub use publish::LOCAL_PAYLOAD;

use crate::router::{ProgramId, announcement};
use crate::users::Place;
use airgate_proto::{Code, Event, Refusal, Reply};
use connection::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::net::unix::UCred;

/// Which protocol a door speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// JSON, one object a line.
    Json,
    /// MQTT 3.1.1.
    Mqtt,
}

impl Speaks {
    /// As the status names the door.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Mqtt => "mqtt",
        }
    }
}

/// Programs that have come since the start, at both doors.
static CAME: AtomicU64 = AtomicU64::new(0);

/// Lets programs in, until the daemon stops.
pub async fn serve(listener: Listener, speaks: Speaks, door: Arc<Door>) {
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => {
                // Out of file descriptors, mostly: those who are in may leave.
                tracing::warn!(%error, "a program could not be let in");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let cred = match stream.peer_cred() {
            Ok(cred) => cred,
            Err(error) => {
                tracing::warn!(%error, "a caller without credentials was turned away");
                continue;
            }
        };
        match door.users.enter(cred.uid()) {
            Ok(mut place) => {
                let id = ProgramId(CAME.fetch_add(1, Ordering::Relaxed) + 1);
                place.introduce(id.0, cred.pid(), speaks.as_str());
                tokio::spawn(admit(stream, speaks, Arc::clone(&door), id, cred, place));
            }
            Err(message) => {
                tracing::warn!(uid = cred.uid(), "turned away: {message}");
                turn_away(stream, speaks, message);
            }
        }
    }
}

async fn admit(stream: UnixStream, speaks: Speaks, door: Arc<Door>, id: ProgramId, cred: UCred, place: Place) {
    let pause = door.users.visit(cred.uid());
    if !pause.is_zero() {
        tokio::time::sleep(pause).await;
    }
    let caller = Accounts::read().caller(cred.uid(), cred.gid());
    tracing::debug!(program = id.0, uid = caller.uid, ?speaks, "program connected");
    let (reader, writer) = match stream::split(stream) {
        Ok(halves) => halves,
        Err(error) => return tracing::warn!(program = id.0, %error, "a program could not be let in"),
    };
    match speaks {
        Speaks::Json => {
            let ended = Connection::new(door, id, caller).serve(reader, writer).await;
            tracing::debug!(program = id.0, ?ended, "program left");
        }
        Speaks::Mqtt => mqtt::serve(reader, writer, door, id, caller).await,
    }
    drop(place);
}

/// Says why where the protocol has words for it. A new socket takes a line at once, so nobody waits.
fn turn_away(stream: UnixStream, speaks: Speaks, message: String) {
    let words = match speaks {
        Speaks::Json => {
            let refusal = Refusal::new(None, Code::TooManyClients, message, "close connections that are not used");
            Reply::Refused(refusal).to_line()
        }
        Speaks::Mqtt => mqtt::unavailable(),
    };
    // Who does not even take a line gets nothing.
    let _ = stream.try_write(&words);
}

/// Keeps `local/airgate/link` true, until the daemon stops.
pub async fn announce_link(door: Arc<Door>) {
    let mut link = door.status.link.clone();
    let mut told = None;
    loop {
        let now = link.borrow_and_update().event();
        if told.as_ref() != Some(&now) {
            if let Some((message, retain)) = announcement(&Event::Link(now.clone())) {
                door.router.publish(message, retain).await;
            }
            told = Some(now);
        }
        if link.changed().await.is_err() {
            return;
        }
    }
}
