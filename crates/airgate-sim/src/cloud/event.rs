//! What happened at the platform: messages that arrived, and the log a console would show.

use super::identity::DeviceId;
use bytes::Bytes;
use serde::Serialize;
use std::collections::VecDeque;

/// The most messages remembered; older ones are forgotten and counted.
const MAX_RECEIVED: usize = 65_536;

/// The most log entries remembered.
const MAX_LOG: usize = 1000;

/// A message that a device published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// Counts all messages since the start, from 1.
    pub seq: u64,
    /// Who published it.
    pub from: DeviceId,
    /// Its topic.
    pub topic: String,
    /// Its bytes.
    pub payload: Bytes,
    /// 0 or 1.
    pub qos: u8,
    /// The device marked it as sent again.
    pub dup: bool,
    /// When it arrived, in milliseconds since 1970.
    pub at_ms: u64,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A device signed in.
    Connected {
        /// Who.
        device: DeviceId,
        /// Its whole client ID.
        client_id: String,
        /// In seconds.
        keep_alive: u16,
        /// The flag of its CONNECT.
        clean_session: bool,
        /// An earlier session goes on.
        session_present: bool,
        /// It came through the TLS listener.
        tls: bool,
    },
    /// A device got credentials of its own.
    Registered {
        /// Who.
        device: DeviceId,
        /// It got a secret, and not a token for a name that need not be listed.
        listed: bool,
    },
    /// A CONNECT was refused.
    Refused {
        /// What it called itself.
        client_id: String,
        /// The CONNACK return code.
        code: u8,
        /// Why.
        why: String,
    },
    /// The connection of a device that had signed in ended.
    Disconnected {
        /// Who.
        device: DeviceId,
        /// Why.
        why: String,
    },
    /// A device subscribed a filter.
    Subscribed {
        /// Who.
        device: DeviceId,
        /// What.
        filter: String,
        /// The return code: 0, 1, or 128 for refused.
        code: u8,
    },
    /// A device reported a version.
    Version {
        /// Who.
        device: DeviceId,
        /// Of what; `default` is the whole firmware.
        module: String,
        /// Which.
        version: String,
    },
    /// A device tells how far an upgrade has come.
    Progress {
        /// Who.
        device: DeviceId,
        /// Of what; `default` is the whole firmware.
        module: String,
        /// 1 to 100 percent; -1 to -4 are failures.
        step: String,
        /// In its own words.
        desc: String,
    },
    /// A message from or to a device was dropped, as the platform does without telling the device.
    Dropped {
        /// From or to whom.
        device: DeviceId,
        /// On which topic.
        topic: String,
        /// Why.
        why: String,
    },
    /// A message arrived; not part of the log, the messages are kept by themselves.
    #[serde(skip)]
    Received(Received),
}

/// The memory of what happened.
#[derive(Debug, Default)]
pub(super) struct Journal {
    received: VecDeque<Received>,
    count: u64,
    log: VecDeque<Event>,
}

impl Journal {
    /// Numbers a message and remembers it.
    pub(super) fn receive(&mut self, mut message: Received) -> Received {
        self.count += 1;
        message.seq = self.count;
        if self.received.len() >= MAX_RECEIVED {
            self.received.pop_front();
        }
        self.received.push_back(message.clone());
        message
    }

    pub(super) fn log(&mut self, event: Event) {
        if self.log.len() >= MAX_LOG {
            self.log.pop_front();
        }
        self.log.push_back(event);
    }

    pub(super) fn received(&self) -> impl Iterator<Item = &Received> {
        self.received.iter()
    }

    /// How many messages arrived since the start.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.log.iter()
    }
}
