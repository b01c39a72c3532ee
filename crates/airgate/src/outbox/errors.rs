//! What can go wrong, each with what to do about it.

use std::io;
use std::path::PathBuf;

/// Why the outbox cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another instance holds the lock file.
    #[error("the outbox {} is in use by another instance: stop it, or give this one a directory of its own", dir.display())]
    InUse {
        /// The directory both want.
        dir: PathBuf,
    },
    /// A segment was written by a newer airgate; it is left untouched.
    #[error("{} has format version {found}, this airgate reads {known}: run the newer airgate, or move the file away", path.display())]
    Version {
        /// The segment.
        path: PathBuf,
        /// The version it bears.
        found: u16,
        /// The version this program writes.
        known: u16,
    },
    /// An option is outside its bounds.
    #[error("outbox option {option} is {found}, allowed is {min} to {max}")]
    Option {
        /// Its name.
        option: &'static str,
        /// What was asked for.
        found: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// The file system refused.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Why a message was not accepted. Nothing that ends so is ever answered as accepted; after [`AcceptError::Disk`] a trace
/// of it may still be on the disk, so that sending it again under the same key may, after a crash, send it twice.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// A field is outside its bounds (bytes for texts and payloads).
    #[error("{field} is {found}, allowed is {min} to {max}")]
    Invalid {
        /// The field of the message.
        field: &'static str,
        /// Its length or value.
        found: usize,
        /// The least allowed.
        min: usize,
        /// The most allowed.
        max: usize,
    },
    /// A key promises that a retry is recognised after a restart, which memory alone cannot keep.
    #[error("a key needs QoS 1: publish with qos 1, or without a key")]
    KeyWithoutAcknowledgement,
    /// The disk did not take it. Later ones may succeed again.
    #[error("the outbox could not be written: {reason}; free some space or check the disk, then try again")]
    Disk {
        /// What the system said.
        reason: String,
    },
    /// The messages that wait take all that they may.
    #[error(
        "the outbox is full: the messages that wait take {max_bytes} bytes; wait until some are sent, or raise max_bytes"
    )]
    Full {
        /// The bound.
        max_bytes: u64,
    },
    /// As many messages wait as may.
    #[error("the outbox is full: {max_messages} messages wait; wait until some are sent, or raise max_messages")]
    TooMany {
        /// The bound.
        max_messages: u64,
    },
    /// The program's own messages take all that they may.
    #[error(
        "this program's messages that wait take {queued} of {max_queued_bytes} bytes; wait until some are sent, or raise its max_queued_bytes"
    )]
    ProgramFull {
        /// What they take, in bytes.
        queued: u64,
        /// The bound, in bytes.
        max_queued_bytes: u64,
    },
    /// The file system has too little left.
    #[error(
        "only {free} bytes are free on the disk, and {min_free} are to stay free: free some space, or lower min_free"
    )]
    LowSpace {
        /// What is free, in bytes.
        free: u64,
        /// What is to stay free, in bytes.
        min_free: u64,
    },
    /// The outbox was closed.
    #[error("the outbox is closed: the daemon is stopping")]
    Closed,
}
