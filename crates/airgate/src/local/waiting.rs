//! What an operator asks of the messages that wait.

use super::connection::{Answered, Connection};
use crate::outbox::{Listed, Outbox};
use airgate_proto::topic::matches;
use airgate_proto::{Code, Done, Id, Refusal, Reply, Selection};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const OTHERS: &str = "the messages of others are for operators";

impl Connection {
    pub(super) fn outbox_list(&mut self, id: Id, selection: Selection, after: u64, payloads: bool) {
        if !self.may_operate(&id, OTHERS) {
            return;
        }
        let outbox = self.door.outbox.clone();
        self.pending.push(Box::pin(async move {
            let now_ms = outbox.now_ms();
            let page = outbox.list(after, |listed| selects(&selection, listed, now_ms)).await;
            let messages: Vec<_> = page.messages.iter().map(|listed| shown(listed, now_ms, payloads)).collect();
            let data = json!({ "messages": messages, "next": page.next });
            Answered { reply: Reply::Ok(Done { data: Some(data), ..Done::new(id) }), confirm: None }
        }));
    }

    pub(super) fn outbox_drop(&mut self, id: Id, selection: Selection) {
        if !self.may_operate(&id, OTHERS) {
            return;
        }
        let (outbox, uid) = (self.door.outbox.clone(), self.caller.uid);
        self.pending.push(Box::pin(async move {
            let dropped = drop_all(&outbox, &selection).await;
            tracing::warn!(uid, dropped, ?selection, "an operator dropped messages");
            let data = json!({ "dropped": dropped });
            Answered { reply: Reply::Ok(Done { data: Some(data), ..Done::new(id) }), confirm: None }
        }));
    }

    /// Whether the program is an operator's; otherwise it is told `what` is for operators.
    pub(super) fn may_operate(&mut self, id: &Id, what: &str) -> bool {
        let may = self.door.rights().is_operator(&self.caller);
        if !may {
            let hint = "ask the administrator for `operator = true` in an [[app]] table";
            self.reply(&Reply::Refused(Refusal::new(id.clone(), Code::NotAllowed, what, hint)));
        }
        may
    }
}

async fn drop_all(outbox: &Outbox, selection: &Selection) -> usize {
    let (mut after, mut dropped, now_ms) = (0, 0, outbox.now_ms());
    loop {
        let page = outbox.list(after, |listed| selects(selection, listed, now_ms)).await;
        let seqs: Vec<_> = page.messages.iter().map(|listed| listed.seq).collect();
        dropped += outbox.drop_waiting(&seqs);
        match page.next {
            Some(next) => after = next,
            None => return dropped,
        }
    }
}

/// Whether a message is meant.
pub fn selects(selection: &Selection, listed: &Listed, now_ms: u64) -> bool {
    let Selection { filter, uid, older_s } = selection;
    let waited_ms = listed.accepted_ms.map_or(0, |at| now_ms.saturating_sub(at));
    filter.as_ref().is_none_or(|filter| matches(filter, &listed.message.topic))
        && uid.is_none_or(|uid| uid == listed.message.uid)
        && older_s.is_none_or(|older| waited_ms >= u64::from(older) * 1000)
}

/// A message as it is listed.
pub fn shown(listed: &Listed, now_ms: u64, payload: bool) -> Value {
    let Listed { seq, in_flight, accepted_ms, message } = listed;
    let mut shown = json!({
        "seq": seq,
        "topic": message.topic,
        "uid": message.uid,
        "qos": u8::from(message.qos == crate::outbox::Qos::AtLeastOnce),
        "priority": message.priority,
        "bytes": message.payload.len(),
        "age_ms": accepted_ms.map(|at| now_ms.saturating_sub(at)),
        "expires_in_ms": message.expires_unix_ms.map(|at| at.saturating_sub(now_ms)),
        "key": message.key,
        "in_flight": in_flight,
    });
    if let (true, Some(shown)) = (payload, shown.as_object_mut()) {
        match std::str::from_utf8(&message.payload) {
            Ok(text) => shown.insert("payload".to_owned(), text.into()),
            Err(_) => shown.insert("payload_b64".to_owned(), STANDARD.encode(&message.payload).into()),
        };
    }
    shown
}
