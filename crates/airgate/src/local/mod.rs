//! The doors for programs on this host. First form: the one that speaks JSON lines.
//!
//! Who calls is known from the kernel. A door takes a bounded number of programs, and each program a bounded share.

mod accounts;
mod cloud;
mod connection;
mod listener;
pub mod rights;
pub mod waiting;

pub use accounts::Accounts;
pub use listener::{BindError, Listener};

use crate::cloud::Topics;
use crate::outbox::Outbox;
use crate::router::{ProgramId, Router};
use crate::session::Asker;
use crate::status::Sources;
use crate::uplink::Uplink;
use airgate_proto::{Code, Refusal, Reply};
use connection::Connection;
use rights::Rights;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::sync::Semaphore;

/// Programs connected at once. Each costs some 10 KiB when it is idle.
pub const PROGRAMS: usize = 512;

/// What every connection needs.
pub struct Door {
    /// Messages to and from programs.
    pub router: Router,
    /// Where accepted messages go.
    pub outbox: Outbox,
    /// Who may do what.
    pub rights: Rights,
    /// What there is to tell.
    pub status: Sources,
    /// For what is asked of the cloud itself.
    pub cloud: Asker,
    /// For the raw console.
    pub uplink: Uplink,
    /// How topics are bounded.
    pub topics: Topics,
    /// Longest line, in bytes.
    pub max_line: usize,
    /// Longest payload that the way up takes, in bytes.
    pub max_payload: usize,
}

/// Lets programs in, until the daemon stops.
pub async fn serve(listener: Listener, door: Arc<Door>) {
    let room = Arc::new(Semaphore::new(PROGRAMS));
    let mut next = 0;
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
        next += 1;
        match Arc::clone(&room).try_acquire_owned() {
            Ok(place) => {
                let (door, id) = (Arc::clone(&door), ProgramId(next));
                tokio::spawn(async move {
                    admit(stream, door, id).await;
                    drop(place);
                });
            }
            Err(_) => turn_away(stream).await,
        }
    }
}

async fn admit(stream: UnixStream, door: Arc<Door>, id: ProgramId) {
    let caller = match stream.peer_cred() {
        Ok(cred) => Accounts::read().caller(cred.uid(), cred.gid()),
        Err(error) => return tracing::warn!(%error, "a caller without credentials was turned away"),
    };
    tracing::debug!(program = id.0, uid = caller.uid, "program connected");
    let (reader, writer) = stream.into_split();
    let ended = Connection::new(door, id, caller).serve(reader, writer).await;
    tracing::debug!(program = id.0, ?ended, "program left");
}

async fn turn_away(mut stream: UnixStream) {
    let message = format!("{PROGRAMS} programs are connected already");
    let refusal = Refusal::new(None, Code::TooManyClients, message, "close connections that are not used");
    // Bounded by the socket's buffer: a new socket takes one line at once.
    let line = Reply::Refused(refusal).to_line();
    let _ = tokio::time::timeout(Duration::from_millis(100), stream.write_all(&line)).await;
}
