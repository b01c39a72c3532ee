//! The shell around the platform: listeners, connections, the clock.
//!
//! A task per connection reads packets and waits for its deadline; it holds the lock on the platform only while the
//! platform takes one input. What is to be sent goes to the connection's own queue; closing drops the queue's sender.

use super::broker::{Broker, ConnId, Input, Output};
use super::event::Event;
use super::http;
use super::wire::{Wire, WireError};
use futures_util::{SinkExt, StreamExt};
use rumqttc::mqttbytes::v4::Packet;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Packets that wait to be written to one connection; a client that reads slower than that is cut off.
const OUTGOING: usize = 2048;

/// Events that a slow watcher may be behind before it misses some.
const EVENTS: usize = 8192;

/// How long a TLS handshake, or writing the last packets to a connection that is being closed, may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait after `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
enum Outgoing {
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

    fn at(&self, moment: Duration) -> Instant {
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

    fn open(&self, tls: bool, host: Option<String>) -> (ConnId, mpsc::Receiver<Outgoing>) {
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

/// What a listener serves.
#[derive(Clone)]
pub(super) enum Protocol {
    /// MQTT over plain TCP or over TLS, as the client begins: the platform's oldest port takes both.
    Mqtt(TlsAcceptor),
    /// MQTT whose TLS was taken off by a front.
    Fronted,
    /// MQTT over TLS.
    Mqtts(TlsAcceptor),
    /// HTTP, plain or over TLS, as the client begins.
    Http(TlsAcceptor),
}

/// Accepts connections until the end.
pub(super) async fn listen(shared: Arc<Shared>, listener: TcpListener, protocol: Protocol) {
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                // Small packets must not wait for each other; without it everything works, but late.
                let _ = stream.set_nodelay(true);
                let (task, protocol) = (Arc::clone(&shared), protocol.clone());
                shared.tasks.spawn(async move {
                    match protocol {
                        Protocol::Mqtt(acceptor) if begins_with_tls(&task, &stream).await => {
                            serve_tls(&task, stream, &acceptor).await;
                        }
                        Protocol::Mqtt(_) => serve(&task, stream, false, None).await,
                        Protocol::Fronted => serve(&task, stream, true, None).await,
                        Protocol::Mqtts(acceptor) => serve_tls(&task, stream, &acceptor).await,
                        Protocol::Http(acceptor) => http::serve(&task, stream, &acceptor).await,
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// The first byte of a TLS connection: a handshake record.
pub(super) const TLS_HANDSHAKE: u8 = 0x16;

/// Whether a client begins with TLS; one that says nothing for long does not.
async fn begins_with_tls(shared: &Shared, stream: &TcpStream) -> bool {
    let mut first = [0];
    let looked = tokio::time::timeout(PATIENCE, stream.peek(&mut first));
    let looked = shared.stop.run_until_cancelled(looked).await;
    matches!(looked, Some(Ok(Ok(1)))) && first == [TLS_HANDSHAKE]
}

async fn serve_tls(shared: &Shared, stream: TcpStream, acceptor: &TlsAcceptor) {
    let handshake = tokio::time::timeout(PATIENCE, acceptor.accept(stream));
    match shared.stop.run_until_cancelled(handshake).await {
        Some(Ok(Ok(stream))) => {
            let host = stream.get_ref().1.server_name().map(str::to_owned);
            serve(shared, stream, true, host).await;
        }
        Some(Ok(Err(error))) => tracing::info!(%error, "a TLS handshake failed"),
        Some(Err(_)) => tracing::info!("a TLS handshake took too long"),
        None => {}
    }
}

/// Carries one connection from its first byte to its last.
async fn serve(shared: &Shared, stream: impl AsyncRead + AsyncWrite + Unpin, tls: bool, host: Option<String>) {
    let mut framed = Framed::new(stream, Wire::new());
    let (conn, mut outgoing) = shared.open(tls, host);
    let why = exchange(shared, conn, &mut framed, &mut outgoing).await;
    shared.with(|broker, now| broker.handle(now, conn, Input::Closed(why)));
    let farewell = async {
        while let Some(next) = outgoing.recv().await {
            if let Outgoing::Send(packet) = next {
                framed.feed(packet).await?;
            }
        }
        framed.close().await
    };
    // The client may be gone already: then there is nobody to tell.
    let _: Result<Result<(), WireError>, _> = tokio::time::timeout(PATIENCE, farewell).await;
}

/// Exchanges packets until one side ends it; returns why it ended.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    shared: &Shared,
    conn: ConnId,
    framed: &mut Framed<S, Wire>,
    outgoing: &mut mpsc::Receiver<Outgoing>,
) -> String {
    loop {
        let Some(deadline) = shared.with(|broker, _| broker.deadline(conn)) else { return "closed".to_owned() };
        let input = tokio::select! {
            () = shared.stop.cancelled() => return "the platform stops".to_owned(),
            () = tokio::time::sleep_until(shared.at(deadline)) => Input::Deadline,
            arrived = framed.next() => match arrived {
                Some(Ok(packet)) => Input::Packet(packet),
                Some(Err(WireError::ProtocolLevel(level))) => Input::WrongVersion(level),
                Some(Err(WireError::Io(error))) => return error.to_string(),
                Some(Err(error)) => Input::Malformed(error.to_string()),
                None => return "TCP closed".to_owned(),
            },
            next = outgoing.recv() => {
                let packet = match next {
                    Some(Outgoing::Send(packet)) => packet,
                    Some(Outgoing::Wait(delay)) => {
                        shared.stop.run_until_cancelled(tokio::time::sleep(delay)).await;
                        continue;
                    }
                    None => return "closed".to_owned(),
                };
                match tokio::time::timeout_at(shared.at(deadline), framed.send(packet)).await {
                    Ok(Ok(())) => continue,
                    Ok(Err(error)) => return error.to_string(),
                    Err(_) => Input::Deadline,
                }
            }
        };
        shared.with(|broker, now| broker.handle(now, conn, input));
    }
}
