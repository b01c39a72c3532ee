//! Where the conversation with the broker stands, and what it waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::BytesMut;

/// Where the session stands on the connection.
#[derive(Debug, Default)]
pub(super) enum Session {
    #[default]
    None,
    /// CONNECT is sent.
    Asked {
        keep_alive: Duration,
    },
    Up {
        keep_alive: Duration,
    },
    /// The host has disconnected; the broker will close.
    Left,
}

/// What a packet identifier that the module has given out is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Await {
    PubAck,
    PubRec,
    PubComp,
    SubAck,
    UnsubAck,
}

/// The state of the conversation.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) session: Session,
    pub(super) received: BytesMut,
    last_id: u16,
    pub(super) awaited: BTreeMap<u16, Await>,
    /// QoS 2 messages shown to the host whose PUBREL is still to come.
    pub(super) released_later: BTreeSet<u16>,
    pub(super) last_sent: Duration,
    pub(super) ping_sent: Option<Duration>,
}

impl Conversation {
    /// A packet identifier that is not in use; `None` when all are.
    pub(super) fn identifier(&mut self, awaited: Await) -> Option<u16> {
        for _ in 0..u16::MAX {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            if let std::collections::btree_map::Entry::Vacant(free) = self.awaited.entry(self.last_id) {
                free.insert(awaited);
                return Some(self.last_id);
            }
        }
        None
    }

    /// Whether `id` waits for exactly this; then it is settled.
    pub(super) fn settle(&mut self, id: u16, awaited: Await) -> bool {
        let fits = self.awaited.get(&id) == Some(&awaited);
        if fits {
            self.awaited.remove(&id);
        }
        fits
    }
}
