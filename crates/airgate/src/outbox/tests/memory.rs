//! A disk in memory that remembers every write, and what it holds when the power goes at any moment.
//!
//! Of a file, what an fsync covered is there. Later writes are there sector by sector, in any order, whole, not at all or
//! as garbage, and where they make the file longer, its length is anything between. Names (created, renamed, removed) are
//! there in the order in which they were changed, up to any point after the last fsync of the directory, as journalling file
//! systems do it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::outbox::files::{Files, SegmentFile};

const SECTOR: usize = 512;

/// Repeatable chance.
#[derive(Clone)]
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0xD1B5_4A32_D192_ED03)
    }

    /// 0 to `below` - 1.
    pub(super) fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % below.max(1)
    }

    pub(super) fn half(&mut self) -> bool {
        self.roll(2) == 0
    }
}

#[derive(Debug, Clone)]
enum Op {
    Create(String),
    Append { name: String, at: usize, bytes: Vec<u8> },
    Allocate { name: String, len: usize },
    Cut { name: String, len: usize },
    Sync(String),
    Remove(String),
    Rename(String, String),
    Replace(String, Vec<u8>),
    SyncDir,
}

type Content = BTreeMap<String, Vec<u8>>;

/// What is to go wrong with the next call that could.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Trouble {
    Append,
    Allocate,
    Sync,
}

#[derive(Default)]
struct Inner {
    log: Vec<Op>,
    content: Content,
    trouble: Option<Trouble>,
    /// No file can become longer.
    full: bool,
}

/// Clones share it.
#[derive(Clone, Default)]
pub(super) struct Disk(Arc<Mutex<Inner>>);

impl Disk {
    /// A disk that holds this, durably.
    fn holding(content: Content) -> Self {
        let log = content.iter().map(|(name, bytes)| Op::Replace(name.clone(), bytes.clone())).collect();
        Self(Arc::new(Mutex::new(Inner { log, content, ..Inner::default() })))
    }

    /// Calls so far.
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap().log.len()
    }

    /// Files put in the place of others so far.
    pub(super) fn renames(&self) -> usize {
        self.0.lock().unwrap().log.iter().filter(|op| matches!(op, Op::Rename(..))).count()
    }

    /// Bytes written to files so far, to those too that are gone.
    pub(super) fn written(&self) -> u64 {
        let written = |op: &Op| if let Op::Append { bytes, .. } = op { bytes.len() as u64 } else { 0 };
        self.0.lock().unwrap().log.iter().map(written).sum()
    }

    /// What the segments hold.
    pub(super) fn segments(&self) -> Vec<Vec<u8>> {
        let inner = self.0.lock().unwrap();
        inner.content.iter().filter(|(name, _)| name.ends_with(".seg")).map(|(_, bytes)| bytes.clone()).collect()
    }

    /// Whether, after so many calls, a file was written from `begin` on and nothing was made durable since.
    pub(super) fn is_overwritten_from(&self, begin: usize, calls: usize) -> bool {
        let inner = self.0.lock().unwrap();
        let log = &inner.log[..calls];
        let synced = log.iter().rposition(|op| matches!(op, Op::Sync(_))).unwrap_or(0);
        log[synced..].iter().any(|op| matches!(op, Op::Append { at, .. } if *at == begin))
    }

    pub(super) fn fill(&self, full: bool) {
        self.0.lock().unwrap().full = full;
    }

    /// Segments begun so far.
    pub(super) fn begun(&self) -> u64 {
        let begins = |op: &&Op| matches!(op, Op::Create(name) if name.ends_with(".seg"));
        self.0.lock().unwrap().log.iter().filter(begins).count() as u64
    }

    pub(super) fn fail_next(&self, trouble: Trouble) {
        self.0.lock().unwrap().trouble = Some(trouble);
    }

    pub(super) fn heal(&self) {
        self.0.lock().unwrap().trouble = None;
    }

    /// What the process left: every call took effect.
    pub(super) fn after_kill(&self) -> Self {
        Self::holding(self.0.lock().unwrap().content.clone())
    }

    /// What is there when the power went after so many calls.
    pub(super) fn after_power_cut(&self, calls: usize, dice: &mut Dice) -> Self {
        let inner = self.0.lock().unwrap();
        let log = &inner.log[..calls];
        let durable = log.iter().rposition(|op| matches!(op, Op::SyncDir)).unwrap_or(0);
        let names: Vec<usize> =
            (durable..calls).filter(|at| matches!(log[*at], Op::Create(_) | Op::Remove(_) | Op::Rename(..))).collect();
        let kept = dice.roll(names.len() as u64 + 1) as usize;
        let lost = names.get(kept).copied().unwrap_or(calls);
        let mut content = Content::new();
        for (at, op) in log.iter().enumerate() {
            match op {
                Op::Create(name) if at < lost => drop(content.insert(name.clone(), file_of(log, at, name, dice))),
                Op::Remove(name) if at < lost => drop(content.remove(name)),
                Op::Rename(from, to) if at < lost => {
                    content.remove(from);
                    content.insert(to.clone(), file_of(log, at, to, dice));
                }
                Op::Replace(name, _) => drop(content.insert(name.clone(), file_of(log, at, name, dice))),
                _ => {}
            }
        }
        Self::holding(content)
    }
}

/// The file that got this name by the call `born`.
fn file_of(log: &[Op], born: usize, name: &str, dice: &mut Dice) -> Vec<u8> {
    let mut bytes = match &log[born] {
        Op::Replace(_, whole) => whole.clone(),
        Op::Rename(from, _) => {
            let is_birth =
                |op: &Op| matches!(op, Op::Create(of) | Op::Replace(of, _) | Op::Rename(_, of) if of == from);
            file_of(&log[..born], log[..born].iter().rposition(is_birth).unwrap(), from, dice)
        }
        _ => Vec::new(),
    };
    // Another may be put in its place.
    let own = &log[born + 1..];
    let own = own.iter().position(|op| matches!(op, Op::Rename(_, of) if of == name)).map_or(own, |at| &own[..at]);
    let synced = own.iter().rposition(|op| matches!(op, Op::Sync(of) if of == name));
    for (at, op) in own.iter().enumerate() {
        let durable = synced.is_some_and(|synced| at < synced);
        match op {
            Op::Append { name: of, at: from, bytes: more } if of == name && durable => put(&mut bytes, *from, more),
            Op::Append { name: of, at: from, bytes: more } if of == name => torn(&mut bytes, *from, more, dice),
            Op::Allocate { name: of, len } if of == name && (durable || dice.half()) => lengthen(&mut bytes, *len),
            Op::Cut { name: of, len } if of == name && (durable || dice.half()) => bytes.truncate(*len),
            _ => {}
        }
    }
    bytes
}

fn torn(file: &mut Vec<u8>, from: usize, more: &[u8], dice: &mut Dice) {
    let (end, before) = (from + more.len(), file.len());
    let mut at = from;
    while at < end {
        let next = (at / SECTOR + 1) * SECTOR;
        let part = &more[at - from..next.min(end) - from];
        match dice.roll(4) {
            0 => {}
            1 => put(file, at, &vec![dice.roll(256) as u8; part.len()]),
            _ => put(file, at, part),
        }
        at = next;
    }
    if dice.half() && file.len() > before {
        file.truncate(before + dice.roll((file.len() - before) as u64 + 1) as usize);
    }
}

fn put(file: &mut Vec<u8>, at: usize, part: &[u8]) {
    lengthen(file, at + part.len());
    file[at..at + part.len()].copy_from_slice(part);
}

fn lengthen(file: &mut Vec<u8>, len: usize) {
    file.resize(file.len().max(len), 0);
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

struct Segment {
    disk: Disk,
    name: String,
    end: usize,
}

impl SegmentFile for Segment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        let (trouble, full) = (inner.trouble, inner.full);
        let Some(file) = inner.content.get_mut(&self.name) else { return Err(io::ErrorKind::NotFound.into()) };
        let failing = trouble == Some(Trouble::Append) || full && self.end + bytes.len() > file.len();
        let written = if failing { &bytes[..bytes.len() / 2] } else { bytes };
        put(file, self.end, written);
        inner.log.push(Op::Append { name: self.name.clone(), at: self.end, bytes: written.to_vec() });
        if failing {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.end += bytes.len();
        Ok(())
    }
    fn allocate(&mut self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        if inner.trouble == Some(Trouble::Allocate) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let len = len as usize;
        if let Some(file) = inner.content.get_mut(&self.name) {
            lengthen(file, len);
        }
        inner.log.push(Op::Allocate { name: self.name.clone(), len });
        Ok(())
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        if inner.trouble == Some(Trouble::Sync) {
            return Err(io::Error::other("medium error"));
        }
        inner.log.push(Op::Sync(self.name.clone()));
        Ok(())
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        let mut inner = self.disk.0.lock().unwrap();
        self.end = len as usize;
        if let Some(file) = inner.content.get_mut(&self.name) {
            file.truncate(self.end);
        }
        inner.log.push(Op::Cut { name: self.name.clone(), len: self.end });
        Ok(())
    }
}

impl Files for Disk {
    fn list(&self, _: &Path) -> io::Result<Vec<String>> {
        Ok(self.0.lock().unwrap().content.keys().cloned().collect())
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let (mut inner, name) = (self.0.lock().unwrap(), name_of(path));
        if inner.content.insert(name.clone(), Vec::new()).is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        inner.log.push(Op::Create(name.clone()));
        Ok(Box::new(Segment { disk: self.clone(), name, end: 0 }))
    }
    fn append(&self, path: &Path, end: u64) -> io::Result<Box<dyn SegmentFile>> {
        Ok(Box::new(Segment { disk: self.clone(), name: name_of(path), end: end as usize }))
    }
    fn read(&self, path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let inner = self.0.lock().unwrap();
        let bytes = inner.content.get(&name_of(path)).ok_or(io::ErrorKind::NotFound)?;
        into.clear();
        into.extend(&bytes[..bytes.len().min(limit as usize)]);
        Ok(())
    }
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read(path, u64::MAX, &mut bytes)?;
        let part = bytes.get(offset as usize..offset as usize + len);
        part.map(<[u8]>::to_vec).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let (mut inner, name) = (self.0.lock().unwrap(), name_of(path));
        inner.content.remove(&name).ok_or(io::ErrorKind::NotFound)?;
        inner.log.push(Op::Remove(name));
        Ok(())
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut inner, from, to) = (self.0.lock().unwrap(), name_of(from), name_of(to));
        let bytes = inner.content.remove(&from).ok_or(io::ErrorKind::NotFound)?;
        inner.content.insert(to.clone(), bytes);
        inner.log.push(Op::Rename(from, to));
        Ok(())
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        self.0.lock().unwrap().log.push(Op::SyncDir);
        Ok(())
    }
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let (mut inner, name) = (self.0.lock().unwrap(), name_of(path));
        inner.content.insert(name.clone(), bytes.to_vec());
        inner.log.push(Op::Replace(name, bytes.to_vec()));
        Ok(())
    }
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
