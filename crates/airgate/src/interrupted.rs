//! What was being handed to the module when the daemon died.
//!
//! A module in the data phase of a command takes whatever comes next for payload, with some firmware for ever, and would
//! publish the next daemon's knocking. So the payload is kept until the module has answered. The file lies beside the
//! sockets, in memory and not on the SD card: it has to outlive the daemon, not the host.
//!
//! * [interrupted-1] It is written before the command leaves, and emptied when the module has answered.
//! * [interrupted-2] A file that is missing, torn or foreign means that nothing was interrupted.
//! * [interrupted-3] A file that cannot be written is told once; the daemon goes on without.
//!
//! The file: the payload's length, then the CRC-32 of the payload, each in four bytes, the lowest first; then the payload.

use bytes::Bytes;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Length and checksum.
const HEADER: usize = 8;
/// The longest that the module takes at once; more is not ours.
const MAX: usize = 16 * 1024;

/// The file, open for as long as the daemon lives.
#[derive(Debug)]
pub struct Interrupted {
    path: PathBuf,
    /// `None`: it cannot be written, which was told.
    file: Option<fs::File>,
}

impl Interrupted {
    /// Opens or makes the file, and gives what the daemon before was interrupted in.
    pub fn open(path: PathBuf) -> (Self, Option<Bytes>) {
        let mut interrupted = Self { path, file: None };
        let opened = open(&interrupted.path).and_then(|file| Ok((read(&file)?, file)));
        match opened {
            Ok((payload, file)) => {
                interrupted.file = Some(file);
                (interrupted, payload)
            }
            Err(error) => {
                interrupted.cannot(&error);
                (interrupted, None)
            }
        }
    }

    /// Keeps `payload`, or forgets what it kept.
    pub fn note(&mut self, payload: Option<&[u8]>) {
        let payload = payload.filter(|payload| payload.len() <= MAX).unwrap_or_default();
        let Some(file) = &self.file else { return };
        if let Err(error) = file.write_all_at(&record(payload), 0) {
            self.cannot(&error);
        }
    }

    fn cannot(&mut self, error: &io::Error) {
        self.file = None;
        let file = self.path.display();
        tracing::warn!(
            "{file} cannot be used ({error}): if the daemon dies now, what it was just sending may arrive garbled"
        );
    }
}

fn open(path: &Path) -> io::Result<fs::File> {
    fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn record(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or_default();
    [&len.to_le_bytes()[..], &crc32fast::hash(payload).to_le_bytes(), payload].concat()
}

fn read(file: &fs::File) -> io::Result<Option<Bytes>> {
    let mut bytes = Vec::new();
    file.take((HEADER + MAX) as u64).read_to_end(&mut bytes)?;
    Ok(payload(&bytes))
}

fn payload(bytes: &[u8]) -> Option<Bytes> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    let payload = rest.get(..usize::try_from(u32::from_le_bytes(*len)).ok()?)?;
    let whole = !payload.is_empty() && bytes.starts_with(&record(payload));
    whole.then(|| Bytes::copy_from_slice(payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn reopened(path: &Path) -> Option<Bytes> {
        Interrupted::open(path.to_owned()).1
    }

    #[test]
    fn what_was_noted_last_is_found_by_the_next_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("interrupted");
        let (mut interrupted, before) = Interrupted::open(path.clone());
        assert_eq!(before, None);
        interrupted.note(Some(b"a long one"));
        interrupted.note(Some(b"short"));
        assert_eq!(reopened(&path).as_deref(), Some(&b"short"[..]));
        interrupted.note(None);
        assert_eq!(reopened(&path), None);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "messages are nobody else's business");
    }

    #[test]
    fn a_file_that_cannot_be_made_interrupts_nothing() {
        let (mut interrupted, before) = Interrupted::open("/does/not/exist/interrupted".into());
        interrupted.note(Some(b"x"));
        assert_eq!(before, None);
    }

    proptest! {
        #[test]
        fn a_torn_or_garbled_record_is_none(payload in proptest::collection::vec(any::<u8>(), 1..200), at in any::<usize>(), flip in 1_u8..) {
            let good = record(&payload);
            let read = super::payload(&good);
            prop_assert_eq!(read.as_deref(), Some(&payload[..]));
            let at = at % good.len();
            prop_assert_eq!(super::payload(&good[..at]), None);
            let mut bad = good.clone();
            bad[at] ^= flip;
            prop_assert_eq!(super::payload(&bad), None);
        }
    }
}
