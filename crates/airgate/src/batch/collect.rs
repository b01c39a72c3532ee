//! What is at hand for the next batches. Everything that the session sends passes here: what may not be joined goes straight
//! on, and takes along what was collected before it from the same program under the same topic.

use super::Policies;
use super::join::{join, joined_len, most};
use crate::outbox::{BatchId, Message, Outgoing, Qos};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::time::Duration;

/// Messages at hand in all batches together; the one that is due first leaves early when they are more.
pub const HELD_MESSAGES: usize = 512;
/// Their payloads, in bytes.
const HELD_BYTES: usize = 256 * 1024;
/// How long before the first of its messages expires a batch leaves, in milliseconds: what the line may need.
const BEFORE_EXPIRY_MS: u64 = 2_000;

/// One publication, and the messages in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// Their numbers, in order. None: all of them were late.
    pub seqs: Vec<u64>,
    /// Those whose time has run out meanwhile: not in it, and to be put back, where they expire.
    pub late: Vec<u64>,
    /// Whose they are.
    pub uid: u32,
    /// Where they go.
    pub topic: String,
    /// What they say.
    pub payload: Bytes,
    /// How surely they are to arrive.
    pub qos: Qos,
}

/// What may be joined. [batch-2]
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Lane {
    uid: u32,
    topic: String,
    priority: u8,
}

#[derive(Debug)]
struct Held {
    seq: u64,
    expires_ms: Option<u64>,
    payload: Bytes,
}

/// A batch that is being filled.
#[derive(Debug)]
struct Open {
    id: BatchId,
    qos: Qos,
    due_ms: u64,
    held: Vec<Held>,
    /// Bytes of the payloads.
    sum: usize,
}

/// See the module. Moments are in the outbox's time.
#[derive(Debug)]
pub struct Batches {
    policies: Policies,
    /// What one publication carries, in bytes.
    max_payload: usize,
    open: BTreeMap<Lane, Open>,
    messages: usize,
    bytes: usize,
    /// Messages up to this number go alone. [batch-5]
    alone_to: u64,
}

impl Batches {
    /// Nothing is at hand.
    pub fn new(policies: Policies, max_payload: usize) -> Self {
        Self { policies, max_payload, open: BTreeMap::new(), messages: 0, bytes: 0, alone_to: 0 }
    }

    /// From now on these are allowed. Nothing may be at hand: see [`Batches::clear`].
    pub fn allow(&mut self, policies: Policies) {
        self.policies = policies;
    }

    /// Takes a message; gives what is to leave now, in this order.
    pub fn push(&mut self, now_ms: u64, Outgoing { seq, message }: Outgoing) -> Vec<Load> {
        let Message { topic, payload, qos, priority, expires_unix_ms: expires_ms, uid, batch: id, .. } = message;
        let mut ready = Vec::new();
        let (Some(id), Some(batch)) = (id, self.policies.get(id).copied()) else {
            // [batch-2] It must not pass what was said before it.
            ready.extend(self.load_where(now_ms, |lane, _| lane.uid == uid && lane.topic == topic));
            ready.push(Load { seqs: vec![seq], late: Vec::new(), uid, topic, payload, qos });
            return ready;
        };
        let most = most(&batch, self.max_payload);
        let lane = Lane { uid, topic, priority };
        let too_long = |open: &Open| joined_len(batch.form, open.held.len() + 1, open.sum + payload.len()) > most;
        let other = |open: &Open| (open.id, open.qos) != (id, qos);
        ready.extend(self.load_where(now_ms, |of, open| *of == lane && (other(open) || too_long(open))));

        let latest = now_ms.saturating_add(millis(batch.max_wait));
        let due_ms = expires_ms.map_or(latest, |at| latest.min(at.saturating_sub(BEFORE_EXPIRY_MS)));
        self.messages += 1;
        self.bytes += payload.len();
        let open = self.open.entry(lane.clone()).or_insert(Open { id, qos, due_ms, held: Vec::new(), sum: 0 });
        open.due_ms = open.due_ms.min(due_ms);
        open.sum += payload.len();
        open.held.push(Held { seq, expires_ms, payload });
        let full = seq <= self.alone_to
            || open.held.len() >= batch.max_messages
            || joined_len(batch.form, open.held.len(), open.sum) >= most;
        if full {
            ready.extend(self.load_where(now_ms, |of, _| *of == lane));
        }
        while self.messages > HELD_MESSAGES || self.bytes > HELD_BYTES {
            let Some(first) = self.first_due() else { break };
            ready.extend(self.load_where(now_ms, |of, _| *of == first));
        }
        ready
    }

    /// When the next batch leaves although it is not full.
    pub fn due(&self) -> Option<u64> {
        self.open.values().map(|open| open.due_ms).min()
    }

    /// A batch that is due.
    pub fn take_due(&mut self, now_ms: u64) -> Option<Load> {
        let lane = self.first_due().filter(|lane| self.open.get(lane).is_some_and(|open| open.due_ms <= now_ms))?;
        self.load_where(now_ms, |of, _| *of == lane).pop()
    }

    /// Everything that is at hand is to be put back.
    pub fn clear(&mut self) -> Vec<u64> {
        (self.messages, self.bytes) = (0, 0);
        std::mem::take(&mut self.open).into_values().flat_map(|open| open.held).map(|held| held.seq).collect()
    }

    /// Messages up to this number go alone from now on. [batch-5]
    pub fn part(&mut self, last: u64) {
        self.alone_to = self.alone_to.max(last);
    }

    fn first_due(&self) -> Option<Lane> {
        self.open.iter().min_by_key(|(_, open)| open.due_ms).map(|(lane, _)| lane.clone())
    }

    fn load_where(&mut self, now_ms: u64, which: impl Fn(&Lane, &Open) -> bool) -> Vec<Load> {
        let leaving = self.open.iter().filter(|(lane, open)| which(lane, open)).map(|(lane, _)| lane.clone());
        let mut loads = Vec::new();
        for lane in leaving.collect::<Vec<_>>() {
            if let Some(open) = self.open.remove(&lane) {
                loads.push(self.load(now_ms, lane, open));
            }
        }
        loads
    }

    fn load(&mut self, now_ms: u64, Lane { uid, topic, .. }: Lane, Open { id, qos, held, sum, .. }: Open) -> Load {
        self.messages -= held.len();
        self.bytes -= sum;
        let is_late = |one: &Held| one.expires_ms.is_some_and(|at| at <= now_ms);
        let (late, held): (Vec<_>, Vec<_>) = held.into_iter().partition(is_late);
        let batch = self.policies.get(Some(id)).copied().unwrap_or_default();
        let payload = join(&batch, held.iter().map(|one| &one.payload));
        let seqs = |held: &[Held]| held.iter().map(|one| one.seq).collect();
        Load { seqs: seqs(&held), late: seqs(&late), uid, topic, payload, qos }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
