//! The file layer: the few calls that touch the disk, behind a trait so that tests can let each of them fail or wait.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::FallocateFlags;

/// What the outbox asks of a file system.
pub(super) trait Files: Send + Sync {
    /// The names of the files in a directory; names that are not UTF-8 are none of ours and left out.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Creates a segment that must not exist.
    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>>;
    /// Opens a segment to go on with it from `end` on.
    fn append(&self, path: &Path, end: u64) -> io::Result<Box<dyn SegmentFile>>;
    /// The first `limit` bytes of a file, in the place of what `into` held: one buffer serves for a whole log.
    fn read(&self, path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()>;
    /// Exactly `len` bytes from `offset` on.
    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>>;
    /// Unlinks a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Renames a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes the directory's own entries durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Puts a small file in the place of another, whole and durable.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Bytes that the file system has left for us.
    fn free(&self, dir: &Path) -> io::Result<u64>;
}

/// A segment that is being written. Its end is where the last append ended; the file may be longer.
pub(super) trait SegmentFile: Send {
    /// Writes all of it at the end.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Takes room up to this length: the file is that long, with zeros behind its end. One that fails takes none.
    fn allocate(&mut self, len: u64) -> io::Result<()>;
    /// `fdatasync`: content and length are durable after it. One that was deleted meanwhile fails.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts the file. This is its end.
    fn truncate(&mut self, len: u64) -> io::Result<()>;
}

/// The real one.
pub(super) struct RealFiles;

impl Files for RealFiles {
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        fs::read_dir(dir)?
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Box::new(RealSegment { file, end: 0 }))
    }

    fn append(&self, path: &Path, end: u64) -> io::Result<Box<dyn SegmentFile>> {
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Box::new(RealSegment { file, end }))
    }

    fn read(&self, path: &Path, limit: u64, into: &mut Vec<u8>) -> io::Result<()> {
        let file = File::open(path)?;
        let len = file.metadata()?.len().min(limit);
        into.clear();
        into.reserve_exact(usize::try_from(len).unwrap_or(0));
        file.take(limit).read_to_end(into)?;
        Ok(())
    }

    fn read_at(&self, path: &Path, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        File::open(path)?.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        fs::rename(&new, path)?;
        path.parent().map_or(Ok(()), |dir| self.sync_dir(dir))
    }

    fn free(&self, dir: &Path) -> io::Result<u64> {
        let found = rustix::fs::statvfs(dir)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

struct RealSegment {
    file: File,
    end: u64,
}

impl SegmentFile for RealSegment {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    fn allocate(&mut self, len: u64) -> io::Result<()> {
        let taken = rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, len);
        if taken.is_err() {
            // A disk that becomes full on the way may have given a part.
            self.file.set_len(self.end)?;
        }
        Ok(taken?)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        // What is in a file without a name is gone with this process, however well it is on the disk.
        if self.file.metadata()?.nlink() == 0 {
            return Err(io::Error::other(
                "somebody deleted the file that was being written: leave the outbox's directory alone",
            ));
        }
        Ok(())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.end = len;
        Ok(())
    }
}

/// Holds the directory for this instance for as long as it lives; the kernel lets go of it even after a SIGKILL.
#[derive(Debug)]
pub(super) struct DirLock(#[expect(dead_code, reason = "held for its lock")] File);

impl DirLock {
    /// Creates the directory if need be and locks it; `Ok(None)` when another instance holds it.
    pub(super) fn take(dir: &Path) -> io::Result<Option<Self>> {
        let mut new = fs::DirBuilder::new();
        if let Err(error) = new.recursive(true).mode(0o700).create(dir)
            && !dir.is_dir()
        {
            return Err(error);
        }
        let file = Self::open(dir)?;
        match rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self(file))),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// A file system that became read-only may still be read: the lock is then on what is there.
    fn open(dir: &Path) -> io::Result<File> {
        let path = dir.join("lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        match opened {
            Err(error) if error.kind() == io::ErrorKind::ReadOnlyFilesystem => {
                File::open(path).or_else(|_| File::open(dir))
            }
            opened => opened,
        }
    }
}
