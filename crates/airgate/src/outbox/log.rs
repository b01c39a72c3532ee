//! The end of the log: appends groups of records, begins new segments, and steps back when the disk refuses.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::files::{Files, SegmentFile};
use super::record::Record;
use super::segment::{Head, VERSION, file_name};

/// The newest segment is written anew only when it is longer than this: a file system gives room in blocks.
const WORTH_EMPTYING: u32 = 16 * 1024;

/// The segment that is being written.
pub(super) struct Active {
    pub(super) head: Head,
    pub(super) file: Box<dyn SegmentFile>,
    /// Bytes that are durable or jotted down; 0 while not even its head is.
    pub(super) len: u32,
    pub(super) room: Room,
}

/// How the segment that is being written gets its room. [outbox-21]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// It was not asked for yet.
    Unasked,
    /// The file has the length of a segment already, with zeros behind what was written.
    Ahead,
    /// The file grows with what is written.
    AsWritten,
}

impl Active {
    /// Ends the file where what was written ends.
    fn cut(&mut self) -> io::Result<()> {
        self.file.truncate(u64::from(self.len))?;
        self.room = Room::AsWritten;
        Ok(())
    }
}

/// Where a group was written.
#[derive(Debug)]
pub(super) struct Written {
    /// The segment, when this group began it.
    pub(super) begun: Option<Head>,
    pub(super) segment: u32,
    /// Offset and length of each record.
    pub(super) spans: Vec<(u32, u32)>,
    /// Bytes, with those that a new segment begins with.
    pub(super) bytes: u64,
}

/// See the module.
pub(super) struct Log {
    pub(super) files: Arc<dyn Files>,
    pub(super) dir: PathBuf,
    pub(super) active: Option<Active>,
    pub(super) next_number: u32,
    pub(super) segment_bytes: usize,
    /// What is to stay free on the disk, in bytes.
    pub(super) min_free: u64,
    /// Gives each new segment its salt.
    pub(super) salt: fn() -> u32,
    /// Something was jotted down since the last fsync.
    pub(super) unsynced: bool,
    /// What each segment's file holds, in bytes, as far as it is known.
    pub(super) sizes: BTreeMap<u32, u32>,
}

impl Log {
    /// Appends the records and makes them durable: all of them, or none that is answered for.
    ///
    /// `ceiling` is restated at the beginning of a new segment, so that it outlives the old ones.
    pub(super) fn write(&mut self, records: &[Record<'_>], ceiling: u64, fresh: bool) -> io::Result<Written> {
        let total = records.iter().map(Record::encoded_len).sum::<usize>();
        let mut active = self.active_for(total, fresh)?;
        let begun = (active.len == 0).then_some(active.head);
        let mut buffer = Vec::with_capacity(total + 128);
        if let Some(head) = begun {
            buffer.extend(head.encode());
            append(&Record::Reserve { ceiling }, &active, &mut buffer)?;
        }
        let mut spans = Vec::with_capacity(records.len());
        for record in records {
            spans.push(append(record, &active, &mut buffer)?);
        }
        let len = end(&active, &buffer)?;
        self.take_room(&mut active);
        if let Err(error) = active.file.append(&buffer) {
            self.step_back(active, true);
            return Err(error);
        }
        let durable =
            active.file.sync().and_then(|()| if begun.is_some() { self.files.sync_dir(&self.dir) } else { Ok(()) });
        if let Err(error) = durable {
            self.step_back(active, false);
            return Err(error);
        }
        let segment = active.head.number;
        self.unsynced = false;
        self.grown(active, len);
        Ok(Written { begun, segment, spans, bytes: buffer.len() as u64 })
    }

    /// Appends records without making them durable: they outlive the process, and a power cut only after the next fsync.
    /// False when there is no segment with room for them; then nothing was written.
    pub(super) fn jot(&mut self, records: &[Record<'_>]) -> io::Result<bool> {
        let total = records.iter().map(Record::encoded_len).sum::<usize>();
        let Some(mut active) = self.active.take_if(|a| a.len > 0 && a.len as usize + total <= self.segment_bytes)
        else {
            return Ok(false);
        };
        let mut buffer = Vec::with_capacity(total);
        for record in records {
            append(record, &active, &mut buffer)?;
        }
        let len = end(&active, &buffer)?;
        if let Err(error) = active.file.append(&buffer) {
            self.step_back(active, true);
            return Err(error);
        }
        self.unsynced = true;
        self.grown(active, len);
        Ok(true)
    }

    /// Makes durable what was jotted down.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !std::mem::take(&mut self.unsynced) {
            return Ok(());
        }
        let Some(mut active) = self.active.take() else { return Ok(()) };
        if let Err(error) = active.file.sync() {
            self.step_back(active, false);
            return Err(error);
        }
        self.active = Some(active);
        Ok(())
    }

    /// The head of the active segment, when it is long enough for its room to be worth having back.
    pub(super) fn worth_emptying(&self) -> Option<Head> {
        self.active.as_ref().filter(|active| active.len > WORTH_EMPTYING).map(|active| active.head)
    }

    /// Goes on with a segment whose file was written anew and holds so many bytes now.
    pub(super) fn reopen(&mut self, head: Head, len: u32) -> io::Result<()> {
        let file = self.files.append(&self.dir.join(file_name(head.number)), u64::from(len))?;
        self.active = Some(Active { head, file, len, room: Room::AsWritten });
        Ok(())
    }

    /// Gives back the room that was taken ahead. False when there was none.
    pub(super) fn give_back(&mut self) -> bool {
        let ahead = self.active.as_mut().filter(|active| active.room == Room::Ahead);
        ahead.is_some_and(|active| active.cut().is_ok())
    }

    /// What of the room that was taken ahead is still to be written, in bytes.
    pub(super) fn ahead(&self) -> u64 {
        let ahead = self.active.as_ref().filter(|active| active.room == Room::Ahead);
        ahead.map_or(0, |active| (self.segment_bytes as u64).saturating_sub(u64::from(active.len)))
    }

    fn grown(&mut self, active: Active, len: u32) {
        self.sizes.insert(active.head.number, len);
        let finished = self.active.replace(Active { len, ..active });
        if let Some(mut finished) = finished.filter(|finished| finished.room == Room::Ahead) {
            // If that fails, or the power goes before it is durable, the next start cuts it.
            let _ = finished.cut();
        }
    }

    /// Takes room for the whole segment, once: an fsync need not make a new length durable then, which costs a file system
    /// with a journal several times what the records do. One that cannot, or has little left, gives room as it is written.
    fn take_room(&self, active: &mut Active) {
        if active.room != Room::Unasked {
            return;
        }
        active.room = Room::AsWritten;
        let len = self.segment_bytes as u64;
        let plenty = self.min_free.saturating_add(2 * len);
        if !self.files.free(&self.dir).is_ok_and(|free| free >= plenty) {
            return;
        }
        match active.file.allocate(len) {
            Ok(()) => active.room = Room::Ahead,
            Err(error) => tracing::debug!(%error, "the outbox takes room as it is written, not ahead"),
        }
    }

    /// What all files hold, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.sizes.values().map(|size| u64::from(*size)).sum()
    }

    fn active_for(&mut self, more: usize, fresh: bool) -> io::Result<Active> {
        let has_room = |a: &Active| a.len as usize + more <= self.segment_bytes;
        if fresh || !self.active.as_ref().is_some_and(has_room) {
            // What was jotted down in the old one: if it is lost, some messages are sent a second time.
            let _ = self.sync();
            // A new file first: when that fails, the old one is still there for what fits it.
            return self.begin();
        }
        self.active.take().map_or_else(|| self.begin(), Ok)
    }

    fn begin(&mut self) -> io::Result<Active> {
        let number = self.next_number;
        self.next_number = number.checked_add(1).ok_or_else(|| io::Error::other("segment numbers are used up"))?;
        let file = self.files.create(&self.dir.join(file_name(number)))?;
        Ok(Active { head: Head { number, salt: (self.salt)(), version: VERSION }, file, len: 0, room: Room::Unasked })
    }

    /// A group failed. What it left is cut away. After a failed fsync nobody knows what the kernel still holds of the
    /// file, and the next fsync would succeed without writing it: such a file is not written again.
    fn step_back(&mut self, mut active: Active, again: bool) {
        let cut = active.cut();
        if active.len == 0 {
            // The index has never heard of it. If it cannot be removed either, the next start reads an empty segment.
            let _ = self.files.remove(&self.dir.join(file_name(active.head.number)));
        } else if again && cut.is_ok() {
            self.active = Some(active);
        }
    }
}

fn append(record: &Record<'_>, active: &Active, buffer: &mut Vec<u8>) -> io::Result<(u32, u32)> {
    let offset = end(active, buffer)?;
    record.encode(active.head.salt, offset, buffer);
    Ok((offset, end(active, buffer)? - offset))
}

fn end(active: &Active, buffer: &[u8]) -> io::Result<u32> {
    let len = u32::try_from(buffer.len()).ok().and_then(|more| active.len.checked_add(more));
    len.ok_or_else(|| io::Error::other("a segment would exceed 4 GiB"))
}
