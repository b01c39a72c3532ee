//! What goes between the handles and the driver's task: requests one way, events and the state the other.

use crate::command::mqtt::SURE_PAYLOAD;
use crate::exchange::{Exchange, Failure, Outcome, Refusal};
use crate::frame::Message;
use crate::ladder::Budget;
use crate::limits::Unusable;
use crate::link::Down;
use crate::session::Desired;
use crate::status::{Identity, Status};
use crate::urc::Urc;
use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Takes the payload that the module may be waiting for.
pub type Note = Box<dyn FnMut(Option<&[u8]>) + Send>;

/// What was before, and what helps against a module that does not come back by itself.
#[derive(Default)]
pub struct Recovery {
    /// What was used before; see [`Status::budget`].
    pub budget: Budget,
    /// Begins a reset of the module by other means than its serial line. Must not block; done within 30 s.
    pub reset: Option<Box<dyn Fn() + Send>>,
    /// The payload that `note` was given last by a process that ended without giving it `None`.
    pub interrupted: Option<Bytes>,
    /// Told what payload the module may be waiting for, before a byte of its command leaves, and `None` when it is not any
    /// more. A module in its data phase takes whatever the next process says for payload, with some firmware for ever:
    /// only who still has the payload can end that. Must not block.
    pub note: Option<Note>,
}

/// A message for the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// At most 256 bytes.
    pub topic: String,
    /// At most [`MAX_PAYLOAD`](crate::command::mqtt::MAX_PAYLOAD) bytes; firmware may take less, but takes
    /// [`SURE_PAYLOAD`].
    pub payload: Bytes,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Whether the broker keeps it for later subscribers.
    pub retain: bool,
}

/// Why a publication was not acknowledged. Unless the variant says otherwise, it may have been made all the same.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// There is no session. Nothing was sent.
    #[error("there is no session with the broker")]
    Offline,
    /// The topic does not fit the module. Nothing was sent.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The payload does not fit the module. Nothing was sent.
    #[error("the payload has {len} bytes; the module sends at most {max}")]
    TooLarge {
        /// Length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The module's firmware does not take a payload of this length, and would not if asked again. Nothing was published.
    #[error("the module does not take {len} bytes: {refusal}")]
    LengthRefused {
        /// Length, in bytes.
        len: usize,
        /// What it said.
        refusal: Refusal,
    },
    /// The module refused it, or the acknowledgement did not come.
    #[error(transparent)]
    Failed(Failure),
}

impl PublishError {
    /// What a failure means for a payload of this length. A length that every firmware takes is not what a refusal is
    /// about: there it may be a line that was damaged on its way.
    pub(crate) fn of(failure: Failure, len: usize) -> Self {
        match failure {
            Failure::Refused(refusal) if len > SURE_PAYLOAD && refusal.is_about_arguments() => {
                Self::LengthRefused { len, refusal }
            }
            failure => Self::Failed(failure),
        }
    }
}

/// What happens by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The module said who it is.
    Identified(Identity),
    /// The session of this attempt is up.
    Online(u64),
    /// The session of this attempt is down, or could not be opened.
    Offline(u64, Down),
    /// The broker confirmed a subscription.
    Subscribed(String),
    /// A subscription was not confirmed.
    NotSubscribed(String, Failure),
    /// A message came.
    Message(Message),
}

pub(crate) enum Request {
    Publish(Publication, oneshot::Sender<Result<(), PublishError>>),
    Ask(Exchange, oneshot::Sender<Outcome>),
}

/// Channels between the driver and its users.
pub(crate) struct Channels {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) desired: watch::Receiver<Desired>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) urcs: broadcast::Sender<Urc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_refused_as_such_is_told_apart_from_a_refusal_that_may_pass() {
        let of = |code, len| PublishError::of(Failure::Refused(Refusal::Cme(code)), len);
        let is_certain = |error| matches!(error, PublishError::LengthRefused { .. });
        assert!(is_certain(of(793, SURE_PAYLOAD + 1)) && is_certain(of(914, 4_100)));
        assert!(!is_certain(of(793, SURE_PAYLOAD)), "every firmware takes that much");
        assert!(!is_certain(of(767, 4_100)) && !is_certain(of(51, 4_100)), "no session, no memory: that passes");
        assert!(!is_certain(PublishError::of(Failure::NoAnswer, 4_100)));
        let told = of(793, 3_000).to_string();
        assert_eq!(told, "the module does not take 3000 bytes: +CME ERROR: 793 (parameter out of range)");
    }
}
