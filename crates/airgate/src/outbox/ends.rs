//! Hearing how messages end.

use std::sync::Arc;

use tokio::sync::mpsc::UnboundedReceiver;

use super::listeners::ListenerId;
use super::notice::Notice;
use super::shared::Shared;

/// Hears how those messages end that were given to the outbox for it: of each, once, however late it listens. What waits for
/// it is bounded by the number of messages that it gave. When it is dropped, nobody is told.
pub struct Ends {
    shared: Arc<Shared>,
    id: ListenerId,
    notices: UnboundedReceiver<Notice>,
}

impl Ends {
    pub(super) fn listen(shared: &Arc<Shared>) -> Self {
        let (id, notices) = shared.with(|state, _| state.listeners.join());
        Self { shared: Arc::clone(shared), id, notices }
    }

    /// Who it is.
    pub fn id(&self) -> ListenerId {
        self.id
    }

    /// The next end, in the order in which they came. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Notice {
        match self.notices.recv().await {
            Some(notice) => notice,
            // Its sender lives in the state until `drop`.
            None => std::future::pending().await,
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.shared.with(|state, _| state.listeners.leave(self.id));
    }
}
