//! Disks that fail and disks that are slow.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use super::ahead::lengths;
use super::{drain, message, options, put};
use crate::outbox::files::{Files, RealFiles, SegmentFile};
use crate::outbox::segment::file_name;
use crate::outbox::{AcceptError, DiskHealth, Message, Outbox, Qos};

#[derive(Default)]
pub(super) struct Faults {
    /// No file can become longer.
    pub(super) no_space: AtomicBool,
    pub(super) no_append: AtomicBool,
    no_sync: AtomicBool,
    pub(super) read_only: AtomicBool,
    pub(super) free: AtomicU64,
    /// The disk's length, of which the files take what they are long; 0: `free` is what it has left.
    pub(super) size: AtomicU64,
    /// How often somebody wanted to know what it has left.
    pub(super) asked: AtomicU64,
    pub(super) no_allocation: AtomicBool,
    gate: Mutex<bool>,
    opened: Condvar,
    waiting: tokio::sync::Notify,
}

impl Faults {
    fn may_change(&self) -> io::Result<()> {
        if self.read_only.load(SeqCst) { Err(io::ErrorKind::ReadOnlyFilesystem.into()) } else { Ok(()) }
    }

    fn hold(&self, held: bool) {
        *self.gate.lock().unwrap() = held;
        self.opened.notify_all();
    }
}

#[derive(Clone, Default)]
pub(super) struct Faulty(pub(super) Arc<Faults>);

struct FaultySegment {
    file: Box<dyn SegmentFile>,
    faults: Arc<Faults>,
    path: PathBuf,
    end: u64,
}

impl SegmentFile for FaultySegment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.faults.may_change()?;
        if self.faults.no_append.load(SeqCst) {
            return Err(io::Error::other("medium error"));
        }
        let end = self.end + bytes.len() as u64;
        if self.faults.no_space.load(SeqCst) && end > std::fs::metadata(&self.path)?.len() {
            self.file.append(&bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.end = end;
        self.file.append(bytes)
    }
    fn allocate(&mut self, len: u64) -> io::Result<()> {
        match self.faults.no_allocation.load(SeqCst) {
            true => Err(io::ErrorKind::Unsupported.into()),
            false => self.file.allocate(len),
        }
    }
    fn sync(&mut self) -> io::Result<()> {
        let mut held = self.faults.gate.lock().unwrap();
        while *held {
            self.faults.waiting.notify_one();
            held = self.faults.opened.wait(held).unwrap();
        }
        if self.faults.no_sync.load(SeqCst) { Err(io::Error::other("medium error")) } else { self.file.sync() }
    }
    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.end = len;
        self.file.truncate(len)
    }
}

impl Faulty {
    fn segment(&self, file: Box<dyn SegmentFile>, path: &Path, end: u64) -> Box<dyn SegmentFile> {
        Box::new(FaultySegment { file, faults: Arc::clone(&self.0), path: path.to_owned(), end })
    }
}

impl Files for Faulty {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealFiles.list(dir)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        self.0.may_change()?;
        Ok(self.segment(RealFiles.create(path)?, path, 0))
    }
    fn append(&self, path: &Path, end: u64) -> io::Result<Box<dyn SegmentFile>> {
        self.0.may_change()?;
        Ok(self.segment(RealFiles.append(path, end)?, path, end))
    }
    fn read(&self, path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        RealFiles.read(path, limit, into)
    }
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        RealFiles.read_at(path, offset, len)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.may_change()?;
        RealFiles.remove(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.may_change()?;
        RealFiles.rename(from, to)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        RealFiles.sync_dir(dir)
    }
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.0.may_change()?;
        RealFiles.replace(path, bytes)
    }
    fn free(&self, dir: &Path) -> io::Result<u64> {
        self.0.asked.fetch_add(1, SeqCst);
        match self.0.size.load(SeqCst) {
            0 => Ok(self.0.free.load(SeqCst)),
            size => Ok(size.saturating_sub(lengths(dir).iter().sum())),
        }
    }
}

#[tokio::test]
async fn failing_disk_is_told_and_later_acceptances_succeed_again() {
    // [outbox-1]
    for space in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let files = Faulty::default();
        let (outbox, _) = Outbox::open_with(options(dir.path()), Arc::new(files.clone())).unwrap();
        put(&outbox, "before").await;
        let fault = if space { &files.0.no_space } else { &files.0.no_sync };
        fault.store(true, SeqCst);
        let refused = outbox.accept(Message { key: Some("k".to_owned()), ..message("lost") }).await;
        assert!(matches!(refused, Err(AcceptError::Disk { .. })), "{refused:?}");
        assert!(matches!(outbox.status().borrow().disk, DiskHealth::Failing { .. }));
        fault.store(false, SeqCst);
        let retried = outbox.accept(Message { key: Some("k".to_owned()), ..message("after") }).await.unwrap();
        assert!(!retried.duplicate);
        assert_eq!(outbox.status().borrow().disk, DiskHealth::Ok);
        outbox.close().await;
        let (again, opened) = Outbox::open(options(dir.path())).unwrap();
        assert_eq!((opened.queued, opened.corrupt_records), (2, 0));
        assert_eq!(drain(&again).await, ["before", "after"]);
    }
}

#[tokio::test]
async fn a_disk_that_became_read_only_is_read_and_told_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (before, _) = Outbox::open(options(dir.path())).unwrap();
    put(&before, "kept").await;
    before.close().await;
    let segments = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path());
    let last = segments.filter(|path| path.extension().is_some_and(|kind| kind == "seg")).max().unwrap();
    // A torn tail that cannot be cut now, a segment that is damaged, and one that was not finished.
    std::fs::OpenOptions::new().append(true).open(&last).unwrap().write_all(b"torn").unwrap();
    std::fs::write(last.with_file_name("0000000000.seg"), [0xff; 100]).unwrap();
    let files = Faulty::default();
    files.0.read_only.store(true, SeqCst);
    let (outbox, opened) = Outbox::open_with(options(dir.path()), Arc::new(files.clone())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (1, 1));
    assert!(matches!(outbox.status().borrow().disk, DiskHealth::Failing { .. }));
    assert!(matches!(outbox.accept(message("refused")).await, Err(AcceptError::Disk { .. })));
    assert_eq!(drain(&outbox).await, ["kept"], "what can be read is sent");
    files.0.read_only.store(false, SeqCst);
    put(&outbox, "after").await;
    assert_eq!(outbox.status().borrow().disk, DiskHealth::Ok);
    outbox.close().await;
    let (again, _) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!(drain(&again).await, ["after"]);
}

#[tokio::test]
async fn slow_fsync_stalls_neither_next_nor_settle_nor_qos_0() {
    // [outbox-10]
    let dir = tempfile::tempdir().unwrap();
    let files = Faulty::default();
    let no_cache = crate::outbox::Options { cache_bytes: 0, ..options(dir.path()) };
    let (outbox, _) = Outbox::open_with(no_cache, Arc::new(files.clone())).unwrap();
    put(&outbox, "kept").await;
    files.0.hold(true);
    let mut slow = Box::pin(outbox.accept(message("slow")));
    tokio::select! {
        _ = &mut slow => panic!("answered before its fsync"),
        () = files.0.waiting.notified() => {}
    }
    let next = outbox.next().await;
    assert_eq!(next.message, message("kept"));
    outbox.settle(next.seq);
    outbox.accept(Message { qos: Qos::AtMostOnce, ..message("quick") }).await.unwrap();
    assert_eq!(outbox.next().await.message.payload, "quick");
    assert_eq!(outbox.status().borrow().queued, 0);
    files.0.hold(false);
    slow.await.unwrap();
    assert_eq!(drain(&outbox).await, ["slow"]);
}

#[tokio::test]
async fn a_disk_with_too_little_left_refuses_what_is_new_and_sends_what_waits() {
    // [outbox-15]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    put(&outbox, "before").await;
    outbox.close().await;
    let files = Faulty::default();
    files.0.free.store(100, SeqCst);
    let bounded = crate::outbox::Options { min_free: 1_000, ..options(dir.path()) };
    let (outbox, _) = Outbox::open_with(bounded, Arc::new(files.clone())).unwrap();
    outbox.status().wait_for(|status| status.disk == DiskHealth::Low { free: 100 }).await.unwrap();
    let refused = outbox.accept(message("new")).await;
    assert!(matches!(refused, Err(AcceptError::LowSpace { free: ..=100, min_free: 1_000 })), "{refused:?}");
    outbox.accept(Message { qos: Qos::AtMostOnce, ..message("memory") }).await.unwrap();
    assert_eq!(drain(&outbox).await, ["before", "memory"]);
    files.0.free.store(2_000, SeqCst);
    while outbox.accept(message("new")).await.is_err() {
        tokio::task::yield_now().await;
    }
    assert_eq!(outbox.status().borrow().disk, DiskHealth::Ok);
}

#[tokio::test]
async fn a_segment_of_which_nothing_waits_gives_its_room_back_where_there_is_little() {
    // [outbox-3] [outbox-8] [outbox-18]
    let dir = tempfile::tempdir().unwrap();
    let files = Faulty::default();
    files.0.free.store(2_000, SeqCst);
    let bounded = || crate::outbox::Options { min_free: 1_000, settled_keys: 8, ..options(dir.path()) };
    let (outbox, _) = Outbox::open_with(bounded(), Arc::new(files.clone())).unwrap();
    let long = "x".repeat(20_000);
    let keyed = Message { key: Some("k".to_owned()), ..message(&long) };
    let seq = outbox.accept(keyed.clone()).await.unwrap().seq;
    let size = || std::fs::metadata(dir.path().join(file_name(1))).unwrap().len();
    assert!(size() > 20_000);
    files.0.free.store(100, SeqCst);
    while outbox.accept(message("new")).await.is_ok() {
        drain(&outbox).await;
    }
    drain(&outbox).await;
    outbox.status().wait_for(|status| status.queued == 0).await.unwrap();
    while size() > 20_000 {
        let _ = outbox.accept(message("wakes the writer")).await;
        tokio::task::yield_now().await;
    }
    files.0.free.store(2_000, SeqCst);
    outbox.close().await;
    let (again, opened) = Outbox::open_with(bounded(), Arc::new(files)).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records, opened.cut_bytes), (0, 0, 0));
    let known = again.accept(keyed).await.unwrap();
    assert!(known.duplicate && known.seq == seq, "its key is remembered");
    let fresh = loop {
        match again.accept(message("later")).await {
            Ok(accepted) => break accepted.seq,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert!(fresh > seq);
}

#[tokio::test]
async fn nothing_is_answered_as_accepted_into_a_file_that_somebody_has_deleted() {
    // [outbox-1]
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("outbox");
    let (outbox, _) = Outbox::open(options(&dir)).unwrap();
    put(&outbox, "deleted").await;
    std::fs::remove_dir_all(&dir).unwrap();
    for _ in 0..2 {
        let refused = outbox.accept(message("refused")).await;
        assert!(matches!(refused, Err(AcceptError::Disk { .. })), "{refused:?}");
    }
    std::fs::create_dir(&dir).unwrap();
    put(&outbox, "kept").await;
    outbox.close().await;
    let (again, opened) = Outbox::open(options(&dir)).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (1, 0));
    assert_eq!(drain(&again).await, ["kept"]);
}
