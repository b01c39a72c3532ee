//! Writes what the enrolment wants kept, one after the other and away from the event loop: an SD card may take seconds.

use crate::store::{Entry, Key, Store, StoreError};
use tokio::task::{JoinHandle, spawn_blocking};

#[derive(Debug)]
pub(super) struct Keeper {
    store: Store,
    key: Key,
    running: Option<JoinHandle<Result<(), StoreError>>>,
    next: Option<Entry>,
}

impl Keeper {
    pub(super) fn new(store: Store, key: Key) -> Self {
        Self { store, key, running: None, next: None }
    }

    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    /// Writes this, after what is being written. Of several that wait the last one counts: each is the whole.
    pub(super) fn put(&mut self, entry: Entry) {
        if self.running.is_some() {
            self.next = Some(entry);
        } else {
            let (store, key) = (self.store.clone(), self.key.clone());
            self.running = Some(spawn_blocking(move || store.put(&key, &entry)));
        }
    }

    /// When everything is written: whether the last write worked. May be dropped and asked again.
    pub(super) async fn done(&mut self) -> Result<(), StoreError> {
        loop {
            let Some(running) = &mut self.running else { return std::future::pending().await };
            let outcome = running.await;
            self.running = None;
            match self.next.take() {
                Some(entry) => self.put(entry),
                None => {
                    let panicked = |error: tokio::task::JoinError| StoreError::Garbled {
                        path: self.store.path(),
                        what: error.to_string(),
                    };
                    return outcome.map_err(panicked).and_then(|done| done);
                }
            }
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.running.is_some()
    }
}
