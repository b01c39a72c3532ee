//! Bounds on age, number, program and free space; who goes first when old and fresh wait; the format before this one.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::FutureExt;

use super::{HOUR, TestClock, copy, drain, message, options, put, put_for};
use crate::outbox::record::{Accept, Record};
use crate::outbox::segment::{Head, VERSION, file_name};
use crate::outbox::{AcceptError, Clock, DropReason, HostTime, Message, Notice, Options, Outbox, Qos, WhenFull};

fn aged(dir: &std::path::Path, clock: &Arc<TestClock>) -> Options {
    let clock = Arc::<TestClock>::clone(clock);
    Options { clock, max_age: Some(Duration::from_millis(HOUR)), ..options(dir) }
}

#[tokio::test]
async fn a_message_that_waited_too_long_is_dropped_told_and_the_rest_goes_on() {
    // [outbox-13]
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let (outbox, _) = Outbox::open(aged(dir.path(), &clock)).unwrap();
    let mut ends = outbox.listen();
    let old = put_for(&ends, &outbox, message("old")).await;
    clock.0.store(HOUR / 2, SeqCst);
    put(&outbox, "young").await;
    clock.0.store(HOUR + 10_000, SeqCst);
    assert_eq!(drain(&outbox).await, ["young"]);
    assert_eq!(ends.next().await, Notice::Dropped { seq: old, reason: DropReason::MaxAge });
    assert_eq!(outbox.status().borrow().dropped_total, 1);
    outbox.close().await;
    let (_, opened) = Outbox::open(aged(dir.path(), &clock)).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (0, 0));
}

/// A host whose clock is wherever somebody set it.
struct Jumping {
    boot: u128,
    unix_ms: u64,
}

impl Clock for Jumping {
    fn boot_ms(&self) -> u64 {
        1_000
    }
    fn host_time(&self) -> HostTime {
        HostTime { boot: self.boot, boot_ms: 1_000, unix_ms: self.unix_ms, known_good: false }
    }
}

#[tokio::test]
async fn a_clock_that_jumps_years_either_way_over_a_restart_drops_no_young_message() {
    // [outbox-13]
    let years = 20 * 365 * 24 * HOUR;
    let dir = tempfile::tempdir().unwrap();
    let at = |boot, unix_ms| {
        let clock = Arc::new(Jumping { boot, unix_ms });
        Options { clock, max_age: Some(Duration::from_millis(HOUR)), ..options(dir.path()) }
    };
    let brief = |outbox: &Outbox| Message { expires_unix_ms: Some(outbox.now_ms() + HOUR), ..message("brief") };
    for (boot, unix_ms) in [(1, years), (1, 0), (2, 3 * years), (3, 5), (3, 2 * years)] {
        let (outbox, opened) = Outbox::open(at(boot, unix_ms)).unwrap();
        let before = opened.queued;
        put(&outbox, "young").await;
        outbox.accept(brief(&outbox)).await.unwrap();
        assert_eq!(outbox.status().borrow().queued, before + 2, "start {boot} at {unix_ms}");
        outbox.close().await;
    }
}

#[tokio::test]
async fn at_the_most_messages_one_is_refused_or_the_oldest_goes() {
    // [outbox-12]
    for when_full in [WhenFull::Refuse, WhenFull::DropOldest] {
        let dir = tempfile::tempdir().unwrap();
        let (outbox, _) = Outbox::open(Options { max_messages: 3, when_full, ..options(dir.path()) }).unwrap();
        for text in ["a", "b", "c"] {
            put(&outbox, text).await;
        }
        match when_full {
            WhenFull::Refuse => {
                let refused = outbox.accept(message("d")).await;
                assert_eq!(refused, Err(AcceptError::TooMany { max_messages: 3 }));
                assert_eq!(drain(&outbox).await, ["a", "b", "c"]);
            }
            WhenFull::DropOldest => {
                put(&outbox, "d").await;
                assert_eq!(drain(&outbox).await, ["b", "c", "d"]);
            }
        }
    }
}

#[tokio::test]
async fn a_program_at_its_bound_is_refused_and_others_are_not() {
    // [outbox-14]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let from = |uid| Message { uid, ..message(&"x".repeat(100)) };
    let mut kept = 0;
    while outbox.accept_for(from(1), Some(1_000), None).await.is_ok() {
        kept += 1;
    }
    assert!((3..10).contains(&kept), "{kept}");
    let refused = outbox.accept_for(from(1), Some(1_000), None).await;
    assert!(matches!(refused, Err(AcceptError::ProgramFull { max_queued_bytes: 1_000, .. })), "{refused:?}");
    outbox.accept_for(from(2), Some(1_000), None).await.unwrap();
    // What it has on the disk counts after a restart too, and what is sent counts no more.
    outbox.close().await;
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    assert!(outbox.accept_for(from(1), Some(1_000), None).await.is_err());
    drain(&outbox).await;
    outbox.accept_for(from(1), Some(1_000), None).await.unwrap();
}

#[tokio::test]
async fn a_fresh_message_passes_an_old_backlog_for_its_share_but_never_its_own_topic() {
    // [outbox-4]
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let (outbox, _) = Outbox::open(aged(dir.path(), &clock)).unwrap();
    for n in 0..4 {
        put(&outbox, &format!("old{n}")).await;
    }
    clock.0.store(HOUR / 2, SeqCst);
    for n in 0..3 {
        outbox.accept(Message { topic: "user/other".to_owned(), ..message(&format!("fresh{n}")) }).await.unwrap();
    }
    put(&outbox, "behind").await;
    outbox.accept(Message { qos: Qos::AtMostOnce, ..message("memory") }).await.unwrap();
    let sent = drain(&outbox).await;
    assert_eq!(sent, ["old0", "fresh0", "old1", "fresh1", "old2", "fresh2", "old3", "behind", "memory"]);
}

#[tokio::test]
async fn a_backlog_is_drained_although_fresh_messages_never_end() {
    // [outbox-4]
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(TestClock::default());
    let (outbox, _) = Outbox::open(aged(dir.path(), &clock)).unwrap();
    for n in 0..10 {
        put(&outbox, &format!("old{n}")).await;
    }
    clock.0.store(HOUR / 2, SeqCst);
    let mut old = 0;
    for n in 0..20 {
        outbox.accept(Message { topic: "user/other".to_owned(), ..message(&format!("fresh{n}")) }).await.unwrap();
        let next = outbox.next().await;
        old += usize::from(next.message.payload.starts_with(b"old"));
        outbox.settle(next.seq);
    }
    assert_eq!(old, 10);
}

#[tokio::test]
async fn a_log_of_the_format_before_is_read_and_gone_on_with_in_a_new_segment() {
    let dir = tempfile::tempdir().unwrap();
    let old = message("from the version before");
    let mut bytes = Head { number: 1, salt: 77, version: VERSION - 1 }.encode();
    Record::Reserve { ceiling: 9 }.encode(77, bytes.len() as u32, &mut bytes);
    Record::Accept(Accept::of(1, 1_000, &old)).encode(77, bytes.len() as u32, &mut bytes);
    let before = bytes.clone();
    std::fs::write(dir.path().join(file_name(1)), bytes).unwrap();
    let (outbox, opened) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (1, 0));
    put(&outbox, "new").await;
    let kept = copy(dir.path());
    assert_eq!(std::fs::read(kept.path().join(file_name(1))).unwrap(), before);
    assert_eq!(drain(&outbox).await, ["from the version before", "new"]);
}

#[tokio::test]
async fn below_the_floor_messages_wait_until_it_is_lifted() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    put(&outbox, "usual").await;
    outbox.accept(Message { priority: 7, ..message("alarm") }).await.unwrap();
    outbox.set_floor(7);
    let alarm = outbox.next().await;
    assert_eq!(alarm.message.payload, "alarm");
    outbox.settle(alarm.seq);
    let mut next = Box::pin(outbox.next());
    assert!(next.as_mut().now_or_never().is_none());
    outbox.set_floor(0);
    assert_eq!(next.await.message.payload, "usual");
}
