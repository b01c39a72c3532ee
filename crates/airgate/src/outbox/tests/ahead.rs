//! Room that is taken ahead: the file that is written has the length of a segment, with zeros behind its records. [outbox-21]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use proptest::prelude::*;

use super::disk::Faulty;
use super::{copy, drain, message, options, put, written};
use crate::outbox::files::RealFiles;
use crate::outbox::record::{Accept, Record};
use crate::outbox::recover::recover;
use crate::outbox::segment::{HEAD_LEN, Head, VERSION, file_name};
use crate::outbox::{AcceptError, DiskHealth, Listed, Message, Opened, Options, Outbox, read_stopped};

const SEGMENT: u64 = 16 << 10;

fn small(dir: &Path) -> Options {
    Options { segment_bytes: SEGMENT as usize, cache_bytes: 0, ..options(dir) }
}

/// The lengths of the segments, oldest first.
pub(super) fn lengths(dir: &Path) -> Vec<u64> {
    let files = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    let segments = files.filter(|file| file.path().extension().is_some_and(|kind| kind == "seg"));
    let lengths: BTreeMap<_, _> = segments.map(|file| (file.file_name(), file.metadata().unwrap().len())).collect();
    lengths.into_values().collect()
}

fn text(number: usize) -> String {
    format!("{number} {}", "x".repeat(1_000))
}

#[tokio::test]
async fn only_the_newest_file_is_longer_than_what_it_holds_and_none_after_the_end() {
    let (ahead, grown) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // One that cannot, as vfat.
    let files = Faulty::default();
    files.0.free.store(u64::MAX, SeqCst);
    files.0.no_allocation.store(true, SeqCst);
    let (outbox, _) = Outbox::open(small(ahead.path())).unwrap();
    let (plain, _) = Outbox::open_with(small(grown.path()), Arc::new(files)).unwrap();
    let mut expected = Vec::new();
    for n in 0..50 {
        put(&outbox, &text(n)).await;
        put(&plain, &text(n)).await;
        expected.push(text(n));
        let (ahead, grown) = (lengths(ahead.path()), lengths(grown.path()));
        assert_eq!((ahead.len(), ahead.last()), (grown.len(), Some(&SEGMENT)), "{n}");
        assert_eq!(ahead[..ahead.len() - 1], grown[..grown.len() - 1], "{n}");
    }
    outbox.close().await;
    plain.close().await;
    assert_eq!(lengths(ahead.path()), lengths(grown.path()));
    // Either goes on with what the other left.
    for dir in [ahead, grown] {
        let (again, opened) = Outbox::open(small(dir.path())).unwrap();
        assert_eq!((opened.queued, opened.cut_bytes, opened.corrupt_records), (50, 0, 0));
        put(&again, "more").await;
        assert_eq!(lengths(dir.path()).last(), Some(&SEGMENT));
        let all: Vec<_> = expected.iter().cloned().chain(["more".to_owned()]).collect();
        assert_eq!(drain(&again).await, all);
    }
}

#[tokio::test]
async fn what_a_crash_leaves_of_the_room_is_no_damage_and_is_written_on() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(small(dir.path())).unwrap();
    for n in 0..20 {
        put(&outbox, &text(n)).await;
    }
    let crashed = copy(dir.path());
    let first = crashed.path().join(file_name(1));
    let finished = std::fs::read(&first).unwrap();
    // The power went before the cut of the finished one was durable.
    std::fs::OpenOptions::new().append(true).open(&first).unwrap().write_all(&[0; 3_000]).unwrap();
    let before = lengths(crashed.path());
    let mut found = 0;
    read_stopped(crashed.path(), |Listed { .. }| found += 1).unwrap();
    assert_eq!((found, lengths(crashed.path())), (20, before), "whoever only looks leaves it");
    let (again, opened) = Outbox::open(small(crashed.path())).unwrap();
    assert_eq!((opened.queued, opened.cut_bytes, opened.corrupt_records), (20, 0, 0));
    assert_eq!(std::fs::read(&first).unwrap(), finished);
    put(&again, &text(20)).await;
    assert_eq!(lengths(crashed.path()), [finished.len() as u64, SEGMENT]);
    again.close().await;
    let newest = crashed.path().join(file_name(2));
    assert_eq!(std::fs::read(&newest).unwrap(), written(&newest));
    let (again, opened) = Outbox::open(small(crashed.path())).unwrap();
    assert_eq!((opened.queued, opened.cut_bytes, opened.corrupt_records), (21, 0, 0));
    assert_eq!(drain(&again).await, (0..=20).map(text).collect::<Vec<_>>());
}

#[tokio::test]
async fn room_is_given_back_before_anything_is_refused_for_want_of_it_and_not_taken_where_there_is_little() {
    // [outbox-15]
    let dir = tempfile::tempdir().unwrap();
    let files = Faulty::default();
    let bounded = || Options { min_free: 4 << 20, ..options(dir.path()) };
    let segment = bounded().segment_bytes as u64;
    files.0.size.store(20 * segment, SeqCst);
    let (outbox, _) = Outbox::open_with(bounded(), Arc::new(files.clone())).unwrap();
    put(&outbox, "taken ahead").await;
    assert_eq!(lengths(dir.path()), [segment]);
    // Others fill the disk: too little is left, and enough without what is ahead.
    files.0.size.store(segment + segment * 3 / 4, SeqCst);
    while lengths(dir.path()) == [segment] {
        put(&outbox, "taken").await;
    }
    assert_eq!(outbox.status().borrow().disk, DiskHealth::Ok);
    outbox.close().await;
    let (outbox, _) = Outbox::open_with(bounded(), Arc::new(files)).unwrap();
    put(&outbox, "as it is written").await;
    let path = dir.path().join(file_name(1));
    assert_eq!(std::fs::read(&path).unwrap(), written(&path));
}

#[tokio::test]
async fn while_the_disk_takes_no_new_file_the_room_of_the_newest_is_there_for_others() {
    let dir = tempfile::tempdir().unwrap();
    let files = Faulty::default();
    files.0.free.store(u64::MAX, SeqCst);
    let (outbox, _) = Outbox::open_with(small(dir.path()), Arc::new(files.clone())).unwrap();
    put(&outbox, "fits").await;
    assert_eq!(lengths(dir.path()), [SEGMENT]);
    files.0.read_only.store(true, SeqCst);
    let wants_another_file = "x".repeat(SEGMENT as usize);
    let refused = outbox.accept(message(&wants_another_file)).await;
    assert!(matches!(refused, Err(AcceptError::Disk { .. })), "{refused:?}");
    let given_back = async {
        while lengths(dir.path()) == [SEGMENT] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), given_back).await.expect("it is given back");
    files.0.read_only.store(false, SeqCst);
    put(&outbox, "fits as well").await;
    put(&outbox, &wants_another_file).await;
    assert_eq!(drain(&outbox).await, ["fits", "fits as well", &wants_another_file]);
}

/// A segment of these payloads, and where the record of each ends.
fn laid(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
    let mut bytes = Head { number: 1, salt: 7, version: VERSION }.encode();
    let mut ends = Vec::new();
    for (seq, payload) in (1..).zip(payloads) {
        let message = Message { payload: payload.clone().into(), ..message("") };
        let offset = u32::try_from(bytes.len()).unwrap();
        Record::Accept(Accept::of(seq, 0, &message)).encode(7, offset, &mut bytes);
        ends.push(bytes.len());
    }
    (bytes, ends)
}

fn kept(dir: &Path) -> BTreeMap<u64, Vec<u8>> {
    let mut found = BTreeMap::new();
    read_stopped(dir, |Listed { seq, message, .. }| drop(found.insert(seq, message.payload.to_vec()))).unwrap();
    found
}

const PAGE: usize = 4_096;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    /// Of what no fsync covered, pages are there or not, and the file may be shorter.
    #[test]
    fn pages_that_a_power_cut_leaves_out_cost_nothing_that_was_synced_and_no_other_record(
        sizes in proptest::collection::vec(0usize..6_000, 1..20),
        filler: u8,
        synced: usize,
        lost: [bool; 40],
        cut in proptest::option::of(0usize..100_000),
    ) {
        // [outbox-1] [outbox-9]
        let payloads: Vec<_> = sizes.iter().map(|len| vec![filler; *len]).collect();
        let (whole, ends) = laid(&payloads);
        let starts = [HEAD_LEN].into_iter().chain(ends.iter().copied());
        let spans: Vec<_> = starts.zip(&ends).map(|(start, end)| start..*end).collect();
        let synced = synced % (ends.len() + 1);
        let durable = spans[..synced].last().map_or(HEAD_LEN, |span| span.end);
        let mut bytes = [&whole[..], &[0; 10 * PAGE]].concat();
        for ((number, page), _) in bytes.chunks_mut(PAGE).enumerate().zip(lost).filter(|(_, lost)| *lost) {
            let from = durable.saturating_sub(number * PAGE).min(page.len());
            page[from..].fill(0);
        }
        bytes.truncate(cut.map_or(bytes.len(), |cut| durable + cut));
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file_name(1)), &bytes).unwrap();

        let found = kept(dir.path());
        for ((seq, payload), span) in (1..).zip(&payloads).zip(&spans) {
            let is_whole = bytes.get(span.clone()) == whole.get(span.clone());
            prop_assert_eq!(found.get(&seq), is_whole.then_some(payload), "{} of {} that are durable", seq, synced);
            prop_assert!(is_whole || seq > synced as u64);
        }
        let first = recover(&RealFiles, &options(dir.path())).unwrap().opened;
        prop_assert_eq!(first.queued, found.len() as u64);
        prop_assert_eq!(&kept(dir.path()), &found, "another start finds the same");
        let second = recover(&RealFiles, &options(dir.path())).unwrap().opened;
        prop_assert_eq!(second, Opened { cut_bytes: 0, ..first });
    }
}
