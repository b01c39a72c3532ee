//! The two memories for messages, ten places each.

use std::collections::VecDeque;

use super::pdu::Content;
use crate::modem::engine::clock::Shown;

/// Places of a memory. Source: `AT+CPMS?` on Air780EPV V1011.
pub(super) const PLACES: usize = 10;
/// Messages that the network keeps for a module that cannot take them.
const WAITING_MAX: usize = 100;

/// A message that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) from: String,
    pub(super) time: Shown,
    pub(super) content: Content,
    /// The host has seen it.
    pub(super) read: bool,
}

/// Which memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    Module,
    Sim,
}

impl Memory {
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "ME" => Some(Self::Module),
            "SM" => Some(Self::Sim),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Module => "ME",
            Self::Sim => "SM",
        }
    }
}

/// What outlives a restart.
#[derive(Debug, Default)]
pub(super) struct Store {
    module: [Option<Message>; PLACES],
    sim: [Option<Message>; PLACES],
    /// Kept by the network, oldest first.
    pub(super) waiting: VecDeque<Message>,
}

impl Store {
    pub(super) fn places(&mut self, memory: Memory) -> &mut [Option<Message>; PLACES] {
        match memory {
            Memory::Module => &mut self.module,
            Memory::Sim => &mut self.sim,
        }
    }

    pub(super) fn used(&mut self, memory: Memory) -> usize {
        self.places(memory).iter().flatten().count()
    }

    /// Puts a message into the first free place, counted from 1; gives it back when there is none.
    pub(super) fn put(&mut self, memory: Memory, message: Message) -> Result<usize, Message> {
        match self.places(memory).iter_mut().enumerate().find(|(_, place)| place.is_none()) {
            Some((index, place)) => {
                *place = Some(message);
                Ok(index + 1)
            }
            None => Err(message),
        }
    }

    /// The network keeps a message for later; beyond its patience the oldest is lost.
    pub(super) fn wait(&mut self, message: Message) {
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
    }
}
