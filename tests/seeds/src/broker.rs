//! A broker without a network: packets in, packets out, and a good memory.

use airgate_sim::modem::engine::NetEvent;
use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PubAck, Publish, SubAck, SubscribeReasonCode, UnsubAck,
};
use std::collections::{HashMap, HashSet};

use crate::host;

#[derive(Debug, Default)]
struct Connection {
    inbound: BytesMut,
    signed_in: bool,
    filters: HashSet<String>,
}

/// Everything that the host's messages went to.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    connections: HashMap<u64, Connection>,
    /// Numbers of the messages that arrived whole.
    pub(crate) arrived: HashSet<u64>,
    /// What must never arrive.
    pub(crate) corrupt: Vec<String>,
    last_id: u16,
}

impl Broker {
    pub(crate) fn open(&mut self, id: u64) -> NetEvent {
        self.connections.insert(id, Connection::default());
        NetEvent::Opened(id)
    }

    pub(crate) fn close(&mut self, id: u64) {
        self.connections.remove(&id);
    }

    /// Takes what the module sends, and tells what happens then.
    pub(crate) fn receive(&mut self, id: u64, bytes: &[u8]) -> Vec<NetEvent> {
        let Some(connection) = self.connections.get_mut(&id) else { return vec![NetEvent::Closed(id)] };
        connection.inbound.extend_from_slice(bytes);
        let mut packets = Vec::new();
        while let Ok(packet) = Packet::read(&mut connection.inbound, usize::MAX) {
            packets.push(packet);
        }
        packets.into_iter().flat_map(|packet| self.packet(id, packet)).collect()
    }

    /// Sends to whoever has subscribed.
    pub(crate) fn publish(&mut self, topic: &str, payload: &[u8]) -> Vec<NetEvent> {
        self.last_id = self.last_id.checked_add(1).unwrap_or(1);
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload);
        publish.pkid = self.last_id;
        let subscribed = self.connections.iter().filter(|(_, c)| c.signed_in && c.filters.contains(topic));
        subscribed.map(|(id, _)| event(*id, &Packet::Publish(publish.clone()))).collect()
    }

    fn packet(&mut self, id: u64, packet: Packet) -> Vec<NetEvent> {
        let answer = match packet {
            Packet::Connect(connect) => {
                if connect.client_id != host::CLIENT_ID {
                    self.corrupt.push(format!("client ID {:?}", connect.client_id));
                }
                // The same client elsewhere: that one has to go.
                let mut events = Vec::new();
                self.connections.retain(|other, connection| {
                    let stays = *other == id || !connection.signed_in;
                    events.extend((!stays).then_some(NetEvent::Closed(*other)));
                    stays
                });
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.signed_in = true;
                }
                events.push(event(id, &Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false))));
                return events;
            }
            Packet::Publish(publish) => {
                match host::number_of(&publish.topic, &publish.payload) {
                    Some(number) => drop(self.arrived.insert(number)),
                    None => self.corrupt.push(format!("{:?} on {:?}", publish.payload, publish.topic)),
                }
                Packet::PubAck(PubAck::new(publish.pkid))
            }
            Packet::Subscribe(subscribe) => {
                let filters = subscribe.filters.iter().map(|filter| filter.path.clone());
                if let Some(connection) = self.connections.get_mut(&id) {
                    connection.filters.extend(filters);
                }
                Packet::SubAck(SubAck::new(subscribe.pkid, vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)]))
            }
            Packet::Unsubscribe(unsubscribe) => Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)),
            Packet::PingReq => Packet::PingResp,
            Packet::Disconnect => {
                self.connections.remove(&id);
                return vec![NetEvent::Closed(id)];
            }
            _ => return Vec::new(),
        };
        vec![event(id, &answer)]
    }
}

fn event(id: u64, packet: &Packet) -> NetEvent {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).expect("it fits");
    NetEvent::Received(id, Bytes::from(bytes))
}
