//! A connection that is made anew whenever it ends, for programs that outlive their daemon.
//!
//! One task connects, subscribes again and passes events on; whoever asks finds the present connection in a `watch`.

use crate::{Accepted, Client, Error, Event, Events, Hello, Publish, Qos};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

/// How long to wait before the next try, doubled each time: a daemon that is restarted is back within a second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// At most: a daemon that comes back after hours is found as soon as anybody would notice.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Subscriptions asked for and not carried out yet; further ones wait.
const ORDERS: usize = 16;
/// Updates that wait for the program; those behind them wait in the connection, which counts what it drops, and ends with it.
const UPDATES: usize = 16;

/// Tells the clients of one process apart.
static CLIENTS: AtomicU64 = AtomicU64::new(0);

/// A filter and, if it is durable, its name.
type Subscription = (String, Option<String>);

#[derive(Debug)]
struct Order {
    subscribe: bool,
    subscription: Subscription,
    done: oneshot::Sender<Result<(), Error>>,
}

/// The present connection, and how many there were before.
type Present = (u64, Option<Client>);

/// What happens to the connection and on it.
#[derive(Debug)]
pub enum Update {
    /// Connected, for the first time or again, and subscribed. What was published meanwhile for subscriptions that are not
    /// durable is missed.
    Connected(Hello),
    /// The connection is lost and being made anew; or it cannot be made, which is told once, with the reason.
    Lost(Error),
    /// A subscription that was granted before is not any more.
    Unsubscribed {
        /// The filter.
        filter: String,
        /// Why.
        error: Error,
    },
    /// What the daemon says.
    Event(Event),
}

/// Receives the updates.
#[derive(Debug)]
pub struct Updates(mpsc::Receiver<Update>);

impl Updates {
    /// The next update; `None` when all clones of the [`Reconnecting`] are dropped. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Update> {
        self.0.recv().await
    }
}

/// A handle to it; clones share the connection. It ends when the last clone is dropped.
#[derive(Debug, Clone)]
pub struct Reconnecting {
    orders: mpsc::Sender<Order>,
    present: watch::Receiver<Present>,
    keys: Arc<Keys>,
}

/// A key for each message, of which there is never another.
#[derive(Debug)]
struct Keys {
    prefix: String,
    used: AtomicU64,
}

impl Keys {
    fn new() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let client = CLIENTS.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{:x}.{:x}.{client:x}", since.as_nanos(), std::process::id());
        Self { prefix, used: AtomicU64::new(0) }
    }

    fn next(&self) -> String {
        format!("{}.{:x}", self.prefix, self.used.fetch_add(1, Ordering::Relaxed))
    }
}

impl Reconnecting {
    /// Begins to connect, and returns at once. Must be called within a tokio runtime.
    pub fn new(path: impl Into<PathBuf>) -> (Self, Updates) {
        let (orders, ordered) = mpsc::channel(ORDERS);
        let (updates_sender, updates) = mpsc::channel(UPDATES);
        let (present_sender, present) = watch::channel((0, None));
        let keeper = Keeper {
            path: path.into(),
            orders: ordered,
            updates: updates_sender,
            present: present_sender,
            subscriptions: BTreeSet::new(),
        };
        tokio::spawn(keeper.run());
        (Self { orders, present, keys: Arc::new(Keys::new()) }, Updates(updates))
    }

    /// The present connection, for whatever else is to be asked; waits while there is none. What is asked through it fails with
    /// [`Error::Closed`] when it ends.
    ///
    /// # Errors
    /// [`Error::Closed`] when the runtime stops.
    pub async fn client(&self) -> Result<Client, Error> {
        self.after(0).await.map(|(_, client)| client)
    }

    /// Hands a message over, however long the daemon is away meanwhile. A message at QoS 1 without a `key` gets one, so that it is
    /// accepted once even if the answer was lost on the way.
    ///
    /// # Errors
    /// [`Error::Refused`] as [`Client::publish`]; [`Error::Closed`] when the runtime stops, or for a message at QoS 0 whose
    /// answer was lost.
    pub async fn publish(&self, publish: Publish) -> Result<Accepted, Error> {
        let again = publish.qos == Qos::AtLeastOnce;
        let key = publish.key.clone().or_else(|| again.then(|| self.keys.next()));
        let publish = Publish { key, ..publish };
        let mut number = 0;
        loop {
            let (connection, client) = self.after(number).await?;
            match client.publish(publish.clone()).await {
                Err(Error::Closed) if again => number = connection,
                end => return end,
            }
        }
    }

    /// Asks for the messages that match a filter, now and after each reconnection.
    ///
    /// # Errors
    /// [`Error::Refused`] as [`Client::subscribe`]; then it is not asked for again. [`Error::Closed`] when the runtime stops.
    pub async fn subscribe(&self, filter: impl Into<String>) -> Result<(), Error> {
        self.order(true, (filter.into(), None)).await
    }

    /// As [`Reconnecting::subscribe`]; messages are kept under `name` while the program is away.
    ///
    /// # Errors
    /// As [`Reconnecting::subscribe`].
    pub async fn subscribe_durable(&self, filter: impl Into<String>, name: impl Into<String>) -> Result<(), Error> {
        self.order(true, (filter.into(), Some(name.into()))).await
    }

    /// Ends a subscription, and with a name what was kept for it.
    ///
    /// # Errors
    /// As [`Reconnecting::subscribe`].
    pub async fn unsubscribe(&self, filter: impl Into<String>, name: Option<String>) -> Result<(), Error> {
        self.order(false, (filter.into(), name)).await
    }

    async fn order(&self, subscribe: bool, subscription: Subscription) -> Result<(), Error> {
        let (done, is_done) = oneshot::channel();
        self.orders.send(Order { subscribe, subscription, done }).await.map_err(|_| Error::Closed)?;
        is_done.await.unwrap_or(Err(Error::Closed))
    }

    /// A connection that is newer than this one.
    async fn after(&self, number: u64) -> Result<(u64, Client), Error> {
        let mut present = self.present.clone();
        let found =
            present.wait_for(|(at, client)| *at > number && client.is_some()).await.map_err(|_| Error::Closed)?;
        let (number, client) = &*found;
        client.clone().map(|client| (*number, client)).ok_or(Error::Closed)
    }
}

/// The task behind it.
struct Keeper {
    path: PathBuf,
    orders: mpsc::Receiver<Order>,
    updates: mpsc::Sender<Update>,
    present: watch::Sender<Present>,
    subscriptions: BTreeSet<Subscription>,
}

impl Keeper {
    async fn run(mut self) {
        let mut lost = None;
        loop {
            let Some((client, events)) = self.connect(lost.take()).await else { return };
            if self.subscribe_again(&client).await.is_ok() && !self.serve(&client, events).await {
                return;
            }
            self.present.send_modify(|(_, present)| *present = None);
            lost = Some(Error::Closed);
        }
    }

    /// Connects, however long it takes; `None` when nobody wants it any more. Why there is no connection is told once.
    async fn connect(&mut self, lost: Option<Error>) -> Option<(Client, Events)> {
        // Not at once after a loss: a daemon that hangs up on everybody is not to be called without end.
        let (mut failed, mut told, mut pause) = (lost, false, FIRST_PAUSE);
        loop {
            if let Some(error) = failed.take() {
                if !std::mem::replace(&mut told, true) {
                    self.tell(Update::Lost(error));
                }
                tokio::select! {
                    () = sleep(pause) => pause = LONGEST_PAUSE.min(2 * pause),
                    () = self.present.closed() => return None,
                }
            }
            match Client::connect(&self.path).await {
                Ok(connection) => return Some(connection),
                Err(error) => failed = Some(error),
            }
        }
    }

    async fn subscribe_again(&mut self, client: &Client) -> Result<(), Error> {
        for subscription in self.subscriptions.clone() {
            match subscribe(client, &subscription).await {
                Ok(()) => {}
                Err(error @ Error::Refused { .. }) => {
                    self.subscriptions.remove(&subscription);
                    self.tell(Update::Unsubscribed { filter: subscription.0, error });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Serves one connection to its end; false when nobody wants another.
    async fn serve(&mut self, client: &Client, mut events: Events) -> bool {
        self.present.send_modify(|(number, present)| (*number, *present) = (*number + 1, Some(client.clone())));
        let mut update = Some(Update::Connected(client.hello().clone()));
        let updates = self.updates.clone();
        loop {
            tokio::select! {
                event = events.next(), if update.is_none() => match event {
                    Some(event) => update = Some(Update::Event(event)),
                    None => return true,
                },
                room = updates.reserve(), if update.is_some() => {
                    // Who does not listen misses nothing.
                    if let (Ok(room), Some(update)) = (room, update.take()) {
                        room.send(update);
                    }
                    update = None;
                }
                // The program does not read; what it has not read by now is lost with the connection.
                () = client.closed(), if update.is_some() => return true,
                order = self.orders.recv() => match order {
                    Some(order) => self.carry_out(client, order).await,
                    None => return false,
                },
            }
        }
    }

    async fn carry_out(&mut self, client: &Client, Order { subscribe: wanted, subscription, done }: Order) {
        let asked =
            if wanted { subscribe(client, &subscription).await } else { unsubscribe(client, &subscription).await };
        let end = match asked {
            // It is asked for with the next connection.
            Err(Error::Closed) if wanted => Ok(()),
            end => end,
        };
        match (&end, wanted) {
            (Ok(()), true) => drop(self.subscriptions.insert(subscription)),
            (_, false) => drop(self.subscriptions.remove(&subscription)),
            (Err(_), true) => {}
        }
        // Who dropped the future does not want to know.
        let _ = done.send(end);
    }

    /// A program that does not read its updates is not waited for: it may still publish.
    fn tell(&self, update: Update) {
        let _ = self.updates.try_send(update);
    }
}

async fn subscribe(client: &Client, (filter, name): &Subscription) -> Result<(), Error> {
    match name {
        Some(name) => client.subscribe_durable(filter, name).await,
        None => client.subscribe(filter).await,
    }
}

async fn unsubscribe(client: &Client, (filter, name): &Subscription) -> Result<(), Error> {
    match name {
        Some(name) => client.unsubscribe_durable(filter, name).await,
        None => client.unsubscribe(filter).await,
    }
}
