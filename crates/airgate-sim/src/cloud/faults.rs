//! Faults that a test puts in: refused connects, an outage, lost PUBACKs, spoilt answers to registrations; and bad days.

use super::identity::DeviceId;
use super::soak::Weather;
use rumqttc::mqttbytes::v4::ConnectReturnCode;

/// The next connects to be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Refuse {
    device: Option<DeviceId>,
    count: u32,
    code: ConnectReturnCode,
}

/// What is to go wrong.
#[derive(Debug, Default)]
pub(super) struct Faults {
    refuse: Vec<Refuse>,
    outage: bool,
    lost_pubacks: u32,
    answers: Option<(Answers, u32)>,
    pub(super) weather: Weather,
}

/// What becomes of the answers to registrations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Answers {
    /// They never come.
    Lost,
    /// Each comes twice.
    Doubled,
    /// They are cut short.
    Malformed,
    /// They name another device.
    OtherDevice,
}

impl Faults {
    /// The next `count` connects, of one device or of any, are refused with this code.
    pub(super) fn refuse(&mut self, device: Option<DeviceId>, count: u32, code: ConnectReturnCode) {
        self.refuse.push(Refuse { device, count, code });
    }

    /// While it lasts, every connect is refused with 3.
    pub(super) fn set_outage(&mut self, on: bool) {
        self.outage = on;
    }

    /// The next `count` PUBACKs are not sent.
    pub(super) fn lose_pubacks(&mut self, count: u32) {
        self.lost_pubacks = count;
    }

    /// The answers to the next `count` registrations are spoilt.
    pub(super) fn spoil_answers(&mut self, how: Answers, count: u32) {
        self.answers = Some((how, count));
    }

    /// What is sent in answer to a registration of `device`, in place of `answer`.
    pub(super) fn answers(&mut self, device: &DeviceId, answer: Vec<u8>) -> Vec<Vec<u8>> {
        match &mut self.answers {
            Some((how, count)) if *count > 0 => {
                *count -= 1;
                let name = format!("\"deviceName\":\"{}\"", device.device_name);
                let text = String::from_utf8_lossy(&answer).into_owned();
                match how {
                    Answers::Lost => Vec::new(),
                    Answers::Doubled => vec![answer.clone(), answer],
                    Answers::Malformed => vec![answer.get(..answer.len() / 2).unwrap_or_default().to_vec()],
                    Answers::OtherDevice => vec![text.replace(&name, "\"deviceName\":\"somebody\"").into_bytes()],
                }
            }
            _ => vec![answer],
        }
    }

    /// The code by which this connect is to be refused; uses one refusal up. `device` is none if it could not be told.
    pub(super) fn refuse_connect(&mut self, device: Option<&DeviceId>) -> Option<ConnectReturnCode> {
        if self.outage || self.weather.refuses() {
            return Some(ConnectReturnCode::ServiceUnavailable);
        }
        self.refuse.retain(|refuse| refuse.count > 0);
        let refuse = self.refuse.iter_mut().find(|r| r.device.is_none() || r.device.as_ref() == device)?;
        refuse.count -= 1;
        Some(refuse.code)
    }

    /// Whether the PUBACK to be sent now is lost; uses one loss up.
    pub(super) fn loses_puback(&mut self) -> bool {
        let lost = self.lost_pubacks > 0;
        self.lost_pubacks = self.lost_pubacks.saturating_sub(1);
        lost
    }
}

/// The return code of a refusal.
pub(super) fn connack_code(code: u8) -> Option<ConnectReturnCode> {
    match code {
        1 => Some(ConnectReturnCode::RefusedProtocolVersion),
        2 => Some(ConnectReturnCode::BadClientId),
        3 => Some(ConnectReturnCode::ServiceUnavailable),
        4 => Some(ConnectReturnCode::BadUserNamePassword),
        5 => Some(ConnectReturnCode::NotAuthorized),
        _ => None,
    }
}
