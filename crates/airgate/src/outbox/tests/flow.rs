//! Order, time to live, keys and the ring through the handle.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::FutureExt;

use super::{TestClock, drain, message, options, put, put_for};
use crate::outbox::{AcceptError, Accepted, DropReason, Message, Notice, Options, Outbox, PAYLOAD_MAX, Qos, WhenFull};

#[tokio::test]
async fn expired_message_is_dropped_told_and_frees_its_key() {
    // [outbox-2] [outbox-8]
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let timed = Options { clock: Arc::<TestClock>::clone(&clock), ..options(dir.path()) };
    let (outbox, _) = Outbox::open(timed).unwrap();
    let mut ends = outbox.listen();
    let brief = Message { expires_unix_ms: Some(50), key: Some("k".to_owned()), ..message("brief") };
    let first = put_for(&ends, &outbox, brief.clone()).await;
    put(&outbox, "lasting").await;
    clock.0.store(50, SeqCst);
    assert_eq!(drain(&outbox).await, ["lasting"]);
    assert_eq!(ends.next().await, Notice::Dropped { seq: first, reason: DropReason::Ttl });
    let again = outbox.accept(Message { expires_unix_ms: None, ..brief }).await.unwrap();
    assert!(!again.duplicate);
}

#[tokio::test]
async fn higher_priority_goes_first_and_each_keeps_its_order() {
    // [outbox-4] [outbox-5]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    for (text, priority) in [("a", 1), ("b", 9), ("c", 1), ("d", 9)] {
        outbox.accept(Message { priority, ..message(text) }).await.unwrap();
    }
    let first = outbox.next().await;
    outbox.release(first.seq);
    assert_eq!(drain(&outbox).await, ["b", "d", "a", "c"]);
}

#[tokio::test]
async fn full_ring_drops_its_oldest_and_leaves_kept_messages_alone() {
    // [outbox-2]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(Options { ring_messages: 2, ..options(dir.path()) }).unwrap();
    put(&outbox, "kept").await;
    for text in ["a", "b", "c"] {
        outbox.accept(Message { qos: Qos::AtMostOnce, ..message(text) }).await.unwrap();
    }
    assert_eq!(outbox.status().borrow().dropped_total, 1);
    assert_eq!(drain(&outbox).await, ["kept", "b", "c"]);
}

#[tokio::test]
async fn same_key_twice_in_one_group_is_one_message() {
    // [outbox-8]
    let dir = tempfile::tempdir().unwrap();
    let slow = Options { commit_window: Duration::from_millis(20), ..options(dir.path()) };
    let (outbox, _) = Outbox::open(slow).unwrap();
    let keyed = Message { key: Some("k".to_owned()), ..message("once") };
    let (one, two) = tokio::join!(outbox.accept(keyed.clone()), outbox.accept(keyed));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.seq, one.duplicate, two.duplicate), (two.seq, false, true));
    assert_eq!(drain(&outbox).await, ["once"]);
}

#[tokio::test]
async fn what_became_of_a_key_is_told_to_whoever_brings_no_message() {
    // [outbox-8]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    assert!(outbox.recall(message("").uid, "k", None).is_none(), "nobody said it yet");
    let keyed = Message { key: Some("k".to_owned()), ..message("once") };
    let accepting = outbox.accept_for(keyed.clone(), None, None);
    let mut ends = outbox.listen();
    let recalled = outbox.recall(keyed.uid, "k", Some(ends.id())).unwrap();
    let (first, recalled) = tokio::join!(accepting, recalled);
    let seq = first.unwrap().seq;
    assert_eq!(recalled, Ok(Accepted { seq, duplicate: true, settled: false }), "also while the disk has it to write");
    assert!(outbox.recall(keyed.uid + 1, "k", None).is_none(), "a key is its user's own");
    assert_eq!(drain(&outbox).await, ["once"]);
    assert_eq!(ends.next().await, Notice::Settled { seq });
    let recalled = outbox.recall(keyed.uid, "k", None).unwrap().await;
    assert_eq!(recalled, Ok(Accepted { seq, duplicate: true, settled: true }));
}

#[tokio::test]
async fn cancelled_next_puts_the_message_back() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(Options { cache_bytes: 0, ..options(dir.path()) }).unwrap();
    put(&outbox, "a").await;
    // One poll takes it and asks for the read; then the future is dropped. A read may be so quick that it is over by
    // then: that was no cancellation, and is tried again.
    let mut tries = 0;
    while let Some(quick) = outbox.next().now_or_never() {
        outbox.release(quick.seq);
        tries += 1;
        assert!(tries < 10_000, "no read was ever waited for");
    }
    assert_eq!(outbox.status().borrow().in_flight, 0);
    assert_eq!(drain(&outbox).await, ["a"]);
}

#[tokio::test]
async fn payload_at_the_bound_is_taken_and_one_byte_more_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(Options { cache_bytes: 0, ..options(dir.path()) }).unwrap();
    let long = "x".repeat(PAYLOAD_MAX);
    put(&outbox, &long).await;
    let refused = outbox.accept(message(&format!("{long}x"))).await;
    assert!(matches!(refused, Err(AcceptError::Invalid { field: "payload", .. })));
    assert_eq!(drain(&outbox).await, [long]);
}

fn bounded(dir: &std::path::Path, when_full: WhenFull) -> Options {
    // Room for some ten of the messages below.
    Options { max_bytes: 2_000, when_full, ..options(dir) }
}

#[tokio::test]
async fn a_full_outbox_refuses_and_takes_again_when_some_are_sent() {
    // [outbox-12]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(bounded(dir.path(), WhenFull::Refuse)).unwrap();
    let text = "x".repeat(100);
    let mut kept = 0;
    while outbox.accept(message(&text)).await.is_ok() {
        kept += 1;
    }
    assert!((5..20).contains(&kept), "{kept}");
    assert!(outbox.status().borrow().bytes <= 2_000);
    assert!(matches!(outbox.accept(message(&text)).await, Err(AcceptError::Full { max_bytes: 2_000 })));
    let next = outbox.next().await;
    outbox.settle(next.seq);
    put(&outbox, &text).await;
    assert_eq!(drain(&outbox).await.len(), kept);
}

#[tokio::test]
async fn at_the_bound_the_oldest_of_the_lowest_priority_give_way_and_are_told() {
    // [outbox-12]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(bounded(dir.path(), WhenFull::DropOldest)).unwrap();
    let mut ends = outbox.listen();
    let with = |priority: u8, text: &str| Message { priority, ..message(&format!("{text:_<100}")) };
    let first = put_for(&ends, &outbox, with(4, "first")).await;
    let alarm = outbox.accept(with(9, "alarm")).await.unwrap().seq;
    for number in 0..40 {
        outbox.accept(with(4, &number.to_string())).await.unwrap();
        assert!(outbox.status().borrow().bytes <= 2_000);
    }
    assert_eq!(ends.next().await, Notice::Dropped { seq: first, reason: DropReason::Full });
    let left = drain(&outbox).await;
    assert!(left[0].starts_with("alarm"), "{alarm} was not dropped for lesser ones");
    assert!(left.last().unwrap().starts_with("39"));
    let status = outbox.status().borrow().clone();
    assert_eq!(status.dropped_total + status.settled_total, 42);
}

#[tokio::test]
async fn a_lesser_message_does_not_displace_more_urgent_ones() {
    // [outbox-12]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(bounded(dir.path(), WhenFull::DropOldest)).unwrap();
    let with = |priority: u8| Message { priority, ..message(&"x".repeat(100)) };
    while outbox.status().borrow().bytes < 1_800 {
        outbox.accept(with(9)).await.unwrap();
    }
    assert!(matches!(outbox.accept(with(8)).await, Err(AcceptError::Full { .. })));
    assert_eq!(outbox.status().borrow().dropped_total, 0, "nothing was dropped in vain");
}

#[tokio::test]
async fn a_message_for_the_memory_alone_is_taken_in_the_first_moment_after_each_start() {
    // [outbox-3]
    let dir = tempfile::tempdir().unwrap();
    let mut last = 0;
    for _ in 0..20 {
        let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
        let seq = outbox.accept(Message { qos: Qos::AtMostOnce, ..message("now") }).await.unwrap().seq;
        assert!(seq > last);
        last = seq;
        outbox.close().await;
    }
}
