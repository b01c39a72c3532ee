//! Who wants to know how a message ends. Pure but for the channels.

use std::collections::{BTreeSet, HashMap};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::notice::Notice;

/// One who listens, for [`Outbox::accept_for`](super::Outbox::accept_for).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(u64);

/// All who listen, and to what.
#[derive(Default)]
pub(super) struct Listeners {
    /// What is left behind by one who has gone stays until the message ends.
    wanted: BTreeSet<(u64, ListenerId)>,
    ears: HashMap<ListenerId, UnboundedSender<Notice>>,
    joined: u64,
}

impl Listeners {
    pub(super) fn join(&mut self) -> (ListenerId, UnboundedReceiver<Notice>) {
        self.joined += 1;
        let (ear, notices) = unbounded_channel();
        self.ears.insert(ListenerId(self.joined), ear);
        (ListenerId(self.joined), notices)
    }

    pub(super) fn leave(&mut self, id: ListenerId) {
        self.ears.remove(&id);
    }

    /// The end of `seq`, which is not told yet, is to be told to `id`.
    pub(super) fn want(&mut self, seq: u64, id: ListenerId) {
        self.wanted.insert((seq, id));
    }

    /// Who wanted to know about `seq`; from now on nobody does.
    fn take(&mut self, seq: u64) -> Vec<ListenerId> {
        let ids: Vec<_> = self.wanted.range((seq, ListenerId(0))..=(seq, ListenerId(u64::MAX))).map(|w| w.1).collect();
        for id in &ids {
            self.wanted.remove(&(seq, *id));
        }
        ids
    }

    /// `seq` was not accepted: its number says it already.
    pub(super) fn forget(&mut self, seq: u64) {
        self.take(seq);
    }

    pub(super) fn tell(&mut self, notice: Notice) {
        for id in self.take(notice.seq()) {
            if let Some(ear) = self.ears.get(&id) {
                // One who goes at this moment need not know.
                let _ = ear.send(notice);
            }
        }
    }
}
