//! Which keys were accepted: while their message lives, and a bounded number of them after it was settled.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

/// A key, which is its user's own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::outbox) struct Key {
    pub(in crate::outbox) uid: u32,
    pub(in crate::outbox) text: Arc<str>,
}

#[derive(Debug)]
struct Known {
    key: Key,
    /// The segment whose loss would lose the memory of this settled key.
    home: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Keys {
    by_key: HashMap<Key, u64>,
    by_seq: BTreeMap<u64, Known>,
    settled: VecDeque<u64>,
    bound: usize,
}

impl Keys {
    pub(super) fn new(bound: usize) -> Self {
        Self { by_key: HashMap::new(), by_seq: BTreeMap::new(), settled: VecDeque::new(), bound }
    }

    pub(super) fn get(&self, key: &Key) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// Whether the message that bears a key was acknowledged.
    pub(super) fn is_settled(&self, seq: u64) -> bool {
        self.by_seq.get(&seq).is_some_and(|known| known.home.is_some())
    }

    /// The message `seq` bears this key.
    pub(super) fn insert(&mut self, seq: u64, key: Key) {
        self.by_key.insert(key.clone(), seq);
        self.by_seq.insert(seq, Known { key, home: None });
    }

    /// A key whose message was settled before.
    pub(super) fn insert_settled(&mut self, seq: u64, key: Key, home: u32) {
        if !self.by_seq.contains_key(&seq) {
            self.insert(seq, key);
        }
        self.settled(seq, home);
    }

    /// From now on the key is remembered because `home` is there, and only within the bound.
    pub(super) fn settled(&mut self, seq: u64, home: u32) {
        let Some(known) = self.by_seq.get_mut(&seq) else { return };
        if known.home.replace(home).is_none() {
            self.settled.push_back(seq);
        }
        while self.settled.len() > self.bound {
            if let Some(oldest) = self.settled.pop_front() {
                self.forget(oldest);
            }
        }
    }

    /// As if the key had never been seen.
    pub(super) fn forget(&mut self, seq: u64) {
        if let Some(known) = self.by_seq.remove(&seq)
            && self.by_key.get(&known.key) == Some(&seq)
        {
            self.by_key.remove(&known.key);
        }
    }

    /// The settled keys that are remembered because `home` is there.
    pub(super) fn at_home(&self, home: u32) -> Vec<(u64, Key)> {
        let known = self.settled.iter().filter_map(|seq| Some((*seq, self.by_seq.get(seq)?)));
        known.filter(|(_, k)| k.home == Some(home)).map(|(seq, k)| (seq, k.key.clone())).collect()
    }
}
