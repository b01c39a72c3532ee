//! What both doors ask before a message is taken or a filter is granted: the same questions, the same refusals.

use super::door::Door;
use super::rights::{Caller, Use};
use crate::batch::{alone_len, fits};
use crate::outbox::{self, AcceptError, Accepting, ListenerId, PRIORITY_MAX};
use crate::router::{ANNOUNCED, FILTERS_PER_PROGRAM, HELD_BYTES_PER_USER, Hears, NotSubscribed, Outgoing, TEXTS};
use airgate_proto::{Code, Message, Publish, Refusal};
use std::time::Duration;

/// Longest payload between programs of this host, in bytes: as text it must still fit into a line at the JSON door.
pub const LOCAL_PAYLOAD: usize = 64 * 1024;

/// What to do about a message that is too long for this host.
const SHORTEN: &str = "split it, or compress it";
/// What to do about a message that is too long for the module, as far as is known of it.
pub(super) const SHORTEN_OR_RAISE: &str = "split it or compress it; `max_publish_bytes` under [modem] raises the limit, \
     but the module's firmware may take less";

/// Where an allowed message goes.
#[derive(Debug)]
pub(super) enum Way {
    /// Into the outbox.
    Up(outbox::Message),
    /// To the programs of this host.
    Local(Message),
}

fn refuse<T>(code: Code, message: impl Into<String>, hint: &str) -> Result<T, Refusal> {
    Err(Refusal::new(None, code, message, hint))
}

impl Door {
    /// Counts one message of the caller.
    ///
    /// # Errors
    /// After how long it may come back.
    pub(super) fn in_rate(&self, caller: &Caller) -> Result<(), Duration> {
        self.rights().rate(caller).map_or(Ok(()), |rate| self.users.count(caller.uid, rate))
    }

    /// Counts one message of a caller that cannot be told to come back; tells how long to wait before the next.
    pub(super) fn charge(&self, caller: &Caller) -> Duration {
        self.rights().rate(caller).map_or(Duration::ZERO, |rate| self.users.charge(caller.uid, rate))
    }

    /// Puts a message of the caller into the outbox. Its number is given now, so that the messages of a program keep their order in
    /// whatever order the futures are polled from here on.
    pub(super) fn accept(&self, caller: &Caller, message: outbox::Message, listener: Option<ListenerId>) -> Accepting {
        self.outbox.accept_for(message, self.rights().max_queued_bytes(caller), listener)
    }

    /// Why nothing is sent now that is not more urgent than this and cannot wait: the data budget is spent.
    pub(super) fn over_budget(&self, priority: u8) -> Option<Refusal> {
        let floor = self.status.budget.borrow().floor();
        (priority < floor).then(|| {
            let sent = match floor <= PRIORITY_MAX {
                true => format!("only messages of priority {floor} and above are sent"),
                false => "nothing is sent".to_owned(),
            };
            let message = format!("the data budget is spent: {sent} until the next month of [budget]");
            let hint = "publish at QoS 1 what can wait: it is kept; or raise monthly_bytes under [budget]";
            Refusal::new(None, Code::OverBudget, message, hint)
        })
    }

    /// What becomes of a message that was accepted under the same key. It is asked before anything is held against this one:
    /// the first was taken when other bounds were in effect, and whoever asks wants to know of that one.
    pub(super) fn recall(&self, message: &outbox::Message, listener: Option<ListenerId>) -> Option<Accepting> {
        self.outbox.recall(message.uid, message.key.as_deref()?, listener)
    }

    pub(super) fn too_fast(&self, caller: &Caller, pause: Duration) -> Refusal {
        let rate = self.rights().rate(caller).map(|rate| format!(": {} in {:?}", rate.count, rate.per));
        let message = format!("user {} publishes faster than it may{}", caller.uid, rate.unwrap_or_default());
        let hint = format!("try again in {} ms, or raise `rate` in the [[app]] table", pause.as_millis().max(1));
        Refusal::new(None, Code::RateLimited, message, hint)
    }

    /// The message as it leaves, if the caller may say it and the way takes it.
    pub(super) fn outgoing(&self, caller: &Caller, publish: Publish) -> Result<Way, Refusal> {
        let way = self.way(caller, publish)?;
        if let Way::Up(message) = &way {
            self.is_taken(message)?;
        }
        Ok(way)
    }

    /// Where the message goes, if the caller may say it.
    pub(super) fn way(&self, caller: &Caller, publish: Publish) -> Result<Way, Refusal> {
        if publish.topic.starts_with(ANNOUNCED) {
            let message = format!("{ANNOUNCED}# is where the daemon speaks");
            return refuse(Code::NotAllowed, message, "choose another topic below local/");
        }
        if !self.rights().allow(caller, Use::Publish, &publish.topic) {
            return Err(self.not_allowed(caller, Use::Publish, &publish.topic));
        }
        match self.router.outgoing(publish, caller.uid, self.outbox.now_ms()) {
            Outgoing::Local(message) => {
                within("the payload", message.payload.len(), LOCAL_PAYLOAD, SHORTEN)?;
                Ok(Way::Local(message))
            }
            Outgoing::Up(message) => Ok(Way::Up(message)),
        }
    }

    /// Whether the way to the cloud takes a message, as far as can be known now.
    pub(super) fn is_taken(&self, message: &outbox::Message) -> Result<(), Refusal> {
        self.carries("the payload", message.payload.len())?;
        if let Some(batch) = self.router.batch(message) {
            if let Err(why) = fits(&batch, &message.payload) {
                let hint = "publish it to another topic, or change the [[route]]'s `batch`";
                return refuse(Code::BadField, why, hint);
            }
            self.carries("in its batch the payload", alone_len(&batch, message.payload.len()))?;
        }
        match self.topics.measure(&message.topic, &message.payload) {
            Ok(len) => self.carries("with its envelope the message", len)?,
            Err(error) => {
                let hint = "a message of the thing model is a JSON object: see the operation `property`";
                return refuse(Code::BadField, error, hint);
            }
        }
        self.topics.check(&message.topic).or_else(|error| {
            let hint = "use a shorter topic; a relative one is put below the device's own";
            refuse(Code::BadTopic, error, hint)
        })
    }

    /// Whether one publication carries so many bytes of `what`.
    fn carries(&self, what: &str, len: usize) -> Result<(), Refusal> {
        within(what, len, self.max_payload, SHORTEN_OR_RAISE)
    }

    /// Whether the caller, which has `held` other filters, may subscribe with this one.
    pub(super) fn may_subscribe(&self, caller: &Caller, filter: &str, held: usize) -> Result<(), Refusal> {
        if !self.rights().allow(caller, Use::Subscribe, filter) {
            return Err(self.not_allowed(caller, Use::Subscribe, filter));
        }
        if held >= FILTERS_PER_PROGRAM {
            return Err(too_many_filters());
        }
        Ok(())
    }

    /// What a connection rests on that its caller may not have any more: one of its `filters`, or the text messages that it
    /// hears. The connection then ends: who comes again and asks again is told why not.
    pub(super) fn withdrawn<'f>(
        &self,
        caller: &Caller,
        mut filters: impl Iterator<Item = &'f String>,
        hears: Hears,
    ) -> Option<String> {
        let rights = self.rights();
        let gone = filters.find(|filter| !rights.allow(caller, Use::Subscribe, filter));
        let texts = hears.texts && !rights.reads_texts(caller);
        gone.cloned().or_else(|| texts.then(|| TEXTS.to_owned()))
    }

    pub(super) fn not_allowed(&self, caller: &Caller, what: Use, topic: &str) -> Refusal {
        let verb = if what == Use::Publish { "publish to" } else { "subscribe to" };
        let allowed = self.rights().allowed(caller, what);
        let granted = if allowed.is_empty() { "nothing".to_owned() } else { allowed.join(", ") };
        let flag = if what == Use::Publish { "publish" } else { "subscribe" };
        let hint =
            format!("granted: {granted}; `airgate check --{flag} '{topic}'` says which [[app]] table gives more");
        Refusal::new(None, Code::NotAllowed, format!("user {} may not {verb} {topic}", caller.uid), hint)
    }
}

/// Of a program, or of a durable subscription that several programs made.
fn too_many_filters() -> Refusal {
    let message = format!("a program, and a durable subscription, has at most {FILTERS_PER_PROGRAM} filters");
    let hint = "use a wildcard (+ for one level, # for all below), or unsubscribe what is not needed";
    Refusal::new(None, Code::BadFilter, message, hint)
}

/// Why a filter that is granted is not taken.
pub(super) fn not_subscribed(why: NotSubscribed, caller: &Caller) -> Refusal {
    match why {
        NotSubscribed::TooManyFilters => too_many_filters(),
        NotSubscribed::ShareSpent => share_spent(caller),
    }
}

/// What is held for the user's programs takes all that it may.
pub(super) fn share_spent(caller: &Caller) -> Refusal {
    let message =
        format!("the programs of user {} make the daemon hold {HELD_BYTES_PER_USER} bytes for them", caller.uid);
    let hint = "let them read what is for them, or close connections and subscriptions that nobody needs";
    Refusal::new(None, Code::RateLimited, message, hint)
}

fn within(what: &str, len: usize, max: usize, hint: &str) -> Result<(), Refusal> {
    if len <= max {
        return Ok(());
    }
    refuse(Code::PayloadTooLarge, format!("{what} has {len} bytes; one message carries at most {max}"), hint)
}

/// Why the outbox did not take it.
pub(super) fn not_accepted(error: &AcceptError) -> Refusal {
    let (code, hint) = match error {
        AcceptError::Invalid { field: "payload", .. } => (Code::PayloadTooLarge, SHORTEN),
        AcceptError::Invalid { field: "topic", .. } => (Code::BadTopic, "use a shorter topic"),
        AcceptError::Invalid { .. } => (Code::BadField, "keep within the bounds"),
        AcceptError::KeyWithoutAcknowledgement => (Code::BadField, "use qos 1, or leave out `key`"),
        AcceptError::Full { .. } | AcceptError::TooMany { .. } | AcceptError::ProgramFull { .. } => {
            (Code::OutboxFull, "keep the message and try again when some are sent")
        }
        AcceptError::LowSpace { .. } => {
            (Code::OutboxFull, "keep the message, free some space on the disk, and try again")
        }
        AcceptError::Disk { .. } => (Code::Internal, "nothing was accepted; keep the message and try again later"),
        AcceptError::Closed => (Code::Internal, "the daemon stops; try again in a moment"),
    };
    Refusal::new(None, code, error.to_string(), hint)
}
