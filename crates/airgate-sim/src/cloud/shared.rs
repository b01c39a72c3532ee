//! What all tasks share: the platform behind a lock that is held for one input at a time, and its clock.
//!
//! What is to be sent goes to the connection's own queue; closing drops the queue's sender.

use super::event::Event;
use super::state::{Broker, ConnId, Input, Output};
use rumqttc::mqttbytes::v4::Packet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Packets that wait to be written to one connection; a client that reads slower than that is cut off.
const OUTGOING: usize = 2048;

/// Events that a slow watcher may be behind before it misses some.
const EVENTS: usize = 8192;

/// How long a TLS handshake, or writing the last packets to a connection that is being closed, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The first byte of a TLS connection: a handshake record.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// What all tasks share.
pub(super) struct Shared {
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
    started: Instant,
    started_at: Duration,
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
}

/// What a connection does next.
#[derive(Debug)]
pub(super) enum Outgoing {
    Send(Packet),
    Wait(Duration),
}

struct State {
    broker: Broker,
    outgoing: HashMap<ConnId, mpsc::Sender<Outgoing>>,
    last_conn: u64,
}

impl Shared {
    pub(super) fn new(broker: Broker) -> Arc<Self> {
        let started_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Arc::new(Shared {
            state: Mutex::new(State { broker, outgoing: HashMap::new(), last_conn: 0 }),
            events: broadcast::Sender::new(EVENTS),
            started: Instant::now(),
            started_at,
            stop: CancellationToken::new(),
            tasks: TaskTracker::new(),
        })
    }

    /// Events from now on.
    pub(super) fn watch(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Time since 1970, on a clock that is not set back.
    fn now(&self) -> Duration {
        self.started_at + self.started.elapsed()
    }

    pub(super) fn at(&self, moment: Duration) -> Instant {
        self.started + moment.saturating_sub(self.started_at)
    }

    /// Does something with the platform at the present time, and then what it asks for.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Broker, Duration) -> T) -> T {
        let mut guard = self.lock();
        let (state, now) = (&mut *guard, self.now());
        let result = work(&mut state.broker, now);
        loop {
            let outputs = state.broker.take_outputs();
            if outputs.is_empty() {
                return result;
            }
            for output in outputs {
                self.carry_out(state, now, output);
            }
        }
    }

    fn carry_out(&self, state: &mut State, now: Duration, output: Output) {
        match output {
            Output::Hold(conn, delay) => {
                // One that is full is cut off by the packet behind this.
                if let Some(queue) = state.outgoing.get(&conn) {
                    let _ = queue.try_send(Outgoing::Wait(delay));
                }
            }
            Output::Send(conn, packet) => {
                if state.outgoing.get(&conn).is_some_and(|queue| queue.try_send(Outgoing::Send(packet)).is_err()) {
                    // At once, so that the platform counts on nothing more being sent there.
                    state.broker.handle(now, conn, Input::Closed("the client does not read".to_owned()));
                }
            }
            Output::Close(conn) => drop(state.outgoing.remove(&conn)),
            Output::Tell(event) => {
                tracing::debug!(?event);
                // An error says that nobody watches.
                drop(self.events.send(event));
            }
        }
    }

    /// A connection begins; what is to be sent on it comes by the receiver.
    pub(super) fn open(&self, tls: bool, host: Option<String>) -> (ConnId, mpsc::Receiver<Outgoing>) {
        let (sender, receiver) = mpsc::channel(OUTGOING);
        let conn = {
            let mut state = self.lock();
            state.last_conn += 1;
            let conn = ConnId(state.last_conn);
            state.outgoing.insert(conn, sender);
            conn
        };
        self.with(|broker, now| broker.handle(now, conn, Input::Opened { tls, host }));
        (conn, receiver)
    }

    /// A panic in another task is reported there; the state is whole between inputs.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
