//! Long lives of an outbox with everything at once: keys, ends of every kind, bounds, a low and a failing disk, and after each
//! of many power cuts, at any call to the disk and any byte of what was not durable, a start over what is left.
//!
//! `LIVES=5000 cargo test -p airgate --lib soak` lives longer.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use futures_util::FutureExt;

use super::house::{House, Waiting, small};
use super::memory::{Dice, Disk, Trouble};
use super::{HOUR, TestClock, message};
use crate::outbox::segment::HEAD_LEN;
use crate::outbox::{DiskHealth, Ends, Message, Notice, Options};

/// When something happened: after so many calls to the disk.
type Calls = usize;

#[derive(Debug, Clone)]
struct Known {
    payload: String,
    key: Option<String>,
    /// From when on it is promised; `None` when it was refused.
    promised: Option<Calls>,
    /// The cloud acknowledged it once, even if a power cut had that forgotten.
    arrived: bool,
    end: Option<End>,
}

#[derive(Debug, Clone, Copy)]
struct End {
    since: Calls,
    acknowledged: bool,
    said: Said,
}

/// What of an end is on the disk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Said {
    No,
    Durably(Calls),
    /// A file failed its fsync with it: what the disk holds of that is the disk's affair.
    Doubtful,
}

struct Life {
    seed: u64,
    dice: Dice,
    clock: Arc<TestClock>,
    options: Options,
    house: House,
    ends: Ends,
    /// What the disk holds at a start is durable; the calls after that many are this start's own.
    start: Calls,
    known: BTreeMap<u64, Known>,
    in_flight: Vec<u64>,
    low: bool,
    /// No payload is longer.
    longest: u64,
    number: u64,
    seen: Seen,
}

/// What a soak went through: one that never did proves nothing.
#[derive(Debug, Default)]
struct Seen {
    kept: u64,
    ended: u64,
    keys: u64,
    dropped: u64,
    compacted: usize,
    forgotten: u64,
}

impl Life {
    fn new(seed: u64, seen: Seen) -> Self {
        let (clock, mut dice) = (Arc::<TestClock>::default(), Dice::new(seed));
        // Only a long file is cut on a disk that is low.
        let longest = if dice.roll(3) == 0 { 8_000 } else { 200 };
        let options = Options {
            segment_bytes: (longest + dice.roll(5 * longest)) as usize,
            max_bytes: 6 * longest + dice.roll(15 * longest),
            max_messages: 3 + dice.roll(40),
            max_age: Some(Duration::from_millis(HOUR)),
            // All are remembered: what is known of a key is then for the disk alone to say.
            settled_keys: 4096,
            ..small(&clock)
        };
        let house = House::open(Disk::default(), &options);
        let (ends, start) = (Ends::listen(&house.shared), house.disk.len());
        let (known, in_flight, number) = (BTreeMap::new(), Vec::new(), 0);
        Self { seed, dice, clock, options, house, ends, start, known, in_flight, low: false, longest, number, seen }
    }

    fn calls(&self) -> Calls {
        self.house.disk.len()
    }

    fn step(&mut self) {
        let before = self.calls();
        match self.dice.roll(18) {
            0..=4 => self.accept(),
            5..=7 => drop(self.send()),
            8..=10 => self.end(true),
            11 => self.end(false),
            12 => self.release(),
            13 => self.house.writer.jot(),
            14 => drop(self.clock.0.fetch_add(self.dice.roll(HOUR / 4), SeqCst)),
            15 => self.turn_low(),
            _ => self.house.writer.tidy(),
        }
        self.hear(before);
        self.remember_durable();
    }

    /// Offers some, within the bounds, now and then to a disk that fails.
    fn accept(&mut self) {
        let mut group = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            self.number += 1;
            let key = (self.dice.roll(2) == 0).then(|| format!("key {}", self.number));
            let text = format!("{}-{}", self.number, "x".repeat(self.dice.roll(self.longest) as usize));
            group.push(Message { key, priority: self.dice.roll(4) as u8, ..message(&text) });
        }
        let before = self.calls();
        if self.low || !self.make_room(&group) {
            return;
        }
        self.hear(before);
        let trouble = [Trouble::Append, Trouble::Sync].get(self.dice.roll(20) as usize).copied();
        trouble.into_iter().for_each(|trouble| self.house.disk.fail_next(trouble));
        let known = group.clone();
        let (seqs, accepted) = self.house.accept(group);
        self.house.disk.heal();
        if trouble == Some(Trouble::Sync) {
            self.doubt();
        }
        let promised = accepted.then(|| self.calls());
        for (seq, Message { payload, key, .. }) in seqs.into_iter().zip(known) {
            self.house.shared.with(|state, _| state.listeners.want(seq, self.ends.id()));
            let payload = String::from_utf8(payload.to_vec()).unwrap();
            self.known.insert(seq, Known { payload, key, promised, arrived: false, end: None });
        }
    }

    fn make_room(&mut self, group: &[Message]) -> bool {
        let (bytes, messages) = (group.iter().map(|m| m.weight() as u64).sum::<u64>(), group.len() as u64);
        let Options { max_bytes, max_messages, .. } = self.options;
        let (Some(bytes), Some(messages)) = (max_bytes.checked_sub(bytes), max_messages.checked_sub(messages)) else {
            return false;
        };
        let priority = group.iter().map(|m| m.priority).min().unwrap_or(0);
        self.house.shared.with(|state, _| state.index.make_room(bytes, messages, priority))
    }

    /// False when there is nothing to send, or as much is in flight as may be.
    fn send(&mut self) -> bool {
        let Some((seq, message)) = self.house.take() else { return false };
        let known = &self.known[&seq];
        assert!(known.end.is_none() && known.payload.as_bytes() == message.payload, "seed {}: {seq}", self.seed);
        self.in_flight.push(seq);
        true
    }

    fn one_in_flight(&mut self) -> Option<u64> {
        let at = self.dice.roll(self.in_flight.len() as u64) as usize;
        (at < self.in_flight.len()).then(|| self.in_flight.swap_remove(at))
    }

    fn end(&mut self, acknowledged: bool) {
        let Some(seq) = self.one_in_flight() else { return };
        if acknowledged {
            let since = self.calls();
            self.house.shared.with(|state, _| state.index.settle(seq));
            self.ended(seq, since, true);
        } else {
            // It is told like every drop.
            self.house.shared.with(|state, _| state.index.give_up(seq));
        }
    }

    fn release(&mut self) {
        if let Some(seq) = self.one_in_flight() {
            self.house.shared.with(|state, _| state.index.release(seq));
        }
    }

    /// Too little is left on the disk, or nothing at all, or enough again. Meanwhile what waits is sent, and nothing new is taken.
    fn turn_low(&mut self) {
        self.low = !self.low;
        let disk = if self.low { DiskHealth::Low { free: 0 } } else { DiskHealth::Ok };
        self.house.shared.with(|state, _| state.disk = disk);
        self.house.disk.fill(self.low && self.dice.half());
        while self.low && self.send() {
            self.end(true);
        }
    }

    /// What was dropped meanwhile: by its time, a bound, or for good.
    fn hear(&mut self, since: Calls) {
        while let Some(notice) = self.ends.next().now_or_never() {
            if let Notice::Dropped { seq, .. } = notice {
                self.seen.dropped += 1;
                self.ended(seq, since, false);
            }
        }
    }

    fn ended(&mut self, seq: u64, since: Calls, acknowledged: bool) {
        let known = self.known.get_mut(&seq).unwrap();
        assert!(known.end.is_none(), "seed {}: {seq} ends twice", self.seed);
        known.arrived |= acknowledged;
        known.end = Some(End { since, acknowledged, said: Said::No });
    }

    /// What nobody has still to write and no fsync is waited for is durable.
    fn remember_durable(&mut self) {
        let unwritten = self.house.shared.with(|state, _| state.index.unwritten());
        if unwritten == 0 && !self.house.writer.log.unsynced {
            let calls = self.calls();
            for end in self.known.values_mut().filter_map(|known| known.end.as_mut()) {
                if end.said == Said::No {
                    end.said = Said::Durably(calls);
                }
            }
        }
    }

    fn doubt(&mut self) {
        for end in self.known.values_mut().filter_map(|known| known.end.as_mut()) {
            if end.said == Said::No {
                end.said = Said::Doubtful;
            }
        }
    }

    /// The power goes after one of the last calls; it starts over what is left.
    fn cut(&mut self) {
        let calls = self.calls() - self.dice.roll((self.calls() - self.start).min(30) as u64 + 1) as usize;
        let left = self.house.disk.after_power_cut(calls, &mut self.dice);
        self.seen.compacted += self.house.disk.renames();
        // What the disk holds, before time has its say.
        let ageless = Options { max_age: None, ..self.options.clone() };
        let (waiting, opened) = House::look(&left.after_kill(), &ageless);
        assert_eq!(opened.queued as usize, waiting.len(), "seed {}", self.seed);
        // [outbox-18]
        let forgets = self.house.disk.is_overwritten_from(HEAD_LEN, calls);
        self.seen.forgotten += u64::from(forgets);
        self.check(&House::open(left.after_kill(), &ageless), &waiting, calls, forgets);
        self.house = House::open(left, &self.options);
        self.go_on(&waiting, calls);
    }

    fn check(&mut self, again: &House, waiting: &Waiting, calls: Calls, forgets: bool) {
        let seed = self.seed;
        for seq in waiting.keys() {
            assert!(self.known.contains_key(seq), "seed {seed}: nobody offered {seq}");
        }
        for (seq, known) in &self.known {
            let found = waiting.get(seq);
            let told = || format!("seed {seed}: {seq} {known:?}, cut after {calls}");
            assert!(found.is_none_or(|payload| *payload == known.payload), "{}", told());
            let lives = known.end.is_none_or(|end| end.since >= calls);
            if known.promised.is_some_and(|at| at <= calls) && lives {
                assert!(found.is_some(), "lost: {}", told());
                self.seen.kept += 1;
            }
            let over = known.end.filter(|end| matches!(end.said, Said::Durably(at) if at <= calls));
            if over.is_some() && !forgets {
                assert!(found.is_none(), "it came back: {}", told());
                self.seen.ended += 1;
            }
            let Some(key) = &known.key else { continue };
            let knows = again.shared.with(|state, _| state.index.known(1000, Some(key)).is_some());
            if found.is_some() || over.is_some_and(|end| end.acknowledged) && !forgets {
                assert!(knows, "its key is forgotten: {}", told());
                self.seen.keys += 1;
            } else if over.is_some() && !known.arrived {
                assert!(!knows, "its key is not free: {}", told());
            }
        }
    }

    /// What is there is promised, what is not has ended; the calls are counted anew.
    fn go_on(&mut self, waiting: &Waiting, calls: Calls) {
        (self.ends, self.start) = (Ends::listen(&self.house.shared), self.calls());
        (self.low, self.in_flight) = (false, Vec::new());
        // Of one that nobody had been told of nothing is known any more.
        self.known.retain(|seq, known| waiting.contains_key(seq) || known.promised.is_some_and(|at| at <= calls));
        for (seq, known) in &mut self.known {
            let (lives, acknowledged) = self.house.shared.with(|state, _| {
                state.listeners.want(*seq, self.ends.id());
                (state.extent(*seq).is_some(), state.index.known(1000, known.key.as_deref()).is_some())
            });
            let ended = match waiting.contains_key(seq) {
                true => End { since: self.start, acknowledged: false, said: Said::No },
                false => End { since: 0, acknowledged, said: Said::Durably(0) },
            };
            *known = Known { promised: Some(0), end: (!lives).then_some(ended), ..known.clone() };
        }
        // The first thing that a start does.
        self.house.writer.commit(Vec::new(), None);
        self.house.writer.tidy();
    }
}

#[test]
fn lives_of_many_power_cuts_lose_nothing_that_was_durable_and_bring_nothing_back() {
    // [outbox-1] [outbox-2] [outbox-7] [outbox-8] [outbox-12] [outbox-16] [outbox-18] [outbox-20]
    let lives: u64 = std::env::var("LIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let mut seen = Seen::default();
    for seed in 0..lives {
        let mut life = Life::new(seed, seen);
        for _ in 0..12 {
            for _ in 0..life.dice.roll(60) {
                life.step();
            }
            life.cut();
        }
        seen = life.seen;
    }
    println!("{lives} lives: {seen:?}");
    let Seen { kept, ended, keys, dropped, compacted, forgotten } = seen;
    assert!([kept, ended, keys, dropped, compacted as u64, forgotten].iter().all(|n| *n > 0), "{seen:?}");
}
