//! Tests of the room: crashes, damage, failing and slow disks, through the real handle.

mod ahead;
mod bounds;
mod browse;
mod compact;
mod crash;
mod disk;
mod flow;
mod format;
mod full;
mod held;
mod house;
mod memory;
mod power;
mod room;
mod simulation;
mod soak;
mod wear;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;

use super::{Clock, Ends, HostTime, Message, Options, Outbox, Qos};

/// In milliseconds.
const HOUR: u64 = 3_600_000;

/// A host that started at 0 and believes that it is 1970.
#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn boot_ms(&self) -> u64 {
        self.0.load(SeqCst)
    }
    fn host_time(&self) -> HostTime {
        HostTime { boot: 1, boot_ms: self.boot_ms(), unix_ms: self.boot_ms(), known_good: false }
    }
}

fn message(text: &str) -> Message {
    Message {
        topic: "user/update".to_owned(),
        payload: Bytes::copy_from_slice(text.as_bytes()),
        qos: Qos::AtLeastOnce,
        priority: 4,
        expires_unix_ms: None,
        uid: 1000,
        key: None,
        batch: None,
    }
}

fn options(dir: &Path) -> Options {
    Options { commit_window: Duration::ZERO, settle_delay: Duration::from_millis(1), ..Options::new(dir) }
}

async fn put(outbox: &Outbox, text: &str) -> u64 {
    outbox.accept(message(text)).await.expect("accepted").seq
}

/// The same for a listener.
async fn put_for(ends: &Ends, outbox: &Outbox, message: Message) -> u64 {
    outbox.accept_for(message, None, Some(ends.id())).await.expect("accepted").seq
}

/// Everything that waits, settled as it comes.
async fn drain(outbox: &Outbox) -> Vec<String> {
    let mut texts = Vec::new();
    let status = outbox.status();
    while status.borrow().queued > 0 {
        let next = outbox.next().await;
        texts.push(String::from_utf8(next.message.payload.to_vec()).expect("text"));
        outbox.settle(next.seq);
    }
    texts
}

/// What was written to a file: one that is being written may be longer, with zeros.
fn written(path: &Path) -> Vec<u8> {
    let mut bytes = std::fs::read(path).expect("reading");
    bytes.truncate(super::segment::written_len(&bytes));
    bytes
}

fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("a directory");
    for entry in std::fs::read_dir(from).expect("listing") {
        let entry = entry.expect("entry");
        std::fs::copy(entry.path(), to.path().join(entry.file_name())).expect("copy");
    }
    to
}
