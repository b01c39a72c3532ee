//! Services on top of the typed commands: dialogues of several commands, beside the session and one at a time.
//!
//! They go through the handle like every other user, so the one task that owns the port stays as simple as it is, and
//! publications go on between their commands.

mod files;
pub mod http;
pub mod place;
pub mod texts;

use crate::command::bearer::{GetBearer, OpenBearer, SetBearer};
use crate::exchange::Failure;
use crate::modem::Modem;
use crate::status::Phase;

impl Modem {
    /// Opens the bearer that HTTP, time and location need, unless it is open. (MQTT does without.)
    pub(crate) async fn open_bearer(&self) -> Result<(), Failure> {
        if self.send(&GetBearer).await?.is_open() {
            return Ok(());
        }
        self.send(&SetBearer::new("CONTYPE", "GPRS")).await?;
        // Empty: the network chooses.
        self.send(&SetBearer::new("APN", "")).await?;
        match self.send(&OpenBearer).await {
            // Some firmware refuses to open what it did not say was open.
            Err(failure @ Failure::Refused(_)) => match self.send(&GetBearer).await?.is_open() {
                true => Ok(()),
                false => Err(failure),
            },
            outcome => outcome.map(drop),
        }
    }

    /// Waits until the module is in the network.
    pub(crate) async fn attached(&self) -> Result<(), Failure> {
        let in_network = |phase| matches!(phase, Phase::Attached | Phase::Connecting | Phase::Online);
        let mut status = self.status.clone();
        let found = status.wait_for(|status| in_network(status.phase)).await;
        found.map(drop).map_err(|_| Failure::PortLost)
    }
}
