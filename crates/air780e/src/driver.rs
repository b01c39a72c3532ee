//! The driver: the one task that owns the serial port.
//!
//! It feeds the [`Engine`] with bytes and the [`Link`] with what the engine understood, puts on the line what comes
//! next, and hands what users asked for back to them. Steps of the link come before publications, and those before
//! questions from the console.

use crate::command::mqtt::{MAX_INLINE, MAX_PAYLOAD, PublishBytes, PublishText, acknowledgement};
use crate::command::{TooLong, exchange};
use crate::engine::{Engine, Event as Line};
use crate::exchange::{Exchange, Failure, Outcome};
use crate::ladder::{Fault, Heal, Ladder, Notice as Rescue, Rung};
use crate::link::{Down, Link, Notice, Options};
use crate::modem::{Event, Publication, PublishError, Recovery, Request};
use crate::port::Opener;
use crate::rate::{Rate, Turn, Wanted};
use crate::session::{Desired, check_topic};
use crate::status::{Phase, Status};
use crate::step::{Seen, Step};
use crate::urc::Urc;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

/// Publications that wait for the line; a user hands over the next while one is in flight.
const MAX_WAITING: usize = 8;
/// How often a port that cannot be opened is tried again. A USB module needs some 5 s to come back after a reset.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// A line of command leaves the slowest port within this time.
const DRAIN: Duration = Duration::from_millis(50);

/// Channels between the driver and its users.
pub(crate) struct Channels {
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) desired: watch::Receiver<Desired>,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) urcs: broadcast::Sender<Urc>,
}

/// What a command on the line was for.
enum Purpose {
    Step(Step),
    /// And whether the broker acknowledges it.
    Publication(oneshot::Sender<Result<(), PublishError>>, bool),
    Question(oneshot::Sender<Outcome>),
}

struct Waiting<T> {
    exchange: Exchange,
    reply: oneshot::Sender<T>,
}

/// Everything but the port.
pub(crate) struct Driver {
    engine: Engine,
    link: Link,
    rate: Rate,
    /// The rate has to change before anything else is sent.
    turn: Option<Turn>,
    /// Nobody answers at this port.
    elsewhere: bool,
    ladder: Ladder,
    last_heal: Option<Heal>,
    recovery: Recovery,
    /// What `recovery.note` was told last.
    noted: Option<Bytes>,
    in_flight: HashMap<u64, Purpose>,
    next_ticket: u64,
    publications: VecDeque<Waiting<Result<(), PublishError>>>,
    questions: VecDeque<Waiting<Outcome>>,
    /// Whose turn it is when both publications and questions wait: neither starves the other.
    question_next: bool,
    channels: Channels,
}

impl Driver {
    pub(crate) fn new(wanted: Wanted, options: Options, mut recovery: Recovery, channels: Channels) -> Self {
        let now = now();
        let noted = recovery.interrupted.take();
        let rate = Rate::new(wanted);
        Self {
            engine: Engine::new(rate.current(), now).owing(noted.clone()),
            link: Link::new(options, now),
            rate,
            turn: None,
            elsewhere: false,
            last_heal: None,
            ladder: Ladder::new(recovery.budget, recovery.reset.is_some(), now),
            recovery,
            noted,
            in_flight: HashMap::new(),
            next_ticket: 0,
            publications: VecDeque::new(),
            questions: VecDeque::new(),
            question_next: false,
            channels,
        }
    }

    /// Drives whatever port `opener` gives, again and again, until all users are gone.
    pub(crate) async fn run<S, O>(mut self, mut opener: O)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        O: Opener<S>,
    {
        let mut told = None;
        let mut same = false;
        loop {
            let ended = match opener.open(self.rate.current()) {
                Ok(port) => {
                    told = None;
                    self.opened(same);
                    self.drive(port, &mut opener).await
                }
                Err(error) => Ended::PortLost(error),
            };
            same = matches!(ended, Ended::Retuned);
            let error = match ended {
                Ended::Unused => return,
                Ended::Retuned => continue,
                Ended::PortLost(error) => {
                    if error.kind() == io::ErrorKind::InvalidInput {
                        self.rate.impossible();
                    }
                    error.to_string()
                }
                Ended::Silent => "nobody answers there".to_owned(),
            };
            if told.as_ref() != Some(&error) {
                tracing::warn!(
                    event = "port_unusable",
                    "the serial port cannot be used: {error}; trying again every second"
                );
                told = Some(error.clone());
            }
            self.port_lost(error);
            if !self.wait_for_port().await {
                return;
            }
        }
    }

    /// There is a port; the `same` one at another rate, or one of which nothing is known.
    fn opened(&mut self, same: bool) {
        let (baud, now) = (self.rate.current(), now());
        if same {
            self.engine.retuned(baud, now);
        } else {
            self.engine.set_baud(baud);
            self.engine.port_opened(now);
        }
    }

    /// Refuses what is asked for while there is no port. Tells whether anybody is left to ask.
    async fn wait_for_port(&mut self) -> bool {
        let reopen = tokio::time::sleep(REOPEN_EVERY);
        tokio::pin!(reopen);
        loop {
            tokio::select! {
                () = &mut reopen => return true,
                request = self.channels.requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => return false,
                },
                changed = self.channels.desired.changed() => if changed.is_err() { return false } else { self.want() },
            }
            self.pump(now());
        }
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(&mut self, port: S, opener: &mut impl Opener<S>) -> Ended {
        let (mut reader, mut writer) = tokio::io::split(port);
        let mut input = [0; 4096];
        let mut output = Bytes::new();
        self.want();
        loop {
            self.pump(now());
            if let Some(turn) = self.turn.take() {
                return turn_over(turn, &mut writer).await;
            }
            if std::mem::take(&mut self.elsewhere) && opener.elsewhere() {
                return Ended::Silent;
            }
            if output.is_empty() {
                output = self.engine.take_output();
            }
            let wake_at = self.wake_at();
            tokio::select! {
                read = reader.read(&mut input) => match read {
                    Ok(0) => return Ended::PortLost(io::ErrorKind::UnexpectedEof.into()),
                    Ok(len) => self.engine.receive(input.get(..len).unwrap_or_default(), now()),
                    Err(error) => return Ended::PortLost(error),
                },
                // Never flushed: on a serial port that would block the whole thread until the last bit is out.
                written = writer.write(&output), if !output.is_empty() => match written {
                    Ok(len) => drop(output.split_to(len.min(output.len()))),
                    Err(error) => return Ended::PortLost(error),
                },
                request = self.channels.requests.recv(), if self.has_room() => match request {
                    Some(request) => self.request(request),
                    None => return Ended::Unused,
                },
                changed = self.channels.desired.changed() => match changed {
                    Ok(()) => self.want(),
                    Err(_) => return Ended::Unused,
                },
                () = tokio::time::sleep_until(wake_at.into()) => self.engine.tick(now()),
            }
        }
    }

    fn has_room(&self) -> bool {
        self.publications.len() < MAX_WAITING && self.questions.len() < MAX_WAITING
    }

    fn wake_at(&self) -> Instant {
        // While the line is taken, the link has no say: its next step comes when the line is free.
        let link = self.may_step().then(|| self.link.wake_at(now()));
        let all = [self.engine.wake_at(), link, self.rate.wake_at(), self.ladder.wake_at(now())];
        let wake_at = all.into_iter().flatten().min();
        wake_at.unwrap_or_else(|| now() + Duration::from_secs(60))
    }

    fn may_step(&self) -> bool {
        self.engine.is_free() && !self.in_flight.values().any(|purpose| matches!(purpose, Purpose::Step(_)))
    }

    fn want(&mut self) {
        let desired = self.channels.desired.borrow_and_update().clone();
        self.link.want(desired);
    }

    /// Brings engine, link and users up to date with each other, until nothing is left to do now.
    fn pump(&mut self, now: Instant) {
        self.engine.tick(now);
        self.recover(now);
        self.tune(now);
        loop {
            while let Some(event) = self.engine.next_event() {
                self.on_line(event, now);
            }
            while let Some(notice) = self.link.next_notice() {
                self.on_notice(notice);
            }
            if !self.start_next(now) {
                break;
            }
        }
        self.refuse_what_cannot_go();
        self.note();
        self.show();
    }

    /// What was begun here has yet to leave.
    fn note(&mut self) {
        let due = self.engine.payload_due();
        if due != self.noted.as_ref() {
            self.noted = due.cloned();
            if let Some(note) = &mut self.recovery.note {
                note(self.noted.as_deref());
            }
        }
    }

    /// Asks whether the line has to run at another rate, and whether the module has to be told of one.
    fn tune(&mut self, now: Instant) {
        if let Some(turn) = self.rate.observe(self.engine.is_lost(), now) {
            tracing::info!(baud = turn.to, "no answer: trying {} bit/s", turn.to);
            self.turn = Some(turn);
        }
        if let Some(step) = self.rate.take_step() {
            self.link.tune(step);
        }
    }

    /// The module was asked for another rate.
    fn asked_for_rate(&mut self, rate: u32, seen: &Result<Seen, Failure>) {
        let refused = matches!(seen, Err(Failure::Refused(_)));
        self.turn = self.rate.asked(rate, seen.is_ok(), refused);
        match seen {
            Ok(_) => tracing::info!(baud = rate, "the line runs at {rate} bit/s from now on"),
            Err(failure) => tracing::warn!(baud = rate, %failure, "the line does not run at {rate} bit/s"),
        }
    }

    /// Asks the ladder whether something has to be done about a fault that lasts, and does it.
    fn recover(&mut self, now: Instant) {
        if !self.link.is_climbing() {
            self.ladder.carried_out(now);
        }
        self.ladder.observe(self.link.fault(), now);
        let day = std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs() / 86_400);
        if let Some(rung) = self.ladder.next(now, day) {
            self.link.climb(rung);
            let evidence = self.link.fault().map_or("", Fault::as_str);
            tracing::warn!(
                event = "recovery_step",
                rung = rung.as_str(),
                evidence,
                "recovery: {}, since {evidence}",
                rung.as_str()
            );
            if let (Rung::Hardware, Some(reset)) = (rung, &self.recovery.reset) {
                reset();
            }
        }
        while let Some(notice) = self.ladder.next_notice() {
            match notice {
                Rescue::Healed(heal) => {
                    let (rung, seconds) = (heal.rung.as_str(), heal.took.as_secs());
                    match heal.healed {
                        true => {
                            tracing::info!(
                                event = "recovery_healed",
                                rung,
                                seconds,
                                "recovery: {rung} has healed it after {seconds} s"
                            );
                        }
                        false => {
                            tracing::warn!(
                                event = "recovery_failed",
                                rung,
                                seconds,
                                "recovery: {rung} has not healed it in {seconds} s"
                            );
                        }
                    }
                    self.last_heal = Some(heal);
                }
                Rescue::Spent(fault) => {
                    let evidence = fault.as_str();
                    tracing::error!(
                        event = "recovery_spent",
                        evidence,
                        "recovery has done for today what it may; {evidence}, and it waits"
                    );
                }
                Rescue::BudgetChanged(_) => {}
            }
        }
    }

    fn on_line(&mut self, event: Line, now: Instant) {
        match event {
            Line::Done(ticket, outcome) => self.done(ticket, outcome, now),
            Line::Urc(urc) => {
                self.link.on_urc(&urc, now);
                // Nobody may be listening.
                let _ = self.channels.urcs.send(urc);
            }
            Line::Message(message) => self.tell(Event::Message(message)),
            Line::Broken(broken) => {
                tracing::warn!(%broken, "bytes were lost on the serial line");
                self.rate.troubled(now);
            }
            Line::Synchronised => {
                self.link.answers(true);
                self.rate.answered();
                self.tune(now);
            }
            Line::Echoes => self.link.echoes(),
            Line::Silent => {
                tracing::warn!(event = "module_silent", "the module does not answer");
                self.link.answers(false);
                self.elsewhere = true;
            }
        }
    }

    fn on_notice(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Identified(identity) => {
                tracing::info!(
                    event = "module",
                    model = identity.model,
                    firmware = identity.firmware,
                    imei = identity.imei,
                    "module"
                );
                Event::Identified(identity)
            }
            Notice::Online(attempt) => Event::Online(attempt),
            Notice::Offline(attempt, reason) => {
                if !matches!(reason, Down::Refused(_) | Down::Unwanted | Down::Rebooted | Down::PortLost) {
                    self.ladder.connection_failed();
                }
                Event::Offline(attempt, reason)
            }
            Notice::Subscribed(filter) => Event::Subscribed(filter),
            Notice::NotSubscribed(filter, failure) => Event::NotSubscribed(filter, failure),
        };
        self.tell(event);
    }

    fn tell(&self, event: Event) {
        if let Err(mpsc::error::TrySendError::Full(event)) = self.channels.events.try_send(event) {
            tracing::error!(?event, "an event was dropped: its reader does not keep up");
        }
    }

    fn done(&mut self, ticket: u64, outcome: Outcome, now: Instant) {
        if outcome == Err(Failure::NoAnswer) {
            self.rate.troubled(now);
        }
        match self.in_flight.remove(&ticket) {
            None => {}
            Some(Purpose::Step(step)) => {
                let seen = outcome.and_then(|information| step.read(&information));
                if let Err(failure) = &seen {
                    tracing::debug!(?step, %failure, "step failed");
                }
                if let Step::SetRate(rate) = step {
                    self.asked_for_rate(rate, &seen);
                }
                if seen == Ok(Seen::SessionState(1)) {
                    self.ladder.confirmed(now);
                }
                self.link.done(step, seen, now);
            }
            Some(Purpose::Publication(reply, acknowledged)) => {
                let outcome = outcome.map(|_| ());
                if outcome.is_ok() && acknowledged {
                    self.ladder.confirmed(now);
                }
                self.link.published(&outcome, now);
                if outcome.is_err() {
                    // Order is kept: what was to follow it fails with it, unsent.
                    self.refuse_publications();
                }
                // Whoever asked may have gone; the publication was made all the same.
                let _ = reply.send(outcome.map_err(PublishError::Failed));
            }
            Some(Purpose::Question(reply)) => {
                let _ = reply.send(outcome);
            }
        }
    }

    /// Puts the next command on the line; tells whether there was one.
    fn start_next(&mut self, now: Instant) -> bool {
        if self.turn.is_some() {
            return false;
        }
        self.start_step(now)
            || match self.question_next {
                true => self.start_question(now) || self.start_publication(now),
                false => self.start_publication(now) || self.start_question(now),
            }
    }

    fn start_step(&mut self, now: Instant) -> bool {
        if !self.may_step() {
            return false;
        }
        let Some(step) = self.link.next(now) else { return false };
        match step.exchange() {
            // A step that has to wait for an acknowledgement is named again afterwards.
            Ok(exchange) if !self.engine.can_start(&exchange) => false,
            Ok(exchange) => {
                self.start(exchange, Purpose::Step(step), now);
                true
            }
            Err(too_long) => {
                self.link.done(step, Err(too_long.into()), now);
                true
            }
        }
    }

    fn start_publication(&mut self, now: Instant) -> bool {
        let next = self.publications.front();
        if !self.link.may_publish() || !next.is_some_and(|next| self.engine.can_start(&next.exchange)) {
            return false;
        }
        let Some(Waiting { exchange, reply }) = self.publications.pop_front() else { return false };
        self.question_next = true;
        let acknowledged = exchange.follow_up.is_some();
        self.start(exchange, Purpose::Publication(reply, acknowledged), now);
        true
    }

    fn start_question(&mut self, now: Instant) -> bool {
        // Who asked may have run out of time.
        self.questions.retain(|question| !question.reply.is_closed());
        if !self.questions.front().is_some_and(|next| self.engine.can_start(&next.exchange)) {
            return false;
        }
        let Some(Waiting { exchange, reply }) = self.questions.pop_front() else { return false };
        self.question_next = false;
        self.start(exchange, Purpose::Question(reply), now);
        true
    }

    fn start(&mut self, exchange: Exchange, purpose: Purpose, now: Instant) {
        self.next_ticket += 1;
        self.in_flight.insert(self.next_ticket, purpose);
        self.engine.start(self.next_ticket, exchange, now);
    }

    fn request(&mut self, request: Request) {
        match request {
            Request::Publish(publication, reply) => match publication_exchange(&publication) {
                Ok(exchange) => self.publications.push_back(Waiting { exchange, reply }),
                Err(error) => drop(reply.send(Err(error))),
            },
            Request::Ask(exchange, reply) => self.questions.push_back(Waiting { exchange, reply }),
        }
    }

    /// Publications do not wait for a session: who publishes keeps them and hears at once that there is none.
    fn refuse_what_cannot_go(&mut self) {
        if self.link.phase() != Phase::Online {
            self.refuse_publications();
        }
    }

    fn refuse_publications(&mut self) {
        for waiting in self.publications.drain(..) {
            let _ = waiting.reply.send(Err(PublishError::Offline));
        }
    }

    fn port_lost(&mut self, error: String) {
        let now = now();
        self.engine.port_lost();
        self.pump(now);
        self.link.port_lost();
        self.rate.port_lost();
        (self.turn, self.elsewhere) = (None, false);
        self.pump(now);
        for waiting in self.questions.drain(..) {
            let _ = waiting.reply.send(Err(Failure::PortLost));
        }
        self.channels.status.send_modify(|status| {
            status.phase = Phase::NoPort;
            status.port_error = Some(error);
        });
    }

    /// Updates the status, and wakes whoever watches it only if something changed besides the counters.
    fn show(&self) {
        let status = Status {
            phase: self.link.phase(),
            identity: self.link.identity().cloned(),
            signal: self.link.signal(),
            registration: self.link.registration(),
            facts: self.link.facts().clone(),
            boots: self.link.boots(),
            budget: self.ladder.budget(),
            last_heal: self.last_heal,
            counters: self.engine.counters(),
            baud: self.rate.current(),
            port_error: None,
        };
        self.channels.status.send_if_modified(|old| {
            let changed = Status { counters: status.counters, ..old.clone() } != status;
            *old = status;
            changed
        });
    }
}

/// Why the driver stopped driving a port.
enum Ended {
    PortLost(io::Error),
    /// The same port is opened again, at another rate.
    Retuned,
    /// Nobody answers there, and there is another port to try.
    Silent,
    Unused,
}

/// Says at the old rate what has to be said there.
async fn turn_over(turn: Turn, writer: &mut (impl AsyncWrite + Unpin)) -> Ended {
    if let Some(rate) = turn.ask_for {
        let line = format!("AT+IPR={rate}\r");
        // Whether it is heard does not matter; a port that takes nothing must not hold anything up.
        let _ = tokio::time::timeout(DRAIN, writer.write_all(line.as_bytes())).await;
        tokio::time::sleep(DRAIN).await;
    }
    Ended::Retuned
}

/// `MPUB` for what is short and plain, `MPUBEX` for everything else. An empty payload goes as text, because the data
/// phase takes at least one byte.
fn publication_exchange(publication: &Publication) -> Result<Exchange, PublishError> {
    let Publication { topic, payload, qos, retain } = publication;
    check_topic(topic)?;
    if payload.len() > MAX_PAYLOAD {
        return Err(PublishError::TooLarge { len: payload.len(), max: MAX_PAYLOAD });
    }
    let retain = u8::from(*retain);
    let plain = payload.len() <= MAX_INLINE && payload.iter().all(|&b| (0x20..0x7f).contains(&b));
    let mut exchange = match std::str::from_utf8(payload) {
        Ok(text) if plain => exchange(&PublishText { topic, qos: *qos, retain, text }),
        _ => exchange(&PublishBytes { topic, qos: *qos, retain, payload: payload.clone() }),
    }
    .map_err(|too_long: TooLong| PublishError::Failed(too_long.into()))?;
    exchange.follow_up = acknowledgement(*qos);
    Ok(exchange)
}

/// The clock of the event loop, which tests can turn.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
