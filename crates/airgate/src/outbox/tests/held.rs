//! What holds up all others stands aside. [outbox-22]

use super::{drain, message, options, put};
use crate::outbox::{AcceptError, Message, Notice, Options, Outbox, Qos, WhenFull};

fn bad(text: &str) -> Message {
    Message { topic: "bad".to_owned(), ..message(text) }
}

#[tokio::test]
async fn others_pass_what_stands_aside_and_it_comes_back_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let first = outbox.accept(bad("bad 1")).await.unwrap().seq;
    assert_eq!(outbox.next().await.seq, first);
    assert!(!outbox.hold(first), "it is out");
    outbox.release(first);
    assert!(outbox.hold(first));
    put(&outbox, "good 1").await;
    outbox.accept(bad("bad 2")).await.unwrap();
    put(&outbox, "good 2").await;
    for text in ["good 1", "good 2"] {
        let next = outbox.next().await;
        assert_eq!(next.message.payload, text);
        outbox.settle(next.seq);
    }
    assert_eq!(outbox.status().borrow().queued, 2, "nothing is lost");
    let (next, ()) = tokio::join!(outbox.next(), async { outbox.let_go() });
    assert_eq!(next.message.payload, "bad 1");
    outbox.settle(next.seq);
    assert_eq!(drain(&outbox).await, ["bad 2"]);
}

#[tokio::test]
async fn a_restart_lets_it_go() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let seq = outbox.accept(bad("bad")).await.unwrap().seq;
    assert!(outbox.hold(seq));
    outbox.close().await;
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!(drain(&outbox).await, ["bad"]);
}

#[tokio::test]
async fn nothing_is_refused_for_what_stands_aside() {
    // [outbox-12]
    let dir = tempfile::tempdir().unwrap();
    let (max_messages, when_full) = (2, WhenFull::DropOldest);
    let (outbox, _) = Outbox::open(Options { max_messages, when_full, ..options(dir.path()) }).unwrap();
    let seq = outbox.accept(bad("bad")).await.unwrap().seq;
    outbox.hold(seq);
    put(&outbox, "good 1").await;
    let out = outbox.next().await;
    assert_eq!(out.message.payload, "good 1");
    put(&outbox, "good 2").await;
    outbox.settle(out.seq);
    assert_eq!(drain(&outbox).await, ["good 2"]);
    assert_eq!(outbox.status().borrow().dropped_total, 1);
    let urgent = Message { priority: 9, ..bad("urgent") };
    for _ in 0..2 {
        let seq = outbox.accept(urgent.clone()).await.unwrap().seq;
        outbox.hold(seq);
    }
    let refused = outbox.accept(message("good")).await;
    assert_eq!(refused, Err(AcceptError::TooMany { max_messages }), "lesser ones displace none");
}

#[tokio::test]
async fn at_qos_0_it_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let mut ends = outbox.listen();
    let fleeting = Message { qos: Qos::AtMostOnce, ..bad("bad") };
    let seq = outbox.accept_for(fleeting, None, Some(ends.id())).await.unwrap().seq;
    assert!(outbox.hold(seq));
    assert!(matches!(ends.next().await, Notice::Dropped { seq: dropped, .. } if dropped == seq));
    assert!(!outbox.hold(seq));
}
