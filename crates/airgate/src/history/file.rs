//! The file: a ring of 720 slots, one for each hour of 30 days, each at a place that follows from its hour. See `FORMAT.md`.
//!
//! * [history-4] An hour is written once when it is over, or when the daemon stops: 128 bytes in place.
//! * [history-5] A damaged slot costs its hour, and is counted.

use super::hour::{Hour, SLOT};
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Hours in the file: 30 days.
pub const HOURS: u32 = 720;

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// In order of time, none of the future.
    pub hours: Vec<Hour>,
    /// Slots that cannot be read.
    pub damaged: usize,
}

/// The ring at a path.
#[derive(Clone, Debug)]
pub struct Ring(PathBuf);

impl Ring {
    /// The file need not exist.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The 30 days that end with `now`, in hours since 1970.
    ///
    /// # Errors
    /// Of the file system; a file that is not there is empty.
    pub fn read(&self, now: u32) -> io::Result<Kept> {
        let mut bytes = Vec::new();
        match File::open(&self.0) {
            Ok(file) => drop(file.take(SLOT as u64 * u64::from(HOURS)).read_to_end(&mut bytes)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut kept = Kept::default();
        for (place, slot) in (0..HOURS).zip(bytes.chunks(SLOT)) {
            match slot.try_into().ok().and_then(Hour::decode).filter(|hour| hour.hour % HOURS == place) {
                Some(hour) if hour.hour <= now && now - hour.hour < HOURS => kept.hours.push(hour),
                // Of an older month, or of a clock that was ahead.
                Some(_) => {}
                None if slot.iter().all(|byte| *byte == 0) => {}
                None => kept.damaged += 1,
            }
        }
        kept.hours.sort_by_key(|hour| hour.hour);
        Ok(kept)
    }

    /// Writes an hour, or adds it to what is there of the same.
    ///
    /// # Errors
    /// Of the file system.
    pub fn add(&self, hour: &Hour) -> io::Result<()> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(&self.0)?;
        let offset = u64::from(hour.hour % HOURS) * SLOT as u64;
        let mut slot = [0; SLOT];
        let there = file.read_exact_at(&mut slot, offset).ok().and_then(|()| Hour::decode(&slot));
        let whole = match there.filter(|there| there.hour == hour.hour) {
            Some(mut there) => {
                there.merge(hour);
                there
            }
            None => hour.clone(),
        };
        file.write_all_at(&whole.encode(), offset)?;
        file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::hour::HOUR_MS;

    const NOW: u32 = 500_000;

    fn hour(hour: u32) -> Hour {
        Hour { hour, watched_ms: 1000, up_bytes: hour % 1000, ..Hour::default() }
    }

    fn ring() -> (tempfile::TempDir, Ring) {
        let dir = tempfile::tempdir().unwrap();
        let ring = Ring::new(dir.path().join("history.bin"));
        (dir, ring)
    }

    #[test]
    fn a_year_of_hours_leaves_the_last_30_days_in_a_file_that_does_not_grow() {
        let (_dir, ring) = ring();
        assert_eq!(ring.read(NOW).unwrap(), Kept::default());
        for number in NOW - 2_000..=NOW {
            ring.add(&hour(number)).unwrap();
        }
        let kept = ring.read(NOW).unwrap();
        assert_eq!(kept.hours, (NOW - 719..=NOW).map(hour).collect::<Vec<_>>());
        assert_eq!(std::fs::metadata(ring.path()).unwrap().len(), 720 * 128);
    }

    #[test]
    fn hours_without_the_daemon_are_gaps_and_last_months_do_not_show_through() {
        let (_dir, ring) = ring();
        ring.add(&hour(NOW - 900)).unwrap();
        ring.add(&hour(NOW - 10)).unwrap();
        ring.add(&hour(NOW)).unwrap();
        assert_eq!(ring.read(NOW).unwrap().hours, [hour(NOW - 10), hour(NOW)]);
    }

    #[test]
    fn a_clock_that_was_ahead_shows_no_hours_of_the_future() {
        let (_dir, ring) = ring();
        ring.add(&hour(NOW + 5)).unwrap();
        ring.add(&hour(NOW)).unwrap();
        assert_eq!(ring.read(NOW).unwrap(), Kept { hours: vec![hour(NOW)], damaged: 0 });
    }

    #[test]
    fn a_restart_within_the_hour_adds_to_it() {
        let (_dir, ring) = ring();
        let part = Hour { watched_ms: HOUR_MS as u32 / 2, ..hour(NOW) };
        ring.add(&part).unwrap();
        ring.add(&part).unwrap();
        assert_eq!(ring.read(NOW).unwrap().hours[0].watched_ms, HOUR_MS as u32);
    }

    #[test]
    fn a_torn_slot_costs_its_hour_alone_and_the_next_write_heals_it() {
        let (_dir, ring) = ring();
        for number in NOW - 2..=NOW {
            ring.add(&hour(number)).unwrap();
        }
        let mut bytes = std::fs::read(ring.path()).unwrap();
        let at = ((NOW - 1) % HOURS) as usize * SLOT;
        bytes[at + 60..at + 128].fill(0xff);
        // And the last one was cut short.
        bytes.truncate(bytes.len() - 5);
        std::fs::write(ring.path(), &bytes).unwrap();
        let kept = ring.read(NOW).unwrap();
        assert_eq!(kept, Kept { hours: vec![hour(NOW - 2)], damaged: 2 });
        ring.add(&hour(NOW - 1)).unwrap();
        assert_eq!(ring.read(NOW).unwrap(), Kept { hours: vec![hour(NOW - 2), hour(NOW - 1)], damaged: 1 });
    }

    #[test]
    fn junk_of_any_length_is_counted_and_harmless() {
        let (_dir, ring) = ring();
        for len in [1, 127, 128, 129, 720 * 128, 720 * 128 + 5_000] {
            std::fs::write(ring.path(), vec![0x5a; len]).unwrap();
            let kept = ring.read(NOW).unwrap();
            assert_eq!((kept.hours.len(), kept.damaged), (0, len.min(720 * 128).div_ceil(128)));
            ring.add(&hour(NOW)).unwrap();
            assert_eq!(ring.read(NOW).unwrap().hours, [hour(NOW)]);
        }
    }
}
