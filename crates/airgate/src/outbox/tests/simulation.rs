//! Thousands of lives of an outbox, each against a simple model: a list of messages and what became of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use super::TestClock;
use super::house::{House, numbered, small};
use super::memory::{Dice, Disk, Trouble};
use crate::outbox::{Message, Options};

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    Waiting,
    Out,
    /// It ended; whether that is said on the disk, or even durably.
    Ended {
        said: bool,
        durable: bool,
    },
    /// It ended, and its fsync failed: what the disk holds of that is the disk's affair.
    Doubtful,
    /// Refused by a disk that may have kept it all the same.
    Refused,
}

#[derive(Debug, Clone)]
struct Known {
    payload: String,
    topic: String,
    priority: u8,
    state: State,
    /// Somebody was told that it is accepted.
    promised: bool,
}

struct Life {
    house: House,
    clock: Arc<TestClock>,
    options: Options,
    dice: Dice,
    model: BTreeMap<u64, Known>,
    number: u64,
    seed: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(TestClock::default());
        let options = small(&clock);
        let house = House::open(Disk::default(), &options);
        Self { house, clock, options, dice: Dice::new(seed), model: BTreeMap::new(), number: 0, seed }
    }

    fn step(&mut self) {
        match self.dice.roll(12) {
            0..=3 => self.accept(),
            4..=5 => self.send(),
            6 => self.end_one(true),
            7 => self.end_one(false),
            8 => self.release(),
            9 => self.write(),
            10 => drop(self.clock.0.fetch_add(self.dice.roll(90_000), SeqCst)),
            _ if self.dice.roll(3) == 0 => self.crash(),
            _ => self.house.writer.tidy(),
        }
    }

    fn accept(&mut self) {
        let disk = self.house.disk.clone();
        let trouble = match self.dice.roll(10) {
            0 => Some(Trouble::Append),
            1 => Some(Trouble::Sync),
            2 => Some(Trouble::Allocate),
            _ => None,
        };
        if let Some(trouble) = trouble {
            disk.fail_next(trouble);
        }
        let mut group: Vec<Message> = Vec::new();
        for _ in 0..=self.dice.roll(3) {
            self.number += 1;
            let topic = format!("user/{}", self.dice.roll(3));
            group.push(Message { topic, ..numbered(self.number, self.dice.roll(3) as u8) });
        }
        let known = group.clone();
        let (seqs, accepted) = self.house.accept(group);
        disk.heal();
        if accepted {
            self.said(true);
        } else if trouble == Some(Trouble::Sync) {
            self.doubt();
        }
        let newest = self.model.iter().rfind(|(_, known)| known.promised).map_or(0, |(seq, _)| *seq);
        for (seq, Message { payload, topic, priority, .. }) in seqs.into_iter().zip(known) {
            assert!(seq > newest, "seed {}: number {seq} after {newest}", self.seed);
            let state = if accepted { State::Waiting } else { State::Refused };
            let payload = String::from_utf8(payload.to_vec()).unwrap();
            self.model.insert(seq, Known { payload, topic, priority, state, promised: accepted });
        }
    }

    /// What ended so far is said on the disk.
    fn said(&mut self, now_durable: bool) {
        for known in self.model.values_mut() {
            if let State::Ended { said, durable } = &mut known.state {
                *said = true;
                *durable |= now_durable;
            }
        }
    }

    fn doubt(&mut self) {
        for known in self.model.values_mut() {
            if known.state == (State::Ended { said: true, durable: false }) {
                known.state = State::Doubtful;
            }
        }
    }

    fn write(&mut self) {
        self.house.writer.jot();
        // With no segment to write to, nothing was said.
        if self.house.shared.with(|state, _| state.index.unwritten()) == 0 {
            self.said(false);
        }
    }

    fn waiting(&self) -> impl Iterator<Item = (&u64, &Known)> {
        self.model.iter().filter(|(_, known)| known.state == State::Waiting)
    }

    fn out(&self) -> Vec<u64> {
        self.model.iter().filter(|(_, known)| known.state == State::Out).map(|(seq, _)| *seq).collect()
    }

    fn send(&mut self) {
        let best = self.waiting().map(|(_, known)| known.priority).max();
        let Some((seq, message)) = self.house.take() else {
            assert!(best.is_none() || self.out().len() == 4, "seed {}: nothing is handed out", self.seed);
            return;
        };
        let known = self.model[&seq].clone();
        assert_eq!(known.state, State::Waiting, "seed {}: {seq} is handed out", self.seed);
        assert_eq!(known.payload.as_bytes(), message.payload, "seed {}", self.seed);
        assert_eq!(Some(known.priority), best, "seed {}: a lesser one goes first", self.seed);
        let first = self.waiting().find(|(_, k)| k.topic == known.topic && k.priority == known.priority);
        assert_eq!(first.map(|(first, _)| *first), Some(seq), "seed {}: out of order", self.seed);
        self.set(seq, State::Out);
    }

    fn set(&mut self, seq: u64, state: State) {
        self.model.get_mut(&seq).unwrap().state = state;
    }

    fn chosen(&mut self) -> Option<u64> {
        let out = self.out();
        let at = self.dice.roll(out.len() as u64) as usize;
        out.get(at).copied()
    }

    fn end_one(&mut self, acknowledged: bool) {
        let Some(seq) = self.chosen() else { return };
        let index = |state: &mut crate::outbox::shared::State, _| match acknowledged {
            true => state.index.settle(seq),
            false => state.index.give_up(seq),
        };
        self.house.shared.with(index);
        self.set(seq, State::Ended { said: false, durable: false });
    }

    fn release(&mut self) {
        let Some(seq) = self.chosen() else { return };
        self.house.shared.with(|state, _| state.index.release(seq));
        self.set(seq, State::Waiting);
    }

    /// Killed, or the power goes; then it starts again.
    fn crash(&mut self) {
        let killed = self.dice.roll(2) == 0;
        let disk = &self.house.disk;
        let left = if killed { disk.after_kill() } else { disk.after_power_cut(disk.len(), &mut self.dice) };
        let (waiting, opened) = House::look(&left.after_kill(), &self.options);
        let seed = self.seed;
        assert_eq!(opened.queued as usize, waiting.len());
        for (seq, payload) in &waiting {
            let known = self.model.get(seq).unwrap_or_else(|| panic!("seed {seed}: nobody offered {seq}"));
            assert_eq!(known.payload, *payload, "seed {seed}");
        }
        for (seq, known) in &mut self.model {
            let found = waiting.contains_key(seq);
            let allowed = match known.state {
                State::Waiting | State::Out => found || !known.promised,
                State::Ended { said, durable } => !(found && (durable || said && killed)),
                State::Doubtful => !found || !killed,
                State::Refused => true,
            };
            assert!(allowed, "seed {seed}: {seq} was {:?}, and is there: {found} (killed: {killed})", known.state);
            let gone = State::Ended { said: true, durable: true };
            known.state = if found { State::Waiting } else { gone };
        }
        self.house = House::open(left, &self.options);
        // The first thing that a start does.
        self.house.writer.commit(Vec::new(), None);
    }
}

#[test]
fn thousands_of_lives_keep_what_was_accepted_in_order_and_repeat_only_what_was_not_said() {
    // [outbox-1] [outbox-2] [outbox-3] [outbox-4] [outbox-5] [outbox-7]
    let lives: u64 = std::env::var("LIVES").ok().and_then(|n| n.parse().ok()).unwrap_or(2_000);
    for seed in 0..lives {
        let mut life = Life::new(seed);
        for _ in 0..80 {
            life.step();
        }
        life.crash();
    }
}
