//! `AT+MPUB` and `AT+MPUBEX`.

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{Packet, Publish};

use super::super::Engine;
use super::super::commands::{Flow, Outcome};
use super::super::fault::Fault;
use super::super::input::{Data, Purpose};
use super::super::parse::Args;
use super::conversation::Await;
use super::{qos, topic};

impl Engine {
    /// `AT+MPUB=<topic>,<qos>,<retain>,"<message>"`
    pub(super) fn publish_line(&mut self, args: &Args) -> Result<(), Fault> {
        let topic = topic(args.at_most(4)?, 0)?;
        let level = args.number(1, 0..=2)?;
        let retain = args.number(2, 0..=1)? == 1;
        let message = args.quoted(3)?;
        let payload = if self.mqtt.hex { unhex(message)? } else { message.to_vec() };
        if payload.len() > self.profile.publish_max {
            return Err(Fault::RANGE);
        }
        self.publish(topic, u8::try_from(level).map_err(|_| Fault::RANGE)?, retain, payload)
    }

    /// `AT+MPUBEX=<topic>,<qos>,<retain>[,<length>]`: prompts for the payload.
    pub(super) fn publish_data(&mut self, args: &Args) -> Outcome {
        let topic = topic(args.at_most(4)?, 0)?;
        let level = args.number(1, 0..=2)?;
        let retain = args.number(2, 0..=1)? == 1;
        let most = self.profile.publish_max;
        let length = match args.len() {
            3 => None,
            _ => {
                let most = u32::try_from(most).map_err(|_| Fault::RANGE)?;
                Some(usize::try_from(args.number(3, 1..=most)?).map_err(|_| Fault::RANGE)?)
            }
        };
        self.session()?;
        let data = Data {
            purpose: Purpose::Publish { topic, qos: u8::try_from(level).map_err(|_| Fault::RANGE)?, retain },
            length,
            most,
            within: None,
            gap: self.profile.short_data_gap,
            echo: self.settings.echo && self.profile.data_echo,
            taken: Vec::new(),
            deadline: None,
        };
        Ok(Flow::Data(data, !self.profile.one_shot_data))
    }

    pub(in super::super) fn publish(
        &mut self,
        topic: String,
        level: u8,
        retain: bool,
        payload: Vec<u8>,
    ) -> Result<(), Fault> {
        let (id, talk) = self.session()?;
        let mut publish = Publish::new(topic, qos(u32::from(level)), payload);
        publish.retain = retain;
        let awaited = match publish.qos {
            QoS::AtMostOnce => None,
            QoS::AtLeastOnce => Some(Await::PubAck),
            QoS::ExactlyOnce => Some(Await::PubRec),
        };
        if let Some(awaited) = awaited {
            publish.pkid = talk.identifier(awaited).ok_or(Fault::Error)?;
        }
        self.send_packet(id, &Packet::Publish(publish))
    }
}

/// Bytes from pairs of hex digits of either case.
fn unhex(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let pair = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    text.chunks(2).map(|chunk| pair(chunk).ok_or(Fault::Error)).collect()
}
