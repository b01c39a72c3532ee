//! Requests that wait for the cloud's reply, each known by its id and the topic on which the reply comes.

use super::{DeviceId, Failure, Output, RequestId};
use crate::Qos;
use std::collections::VecDeque;

/// How long a reply may take over a slow radio. Source: the platform answers at once or not at all.
pub(super) const TIMEOUT_MS: u64 = 20_000;
/// Requests that wait at once; each holds a payload of a few KiB at most.
const WAITING: usize = 64;
/// Topics of replies that stay subscribed. The platform allows 100 subscriptions in all.
const FILTERS: usize = 32;

/// Who wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A program, by its ticket.
    Program(u64),
    /// A sub-device signs in, for a program or again.
    Login(DeviceId, Option<u64>),
    /// The platform is asked whether it wants logs.
    LogConfig,
    /// Lines for the platform's log.
    LogPost,
}

/// A request to be made.
#[derive(Debug)]
pub(super) struct New {
    id: RequestId,
    /// The reply bears no id, and requests on its topic are made one at a time.
    in_turn: bool,
    pub(super) topic: String,
    pub(super) reply_topic: String,
    pub(super) payload: Vec<u8>,
    qos: Qos,
    pub(super) purpose: Purpose,
    timeout_ms: u64,
}

impl New {
    pub(super) fn alink(id: u32, topic: &str, payload: Vec<u8>, qos: Qos, purpose: Purpose, timeout_ms: u64) -> Self {
        let (topic, reply_topic) = (topic.to_owned(), format!("{topic}_reply"));
        Self { id: RequestId(id), in_turn: false, topic, reply_topic, payload, qos, purpose, timeout_ms }
    }

    pub(super) fn shadow(id: u32, topic: String, reply_topic: String, payload: Vec<u8>, purpose: Purpose) -> Self {
        let (qos, timeout_ms) = (Qos::AtLeastOnce, TIMEOUT_MS);
        Self { id: RequestId(id), in_turn: true, topic, reply_topic, payload, qos, purpose, timeout_ms }
    }
}

#[derive(Debug)]
struct Waiting {
    new: New,
    until_ms: u64,
    sent: bool,
}

/// In the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct Requests {
    waiting: Vec<Waiting>,
    /// The last used at the end.
    filters: VecDeque<String>,
}

impl Requests {
    /// `true`: it was sent, or waits for its turn; `false`: it waits for a subscription.
    ///
    /// # Errors
    /// Its purpose, when too many wait.
    pub(super) fn begin(
        &mut self,
        now_ms: u64,
        new: New,
        is_subscribed: bool,
        out: &mut VecDeque<Output>,
    ) -> Result<bool, Purpose> {
        if self.waiting.len() >= WAITING {
            return Err(new.purpose);
        }
        let is_new = self.use_filter(&new.reply_topic);
        let until_ms = now_ms.saturating_add(new.timeout_ms);
        let reply_topic = new.reply_topic.clone();
        self.waiting.push(Waiting { new, until_ms, sent: false });
        if is_subscribed {
            self.subscribed(&reply_topic, out);
        }
        Ok(!is_new)
    }

    /// [dialogue-2]
    pub(super) fn subscribed(&mut self, filter: &str, out: &mut VecDeque<Output>) {
        let mut in_turn = self.waiting.iter().any(|w| w.sent && w.new.in_turn && w.new.reply_topic == filter);
        for waiting in self.waiting.iter_mut().filter(|w| !w.sent && w.new.reply_topic == filter) {
            if waiting.new.in_turn && std::mem::replace(&mut in_turn, true) {
                continue;
            }
            waiting.sent = true;
            let (topic, payload) = (waiting.new.topic.clone(), std::mem::take(&mut waiting.new.payload));
            let request = Some(waiting.new.id);
            out.push_back(Output::Publish { topic, payload, qos: waiting.new.qos, request });
        }
    }

    pub(super) fn not_subscribed(&mut self, filter: &str) -> Vec<(Purpose, Failure)> {
        self.filters.retain(|known| known != filter);
        self.end(|waiting| !waiting.sent && waiting.new.reply_topic == filter, &Failure::NotSubscribed)
    }

    /// [dialogue-1] The request that this is the reply to.
    pub(super) fn replied(&mut self, topic: &str, id: u32, out: &mut VecDeque<Output>) -> Option<Purpose> {
        self.take(|new| !new.in_turn && new.id == RequestId(id) && new.reply_topic == topic, out)
    }

    /// As [`Requests::replied`], where replies bear no id.
    pub(super) fn replied_in_turn(&mut self, topic: &str, out: &mut VecDeque<Output>) -> Option<Purpose> {
        self.take(|new| new.in_turn && new.reply_topic == topic, out)
    }

    /// There will be no reply to it: it could not be sent.
    pub(super) fn not_sent(&mut self, request: RequestId, out: &mut VecDeque<Output>) -> Option<Purpose> {
        self.take(|new| new.id == request, out)
    }

    fn take(&mut self, is_it: impl Fn(&New) -> bool, out: &mut VecDeque<Output>) -> Option<Purpose> {
        let at = self.waiting.iter().position(|w| w.sent && is_it(&w.new))?;
        let New { in_turn, reply_topic, purpose, .. } = self.waiting.remove(at).new;
        if in_turn {
            self.subscribed(&reply_topic, out);
        }
        Some(purpose)
    }

    pub(super) fn expired(&mut self, now_ms: u64) -> Vec<(Purpose, Failure)> {
        self.end(|waiting| waiting.until_ms <= now_ms, &Failure::TimedOut)
    }

    /// The session is over, and its subscriptions with it.
    pub(super) fn fail_all(&mut self, failure: &Failure) -> Vec<(Purpose, Failure)> {
        self.filters.clear();
        self.end(|_| true, failure)
    }

    fn end(&mut self, ends: impl Fn(&Waiting) -> bool, failure: &Failure) -> Vec<(Purpose, Failure)> {
        self.waiting.extract_if(.., |w| ends(w)).map(|w| (w.new.purpose, failure.clone())).collect()
    }

    pub(super) fn deadline(&self) -> Option<u64> {
        self.waiting.iter().map(|waiting| waiting.until_ms).min()
    }

    pub(super) fn filters(&self) -> impl Iterator<Item = &str> {
        self.filters.iter().map(String::as_str)
    }

    /// Whether the filter is new.
    fn use_filter(&mut self, filter: &str) -> bool {
        let known = self.filters.iter().position(|known| known == filter);
        if let Some(at) = known {
            self.filters.remove(at);
        }
        self.filters.push_back(filter.to_owned());
        if self.filters.len() > FILTERS {
            let in_use = |filter: &String| self.waiting.iter().any(|w| w.new.reply_topic == *filter);
            // When all are in use the bound on waiting requests holds.
            if let Some(at) = self.filters.iter().position(|filter| !in_use(filter)) {
                self.filters.remove(at);
            }
        }
        known.is_none()
    }
}
