//! Messages between programs of this host that are kept for later subscribers, the last of each topic.

use super::queue::Parcel;
use airgate_proto::topic::matches;
use airgate_proto::{Event, Message};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Topics with a retained message.
pub const RETAINED_TOPICS: usize = 1_024;
/// Their payloads together, in bytes.
pub const RETAINED_BYTES: usize = 1 << 20;

#[derive(Debug, Default)]
pub(super) struct Retained {
    kept: BTreeMap<String, (usize, Arc<Parcel>)>,
    bytes: usize,
}

impl Retained {
    /// Keeps it instead of the earlier one; an empty one only takes the earlier one away.
    pub(super) fn put(&mut self, message: &Message) {
        if let Some((bytes, _)) = self.kept.remove(&message.topic) {
            self.bytes -= bytes;
        }
        let bytes = message.payload.len();
        if bytes == 0 {
            return;
        }
        if self.kept.len() >= RETAINED_TOPICS || self.bytes + bytes > RETAINED_BYTES {
            tracing::warn!(topic = message.topic, "too much is retained already: this message is only passed on");
            return;
        }
        self.bytes += bytes;
        let parcel = Parcel::new(Event::Message(message.clone()));
        self.kept.insert(message.topic.clone(), (bytes, parcel));
    }

    pub(super) fn matching<'a>(&'a self, filter: &'a str) -> impl Iterator<Item = &'a Arc<Parcel>> {
        self.kept.iter().filter(move |(topic, _)| matches(filter, topic)).map(|(_, (_, parcel))| parcel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airgate_proto::Qos;

    fn message(topic: &str, payload: usize) -> Message {
        Message { topic: topic.into(), payload: vec![b'x'; payload], qos: Qos::AtMostOnce }
    }

    #[test]
    fn an_empty_message_takes_the_retained_one_away() {
        let mut retained = Retained::default();
        retained.put(&message("local/a", 5));
        retained.put(&message("local/a", 3));
        assert_eq!((retained.matching("local/+").count(), retained.bytes), (1, 3));
        retained.put(&message("local/a", 0));
        assert_eq!((retained.matching("#").count(), retained.bytes), (0, 0));
    }

    #[test]
    fn what_is_retained_is_bounded() {
        let mut retained = Retained::default();
        for number in 0..2 * RETAINED_TOPICS {
            retained.put(&message(&format!("local/{number}"), 1));
        }
        assert_eq!(retained.matching("#").count(), RETAINED_TOPICS);
        let mut retained = Retained::default();
        for number in 0..5 {
            retained.put(&message(&format!("local/{number}"), RETAINED_BYTES / 4));
        }
        assert_eq!(retained.matching("#").count(), 4);
    }
}
