//! The events of a connection, in a queue of bounded length.

use airgate_proto::Event;
use tokio::sync::mpsc;

/// Events that wait for the program. When it does not read, further ones are dropped and told as [`Event::Lagged`]:
/// answers to its requests must not wait behind them.
pub const EVENT_QUEUE: usize = 256;

/// Receives the events of a connection.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

impl Events {
    /// The next event; `None` when the connection has ended. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

/// The sending end: never waits, counts what it drops.
#[derive(Debug)]
pub(crate) struct EventSender {
    sender: mpsc::Sender<Event>,
    missed: u64,
}

pub(crate) fn channel() -> (EventSender, Events) {
    let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
    (EventSender { sender, missed: 0 }, Events(receiver))
}

impl EventSender {
    pub(crate) fn send(&mut self, event: Event) {
        // While something is missing, its notice goes first; `attend` puts it in.
        if self.missed > 0 || self.sender.try_send(event).is_err() {
            self.missed = self.missed.saturating_add(1);
        }
    }

    /// Waits for room to tell how many were dropped; with nothing to tell and `until_closed`, until the program has
    /// dropped its end; with neither, for ever.
    pub(crate) async fn attend(&mut self, until_closed: bool) {
        match (self.missed, until_closed) {
            (0, true) => self.sender.closed().await,
            (0, false) => std::future::pending().await,
            _ => match self.sender.reserve().await {
                Ok(room) => room.send(Event::Lagged { missed: std::mem::take(&mut self.missed) }),
                // Nobody listens: nothing is missed.
                Err(_) => self.missed = 0,
            },
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn gap_is_told_before_anything_that_came_after_it() {
        let (mut sender, mut events) = channel();
        for seq in 0..=EVENT_QUEUE as u64 {
            sender.send(Event::Sent { seq });
        }
        assert_eq!(events.next().await, Some(Event::Sent { seq: 0 }));
        sender.send(Event::Sent { seq: 1000 });
        sender.attend(false).await;
        for seq in 1..EVENT_QUEUE as u64 {
            assert_eq!(events.next().await, Some(Event::Sent { seq }));
        }
        assert_eq!(events.next().await, Some(Event::Lagged { missed: 2 }));
        sender.send(Event::Sent { seq: 1001 });
        assert_eq!(events.next().await, Some(Event::Sent { seq: 1001 }));
    }
}
