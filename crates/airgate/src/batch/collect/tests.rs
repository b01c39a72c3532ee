//! Batches by example, and against what may never happen.

use super::*;
use crate::config::{Batch, BatchForm, Route};
use proptest::prelude::*;

const NAMES: [&str; 3] = ["plain/#", "lines/#", "array/#"];

fn policies(max_messages: usize, max_bytes: usize) -> Policies {
    let batch = |form| Batch { max_messages, max_bytes, max_wait: Duration::from_secs(10), form, deflate: false };
    let route = |from: &str, form| Route {
        from: from.to_owned(),
        to: None,
        qos: None,
        priority: None,
        ttl: None,
        batch: Some(batch(form)),
    };
    Policies::new(&[route("lines/#", BatchForm::Lines), route("array/#", BatchForm::JsonArray)])
}

fn message(seq: u64, topic: &str, payload: &str) -> Outgoing {
    let batch = |form| Batch { form, ..Batch::default() };
    let id = match topic.split('/').next() {
        Some("lines") => Some(BatchId::new("lines/#", &batch(BatchForm::Lines))),
        Some("array") => Some(BatchId::new("array/#", &batch(BatchForm::JsonArray))),
        _ => None,
    };
    let message = Message {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(payload.as_bytes()),
        qos: Qos::AtLeastOnce,
        priority: 4,
        expires_unix_ms: None,
        uid: 1000,
        key: None,
        batch: id,
    };
    Outgoing { seq, message }
}

fn shown(loads: &[Load]) -> Vec<(Vec<u64>, &str)> {
    loads.iter().map(|load| (load.seqs.clone(), std::str::from_utf8(&load.payload).unwrap())).collect()
}

#[test]
fn a_batch_leaves_when_it_has_its_number_and_a_lonely_one_when_it_has_waited() {
    // [batch-3] [batch-4]
    let mut batches = Batches::new(policies(3, 1_000), 4_096);
    assert_eq!(batches.push(0, message(1, "array/a", "1")), []);
    assert_eq!(batches.push(1, message(2, "array/b", "2")), [], "another topic is another batch");
    assert_eq!(batches.push(2, message(3, "array/a", "3")), []);
    let full = batches.push(3, message(4, "array/a", "4"));
    assert_eq!(shown(&full), [(vec![1, 3, 4], "[1,3,4]")]);
    assert_eq!((batches.due(), batches.take_due(10_000)), (Some(10_001), None));
    assert_eq!(shown(batches.take_due(10_001).as_slice()), [(vec![2], "[2]")]);
    assert_eq!(batches.due(), None);
}

#[test]
fn what_would_make_a_batch_too_long_begins_the_next_one() {
    // [batch-3]
    for (max_bytes, max_payload) in [(10, 4_096), (4_096, 10)] {
        let mut batches = Batches::new(policies(100, max_bytes), max_payload);
        assert_eq!(batches.push(0, message(1, "array/a", "1111")), []);
        assert_eq!(shown(&batches.push(0, message(2, "array/a", "2222"))), [(vec![1], "[1111]")]);
        let exactly = batches.push(0, message(3, "array/a", "333"));
        assert_eq!(shown(&exactly), [(vec![2, 3], "[2222,333]")]);
    }
}

#[test]
fn a_message_that_may_not_be_joined_goes_at_once_and_overtakes_nothing_of_its_topic() {
    // [batch-2]
    let mut batches = Batches::new(policies(3, 1_000), 4_096);
    batches.push(0, message(1, "lines/a", "one"));
    batches.push(0, message(2, "lines/b", "two"));
    let plain = Outgoing { message: Message { batch: None, ..message(3, "lines/a", "x").message }, seq: 3 };
    assert_eq!(shown(&batches.push(0, plain)), [(vec![1], "one"), (vec![3], "x")]);
    assert_eq!(shown(&batches.push(0, message(4, "plain/a", "y"))), [(vec![4], "y")]);
    assert_eq!(batches.clear(), [2]);
}

#[test]
fn a_batch_of_a_route_that_is_gone_leaves_message_by_message() {
    let mut batches = Batches::new(Policies::default(), 4_096);
    assert_eq!(shown(&batches.push(0, message(1, "array/a", "1"))), [(vec![1], "1")]);
}

#[test]
fn another_priority_user_or_qos_is_not_joined() {
    // [batch-2]
    let mut batches = Batches::new(policies(2, 1_000), 4_096);
    let with = |seq, change: &dyn Fn(&mut Message)| {
        let mut outgoing = message(seq, "array/a", "1");
        change(&mut outgoing.message);
        outgoing
    };
    assert_eq!(batches.push(0, with(1, &|_| {})), []);
    assert_eq!(batches.push(0, with(2, &|m| m.priority = 9)), []);
    assert_eq!(batches.push(0, with(3, &|m| m.uid = 7)), []);
    let other_qos = batches.push(0, with(4, &|m| m.qos = Qos::AtMostOnce));
    assert_eq!(shown(&other_qos), [(vec![1], "[1]")], "what was said before goes before");
    assert_eq!(batches.clear(), [3, 4, 2]);
}

#[test]
fn a_batch_leaves_before_its_first_message_expires_and_without_those_that_did() {
    // [batch-3]
    let mut batches = Batches::new(policies(10, 1_000), 4_096);
    let brief = |seq, at| {
        let mut outgoing = message(seq, "array/a", "1");
        outgoing.message.expires_unix_ms = Some(at);
        outgoing
    };
    batches.push(0, message(1, "array/a", "1"));
    batches.push(0, brief(2, 5_000));
    assert_eq!(batches.due(), Some(3_000));
    let late = batches.take_due(5_000).unwrap();
    assert_eq!((late.seqs, late.late, late.payload.as_ref()), (vec![1], vec![2], b"[1]".as_slice()));
}

#[test]
fn a_refused_batch_is_taken_apart_and_later_ones_are_not() {
    // [batch-5]
    let mut batches = Batches::new(policies(2, 1_000), 4_096);
    batches.part(2);
    assert_eq!(shown(&batches.push(0, message(1, "array/a", "1"))), [(vec![1], "[1]")]);
    assert_eq!(shown(&batches.push(0, message(2, "array/a", "2"))), [(vec![2], "[2]")]);
    assert_eq!(batches.push(0, message(3, "array/a", "3")), []);
}

#[test]
fn thirty_two_readings_together_cost_less_than_a_quarter_of_what_they_cost_one_by_one() {
    let (mut batches, air) = (Batches::new(policies(32, 4_096), 4_096), crate::budget::Air { tls: true });
    let cost = |load: &Load| air.publish(load.topic.len(), load.payload.len(), 1).bytes();
    let readings = |topic: &'static str| (0..64).map(move |seq| message(seq, topic, "{\"at\":1795000000,\"t\":21.5}"));
    let single: u64 = readings("plain/readings").flat_map(|one| batches.push(0, one)).map(|load| cost(&load)).sum();
    let joined: u64 = readings("array/readings").flat_map(|one| batches.push(0, one)).map(|load| cost(&load)).sum();
    assert!(joined * 4 < single, "{joined} of {single} bytes");
}

proptest! {
    /// [batch-1] [batch-2] [batch-3]
    #[test]
    fn every_message_leaves_once_in_the_order_of_its_topic_and_no_batch_is_too_long(
        steps in proptest::collection::vec((0..3usize, 0..30usize, 0..3_000u64), 1..400),
        max_messages in 2..40usize, max_bytes in 64..400usize,
    ) {
        let mut batches = Batches::new(policies(max_messages, max_bytes), 300);
        let (mut left, mut now): (Vec<(String, u64)>, _) = (Vec::new(), 0);
        let mut leave = |load: Load| {
            assert!(load.payload.len() <= 300.min(max_bytes.max(30)) + 2 && load.seqs.len() <= max_messages);
            left.extend(load.seqs.into_iter().map(|seq| (load.topic.clone(), seq)));
        };
        for (seq, (name, length, wait)) in steps.iter().enumerate() {
            let topic = NAMES[*name].replace('#', "a");
            batches.push(now, message(seq as u64, &topic, &"1".repeat(length + 1))).into_iter().for_each(&mut leave);
            prop_assert!(batches.messages <= HELD_MESSAGES && batches.bytes <= HELD_BYTES);
            now += wait;
            while let Some(load) = batches.take_due(now) {
                leave(load);
            }
            prop_assert!(batches.due().is_none_or(|due| due > now && due <= now + 10_000));
        }
        while let Some(load) = batches.take_due(u64::MAX) {
            leave(load);
        }
        prop_assert_eq!((batches.messages, batches.bytes, left.len()), (0, 0, steps.len()));
        for name in NAMES {
            let seqs: Vec<_> = left.iter().filter(|(topic, _)| *topic == name.replace('#', "a")).map(|(_, seq)| *seq).collect();
            prop_assert!(seqs.is_sorted());
        }
    }

    /// However many topics there are, what is at hand is bounded.
    #[test]
    fn what_is_at_hand_is_bounded(count in 500..700u64) {
        let mut batches = Batches::new(policies(100, 4_096), 4_096);
        let mut left = 0;
        for seq in 0..count {
            left += batches.push(0, message(seq, &format!("array/{seq}"), "1")).len();
        }
        prop_assert_eq!(left as u64 + batches.clear().len() as u64, count);
        prop_assert!(count - left as u64 <= HELD_MESSAGES as u64);
    }
}
