//! The client for programs without an async runtime.
//!
//! ```no_run
//! use airgate_client::{DEFAULT_SOCKET, Publish, blocking::Client};
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), airgate_client::Error> {
//! let mut client = Client::connect(DEFAULT_SOCKET)?;
//! client.publish(Publish::new("user/update", "21.5"))?;
//! client.subscribe("user/get")?;
//! while let Some(event) = client.event(Duration::from_secs(60))? {
//!     println!("{event:?}");
//! }
//! # Ok(())
//! # }
//! ```

use crate::{Accepted, Confirmation, Error, Event, Events, Hello, Publish};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// A connection that is served while one of its functions runs. What comes in between waits in the socket and, beyond that, at the
/// daemon, which tells what was too much with [`Event::Lagged`].
#[derive(Debug)]
pub struct Client {
    runtime: Runtime,
    client: crate::Client,
    events: Events,
}

impl Client {
    /// Connects and reads the daemon's hello. Not to be called within an async runtime.
    ///
    /// # Errors
    /// As [`crate::Client::connect`]; [`Error::NoDaemon`] also when the system does not give what a runtime needs.
    pub fn connect(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Error::no_daemon(path.to_owned(), source))?;
        let (client, events) = runtime.block_on(crate::Client::connect(path))?;
        Ok(Self { runtime, client, events })
    }

    /// What the daemon said first.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        self.client.hello()
    }

    /// As [`crate::Client::publish`].
    ///
    /// # Errors
    /// As [`crate::Client::publish`].
    pub fn publish(&self, publish: Publish) -> Result<Accepted, Error> {
        self.runtime.block_on(self.client.publish(publish))
    }

    /// As [`crate::Client::publish_confirmed`]; [`Client::wait`] waits for the end.
    ///
    /// # Errors
    /// As [`crate::Client::publish`].
    pub fn publish_confirmed(&self, publish: Publish) -> Result<(Accepted, Confirmation), Error> {
        self.runtime.block_on(self.client.publish_confirmed(publish))
    }

    /// Waits until the cloud has the message; `false` when that takes longer than `patience`.
    ///
    /// # Errors
    /// [`Error::Dropped`], [`Error::Closed`].
    pub fn wait(&self, confirmation: &mut Confirmation, patience: Duration) -> Result<bool, Error> {
        self.runtime.block_on(async {
            match timeout(patience, confirmation).await {
                Ok(end) => end.map(|()| true),
                Err(_) => Ok(false),
            }
        })
    }

    /// As [`crate::Client::subscribe`].
    ///
    /// # Errors
    /// As [`crate::Client::subscribe`].
    pub fn subscribe(&self, filter: impl Into<String>) -> Result<(), Error> {
        self.runtime.block_on(self.client.subscribe(filter))
    }

    /// As [`crate::Client::subscribe_durable`].
    ///
    /// # Errors
    /// As [`crate::Client::subscribe`].
    pub fn subscribe_durable(&self, filter: impl Into<String>, name: impl Into<String>) -> Result<(), Error> {
        self.runtime.block_on(self.client.subscribe_durable(filter, name))
    }

    /// As [`crate::Client::unsubscribe`].
    ///
    /// # Errors
    /// As [`crate::Client::subscribe`].
    pub fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), Error> {
        self.runtime.block_on(self.client.unsubscribe(filter))
    }

    /// As [`crate::Client::status`].
    ///
    /// # Errors
    /// As [`crate::Client::status`].
    pub fn status(&self) -> Result<Value, Error> {
        self.runtime.block_on(self.client.status())
    }

    /// The next event; `None` when nothing came for so long.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn event(&mut self, patience: Duration) -> Result<Option<Event>, Error> {
        let Self { runtime, events, .. } = self;
        match runtime.block_on(async { timeout(patience, events.next()).await }) {
            Ok(Some(event)) => Ok(Some(event)),
            Ok(None) => Err(Error::Closed),
            Err(_) => Ok(None),
        }
    }
}
