//! One connected program: its requests in, its answers and events out.
//!
//! * [local-1] Each request gets exactly one answer; a publication gets it when it is durable.
//! * [local-2] A program that sends without reading is not read from any more, once it has enough unread.
//! * [local-3] A confirmation is only lost with the connection: whoever wants more asks with a `key`.
//! * [local-4] When what is held for a user's programs takes all that it may, each of them is served one small thing after
//!   another, and others as before.
//! * [local-5] Who says much at once is heard one request at a time, in turn with others; what nobody will have is read slowly.

use super::calls::Calls;
use super::door::Door;
use super::publish::{Way, not_accepted, not_subscribed, share_spent};
use super::rights::Caller;
use crate::config::Rate;
use crate::outbox::{self, Accepted, Ends, Notice};
use crate::router::{Account, DurableId, Hears, Held, Item, Mailbox, Name, ProgramId, SMALL_BYTES, Taken};
use crate::status::DAEMON;
use crate::users::Pace;
use airgate_proto::{
    Code, Done, Dropped, Event, Hello, Id, LineBuffer, LineTooLong, Op, Publish, Qos, Refusal, Reply, Request, VERSION,
    parse_line,
};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

/// Requests of one program that may wait for their answer at once.
const PENDING: usize = 256;
/// Unread bytes from which on a program is not read from any more, and gets no further events.
const UNREAD: usize = 64 * 1024;

/// What is read at once, in bytes.
const CHUNK: usize = 4096;
/// How fast what nobody will have is read, in chunks: 25 MB/s, so that a line without an end costs little of a processor.
const DISCARDED: Rate = Rate { count: 16, per: Duration::from_micros(2600) };
/// What a request without an answer takes beside its content, in bytes.
const PENDING_BYTES: usize = 512;
/// What a publication takes whose end is to be told, in bytes.
const CONFIRM_BYTES: usize = 32;
/// The number of what stays on this host: there is nothing to confirm.
const LOCAL: u64 = 0;

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
    /// Without a name, and under each durable name.
    filters: BTreeMap<Option<String>, BTreeSet<String>>,
    durables: BTreeMap<String, DurableId>,
    pub(super) pending: FuturesUnordered<BoxFuture<'static, Answered>>,
    /// Publications whose end is to be told.
    confirm: HashSet<u64>,
    /// Ends of publications whose number the program does not know yet.
    early: HashMap<u64, Notice>,
    ends: Option<Ends>,
    /// What this program may answer.
    pub(super) calls: Calls,
    out: Vec<u8>,
    /// Of its user's share: what this connection makes the daemon hold.
    pub(super) held: Held,
    /// Bytes written so far.
    written: u64,
    /// Messages on a durable account, and where their lines end in all that is written.
    handed: VecDeque<(u64, Item)>,
}

impl Connection {
    pub(super) fn new(door: Arc<Door>, id: ProgramId, caller: Caller) -> Self {
        let lines = LineBuffer::new(door.max_line);
        let held = Held::new(door.users.share(caller.uid), 0);
        Self {
            door,
            id,
            caller,
            lines,
            filters: BTreeMap::new(),
            durables: BTreeMap::new(),
            pending: FuturesUnordered::new(),
            confirm: HashSet::new(),
            early: HashMap::new(),
            ends: None,
            calls: Calls::default(),
            out: Vec::new(),
            held,
            written: 0,
            handed: VecDeque::new(),
        }
    }

    /// Serves the program until it goes.
    pub(super) async fn serve<R, W>(mut self, mut reader: R, mut writer: W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        let mailbox = Mailbox::of(self.held.share().clone());
        let router = self.door.router.clone();
        let hears = Hears { events: true, texts: self.door.rights().reads_texts(&self.caller) };
        router.join(self.id, Arc::clone(&mailbox), hears).await;
        let mut link = self.door.status.link.clone();
        let mut rights = self.door.rights.clone();
        let (hello, mut told) = {
            let link = link.borrow_and_update();
            let device = link.device.clone();
            let hello = Event::Hello(Hello { version: VERSION, daemon: DAEMON.to_owned(), device, link: link.state });
            (hello, link.event())
        };
        self.out.extend(hello.to_line());

        let (mut input, mut unread) = (vec![0; CHUNK], 0..0);
        let (mut discarded, mut next_read) = (Pace::default(), None);
        // Since when the program has nothing more to ask.
        let mut ended = None;
        let result = loop {
            while self.may_listen() {
                let mut rest = input.get(unread.clone()).unwrap_or_default();
                let line = self.lines.take_from(&mut rest);
                unread.start = unread.end - rest.len();
                let Some(line) = line else { break };
                self.on_line(line).await;
                self.weigh();
                if !unread.is_empty() {
                    // Whoever says much at once has one turn for each thing, as all others.
                    tokio::task::yield_now().await;
                }
            }
            if ended.is_some() && self.out.is_empty() && self.pending.is_empty() && self.confirm.is_empty() {
                break Ok(());
            }
            self.weigh();
            let may_tell = self.may_tell();
            let may_read = ended.is_none() && unread.is_empty() && self.may_listen();
            tokio::select! {
                biased;
                // Before the notices: whoever is told that its message was sent has been told its number. Also when the program
                // does not read: a publication that has its turn at the outbox must not keep others from theirs.
                Some(answered) = self.pending.next() => self.answer(answered),
                Ok(()) = rights.changed() => {
                    if let Some(filter) = self.door.withdrawn(&self.caller, self.filters.values().flatten(), hears) {
                        let uid = self.caller.uid;
                        tracing::info!(program = self.id.0, uid, filter, "a right was withdrawn: disconnected");
                        break Ok(());
                    }
                }
                notice = next_end(&mut self.ends), if may_tell => self.on_end(notice),
                taken = mailbox.next(), if may_tell => {
                    self.tell(taken);
                    // What else waits leaves with it, in one write.
                    while self.may_tell() && let Some(taken) = mailbox.try_next() {
                        self.tell(taken);
                    }
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
                    Ok(len) => self.on_written(len),
                    Err(error) => break Err(error),
                },
                read = read_from(next_read, &mut reader, &mut input), if may_read => match read {
                    Ok(0) => {
                        ended = Some(Instant::now());
                        if let Some(line) = self.lines.finish() {
                            self.on_line(line).await;
                        }
                    }
                    Ok(len) => {
                        unread = 0..len;
                        next_read = None;
                        if self.lines.is_skipping() {
                            let now = Instant::now();
                            let pause = discarded.charge(now.into_std(), DISCARDED);
                            next_read = (!pause.is_zero()).then(|| now + pause);
                        }
                    }
                    Err(error) => break Err(error),
                },
                () = linger(ended) => break Ok(()),
            }
        };
        let unwritten = self.handed.into_iter().map(|(_, item)| item).collect();
        router.leave(self.id, unwritten).await;
        result
    }

    fn tell(&mut self, taken: Taken) {
        match taken {
            Taken::Item(item) => {
                self.calls.note(&item.parcel.event);
                self.out.extend_from_slice(&item.parcel.line());
                if item.via.is_some() {
                    self.handed.push_back((self.written + self.out.len() as u64, item));
                }
            }
            Taken::Lagged(missed) => self.out.extend(Event::Lagged { missed }.to_line()),
        }
    }

    fn on_written(&mut self, len: usize) {
        self.out.drain(..len);
        if self.out.is_empty() && self.out.capacity() > SMALL_BYTES {
            self.out = Vec::new();
        }
        self.written += len as u64;
        while self.handed.front().is_some_and(|(end, _)| *end <= self.written) {
            self.handed.pop_front();
        }
    }

    /// Whether the program has read enough to be told more.
    fn may_tell(&self) -> bool {
        self.out.is_empty() || (self.out.len() < UNREAD && !self.held.share().is_spent())
    }

    /// Whether another request of it may be worked on.
    fn may_listen(&self) -> bool {
        let pending = if self.held.share().is_spent() { 1 } else { PENDING };
        self.pending.len() < pending && self.may_tell()
    }

    /// Counts what it makes the daemon hold; what it has not finished saying is shorter when there is no more room.
    fn weigh(&mut self) {
        let (pending, confirm) =
            (self.pending.len() * PENDING_BYTES, (self.confirm.len() + self.early.len()) * CONFIRM_BYTES);
        self.held.set(self.lines.held() + self.out.capacity() + pending + confirm);
        let longest = if self.held.share().is_spent() { SMALL_BYTES } else { usize::MAX };
        self.lines.limit_to(longest.min(self.door.max_line));
    }

    /// A refusal of what needs more than a little room, when there is none.
    fn no_room(&self) -> Option<Refusal> {
        self.held.share().is_spent().then(|| share_spent(&self.caller))
    }

    async fn on_line(&mut self, line: Result<Vec<u8>, LineTooLong>) {
        let refusal = match line {
            Ok(line) => match parse_line(&line) {
                Ok(request) => return self.on_request(request).await,
                Err(refusal) => refusal,
            },
            Err(too_long) => {
                let hint = match too_long.limit < self.door.max_line {
                    true => {
                        "what this user's programs have not read takes all that it may: let them read, or close them"
                    }
                    false => "send less at once, or raise max_line under [local] (up to 1 MiB)",
                };
                Refusal::new(None, Code::LineTooLong, too_long.to_string(), hint)
            }
        };
        self.reply(&Reply::Refused(refusal));
    }

    async fn on_request(&mut self, Request { id, op }: Request) {
        if has_long_answer(&op)
            && let Some(refusal) = self.no_room()
        {
            return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal }));
        }
        match op {
            Op::Publish(publish) => self.publish(id, publish).await,
            Op::Subscribe { filter, durable } => self.subscribe(id, filter, durable).await,
            Op::Unsubscribe { filter, durable } => self.unsubscribe(id, filter, durable).await,
            Op::Status => {
                let status = Some(self.door.status.now());
                self.reply(&Reply::Ok(Done { status, ..Done::new(id) }));
            }
            Op::Ping => self.reply(&Reply::Ok(Done::new(id))),
            Op::At { command } => self.at(id, command),
            Op::OutboxList { selection, after, payloads } => self.outbox_list(id, selection, after, payloads),
            Op::OutboxDrop(selection) => self.outbox_drop(id, selection),
            Op::Metrics => {
                let text = crate::metrics::render(&self.door.status.now());
                self.reply(&Reply::Ok(Done { data: Some(text.into()), ..Done::new(id) }));
            }
            Op::History => self.history(id),
            Op::Log { after } => self.log(id, after),
            Op::Ask(ask) => self.ask(id, ask),
            Op::Answer { call, answer } => self.give_answer(id, call, answer),
            Op::May(what) => self.may(id, &what),
            Op::Time => self.reply(&Reply::Ok(Done { data: Some(self.door.status.time()), ..Done::new(id) })),
        }
    }

    async fn publish(&mut self, id: Id, publish: Publish) {
        let confirm = publish.confirm;
        let counted = |way| match self.door.in_rate(&self.caller) {
            Ok(()) => Ok(way),
            Err(pause) => Err(self.door.too_fast(&self.caller, pause)),
        };
        let message = match self.door.way(&self.caller, publish).and_then(counted) {
            Ok(Way::Up(message)) => message,
            Ok(Way::Local(message)) => {
                self.door.router.publish(message, false).await;
                self.reply(&Reply::Ok(Done { seq: Some(LOCAL), ..Done::new(id) }));
                if confirm {
                    self.out.extend(Event::Sent { seq: LOCAL }.to_line());
                }
                return;
            }
            Err(refusal) => return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal })),
        };
        let listener = confirm.then(|| self.ends.get_or_insert_with(|| self.door.outbox.listen()).id());
        let waiting = Held::new(self.held.share().clone(), message.topic.len() + message.payload.len());
        let accepting = match self.door.recall(&message, listener) {
            Some(recalled) => recalled,
            None => match self.may_go(&message) {
                Ok(()) => self.door.accept(&self.caller, message, listener),
                Err(refusal) => return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal })),
            },
        };
        self.pending.push(Box::pin(async move {
            let _waiting = waiting;
            let (reply, end) = match accepting.await {
                Ok(Accepted { seq, duplicate, settled }) => {
                    let end = if settled { Confirm::Now(seq) } else { Confirm::Later(seq) };
                    (Reply::Ok(Done { seq: Some(seq), duplicate, ..Done::new(id) }), end)
                }
                Err(error) => (Reply::Refused(Refusal { id: Some(id), ..not_accepted(&error) }), Confirm::Never),
            };
            Answered { reply, confirm: confirm.then_some(end) }
        }));
    }

    /// Whether a new message may go to the cloud.
    fn may_go(&self, message: &outbox::Message) -> Result<(), Refusal> {
        self.door.is_taken(message)?;
        // At QoS 0 it would wait for a month that its sender does not mean.
        let is_fleeting = message.qos == outbox::Qos::AtMostOnce;
        self.door.over_budget(message.priority).filter(|_| is_fleeting).map_or(Ok(()), Err)
    }

    async fn subscribe(&mut self, id: Id, filter: String, durable: Option<String>) {
        let held = self.filters.values().map(BTreeSet::len).sum();
        let known = self.filters.get(&durable).is_some_and(|filters| filters.contains(&filter));
        if let Err(refusal) = self.door.may_subscribe(&self.caller, &filter, if known { 0 } else { held }) {
            return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal }));
        }
        let Some(account) = self.account(durable.as_deref()).await else {
            let refusal = Refusal::new(id, Code::Internal, "the daemon stops", "try again in a moment");
            return self.reply(&Reply::Refused(refusal));
        };
        if let Err(why) = self.door.router.subscribe(account, filter.clone(), Qos::AtLeastOnce).await {
            return self.reply(&Reply::Refused(Refusal { id: Some(id), ..not_subscribed(why, &self.caller) }));
        }
        self.filters.entry(durable).or_default().insert(filter);
        self.reply(&Reply::Ok(Done::new(id)));
    }

    async fn unsubscribe(&mut self, id: Id, filter: String, durable: Option<String>) {
        if let Some(filters) = self.filters.get_mut(&durable) {
            filters.remove(&filter);
        }
        match durable {
            None => self.door.router.unsubscribe(Account::Program(self.id), filter).await,
            // Its last filter, and what was kept goes too.
            Some(name) => {
                if self.door.router.release(self.name(name.clone()), filter).await {
                    self.durables.remove(&name);
                }
            }
        }
        self.reply(&Reply::Ok(Done::new(id)));
    }

    /// Whose subscription it is; a durable name is taken over from whoever has it.
    async fn account(&mut self, durable: Option<&str>) -> Option<Account> {
        let Some(name) = durable else { return Some(Account::Program(self.id)) };
        if let Some(id) = self.durables.get(name) {
            return Some(Account::Durable(*id));
        }
        let (id, _) = self.door.router.attach(self.name(name.to_owned()), self.id).await?;
        self.durables.insert(name.to_owned(), id);
        Some(Account::Durable(id))
    }

    fn name(&self, name: String) -> Name {
        Name { uid: self.caller.uid, door: "json", name }
    }

    fn answer(&mut self, Answered { reply, confirm }: Answered) {
        self.reply(&reply);
        match confirm {
            Some(Confirm::Later(seq)) => match self.early.remove(&seq) {
                Some(notice) => self.tell_end(notice),
                None => drop(self.confirm.insert(seq)),
            },
            Some(Confirm::Now(seq)) => self.out.extend(Event::Sent { seq }.to_line()),
            Some(Confirm::Never) | None => {}
        }
    }

    fn on_end(&mut self, notice: Notice) {
        match self.confirm.remove(&notice.seq()) {
            true => self.tell_end(notice),
            false => drop(self.early.insert(notice.seq(), notice)),
        }
    }

    fn tell_end(&mut self, notice: Notice) {
        let event = match notice {
            Notice::Settled { seq } => Event::Sent { seq },
            Notice::Dropped { seq, reason } => Event::Dropped(Dropped { seq, reason: reason.as_str().to_owned() }),
        };
        self.out.extend(event.to_line());
    }

    pub(super) fn reply(&mut self, reply: &Reply) {
        self.out.extend(reply.to_line());
    }
}

/// Reads, but not before `moment`.
async fn read_from<R: AsyncRead + Unpin>(
    moment: Option<Instant>,
    reader: &mut R,
    input: &mut [u8],
) -> io::Result<usize> {
    if let Some(moment) = moment {
        tokio::time::sleep_until(moment).await;
    }
    reader.read(input).await
}

/// Whether the answer to it may be much longer than itself.
fn has_long_answer(op: &Op) -> bool {
    matches!(op, Op::Status | Op::Metrics | Op::History | Op::Log { .. } | Op::OutboxList { .. })
}

/// Nobody can tell a program that only waits from one that has gone: it waits a bounded time.
async fn linger(ended: Option<Instant>) {
    match ended {
        Some(since) => tokio::time::sleep_until(since + LINGER).await,
        None => std::future::pending().await,
    }
}

/// Waits for the end of a message; for ever when nobody wants to know.
async fn next_end(ends: &mut Option<Ends>) -> Notice {
    match ends {
        Some(ends) => ends.next().await,
        None => std::future::pending().await,
    }
}
