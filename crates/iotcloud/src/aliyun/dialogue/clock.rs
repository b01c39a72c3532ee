//! The platform's clock, asked after sign-in and twice a day.
//!
//! Source: Alibaba Cloud IoT Platform documentation, "NTP service".

use super::Output;
use serde::Deserialize;
use serde_json::Value;

/// A crystal of 50 ppm drifts by 2 s in this time.
const AGAIN_MS: u64 = 12 * 3_600_000;
/// Between questions, however often the session comes and goes.
const REST_MS: u64 = 600_000;
/// How long an answer can be worth anything.
const PATIENCE_MS: u64 = 15_000;
/// The year 2020: an earlier time is not the platform's.
const EARLIEST_MS: u64 = 1_577_836_800_000;

#[derive(Debug, Default)]
pub(super) struct Clock {
    /// `None` before the first question.
    asked_ms: Option<u64>,
    state: State,
    next_ms: u64,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Quiet,
    /// To be asked as soon as the answer can arrive.
    Wanted,
    Asked,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Heard {
    device_send_time: Value,
    server_recv_time: Value,
    server_send_time: Value,
}

impl Clock {
    /// A new session: an answer to an old question is not coming.
    pub(super) fn online(&mut self) {
        self.state = State::Quiet;
    }

    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        now_ms >= self.next_ms
    }

    /// The answer is wanted, as soon as it can arrive.
    pub(super) fn ask(&mut self, now_ms: u64) {
        self.state = State::Wanted;
        self.next_ms = now_ms + REST_MS;
    }

    pub(super) fn deadline(&self) -> u64 {
        self.next_ms
    }

    /// The question, once.
    pub(super) fn question(&mut self, now_ms: u64) -> Option<Vec<u8>> {
        if self.state != State::Wanted {
            return None;
        }
        (self.state, self.asked_ms) = (State::Asked, Some(now_ms));
        Some(serde_json::json!({"deviceSendTime": now_ms.to_string()}).to_string().into_bytes())
    }

    /// An answer to the last question gives the time at this moment; any other gives nothing.
    pub(super) fn heard(&mut self, now_ms: u64, payload: &[u8]) -> Result<Option<Output>, String> {
        let heard: Heard = serde_json::from_slice(payload).map_err(|e| e.to_string())?;
        let ms = |value: &Value| match value {
            Value::String(text) => text.parse::<u64>().map_err(|_| "a time is no number".to_owned()),
            Value::Number(number) => number.as_u64().ok_or_else(|| "a time is no whole number".to_owned()),
            _ => Err("a time is no number".to_owned()),
        };
        let (sent, came, went) =
            (ms(&heard.device_send_time)?, ms(&heard.server_recv_time)?, ms(&heard.server_send_time)?);
        let round_trip_ms = now_ms.saturating_sub(sent);
        if self.state != State::Asked || self.asked_ms != Some(sent) || round_trip_ms > PATIENCE_MS {
            return Ok(None);
        }
        if came < EARLIEST_MS || went < came || went - came > PATIENCE_MS {
            return Err(format!("the times {came} and {went} are not possible"));
        }
        self.state = State::Quiet;
        self.next_ms = now_ms + AGAIN_MS;
        // Half of what was neither spent there nor is past.
        let back = round_trip_ms.saturating_sub(went - came) / 2;
        Ok(Some(Output::Clock { unix_ms: went.saturating_add(back), round_trip_ms }))
    }
}
