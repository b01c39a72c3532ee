//! The session: signs in, says what the cloud wants said, carries messages up and down, and starts over when it ends.
//!
//! A device that fetches its credential by itself registers before its first sign-in: see `enrolling.rs`.
//!
//! * [session-1] A message leaves the outbox when the cloud has acknowledged it; anything else puts it back in its place.
//! * [session-2] Order is kept: when one publication fails, those handed over behind it fail with it.
//! * [session-3] A message that the module refuses again and again on a living session is given up and told, so that
//!   it does not hold up all others for ever; one whose length it refuses at once, since it would say so again.
//! * [session-4] A message for which the cloud closes session after session stands aside with those behind it under its topic,
//!   and is tried again, ever more seldom: see `aside.rs`.

mod aside;
pub mod clock;
mod dialogue;
mod enrol;
mod enrolling;
mod keeper;
mod link;
mod pace;
pub mod retry;
mod sending;
mod status;
mod thrown;
mod trouble;

#[cfg(test)]
mod days;

use crate::batch::Batches;
use crate::budget::{LOOK_EVERY, Quota};
use crate::clock::host::unix_ms;
use crate::config::{Budget, Config};
use crate::outbox::Outbox;
use crate::router::SessionEnds;
use crate::service::pulse::Pulse;
use crate::service::warnings::Warning;
use crate::store::Store;
use crate::uplink::Uplink;
use air780e::{Event, PublishError};
use aside::Aside;
use dialogue::{Asked, Talk};
use enrolling::{Enrolment, Step};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use iotcloud::Cloud;
use iotcloud::aliyun::dialogue::RequestId;
use pace::Pace;
use retry::Retry;
use std::collections::BTreeMap;
use std::time::Duration;
use thrown::Thrown;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use dialogue::Asker;
pub use status::{LinkStatus, Trouble};

/// Publications handed to the uplink: one on the line, the next ready behind it.
const WINDOW: usize = 2;
/// How long the orderly end may take: two short commands, and the acknowledgement that may just be coming.
const GOODBYE: Duration = Duration::from_secs(5);

/// Everything that the session works with.
pub struct Parts {
    /// The configuration.
    pub config: Config,
    /// Where credentials are kept that the cloud handed out.
    pub store: Store,
    /// The way out.
    pub uplink: Uplink,
    /// What the uplink tells.
    pub events: mpsc::Receiver<Event>,
    /// What waits to be sent.
    pub outbox: Outbox,
    /// What goes over the air.
    pub quota: Quota,
    /// To and from the programs.
    pub ends: SessionEnds,
    /// What may leave together.
    pub batches: Batches,
    /// The longest payload that one publication carries, in bytes.
    pub max_payload: usize,
    /// Our own warnings, for the cloud's log.
    pub warnings: Option<mpsc::Receiver<Warning>>,
    /// What the SIM card's tariff includes, when that has changed.
    pub tariff: watch::Receiver<Option<Budget>>,
    /// Answers whether the session still works.
    pub pulse: Pulse,
}

/// The running session.
#[derive(Debug)]
pub struct Handle {
    /// Where the link stands.
    pub status: watch::Receiver<LinkStatus>,
    /// What time it is, once it is known.
    pub clock: watch::Receiver<Option<clock::Reading>>,
    /// Asks the cloud on behalf of programs.
    pub asker: Asker,
    stop: oneshot::Sender<()>,
    ended: tokio::task::JoinHandle<()>,
}

impl Handle {
    /// Ends it: signs off, and puts back what is not acknowledged.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        // A session that panicked has ended, too.
        let _ = self.ended.await;
    }
}

/// Starts the session in the current runtime.
pub fn start(parts: Parts) -> Handle {
    let (status_tx, status) = watch::channel(LinkStatus::default());
    let (stop, stopped) = oneshot::channel();
    let (clock_tx, clock) = watch::channel(None);
    let (asker, asked) = Asker::new();
    let ended = tokio::spawn(Session::new(parts, status_tx, clock_tx, asked).run(stopped));
    Handle { status, clock, asker, stop, ended }
}

/// Messages of programs, in one publication.
#[derive(Debug)]
struct Messages {
    /// Their numbers, in order.
    seqs: Vec<u64>,
    /// As the outbox names it.
    topic: String,
    /// What the module is given, in bytes.
    bytes: usize,
}

/// What was handed to the uplink.
#[derive(Debug)]
enum Sent {
    Messages(Messages),
    /// A part of the cloud's dialogue, perhaps a request; what the dialogue says by itself is said again at the next sign-in.
    Dialogue(Option<RequestId>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until our identity is known.
    Unknown,
    /// Until the next sign-in is due.
    Waiting(Instant),
    /// Registering.
    Enrolling,
    /// Signing in, or up.
    SigningIn,
    Online,
}

struct Session {
    parts: Parts,
    status: watch::Sender<LinkStatus>,
    cloud: Option<Cloud>,
    /// Of a device that registers.
    enrolment: Option<Enrolment>,
    imei: Option<String>,
    state: State,
    attempt: u64,
    sign_in: Option<iotcloud::SignIn>,
    retry: Retry,
    thrown: Thrown,
    aside: Aside,
    pace: Pace,
    talk: Talk,
    asked: mpsc::Receiver<Asked>,
    clock: watch::Sender<Option<clock::Reading>>,
    in_flight: FuturesUnordered<BoxFuture<'static, (Sent, Result<(), PublishError>)>>,
    refused: Option<(u64, u32)>,
    /// The least urgent priority that may go out.
    floor: u8,
}

impl Session {
    fn new(
        parts: Parts,
        status: watch::Sender<LinkStatus>,
        clock: watch::Sender<Option<clock::Reading>>,
        asked: mpsc::Receiver<Asked>,
    ) -> Self {
        let most =
            parts.config.cloud.max_rate.map(|rate| (usize::try_from(rate.count).unwrap_or(usize::MAX), rate.per));
        Self {
            parts,
            status,
            pace: Pace::new(most),
            cloud: None,
            enrolment: None,
            imei: None,
            state: State::Unknown,
            attempt: 0,
            sign_in: None,
            retry: Retry::default(),
            thrown: Thrown::default(),
            aside: Aside::default(),
            talk: Talk::new(),
            asked,
            clock,
            in_flight: FuturesUnordered::new(),
            refused: None,
            floor: 0,
        }
    }

    async fn run(mut self, mut stopped: oneshot::Receiver<()>) {
        self.identify();
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            self.carry_out().await;
            self.say();
            let paced_until = self.paced_until();
            let may_send = paced_until.is_none() && self.has_room() && self.talk.to_say.is_empty();
            let batch_due = self.batch_due().filter(|_| may_send);
            let talk_due = self.talk.due();
            let aside_until = self.aside.until().map(Instant::from);
            let due = match self.state {
                State::Waiting(until) => Some(until),
                State::Enrolling => self.enrolment.as_ref().and_then(Enrolment::deadline),
                _ => None,
            };
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                Some((sent, outcome)) = self.in_flight.next() => self.on_sent(sent, outcome),
                event = self.parts.events.recv() => match event {
                    Some(event) => self.on_event(event).await,
                    None => break,
                },
                Ok(()) = self.parts.ends.wanted.changed() => self.want(),
                Ok(()) = self.parts.ends.policies.changed() => self.join_anew(),
                () = until(due) => self.attempt(),
                () = until(talk_due) => self.talk.tick(),
                // What waits for it is looked at above.
                () = until(paced_until) => {}
                Some(asked) = self.asked.recv() => self.on_asked(asked),
                Some((call, programs)) = self.talk.delivered.next() => self.talk.delivered(&call, programs),
                Some(warning) = next_warning(&mut self.parts.warnings) => self.talk.log(warning.into()),
                step = enrolled(&mut self.enrolment) => match step {
                    Step::Kept(outcome) => self.on_kept(outcome),
                    Step::Https(outcome) => self.on_https(outcome),
                },
                () = self.parts.pulse.beat() => {}
                Ok(()) = self.parts.tariff.changed() => self.on_tariff(),
                _ = look.tick() => {
                    let told = self.parts.quota.look();
                    self.charged(told);
                }
                () = until(aside_until) => self.let_go(),
                () = until(batch_due) => self.send_due(),
                outgoing = self.parts.outbox.next(), if may_send => self.send(outgoing),
            }
        }
        self.goodbye().await;
    }

    fn on_tariff(&mut self) {
        let budget = self.parts.tariff.borrow_and_update().clone();
        let told = self.parts.quota.set_budget(budget);
        self.charged(told);
    }

    /// Milliseconds since 1970, by the best clock there is: that of a host without a battery is wrong after each start.
    fn unix_ms(&self) -> u64 {
        let module = self.parts.uplink.status();
        let network = module.borrow().facts.network_time;
        let known = clock::best(*self.clock.borrow(), network);
        known.map_or_else(unix_ms, |reading| reading.at(Instant::now().into_std()))
    }

    async fn goodbye(mut self) {
        self.state = State::Unknown;
        let end = async {
            if let Some(enrolment) = &mut self.enrolment {
                enrolment.settled().await;
            }
            // The one on the line may be acknowledged just now; what waits behind it is put back.
            while let Some((sent, outcome)) = self.in_flight.next().await {
                self.on_sent(sent, outcome);
            }
            let _ = self.parts.uplink.want(None, BTreeMap::new());
            // Asked behind the steps that end the session.
            let _ = self.parts.uplink.ask("AT").await;
        };
        if tokio::time::timeout(GOODBYE, end).await.is_err() {
            tracing::warn!("the module did not answer the farewell; the session is left to end by itself");
        }
    }
}

async fn enrolled(enrolment: &mut Option<Enrolment>) -> Step {
    match enrolment {
        Some(enrolment) => enrolment.step().await,
        None => std::future::pending().await,
    }
}

async fn next_warning(warnings: &mut Option<mpsc::Receiver<Warning>>) -> Option<Warning> {
    match warnings {
        Some(warnings) => warnings.recv().await,
        None => None,
    }
}

async fn answered<T>(waiting: &mut Option<BoxFuture<'static, T>>) -> T {
    match waiting {
        Some(waiting) => waiting.await,
        None => std::future::pending().await,
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn number(qos: iotcloud::Qos) -> u8 {
    match qos {
        iotcloud::Qos::AtMostOnce => 0,
        iotcloud::Qos::AtLeastOnce => 1,
    }
}

/// A random number for a signature or a pause.
pub fn random() -> u64 {
    let mut bytes = [0; 8];
    // Without randomness the kernel is not up yet; a retry that comes at the same time as another is no harm.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    u64::from_ne_bytes(bytes)
}

/// Evenly spread over 0 to 1.
fn dice() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}
