//! What can be wrong with what the user wrote.

use std::borrow::Cow;

/// A setting that cannot be used. Never contains a secret's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {message}: {hint}")]
pub struct ConfigError {
    /// The field as it is spelled in the configuration.
    pub field: &'static str,
    /// What is wrong, continuing "`field` …".
    pub message: Cow<'static, str>,
    /// What to do.
    pub hint: Cow<'static, str>,
}

impl ConfigError {
    pub(crate) fn new(
        field: &'static str,
        message: impl Into<Cow<'static, str>>,
        hint: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self { field, message: message.into(), hint: hint.into() }
    }
}

/// A topic that this cloud does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// Nothing there.
    #[error("the topic is empty")]
    Empty,
    /// Longer than [`Limits::topic_bytes`](crate::Limits::topic_bytes) in its long form.
    #[error("the topic is {length} bytes long with the device's prefix, the cloud takes {limit}")]
    TooLong {
        /// What it came to.
        length: usize,
        /// What is allowed.
        limit: usize,
    },
    /// More levels than the cloud counts.
    #[error("the topic has {slashes} slashes with the device's prefix, the cloud takes {limit}")]
    TooDeep {
        /// What it came to.
        slashes: usize,
        /// What is allowed.
        limit: usize,
    },
}
