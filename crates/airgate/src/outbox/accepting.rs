//! The way in: a message is looked at, given its number and sent to the writer at once; what is left is a small future that
//! waits for the disk.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::task::unconstrained;

use super::disk::{AcceptJob, Job, Offered};
use super::errors::AcceptError;
use super::index::Offer;
use super::listeners::ListenerId;
use super::message::{Message, Qos};
use super::options::WhenFull;
use super::shared::{DiskHealth, State, Waiter};
use super::{Accepted, Bounds, Outbox};

type Outcome = Result<Accepted, AcceptError>;

/// A message on its way into the outbox. Its place is taken already; dropped, it may be accepted all the same.
#[must_use = "whoever does not wait for it does not know what became of the message"]
pub struct Accepting(Way);

enum Way {
    /// Taken out when it is told.
    Known(Option<Outcome>),
    /// Until the fsync that covers it.
    Disk { seq: u64, settled: bool, reply: oneshot::Receiver<Result<bool, AcceptError>> },
    /// Too much is on its way to the disk.
    Room(BoxFuture<'static, Outcome>),
}

impl Accepting {
    fn known(outcome: Outcome) -> Self {
        Self(Way::Known(Some(outcome)))
    }
}

impl std::fmt::Debug for Accepting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Accepting")
    }
}

impl Future for Accepting {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        match &mut self.0 {
            // Polled once more, which nobody does, it waits for ever.
            Way::Known(outcome) => outcome.take().map_or(Poll::Pending, Poll::Ready),
            Way::Disk { seq, settled, reply } => {
                let (seq, settled) = (*seq, *settled);
                Pin::new(reply).poll(context).map(|reply| {
                    let duplicate = reply.map_err(|_| AcceptError::Closed)??;
                    Ok(Accepted { seq, duplicate, settled })
                })
            }
            Way::Room(waiting) => waiting.as_mut().poll(context),
        }
    }
}

impl Outbox {
    /// Takes a message: QoS 1 is durable when this returns, QoS 0 is in memory. While too many bytes wait for the disk, it
    /// waits for room. A call that is cancelled while it waits for the disk may have been accepted all the same.
    ///
    /// # Errors
    /// [`AcceptError`]; the message is then not accepted.
    pub async fn accept(&self, message: Message) -> Result<Accepted, AcceptError> {
        self.accept_for(message, None, None).await
    }

    /// As [`Outbox::accept`], from a program whose messages on the disk may take at most `max_queued_bytes`. At that bound
    /// its messages are refused; nobody else's suffer. [outbox-14] The listener is told how it ends, if it is accepted and
    /// had not ended before.
    ///
    /// The order is that of the calls, in whatever order what they give is waited for.
    pub fn accept_for(
        &self,
        message: Message,
        max_queued_bytes: Option<u64>,
        listener: Option<ListenerId>,
    ) -> Accepting {
        if let Err(error) = message.check() {
            return Accepting::known(Err(error));
        }
        if message.qos == Qos::AtMostOnce {
            return Accepting::known(self.accept_in_memory(message, listener));
        }
        match Arc::clone(&self.inner.room).try_acquire_many_owned(permits(&message)) {
            Ok(room) => self.accept_on_disk(message, max_queued_bytes, listener, room),
            Err(_) => self.accept_with_room(message, max_queued_bytes, listener),
        }
    }

    /// What a message of this user under this key would be answered that is there, or was sent; `None` when a message under
    /// it would be a new one. Nothing is judged that only a new one must be, and nothing is accepted.
    pub fn recall(&self, uid: u32, key: &str, listener: Option<ListenerId>) -> Option<Accepting> {
        self.inner.shared.with(|state, _| {
            let seq = state.index.known(uid, Some(key))?;
            Some(duplicate(state, seq, listener))
        })
    }

    /// Takes its place among those who wait for room, now. None of them yields to other tasks, or their order would be lost.
    fn accept_with_room(
        &self,
        message: Message,
        max_queued_bytes: Option<u64>,
        listener: Option<ListenerId>,
    ) -> Accepting {
        let outbox = self.clone();
        let mut waiting: BoxFuture<'static, _> = Box::pin(unconstrained(async move {
            let room = Arc::clone(&outbox.inner.room).acquire_many_owned(permits(&message)).await;
            let room = room.map_err(|_| AcceptError::Closed)?;
            outbox.accept_on_disk(message, max_queued_bytes, listener, room).await
        }));
        match waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(outcome) => Accepting::known(outcome),
            Poll::Pending => Accepting(Way::Room(waiting)),
        }
    }

    fn accept_in_memory(&self, message: Message, listener: Option<ListenerId>) -> Result<Accepted, AcceptError> {
        self.inner.shared.with(|state, _| {
            if state.closed {
                return Err(AcceptError::Closed);
            }
            let expires = message.expires_unix_ms.is_some();
            let fails = matches!(state.disk, DiskHealth::Failing { .. });
            let seq = state.index.accept_in_memory(message, fails);
            if expires || state.index.reserve_wanted().is_some() {
                self.wake(state);
            }
            let reason = || "no numbers could be set aside on the disk".to_owned();
            let seq = seq.ok_or_else(|| AcceptError::Disk { reason: reason() })?;
            listener.into_iter().for_each(|id| state.listeners.want(seq, id));
            Ok(Accepted { seq, duplicate: false, settled: false })
        })
    }

    fn accept_on_disk(
        &self,
        message: Message,
        max_queued_bytes: Option<u64>,
        listener: Option<ListenerId>,
        room: OwnedSemaphorePermit,
    ) -> Accepting {
        let offered = self.inner.shared.with(|state, now| {
            if state.closed {
                return Err(AcceptError::Closed);
            }
            if state.index.known(message.uid, message.key.as_deref()).is_none() {
                self.make_room(state, &message, max_queued_bytes)?;
            }
            match state.index.offer(message.uid, message.key.as_deref()) {
                Offer::Known(seq) => Ok(duplicate(state, seq, listener)),
                Offer::New(seq) => {
                    state.index.on_its_way(message.uid, message.weight() as u64, true);
                    // Sent under the lock, so that the log has the order of the numbers.
                    let job = AcceptJob { offered: Offered { seq, accepted_unix_ms: now, message }, room };
                    self.inner.jobs.send(Job::Accept(job)).map_err(|_| AcceptError::Closed)?;
                    // Hardly ever does anybody else wait for the same.
                    state.waiters.insert(seq, Vec::with_capacity(1));
                    listener.into_iter().for_each(|id| state.listeners.want(seq, id));
                    Ok(wait_for(state, Accepted { seq, duplicate: false, settled: false }))
                }
            }
        });
        offered.unwrap_or_else(|error| Accepting::known(Err(error)))
    }

    /// What is on its way to the disk, this message among it, has its place there already. [outbox-12]
    fn make_room(&self, state: &mut State, message: &Message, program: Option<u64>) -> Result<(), AcceptError> {
        let Bounds { pending_bytes, max_bytes, max_messages, min_free, when_full } = self.inner.bounds;
        let pending = pending_bytes.saturating_sub(self.inner.room.available_permits()) as u64;
        // What came before it takes its room first. [outbox-15]
        let free = state.free.saturating_sub(pending.saturating_sub(u64::from(permits(message))));
        if free < min_free {
            // The writer asks again.
            self.wake(state);
            return Err(AcceptError::LowSpace { free, min_free });
        }
        let queued = state.index.bytes_of(message.uid);
        if let Some(max_queued_bytes) = program.filter(|max| queued + message.weight() as u64 > *max) {
            return Err(AcceptError::ProgramFull { queued, max_queued_bytes });
        }
        let bytes = max_bytes.saturating_sub(pending);
        let messages = max_messages.saturating_sub(state.waiters.len() as u64 + 1);
        let too_many = state.index.kept() > messages;
        let fits = match when_full {
            _ if pending > max_bytes || max_messages <= state.waiters.len() as u64 => false,
            WhenFull::Refuse => !too_many && state.index.kept_bytes() <= bytes,
            WhenFull::DropOldest => state.index.make_room(bytes, messages, message.priority),
        };
        if state.index.unwritten() > 0 {
            self.wake(state);
        }
        match fits {
            true => Ok(()),
            false if too_many => Err(AcceptError::TooMany { max_messages }),
            false => Err(AcceptError::Full { max_bytes }),
        }
    }
}

/// What it takes of the room for what is on its way to the disk.
fn permits(message: &Message) -> u32 {
    u32::try_from(message.weight()).unwrap_or(u32::MAX)
}

/// The message `seq` is there, or was sent; the listener is told how it ends, if it has not.
fn duplicate(state: &mut State, seq: u64, listener: Option<ListenerId>) -> Accepting {
    let settled = state.index.is_settled(seq);
    listener.filter(|_| !settled).into_iter().for_each(|id| state.listeners.want(seq, id));
    wait_for(state, Accepted { seq, duplicate: true, settled })
}

/// Waits for the commit that the message still waits for; not at all when it is durable.
fn wait_for(state: &mut State, accepted: Accepted) -> Accepting {
    let Accepted { seq, duplicate, settled } = accepted;
    let Some(waiters) = state.waiters.get_mut(&seq) else { return Accepting::known(Ok(accepted)) };
    let (answer, reply) = oneshot::channel();
    waiters.push(Waiter { duplicate, reply: answer });
    Accepting(Way::Disk { seq, settled, reply })
}
