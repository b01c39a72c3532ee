//! An engine on a bench: a host's side of the line and a broker made of the codec, both in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]
#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]

use std::collections::VecDeque;
use std::time::Duration;

use airgate_sim::modem::Profile;
use airgate_sim::modem::engine::{Engine, Failure, NetEvent, Output, Service, Setup};
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, Publish, SubAck, SubscribeReasonCode, UnsubAck,
};

/// How the broker on the bench behaves.
pub struct Broker {
    pub listens: bool,
    pub connack: ConnectReturnCode,
    pub suback: SubscribeReasonCode,
    pub answers: bool,
}

/// The web on the bench: what it answers, request by request.
#[derive(Default)]
pub struct Web {
    /// Pieces of the next answers; an empty list closes the connection without a word.
    pub answers: VecDeque<Vec<Vec<u8>>>,
    /// Why no connection comes about, if so.
    pub failure: Option<Failure>,
    /// What was asked.
    pub requests: Vec<String>,
    /// Connections of HTTP.
    pub open: Vec<u64>,
}

pub struct Bench {
    pub engine: Engine,
    pub now: Duration,
    pub heard: Vec<u8>,
    pub rates: Vec<u32>,
    pub packets: Vec<Packet>,
    pub broker: Broker,
    pub web: Web,
    /// The connection of `AT+CIPSTART` and what was sent on it.
    pub tcp: Option<u64>,
    pub tcp_sent: Vec<u8>,
    /// Short messages that the network has taken: number, text, header.
    pub sent_sms: Vec<(String, String, Vec<u8>)>,
    /// Questions that nobody has answered.
    pub datagrams: Vec<(u64, Bytes)>,
    pub connection: Option<u64>,
    pub aborted: Vec<u64>,
    pub closed: Vec<u64>,
    pub opened: Vec<(String, u16, bool)>,
    inbound: BytesMut,
}

impl Bench {
    pub fn new(profile: Profile, setup: Setup) -> Self {
        Self {
            engine: Engine::new(profile, setup),
            now: Duration::ZERO,
            heard: Vec::new(),
            rates: Vec::new(),
            packets: Vec::new(),
            broker: Broker {
                listens: true,
                connack: ConnectReturnCode::Success,
                suback: SubscribeReasonCode::Success(QoS::AtMostOnce),
                answers: true,
            },
            web: Web::default(),
            tcp: None,
            tcp_sent: Vec::new(),
            sent_sms: Vec::new(),
            datagrams: Vec::new(),
            connection: None,
            aborted: Vec::new(),
            closed: Vec::new(),
            opened: Vec::new(),
            inbound: BytesMut::new(),
        }
    }

    /// A module that has booted and registered; what it said so far is dropped.
    pub fn ready(profile: Profile) -> Self {
        let mut bench = Self::new(profile, Setup::default());
        bench.run(Duration::from_secs(10));
        bench.heard.clear();
        bench
    }

    /// A ready module with echo off and an MQTT session.
    pub fn online(profile: Profile) -> Self {
        let mut bench = Self::ready(profile);
        for line in ["ATE0", "AT+MQTTMSGSET=0", "AT+MIPSTART=\"h\",1883", "AT+MCONNECT=1,60"] {
            bench.say(line);
        }
        assert!(bench.text().ends_with("CONNACK OK\r\n"), "{}", bench.text());
        bench.heard.clear();
        bench.packets.clear();
        bench
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.engine.receive(bytes, self.now);
        self.collect();
    }

    /// Sends a line with CR LF and lets two seconds pass.
    pub fn say(&mut self, line: &str) -> String {
        let before = self.heard.len();
        self.send(format!("{line}\r\n").as_bytes());
        self.run(Duration::from_secs(2));
        String::from_utf8_lossy(&self.heard[before..]).into_owned()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.heard).into_owned()
    }

    pub fn take(&mut self) -> String {
        String::from_utf8_lossy(&std::mem::take(&mut self.heard)).into_owned()
    }

    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.collect();
        while let Some(at) = self.engine.wake_at().filter(|at| *at <= end) {
            self.now = at.max(self.now);
            self.engine.advance(self.now);
            self.collect();
        }
        self.now = end;
        self.engine.advance(end);
        self.collect();
    }

    pub fn broker_sends(&mut self, packet: &Packet) {
        let id = self.connection.expect("a connection is open");
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, usize::MAX).unwrap();
        self.engine.network(NetEvent::Received(id, bytes.freeze()), self.now);
        self.collect();
    }

    pub fn message(&mut self, topic: &str, payload: &[u8], qos: QoS, id: u16) {
        let mut publish = Publish::new(topic, qos, payload);
        publish.pkid = id;
        self.broker_sends(&Packet::Publish(publish));
    }

    /// The other side of the TCP connection sends this.
    pub fn tcp_receives(&mut self, bytes: &'static [u8]) {
        let id = self.tcp.expect("a connection is open");
        self.engine.network(NetEvent::Received(id, bytes.into()), self.now);
        self.collect();
    }

    pub fn broker_closes(&mut self) {
        let id = self.connection.take().expect("a connection is open");
        self.engine.network(NetEvent::Closed(id), self.now);
        self.collect();
    }

    pub fn collect(&mut self) {
        while let Some(output) = self.engine.next_output() {
            match output {
                Output::Host(bytes) => self.heard.extend_from_slice(&bytes),
                Output::Rate(baud) => self.rates.push(baud),
                Output::Open { id, service: Service::Http, host, port, tls } => {
                    self.opened.push((host, port, tls.is_some()));
                    self.web.open.push(id);
                    let event = self.web.failure.map_or(NetEvent::Opened(id), |failure| NetEvent::Failed(id, failure));
                    self.engine.network(event, self.now);
                }
                Output::Sms { to, text, header } => self.sent_sms.push((to, text, header)),
                Output::Datagram { id, bytes, .. } => self.datagrams.push((id, bytes)),
                Output::Open { id, service: Service::Tcp, .. } => {
                    self.tcp = Some(id);
                    self.engine.network(NetEvent::Opened(id), self.now);
                }
                Output::Send { id, bytes } if self.tcp == Some(id) => self.tcp_sent.extend_from_slice(&bytes),
                Output::Send { id, bytes } if self.web.open.contains(&id) => {
                    self.web.requests.push(String::from_utf8_lossy(&bytes).into_owned());
                    match self.web.answers.pop_front() {
                        None => {}
                        Some(pieces) if pieces.is_empty() => self.engine.network(NetEvent::Closed(id), self.now),
                        Some(pieces) => {
                            for piece in pieces {
                                self.engine.network(NetEvent::Received(id, piece.into()), self.now);
                            }
                        }
                    }
                }
                Output::Open { id, host, port, tls, .. } => {
                    self.opened.push((host, port, tls.is_some()));
                    self.inbound.clear();
                    let event = if self.broker.listens {
                        self.connection = Some(id);
                        NetEvent::Opened(id)
                    } else {
                        NetEvent::Failed(id, Failure::Unreachable)
                    };
                    self.engine.network(event, self.now);
                }
                Output::Send { bytes, .. } => self.serve(&bytes),
                Output::Close { id } => {
                    self.closed.push(id);
                    self.forget(id);
                }
                Output::Abort { id } => {
                    self.aborted.push(id);
                    self.forget(id);
                }
            }
        }
    }

    fn forget(&mut self, id: u64) {
        self.web.open.retain(|open| *open != id);
        if self.connection == Some(id) {
            self.connection = None;
        }
    }

    fn serve(&mut self, bytes: &Bytes) {
        self.inbound.extend_from_slice(bytes);
        while let Ok(packet) = Packet::read(&mut self.inbound, usize::MAX) {
            let answer = match &packet {
                Packet::Connect(_) => Some(Packet::ConnAck(ConnAck::new(self.broker.connack, false))),
                Packet::Subscribe(s) => Some(Packet::SubAck(SubAck::new(s.pkid, vec![self.broker.suback]))),
                Packet::Unsubscribe(u) => Some(Packet::UnsubAck(UnsubAck::new(u.pkid))),
                Packet::Publish(p) if p.qos == QoS::AtLeastOnce => Some(Packet::PubAck(PubAck::new(p.pkid))),
                Packet::Publish(p) if p.qos == QoS::ExactlyOnce => Some(Packet::PubRec(PubRec::new(p.pkid))),
                Packet::PubRel(r) => Some(Packet::PubComp(PubComp::new(r.pkid))),
                Packet::PingReq => Some(Packet::PingResp),
                _ => None,
            };
            self.packets.push(packet);
            if let Some(answer) = answer.filter(|_| self.broker.answers) {
                self.broker_sends(&answer);
            }
        }
    }
}
