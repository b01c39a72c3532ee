//! The router: which program gets which message that came from the cloud or from another program of this host, and under
//! which name and with which policy a program's message leaves. A pure core, and the task around it.
//!
//! * [router-1] A message reaches each program once, however many of its filters match.
//! * [router-2] A program that does not read loses messages, is told how many, and slows nobody down.
//! * [router-3] The cloud is asked for a filter while at least one program wants it, or one that is away and comes back.
//! * [router-4] What is published below `local/` stays on this host.
//! * [router-5] What waits for a durable subscription is in memory: it survives the program, not the daemon.
//! * [router-6] A text message reaches only programs whose user may read it, whatever their filters match.

mod filters;
mod queue;
mod retained;
mod route;
mod share;
mod table;
#[cfg(test)]
mod tests;
mod trie;

use crate::batch::Policies;
use crate::config::{Batch, Route};
use crate::outbox::{self, BatchId};
use crate::service::pulse::Pulse;
use airgate_proto::{Call, Event, Message, Publish, Qos};
use bytes::Bytes;
pub use queue::{DurableId, Item, Mailbox, Parcel, Taken, WAITING_BYTES, WAITING_MESSAGES};
pub use retained::{RETAINED_BYTES, RETAINED_TOPICS};
use route::Routes;
pub use share::{HELD_BYTES_PER_USER, Held, SMALL_BYTES, Share};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use table::Table;
pub use table::{Account, DURABLES_PER_USER, is_local};
use tokio::sync::{mpsc, oneshot, watch};

/// Filters of one program.
pub const FILTERS_PER_PROGRAM: usize = 64;
/// Requests of all programs that wait for the router.
const WAITING_REQUESTS: usize = 256;
/// So many of them are done before others on the event loop have their turn.
const AT_ONCE: usize = 32;

/// A connected program, for as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramId(pub u64);

/// Under which name a durable account is found again: each user and each door has names of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    /// Whose.
    pub uid: u32,
    /// The door.
    pub door: &'static str,
    /// As the program says it.
    pub name: String,
}

/// What a program hears of without a subscription, and of what only some may hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hears {
    /// What concerns every program comes as events.
    pub events: bool,
    /// Its user may read text messages, as events or below [`ANNOUNCED`].
    pub texts: bool,
}

/// What the doors ask of the router.
#[derive(Debug)]
enum Request {
    Join(ProgramId, Arc<Mailbox>, Hears),
    Leave(ProgramId, Vec<Item>),
    Attach(Name, ProgramId, oneshot::Sender<(DurableId, bool)>),
    Forget(Name),
    Subscribe(Account, String, Qos, oneshot::Sender<Result<(), NotSubscribed>>),
    Unsubscribe(Account, String),
    Release(Name, String, oneshot::Sender<bool>),
    Publish(Message, bool),
    Withdraw(Permits),
}

type May = dyn Fn(u32, &str) -> bool + Send;

/// Whether a user may (still) hold a filter.
pub struct Permits(Box<May>);

impl Permits {
    /// As `may` says.
    pub fn new(may: impl Fn(u32, &str) -> bool + Send + 'static) -> Self {
        Self(Box::new(may))
    }

    fn may(&self, uid: u32, filter: &str) -> bool {
        (self.0)(uid, filter)
    }
}

impl std::fmt::Debug for Permits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permits")
    }
}

/// Why there is no room for another filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSubscribed {
    /// The account has as many as it may: a durable one may have got them by other connections.
    TooManyFilters,
    /// What is held for the user's programs takes all that it may.
    ShareSpent,
}

/// Who is there, for whoever shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterStatus {
    /// Programs connected.
    pub programs: usize,
    /// Durable subscriptions and sessions whose program is away.
    pub away: usize,
    /// Messages handed to programs.
    pub delivered: u64,
    /// Messages that a program lost because it did not read.
    pub lagged: u64,
    /// Messages that no program wanted.
    pub unwanted: u64,
}

/// What comes down from the session.
#[derive(Debug)]
pub enum Downlink {
    /// A message, under its short name where it has one, and its long name: programs subscribe by either.
    Message(Message, String),
    /// A call, for the programs that want its topic; how many there are goes back.
    Call(Call, oneshot::Sender<usize>),
    /// Something that concerns every program.
    ToAll(Event),
}

/// The handle that the doors use.
#[derive(Clone, Debug)]
pub struct Router {
    requests: mpsc::Sender<Request>,
    status: watch::Receiver<RouterStatus>,
    routes: watch::Sender<Arc<Routes>>,
    policies: watch::Sender<Policies>,
}

/// The ends that the session holds.
#[derive(Debug)]
pub struct SessionEnds {
    /// What came down.
    pub downlink: mpsc::Sender<Downlink>,
    /// Which filters the programs want, in the short form.
    pub wanted: watch::Receiver<BTreeSet<String>>,
    /// How messages may be joined.
    pub policies: watch::Receiver<Policies>,
}

/// Starts the router in the current runtime.
pub fn start(routes: Vec<Route>, pulse: Pulse) -> (Router, SessionEnds) {
    let (requests, requests_rx) = mpsc::channel(WAITING_REQUESTS);
    let (downlink, downlink_rx) = mpsc::channel(WAITING_REQUESTS);
    let (wanted_tx, wanted) = watch::channel(BTreeSet::new());
    let (status_tx, status) = watch::channel(RouterStatus::default());
    tokio::spawn(run(requests_rx, downlink_rx, wanted_tx, status_tx, pulse));
    let policies = watch::Sender::new(Policies::new(&routes));
    let ends = SessionEnds { downlink, wanted, policies: policies.subscribe() };
    let routes = watch::Sender::new(Arc::new(Routes::new(routes)));
    (Router { requests, status, routes, policies }, ends)
}

async fn run(
    mut requests: mpsc::Receiver<Request>,
    mut downlink: mpsc::Receiver<Downlink>,
    wanted: watch::Sender<BTreeSet<String>>,
    status: watch::Sender<RouterStatus>,
    mut pulse: Pulse,
) {
    let (mut table, mut asked) = (Table::default(), Vec::new());
    loop {
        tokio::select! {
            () = pulse.beat() => continue,
            // What waits is done at once; who watches is told once.
            count = requests.recv_many(&mut asked, AT_ONCE) => {
                if count == 0 {
                    return;
                }
                asked.drain(..).for_each(|request| apply(&mut table, request));
                if let Some(filters) = table.wanted_anew() {
                    wanted.send_replace(filters);
                }
            }
            Some(down) = downlink.recv() => match down {
                Downlink::Message(message, long) => {
                    let topic = message.topic.clone();
                    table.deliver(&Parcel::new(Event::Message(message)), &[&topic, &long]);
                }
                Downlink::Call(call, programs) => {
                    let topic = call.topic.clone();
                    // A session that has ended does not want to know.
                    let _ = programs.send(table.deliver(&Parcel::new(Event::Call(call)), &[&topic]));
                }
                Downlink::ToAll(event) => {
                    if let Some((message, retain)) = announcement(&event) {
                        table.publish(message, retain);
                    }
                    table.tell_all(event);
                }
            },
        }
        status.send_replace(table.status.clone());
    }
}

fn apply(table: &mut Table, request: Request) {
    match request {
        Request::Join(id, mailbox, hears) => table.join(id, mailbox, hears),
        Request::Leave(id, unacknowledged) => table.leave(id, unacknowledged),
        // A program that has gone meanwhile says so with its leave.
        Request::Attach(name, owner, reply) => drop(reply.send(table.attach(name, owner))),
        Request::Forget(name) => table.forget(&name),
        Request::Subscribe(account, filter, qos, reply) => drop(reply.send(table.subscribe(account, &filter, qos))),
        Request::Unsubscribe(account, filter) => table.unsubscribe(account, &filter),
        Request::Release(name, filter, reply) => drop(reply.send(table.release(&name, &filter))),
        Request::Publish(message, retain) => table.publish(message, retain),
        Request::Withdraw(permits) => table.withdraw(|uid, filter| permits.may(uid, filter)),
    }
}

/// An event as a message, for programs that speak MQTT: `local/airgate/ota`, `local/airgate/sms`, `local/airgate/link`,
/// `local/airgate/budget`, with the fields that the event has on the JSON door. Link and budget are states and retained; the
/// others happen once.
pub fn announcement(event: &Event) -> Option<(Message, bool)> {
    let mut fields = match serde_json::to_value(event) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => return None,
    };
    let name = fields.remove("event")?;
    let topic = format!("{ANNOUNCED}{}", name.as_str()?);
    let payload = serde_json::Value::Object(fields).to_string().into_bytes();
    let message = Message { topic, payload, qos: Qos::AtLeastOnce };
    Some((message, matches!(event, Event::Link(_) | Event::Budget(_))))
}

/// Where the daemon's own words are; no program publishes there.
pub const ANNOUNCED: &str = "local/airgate/";
/// Where text messages are: a filter that matches it is not enough, see [`Hears`].
pub const TEXTS: &str = "local/airgate/sms";

/// A program's message, named and weighed.
#[derive(Clone, Debug, PartialEq)]
pub enum Outgoing {
    /// For the cloud.
    Up(outbox::Message),
    /// For the programs of this host.
    Local(Message),
}

impl Router {
    /// A program came; what is for it goes to `mailbox`.
    pub async fn join(&self, id: ProgramId, mailbox: Arc<Mailbox>, hears: Hears) {
        self.ask(Request::Join(id, mailbox, hears)).await;
    }

    /// A program went; what it did not acknowledge goes back to its durable accounts.
    pub async fn leave(&self, id: ProgramId, unacknowledged: Vec<Item>) {
        self.ask(Request::Leave(id, unacknowledged)).await;
    }

    /// Gives a program the durable account `name`, with what was kept. Tells whether it was there before; `None` when the
    /// daemon stops.
    pub async fn attach(&self, name: Name, owner: ProgramId) -> Option<(DurableId, bool)> {
        let (reply, attached) = oneshot::channel();
        self.ask(Request::Attach(name, owner, reply)).await;
        attached.await.ok()
    }

    /// The durable account `name` ends, with what was kept.
    pub async fn forget(&self, name: Name) {
        self.ask(Request::Forget(name)).await;
    }

    /// What matches `filter` is wanted, with at most this QoS.
    ///
    /// # Errors
    /// There is no room for another filter.
    pub async fn subscribe(&self, account: Account, filter: String, qos: Qos) -> Result<(), NotSubscribed> {
        let (reply, subscribed) = oneshot::channel();
        self.ask(Request::Subscribe(account, filter, qos, reply)).await;
        // The router runs as long as the daemon.
        subscribed.await.unwrap_or(Ok(()))
    }

    /// `filter` is not wanted any more.
    pub async fn unsubscribe(&self, account: Account, filter: String) {
        self.ask(Request::Unsubscribe(account, filter)).await;
    }

    /// The durable account `name`, whoever has it, does not want `filter` any more. Its last filter ends it, with what was
    /// kept; tells whether it has ended.
    pub async fn release(&self, name: Name, filter: String) -> bool {
        let (reply, ended) = oneshot::channel();
        self.ask(Request::Release(name, filter, reply)).await;
        ended.await.unwrap_or(true)
    }

    /// A message between programs of this host.
    pub async fn publish(&self, message: Message, retain: bool) {
        self.ask(Request::Publish(message, retain)).await;
    }

    /// Takes from durable accounts the filters that their users may not hold any more. Whoever is connected looks after its
    /// own.
    pub async fn withdraw(&self, permits: Permits) {
        self.ask(Request::Withdraw(permits)).await;
    }

    /// Messages leave by these routes from now on.
    pub fn set_routes(&self, routes: Vec<Route>) {
        self.policies.send_replace(Policies::new(&routes));
        self.routes.send_replace(Arc::new(Routes::new(routes)));
    }

    async fn ask(&self, request: Request) {
        // The router runs as long as the daemon; when it stops, so do the doors.
        let _ = self.requests.send(request).await;
    }

    /// Who is there.
    pub fn status(&self) -> watch::Receiver<RouterStatus> {
        self.status.clone()
    }

    /// How a message is joined with others, if it may be.
    pub fn batch(&self, message: &outbox::Message) -> Option<Batch> {
        self.policies.borrow().get(message.batch).copied()
    }

    /// The message as it leaves: under its route's name and with its route's policy.
    ///
    /// It expires only when somebody said so; `now_unix_ms` is the outbox's time, which does not jump.
    pub fn outgoing(&self, publish: Publish, uid: u32, now_unix_ms: u64) -> Outgoing {
        // [router-4]
        let routes = Arc::clone(&self.routes.borrow());
        let route = (!is_local(&publish.topic)).then(|| routes.of(&publish.topic)).flatten();
        let ttl = publish.ttl_s.map(|s| Duration::from_secs(u64::from(s.get())));
        let ttl = ttl.or_else(|| route.and_then(|r| r.ttl));
        let expires = |ttl: Duration| now_unix_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let qos = match route.and_then(|r| r.qos) {
            Some(0) => Qos::AtMostOnce,
            Some(_) => Qos::AtLeastOnce,
            None => publish.qos,
        };
        let renamed = route.and_then(|r| Some(route::rename(&r.from, r.to.as_ref()?, &publish.topic)));
        let topic = renamed.unwrap_or(publish.topic);
        if is_local(&topic) {
            return Outgoing::Local(Message { topic, payload: publish.payload, qos });
        }
        // Words of the thing model get an envelope of their own.
        let joins = route.filter(|_| !topic.starts_with('$'));
        let batch = joins.and_then(|r| Some(BatchId::new(&r.from, r.batch.as_ref()?)));
        Outgoing::Up(outbox::Message {
            topic,
            payload: Bytes::from(publish.payload),
            qos: match qos {
                Qos::AtMostOnce => outbox::Qos::AtMostOnce,
                Qos::AtLeastOnce => outbox::Qos::AtLeastOnce,
            },
            priority: route.and_then(|r| r.priority).unwrap_or(publish.priority.get()),
            expires_unix_ms: ttl.map(expires),
            uid,
            key: publish.key,
            batch,
        })
    }
}
