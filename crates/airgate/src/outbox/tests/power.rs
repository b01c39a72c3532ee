//! The power goes at every point of a run.

use std::sync::Arc;

use super::TestClock;
use super::house::{House, numbered, small};
use super::memory::{Dice, Disk, Trouble};
use crate::outbox::Options;

/// What happened to a message, and after how many calls to the disk.
struct Fate {
    payload: String,
    accepted: usize,
    ended: Option<usize>,
    end_durable: Option<usize>,
}

#[test]
fn power_cut_between_any_two_writes_loses_nothing_that_was_accepted_and_never_prevents_a_start() {
    // [outbox-1] [outbox-7] [outbox-9]
    let options = small(&Arc::new(TestClock::default()));
    let (mut cuts, mut checked, mut compacted) = (0, 0, 0);
    for seed in 0..16 {
        let mut dice = Dice::new(seed);
        let (disk, mut fates) = run(&options, &mut dice);
        fates.retain(|(_, fate)| fate.accepted < usize::MAX);
        compacted += disk.renames();
        for calls in 0..=disk.len() {
            for _ in 0..3 {
                let cut = disk.after_power_cut(calls, &mut dice);
                let (waiting, _) = House::look(&cut, &options);
                cuts += 1;
                for (seq, fate) in &fates {
                    let found = waiting.get(seq);
                    if fate.accepted <= calls && fate.ended.is_none_or(|at| at > calls) {
                        assert_eq!(found, Some(&fate.payload), "seed {seed}: {seq} was lost at call {calls}");
                        checked += 1;
                    }
                    if fate.end_durable.is_some_and(|at| at <= calls) {
                        assert_eq!(found, None, "seed {seed}: {seq} rose again at call {calls}");
                    }
                }
                // A second start over what the first one left finds the same.
                assert!(House::look(&cut, &options).0 == waiting, "seed {seed}: another start at call {calls}");
            }
        }
    }
    assert!(cuts > 5_000 && checked > 10_000 && compacted > 10, "{cuts} cuts, {checked} looked for, {compacted}");
}

/// Accepts, sends, settles, fails now and then, rotates, compacts and deletes.
fn run(options: &Options, dice: &mut Dice) -> (Disk, Vec<(u64, Fate)>) {
    let disk = Disk::default();
    let mut house = House::open(disk.clone(), options);
    let mut fates: Vec<(u64, Fate)> = Vec::new();
    let mut number = 0;
    for _ in 0..60 {
        match dice.roll(6) {
            0..=2 => {
                let trouble = [Trouble::Append, Trouble::Sync, Trouble::Allocate].get(dice.roll(16) as usize).copied();
                if let Some(trouble) = trouble {
                    disk.fail_next(trouble);
                }
                let group: Vec<_> = (0..=dice.roll(3))
                    .map(|_| {
                        number += 1;
                        numbered(number, dice.roll(3) as u8)
                    })
                    .collect();
                let payloads: Vec<_> = group.iter().map(|m| String::from_utf8(m.payload.to_vec()).unwrap()).collect();
                let (seqs, accepted) = house.accept(group);
                disk.heal();
                let calls = if accepted { disk.len() } else { usize::MAX };
                if trouble == Some(Trouble::Sync) {
                    // What was jotted down in that file is the disk's affair.
                    mark_durable(&mut fates, usize::MAX);
                } else if accepted {
                    mark_durable(&mut fates, disk.len());
                }
                let new = seqs.into_iter().zip(payloads);
                fates.extend(
                    new.map(|(seq, payload)| (seq, Fate { payload, accepted: calls, ended: None, end_durable: None })),
                );
            }
            3 => house.writer.jot(),
            4 => house.writer.tidy(),
            _ => {
                let Some((seq, _)) = house.take() else { continue };
                let before = disk.len();
                house.shared.with(|state, _| state.index.settle(seq));
                fates.iter_mut().filter(|(of, _)| *of == seq).for_each(|(_, fate)| fate.ended = Some(before));
            }
        }
    }
    (disk, fates)
}

/// A group that is durable takes along what had ended before it.
fn mark_durable(fates: &mut [(u64, Fate)], calls: usize) {
    for (_, fate) in fates.iter_mut().filter(|(_, fate)| fate.ended.is_some()) {
        fate.end_durable.get_or_insert(calls);
    }
}
