//! Giving back the room of messages that have ended, where a few that wait keep their file: an alarm passes hundreds of
//! readings that a spent budget holds back, and each of its files holds one of them. [outbox-16]
//!
//! Only when a bound asks for it: the files take more than the messages may, or too little is left on the disk. The file
//! that has the most besides what lives in it is written anew, if the new one takes at most half of its length: beside the
//! old one, made durable, and put in its place in one step. A message is thus written again at most as often as its file can
//! be halved.

use std::io;
use std::time::{Duration, Instant};

use super::disk::Writer;
use super::index::{Carry, Sparse};
use super::record::Record;
use super::segment::{self, HEAD_LEN, Head, VERSION, file_name, unfinished_name};
use super::shared::DiskHealth;

/// The longest file that is written anew.
const FILE_MAX: u64 = 160 << 20;
/// After it failed, how long to leave it: on a full disk it would fail again.
const PAUSE: Duration = Duration::from_secs(60);

/// A segment as it is to be.
struct Anew {
    bytes: Vec<u8>,
    /// The numbers of its messages, and where they are.
    kept: Vec<(u64, u32)>,
}

impl Writer {
    /// Writes one sparse segment anew, if a bound asks for it.
    pub(super) fn compact(&mut self) {
        if !self.is_crowded() || self.compact_from.is_some_and(|from| Instant::now() < from) {
            return;
        }
        let Some(sparse) = self.shared.with(|state, _| state.index.sparse(&self.log.sizes)) else { return };
        let done = self.rewrite(&sparse);
        self.compact_from = done.is_err().then(|| Instant::now() + PAUSE);
        self.told("a segment cannot be compacted", done);
    }

    /// Where there is no room, the newest segment, too, gives its room back once nothing in it lives: it may be all that the
    /// outbox has, and the disk too full to say in it that it is of no more use. [outbox-18]
    pub(super) fn empty_newest(&mut self) {
        if matches!(self.shared.status.borrow().disk, DiskHealth::Ok) {
            return;
        }
        let Some(head) = self.log.worth_emptying() else { return };
        let found = self
            .shared
            .with(|state, _| state.index.idle_newest(&self.log.sizes).map(|said| (said, state.index.ceiling())));
        let Some(bytes) = found.and_then(|(said, ceiling)| beginning(head, &said, ceiling)) else { return };
        let emptied = self.empty(head, &bytes);
        if emptied.is_ok() {
            self.shared.with(|state, _| {
                if matches!(state.disk, DiskHealth::Failing { .. }) {
                    state.disk = DiskHealth::Ok;
                }
            });
        }
        self.told("the newest segment cannot be written anew", emptied);
        self.space.changed();
    }

    /// Puts what must be kept of the newest segment in its place. If that fails halfway the log goes on in a new one, and what
    /// this one said is said there before it is deleted.
    fn empty(&mut self, head: Head, bytes: &[u8]) -> io::Result<()> {
        match self.write_beside(head.number, bytes) {
            Ok(()) => {
                self.log.active = None;
                self.put_in_place(head.number, bytes, &[])?;
                self.log.files.sync_dir(&self.log.dir)?;
            }
            Err(error) if is_full(&error) => {
                self.log.active = None;
                self.overwrite(head.number, bytes)?;
            }
            Err(error) => return Err(error),
        }
        self.log.unsynced = false;
        self.log.reopen(head, length(bytes))
    }

    /// There is no room even for the little that is to be kept: it takes some that the file has, before that is cut.
    fn overwrite(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        let mut file = self.log.files.append(&self.log.dir.join(file_name(number)), HEAD_LEN as u64)?;
        {
            // Who reads a message of it would find another in its place.
            let _unread = self.shared.hold_files();
            file.append(bytes.get(HEAD_LEN..).unwrap_or_default())?;
            self.shared.with(|state, _| state.index.shrunk(number, &[]));
        }
        file.sync()?;
        file.truncate(bytes.len() as u64)?;
        file.sync()?;
        self.log.sizes.insert(number, length(bytes));
        Ok(())
    }

    fn is_crowded(&self) -> bool {
        let low = matches!(self.shared.status.borrow().disk, DiskHealth::Low { .. });
        low || self.log.bytes() > self.options.max_bytes
    }

    fn rewrite(&mut self, sparse: &Sparse) -> io::Result<()> {
        let number = sparse.number;
        let mut old = Vec::new();
        self.log.files.read(&self.log.dir.join(file_name(number)), FILE_MAX, &mut old)?;
        let ceiling = self.shared.with(|state, _| state.index.ceiling());
        let Some(Anew { bytes, kept }) = anew(&old, sparse, ceiling) else {
            // One of its messages cannot be read, which shows when its turn comes. Until then the file stays as it is.
            self.log.sizes.remove(&number);
            return Ok(());
        };
        self.write_beside(number, &bytes)?;
        self.put_in_place(number, &bytes, &kept)?;
        self.log.files.sync_dir(&self.log.dir)
    }

    /// A segment as it is to be, durable beside the one that it is to replace.
    fn write_beside(&self, number: u32, bytes: &[u8]) -> io::Result<()> {
        let (files, beside) = (&self.log.files, self.log.dir.join(unfinished_name(number)));
        // What an earlier attempt left.
        let _ = files.remove(&beside);
        let written = files.create(&beside).and_then(|mut file| file.append(bytes).and_then(|()| file.sync()));
        if written.is_err() {
            let _ = files.remove(&beside);
        }
        written
    }

    fn put_in_place(&mut self, number: u32, bytes: &[u8], kept: &[(u64, u32)]) -> io::Result<()> {
        let (beside, path) = (self.log.dir.join(unfinished_name(number)), self.log.dir.join(file_name(number)));
        {
            let _unread = self.shared.hold_files();
            self.log.files.rename(&beside, &path)?;
            self.shared.with(|state, _| state.index.shrunk(number, kept));
        }
        self.log.sizes.insert(number, length(bytes));
        self.space.wrote(bytes.len() as u64);
        Ok(())
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// How a segment that is written anew begins: with its head, the numbers that are set aside, and what else it must say.
fn beginning(head: Head, said: &Carry, ceiling: u64) -> Option<Vec<u8>> {
    let mut bytes = head.encode();
    debug_assert_eq!(bytes.len(), HEAD_LEN);
    for record in std::iter::once(Record::Reserve { ceiling }).chain(said.records()) {
        record.encode(head.salt, u32::try_from(bytes.len()).ok()?, &mut bytes);
    }
    Some(bytes)
}

/// `None` when not all of its messages are to be found.
fn anew(old: &[u8], Sparse { number, live, said }: &Sparse, ceiling: u64) -> Option<Anew> {
    let salt = Head::decode(old).ok()?.salt;
    let mut bytes = beginning(Head { number: *number, salt, version: VERSION }, said, ceiling)?;
    let (mut kept, mut wanted) = (Vec::with_capacity(live.len()), live.iter().peekable());
    segment::walk(old, salt, |_, _, record| {
        let (Record::Accept(accept), Ok(offset)) = (&record, u32::try_from(bytes.len())) else { return };
        if wanted.next_if(|seq| **seq == accept.seq).is_some() {
            kept.push((accept.seq, offset));
            record.encode(salt, offset, &mut bytes);
        }
    });
    wanted.peek().is_none().then_some(Anew { bytes, kept })
}
