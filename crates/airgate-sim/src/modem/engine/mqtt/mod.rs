//! The module's MQTT client: one connection, MQTT 3.1.1.
//!
//! Packets are encoded and decoded with rumqttc's codec on a connection of the engine's own. rumqttc's client is of no
//! use here: its event loop opens the connection and sends CONNECT in one step, while on the module `AT+MIPSTART` and
//! `AT+MCONNECT` are two, with an observable state between them.

mod conversation;
mod inbox;
mod link;
mod publish;
mod session;

use bytes::Bytes;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{LastWill, Login};

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::{Args, Form};
use crate::modem::profile::Profile;
use inbox::Inbox;
use link::Link;

/// Longest client id, user, password and topic. Source: AT command manual V1.6.3, p. 238.
const TEXT_MAX: usize = 256;
/// Longest will message. Source: the same page.
const WILL_MAX: usize = 1360;

/// What `AT+MCONFIG` has set.
#[derive(Debug, Default)]
struct Config {
    client_id: Option<String>,
    login: Option<Login>,
    will: Option<LastWill>,
}

/// The state of MQTT; all of it is volatile.
#[derive(Debug)]
pub(super) struct Mqtt {
    config: Config,
    link: Link,
    inbox: Inbox,
    /// `AT+MQTTMODE=1`: payloads are hex digits in both directions.
    hex: bool,
}

impl Mqtt {
    pub(super) fn new(profile: &Profile) -> Self {
        Self { config: Config::default(), link: Link::Down, inbox: Inbox::new(profile.cache_mode), hex: false }
    }

    /// The number of the connection that is open or being opened.
    pub(super) fn connection(&self) -> Option<u64> {
        self.link.connection()
    }
}

fn qos(value: u32) -> QoS {
    match value {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

fn topic(args: &Args, index: usize) -> Result<String, Fault> {
    let topic = args.text(index, TEXT_MAX)?;
    if topic.is_empty() { Err(Fault::EMPTY_VALUE) } else { Ok(topic) }
}

impl Engine {
    pub(super) fn mqtt_command(&mut self, name: &str, form: &Form) -> Outcome {
        let early = self.radio.attached_for(self.now).is_none_or(|time| time < self.profile.mqtt_ready);
        if !self.profile.mqtt_ready.is_zero() && early {
            return Err(Fault::NOT_SUPPORTED);
        }
        match (name, form) {
            ("+MCONFIG", Form::Set(args)) => self.configure(args)?,
            ("+MIPSTART" | "+SSLMIPSTART", Form::Set(args)) => return self.open(args, name == "+SSLMIPSTART"),
            ("+MCONNECT", Form::Set(args)) => self.connect(args)?,
            ("+MSUB", Form::Set(args)) => {
                args.at_most(2)?;
                let (topic, qos) = (topic(args, 0)?, qos(args.number(1, 0..=2)?));
                self.subscribe(topic, qos)?;
            }
            ("+MUNSUB", Form::Set(args)) => self.unsubscribe(topic(args.at_most(1)?, 0)?)?,
            ("+MPUB", Form::Set(args)) => self.publish_line(args)?,
            ("+MPUBEX", _) => return self.publish_data(args(form)?),
            ("+MDISCONNECT", Form::Plain) => self.disconnect()?,
            ("+MIPCLOSE", Form::Plain) => self.close()?,
            // A blank before the colon and none behind it: drivers compare these very bytes.
            ("+MQTTSTATU", Form::Plain) => self.info(&format!("+MQTTSTATU :{}", self.mqtt.link.state())),
            ("+MQTTMODE", Form::Read) => self.info(&format!("+MQTTMODE: {}", u8::from(self.mqtt.hex))),
            ("+MQTTMODE", Form::Set(args)) => self.mqtt.hex = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+MQTTMSGSET", Form::Read) => self.info(&format!("+MQTTMSGSET:{}", u8::from(self.mqtt.inbox.cached))),
            ("+MQTTMSGSET", Form::Set(args)) => self.mqtt.inbox.cached = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+MQTTMSGGET", Form::Read) => {
                let lines = self.mqtt.inbox.slots();
                self.info_list(&lines);
            }
            ("+MQTTMSGGET", Form::Plain) => self.read_cache(),
            _ => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    /// `AT+MCONFIG=<client id>[,<user>,<password>[,<will qos>,<will retain>,<will topic>,<will message>]]`
    fn configure(&mut self, args: &Args) -> Result<(), Fault> {
        if !matches!(args.at_most(7)?.len(), 1 | 3 | 7) {
            return Err(Fault::TOO_FEW);
        }
        let client_id = args.text(0, TEXT_MAX)?;
        let optional = |index| match args.get(index) {
            None => Ok(String::new()),
            Some(_) => args.text(index, TEXT_MAX),
        };
        let (user, password) = (optional(1)?, optional(2)?);
        if self.profile.empty_user_refused && args.len() > 1 && user.is_empty() {
            return Err(Fault::EMPTY_VALUE);
        }
        let will = if args.len() == 7 {
            let message = args.quoted(6)?;
            if message.len() > WILL_MAX {
                return Err(Fault::RANGE);
            }
            args.quoted(5)?;
            Some(LastWill {
                topic: topic(args, 5)?,
                message: Bytes::copy_from_slice(message),
                qos: qos(args.number(3, 0..=2)?),
                retain: args.number(4, 0..=1)? == 1,
            })
        } else {
            None
        };
        let login = (!user.is_empty() || !password.is_empty()).then_some(Login { username: user, password });
        self.mqtt.config = Config { client_id: Some(client_id), login, will };
        Ok(())
    }
}
