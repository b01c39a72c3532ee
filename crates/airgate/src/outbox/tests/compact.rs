//! Files in which a few messages wait among many that have ended. [outbox-16]

use std::path::Path;
use std::time::Duration;

use super::{copy, drain, message, options, put};
use crate::outbox::{Message, Options, Outbox};

const MAX_BYTES: u64 = 6_000;

fn crowded(dir: &Path) -> Options {
    Options { segment_bytes: 1_500, cache_bytes: 0, max_bytes: MAX_BYTES, ..options(dir) }
}

fn files(dir: &Path) -> u64 {
    std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

/// The number of the newest file.
fn newest(dir: &Path) -> u32 {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).max().unwrap()
}

/// Sends what is urgent; what is not waits.
async fn send_urgent(outbox: &Outbox, text: &str, key: Option<String>) {
    outbox.accept(Message { priority: 9, key, ..message(text) }).await.unwrap();
    let next = outbox.next().await;
    assert_eq!(next.message.payload, text);
    outbox.settle(next.seq);
}

#[tokio::test]
async fn messages_that_wait_among_many_that_are_sent_do_not_keep_the_files_of_those() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(crowded(dir.path())).unwrap();
    let mut waiting = Vec::new();
    for n in 0..30 {
        put(&outbox, &format!("waits{n}")).await;
        waiting.push(format!("waits{n}"));
        for m in 0..20 {
            send_urgent(&outbox, &format!("{n}-{m}{}", "x".repeat(60)), None).await;
        }
    }
    outbox.close().await;
    // 600 urgent ones of some 120 bytes each, and their settlements, went through.
    assert!(files(dir.path()) <= 2 * MAX_BYTES, "{} bytes are left", files(dir.path()));
    let (outbox, opened) = Outbox::open(crowded(dir.path())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records, opened.cut_bytes), (30, 0, 0));
    assert_eq!(drain(&outbox).await, waiting);
}

#[tokio::test]
async fn keys_and_ends_that_a_compacted_file_told_are_still_told() {
    // [outbox-7] [outbox-8]
    let dir = tempfile::tempdir().unwrap();
    for n in 0..12 {
        let (outbox, _) = Outbox::open(crowded(dir.path())).unwrap();
        put(&outbox, &format!("waits{n}")).await;
        for m in 0..15 {
            send_urgent(&outbox, &format!("{n}-{m}{}", "x".repeat(60)), Some(format!("key {n}-{m}"))).await;
        }
        outbox.close().await;
        let crashed = copy(dir.path());
        let (again, opened) = Outbox::open(crowded(crashed.path())).unwrap();
        assert_eq!((opened.queued, opened.corrupt_records), (n + 1, 0), "after {n}");
        let known = Message { priority: 9, key: Some("key 0-3".to_owned()), ..message("again") };
        assert!(again.accept(known).await.unwrap().settled, "after {n}");
    }
}

#[tokio::test]
async fn what_is_to_be_said_of_the_ended_may_take_more_than_a_file() {
    // [outbox-7] [outbox-8] [outbox-20]
    let dir = tempfile::tempdir().unwrap();
    let small = || Options { segment_bytes: 1_500, ..options(dir.path()) };
    let (outbox, _) = Outbox::open(small()).unwrap();
    for n in 0..120 {
        if n % 4 == 0 {
            put(&outbox, &format!("waits{n}")).await;
        }
        send_urgent(&outbox, &format!("{n}"), Some(format!("the key of number {n}"))).await;
    }
    tokio::time::timeout(Duration::from_secs(60), outbox.close()).await.expect("it comes to an end");
    let written = newest(dir.path());
    assert!(written < 60, "{written} files were begun");
    let (outbox, opened) = Outbox::open(small()).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (30, 0), "nothing rises again");
    for n in 0..120 {
        let known = Message { priority: 9, key: Some(format!("the key of number {n}")), ..message("again") };
        assert!(outbox.accept(known).await.unwrap().settled, "{n}");
    }
    assert_eq!(drain(&outbox).await.len(), 30);
    tokio::time::timeout(Duration::from_secs(60), outbox.close()).await.expect("it comes to an end");
    assert!(files(dir.path()) < 24_000, "{} bytes for 120 keys", files(dir.path()));
}

#[tokio::test]
async fn below_the_bound_nothing_is_written_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(Options { max_bytes: u64::MAX, ..crowded(dir.path()) }).unwrap();
    put(&outbox, "waits").await;
    for n in 0..100 {
        send_urgent(&outbox, &format!("{n}{}", "x".repeat(60)), None).await;
    }
    outbox.close().await;
    let first = std::fs::metadata(dir.path().join(crate::outbox::segment::file_name(1))).unwrap().len();
    assert!(first > 1_000, "the first file is as it was: {first}");
}

#[tokio::test]
async fn what_a_crash_left_of_a_file_written_anew_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    put(&outbox, "waits").await;
    outbox.close().await;
    let left = dir.path().join(crate::outbox::segment::unfinished_name(1));
    std::fs::write(&left, b"half").unwrap();
    let (outbox, opened) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (1, 0));
    assert!(!left.exists());
    assert_eq!(drain(&outbox).await, ["waits"]);
}
