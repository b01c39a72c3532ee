//! What every connection has behind it, whichever protocol it speaks.

use super::mqtt::seat::Seats;
use super::rights::Rights;
use crate::cloud::Topics;
use crate::history;
use crate::outbox::Outbox;
use crate::router::Router;
use crate::session::Asker;
use crate::status::Sources;
use crate::uplink::Uplink;
use crate::users::Users;
use std::sync::Arc;
use tokio::sync::watch;

/// What every connection needs.
pub struct Door {
    /// Messages to and from programs.
    pub router: Router,
    /// Where accepted messages go.
    pub outbox: Outbox,
    /// Who may do what, as it is now.
    pub rights: watch::Receiver<Arc<Rights>>,
    /// What each user has.
    pub users: Arc<Users>,
    /// What happened in the last 30 days.
    pub history: history::Asker,
    /// The sessions of MQTT clients that are connected.
    pub seats: Seats,
    /// What there is to tell.
    pub status: Sources,
    /// For what is asked of the cloud itself.
    pub cloud: Asker,
    /// For the raw console.
    pub uplink: Uplink,
    /// How topics are bounded.
    pub topics: Topics,
    /// Longest line, in bytes.
    pub max_line: usize,
    /// Longest payload that the way up takes, in bytes.
    pub max_payload: usize,
}

impl Door {
    /// The rights as they are now.
    pub(super) fn rights(&self) -> Arc<Rights> {
        Arc::clone(&self.rights.borrow())
    }
}
