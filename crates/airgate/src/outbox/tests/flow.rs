//! Order, time to live, keys and the ring through the handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use futures_util::FutureExt;

use super::{drain, message, options, put};
use crate::outbox::{AcceptError, Clock, DropReason, Message, Notice, Options, Outbox, PAYLOAD_MAX, Qos};

#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn unix_ms(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

#[tokio::test]
async fn expired_message_is_dropped_told_and_frees_its_key() {
    // [outbox-2] [outbox-8]
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let timed = Options { clock: Arc::<TestClock>::clone(&clock), ..options(dir.path()) };
    let (outbox, _) = Outbox::open(timed).unwrap();
    let mut notices = outbox.notices();
    let brief = Message { expires_unix_ms: Some(50), key: Some("k".to_owned()), ..message("brief") };
    let first = outbox.accept(brief.clone()).await.unwrap();
    put(&outbox, "lasting").await;
    clock.0.store(50, SeqCst);
    assert_eq!(drain(&outbox).await, ["lasting"]);
    assert_eq!(notices.recv().await.unwrap(), Notice::Dropped { seq: first.seq, reason: DropReason::Ttl });
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
