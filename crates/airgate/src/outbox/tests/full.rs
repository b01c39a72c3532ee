//! A disk that is full, or fails, while the newest segment holds nothing but keys and ends. [outbox-18]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use super::disk::{Faults, Faulty};
use super::{copy, drain, message, options, put, put_for};
use crate::outbox::segment::file_name;
use crate::outbox::{AcceptError, Message, Notice, Options, Outbox};

type Fault = fn(&Faults) -> &AtomicBool;

fn short(dir: &Path) -> Options {
    Options { segment_bytes: 60_000, settled_keys: 8, ..options(dir) }
}

fn keyed() -> Message {
    Message { key: Some("k".to_owned()), priority: 9, ..message(&"x".repeat(25_000)) }
}

/// An outbox in whose first segment one message waits, and whose newest says that the others of the first have ended, and
/// has nothing of its own but a key.
async fn outbox_of_one_that_waits(dir: &Path, files: &Faulty) -> Outbox {
    let (outbox, _) = Outbox::open_with(short(dir), Arc::new(files.clone())).unwrap();
    put(&outbox, "waits").await;
    let mut ends = outbox.listen();
    for message in [message("ended"), message(&"x".repeat(50_000)), keyed()] {
        put_for(&ends, &outbox, Message { priority: 9, ..message }).await;
    }
    for _ in 0..3 {
        let next = outbox.next().await;
        outbox.settle(next.seq);
        // Told once it is written.
        assert_eq!(ends.next().await, Notice::Settled { seq: next.seq });
    }
    outbox
}

/// The key is known and only one message waits, over a crash now and over a clean end once the disk is well again.
async fn nothing_is_forgotten(dir: &Path, outbox: Outbox, fault: &AtomicBool) {
    let crashed = copy(dir);
    fault.store(false, SeqCst);
    outbox.close().await;
    for (dir, when) in [(crashed.path(), "crash"), (dir, "clean end")] {
        let (again, opened) = Outbox::open(short(dir)).unwrap();
        assert_eq!((opened.queued, opened.corrupt_records), (1, 0), "after a {when}");
        let accepted = again.accept(keyed()).await.unwrap();
        assert!(accepted.duplicate && accepted.settled, "its key is forgotten after a {when}");
        assert_eq!(drain(&again).await, ["waits"], "after a {when}");
    }
}

#[tokio::test]
async fn a_write_that_fails_forgets_neither_keys_nor_ends_also_when_the_newest_segment_gives_its_room_back() {
    // [outbox-7] [outbox-8] [outbox-18]
    let faults: [(&str, Fault); 2] =
        [("full", |faults| &faults.no_space), ("medium error", |faults| &faults.no_append)];
    for (what, fault) in faults {
        let dir = tempfile::tempdir().unwrap();
        let files = Faulty::default();
        let outbox = outbox_of_one_that_waits(dir.path(), &files).await;
        let newest = dir.path().join(file_name(2));
        let size = || std::fs::metadata(&newest).unwrap().len();
        assert!(size() > 25_000);
        fault(&files.0).store(true, SeqCst);
        let refused = outbox.accept(message("new")).await;
        assert!(matches!(refused, Err(AcceptError::Disk { .. })), "{what}: {refused:?}");
        // Another one is answered after what the first has led to.
        let _ = outbox.accept(message(&"too long for what is given back".repeat(1_000))).await;
        assert_eq!(size() < 20_000, what == "full", "{what}: only a full disk has use for the room");
        nothing_is_forgotten(dir.path(), outbox, fault(&files.0)).await;
    }
}
