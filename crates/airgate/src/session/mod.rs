//! The session: signs in, says what the cloud wants said, carries messages up and down, and starts over when it ends.
//!
//! A device that fetches its credential by itself registers before its first sign-in: see `enrolling.rs`.
//!
//! * [session-1] A message leaves the outbox when the cloud has acknowledged it; anything else puts it back in its place.
//! * [session-2] Order is kept: when one publication fails, those handed over behind it fail with it.
//! * [session-3] A message that the module refuses again and again on a living session is given up and told, so that
//!   it does not hold up all others for ever.

pub mod clock;
mod dialogue;
mod enrol;
mod enrolling;
mod keeper;
mod pace;
pub mod retry;
mod sending;
mod thrown;
mod trouble;

use crate::batch::Batches;
use crate::budget::{LOOK_EVERY, Quota};
use crate::cloud::{self, Identity};
use crate::config::{Budget, Config};
use crate::outbox::Outbox;
use crate::router::SessionEnds;
use crate::service::pulse::Pulse;
use crate::service::warnings::Warning;
use crate::status::{LinkStatus, Trouble, unix_ms};
use crate::store::Store;
use crate::uplink::Uplink;
use air780e::link::Down;
use air780e::{Event, PublishError};
use airgate_proto::LinkState;
use dialogue::{Asked, Talk};
use enrolling::{Enrolment, Step};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use iotcloud::aliyun::Dialogue;
use iotcloud::{Cloud, Moment};
use pace::Pace;
use retry::{Ending, Retry};
use std::collections::BTreeMap;
use std::time::Duration;
use thrown::Thrown;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

pub use dialogue::Asker;

/// Publications handed to the uplink: one on the line, the next ready behind it.
const WINDOW: usize = 2;
/// Bytes of a signature as a password: HMAC-SHA256 in hexadecimal.
const PASSWORD: usize = 64;
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

/// What was handed to the uplink.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Sent {
    /// Messages of programs, in one publication.
    Messages(Vec<u64>),
    /// A part of the cloud's dialogue; it is said again at the next sign-in.
    Dialogue,
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
                () = until(batch_due) => self.send_due(),
                outgoing = self.parts.outbox.next(), if may_send => self.send(outgoing),
            }
        }
        self.goodbye().await;
    }

    /// Becomes who the configuration and the module say that we are.
    fn identify(&mut self) {
        match cloud::build(&self.parts.config.cloud, self.imei.as_deref()) {
            Ok(None) => {}
            Ok(Some(identity)) => {
                match identity {
                    Identity::Ready(cloud) => self.cloud = Some(*cloud),
                    Identity::Registers(device) => self.registers(device),
                }
                let device = cloud::device(&self.parts.config.cloud, self.imei.as_deref());
                self.status.send_modify(|status| status.device = device);
                if self.state == State::Unknown {
                    self.state = State::Waiting(Instant::now());
                }
            }
            Err(error) => self.trouble(trouble::bad_identity(&error)),
        }
    }

    fn sign_in(&mut self) {
        let Some(cloud) = &self.cloud else { return };
        let sign_in = cloud.sign_in(&Moment::new(unix_ms(), random()));
        self.lead_dialogue();
        self.sign_in = Some(sign_in);
        self.state = State::SigningIn;
        self.began();
    }

    /// An attempt begins, with `self.sign_in`.
    fn began(&mut self) {
        self.attempt += 1;
        self.retry.began(Instant::now().into_std());
        self.status.send_modify(|status| {
            status.attempts += 1;
            status.next_try_unix_ms = None;
        });
        let texts = self.sign_in.as_ref().map_or(0, |s| {
            let user = s.username.as_ref().map_or(0, String::len);
            s.client_id.len() + user + s.password.as_ref().map_or(0, |_| PASSWORD)
        });
        let told = self.parts.quota.signs_in(texts);
        self.charged(told);
        self.want();
    }

    /// Tells the uplink what is wanted of it.
    fn want(&mut self) {
        let mut filters = BTreeMap::new();
        // The answer to a registration comes unasked.
        if self.state != State::Enrolling
            && let Some(cloud) = &self.cloud
        {
            let wanted = self.parts.ends.wanted.borrow_and_update().clone();
            if let Some(machine) = &mut self.talk.machine {
                machine.want(&wanted);
                filters = machine.filters().into_iter().map(|(filter, qos)| (filter, number(qos))).collect();
            }
            for filter in wanted.iter().filter(|filter| self.talk.machine.is_none() || !Dialogue::is_word(filter)) {
                match cloud.expand(filter) {
                    Ok(long) => drop(filters.entry(long).or_insert(1)),
                    Err(error) => tracing::warn!(filter, %error, "the cloud does not take this filter"),
                }
            }
        }
        let session = match self.state {
            State::SigningIn | State::Online | State::Enrolling => {
                self.sign_in.as_ref().map(|sign_in| (self.attempt, sign_in))
            }
            State::Unknown | State::Waiting(_) => None,
        };
        if let Err(error) = self.parts.uplink.want(session, filters) {
            self.offline(trouble::cannot_sign_in(&error), Ending::Refused);
        }
    }

    async fn on_event(&mut self, event: Event) {
        if let Event::Message(message) = &event {
            let told = self.parts.quota.receives(message.topic.len(), message.payload.len());
            self.charged(told);
        }
        match event {
            Event::Identified(identity) => {
                let changed = self.imei.replace(identity.imei.clone()).is_some_and(|old| old != identity.imei);
                if changed {
                    tracing::warn!(imei = identity.imei, "another module");
                }
                self.identify();
            }
            Event::Online(attempt) if attempt == self.attempt && self.state == State::Enrolling => {
                self.registration_accepted();
            }
            Event::Online(attempt) if attempt == self.attempt => self.online(),
            Event::Offline(attempt, down) if attempt == self.attempt => self.on_down(&down),
            Event::Online(_) | Event::Offline(..) => {}
            Event::Subscribed(filter) => {
                tracing::debug!(filter, "subscribed");
                self.talk.subscribed(&filter, true);
            }
            Event::NotSubscribed(filter, failure) => {
                self.talk.subscribed(&filter, false);
                tracing::warn!(filter, %failure, "not subscribed; it is tried again once a minute");
            }
            Event::Message(message) if self.state == State::Enrolling => {
                self.on_registration_message(&message.topic, &message.payload);
            }
            Event::Message(message) => self.on_message(message).await,
        }
    }

    fn online(&mut self) {
        self.state = State::Online;
        self.parts.quota.online(true);
        self.credential_accepted();
        self.retry.online(Instant::now().into_std());
        self.thrown.online(Instant::now().into_std());
        self.open_dialogue();
        self.tell_online();
        self.status.send_modify(|status| {
            status.state = LinkState::Online;
            status.since_unix_ms = unix_ms();
            status.trouble = None;
        });
    }

    fn on_down(&mut self, down: &Down) {
        if *down == Down::Unwanted {
            return;
        }
        if self.state == State::Enrolling {
            return self.registration_down(down);
        }
        let thrown = self.thrown.ended(*down == Down::Closed, Instant::now().into_std());
        match (down, &self.cloud) {
            (Down::Refused(_), Some(cloud)) => {
                let refusal = cloud.refusal(None);
                self.on_sign_in_refused(refusal);
            }
            (Down::Unreachable(_), _) => self.offline(trouble::down(down), Ending::Unreached),
            _ => {
                let device = self.status.borrow().device.clone();
                let trouble = thrown.map(|times| trouble::thrown_out(times, device.as_ref()));
                self.offline(trouble.unwrap_or_else(|| trouble::down(down)), Ending::Lost);
            }
        }
    }

    fn on_sign_in_refused(&mut self, mut refusal: iotcloud::Refusal) {
        self.credential_refused();
        match self.refused_hint() {
            Some(hint) => {
                hint.clone_into(&mut refusal.hint);
                self.offline(trouble::refused(&refusal), Ending::Refused);
            }
            None if self.retry.is_last_doubt() => {
                self.offline(trouble::stopped(&refusal, self.retry.refusals() + 1), Ending::Refused);
            }
            None => self.offline(trouble::refused(&refusal), Ending::Refused),
        }
    }

    fn offline(&mut self, trouble: Trouble, ending: Ending) {
        self.talk.offline();
        self.put_back(&[]);
        self.parts.quota.online(false);
        let now = Instant::now();
        let due = self.retry.ended(ending, now.into_std(), dice());
        let wait = due.saturating_duration_since(now.into_std());
        self.state = State::Waiting(now + wait);
        if ending == Ending::Refused {
            let (times, next) = (self.retry.refusals(), wait.as_secs());
            tracing::error!(
                event = "sign_in_refused",
                code = trouble.code,
                times,
                "{}; {}; next try in {next} s",
                trouble.message,
                trouble.hint
            );
        } else if trouble.code == trouble::IDENTITY_TAKEN {
            let next = wait.as_secs_f64();
            tracing::error!(
                event = "identity_taken",
                code = trouble.code,
                "{}; {}; next try in {next:.1} s",
                trouble.message,
                trouble.hint
            );
        } else {
            tracing::warn!(
                event = "offline",
                code = trouble.code,
                "offline: {}; next try in {:.1} s",
                trouble.message,
                wait.as_secs_f64()
            );
        }
        self.status.send_modify(|status| {
            status.next_try_unix_ms = Some(unix_ms() + u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
        });
        self.trouble(trouble);
    }

    fn tell_online(&self) {
        let module = self.parts.uplink.status();
        let module = module.borrow();
        let facts = &module.facts;
        tracing::info!(
            event = "online",
            attempt = self.attempt,
            imei = self.imei,
            iccid = facts.iccid.as_ref().map(|iccid| iccid.0.as_str()),
            rsrp = facts.cell.and_then(|cell| cell.rsrp_dbm()),
            operator = facts.operator,
            "online"
        );
    }

    fn on_tariff(&mut self) {
        let budget = self.parts.tariff.borrow_and_update().clone();
        let told = self.parts.quota.set_budget(budget);
        self.charged(told);
    }

    fn trouble(&self, trouble: Trouble) {
        self.status.send_if_modified(|status| {
            let changed = status.state == LinkState::Online || status.trouble.as_ref() != Some(&trouble);
            if status.state == LinkState::Online {
                status.since_unix_ms = unix_ms();
            }
            status.state = LinkState::Offline;
            status.trouble = Some(trouble);
            changed
        });
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
