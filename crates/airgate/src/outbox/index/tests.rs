//! The index against a naive model.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Extent, Finished, Index, Limits, Next};
use crate::outbox::record::Accept;

const LIMITS: Limits = Limits {
    window: 3,
    settled_keys: 4,
    ring_messages: 4,
    ring_bytes: 4096,
    max_age_ms: u64::MAX,
    fresh_ms: 60_000,
    fresh_percent: 0,
};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Waiting,
    Out,
}

/// Number to priority, expiry, topic and whether it is out.
type Model = BTreeMap<u64, (u8, Option<u64>, usize, Fate)>;

const TOPICS: [&str; 3] = ["t", "u", "v"];

fn accept(index: &mut Index, segment: u32, priority: u8, expires_unix_ms: Option<u64>, topic: usize) -> u64 {
    let super::Offer::New(seq) = index.offer(1, None) else { panic!("no key was given") };
    let (topic, key, batch, payload) = (TOPICS[topic], None, None, &b"p"[..]);
    let accept = Accept { seq, accepted_unix_ms: 1000, expires_unix_ms, uid: 1, priority, topic, key, batch, payload };
    index.accepted(Extent { segment, offset: 64, len: 100 }, &accept);
    seq
}

fn expire(model: &mut Model, now: u64) {
    model.retain(|_, (_, at, _, fate)| *fate == Fate::Out || at.is_none_or(|at| at > now));
}

fn next_of(model: &Model, held: &BTreeSet<usize>) -> Option<u64> {
    let out = model.values().filter(|(.., fate)| *fate == Fate::Out).count();
    let waiting = model.iter().filter(|(_, (.., topic, fate))| *fate == Fate::Waiting && !held.contains(topic));
    let best = waiting.min_by_key(|(seq, (priority, ..))| (std::cmp::Reverse(*priority), **seq));
    best.map(|(seq, _)| *seq).filter(|_| out < LIMITS.window)
}

#[test]
fn a_message_after_millions_of_numbers_without_a_record_has_its_place() {
    // [outbox-1] So many at QoS 0 came before it.
    let mut index = Index::new(LIMITS);
    index.open_segment(1);
    for segment in 2..5 {
        let before = accept(&mut index, segment - 1, 4, None, 0);
        index.next_seq += 1 << 25;
        assert!(!index.newest_reaches(index.next_seq), "it is to go into a new one");
        index.open_segment(segment);
        assert!(index.newest_reaches(index.next_seq));
        let seq = accept(&mut index, segment, 4, None, 0);
        for seq in [before, seq] {
            assert_eq!(index.take(), Some(Next::Disk { seq }));
            index.settle(seq);
        }
    }
}

proptest! {
    /// [outbox-2] [outbox-4] [outbox-5] [outbox-6] [outbox-7] [outbox-22]
    #[test]
    fn index_does_what_a_naive_model_does(steps in proptest::collection::vec((0..8u8, 0..10u8, 1..40u64), 1..200)) {
        let mut index = Index::new(LIMITS);
        let (mut model, mut segment, mut now) = (Model::new(), 1, 0);
        let (mut home, mut held) = (BTreeMap::new(), BTreeSet::new());
        index.open_segment(segment);
        for (step, priority, more) in steps {
            let out: Vec<u64> = model.iter().filter(|(_, v)| v.3 == Fate::Out).map(|(seq, _)| *seq).collect();
            let chosen = out.get(more as usize % out.len().max(1)).copied().unwrap_or(0);
            match step {
                0 | 1 => {
                    let expires = (more % 2 == 0).then_some(now + more);
                    let topic = usize::from(priority) % TOPICS.len();
                    let seq = accept(&mut index, segment, priority, expires, topic);
                    home.insert(seq, segment);
                    model.insert(seq, (priority, expires, topic, Fate::Waiting));
                }
                2 => {
                    let got = index.take().map(|next| match next { Next::Disk { seq } | Next::Ring { seq, .. } => seq });
                    prop_assert_eq!(got, next_of(&model, &held));
                    if let Some(taken) = got.and_then(|seq| model.get_mut(&seq)) { taken.3 = Fate::Out; }
                }
                3 => { index.settle(chosen); model.remove(&chosen); }
                4 => {
                    index.release(chosen);
                    if let Some(back) = model.get_mut(&chosen) { back.3 = Fate::Waiting; }
                }
                5 if more % 3 == 0 => {
                    // A sealed one is written anew with what lives in it.
                    let sealed = u32::try_from(more).unwrap() % segment;
                    let live: Vec<_> = model.keys().filter(|seq| home[seq] == sealed).map(|seq| (*seq, 7_000)).collect();
                    if !live.is_empty() {
                        index.shrunk(sealed, &live);
                        prop_assert!(live.iter().all(|(seq, at)| index.extent(*seq).unwrap().offset == *at));
                    }
                }
                6 if more % 4 == 0 => {
                    prop_assert_eq!(index.let_go(), !held.is_empty());
                    held.clear();
                }
                6 => {
                    let waits = model.iter().find(|(_, v)| v.3 == Fate::Waiting).map(|(seq, v)| (*seq, v.2));
                    prop_assert_eq!(index.hold(waits.map_or(0, |(seq, _)| seq)), waits.is_some());
                    held.extend(waits.map(|(_, topic)| topic));
                    prop_assert!(!index.hold(chosen), "what is out cannot stand aside");
                }
                _ => { segment += 1; index.open_segment(segment); now += more; }
            }
            index.expire(now);
            expire(&mut model, now);
            // A stream of which nothing is left is forgotten.
            held.retain(|topic| model.values().any(|v| v.2 == *topic));
            let notes = index.take_notes();
            index.wrote_notes(&notes);
            // Of some it does not pay to say again what they say.
            let sizes = (1..=segment).map(|number| (number, [60, 100, 2_000][number as usize % 3])).collect();
            while let Some(finished) = index.finished(&sizes) {
                match finished {
                    Finished::Carry(carry) => index.carried(&carry),
                    Finished::Delete(gone) => {
                        prop_assert!(model.keys().all(|seq| home[seq] != gone), "a live message lost its segment");
                        index.removed(gone);
                    }
                }
            }
            prop_assert_eq!(index.queued(), model.values().filter(|v| v.3 == Fate::Waiting).count() as u64);
            prop_assert_eq!(index.bytes(), model.len() as u64 * 100);
        }
    }
}
