//! The MQTT conversation on an open connection: CONNECT, subscriptions, acknowledgements, keep-alive.

use std::time::Duration;

use bytes::BytesMut;
use rumqttc::mqttbytes::v4::{
    Connect, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe, SubscribeReasonCode,
    Unsubscribe,
};
use rumqttc::mqttbytes::{Error as CodecError, QoS};

use super::super::Engine;
use super::super::fault::Fault;
use super::super::parse::Args;
use super::super::timers::Timer;
use super::conversation::{Await, Conversation, Session};
use super::link::Link;
use crate::modem::profile::{ConnackRefused, SubackRefused};

/// Largest packet that is taken in; far above what a payload ceiling allows, so that larger ones are still acknowledged.
const PACKET_MAX: usize = 256 * 1024;
/// How long CONNACK may take.
const CONNACK_TIMEOUT: Duration = Duration::from_secs(60);
/// How long PINGRESP may take.
const PING_TIMEOUT: Duration = Duration::from_secs(30);

impl Engine {
    /// The running session, or the error that the module gives without one.
    pub(super) fn session(&mut self) -> Result<(u64, &mut Conversation), Fault> {
        match &mut self.mqtt.link {
            Link::Up { id, talk } if matches!(talk.session, Session::Up { .. }) => Ok((*id, talk)),
            _ => Err(Fault::FAILED),
        }
    }

    pub(super) fn send_packet(&mut self, id: u64, packet: &Packet) -> Result<(), Fault> {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, PACKET_MAX).map_err(|_| Fault::Error)?;
        let now = self.now;
        if let Some(talk) = self.mqtt.link.up(id) {
            talk.last_sent = now;
        }
        self.send(id, bytes.freeze());
        Ok(())
    }

    /// `AT+MCONNECT=<clean>,<keep alive>[,<long keep alive>]`; the third argument is of later manuals.
    pub(super) fn connect(&mut self, args: &Args) -> Result<(), Fault> {
        let clean = args.at_most(3)?.number(0, 0..=1)? == 1;
        let seconds = u16::try_from(args.number(1, 1..=65_535)?).map_err(|_| Fault::RANGE)?;
        if args.len() == 3 {
            args.number(2, 0..=1)?;
        }
        let id = match &self.mqtt.link {
            Link::Up { id, talk } if matches!(talk.session, Session::None) => *id,
            _ => return Err(Fault::FAILED),
        };
        let config = &self.mqtt.config;
        let mut connect = Connect::new(config.client_id.clone().unwrap_or_else(|| self.setup.imei.clone()));
        connect.keep_alive = seconds;
        connect.clean_session = clean;
        connect.login.clone_from(&config.login);
        connect.last_will.clone_from(&config.will);
        self.send_packet(id, &Packet::Connect(connect))?;
        if let Some(talk) = self.mqtt.link.up(id) {
            talk.session = Session::Asked { keep_alive: Duration::from_secs(u64::from(seconds)) };
        }
        self.after(CONNACK_TIMEOUT, Timer::ConnackTimeout(id));
        Ok(())
    }

    pub(in super::super) fn connack_timeout(&mut self, id: u64) {
        if self.mqtt.link.up(id).is_some_and(|talk| matches!(talk.session, Session::Asked { .. })) {
            self.refused(id);
            self.drop_link(id);
        }
    }

    fn refused(&mut self, id: u64) {
        if let Some(talk) = self.mqtt.link.up(id) {
            talk.session = Session::None;
        }
        match self.profile.connack_refused {
            ConnackRefused::Error => self.urc("ERROR"),
            ConnackRefused::Silent => {}
        }
    }

    pub(super) fn subscribe(&mut self, topic: String, qos: QoS) -> Result<(), Fault> {
        let (id, talk) = self.session()?;
        let mut subscribe = Subscribe::new(topic, qos);
        subscribe.pkid = talk.identifier(Await::SubAck).ok_or(Fault::Error)?;
        self.send_packet(id, &Packet::Subscribe(subscribe))
    }

    pub(super) fn unsubscribe(&mut self, topic: String) -> Result<(), Fault> {
        let (id, talk) = self.session()?;
        let mut unsubscribe = Unsubscribe::new(topic);
        unsubscribe.pkid = talk.identifier(Await::UnsubAck).ok_or(Fault::Error)?;
        self.send_packet(id, &Packet::Unsubscribe(unsubscribe))
    }

    /// `AT+MDISCONNECT`: the session ends, the connection stays until the broker closes it or `AT+MIPCLOSE`.
    pub(super) fn disconnect(&mut self) -> Result<(), Fault> {
        let (id, _) = self.session()?;
        if self.profile.sends_disconnect {
            self.send_packet(id, &Packet::Disconnect)?;
        }
        if let Some(talk) = self.mqtt.link.up(id) {
            talk.session = Session::Left;
        }
        Ok(())
    }

    pub(in super::super) fn net_received(&mut self, id: u64, bytes: &[u8]) {
        if let Some(talk) = self.mqtt.link.up(id) {
            talk.received.extend_from_slice(bytes);
        }
        // A packet may end the connection; what stands behind it is not looked at any more.
        while let Some(talk) = self.mqtt.link.up(id) {
            match Packet::read(&mut talk.received, PACKET_MAX) {
                Ok(packet) => self.packet(id, packet),
                Err(CodecError::InsufficientBytes(_)) => return,
                Err(_) => return self.drop_link(id),
            }
        }
    }

    fn packet(&mut self, id: u64, packet: Packet) {
        let Some(talk) = self.mqtt.link.up(id) else { return };
        match (packet, &talk.session) {
            (Packet::ConnAck(ack), Session::Asked { keep_alive }) => {
                let keep_alive = *keep_alive;
                if ack.code == ConnectReturnCode::Success {
                    talk.session = Session::Up { keep_alive };
                    self.after(keep_alive, Timer::KeepAlive(id));
                    self.urc("CONNACK OK");
                } else {
                    self.refused(id);
                }
            }
            (Packet::Publish(publish), Session::Up { .. }) => self.incoming(id, publish),
            (Packet::PubRel(release), Session::Up { .. }) => {
                talk.released_later.remove(&release.pkid);
                self.answer(id, &Packet::PubComp(PubComp::new(release.pkid)));
            }
            (Packet::PubAck(ack), Session::Up { .. }) => {
                if talk.settle(ack.pkid, Await::PubAck) {
                    self.urc("PUBACK");
                }
            }
            (Packet::PubRec(ack), Session::Up { .. }) => {
                if talk.settle(ack.pkid, Await::PubRec) {
                    talk.awaited.insert(ack.pkid, Await::PubComp);
                    self.answer(id, &Packet::PubRel(PubRel::new(ack.pkid)));
                    self.urc("PUBREC");
                }
            }
            (Packet::PubComp(ack), Session::Up { .. }) => {
                if talk.settle(ack.pkid, Await::PubComp) {
                    self.urc("PUBCOMP");
                }
            }
            (Packet::SubAck(ack), Session::Up { .. }) => {
                let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
                if talk.settle(ack.pkid, Await::SubAck) {
                    match (refused, self.profile.suback_refused) {
                        (false, _) | (true, SubackRefused::Suback) => self.urc("SUBACK"),
                        (true, SubackRefused::Error) => self.urc("ERROR"),
                        (true, SubackRefused::Silent) => {}
                    }
                }
            }
            (Packet::UnsubAck(ack), Session::Up { .. }) => {
                if talk.settle(ack.pkid, Await::UnsubAck) {
                    self.urc("UNSUBACK");
                }
            }
            (Packet::PingResp, Session::Up { .. }) => talk.ping_sent = None,
            // What still arrives after the host has left is not shown.
            (_, Session::Left) => {}
            // The broker breaks the protocol.
            _ => self.drop_link(id),
        }
    }

    fn answer(&mut self, id: u64, packet: &Packet) {
        if self.send_packet(id, packet).is_err() {
            self.drop_link(id);
        }
    }

    /// Acknowledges a message and hands it on; QoS 2 is handed on once.
    fn incoming(&mut self, id: u64, publish: Publish) {
        match publish.qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.answer(id, &Packet::PubAck(PubAck::new(publish.pkid))),
            QoS::ExactlyOnce => {
                let fresh = self.mqtt.link.up(id).is_some_and(|talk| talk.released_later.insert(publish.pkid));
                self.answer(id, &Packet::PubRec(PubRec::new(publish.pkid)));
                if !fresh {
                    return;
                }
            }
        }
        self.show(publish.topic, publish.payload);
    }

    /// Pings after a silence of the keep-alive time; gives up when a ping is not answered.
    pub(in super::super) fn keep_alive(&mut self, id: u64) {
        let now = self.now;
        let Some(talk) = self.mqtt.link.up(id) else { return };
        let Session::Up { keep_alive } = talk.session else { return };
        let next = match talk.ping_sent {
            Some(sent) if now >= sent + PING_TIMEOUT => return self.drop_link(id),
            Some(sent) => sent + PING_TIMEOUT,
            None if now >= talk.last_sent + keep_alive => {
                talk.ping_sent = Some(now);
                self.answer(id, &Packet::PingReq);
                now + keep_alive.min(PING_TIMEOUT)
            }
            None => talk.last_sent + keep_alive,
        };
        self.timers.set(next, Timer::KeepAlive(id));
    }
}
