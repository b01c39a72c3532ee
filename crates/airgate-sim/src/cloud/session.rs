//! A device's session: what it subscribed, and the QoS 1 messages it has not acknowledged.
//!
//! With cleanSession=0 it outlives the connection and gathers QoS 1 messages, kept for seven days.

use super::message::Message;
use super::topic;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::Publish;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// The most subscriptions of a device. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_FILTERS: usize = 100;

/// The most messages sent and not acknowledged. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_IN_FLIGHT: usize = 100;

/// The most messages that wait. The platform names no number; this one bounds the stand-in.
const MAX_WAITING: usize = 1000;

/// How long a message waits for its device. Source: Alibaba Cloud IoT Platform, "Limits".
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// The state of one session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Survives the connection: the device asked for cleanSession=0.
    pub(super) persistent: bool,
    /// Has the system topics without subscribing them (`_ss=1`).
    pub(super) system_topics: bool,
    /// Takes calls on topics of its own (`ext=1`).
    pub(super) custom_calls: bool,
    filters: BTreeSet<String>,
    waiting: VecDeque<(Duration, Message)>,
    in_flight: VecDeque<(u16, Message)>,
    last_id: u16,
}

impl Session {
    /// Adds a filter; false when there are as many as may be.
    pub(super) fn subscribe(&mut self, filter: &str) -> bool {
        let room = self.filters.len() < MAX_FILTERS || self.filters.contains(filter);
        if room {
            self.filters.insert(filter.to_owned());
        }
        room
    }

    pub(super) fn unsubscribe(&mut self, filter: &str) {
        self.filters.remove(filter);
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().map(String::as_str)
    }

    /// Whether one of the filters matches the topic.
    pub(super) fn subscribes(&self, topic: &str) -> bool {
        self.filters.iter().any(|filter| topic::matches(filter, topic))
    }

    /// How many QoS 1 messages are not acknowledged, sent or not.
    pub(super) fn unacknowledged(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Keeps a QoS 1 message until it is acknowledged; false when too many wait.
    pub(super) fn keep(&mut self, now: Duration, message: Message) -> bool {
        let room = self.waiting.len() < MAX_WAITING;
        if room {
            self.waiting.push_back((now, message));
        }
        room
    }

    /// The next message that may be sent, if the window has room.
    pub(super) fn send_next(&mut self, now: Duration) -> Option<Publish> {
        while self.waiting.front().is_some_and(|(since, _)| now.saturating_sub(*since) > KEPT) {
            self.waiting.pop_front();
        }
        if self.in_flight.len() >= MAX_IN_FLIGHT {
            return None;
        }
        let (_, message) = self.waiting.pop_front()?;
        let id = self.free_id();
        let publish = publish(id, &message, false);
        self.in_flight.push_back((id, message));
        Some(publish)
    }

    /// What was sent on an earlier connection and not acknowledged there, to be sent again in the old order.
    pub(super) fn send_again(&self) -> Vec<Publish> {
        self.in_flight.iter().map(|(id, message)| publish(*id, message, true)).collect()
    }

    /// The device acknowledged this packet identifier; false when nothing was sent with it.
    pub(super) fn acknowledge(&mut self, id: u16) -> bool {
        let before = self.in_flight.len();
        self.in_flight.retain(|(sent, _)| *sent != id);
        self.in_flight.len() < before
    }

    /// A packet identifier that is not 0 and not in flight; there is one, the window being smaller than their number.
    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.wrapping_add(1);
            if self.last_id != 0 && !self.in_flight.iter().any(|(id, _)| *id == self.last_id) {
                return self.last_id;
            }
        }
    }
}

fn publish(id: u16, message: &Message, dup: bool) -> Publish {
    let mut publish = Publish::from_bytes(message.topic.clone(), QoS::AtLeastOnce, message.payload.clone());
    publish.pkid = id;
    publish.dup = dup;
    publish
}

#[cfg(test)]
mod tests {
    use super::super::message::Qos;
    use super::*;

    fn message(text: &str) -> Message {
        Message { topic: "/pk/dn/user/get".to_owned(), payload: text.to_owned().into(), qos: Qos::AtLeastOnce }
    }

    #[test]
    fn window_holds_the_101st_message_back_until_one_is_acknowledged() {
        let mut session = Session::default();
        for _ in 0..=MAX_IN_FLIGHT {
            assert!(session.keep(Duration::ZERO, message("x")));
        }
        let sent: Vec<_> = std::iter::from_fn(|| session.send_next(Duration::ZERO)).collect();
        assert_eq!(sent.len(), MAX_IN_FLIGHT);
        assert!(session.acknowledge(sent[0].pkid) && !session.acknowledge(sent[0].pkid));
        assert!(session.send_next(Duration::ZERO).is_some());
    }

    #[test]
    fn packet_identifiers_skip_zero_and_those_in_flight_when_they_wrap() {
        let mut session = Session { last_id: u16::MAX - 1, ..Session::default() };
        for _ in 0..3 {
            session.keep(Duration::ZERO, message("x"));
        }
        session.in_flight.push_back((1, message("old")));
        let ids: Vec<u16> = std::iter::from_fn(|| session.send_next(Duration::ZERO)).map(|p| p.pkid).collect();
        assert_eq!(ids, [u16::MAX, 2, 3]);
    }

    #[test]
    fn message_older_than_seven_days_is_gone() {
        let mut session = Session::default();
        session.keep(Duration::ZERO, message("old"));
        session.keep(Duration::from_secs(1), message("young"));
        let sent = session.send_next(KEPT + Duration::from_secs(1)).unwrap();
        assert_eq!(&sent.payload[..], b"young");
    }

    #[test]
    fn queue_and_subscriptions_are_bounded() {
        let mut session = Session::default();
        for number in 0..MAX_FILTERS {
            assert!(session.subscribe(&format!("/pk/dn/user/{number}")));
        }
        assert!(!session.subscribe("/pk/dn/user/more") && session.subscribe("/pk/dn/user/0"));
        for _ in 0..MAX_WAITING {
            assert!(session.keep(Duration::ZERO, message("x")));
        }
        assert!(!session.keep(Duration::ZERO, message("x")));
    }
}
