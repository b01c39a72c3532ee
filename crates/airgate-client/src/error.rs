//! What can go wrong, and what to do about it.

use airgate_proto::{Code, Refusal};
use std::{io, path::PathBuf};

/// Why a request or a connection failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers on the socket.
    #[error("no daemon at {}: {source} ({hint})", path.display())]
    NoDaemon {
        /// The socket that was tried.
        path: PathBuf,
        /// What to do.
        hint: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The daemon said no.
    #[error("{message} ({code}: {hint})")]
    Refused {
        /// The kind of refusal.
        code: Code,
        /// What and why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A message that was accepted is given up: its time was over, the outbox was full, the cloud does not take it.
    #[error("a message was given up: {reason}")]
    Dropped {
        /// `ttl`, `outbox_full`, …: the list may grow.
        reason: String,
    },
    /// The connection has ended. Whether the request was carried out is not known: a publish with a `key` may be repeated.
    #[error("the connection to the daemon has ended (connect again)")]
    Closed,
    /// The other end does not speak this protocol.
    #[error("the daemon does not speak the protocol of this client: {0} (are both of the same release?)")]
    Protocol(String),
}

impl Error {
    pub(crate) fn no_daemon(path: PathBuf, source: io::Error) -> Self {
        let hint = match source.kind() {
            io::ErrorKind::NotFound => "start it with `systemctl start airgate`, or name the socket it uses",
            io::ErrorKind::PermissionDenied => "add your user to the group `airgate` and sign in again",
            io::ErrorKind::ConnectionRefused => "the socket is left over from a daemon that ended: start it again",
            _ => "see `systemctl status airgate`",
        };
        Self::NoDaemon { path, hint, source }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, hint, .. } = refusal;
        Self::Refused { code, message, hint }
    }
}
