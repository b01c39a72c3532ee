//! What a program hands over, and the bounds on it.

use bytes::Bytes;

use super::errors::AcceptError;

/// Longest payload, in bytes. More than any profile of the module sends at once.
pub const PAYLOAD_MAX: usize = 256 * 1024;
/// Longest topic, in bytes of UTF-8. The clouds allow 128 to 256.
pub const TOPIC_MAX: usize = 1024;
/// Longest key, in bytes of UTF-8: room for a UUID and a path before it.
pub const KEY_MAX: usize = 256;
/// The most urgent priority; 0 is the least.
pub const PRIORITY_MAX: u8 = 9;
/// How many priorities there are.
pub(super) const PRIORITIES: usize = PRIORITY_MAX as usize + 1;

/// How surely a message is to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Qos {
    /// QoS 0: kept in memory only, dropped first.
    AtMostOnce,
    /// QoS 1: on the disk before it is answered, kept until the cloud acknowledges it.
    AtLeastOnce,
}

/// A mark that a message keeps while it waits: those that bear the same one may leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BatchId(pub u32);

/// One message on its way up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Where it goes, 1 to [`TOPIC_MAX`] bytes.
    pub topic: String,
    /// What it says, at most [`PAYLOAD_MAX`] bytes.
    pub payload: Bytes,
    /// How surely it is to arrive.
    pub qos: Qos,
    /// 0 to [`PRIORITY_MAX`], the highest first.
    pub priority: u8,
    /// The moment, in milliseconds since 1970, from which on it is of no use to anyone.
    pub expires_unix_ms: Option<u64>,
    /// Whose it is.
    pub uid: u32,
    /// The same key from the same user is accepted once (QoS 1 only), 1 to [`KEY_MAX`] bytes.
    pub key: Option<String>,
    /// Which batch it may join when it is sent.
    pub batch: Option<BatchId>,
}

impl Message {
    /// Whether every field is within its bounds.
    ///
    /// # Errors
    /// [`AcceptError::Invalid`] names the field and the bound.
    pub fn check(&self) -> Result<(), AcceptError> {
        within("topic", self.topic.len(), 1, TOPIC_MAX)?;
        within("payload", self.payload.len(), 0, PAYLOAD_MAX)?;
        within("priority", usize::from(self.priority), 0, usize::from(PRIORITY_MAX))?;
        self.key.as_ref().map_or(Ok(()), |key| within("key", key.len(), 1, KEY_MAX))?;
        if self.key.is_some() && self.qos == Qos::AtMostOnce {
            return Err(AcceptError::KeyWithoutAcknowledgement);
        }
        Ok(())
    }

    /// What it weighs in memory, in bytes, near enough to bound a sum of it.
    pub(super) fn weight(&self) -> usize {
        self.topic.len() + self.payload.len() + self.key.as_ref().map_or(0, String::len) + 64
    }
}

fn within(field: &'static str, found: usize, min: usize, max: usize) -> Result<(), AcceptError> {
    if (min..=max).contains(&found) { Ok(()) } else { Err(AcceptError::Invalid { field, found, min, max }) }
}
