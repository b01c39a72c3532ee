//! What the link has to tell.

use crate::exchange::Failure;
use crate::status::Identity;

/// What the link has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The module said who it is.
    Identified(Identity),
    /// The session of this attempt is up.
    Online(u64),
    /// The session of this attempt is down, or could not be opened.
    Offline(u64, Down),
    /// The broker confirmed a subscription.
    Subscribed(String),
    /// A subscription failed. Told once in a session; it is tried again once a minute.
    NotSubscribed(String, Failure),
}

/// Why a session is down.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Down {
    /// The connection to the broker could not be made.
    #[error("the connection to the broker could not be made ({0})")]
    Unreachable(Failure),
    /// The broker refused the sign-in. The module does not print the return code.
    #[error("the broker refused the sign-in ({0})")]
    Refused(Failure),
    /// The session could not be set up for another reason.
    #[error("the session could not be opened ({0})")]
    Failed(Failure),
    /// The broker or the network closed the connection.
    #[error("the connection was closed")]
    Closed,
    /// The module says that there is no session any more.
    #[error("the session is gone")]
    Gone,
    /// The broker did not acknowledge a message in time.
    #[error("the broker did not acknowledge a message in time")]
    NotAcknowledged,
    /// The module rebooted.
    #[error("the module rebooted")]
    Rebooted,
    /// The serial port is gone.
    #[error("the serial port is gone")]
    PortLost,
    /// It is not wanted any more.
    #[error("not wanted any more")]
    Unwanted,
}
