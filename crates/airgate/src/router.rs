//! The router: which program gets which message that came from the cloud, and under which name and with which policy
//! a program's message leaves. A pure core, and the task around it.
//!
//! * [router-1] A message reaches each program once, however many of its filters match.
//! * [router-2] A program that does not read loses messages, is told how many, and slows nobody down.
//! * [router-3] The cloud is asked for a filter while at least one program wants it.

use crate::config::Route;
use crate::outbox;
use airgate_proto::topic::matches;
use airgate_proto::{Call, Event, Message, Publish, Qos};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

/// Messages that wait for one program to read them.
pub const WAITING_PER_PROGRAM: usize = 256;
/// Filters of one program.
pub const FILTERS_PER_PROGRAM: usize = 64;
/// Requests of all programs that wait for the router.
const WAITING_REQUESTS: usize = 256;

/// A connected program, for as long as it is connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProgramId(pub u64);

/// What the doors ask of the router.
#[derive(Debug)]
enum Request {
    Join(ProgramId, mpsc::Sender<Event>),
    Leave(ProgramId),
    Subscribe(ProgramId, String),
    Unsubscribe(ProgramId, String),
}

/// Who is there, for whoever shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouterStatus {
    /// Programs connected.
    pub programs: usize,
    /// Messages handed to programs.
    pub delivered: u64,
    /// Messages that a program lost because it did not read.
    pub lagged: u64,
    /// Messages from the cloud that no program wanted.
    pub unwanted: u64,
}

#[derive(Debug)]
struct Program {
    filters: BTreeSet<String>,
    events: mpsc::Sender<Event>,
    missed: u64,
}

impl Program {
    /// [router-2]
    fn hand(&mut self, event: Event, status: &mut RouterStatus) {
        if self.missed > 0 {
            match self.events.try_send(Event::Lagged { missed: self.missed }) {
                Ok(()) => self.missed = 0,
                Err(_) => return self.miss(status),
            }
        }
        match self.events.try_send(event) {
            Ok(()) => status.delivered += 1,
            Err(TrySendError::Full(_)) => self.miss(status),
            // It has gone; its leave is on the way.
            Err(TrySendError::Closed(_)) => {}
        }
    }

    fn miss(&mut self, status: &mut RouterStatus) {
        self.missed += 1;
        status.lagged += 1;
    }
}

/// Who wants what.
#[derive(Debug, Default)]
struct Table {
    programs: HashMap<ProgramId, Program>,
    status: RouterStatus,
}

impl Table {
    fn apply(&mut self, request: Request) {
        match request {
            Request::Join(id, events) => {
                self.programs.insert(id, Program { filters: BTreeSet::new(), events, missed: 0 });
            }
            Request::Leave(id) => {
                self.programs.remove(&id);
            }
            Request::Subscribe(id, filter) => {
                if let Some(program) = self.programs.get_mut(&id) {
                    program.filters.insert(filter);
                }
            }
            Request::Unsubscribe(id, filter) => {
                if let Some(program) = self.programs.get_mut(&id) {
                    program.filters.remove(&filter);
                }
            }
        }
        self.status.programs = self.programs.len();
    }

    /// [router-1]
    fn deliver(&mut self, event: &Event, topic: &str, long: &str) -> usize {
        let mut wanted = 0;
        for program in self.programs.values_mut() {
            if program.filters.iter().any(|filter| matches(filter, topic) || matches(filter, long)) {
                wanted += 1;
                program.hand(event.clone(), &mut self.status);
            }
        }
        self.status.unwanted += u64::from(wanted == 0);
        wanted
    }

    /// An event that concerns every program.
    fn tell_all(&mut self, event: &Event) {
        for program in self.programs.values_mut() {
            program.hand(event.clone(), &mut self.status);
        }
    }

    /// [router-3]
    fn filters(&self) -> BTreeSet<String> {
        self.programs.values().flat_map(|program| program.filters.iter().cloned()).collect()
    }
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
    routes: std::sync::Arc<[Route]>,
}

/// The ends that the session holds.
#[derive(Debug)]
pub struct SessionEnds {
    /// What came down.
    pub downlink: mpsc::Sender<Downlink>,
    /// Which filters the programs want, in the short form.
    pub wanted: watch::Receiver<BTreeSet<String>>,
}

/// Starts the router in the current runtime.
pub fn start(routes: Vec<Route>) -> (Router, SessionEnds) {
    let (requests, requests_rx) = mpsc::channel(WAITING_REQUESTS);
    let (downlink, downlink_rx) = mpsc::channel(WAITING_REQUESTS);
    let (wanted_tx, wanted) = watch::channel(BTreeSet::new());
    let (status_tx, status) = watch::channel(RouterStatus::default());
    tokio::spawn(run(requests_rx, downlink_rx, wanted_tx, status_tx));
    (Router { requests, status, routes: routes.into() }, SessionEnds { downlink, wanted })
}

async fn run(
    mut requests: mpsc::Receiver<Request>,
    mut downlink: mpsc::Receiver<Downlink>,
    wanted: watch::Sender<BTreeSet<String>>,
    status: watch::Sender<RouterStatus>,
) {
    let mut table = Table::default();
    loop {
        tokio::select! {
            request = requests.recv() => match request {
                Some(request) => table.apply(request),
                None => return,
            },
            Some(down) = downlink.recv() => match down {
                Downlink::Message(message, long) => {
                    let topic = message.topic.clone();
                    table.deliver(&Event::Message(message), &topic, &long);
                }
                Downlink::Call(call, programs) => {
                    let topic = call.topic.clone();
                    // A session that has ended does not want to know.
                    let _ = programs.send(table.deliver(&Event::Call(call), &topic, &topic));
                }
                Downlink::ToAll(event) => table.tell_all(&event),
            },
        }
        let filters = table.filters();
        wanted.send_if_modified(|old| {
            let changed = *old != filters;
            *old = filters;
            changed
        });
        status.send_replace(table.status.clone());
    }
}

impl Router {
    /// A program came; its events go to `events`.
    pub async fn join(&self, id: ProgramId, events: mpsc::Sender<Event>) {
        self.ask(Request::Join(id, events)).await;
    }

    /// A program went.
    pub async fn leave(&self, id: ProgramId) {
        self.ask(Request::Leave(id)).await;
    }

    /// A program wants what matches `filter`.
    pub async fn subscribe(&self, id: ProgramId, filter: String) {
        self.ask(Request::Subscribe(id, filter)).await;
    }

    /// A program does not want `filter` any more.
    pub async fn unsubscribe(&self, id: ProgramId, filter: String) {
        self.ask(Request::Unsubscribe(id, filter)).await;
    }

    async fn ask(&self, request: Request) {
        // The router runs as long as the daemon; when it stops, so do the doors.
        let _ = self.requests.send(request).await;
    }

    /// Who is there.
    pub fn status(&self) -> watch::Receiver<RouterStatus> {
        self.status.clone()
    }

    /// The message as it leaves: under its route's name and with its route's policy.
    ///
    /// It expires only when somebody said so; `now_unix_ms` is the outbox's time, which does not jump.
    pub fn outgoing(&self, publish: Publish, uid: u32, now_unix_ms: u64) -> outbox::Message {
        let route = self.routes.iter().find(|route| matches(&route.from, &publish.topic));
        let ttl = publish.ttl_s.map(|s| Duration::from_secs(u64::from(s.get())));
        let ttl = ttl.or_else(|| route.and_then(|r| r.ttl));
        let expires = |ttl: Duration| now_unix_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX));
        let qos = match route.and_then(|r| r.qos) {
            Some(0) => Qos::AtMostOnce,
            Some(_) => Qos::AtLeastOnce,
            None => publish.qos,
        };
        outbox::Message {
            topic: route.and_then(|r| r.to.clone()).unwrap_or(publish.topic),
            payload: Bytes::from(publish.payload),
            qos: match qos {
                Qos::AtMostOnce => outbox::Qos::AtMostOnce,
                Qos::AtLeastOnce => outbox::Qos::AtLeastOnce,
            },
            priority: route.and_then(|r| r.priority).unwrap_or(publish.priority.get()),
            expires_unix_ms: ttl.map(expires),
            uid,
            key: publish.key,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(topic: &str) -> Event {
        Event::Message(Message { topic: topic.into(), payload: b"x".to_vec(), qos: Qos::AtLeastOnce })
    }

    fn join(table: &mut Table, id: u64, filters: &[&str]) -> mpsc::Receiver<Event> {
        let (events, inbox) = mpsc::channel(2);
        table.apply(Request::Join(ProgramId(id), events));
        for filter in filters {
            table.apply(Request::Subscribe(ProgramId(id), (*filter).into()));
        }
        inbox
    }

    fn drain(inbox: &mut mpsc::Receiver<Event>) -> Vec<Event> {
        std::iter::from_fn(|| inbox.try_recv().ok()).collect()
    }

    #[test]
    fn overlapping_filters_give_one_copy() {
        let mut table = Table::default();
        let mut inbox = join(&mut table, 1, &["user/#", "user/get", "+/get"]);
        table.deliver(&message("user/get"), "user/get", "user/get");
        assert_eq!(drain(&mut inbox), [message("user/get")]);
    }

    #[test]
    fn a_program_that_asked_by_the_long_name_gets_it_under_the_short_one() {
        let mut table = Table::default();
        let mut inbox = join(&mut table, 1, &["/pk/device/user/get"]);
        table.deliver(&message("user/get"), "user/get", "/pk/device/user/get");
        assert_eq!(drain(&mut inbox), [message("user/get")]);
    }

    #[test]
    fn only_those_who_asked_get_it() {
        let mut table = Table::default();
        let mut one = join(&mut table, 1, &["user/get"]);
        let mut two = join(&mut table, 2, &["user/other"]);
        table.deliver(&message("user/get"), "user/get", "user/get");
        table.deliver(&message("user/none"), "user/none", "user/none");
        assert_eq!((drain(&mut one).len(), drain(&mut two).len()), (1, 0));
        assert_eq!((table.status.delivered, table.status.unwanted), (1, 1));
    }

    #[test]
    fn a_program_that_does_not_read_is_told_what_it_missed_and_slows_nobody_down() {
        let mut table = Table::default();
        let mut slow = join(&mut table, 1, &["#"]);
        let mut quick = join(&mut table, 2, &["#"]);
        for _ in 0..5 {
            table.deliver(&message("t"), "t", "t");
            assert_eq!(drain(&mut quick).len(), 1);
        }
        assert_eq!(drain(&mut slow).len(), 2);
        table.deliver(&message("t"), "t", "t");
        assert_eq!(drain(&mut slow), [Event::Lagged { missed: 3 }, message("t")]);
    }

    #[test]
    fn the_cloud_is_asked_for_a_filter_while_anybody_wants_it() {
        let mut table = Table::default();
        let _one = join(&mut table, 1, &["a", "b"]);
        let _two = join(&mut table, 2, &["b"]);
        assert_eq!(table.filters().len(), 2);
        table.apply(Request::Unsubscribe(ProgramId(1), "b".into()));
        assert_eq!(table.filters().len(), 2);
        table.apply(Request::Leave(ProgramId(2)));
        assert_eq!(table.filters(), BTreeSet::from(["a".to_owned()]));
    }

    #[tokio::test]
    async fn a_route_renames_and_sets_policy() {
        let route = Route {
            from: "sensors/+/t".into(),
            to: Some("user/update".into()),
            qos: None,
            priority: Some(7),
            ttl: Some(Duration::from_secs(60)),
        };
        let (router, _ends) = start(vec![route]);
        let out = router.outgoing(Publish::new("sensors/1/t", "21.5"), 1000, 5_000);
        assert_eq!((out.topic.as_str(), out.priority, out.expires_unix_ms), ("user/update", 7, Some(65_000)));
        let out = router.outgoing(Publish::new("else", "21.5"), 1000, 5_000);
        assert_eq!((out.topic.as_str(), out.priority, out.expires_unix_ms), ("else", 4, None));
    }
}
