//! One connected program: its requests in, its answers and events out.
//!
//! * [local-1] Each request gets exactly one answer; a publication gets it when it is durable.
//! * [local-2] A program that sends without reading is not read from any more, once it has enough unread.
//! * [local-3] A confirmation is only lost with the connection: whoever wants more asks with a `key`.

use super::Door;
use super::cloud::Calls;
use super::rights::{Caller, Use};
use crate::outbox::{AcceptError, Accepted, Notice};
use crate::router::{FILTERS_PER_PROGRAM, ProgramId, WAITING_PER_PROGRAM};
use crate::status::DAEMON;
use airgate_proto::{
    Code, Done, Dropped, Event, Hello, Id, LineBuffer, LineTooLong, Op, Publish, Refusal, Reply, Request, VERSION,
    parse_line,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeSet, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;

/// Requests of one program that may wait for their answer at once.
const PENDING: usize = 256;
/// Unread bytes from which on a program is not read from any more, and gets no further events.
const UNREAD: usize = 64 * 1024;

/// How long a program that has sent its last request may still wait for confirmations.
const LINGER: Duration = Duration::from_secs(60);

/// What a request that had to wait came to.
pub(super) struct Answered {
    pub(super) reply: Reply,
    /// What was to be confirmed, if it was.
    pub(super) confirm: Option<Confirm>,
}

pub(super) enum Confirm {
    /// Told when it ends.
    Later(u64),
    /// It had been acknowledged before.
    Now(u64),
    /// It was not accepted.
    Never,
}

/// A program on the line.
pub(super) struct Connection {
    pub(super) door: Arc<Door>,
    id: ProgramId,
    pub(super) caller: Caller,
    lines: LineBuffer,
    filters: BTreeSet<String>,
    pub(super) pending: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Publications whose end is to be told.
    confirm: HashSet<u64>,
    /// Publications with `confirm` that are not accepted yet.
    confirm_pending: usize,
    notices: Option<broadcast::Receiver<Notice>>,
    /// What this program may answer.
    pub(super) calls: Calls,
    out: Vec<u8>,
}

impl Connection {
    pub(super) fn new(door: Arc<Door>, id: ProgramId, caller: Caller) -> Self {
        let lines = LineBuffer::new(door.max_line);
        Self {
            door,
            id,
            caller,
            lines,
            filters: BTreeSet::new(),
            pending: FuturesUnordered::new(),
            confirm: HashSet::new(),
            confirm_pending: 0,
            notices: None,
            calls: Calls::default(),
            out: Vec::new(),
        }
    }

    /// Serves the program until it goes.
    pub(super) async fn serve<R, W>(mut self, mut reader: R, mut writer: W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let (events, mut inbox) = mpsc::channel(WAITING_PER_PROGRAM);
        let router = self.door.router.clone();
        router.join(self.id, events).await;
        let mut link = self.door.status.link.clone();
        let (hello, mut told) = {
            let link = link.borrow_and_update();
            let device = link.device.clone();
            let hello = Event::Hello(Hello { version: VERSION, daemon: DAEMON.to_owned(), device, link: link.state });
            (hello, link.event())
        };
        self.out.extend(hello.to_line());

        let mut input = vec![0; 4096];
        // Since when the program has nothing more to ask.
        let mut ended = None;
        let result = loop {
            if ended.is_some() && self.out.is_empty() && self.pending.is_empty() && self.confirm.is_empty() {
                break Ok(());
            }
            let may_read = ended.is_none() && self.pending.len() < PENDING && self.out.len() < UNREAD;
            let may_tell = self.out.len() < UNREAD;
            tokio::select! {
                biased;
                // Before the notices: whoever is told that its message was sent has been told its number.
                Some(answered) = self.pending.next() => self.answer(answered),
                notice = next_notice(&mut self.notices), if may_tell => self.on_notice(notice),
                Some(event) = inbox.recv(), if may_tell => {
                    self.calls.note(&event);
                    self.out.extend(event.to_line());
                }
                Ok(()) = link.changed(), if may_tell => {
                    let now = link.borrow_and_update().event();
                    if now != told {
                        told.clone_from(&now);
                        self.out.extend(Event::Link(now).to_line());
                    }
                }
                written = writer.write(&self.out), if !self.out.is_empty() => match written {
                    Ok(0) => break Ok(()),
                    Ok(len) => drop(self.out.drain(..len)),
                    Err(error) => break Err(error),
                },
                read = reader.read(&mut input), if may_read => match read {
                    Ok(0) => {
                        ended = Some(Instant::now());
                        if let Some(line) = self.lines.finish() {
                            self.on_line(line).await;
                        }
                    }
                    Ok(len) => self.on_bytes(input.get(..len).unwrap_or_default()).await,
                    Err(error) => break Err(error),
                },
                () = linger(ended) => break Ok(()),
            }
        };
        router.leave(self.id).await;
        result
    }

    async fn on_bytes(&mut self, mut bytes: &[u8]) {
        while let Some(line) = self.lines.take_from(&mut bytes) {
            self.on_line(line).await;
        }
    }

    async fn on_line(&mut self, line: Result<Vec<u8>, LineTooLong>) {
        let refusal = match line {
            Ok(line) => match parse_line(&line) {
                Ok(request) => return self.on_request(request).await,
                Err(refusal) => refusal,
            },
            Err(too_long) => Refusal::new(
                None,
                Code::LineTooLong,
                too_long.to_string(),
                "send less at once, or raise max_line under [local] (up to 1 MiB)",
            ),
        };
        self.reply(&Reply::Refused(refusal));
    }

    async fn on_request(&mut self, Request { id, op }: Request) {
        match op {
            Op::Publish(publish) => self.publish(id, publish),
            Op::Subscribe { filter, durable } => self.subscribe(id, filter, durable).await,
            Op::Unsubscribe { filter, .. } => {
                if self.filters.remove(&filter) {
                    self.door.router.unsubscribe(self.id, filter).await;
                }
                self.reply(&Reply::Ok(Done::new(id)));
            }
            Op::Status => {
                let status = Some(self.door.status.now());
                self.reply(&Reply::Ok(Done { status, ..Done::new(id) }));
            }
            Op::Ping => self.reply(&Reply::Ok(Done::new(id))),
            Op::At { command } => self.at(id, command),
            Op::OutboxList { selection, after, payloads } => self.outbox_list(id, selection, after, payloads),
            Op::OutboxDrop(selection) => self.outbox_drop(id, selection),
            Op::Ask(ask) => self.ask(id, ask),
            Op::Answer { call, answer } => self.give_answer(id, call, answer),
            Op::Time => self.reply(&Reply::Ok(Done { data: Some(self.door.status.time()), ..Done::new(id) })),
        }
    }

    fn publish(&mut self, id: Id, publish: Publish) {
        if let Err(refusal) = self.check(&id, &publish) {
            return self.reply(&Reply::Refused(refusal));
        }
        let confirm = publish.confirm;
        if confirm {
            self.confirm_pending += 1;
            // Subscribed before the message can possibly be sent.
            self.notices.get_or_insert_with(|| self.door.outbox.notices());
        }
        let message = self.door.router.outgoing(publish, self.caller.uid, self.door.outbox.now_ms());
        let outbox = self.door.outbox.clone();
        let bound = self.door.rights.max_queued_bytes(&self.caller);
        self.pending.push(Box::pin(async move {
            let (reply, end) = match outbox.accept_within(message, bound).await {
                Ok(Accepted { seq, duplicate, settled }) => {
                    let end = if settled { Confirm::Now(seq) } else { Confirm::Later(seq) };
                    (Reply::Ok(Done { seq: Some(seq), duplicate, ..Done::new(id) }), end)
                }
                Err(error) => (Reply::Refused(not_accepted(id, &error)), Confirm::Never),
            };
            Answered { reply, confirm: confirm.then_some(end) }
        }));
    }

    fn check(&self, id: &Id, publish: &Publish) -> Result<(), Refusal> {
        let refuse = |code, message: String, hint: &str| Err(Refusal::new(id.clone(), code, message, hint));
        if !self.door.rights.allow(&self.caller, Use::Publish, &publish.topic) {
            return Err(self.not_allowed(id.clone(), Use::Publish, &publish.topic));
        }
        if publish.payload.len() > self.door.max_payload {
            let (len, max) = (publish.payload.len(), self.door.max_payload);
            let message = format!("the payload has {len} bytes; one message carries at most {max}");
            return refuse(Code::PayloadTooLarge, message, "split it, or compress it");
        }
        if let Err(error) = self.door.topics.check_message(&publish.topic, &publish.payload) {
            return refuse(
                Code::BadField,
                error,
                "a message of the thing model is a JSON object: see the operation `property`",
            );
        }
        if let Err(error) = self.door.topics.check(&publish.topic) {
            return refuse(Code::BadTopic, error, "use a shorter topic; a relative one is put below the device's own");
        }
        Ok(())
    }

    async fn subscribe(&mut self, id: Id, filter: String, durable: Option<String>) {
        let refusal = if durable.is_some() {
            let hint = "subscribe without `durable`; messages that come while the program is away are not kept";
            Some(Refusal::new(id.clone(), Code::BadField, "durable subscriptions are not in this version", hint))
        } else if !self.door.rights.allow(&self.caller, Use::Subscribe, &filter) {
            Some(self.not_allowed(id.clone(), Use::Subscribe, &filter))
        } else if self.filters.len() >= FILTERS_PER_PROGRAM && !self.filters.contains(&filter) {
            let message = format!("a program has at most {FILTERS_PER_PROGRAM} filters");
            Some(Refusal::new(id.clone(), Code::BadFilter, message, "use a wildcard: + for one level, # for all below"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.reply(&Reply::Refused(refusal));
        }
        self.filters.insert(filter.clone());
        self.door.router.subscribe(self.id, filter).await;
        self.reply(&Reply::Ok(Done::new(id)));
    }

    fn at(&mut self, id: Id, command: String) {
        if !self.door.rights.is_operator(&self.caller) {
            let hint = "ask the administrator for `operator = true` in an [[app]] table";
            let refusal = Refusal::new(id, Code::NotAllowed, "AT commands are for operators", hint);
            return self.reply(&Reply::Refused(refusal));
        }
        let uplink = self.door.uplink.clone();
        self.pending.push(Box::pin(async move {
            let reply = match uplink.ask(&command).await {
                Ok(lines) => Reply::Ok(Done { lines: Some(lines), ..Done::new(id) }),
                Err(failure) => {
                    let hint = "see the AT command manual of the Air780E; `airgate status` tells how the module is";
                    Reply::Refused(Refusal::new(id, Code::Internal, failure.to_string(), hint))
                }
            };
            Answered { reply, confirm: None }
        }));
    }

    pub(super) fn not_allowed(&self, id: Id, what: Use, topic: &str) -> Refusal {
        let verb = if what == Use::Publish { "publish to" } else { "subscribe to" };
        let allowed = self.door.rights.allowed(&self.caller, what);
        let hint = match allowed.is_empty() {
            true => "nothing is granted to this user: see [[app]] in the configuration".to_owned(),
            false => format!("granted: {}; more is given with [[app]] in the configuration", allowed.join(", ")),
        };
        Refusal::new(id, Code::NotAllowed, format!("user {} may not {verb} {topic}", self.caller.uid), hint)
    }

    fn answer(&mut self, Answered { reply, confirm }: Answered) {
        self.reply(&reply);
        let Some(confirm) = confirm else { return };
        self.confirm_pending -= 1;
        match confirm {
            Confirm::Later(seq) => drop(self.confirm.insert(seq)),
            Confirm::Now(seq) => self.out.extend(Event::Sent { seq }.to_line()),
            Confirm::Never => {}
        }
        self.stop_listening();
    }

    fn on_notice(&mut self, notice: Notice) {
        let (Notice::Settled { seq } | Notice::Dropped { seq, .. }) = notice;
        if !self.confirm.remove(&seq) {
            return;
        }
        let event = match notice {
            Notice::Settled { seq } => Event::Sent { seq },
            Notice::Dropped { seq, reason } => Event::Dropped(Dropped { seq, reason: reason.as_str().to_owned() }),
        };
        self.out.extend(event.to_line());
        self.stop_listening();
    }

    fn stop_listening(&mut self) {
        if self.confirm.is_empty() && self.confirm_pending == 0 {
            self.notices = None;
        }
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        self.out.extend(reply.to_line());
    }
}

/// Nobody can tell a program that only waits from one that has gone: it waits a bounded time.
async fn linger(ended: Option<Instant>) {
    match ended {
        Some(since) => tokio::time::sleep_until(since + LINGER).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a message; for ever when nobody wants to know.
async fn next_notice(notices: &mut Option<broadcast::Receiver<Notice>>) -> Notice {
    let Some(receiver) = notices else { return std::future::pending().await };
    loop {
        match receiver.recv().await {
            Ok(notice) => return notice,
            Err(broadcast::error::RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "a program does not read its confirmations");
            }
            Err(broadcast::error::RecvError::Closed) => return std::future::pending().await,
        }
    }
}

fn not_accepted(id: Id, error: &AcceptError) -> Refusal {
    let (code, hint) = match error {
        AcceptError::Invalid { field: "payload", .. } => (Code::PayloadTooLarge, "split it, or compress it"),
        AcceptError::Invalid { field: "topic", .. } => (Code::BadTopic, "use a shorter topic"),
        AcceptError::Invalid { .. } | AcceptError::KeyWithoutAcknowledgement => (Code::BadField, ""),
        AcceptError::Full { .. } | AcceptError::TooMany { .. } | AcceptError::ProgramFull { .. } => {
            (Code::OutboxFull, "keep the message and try again when some are sent")
        }
        AcceptError::LowSpace { .. } => {
            (Code::OutboxFull, "keep the message, free some space on the disk, and try again")
        }
        AcceptError::Disk { .. } => (Code::Internal, "nothing was accepted; keep the message and try again later"),
        AcceptError::Closed => (Code::Internal, "the daemon stops; try again in a moment"),
    };
    Refusal::new(id, code, error.to_string(), hint)
}
