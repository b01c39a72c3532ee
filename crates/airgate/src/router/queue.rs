//! What waits for one program, bounded in messages and in bytes; and the box that the router puts it into and the
//! program's connection takes it out of.
//!
//! The box is a channel that also counts bytes. One message is kept once, however many programs it waits for.

use super::share::{Held, SMALL_BYTES, Share};
use airgate_proto::{Event, Qos};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::Notify;

/// Messages that wait for one program to read them, or to come back.
pub const WAITING_MESSAGES: usize = 256;
/// Their bytes together; a single message may be longer.
pub const WAITING_BYTES: usize = 1 << 20;
/// What a message takes beside its topic and its payload: places in lists, and itself as a line.
const BESIDE_CONTENT: usize = 512;

/// A durable subscription or a session that outlives its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DurableId(pub(super) u64);

/// Something for programs, kept once for all of them.
#[derive(Debug)]
pub struct Parcel {
    /// What it says.
    pub event: Event,
    line: OnceLock<Bytes>,
    encoded: OnceLock<Bytes>,
}

impl Parcel {
    /// A parcel with this event.
    pub fn new(event: Event) -> Arc<Self> {
        Arc::new(Self { event, line: OnceLock::new(), encoded: OnceLock::new() })
    }

    /// The event as a line of JSON, written once for all who read it. A long one is not kept beside the event.
    pub fn line(&self) -> Bytes {
        if self.weight() > SMALL_BYTES {
            return self.event.to_line().into();
        }
        self.line.get_or_init(|| self.event.to_line().into()).clone()
    }

    /// The event as the other door writes it once for all who read it there.
    pub fn encoded(&self, encode: impl FnOnce() -> Bytes) -> &Bytes {
        self.encoded.get_or_init(encode)
    }

    /// What it weighs, in bytes, near enough to bound a sum of it.
    pub fn weight(&self) -> usize {
        let content = match &self.event {
            Event::Message(message) => message.topic.len() + message.payload.len(),
            _ => 256,
        };
        content + BESIDE_CONTENT
    }
}

/// A parcel on its way to one program.
#[derive(Clone, Debug)]
pub struct Item {
    /// What.
    pub parcel: Arc<Parcel>,
    /// The better of the matching subscriptions, and not better than the message's own.
    pub qos: Qos,
    /// It was there before the subscription.
    pub retained: bool,
    /// It was handed out before, and not acknowledged.
    pub again: bool,
    /// On whose account: it goes back there when the program leaves without it.
    pub via: Option<DurableId>,
}

/// What a program takes out of its box.
#[derive(Debug)]
pub enum Taken {
    /// Something for it.
    Item(Item),
    /// So many were lost here because it did not read.
    Lagged(u64),
}

/// In order, with the gaps that the bound made.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Taken>,
    items: usize,
    held: Held,
    /// Lost after the last that waits.
    missed: u64,
}

impl Queue {
    pub(super) fn of(share: Share) -> Self {
        Self { held: Held::new(share, 0), ..Self::default() }
    }

    /// Takes it if there is room.
    pub(super) fn push(&mut self, item: Item) -> bool {
        let weight = item.parcel.weight();
        let fits = self.held.share().has_room(weight);
        let has_room = match self.items {
            0 => fits || weight <= SMALL_BYTES,
            items => fits && items < WAITING_MESSAGES && self.held.bytes() + weight <= WAITING_BYTES,
        };
        if has_room {
            self.append(item);
        } else {
            self.missed += 1;
        }
        has_room
    }

    /// Takes it in any case: what comes here was bounded before.
    fn append(&mut self, item: Item) {
        if self.missed > 0 {
            self.waiting.push_back(Taken::Lagged(std::mem::take(&mut self.missed)));
        }
        self.items += 1;
        self.held.set(self.held.bytes() + item.parcel.weight());
        self.waiting.push_back(Taken::Item(item));
    }

    pub(super) fn append_all(&mut self, mut other: Queue) {
        while let Some(taken) = other.pop() {
            match taken {
                Taken::Item(item) => self.append(item),
                Taken::Lagged(missed) => self.missed += missed,
            }
        }
    }

    pub(super) fn pop(&mut self) -> Option<Taken> {
        match self.waiting.pop_front() {
            Some(Taken::Item(item)) => {
                self.items -= 1;
                self.held.set(self.held.bytes() - item.parcel.weight());
                Some(Taken::Item(item))
            }
            Some(lagged) => Some(lagged),
            None if self.missed > 0 => Some(Taken::Lagged(std::mem::take(&mut self.missed))),
            None => None,
        }
    }
}

/// Where a connected program finds what is for it.
#[derive(Debug, Default)]
pub struct Mailbox {
    queue: Mutex<Queue>,
    arrived: Notify,
}

impl Mailbox {
    /// The box of a program whose user has this share.
    pub fn of(share: Share) -> Arc<Self> {
        Arc::new(Self { queue: Mutex::new(Queue::of(share)), arrived: Notify::new() })
    }

    /// Of its user.
    pub(super) fn share(&self) -> Share {
        self.queue().held.share().clone()
    }

    /// A queue of the same user.
    pub(super) fn sibling(&self) -> Queue {
        Queue::of(self.share())
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, item: Item) -> bool {
        let taken = self.queue().push(item);
        self.arrived.notify_one();
        taken
    }

    pub(super) fn append_all(&self, queue: Queue) {
        self.queue().append_all(queue);
        self.arrived.notify_one();
    }

    /// What is left when the program has gone.
    pub(super) fn empty(&self) -> Queue {
        let sibling = self.sibling();
        std::mem::replace(&mut *self.queue(), sibling)
    }

    /// The next, if there is one.
    pub fn try_next(&self) -> Option<Taken> {
        self.queue().pop()
    }

    /// The next; waits while there is none. Only one may wait. Cancelling it loses nothing.
    pub async fn next(&self) -> Taken {
        loop {
            if let Some(taken) = self.try_next() {
                return taken;
            }
            self.arrived.notified().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::HELD_BYTES_PER_USER;
    use super::*;
    use airgate_proto::Message;

    fn item(bytes: usize) -> Item {
        let message = Message { topic: "t".into(), payload: vec![0; bytes], qos: Qos::AtLeastOnce };
        let parcel = Parcel::new(Event::Message(message));
        Item { parcel, qos: Qos::AtLeastOnce, retained: false, again: false, via: None }
    }

    #[test]
    fn the_gap_is_told_where_it_is() {
        let mut queue = Queue::default();
        for _ in 0..WAITING_MESSAGES {
            assert!(queue.push(item(1)));
        }
        assert!(!queue.push(item(1)) && !queue.push(item(1)));
        assert!(matches!(queue.pop(), Some(Taken::Item(_))));
        assert!(queue.push(item(1)), "there is room again");
        let kinds: Vec<_> = std::iter::from_fn(|| queue.pop()).collect();
        assert_eq!(kinds.len(), WAITING_MESSAGES + 1);
        assert!(matches!(kinds.get(WAITING_MESSAGES - 1), Some(Taken::Lagged(2))));
    }

    #[test]
    fn bytes_are_bounded_but_a_single_long_message_passes() {
        let mut queue = Queue::default();
        assert!(queue.push(item(2 * WAITING_BYTES)));
        assert!(!queue.push(item(1)));
        queue.pop();
        for _ in 0..3 {
            assert!(queue.push(item(WAITING_BYTES / 4)));
        }
        assert!(!queue.push(item(WAITING_BYTES / 4)), "with what each weighs beside its payload");
    }

    #[test]
    fn one_users_boxes_share_a_bound_and_nobody_elses() {
        let share = Share::default();
        let boxes: Vec<_> = (0..20).map(|_| Mailbox::of(share.clone())).collect();
        for mailbox in &boxes {
            while mailbox.push(item(WAITING_BYTES / 8)) {}
        }
        assert!(share.bytes() > HELD_BYTES_PER_USER - WAITING_BYTES && share.bytes() <= HELD_BYTES_PER_USER);
        assert!(Mailbox::of(Share::default()).push(item(WAITING_BYTES / 8)), "another user's");
        let late = Mailbox::of(share.clone());
        assert!(!late.push(item(WAITING_BYTES / 8)), "a long one does not pass");
        while boxes[0].try_next().is_some() {}
        while late.push(item(SMALL_BYTES)) {}
        while late.try_next().is_some() {}
        let rest = Held::new(share.clone(), HELD_BYTES_PER_USER - share.bytes());
        assert!(late.push(item(1)) && !late.push(item(1)), "one that is short passes");
        drop((boxes, late.empty(), late));
        assert_eq!(share.bytes(), rest.bytes());
    }

    #[tokio::test]
    async fn who_waits_gets_what_comes() {
        let mailbox = Arc::new(Mailbox::default());
        let waiting = tokio::spawn({
            let mailbox = Arc::clone(&mailbox);
            async move { mailbox.next().await }
        });
        tokio::task::yield_now().await;
        mailbox.push(item(3));
        assert!(matches!(waiting.await, Ok(Taken::Item(_))));
    }
}
