//! Messages for the host: shown as they come, or kept in four slots until asked for.

use bytes::Bytes;

use super::super::Engine;
use crate::modem::profile::{CacheForm, Oversize};

/// Slots of the cache mode; the newest message overwrites the oldest. Source: AT command manual V1.6.3, MQTTMSGSET.
const SLOTS: usize = 4;

/// The cache and the way in which messages are shown.
#[derive(Debug)]
pub(super) struct Inbox {
    pub(super) cached: bool,
    slots: [Option<(String, Bytes)>; SLOTS],
    next: usize,
}

impl Inbox {
    pub(super) fn new(cached: bool) -> Self {
        Self { cached, slots: Default::default(), next: 0 }
    }

    /// Keeps a message and tells its slot.
    fn keep(&mut self, topic: String, payload: Bytes) -> usize {
        let slot = self.next;
        if let Some(place) = self.slots.get_mut(slot) {
            *place = Some((topic, payload));
        }
        self.next = (slot + 1) % SLOTS;
        slot
    }

    /// The lines of `AT+MQTTMSGGET?`.
    pub(super) fn slots(&self) -> Vec<String> {
        let word = |kept: &Option<_>| if kept.is_some() { "VALID" } else { "INVALID" };
        self.slots.iter().enumerate().map(|(slot, kept)| format!("+MQTTMSGGET: {slot},{}", word(kept))).collect()
    }

    /// Takes all messages, oldest first; numbering starts at 0 again.
    fn take(&mut self) -> Vec<(String, Bytes)> {
        let next = std::mem::take(&mut self.next);
        let mut slots = std::mem::take(&mut self.slots);
        slots.rotate_left(next);
        slots.into_iter().flatten().collect()
    }
}

impl Engine {
    /// A message has come.
    pub(super) fn show(&mut self, topic: String, payload: Bytes) {
        let most = self.profile.receive_max;
        let payload = match self.profile.oversize {
            Oversize::Drop if payload.len() > most => return,
            Oversize::Truncate if payload.len() > most => payload.slice(..most),
            _ => payload,
        };
        if self.mqtt.inbox.cached {
            let slot = self.mqtt.inbox.keep(topic, payload);
            self.urc(&format!("+MSUB: {slot}"));
        } else {
            let text = self.message(CacheForm::Quoted, &topic, &payload);
            self.urc_bytes(&text);
        }
    }

    /// `AT+MQTTMSGGET`: prints what is kept and frees the slots.
    pub(super) fn read_cache(&mut self) {
        for (topic, payload) in self.mqtt.inbox.take() {
            let text = self.message(self.profile.cache_form, &topic, &payload);
            self.info_bytes(&text);
        }
    }

    /// The payload stands raw behind its length; in hex mode as digits, while the length stays that of the raw bytes.
    fn message(&self, form: CacheForm, topic: &str, payload: &[u8]) -> Vec<u8> {
        let length = payload.len();
        let mut text = match form {
            CacheForm::Quoted => format!("+MSUB: \"{topic}\",{length} byte,"),
            CacheForm::Bare => format!("+MSUB: {topic},{length} byte,"),
            CacheForm::Tight => format!("+MSUB:{topic},{length} byte,"),
        }
        .into_bytes();
        if self.mqtt.hex {
            text.extend(payload.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()));
        } else {
            text.extend_from_slice(payload);
        }
        text
    }
}
