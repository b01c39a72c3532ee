//! Giving back the room of messages that have ended, where a few that wait keep their file: an alarm passes hundreds of
//! readings that a spent budget holds back, and each of its files holds one of them. [outbox-16]
//!
//! Only when a bound asks for it: the files take more than the messages may, or too little is left on the disk. The file
//! that has the most besides what lives in it is written anew, if the new one takes at most half of its length: beside the
//! old one, made durable, and put in its place in one step. A message is thus written again at most as often as its file can
//! be halved.

use std::io;
use std::time::{Duration, Instant};

use super::disk::{Space, Writer};
use super::index::Sparse;
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
        let found = self
            .shared
            .with(|state, _| state.index.idle_newest(&self.log.sizes).map(|kept| (kept, state.index.ceiling())));
        let Some((kept, ceiling)) = found else { return };
        // Who reads a message of it would find another in its place.
        let emptied = {
            let _unread = self.shared.hold_files();
            self.log.empty()
        };
        if !matches!(emptied, Ok(true)) {
            return;
        }
        let mut records = vec![Record::Reserve { ceiling }];
        records.extend(kept.records());
        let written = self.log.write(&records, ceiling, false);
        let durable = written.is_ok();
        self.shared.with(|state, _| {
            state.index.emptied(kept, durable);
            if durable && matches!(state.disk, DiskHealth::Failing { .. }) {
                state.disk = DiskHealth::Ok;
            }
        });
        self.told("a segment that was emptied cannot be written", written.map(drop));
        self.space = Space::default();
    }

    fn is_crowded(&self) -> bool {
        let low = matches!(self.shared.status.borrow().disk, DiskHealth::Low { .. });
        low || self.log.bytes() > self.options.max_bytes
    }

    fn rewrite(&mut self, sparse: &Sparse) -> io::Result<()> {
        let number = sparse.number;
        let (dir, files) = (&self.log.dir, &self.log.files);
        let (path, beside) = (dir.join(file_name(number)), dir.join(unfinished_name(number)));
        let mut old = Vec::new();
        files.read(&path, FILE_MAX, &mut old)?;
        let ceiling = self.shared.with(|state, _| state.index.ceiling());
        let Some(Anew { bytes, kept }) = anew(&old, sparse, ceiling) else {
            // One of its messages cannot be read, which shows when its turn comes. Until then the file stays as it is.
            self.log.sizes.remove(&number);
            return Ok(());
        };
        // What an earlier attempt left.
        let _ = files.remove(&beside);
        let mut file = files.create(&beside)?;
        if let Err(error) = file.append(&bytes).and_then(|()| file.sync()) {
            let _ = files.remove(&beside);
            return Err(error);
        }
        {
            let _unread = self.shared.hold_files();
            files.rename(&beside, &path)?;
            self.shared.with(|state, _| state.index.shrunk(number, &kept));
        }
        self.log.sizes.insert(number, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.space.written += bytes.len() as u64;
        files.sync_dir(dir)
    }
}

/// `None` when not all of its messages are to be found.
fn anew(old: &[u8], Sparse { number, live, said }: &Sparse, ceiling: u64) -> Option<Anew> {
    let salt = Head::decode(old).ok()?.salt;
    let mut bytes = Head { number: *number, salt, version: VERSION }.encode();
    debug_assert_eq!(bytes.len(), HEAD_LEN);
    for record in std::iter::once(Record::Reserve { ceiling }).chain(said.records()) {
        record.encode(salt, u32::try_from(bytes.len()).ok()?, &mut bytes);
    }
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
