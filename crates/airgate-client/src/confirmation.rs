//! What becomes of a message after it was accepted, as a future.

use crate::Error;
use airgate_proto::{Dropped, Event};
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

type End = Result<(), Error>;

/// Resolves when the cloud has acknowledged the message. [`Error::Dropped`] when it is given up, [`Error::Closed`] when the
/// connection ends before: then publish again with the same `key`, and be told at once if it was sent.
#[derive(Debug)]
pub struct Confirmation(oneshot::Receiver<End>);

impl Future for Confirmation {
    type Output = End;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<End> {
        Pin::new(&mut self.0).poll(context).map(|told| told.unwrap_or(Err(Error::Closed)))
    }
}

/// Whom to tell.
#[derive(Debug)]
pub(crate) struct Teller(oneshot::Sender<End>);

pub(crate) fn pair() -> (Teller, Confirmation) {
    let (sender, receiver) = oneshot::channel();
    (Teller(sender), Confirmation(receiver))
}

/// Who waits for the end of which message. Several wait for one when a `key` was given again.
#[derive(Debug, Default)]
pub(crate) struct Waiting(HashMap<u64, Vec<Teller>>);

impl Waiting {
    pub(crate) fn wait(&mut self, seq: u64, teller: Teller) {
        self.0.entry(seq).or_default().push(teller);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells those who wait for it; hands back what nobody waits for.
    pub(crate) fn tell(&mut self, event: Event) -> Option<Event> {
        let (seq, reason) = match &event {
            Event::Sent { seq } => (*seq, None),
            Event::Dropped(Dropped { seq, reason }) => (*seq, Some(reason)),
            _ => return Some(event),
        };
        let Some(tellers) = self.0.remove(&seq) else { return Some(event) };
        for Teller(teller) in tellers {
            let end = reason.map_or(Ok(()), |reason| Err(Error::Dropped { reason: reason.clone() }));
            // Who dropped the future does not want to know.
            let _ = teller.send(end);
        }
        None
    }
}
