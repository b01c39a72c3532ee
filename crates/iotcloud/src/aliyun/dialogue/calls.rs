//! Calls of the cloud that wait for a program's answer.

use super::{Answer, AnswerRefused, alink, nothing};
use crate::Qos;
use serde_json::Value;

/// The platform gives a remote call up after 8 s; our answer needs its way, too.
/// Source: Alibaba Cloud IoT Platform documentation, "RRPC" and "Limits".
const REMOTE_MS: u64 = 7_000;
/// Nobody waits for the answer to the other calls; a program that has not answered by then will not.
const OTHER_MS: u64 = 60_000;
/// Calls that wait at once.
const WAITING: usize = 64;

/// Codes of our own lie from 100000 to 110000. Source: "Device error codes".
const NOBODY: u32 = 100_404;
const TOO_LATE: u32 = 100_408;
const TOO_MANY: u32 = 100_429;
const OWN: std::ops::RangeInclusive<u32> = 100_000..=110_000;

/// How a call is answered.
#[derive(Debug)]
pub(super) struct Way {
    reply_to: String,
    /// The call's id, which the answer bears; `None`: bytes are answered with bytes.
    id: Option<Value>,
    is_remote: bool,
}

type Message = (String, Vec<u8>, Qos);

impl Way {
    pub(super) fn alink(reply_to: String, id: Value, is_remote: bool) -> Self {
        Self { reply_to, id: Some(id), is_remote }
    }

    pub(super) fn raw(reply_to: String) -> Self {
        Self { reply_to, id: None, is_remote: true }
    }

    /// An answer of our own.
    fn told(self, code: u32, message: &str) -> Message {
        let payload = match &self.id {
            Some(id) => alink::answer(id, code, &nothing(), message),
            None => serde_json::json!({"code": code, "message": message}).to_string().into_bytes(),
        };
        self.message(payload)
    }

    fn message(self, payload: Vec<u8>) -> Message {
        // Whoever made a remote call waits for seconds; asking the cloud to acknowledge the answer helps nobody.
        let qos = if self.is_remote { Qos::AtMostOnce } else { Qos::AtLeastOnce };
        (self.reply_to, payload, qos)
    }
}

#[derive(Debug)]
struct Waiting {
    call: String,
    way: Way,
    until_ms: u64,
}

#[derive(Debug, Default)]
pub(super) struct Calls(Vec<Waiting>);

impl Calls {
    /// How long the answer may take.
    ///
    /// # Errors
    /// What to say when too many wait.
    pub(super) fn begin(&mut self, now_ms: u64, call: String, way: Way) -> Result<u64, Message> {
        if self.0.len() >= WAITING {
            return Err(way.told(TOO_MANY, "too many calls wait for an answer"));
        }
        let within_ms = if way.is_remote { REMOTE_MS } else { OTHER_MS };
        self.0.push(Waiting { call, way, until_ms: now_ms.saturating_add(within_ms) });
        Ok(within_ms)
    }

    /// A program's answer, in at most `max` bytes.
    ///
    /// # Errors
    /// Why it is none; then the call still waits.
    pub(super) fn answer(&mut self, call: &str, answer: Answer, max: usize) -> Result<Message, AnswerRefused> {
        let waiting = self.0.iter().find(|waiting| waiting.call == call).ok_or(AnswerRefused::Unknown)?;
        let payload = match (&waiting.way.id, answer) {
            (Some(_), Answer::Data { code, .. }) if code != 200 && !OWN.contains(&code) => {
                return Err(AnswerRefused::Code);
            }
            (Some(id), Answer::Data { code, data }) => {
                alink::answer(id, code, &data, if code == 200 { "success" } else { "" })
            }
            (None, Answer::Payload(payload)) => payload,
            (Some(_), Answer::Payload(_)) => return Err(AnswerRefused::Form("`code` and `data`")),
            (None, Answer::Data { .. }) => return Err(AnswerRefused::Form("`payload` or `payload_b64`")),
        };
        let len = payload.len();
        if len > max {
            return Err(AnswerRefused::TooLong { len, max });
        }
        self.take(call).map(|way| way.message(payload)).ok_or(AnswerRefused::Unknown)
    }

    /// No program wanted it.
    pub(super) fn unwanted(&mut self, call: &str) -> Option<Message> {
        self.take(call).map(|way| way.told(NOBODY, "no program on the gateway handles this"))
    }

    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<Message> {
        let late = self.0.extract_if(.., |waiting| waiting.until_ms <= now_ms);
        late.map(|waiting| waiting.way.told(TOO_LATE, "the program on the gateway did not answer in time")).collect()
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.0.iter().map(|waiting| waiting.until_ms).min()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    fn take(&mut self, call: &str) -> Option<Way> {
        let at = self.0.iter().position(|waiting| waiting.call == call)?;
        Some(self.0.remove(at).way)
    }
}
