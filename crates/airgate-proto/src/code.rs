//! The closed list of reasons for a refusal.

use serde::{Deserialize, Serialize};

/// Why a request was refused. The spelling on the line is the name in snake case and never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// The line is not one JSON object.
    BadJson,
    /// No such operation.
    UnknownOp,
    /// A field is missing, unknown, doubled, of the wrong type or out of range.
    BadField,
    /// The line is longer than the daemon reads.
    LineTooLong,
    /// The payload is longer than the uplink or the cloud takes.
    PayloadTooLarge,
    /// The topic cannot be published to.
    BadTopic,
    /// The filter cannot be subscribed with.
    BadFilter,
    /// The peer's user may not do this.
    NotAllowed,
    /// The outbox is full and configured to refuse.
    OutboxFull,
    /// The data budget is spent.
    OverBudget,
    /// Too many programs are connected.
    TooManyClients,
    /// This program asks too often.
    RateLimited,
    /// The link is down, and this cannot wait for it.
    Offline,
    /// The cloud said no; the message tells its code and its words.
    CloudRefused,
    /// The cloud did not reply in time; it may have been done.
    TimedOut,
    /// This cloud, or this daemon, does not have it.
    NotSupported,
    /// No such call waits for an answer.
    NoSuchCall,
    /// A fault of the daemon.
    Internal,
    /// A code of a newer daemon, known to its message only. Never sent.
    #[serde(other)]
    Unknown,
}

impl Code {
    /// Every code that a daemon of this version sends.
    pub const ALL: [Self; 18] = [
        Self::BadJson,
        Self::UnknownOp,
        Self::BadField,
        Self::LineTooLong,
        Self::PayloadTooLarge,
        Self::BadTopic,
        Self::BadFilter,
        Self::NotAllowed,
        Self::OutboxFull,
        Self::OverBudget,
        Self::TooManyClients,
        Self::RateLimited,
        Self::Offline,
        Self::CloudRefused,
        Self::TimedOut,
        Self::NotSupported,
        Self::NoSuchCall,
        Self::Internal,
    ];

    /// The spelling on the line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadJson => "bad_json",
            Self::UnknownOp => "unknown_op",
            Self::BadField => "bad_field",
            Self::LineTooLong => "line_too_long",
            Self::PayloadTooLarge => "payload_too_large",
            Self::BadTopic => "bad_topic",
            Self::BadFilter => "bad_filter",
            Self::NotAllowed => "not_allowed",
            Self::OutboxFull => "outbox_full",
            Self::OverBudget => "over_budget",
            Self::TooManyClients => "too_many_clients",
            Self::RateLimited => "rate_limited",
            Self::Offline => "offline",
            Self::CloudRefused => "cloud_refused",
            Self::TimedOut => "timed_out",
            Self::NotSupported => "not_supported",
            Self::NoSuchCall => "no_such_call",
            Self::Internal => "internal",
            Self::Unknown => "unknown",
        }
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
