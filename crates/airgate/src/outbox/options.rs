//! What can be set.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::clock::{Clock, SystemClock};
use super::errors::OpenError;
use super::index::Limits;
use super::record::RECORD_MAX;

/// How an outbox is to behave. Every bound is in messages or bytes as named.
#[derive(Clone)]
pub struct Options {
    /// Its directory; created (mode 0700) when missing.
    pub dir: PathBuf,
    /// How long after a group the next may be written, so that what comes meanwhile shares one fsync. 20 ms.
    pub commit_window: Duration,
    /// A group is closed early at this size: what it takes to write one is memory for good. 128 KiB.
    pub commit_bytes: usize,
    /// Messages that wait for their fsync, together; a further acceptance waits for room. 4 MiB.
    pub pending_bytes: usize,
    /// A segment is closed at this size. 4 MiB.
    pub segment_bytes: usize,
    /// How long a settlement may stay without an fsync. A power cut meanwhile sends the message twice, and does no other
    /// harm. 2 s.
    pub settle_delay: Duration,
    /// How many settlements that could not be written at once may wait for the next group. 256.
    pub settle_batch: usize,
    /// The most that messages on the disk may take together, in bytes; no bound by default.
    pub max_bytes: u64,
    /// The most messages on the disk; no bound by default.
    pub max_messages: u64,
    /// What happens at either bound.
    pub when_full: WhenFull,
    /// How long a message may wait; no bound by default.
    pub max_age: Option<Duration>,
    /// While less is free on the file system, in bytes, new messages are refused; what waits goes on. 0 by default.
    pub min_free: u64,
    /// How long a message is fresh. 60 s.
    pub fresh_for: Duration,
    /// The share of the line that fresh messages get while older ones wait too, in percent. 50.
    pub fresh_percent: u32,
    /// Messages handed out by `next` and neither settled nor released. 16.
    pub window: usize,
    /// Settled keys that are remembered. 4,096.
    pub settled_keys: usize,
    /// QoS 0 messages in memory. 256.
    pub ring_messages: usize,
    /// QoS 0 messages in memory, in bytes. 256 KiB.
    pub ring_bytes: usize,
    /// QoS 1 messages that are kept in memory too, so that sending them needs no read: more than the line carries in ten
    /// seconds. 128 KiB.
    pub cache_bytes: usize,
    /// Where the time comes from.
    pub clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// What happens when the messages on the disk take all that they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// A new message is refused.
    Refuse,
    /// The oldest waiting messages of the lowest priority go, as many as it needs, unless they are more urgent than it.
    DropOldest,
}

/// The largest segment that may be asked for; a group may make a file longer by its own size.
const SEGMENT_MAX: usize = 64 << 20;

impl Options {
    /// The defaults, for this directory.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            commit_window: Duration::from_millis(20),
            commit_bytes: 128 << 10,
            pending_bytes: 4 << 20,
            segment_bytes: 4 << 20,
            settle_delay: Duration::from_secs(2),
            settle_batch: 256,
            max_bytes: u64::MAX,
            max_messages: u64::MAX,
            when_full: WhenFull::Refuse,
            max_age: None,
            min_free: 0,
            fresh_for: Duration::from_secs(60),
            fresh_percent: 50,
            window: 16,
            settled_keys: 4096,
            ring_messages: 256,
            ring_bytes: 256 << 10,
            cache_bytes: 128 << 10,
            clock: Arc::new(SystemClock),
        }
    }

    pub(super) fn check(&self) -> Result<(), OpenError> {
        within("segment_bytes", self.segment_bytes, 256, SEGMENT_MAX)?;
        within("commit_bytes", self.commit_bytes, 1, SEGMENT_MAX)?;
        within("pending_bytes", self.pending_bytes, RECORD_MAX, SEGMENT_MAX)?;
        within("window", self.window, 1, 4096)?;
        within("settle_batch", self.settle_batch, 1, 65_536)?;
        within("settled_keys", self.settled_keys, 0, 1 << 16)?;
        within("ring_messages", self.ring_messages, 0, 1 << 16)?;
        within("ring_bytes", self.ring_bytes, 0, SEGMENT_MAX)
    }

    pub(super) fn limits(&self) -> Limits {
        Limits {
            window: self.window,
            settled_keys: self.settled_keys,
            ring_messages: self.ring_messages,
            ring_bytes: self.ring_bytes,
            max_age_ms: self.max_age.map_or(u64::MAX, millis),
            fresh_ms: millis(self.fresh_for),
            fresh_percent: self.fresh_percent,
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn within(option: &'static str, found: usize, min: usize, max: usize) -> Result<(), OpenError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(OpenError::Option { option, found, min, max }) }
}
