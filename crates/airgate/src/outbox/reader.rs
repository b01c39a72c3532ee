//! The thread that reads messages whose turn has come, beside the one that writes: its fsync must not stall sending.
//!
//! Where a message lies is looked up when it is read: its segment may have been written anew meanwhile.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use tokio::sync::oneshot;

use super::files::Files;
use super::index::Extent;
use super::message::Message;
use super::record::{self, Record};
use super::segment::file_name;
use super::shared::Shared;

pub(super) struct ReadJob {
    pub(super) seq: u64,
    pub(super) reply: oneshot::Sender<Result<Message, ReadFault>>,
}

/// Why a kept message cannot be handed out.
#[derive(Debug)]
pub(super) enum ReadFault {
    /// The disk gave bytes, and they are not this message.
    Corrupt,
    /// The disk gave nothing.
    Io(String),
}

/// Works until nobody is left to ask.
pub(super) fn run(files: &Arc<dyn Files>, dir: &Path, shared: &Shared, jobs: &Receiver<ReadJob>) {
    for ReadJob { seq, reply } in jobs {
        // The asker may have been cancelled.
        if !reply.is_closed() {
            let _ = reply.send(read_where_it_is(files, dir, shared, seq));
        }
    }
}

fn read_where_it_is(files: &Arc<dyn Files>, dir: &Path, shared: &Shared, seq: u64) -> Result<Message, ReadFault> {
    let _unmoved = shared.hold_files();
    let found = shared.with(|state, _| state.extent(seq));
    let (extent, salt) = found.ok_or_else(|| ReadFault::Io(format!("message {seq} is not there any more")))?;
    read(files, dir, seq, extent, salt)
}

pub(super) fn read(
    files: &Arc<dyn Files>,
    dir: &Path,
    seq: u64,
    extent: Extent,
    salt: u32,
) -> Result<Message, ReadFault> {
    let path = dir.join(file_name(extent.segment));
    let bytes = files.read_at(&path, u64::from(extent.offset), extent.len as usize);
    let bytes = bytes.map_err(|error| ReadFault::Io(format!("{} cannot be read: {error}", path.display())))?;
    match record::decode(&bytes, salt, extent.offset) {
        Ok((Record::Accept(accept), _)) if accept.seq == seq => Ok(accept.to_message()),
        _ => Err(ReadFault::Corrupt),
    }
}
