//! What the cloud asks of programs, and their answers.

use super::door::Door;
use airgate_proto::{Answer, Event};
use iotcloud::aliyun::dialogue::{self, AnswerRefused};
use std::collections::VecDeque;

/// Calls that a program may still answer; the oldest are too late by then.
const CALLS: usize = 128;

/// The calls that a program was handed: nobody answers another's.
#[derive(Debug, Default)]
pub(super) struct Calls(VecDeque<String>);

impl Calls {
    pub(super) fn note(&mut self, event: &Event) {
        if let Event::Call(call) = event {
            if self.0.len() >= CALLS {
                self.0.pop_front();
            }
            self.0.push_back(call.call.clone());
        }
    }

    fn has(&self, call: &str) -> bool {
        self.0.iter().any(|known| known == call)
    }
}

impl Door {
    /// Hands on a program's answer to one of the calls that it was handed.
    pub(super) fn answer(
        &self,
        calls: &Calls,
        call: String,
        answer: Answer,
    ) -> impl Future<Output = Result<(), AnswerRefused>> + use<> {
        let (known, cloud) = (calls.has(&call), self.cloud.clone());
        let answer = match answer {
            Answer::Data { code, data } => dialogue::Answer::Data { code, data },
            Answer::Payload(payload) => dialogue::Answer::Payload(payload),
        };
        async move { if known { cloud.answer(call, answer).await } else { Err(AnswerRefused::Unknown) } }
    }
}
