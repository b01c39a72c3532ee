//! Looking at what waits, and dropping some of it, without stopping anything. Messages lie on the disk and are read in small
//! pages; what is sent meanwhile is simply not there any more.

use std::io;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::errors::OpenError;
use super::files::{DirLock, Files, RealFiles, SegmentFile};
use super::index::Extent;
use super::message::Message;
use super::options::Options;
use super::reader::{self, ReadJob};
use super::{Outbox, recover};

/// Messages looked at for one page.
const PAGE: usize = 256;
/// Payloads in one page, in bytes; the one that reaches it is the last.
const PAGE_BYTES: usize = 32 * 1024;

/// A message that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its number.
    pub seq: u64,
    /// The session has it.
    pub in_flight: bool,
    /// When it was accepted, by the outbox's clock, to some seconds; `None`: it is in memory, and fresh.
    pub accepted_ms: Option<u64>,
    /// It.
    pub message: Message,
}

/// A few of those that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// They, by their numbers.
    pub messages: Vec<Listed>,
    /// Go on after this number; `None`: that was all.
    pub next: Option<u64>,
}

/// What the index says of one that is there.
#[derive(Debug, Clone)]
pub(super) struct Shelved {
    pub(super) seq: u64,
    pub(super) in_flight: bool,
    pub(super) accepted_ms: Option<u64>,
    pub(super) at: Shelf,
}

#[derive(Debug, Clone)]
pub(super) enum Shelf {
    Memory(Message),
    Disk(Extent),
}

impl Outbox {
    /// Those after this number that are there and of which `wanted` is true, page by page.
    pub async fn list(&self, after: u64, wanted: impl Fn(&Listed) -> bool) -> Page {
        let found = self.inner.shared.with(|state, _| state.index.shelved(after, PAGE));
        let (full, mut bytes, mut last) = (found.len() == PAGE, 0, None);
        let mut messages = Vec::new();
        for Shelved { seq, in_flight, accepted_ms, at } in found {
            last = Some(seq);
            let message = match at {
                Shelf::Memory(message) => message,
                Shelf::Disk(_) => {
                    let (reply, read) = oneshot::channel();
                    // A reader that is gone shows as a reply that never comes.
                    let _ = self.inner.reads.send(ReadJob { seq, reply });
                    // It was sent meanwhile and its segment is gone, or it is damaged, which shows when its turn comes.
                    let Ok(Ok(message)) = read.await else { continue };
                    message
                }
            };
            let listed = Listed { seq, in_flight, accepted_ms, message };
            if wanted(&listed) {
                bytes += listed.message.payload.len();
                messages.push(listed);
            }
            if bytes >= PAGE_BYTES {
                return Page { messages, next: Some(seq) };
            }
        }
        Page { messages, next: last.filter(|_| full) }
    }

    /// Drops these as far as they wait; gives how many did. What is in flight stays. Each is told and counted.
    pub fn drop_waiting(&self, seqs: &[u64]) -> usize {
        self.inner.shared.with(|state, _| {
            let dropped = seqs.iter().filter(|seq| state.index.drop_waiting(**seq)).count();
            if state.index.unwritten() > 0 {
                self.wake(state);
            }
            dropped
        })
    }
}

/// Reads the outbox of a daemon that does not run, and changes nothing in it. `each` gets one message after the other.
///
/// # Errors
/// [`OpenError`], as [`Outbox::open`]; [`OpenError::InUse`] while a daemon has it.
pub fn read_stopped(dir: &Path, mut each: impl FnMut(Listed)) -> Result<(), OpenError> {
    let io = |what, path: &Path, source| OpenError::Io { what, path: path.to_owned(), source };
    std::fs::metadata(dir).map_err(|source| io("open", dir, source))?;
    let lock = DirLock::take(dir).map(|lock| lock.ok_or_else(|| OpenError::InUse { dir: dir.to_owned() }));
    // On a disk that cannot be written, nobody else writes either.
    let _lock = lock.ok().transpose()?;
    let files: Arc<dyn Files> = Arc::new(ReadOnly);
    let found = recover::recover(&*files, &Options::new(dir))?;
    let mut after = 0;
    loop {
        let page = found.index.shelved(after, PAGE);
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        for Shelved { seq, in_flight, accepted_ms, at } in page {
            let Shelf::Disk(extent) = at else { continue };
            let salt = found.salts.get(&extent.segment).copied().unwrap_or(0);
            if let Ok(message) = reader::read(&files, dir, seq, extent, salt) {
                each(Listed { seq, in_flight, accepted_ms, message });
            }
        }
    }
}

/// The real files, of which nothing is changed: what recovery would cut or remove stays.
struct ReadOnly;

impl Files for ReadOnly {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(dir)
    }
    fn create(&self, _: &Path) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(Untouched))
    }
    fn append(&self, _: &Path, _: u64) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(Untouched))
    }
    fn read(&self, path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        RealFiles.read(path, limit, into)
    }
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        RealFiles.read_at(path, offset, len)
    }
    fn remove(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn rename(&self, _: &Path, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn replace(&self, _: &Path, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn free(&self, dir: &Path) -> io::Result<u64> {
        RealFiles.free(dir)
    }
}

struct Untouched;

impl SegmentFile for Untouched {
    fn append(&mut self, _: &[u8]) -> io::Result<()> {
        Ok(())
    }
    fn allocate(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
    fn truncate(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }
}
