//! What a program asks of the daemon itself: the history, the log, its own rights, the module's console.

use super::Accounts;
use super::connection::{Answered, Connection};
use super::rights::Use;
use super::why::{Answer, why};
use crate::config::DEFAULT_PATH;
use crate::router::Held;
use air780e::exchange::Failure;
use air780e::limits::Unusable;
use airgate_proto as proto;
use airgate_proto::{Code, Done, Id, Refusal, Reply};
use serde_json::json;
use std::path::Path;

/// What is set aside for the longest answer while it is made, in bytes: the history of 30 days.
const LONG_ANSWER: usize = 256 * 1024;

impl Connection {
    pub(super) fn history(&mut self, id: Id) {
        let (history, making) = (self.door.history.clone(), Held::new(self.held.share().clone(), LONG_ANSWER));
        self.pending.push(Box::pin(async move {
            let _making = making;
            let reply = match history.ask().await {
                Some(data) => Reply::Ok(Done { data: Some(data), ..Done::new(id) }),
                None => Reply::Refused(Refusal::new(id, Code::Internal, "the daemon stops", "try again in a moment")),
            };
            Answered { reply, confirm: None }
        }));
    }

    pub(super) fn log(&mut self, id: Id, after: u64) {
        if self.may_operate(&id, "the daemon's log is for operators") {
            let data = Some(crate::service::recent::after(after));
            self.reply(&Reply::Ok(Done { data, ..Done::new(id) }));
        }
    }

    pub(super) fn may(&mut self, id: Id, what: &proto::Use) {
        let (what, topic) = match what {
            proto::Use::Publish(topic) => (Use::Publish, topic),
            proto::Use::Subscribe(filter) => (Use::Subscribe, filter),
        };
        let name = Accounts::read().user_name(self.caller.uid);
        let Answer { ok, what, hint } =
            why(&name, &self.caller, &self.door.rights(), what, topic, Path::new(DEFAULT_PATH));
        let data = Some(json!({ "may": ok, "what": what, "hint": hint }));
        self.reply(&Reply::Ok(Done { data, ..Done::new(id) }));
    }

    pub(super) fn at(&mut self, id: Id, command: String) {
        if !self.may_operate(&id, "AT commands are for operators") {
            return;
        }
        let uplink = self.door.uplink.clone();
        self.pending.push(Box::pin(async move {
            let reply = match uplink.ask(&command).await {
                Ok(lines) => Reply::Ok(Done { lines: Some(lines), ..Done::new(id) }),
                Err(failure) => Reply::Refused(not_carried_out(id, &failure)),
            };
            Answered { reply, confirm: None }
        }));
    }
}

fn not_carried_out(id: Id, failure: &Failure) -> Refusal {
    let (code, hint) = match failure {
        Failure::Unusable(Unusable::TakesData(_)) => (
            Code::BadField,
            "to publish, use `airgate pub` (the operation `publish`), or AT+MPUB, which has its message in the line",
        ),
        Failure::Unusable(_) => (Code::BadField, "send one command, without its line end"),
        _ => (Code::Internal, "see the AT command manual of the Air780E; `airgate status` tells how the module is"),
    };
    Refusal::new(id, code, failure.to_string(), hint)
}
