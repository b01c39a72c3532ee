//! The messages of QoS 0: in memory, few, and the first to go.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::outbox::message::Message;

#[derive(Debug)]
pub(super) struct Ring {
    /// In the order of sending.
    messages: BTreeMap<(Reverse<u8>, u64), Message>,
    bytes: usize,
    max_messages: usize,
    max_bytes: usize,
}

impl Ring {
    pub(super) fn new(max_messages: usize, max_bytes: usize) -> Self {
        Self { messages: BTreeMap::new(), bytes: 0, max_messages, max_bytes }
    }

    /// Takes it in; gives the numbers of those that had to go: the oldest of the lowest priority, perhaps itself.
    pub(super) fn push(&mut self, seq: u64, message: Message) -> Vec<u64> {
        self.bytes += message.weight();
        self.messages.insert((Reverse(message.priority), seq), message);
        let mut gone = Vec::new();
        while self.messages.len() > self.max_messages || self.bytes > self.max_bytes {
            let Some(lowest) = self.messages.keys().next_back().map(|(priority, _)| *priority) else { break };
            let Some(victim) = self.messages.range((lowest, 0)..).next().map(|(at, _)| *at) else { break };
            self.remove(victim);
            gone.push(victim.1);
        }
        gone
    }

    /// The oldest of this priority.
    pub(super) fn first(&self, priority: u8) -> Option<u64> {
        let priority = Reverse(priority);
        self.messages.range((priority, 0)..=(priority, u64::MAX)).next().map(|((_, seq), _)| *seq)
    }

    pub(super) fn take(&mut self, priority: u8, seq: u64) -> Option<Message> {
        self.remove((Reverse(priority), seq))
    }

    /// Removes those whose time is over.
    pub(super) fn expire(&mut self, now_unix_ms: u64) -> Vec<u64> {
        let over = |m: &Message| m.expires_unix_ms.is_some_and(|at| at <= now_unix_ms);
        let gone: Vec<_> = self.messages.iter().filter(|(_, m)| over(m)).map(|(at, _)| *at).collect();
        gone.into_iter().filter_map(|at| self.remove(at).map(|_| at.1)).collect()
    }

    pub(super) fn next_expiry(&self) -> Option<u64> {
        self.messages.values().filter_map(|m| m.expires_unix_ms).min()
    }

    /// All of them, with their numbers.
    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Message)> {
        self.messages.iter().map(|((_, seq), message)| (*seq, message))
    }

    /// Removes this one; false when it is not here.
    pub(super) fn drop_one(&mut self, seq: u64) -> bool {
        let found = self.messages.keys().find(|(_, number)| *number == seq).copied();
        found.is_some_and(|at| self.remove(at).is_some())
    }

    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn remove(&mut self, at: (Reverse<u8>, u64)) -> Option<Message> {
        let message = self.messages.remove(&at)?;
        self.bytes -= message.weight();
        Some(message)
    }
}
