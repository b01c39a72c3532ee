//! Looking at what waits, dropping some of it, reading it while no daemon runs.

use super::{copy, drain, message, options, put, put_for};
use crate::outbox::{DropReason, Listed, Message, Notice, OpenError, Options, Outbox, Page, Qos, read_stopped};

fn texts(page: &Page) -> Vec<String> {
    page.messages.iter().map(|one| String::from_utf8(one.message.payload.to_vec()).unwrap()).collect()
}

#[tokio::test]
async fn a_long_list_comes_in_pages_and_each_message_once() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(Options { cache_bytes: 0, segment_bytes: 2_000, ..options(dir.path()) }).unwrap();
    let mut expected = Vec::new();
    for n in 0..300 {
        put(&outbox, &format!("m{n}")).await;
        expected.push(format!("m{n}"));
    }
    let first = outbox.list(0, |_| true).await;
    let second = outbox.list(first.next.unwrap(), |_| true).await;
    assert_eq!(second.next, None);
    assert_eq!([texts(&first), texts(&second)].concat(), expected);
    let long = "x".repeat(40_000);
    let big = put(&outbox, &long).await;
    put(&outbox, "behind").await;
    let page = outbox.list(big - 1, |_| true).await;
    assert_eq!((texts(&page), page.next), (vec![long], Some(big)), "a page is bounded in bytes");
}

#[tokio::test]
async fn an_operator_drops_what_is_selected_and_neither_what_is_out_nor_the_rest() {
    // [outbox-2]
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    let mut ends = outbox.listen();
    for text in ["out", "a", "b"] {
        put_for(&ends, &outbox, message(text)).await;
    }
    outbox.accept(Message { qos: Qos::AtMostOnce, ..message("memory") }).await.unwrap();
    outbox.accept(Message { topic: "user/other".to_owned(), ..message("other") }).await.unwrap();
    let out = outbox.next().await;
    let page = outbox.list(0, |one| one.message.topic == "user/update").await;
    assert_eq!(texts(&page), ["out", "a", "b", "memory"]);
    assert!(page.messages[0].in_flight && !page.messages[1].in_flight);
    let seqs: Vec<u64> = page.messages.iter().map(|one| one.seq).collect();
    assert_eq!(outbox.drop_waiting(&seqs), 3);
    assert_eq!(ends.next().await, Notice::Dropped { seq: seqs[1], reason: DropReason::Operator });
    outbox.settle(out.seq);
    assert_eq!(drain(&outbox).await, ["other"]);
    outbox.close().await;
    let (_, opened) = Outbox::open(options(dir.path())).unwrap();
    assert_eq!((opened.queued, opened.corrupt_records), (0, 0));
}

#[tokio::test]
async fn a_stopped_outbox_is_read_without_changing_a_byte_and_a_running_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(options(dir.path())).unwrap();
    for text in ["a", "b"] {
        put(&outbox, text).await;
    }
    let refused = read_stopped(dir.path(), |_| {});
    assert!(matches!(refused, Err(OpenError::InUse { .. })));
    let crashed = copy(dir.path());
    // A torn tail, which a start would cut.
    let segment = crashed.path().join(crate::outbox::segment::file_name(1));
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.extend([0xA1, 0x7E, 1, 2, 3]);
    std::fs::write(&segment, &bytes).unwrap();
    let mut found = Vec::new();
    read_stopped(crashed.path(), |Listed { message, .. }| found.push(message)).unwrap();
    assert_eq!(found, [message("a"), message("b")]);
    assert_eq!(std::fs::read(&segment).unwrap(), bytes);
}
