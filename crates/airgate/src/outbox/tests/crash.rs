//! What survives a crash, a restart and damage.

use super::{copy, drain, message, options, put, written};
use crate::outbox::record::{Accept, Record};
use crate::outbox::segment::{HEAD_LEN, Head, VERSION, file_name, written_len};
use crate::outbox::{Message, OpenError, Options, Outbox};

#[tokio::test]
async fn crash_without_close_keeps_every_accepted_message() {
    // [outbox-1]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let mut expected = Vec::new();
    for n in 0..12 {
        put(&outbox, &format!("m{n}")).await;
        expected.push(format!("m{n}"));
        let crashed = copy(dir.path());
        let (again, opened) = Outbox::open(options(crashed.path())).unwrap();
        assert_eq!((opened.queued, opened.corrupt_records), (n + 1, 0));
        assert_eq!(drain(&again).await, expected);
    }
}

#[tokio::test]
async fn in_flight_at_the_crash_is_queued_again_in_its_old_place() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    for text in ["a", "b", "c"] {
        put(&outbox, text).await;
    }
    outbox.next().await;
    outbox.next().await;
    let crashed = copy(dir.path());
    let (again, _) = Outbox::open(options(crashed.path())).unwrap();
    assert_eq!(drain(&again).await, ["a", "b", "c"]);
}

/// Behind what was written: nothing, or room that was taken ahead.
const TAILS: [usize; 2] = [0, 10_000];

#[tokio::test]
async fn torn_tail_at_every_byte_recovers_all_earlier_messages() {
    // [outbox-9] [outbox-21]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let path = dir.path().join(file_name(1));
    put(&outbox, "first").await;
    let before = written(&path).len();
    put(&outbox, "last").await;
    outbox.close().await;
    let whole = std::fs::read(&path).unwrap();
    for (cut, tail) in (before..whole.len()).flat_map(|cut| TAILS.map(|tail| (cut, tail))) {
        let torn = tempfile::tempdir().unwrap();
        std::fs::write(torn.path().join(file_name(1)), [&whole[..cut], &vec![0; tail]].concat()).unwrap();
        let (again, opened) = Outbox::open(options(torn.path())).unwrap();
        let left = written_len(&whole[..cut]).max(before) - before;
        assert_eq!((opened.queued, opened.cut_bytes, opened.corrupt_records), (1, left as u64, 0), "cut at {cut}");
        put(&again, "next").await;
        assert_eq!(drain(&again).await, ["first", "next"], "cut at {cut}");
    }
}

#[tokio::test]
async fn flipped_byte_anywhere_loses_just_that_record_and_counts_it() {
    // [outbox-9] [outbox-21]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let path = dir.path().join(file_name(1));
    put(&outbox, "first").await;
    let from = written(&path).len();
    put(&outbox, "middle").await;
    let to = written(&path).len();
    put(&outbox, "last").await;
    outbox.close().await;
    let whole = std::fs::read(&path).unwrap();
    assert!(HEAD_LEN < from && from < to && to < whole.len());
    for (at, tail) in (0..HEAD_LEN).chain(from..to).flat_map(|at| TAILS.map(|tail| (at, tail))) {
        let bad = tempfile::tempdir().unwrap();
        let mut bytes = [&whole[..], &vec![0; tail]].concat();
        bytes[at] ^= 0x40;
        std::fs::write(bad.path().join(file_name(1)), &bytes).unwrap();
        let (again, opened) = Outbox::open(options(bad.path())).unwrap();
        let expected: &[&str] = if at < HEAD_LEN { &["first", "middle", "last"] } else { &["first", "last"] };
        assert_eq!(opened.corrupt_records, u64::from(at >= HEAD_LEN), "flipped at {at}");
        assert_eq!(drain(&again).await, expected, "flipped at {at}");
    }
}

#[tokio::test]
async fn second_instance_on_one_directory_is_refused() {
    // [outbox-11]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    assert!(matches!(Outbox::open(options(dir.path())), Err(OpenError::InUse { .. })));
    outbox.close().await;
    Outbox::open(options(dir.path())).expect("free again");
}

#[tokio::test]
async fn settled_segments_vanish_and_nothing_rises_again() {
    // [outbox-7]
    let dir = tempfile::tempdir().unwrap();
    let small = Options { segment_bytes: 400, ..options(dir.path()) };
    let (outbox, _) = Outbox::open(small.clone()).unwrap();
    outbox.accept(Message { priority: 0, ..message("stays") }).await.unwrap();
    for n in 0..60 {
        put(&outbox, &format!("m{n}")).await;
        let next = outbox.next().await;
        assert_eq!(next.message.payload, format!("m{n}"));
        outbox.settle(next.seq);
    }
    outbox.close().await;
    let segments = std::fs::read_dir(dir.path()).unwrap().count() - 1;
    assert!(segments <= 3, "{segments} segments are left");
    let (again, opened) = Outbox::open(small).unwrap();
    assert_eq!(opened.queued, 1);
    assert_eq!(drain(&again).await, ["stays"]);
}

#[tokio::test]
async fn key_is_recognised_after_restart_and_after_its_segment_is_gone() {
    // [outbox-8] [outbox-3]
    let dir = tempfile::tempdir().unwrap();
    let small = Options { segment_bytes: 400, ..options(dir.path()) };
    let keyed = Message { key: Some("k1".to_owned()), ..message("once") };
    let (outbox, _) = Outbox::open(small.clone()).unwrap();
    let first = outbox.accept(keyed.clone()).await.unwrap();
    for n in 0..20 {
        put(&outbox, &format!("m{n}")).await;
    }
    drain(&outbox).await;
    outbox.close().await;
    assert!(!dir.path().join(file_name(1)).exists());
    let (outbox, _) = Outbox::open(small).unwrap();
    let again = outbox.accept(keyed.clone()).await.unwrap();
    assert_eq!((again.seq, again.duplicate), (first.seq, true));
    let other = outbox.accept(Message { uid: 2, ..keyed }).await.unwrap();
    assert!(!other.duplicate && other.seq > first.seq + 20);
}

#[tokio::test]
async fn a_log_whose_first_number_is_high_because_all_before_it_is_gone_is_read_whole() {
    // [outbox-1] [outbox-3]
    let dir = tempfile::tempdir().unwrap();
    let mut expected = Vec::new();
    for (number, seq) in [(7, 20_000_000), (8, 90_000_000), (9, 90_000_001), (10, 5_000_000_000)] {
        let text = format!("number {seq}");
        let mut bytes = Head { number, salt: 77, version: VERSION }.encode();
        Record::Reserve { ceiling: seq }.encode(77, bytes.len() as u32, &mut bytes);
        Record::Accept(Accept::of(seq, 1_000, &message(&text))).encode(77, bytes.len() as u32, &mut bytes);
        std::fs::write(dir.path().join(file_name(number)), bytes).unwrap();
        expected.push(text);
    }
    let (outbox, opened) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (4, 0));
    assert!(put(&outbox, "more").await > 5_000_000_000);
    expected.push("more".to_owned());
    assert_eq!(drain(&outbox).await, expected);
}
