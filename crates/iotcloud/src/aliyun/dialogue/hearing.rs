//! What the cloud says: replies, calls, pushes, and what is not the dialogue's.

use super::alink::{self, Reply, Shadow};
use super::calls::Way;
use super::names::{Kind, Names, kind_of};
use super::{Body, Call, DeviceId, Dialogue, Failure, Output, devices};
use crate::Incoming;
use crate::aliyun::ota;
use serde_json::Value;

impl Dialogue {
    /// A message came. `topic` is in its long form. Whether it was the dialogue's: else it is for the programs.
    pub fn received(&mut self, now_ms: u64, topic: &str, payload: &[u8]) -> bool {
        if let Some(rest) = topic.strip_prefix("/ext/rrpc/") {
            return self.custom_call(now_ms, topic, rest, payload);
        }
        let Some((names, kind)) = kind_of(topic) else { return false };
        let is_own = names == self.own;
        let device = (!is_own).then(|| names.device());
        match kind {
            Kind::Sys(path) => return self.on_sys(now_ms, topic, &names, device, path, payload),
            Kind::Session | Kind::Reply => self.on_reply(topic, payload),
            Kind::Shadow => self.on_shadow(topic, &names, payload),
            Kind::Ntp => match self.clock.heard(now_ms, payload) {
                Ok(reading) => self.out.extend(reading),
                Err(why) => self.note(format!("the cloud's answer about the time cannot be read: {why}")),
            },
            Kind::Upgrade => match ota::read_upgrade(payload) {
                Incoming::Ota(job) => self.out.push_back(Output::Ota { job, device }),
                Incoming::Malformed(reason) => self.note(reason),
                Incoming::ForPrograms | Incoming::Consumed => {}
            },
            Kind::Error => self.on_device_error(payload),
        }
        true
    }

    fn on_sys(
        &mut self,
        now_ms: u64,
        topic: &str,
        names: &Names,
        device: Option<DeviceId>,
        path: &str,
        payload: &[u8],
    ) -> bool {
        if path.ends_with("_reply") {
            self.on_reply(topic, payload);
        } else if path.starts_with("broadcast/request/") {
            self.out.push_back(Output::Tell { topic: names.word("$broadcast", &self.own), payload: payload.to_vec() });
        } else if let Some(message) = path.strip_prefix("rrpc/request/") {
            let reply_to = names.sys(&format!("rrpc/response/{message}"));
            let word = |path: &str| names.word(&format!("$thing/{path}"), &self.own);
            let (topic, body, way) = match alink::read_call(payload) {
                Some((method, params, id)) => (word(&method), Body::Params(params), Way::alink(reply_to, id, true)),
                None => (names.word("$rrpc", &self.own), Body::Payload(payload.to_vec()), Way::raw(reply_to)),
            };
            self.call(now_ms, topic, device, body, way);
        } else if path == "thing/config/log/push" {
            if let Some((_, params, _)) = alink::read_call(payload) {
                self.journal.told(&params);
            }
        } else if let Some(rest) = path.strip_prefix("thing/") {
            match alink::read_call(payload) {
                Some((_, params, id)) => {
                    let way = Way::alink(format!("{topic}_reply"), id, false);
                    let topic = names.word(&format!("$thing/{rest}"), &self.own);
                    self.call(now_ms, topic, device, Body::Params(params), way);
                }
                None => self.note(format!("a request of the cloud on {topic} cannot be read")),
            }
        } else {
            return false;
        }
        true
    }

    /// `rest` is `{message id}/{topic}`.
    fn custom_call(&mut self, now_ms: u64, topic: &str, rest: &str, payload: &[u8]) -> bool {
        let Some((_, called)) = rest.split_once('/') else { return false };
        let called = format!("/{called}");
        let word = format!("$rrpc/{}", self.cloud.shorten(&called));
        self.call(now_ms, word, None, Body::Payload(payload.to_vec()), Way::raw(topic.to_owned()));
        true
    }

    fn call(&mut self, now_ms: u64, topic: String, device: Option<DeviceId>, body: Body, way: Way) {
        let id = self.next_id().to_string();
        match self.calls.begin(now_ms, id.clone(), way) {
            Ok(answer_within_ms) => {
                self.out.push_back(Output::Call(Call { id, topic, device, body, answer_within_ms }))
            }
            Err((topic, payload, qos)) => self.say(topic, payload, qos),
        }
    }

    /// [dialogue-1]
    fn on_reply(&mut self, topic: &str, payload: &[u8]) {
        let reply = match alink::read_reply(payload) {
            Ok(reply) => reply,
            Err(why) => return self.note(format!("a reply of the cloud on {topic} cannot be read: {why}")),
        };
        match self.requests.replied(topic, reply.id, &mut self.out) {
            Some(purpose) => self.ended(purpose, reply.into_result()),
            // One that came after its time, or to an earlier session.
            None => self.out.push_back(Output::Stray { topic: topic.to_owned() }),
        }
    }

    fn on_shadow(&mut self, topic: &str, names: &Names, payload: &[u8]) {
        match alink::read_shadow(payload) {
            Ok(Shadow::Reply(result)) => match self.requests.replied_in_turn(topic, &mut self.out) {
                Some(purpose) => self.ended(purpose, result),
                None => self.out.push_back(Output::Stray { topic: topic.to_owned() }),
            },
            Ok(Shadow::Control) => {
                self.out.push_back(Output::Tell { topic: names.word("$shadow", &self.own), payload: payload.to_vec() });
            }
            Err(why) => self.note(format!("a message about the shadow cannot be read: {why}")),
        }
    }

    /// A sub-device was signed out by the cloud.
    fn on_device_error(&mut self, payload: &[u8]) {
        match devices::read_error(payload) {
            Some((device, failure)) => {
                self.note(format!("the cloud signed the sub-device {device} out: {failure}"));
                self.devices.forget(&device);
                self.out.push_back(Output::Filters);
                let topic = Names::of(&device).word("$error", &self.own);
                self.out.push_back(Output::Tell { topic, payload: payload.to_vec() });
            }
            None => self.note("a message about a sub-device cannot be read".to_owned()),
        }
    }
}

impl Reply {
    fn into_result(self) -> Result<Value, Failure> {
        match self.code {
            200 => Ok(self.data),
            code => Err(Failure::Refused { code, message: self.message }),
        }
    }
}
