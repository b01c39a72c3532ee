//! The platform without I/O, second part: messages and subscriptions, up and down, and what a test's console does.

use super::alink;
use super::event::{Event, Received};
use super::gateway;
use super::identity::DeviceId;
use super::message::{Delivery, Message, Qos, RequestError};
use super::service::{self, Service};
use super::soak::Up;
use super::state::{Broker, ConnId};
use super::topic::{self, Way};
use super::wire::MAX_PAYLOAD;
use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, PubAck, Publish, SubAck, Subscribe, SubscribeReasonCode, UnsubAck};
use std::time::Duration;

/// The most filters in one SUBSCRIBE. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_FILTERS_AT_ONCE: usize = 8;

/// The most bytes of a broadcast, and the time between two. Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_BROADCAST: usize = 64 * 1024;
const BROADCAST_PAUSE: Duration = Duration::from_secs(60);

impl Broker {
    /// Takes a packet of a device that has signed in.
    pub(super) fn traffic(&mut self, now: Duration, conn: ConnId, device: &DeviceId, packet: Packet) {
        match packet {
            Packet::Publish(publish) => self.arrive(now, conn, device, publish),
            Packet::PubAck(PubAck { pkid }) => {
                if self.devices.get_mut(device).and_then(|d| d.session.as_mut()).is_some_and(|s| s.acknowledge(pkid)) {
                    self.pump(now, device);
                }
            }
            Packet::Subscribe(subscribe) => self.subscribe(conn, device, &subscribe),
            Packet::Unsubscribe(unsubscribe) if unsubscribe.topics.is_empty() => {
                self.close(conn, "an UNSUBSCRIBE without topics");
            }
            Packet::Unsubscribe(unsubscribe) => {
                if let Some(session) = self.devices.get_mut(device).and_then(|d| d.session.as_mut()) {
                    unsubscribe.topics.iter().for_each(|filter| session.unsubscribe(filter));
                }
                self.send(conn, Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
            }
            Packet::PingReq => self.send(conn, Packet::PingResp),
            Packet::Disconnect => self.close(conn, "DISCONNECT"),
            Packet::Connect(_) => self.close(conn, "a second CONNECT"),
            other => self.close(conn, &format!("a device does not send {}", kind(&other))),
        }
    }

    /// A message from a device.
    fn arrive(&mut self, now: Duration, conn: ConnId, id: &DeviceId, publish: Publish) {
        let qos = publish.qos;
        if qos == QoS::ExactlyOnce {
            return self.close(conn, "QoS 2 is not supported");
        }
        if publish.payload.len() > MAX_PAYLOAD {
            return self.close(conn, "a payload over 256 KiB");
        }
        let speaker = self.speaker(id, &publish.topic, Way::Up);
        let Some(device) = self.devices.get_mut(id) else { return };
        let rate = if qos == QoS::AtMostOnce { &mut device.rates.up_qos0 } else { &mut device.rates.up_qos1 };
        let pkid = publish.pkid;
        let fate = self.faults.weather.message_up();
        match speaker {
            _ if fate == Up::Lost => return,
            _ if !topic::is_name(&publish.topic) => {
                self.drop_message(id, publish.topic, "the topic is malformed or over 128 bytes");
            }
            None => self.drop_message(id, publish.topic, "9236, not a topic this device may publish"),
            Some(_) if !rate.admit(now) && self.limits => {
                self.drop_message(id, publish.topic, "over the rate of messages up");
            }
            Some(speaker) => self.receive(now, &speaker, publish),
        }
        if qos == QoS::AtLeastOnce && fate == Up::Arrives && !self.faults.loses_puback() {
            self.send(conn, Packet::PubAck(PubAck::new(pkid)));
        }
    }

    /// Whose topic or filter this is: the device's own, or that of a sub-device signed in through it.
    fn speaker(&self, carrier: &DeviceId, topic: &str, way: Way) -> Option<DeviceId> {
        std::iter::once(carrier).chain(self.subs(carrier)).find(|id| topic::belongs(id, topic, way)).cloned()
    }

    fn receive(&mut self, now: Duration, id: &DeviceId, publish: Publish) {
        let Publish { topic, payload, qos, dup, .. } = publish;
        let kept = self.answer(now, id, &topic, &payload);
        let service = kept.unwrap_or_else(|| service::serve(id, &topic, &payload, now));
        let message = self.journal.receive(Received {
            seq: 0,
            from: id.clone(),
            topic: topic.clone(),
            payload,
            qos: qos as u8,
            dup,
            at_ms: u64::try_from(now.as_millis()).unwrap_or(u64::MAX),
        });
        self.tell(Event::Received(message));
        match service {
            Service::None => {}
            Service::Refused(why) => self.drop_message(id, topic, &why),
            Service::Version { module, version } => {
                if let Some(device) = self.devices.get_mut(id) {
                    device.versions.insert(module.clone(), version.clone());
                }
                self.tell(Event::Version { device: id.clone(), module: module.clone(), version });
                if let Some(push) = self.upgrade(now, id, &module) {
                    self.send_down(now, id, push);
                }
            }
            Service::Progress { module, step, desc } => {
                self.tell(Event::Progress { device: id.clone(), module, step, desc });
            }
            Service::Firmware { topic, module, request } => {
                let payload = self.firmware(id, &module, &request).into();
                self.send_down(now, id, Message { topic, payload, qos: Qos::AtMostOnce });
            }
            Service::Reply { topic, payload } => {
                self.send_down(now, id, Message { topic, payload: payload.into(), qos: Qos::AtMostOnce });
            }
        }
    }

    /// Publishes what nobody waits for the result of: a failure is logged.
    pub(super) fn send_down(&mut self, now: Duration, id: &DeviceId, message: Message) {
        let topic = message.topic.clone();
        if let Err(error) = self.publish(now, id, message) {
            self.drop_message(id, topic, &error.to_string());
        }
    }

    /// Sends a thing model request to a device, and tells its ID: `thing/service/property/set`, or a service of its
    /// own that is called without waiting. Source: Alibaba Cloud IoT Platform, "Alink protocol".
    pub(super) fn request(
        &mut self,
        now: Duration,
        id: &DeviceId,
        service: &str,
        params: &serde_json::Value,
    ) -> Result<(u32, Delivery), RequestError> {
        let request = self.next_request();
        let method = format!("thing.service.{}", service.replace('/', "."));
        let payload = alink::request(request, &method, params);
        let topic = format!("/sys/{}/{}/thing/service/{service}", id.product_key, id.device_name);
        let message = Message { topic, payload: payload.into(), qos: Qos::AtLeastOnce };
        self.publish(now, id, message).map(|delivery| (request, delivery))
    }

    fn drop_message(&mut self, device: &DeviceId, topic: String, why: &str) {
        self.tell(Event::Dropped { device: device.clone(), topic, why: why.to_owned() });
    }

    fn subscribe(&mut self, conn: ConnId, id: &DeviceId, subscribe: &Subscribe) {
        if subscribe.filters.iter().any(|filter| filter.qos == QoS::ExactlyOnce) {
            return self.close(conn, "QoS 2 is not supported");
        }
        let mut codes = Vec::with_capacity(subscribe.filters.len());
        for (index, filter) in subscribe.filters.iter().enumerate() {
            let allowed = index < MAX_FILTERS_AT_ONCE
                && topic::is_filter(&filter.path)
                && self.speaker(id, &filter.path, Way::Down).is_some();
            let session = self.devices.get_mut(id).and_then(|device| device.session.as_mut());
            let granted = allowed && session.is_some_and(|session| session.subscribe(&filter.path));
            codes.push(if granted { SubscribeReasonCode::Success(filter.qos) } else { SubscribeReasonCode::Failure });
            let code = if granted { filter.qos as u8 } else { 0x80 };
            self.tell(Event::Subscribed { device: id.clone(), filter: filter.path.clone(), code });
        }
        self.send(conn, Packet::SubAck(SubAck::new(subscribe.pkid, codes)));
    }

    /// Publishes to a device. The QoS that counts is the message's, not the subscription's.
    pub(super) fn publish(&mut self, now: Duration, id: &DeviceId, message: Message) -> Result<Delivery, RequestError> {
        if !topic::is_name(&message.topic) {
            return Err(RequestError::BadTopic(message.topic));
        }
        if message.payload.len() > MAX_PAYLOAD {
            return Err(RequestError::PayloadTooLarge(message.payload.len()));
        }
        let device = self.devices.get(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        // What is for a sub-device goes to its gateway.
        let carrier = device.via.clone().unwrap_or_else(|| id.clone());
        let Some(device) = self.devices.get_mut(&carrier) else { return Ok(Delivery::Offline) };
        if !device.rates.down.admit(now) && self.limits {
            return Err(RequestError::TooFast(carrier));
        }
        let Some(session) = &mut device.session else { return Ok(Delivery::Offline) };
        let wanted = session.subscribes(&message.topic)
            || topic::is_unasked(id, &message.topic)
            || session.system_topics && topic::is_system(id, &message.topic);
        // Source: Alibaba Cloud IoT Platform, "Call a custom topic": for clients with `ext=1` alone.
        let wanted = wanted && (session.custom_calls || !message.topic.starts_with("/ext/rrpc/"));
        if !wanted {
            return Ok(Delivery::NotSubscribed);
        }
        match (message.qos, device.online) {
            (Qos::AtMostOnce, None) => Ok(Delivery::Offline),
            (Qos::AtMostOnce, Some(conn)) => {
                for payload in self.said(id, &message) {
                    self.send(
                        conn,
                        Packet::Publish(Publish::from_bytes(message.topic.clone(), QoS::AtMostOnce, payload)),
                    );
                }
                Ok(Delivery::Sent)
            }
            (Qos::AtLeastOnce, online) => {
                if !session.keep(now, message) {
                    return Err(RequestError::QueueFull(id.clone()));
                }
                self.pump(now, &carrier);
                Ok(if online.is_some() { Delivery::Sent } else { Delivery::Queued })
            }
        }
    }

    /// What is sent of a message without acknowledgement: on bad days, of the platform's own words, not always just that.
    fn said(&mut self, id: &DeviceId, message: &Message) -> Vec<Bytes> {
        let weather = &mut self.faults.weather;
        match topic::is_system(id, &message.topic) {
            true if weather.drops_reply() => Vec::new(),
            true => weather.payloads(message.payload.clone()),
            false => vec![message.payload.clone()],
        }
    }

    /// Sends what waits for a connected device, as far as its window has room.
    pub(super) fn pump(&mut self, now: Duration, id: &DeviceId) {
        let Some(device) = self.devices.get_mut(id) else { return };
        let (Some(conn), Some(session)) = (device.online, &mut device.session) else { return };
        let ready: Vec<Publish> = std::iter::from_fn(|| session.send_next(now)).collect();
        for publish in ready {
            self.send(conn, Packet::Publish(publish));
        }
    }

    /// Throws a device out; false when it was not connected.
    pub(super) fn kick(&mut self, now: Duration, id: &DeviceId) -> Result<bool, RequestError> {
        let device = self.devices.get(id).ok_or_else(|| RequestError::UnknownDevice(id.clone()))?;
        match device.online {
            Some(conn) => self.close(conn, "kicked by the console"),
            None => return Ok(self.throw_sub_out(now, id, gateway::ELSEWHERE)),
        }
        Ok(true)
    }

    /// Calls a device and lets it answer: on its own topic, or on one that it subscribed for calls. What it answers on.
    /// Source: Alibaba Cloud IoT Platform, "RRPC".
    pub(super) fn call(
        &mut self,
        now: Duration,
        id: &DeviceId,
        topic: Option<&str>,
        payload: Bytes,
    ) -> Result<(String, Delivery), RequestError> {
        let (call, DeviceId { product_key, device_name }) = (self.next_request(), id);
        let (asked, answered) = match topic {
            None => {
                let at = |kind: &str| format!("/sys/{product_key}/{device_name}/rrpc/{kind}/{call}");
                (at("request"), at("response"))
            }
            Some(topic) => {
                let both = format!("/ext/rrpc/{call}{topic}");
                (both.clone(), both)
            }
        };
        let delivery = self.publish(now, id, Message { topic: asked, payload, qos: Qos::AtMostOnce })?;
        Ok((answered, delivery))
    }

    /// To all devices of a product that are online, or to those that subscribed `topic`; to how many.
    /// Source: Alibaba Cloud IoT Platform, "Broadcast": 64 KB, once a minute.
    pub(super) fn broadcast(
        &mut self,
        now: Duration,
        product_key: &str,
        topic: Option<&str>,
        payload: &Bytes,
    ) -> Result<usize, RequestError> {
        if payload.len() > MAX_BROADCAST {
            return Err(RequestError::BroadcastTooLarge(payload.len()));
        }
        let last = self.broadcasts.insert(product_key.to_owned(), now);
        if self.limits && last.is_some_and(|last| now.saturating_sub(last) < BROADCAST_PAUSE) {
            return Err(RequestError::BroadcastTooSoon);
        }
        let message = self.next_request();
        let mut devices: Vec<_> = self.devices.keys().filter(|id| id.product_key == product_key).cloned().collect();
        devices.sort_unstable();
        let mut reached = 0;
        for id in devices {
            let topic = match topic {
                Some(topic) => format!("/broadcast/{product_key}/{topic}"),
                None => format!("/sys/{product_key}/{}/broadcast/request/{message}", id.device_name),
            };
            let delivery = self.publish(now, &id, Message { topic, payload: payload.clone(), qos: Qos::AtMostOnce })?;
            reached += usize::from(delivery == Delivery::Sent);
        }
        Ok(reached)
    }

    /// Begins or ends an outage: nobody is connected while it lasts.
    pub(super) fn set_outage(&mut self, on: bool) {
        self.faults.set_outage(on);
        if on {
            self.close_all("outage");
        }
    }
}

/// The name of a packet that only a server sends, or that belongs to QoS 2.
fn kind(packet: &Packet) -> &'static str {
    match packet {
        Packet::ConnAck(_) => "CONNACK",
        Packet::SubAck(_) => "SUBACK",
        Packet::UnsubAck(_) => "UNSUBACK",
        Packet::PingResp => "PINGRESP",
        _ => "the packets of QoS 2",
    }
}
