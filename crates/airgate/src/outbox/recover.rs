//! Opening: what the segments say is read into the index, the torn tail is cut, what is damaged is counted.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::Path;

use super::clock::{Anchor, Steady};
use super::errors::OpenError;
use super::files::Files;
use super::index::Index;
use super::log::{Active, Room};
use super::options::Options;
use super::record::Record;
use super::segment::{self, Head, HeadFault, VERSION, Walk, file_name, is_unfinished, number_of};

/// No segment that this program wrote is longer: the largest segment and one group.
const FILE_MAX: u64 = 160 << 20;

/// What was found at the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Opened {
    /// Messages that wait to be sent, those that were in flight among them.
    pub queued: u64,
    /// Bytes of torn tails that were cut: nothing in them had been answered as accepted.
    pub cut_bytes: u64,
    /// Damaged places in the log. Each may have cost a message.
    pub corrupt_records: u64,
}

pub(super) struct Recovered {
    pub(super) index: Index,
    pub(super) salts: BTreeMap<u32, u32>,
    pub(super) active: Option<Active>,
    pub(super) next_number: u32,
    /// The length of each segment's file.
    pub(super) sizes: BTreeMap<u32, u32>,
    pub(super) opened: Opened,
    pub(super) steady: Steady,
    /// Why the log cannot be written, when the file system has become read-only.
    pub(super) read_only: Option<String>,
    /// When the newest message was accepted.
    newest_ms: u64,
}

/// Where the time is kept.
pub(super) const CLOCK_FILE: &str = "clock";
const CLOCK_FILE_MAX: u64 = 512;

/// Reads the directory, which is locked.
pub(super) fn recover(files: &dyn Files, options: &Options) -> Result<Recovered, OpenError> {
    let dir = &options.dir;
    let host = options.clock.host_time();
    let names = files.list(dir).map_err(|source| io_error("list", dir, source))?;
    let used = names.iter().filter_map(|name| number_of(name.strip_suffix(".bad").unwrap_or(name))).max();
    let mut numbers: Vec<u32> = names.iter().filter_map(|name| number_of(name)).collect();
    numbers.sort_unstable();
    let mut found = Recovered {
        index: Index::new(options.limits()),
        salts: BTreeMap::new(),
        active: None,
        next_number: used.unwrap_or(0).saturating_add(1),
        sizes: BTreeMap::new(),
        opened: Opened::default(),
        steady: Steady::resume(None, 0, host),
        read_only: None,
        newest_ms: 0,
    };
    // Written anew, and not yet in its place when the power went.
    for name in names.iter().filter(|name| is_unfinished(name)) {
        let path = dir.join(name);
        found.changed("remove", &path, files.remove(&path))?;
    }
    // One for all of them: freed and taken anew each time, it would leave the heap as large as it was at its fullest.
    let mut buffer = Vec::new();
    for number in &numbers {
        found.load(files, dir, *number, numbers.last() == Some(number), &mut buffer)?;
    }
    found.index.loaded();
    // Without it, time goes on from the newest message.
    let kept = files.read(&dir.join(CLOCK_FILE), CLOCK_FILE_MAX, &mut buffer);
    let anchor = kept.ok().and_then(|()| Anchor::decode(&buffer));
    found.steady = Steady::resume(anchor, found.newest_ms, host);
    found.opened.queued = found.index.queued();
    Ok(found)
}

impl Recovered {
    fn load(
        &mut self,
        files: &dyn Files,
        dir: &Path,
        number: u32,
        last: bool,
        bytes: &mut Vec<u8>,
    ) -> Result<(), OpenError> {
        let path = dir.join(file_name(number));
        files.read(&path, FILE_MAX, bytes).map_err(|source| io_error("read", &path, source))?;
        match Head::decode(bytes) {
            Ok(head) => self.load_records(files, &path, Head { number, ..head }, bytes, last),
            Err(HeadFault::Unborn) => {
                self.opened.cut_bytes += segment::written_len(bytes) as u64;
                self.changed("remove", &path, files.remove(&path)).map(drop)
            }
            Err(HeadFault::Damaged) => {
                self.opened.corrupt_records += 1;
                let aside = path.with_extension("seg.bad");
                self.changed("set aside", &path, files.rename(&path, &aside)).map(drop)
            }
            Err(HeadFault::Version(found)) => Err(OpenError::Version { path, found, known: VERSION }),
        }
    }

    fn load_records(
        &mut self,
        files: &dyn Files,
        path: &Path,
        head: Head,
        bytes: &[u8],
        last: bool,
    ) -> Result<(), OpenError> {
        self.index.open_segment(head.number);
        self.salts.insert(head.number, head.salt);
        let mut contradictions = 0;
        let walk = segment::walk(bytes, head.salt, |offset, len, record| {
            if let Record::Accept(accept) = &record {
                self.newest_ms = self.newest_ms.max(accept.accepted_unix_ms);
            }
            contradictions += u64::from(!self.index.load(head.number, offset, len, &record));
        });
        self.opened.corrupt_records += walk.corrupt + contradictions;
        let torn = (walk.end - walk.good_end) as u64;
        let ahead = bytes.len() > walk.end;
        let size = if last { walk.good_end } else { walk.end };
        self.sizes.insert(head.number, u32::try_from(size).unwrap_or(u32::MAX));
        if !last {
            // A segment that is not the last was whole once, or was given up when its disk failed: count, and leave it.
            self.opened.corrupt_records += u64::from(torn > 0);
            if ahead {
                // The power went before its cut was durable. One that stays longer is recognised again.
                let end = walk.end as u64;
                let _ = files.append(path, end).and_then(|mut file| file.truncate(end));
            }
            return Ok(());
        }
        self.opened.cut_bytes += torn;
        let active = reopen(files, path, head, &walk, ahead);
        self.active = self.changed("cut", path, active)?.flatten();
        Ok(())
    }

    /// What came of a change. On a file system that has become read-only there is none, and that is no reason not to send what
    /// can be read: what is left there now is recognised again at the next start.
    fn changed<T>(&mut self, what: &'static str, path: &Path, result: io::Result<T>) -> Result<Option<T>, OpenError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                self.read_only.get_or_insert_with(|| format!("cannot {what} {}: {error}", path.display()));
                Ok(None)
            }
            Err(error) => Err(io_error(what, path, error)),
        }
    }
}

/// Makes the last segment ready to go on; `None` when it had better be left alone.
fn reopen(files: &dyn Files, path: &Path, head: Head, walk: &Walk, ahead: bool) -> io::Result<Option<Active>> {
    let Ok(len) = u32::try_from(walk.good_end) else { return Ok(None) };

    let mut file = files.append(path, u64::from(len))?;
    let torn = walk.end > walk.good_end;
    if torn {
        file.truncate(u64::from(len))?;
        file.sync()?;
    }
    let room = if ahead && !torn { Room::Ahead } else { Room::Unasked };
    // One of an older format is not gone on with: who wrote it can still read it.
    Ok((head.version == VERSION).then_some(Active { head, file, len, room }))
}

/// A number that nobody can foresee: a record written into a payload must not pass for one of ours.
pub(super) fn salt() -> u32 {
    let [a, b, c, d, ..] = RandomState::new().build_hasher().finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

fn io_error(what: &'static str, path: &Path, source: io::Error) -> OpenError {
    OpenError::Io { what, path: path.to_owned(), source }
}
