//! A message to a device, and what becomes of it.

use super::identity::DeviceId;
use bytes::Bytes;
use serde::Serialize;

/// The quality of service that exists on the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Qos {
    /// 0.
    AtMostOnce,
    /// 1.
    AtLeastOnce,
}

/// A message to a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) topic: String,
    pub(super) payload: Bytes,
    pub(super) qos: Qos,
}

/// What became of a message to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It was sent, or is behind others in the window of a connected device.
    Sent,
    /// The device is offline; it gets the message when it comes back (QoS 1, cleanSession=0).
    Queued,
    /// The device is offline and keeps no session, or the message is QoS 0.
    Offline,
    /// The device does not subscribe this topic.
    NotSubscribed,
}

/// Why a request of the console or of the library cannot be done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No such device in the devices file.
    #[error("there is no device {0}")]
    UnknownDevice(DeviceId),
    /// Empty, over 128 bytes, or with wildcards.
    #[error("{0:?} is no topic: 1 to 128 bytes, no + and no #")]
    BadTopic(String),
    /// Over 256 KiB.
    #[error("the payload has {0} bytes; the platform takes 262144")]
    PayloadTooLarge(usize),
    /// More than 50 messages a second to one device.
    #[error("more than 50 messages a second to {0}; --limits off lifts this")]
    TooFast(DeviceId),
    /// 1000 messages wait for the device already.
    #[error("1000 messages wait for {0} already")]
    QueueFull(DeviceId),
    /// A broadcast of over 64 KiB.
    #[error("a broadcast of {0} bytes; the platform takes 65536")]
    BroadcastTooLarge(usize),
    /// A second broadcast to a product within a minute.
    #[error("the product was broadcast to within the last minute; --limits off lifts this")]
    BroadcastTooSoon,
    /// The file of a package cannot be read.
    #[error("cannot read {file}: {error}")]
    File {
        /// Which.
        file: String,
        /// What the system said.
        error: String,
    },
    /// A CONNACK return code by which nothing can be refused.
    #[error("{0} is no return code of a refusal: 1 to 5")]
    BadCode(u8),
}
