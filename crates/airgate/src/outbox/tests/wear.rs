//! What is written besides what programs bring: it ends, and is no more than that. [outbox-16] [outbox-20]

use std::sync::Arc;

use proptest::prelude::*;

use super::house::{House, small};
use super::memory::Disk;
use super::message;
use crate::outbox::record::{Accept, Record};
use crate::outbox::segment::{self, HEAD_LEN, Head};
use crate::outbox::{DiskHealth, Message, Options};

/// A segment's head, and the numbers that it sets aside.
const HEAD: u64 = HEAD_LEN as u64 + 20;
/// The most that it takes to say that a message has ended: a record of one range.
const END: u64 = 12 + 1 + 16;
const URGENT: u8 = 9;

fn crowded() -> Options {
    Options { segment_bytes: 16 << 10, max_bytes: 64 << 10, settled_keys: 4096, ..small(&Arc::default()) }
}

/// One that is sent at once.
fn send_urgent(house: &mut House, key: Option<String>) {
    let (_, accepted) = house.accept(vec![Message { priority: URGENT, key, ..message("urgent") }]);
    assert!(accepted);
    let (seq, _) = house.take().unwrap();
    house.shared.with(|state, _| state.index.settle(seq));
    house.writer.jot();
    house.writer.tidy();
}

#[test]
fn files_of_which_keys_and_ends_are_most_are_not_written_again_with_each_group() {
    let disk = Disk::default();
    let mut house = House::open(disk.clone(), &crowded());
    for n in 0..3_000 {
        if n % 100 == 0 {
            house.accept(vec![message("waits")]);
        }
        send_urgent(&mut house, Some(format!("{n}-{}", "k".repeat(60))));
    }
    assert!(house.writer.log.bytes() > 64 << 10, "the keys take more than the bound");
    let (before, renames) = (disk.written(), disk.renames());
    for _ in 0..50 {
        send_urgent(&mut house, None);
    }
    let brought = disk.written() - before;
    assert!(brought < 20_000 && disk.renames() - renames <= 2, "{brought} bytes for 50 short messages");
}

#[test]
fn short_messages_each_alone_in_its_file_are_not_written_again_with_each_group() {
    let disk = Disk::default();
    let options = Options { segment_bytes: 300, max_bytes: 1_000, ..small(&Arc::default()) };
    let mut house = House::open(disk.clone(), &options);
    for _ in 0..20 {
        house.accept(vec![message("waits")]);
        for _ in 0..4 {
            send_urgent(&mut house, None);
        }
    }
    let before = disk.renames();
    for _ in 0..50 {
        house.writer.tidy();
    }
    assert_eq!(disk.renames(), before, "what nothing can be taken from is left alone");
}

#[test]
fn a_newest_file_of_keys_and_ends_is_not_cut_and_written_again_each_time_on_a_full_disk() {
    // [outbox-18]
    let disk = Disk::default();
    let mut house = House::open(disk.clone(), &Options { segment_bytes: 1 << 20, ..crowded() });
    for n in 0..300 {
        send_urgent(&mut house, Some(format!("{n}-{}", "k".repeat(100))));
    }
    // The first time, the room of the messages is given back.
    house.shared.with(|state, _| state.disk = DiskHealth::Low { free: 0 });
    house.writer.tidy();
    let before = disk.written();
    for _ in 0..50 {
        house.writer.tidy();
    }
    assert_eq!(disk.written(), before);
}

/// What a program or the cloud does, and the writing thread after it.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A message, with a key or without, of this length and priority.
    Accept {
        length: usize,
        priority: u8,
        keyed: bool,
    },
    /// So many of those that wait end.
    End {
        most: u8,
        acknowledged: bool,
    },
    Tidy,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..120usize, 0..4u8, any::<bool>()).prop_map(|(length, priority, keyed)| Step::Accept { length, priority, keyed }),
        2 => (1..12u8, any::<bool>()).prop_map(|(most, acknowledged)| Step::End { most, acknowledged }),
        4 => Just(Step::Tidy),
    ]
}

/// A run, and what it brings.
struct Run {
    house: House,
    options: Options,
    /// Bytes of messages and ends.
    brought: u64,
    number: usize,
}

impl Run {
    fn new(options: Options) -> Self {
        Self { house: House::open(Disk::default(), &options), options, brought: 0, number: 0 }
    }

    fn take(&mut self, step: Step) {
        let ended = self.ended();
        match step {
            Step::Accept { length, priority, keyed } => self.accept(length, priority, keyed),
            Step::End { most, acknowledged } => self.end(most, acknowledged),
            Step::Tidy => {}
        }
        self.house.writer.tidy();
        self.brought += (self.ended() - ended) * END;
    }

    fn accept(&mut self, length: usize, priority: u8, keyed: bool) {
        self.number += 1;
        let key = keyed.then(|| format!("the key of number {}", self.number));
        let message = Message { priority, key, ..message(&"x".repeat(length)) };
        let record = Record::Accept(Accept::of(0, 0, &message)).encoded_len() as u64;
        let (bytes, priority) = (self.options.max_bytes - record, message.priority);
        if self.house.shared.with(|state, _| state.index.make_room(bytes, u64::MAX, priority)) {
            self.house.accept(vec![message]);
            self.brought += record;
        }
    }

    fn end(&mut self, most: u8, acknowledged: bool) {
        for _ in 0..most {
            let Some((seq, _)) = self.house.take() else { break };
            self.house.shared.with(|state, _| match acknowledged {
                true => state.index.settle(seq),
                false => state.index.give_up(seq),
            });
        }
        self.house.writer.jot();
    }

    /// How many messages have ended.
    fn ended(&self) -> u64 {
        let status = self.house.shared.status.borrow();
        status.settled_total + status.dropped_total
    }

    /// The most that is to be said of the ended: their keys, and the ends of those whose records are still there.
    fn to_be_said(&self) -> u64 {
        let mut said = 0;
        for file in self.house.disk.segments() {
            segment::walk(&file, Head::decode(&file).unwrap().salt, |_, _, record| {
                said += match record {
                    Record::Accept(accept) => END + accept.key.map_or(0, |key| remember(key.len())),
                    Record::Remember { key, .. } => remember(key.len()),
                    _ => 0,
                }
            });
        }
        said
    }
}

fn remember(key: usize) -> u64 {
    24 + key as u64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// [outbox-16] [outbox-20]
    #[test]
    fn carrying_and_compacting_write_no_more_than_programs_bring_and_keep_the_bound(
        steps in proptest::collection::vec(step(), 1..500),
        segment_bytes in 300..4_000usize,
        max_bytes in 600..6_000u64,
        settled_keys in prop_oneof![Just(0usize), 50..400usize],
    ) {
        let options = Options { segment_bytes, max_bytes, settled_keys, ..small(&Arc::default()) };
        let mut run = Run::new(options.clone());
        for step in steps {
            run.take(step);
            let (disk, segment) = (&run.house.disk, segment_bytes as u64);
            let (written, heads) = (disk.written(), disk.begun() * HEAD);
            prop_assert!(written <= 2 * (run.brought + heads), "{written} bytes for {} and {heads}", run.brought);
            let begun = disk.begun();
            prop_assert!(begun <= 2 + 2 * written / segment, "{begun} files for {written} bytes");
            let files = run.house.writer.log.bytes();
            let heads = run.house.disk.segments().len() as u64 * HEAD;
            let bound = 2 * (max_bytes + run.to_be_said() + heads) + 2 * segment;
            prop_assert!(files <= bound, "{files} bytes in files of {segment}, {bound} allowed");
        }
        // What found no room in the newest file.
        run.house.writer.commit(Vec::new(), None);
        let shared = &run.house.shared;
        let kept = shared.with(|state, _| state.index.queued());
        let (waiting, opened) = House::look(&run.house.disk.after_kill(), &options);
        prop_assert_eq!((waiting.len() as u64, opened.corrupt_records), (kept, 0));
    }
}
