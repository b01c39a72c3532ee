//! What a cloud wants to be said, and what was heard from it.

/// Delivery guarantee. The clouds know these two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qos {
    /// QoS 0.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce,
}

/// Something to do on the connection, in the order given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Subscribe.
    Subscribe {
        /// In the long form.
        filter: String,
        /// The highest QoS wanted.
        qos: Qos,
    },
    /// Publish.
    Publish {
        /// In the long form.
        topic: String,
        /// The bytes.
        payload: Vec<u8>,
        /// How hard to try.
        qos: Qos,
    },
}

/// Whom an arrived message concerns.
#[derive(Debug, Clone, PartialEq)]
pub enum Incoming {
    /// The programs on this host; the cloud's dialogue does not know it.
    ForPrograms,
    /// A firmware to install.
    Ota(Box<crate::ota::OtaJob>),
    /// The dialogue's own and settled.
    Consumed,
    /// The dialogue's own but unreadable; the reason is for the log.
    Malformed(String),
}

/// What a message may measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Payload, in bytes.
    pub payload_bytes: usize,
    /// Topic in its long form, in bytes of UTF-8.
    pub topic_bytes: usize,
    /// Subscriptions of one device; `None` = no limit known.
    pub subscriptions: Option<usize>,
}

/// Why the cloud said no to a sign-in, as far as one can know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The CONNACK return code, when the uplink tells it.
    pub code: Option<u8>,
    /// What kind of answer it deserves.
    pub kind: RefusalKind,
    /// What happened.
    pub message: String,
    /// What to check or change, and where.
    pub hint: String,
}

/// What to do about a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// The cloud does not know this device by these credentials: trying again soon is useless.
    Credentials,
    /// The cloud does not accept the way of connecting: trying again unchanged is useless.
    Configuration,
    /// The cloud cannot just now: try again after a while.
    Temporary,
    /// The uplink did not tell: most likely the credentials, but try again with growing pauses.
    Unknown,
}
