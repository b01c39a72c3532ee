//! What was handed to a client at QoS 1 and is not acknowledged.

use crate::router::{Held, Item, Share};
use rumqttc::mqttbytes::v4::Packet;
use std::collections::VecDeque;

/// Messages on their way to one client; further ones wait in its box.
const IN_FLIGHT: usize = 32;

#[derive(Debug)]
pub(super) struct Window {
    sent: VecDeque<(u16, Item)>,
    last: u16,
    held: Held,
}

impl Window {
    /// Of a client whose user has this share.
    pub(super) fn of(share: Share) -> Self {
        Self { sent: VecDeque::new(), last: 0, held: Held::new(share, 0) }
    }

    /// Whether one more may be handed out; when the user's share is spent, one after another.
    pub(super) fn is_open(&self) -> bool {
        self.sent.is_empty() || (self.sent.len() < IN_FLIGHT && !self.held.share().is_spent())
    }

    /// The packet identifier for one more: not zero and not in use. [MQTT-2.3.1-2], [MQTT-2.3.1-4]
    pub(super) fn put(&mut self, item: Item) -> u16 {
        loop {
            self.last = self.last.checked_add(1).unwrap_or(1);
            if self.sent.iter().all(|(used, _)| *used != self.last) {
                break;
            }
        }
        self.held.set(self.held.bytes() + item.parcel.weight());
        self.sent.push_back((self.last, item));
        self.last
    }

    /// Whether something with this number was on its way.
    pub(super) fn acknowledge(&mut self, number: u16) -> bool {
        let found = self.sent.iter().position(|(sent, _)| *sent == number);
        let Some((_, item)) = found.and_then(|at| self.sent.remove(at)) else { return false };
        self.held.set(self.held.bytes() - item.parcel.weight());
        true
    }

    /// What is on its way, in the order in which it was sent.
    pub(super) fn into_items(self) -> Vec<Item> {
        self.sent.into_iter().map(|(_, item)| item).collect()
    }
}

/// What a packet is called in the standard.
pub(super) fn name(packet: &Packet) -> &'static str {
    match packet {
        Packet::Connect(_) => "CONNECT",
        Packet::ConnAck(_) => "CONNACK",
        Packet::Publish(_) => "PUBLISH",
        Packet::PubAck(_) => "PUBACK",
        Packet::PubRec(_) => "PUBREC",
        Packet::PubRel(_) => "PUBREL",
        Packet::PubComp(_) => "PUBCOMP",
        Packet::Subscribe(_) => "SUBSCRIBE",
        Packet::SubAck(_) => "SUBACK",
        Packet::Unsubscribe(_) => "UNSUBSCRIBE",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingReq => "PINGREQ",
        Packet::PingResp => "PINGRESP",
        Packet::Disconnect => "DISCONNECT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Parcel;
    use airgate_proto::{Event, Qos};

    fn item(missed: u64) -> Item {
        let parcel = Parcel::new(Event::Lagged { missed });
        Item { parcel, qos: Qos::AtLeastOnce, retained: false, again: false, via: None }
    }

    #[test]
    fn a_number_in_use_is_passed_over_and_zero_is_none() {
        let mut window = Window::of(Share::default());
        let first = window.put(item(0));
        for _ in 0..2 * usize::from(u16::MAX) {
            let number = window.put(item(1));
            assert!(number != 0 && number != first);
            assert!(window.acknowledge(number));
        }
    }

    #[test]
    fn what_is_left_is_in_its_order() {
        let mut window = Window::of(Share::default());
        let numbers: Vec<u16> = (0..IN_FLIGHT as u64).map(|number| window.put(item(number))).collect();
        assert!(!window.is_open());
        assert!(window.acknowledge(numbers[1]) && !window.acknowledge(numbers[1]));
        let left: Vec<_> = window.into_items().iter().map(|item| item.parcel.event.clone()).collect();
        assert_eq!(left.first(), Some(&Event::Lagged { missed: 0 }));
        assert_eq!(left.get(1), Some(&Event::Lagged { missed: 2 }));
    }
}
