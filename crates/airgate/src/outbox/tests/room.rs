//! What is to stay free on the disk, whatever the programs do. [outbox-15]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use proptest::prelude::*;

use super::ahead::lengths;
use super::disk::Faulty;
use super::{message, options, put, written};
use crate::outbox::{AcceptError, DiskHealth, Options, Outbox};

/// A disk of this length, of which some is to stay free.
fn bounded(dir: &Path, size: u64, options: Options) -> (Faulty, Outbox) {
    let files = Faulty::default();
    files.0.size.store(size, SeqCst);
    let (outbox, _) = Outbox::open_with(Options { dir: dir.to_owned(), ..options }, Arc::new(files.clone())).unwrap();
    (files, outbox)
}

/// Bytes in all segments.
fn taken(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|kind| kind == "seg"))
        .map(|path| written(&path).len() as u64)
        .sum()
}

/// What a record takes besides its payload, and a segment's head, generously.
const BESIDE: u64 = 200;

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn a_burst_leaves_free_what_is_to_stay_free_but_for_one_message_and_uses_the_rest(
        min_free in 1..300_000u64,
        spare in 0..200_000u64,
        segment_bytes in prop::sample::select(vec![8 << 10, 32 << 10, 4 << 20]),
        sizes in prop::collection::vec(1..6_000usize, 20..80),
    ) {
        // [outbox-21]
        let dir = tempfile::tempdir().unwrap();
        let size = min_free + spare;
        let longest = *sizes.iter().max().unwrap() as u64 + BESIDE;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let own = Options { min_free, segment_bytes, commit_window: Duration::from_millis(1), ..options(dir.path()) };
            let (_files, outbox) = bounded(dir.path(), size, own);
            loop {
                let messages = sizes.iter().map(|len| message(&"x".repeat(*len)));
                let offered: Vec<_> = messages.map(|message| outbox.accept_for(message, None, None)).collect();
                let answers = join_all(offered).await;
                for answer in &answers {
                    prop_assert!(matches!(answer, Ok(_) | Err(AcceptError::LowSpace { .. })), "{answer:?}");
                }
                // One that was refused by what is known has the disk asked.
                let low = matches!(outbox.status().borrow().disk, DiskHealth::Low { .. });
                if low && answers.iter().all(Result::is_err) {
                    break;
                }
                tokio::task::yield_now().await;
            }
            let left = size.saturating_sub(taken(dir.path()));
            prop_assert!(left + longest >= min_free, "{left} are left, with segments of {:?}", lengths(dir.path()));
            prop_assert!(left < min_free, "{left} are left, and nothing is taken any more");
            outbox.close().await;
            Ok(())
        })?;
    }
}

#[tokio::test]
async fn where_there_is_plenty_the_disk_is_not_asked_for_each_message() {
    let dir = tempfile::tempdir().unwrap();
    let (begun, own) = (Instant::now(), Options { min_free: 1_000, ..options(dir.path()) });
    let (files, outbox) = bounded(dir.path(), 1 << 40, own);
    for n in 0..300 {
        put(&outbox, &format!("{n}{}", "x".repeat(10_000))).await;
    }
    // At the start, for the room of a segment, and once in a second.
    let (asked, segments) = (files.0.asked.load(SeqCst), lengths(dir.path()).len() as u64);
    assert!(asked <= 1 + segments + begun.elapsed().as_secs(), "asked {asked} times");
}

#[tokio::test]
async fn whoever_is_refused_for_it_sees_in_the_status_why() {
    for round in 0..40 {
        let dir = tempfile::tempdir().unwrap();
        let own = Options { min_free: 10_000, ..options(dir.path()) };
        let (_files, outbox) = bounded(dir.path(), 20_000 + round * 10, own);
        while outbox.accept(message(&"x".repeat(1_000))).await.is_ok() {}
        let disk = outbox.status().borrow().disk.clone();
        assert!(matches!(disk, DiskHealth::Low { .. }), "{disk:?} in round {round}");
    }
}
