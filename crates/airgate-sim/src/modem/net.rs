//! The module's connections: one task each, TCP or TLS, events back to the shell.

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket, lookup_host};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::engine::{Failure, NetEvent, Output, Service, Tls};
use super::route::Route;
use super::tls;

/// Bytes read at a time.
const READ_MAX: usize = 16 * 1024;

/// The open connections by their numbers.
#[derive(Debug)]
pub(super) struct Net {
    /// Goes before the host and port that the command names, for MQTT.
    broker: Option<String>,
    routes: Vec<Route>,
    events: UnboundedSender<NetEvent>,
    open: HashMap<u64, (UnboundedSender<Bytes>, JoinHandle<()>)>,
}

impl Net {
    pub(super) fn new(broker: Option<String>, routes: Vec<Route>) -> (Self, UnboundedReceiver<NetEvent>) {
        let (events, receiver) = unbounded_channel();
        (Self { broker, routes, events, open: HashMap::new() }, receiver)
    }

    /// Does what the engine asks of the network.
    pub(super) fn perform(&mut self, output: Output) {
        match output {
            Output::Open { id, service, host, port, tls } => {
                let broker = self.broker.clone().filter(|_| service == Service::Mqtt);
                let address = broker.unwrap_or_else(|| Route::resolve(&self.routes, &host, port));
                let (sender, receiver) = unbounded_channel();
                let task = tokio::spawn(connection(id, address, tls, receiver, self.events.clone()));
                self.open.insert(id, (sender, task));
            }
            Output::Datagram { id, host, port, bytes } => {
                let address = Route::resolve(&self.routes, &host, port);
                let (sender, _) = unbounded_channel();
                let task = tokio::spawn(datagram(id, address, bytes, self.events.clone()));
                self.open.insert(id, (sender, task));
            }
            Output::Send { id, bytes } => {
                if let Some((sender, _)) = self.open.get(&id) {
                    // A task that has ended has told so by an event.
                    let _ = sender.send(bytes);
                }
            }
            // The task ends when its sender is gone, after it has written what is left.
            Output::Close { id } => drop(self.open.remove(&id)),
            Output::Abort { id } => self.abort(id),
            Output::Host(_) | Output::Rate(_) | Output::Sms { .. } => {}
        }
    }

    /// Forgets a connection that has ended by itself.
    pub(super) fn ended(&mut self, event: &NetEvent) {
        if let NetEvent::Failed(id, _) | NetEvent::Closed(id) = event {
            self.open.remove(id);
        }
    }

    fn abort(&mut self, id: u64) {
        if let Some((_, task)) = self.open.remove(&id) {
            task.abort();
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for (_, task) in self.open.values() {
            task.abort();
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn dial(address: &str, tls: Option<Tls>) -> Result<Box<dyn Stream>, (Failure, io::Error)> {
    let addresses: Vec<_> = lookup_host(address).await.map_err(|error| (Failure::Name, error))?.collect();
    let unreachable = |error| (Failure::Unreachable, error);
    let stream = TcpStream::connect(&addresses[..]).await.map_err(unreachable)?;
    stream.set_nodelay(true).map_err(unreachable)?;
    Ok(match tls {
        None => Box::new(stream),
        Some(tls) => {
            let prepared = tls::prepare(&tls).map_err(|error| (Failure::TlsSetup, error))?;
            Box::new(prepared.handshake(stream).await.map_err(|error| (Failure::TlsAlert, error))?)
        }
    })
}

/// Longest datagram in answer.
const DATAGRAM_MAX: usize = 1500;

/// Asks and waits for the answer; who has lost patience aborts the task.
async fn datagram(id: u64, address: String, question: Bytes, events: UnboundedSender<NetEvent>) {
    let ask = async {
        let target = lookup_host(&address).await.map_err(|error| (Failure::Name, error))?.next();
        let missing = || (Failure::Name, io::Error::other("the name has no address"));
        let target = target.ok_or_else(missing)?;
        let own = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let exchange = async {
            let socket = UdpSocket::bind(own).await?;
            socket.connect(target).await?;
            socket.send(&question).await?;
            let mut answer = vec![0; DATAGRAM_MAX];
            let count = socket.recv(&mut answer).await?;
            answer.truncate(count);
            Ok(Bytes::from(answer))
        };
        exchange.await.map_err(|error| (Failure::Unreachable, error))
    };
    // The shell may be gone already; then nobody wants the events.
    let tell = |event| drop(events.send(event));
    match ask.await {
        Ok(answer) => {
            tell(NetEvent::Received(id, answer));
            tell(NetEvent::Closed(id));
        }
        Err((failure, error)) => {
            tracing::info!(%address, ?failure, %error, "no answer");
            tell(NetEvent::Failed(id, failure));
        }
    }
}

async fn connection(
    id: u64,
    address: String,
    tls: Option<Tls>,
    mut sends: UnboundedReceiver<Bytes>,
    events: UnboundedSender<NetEvent>,
) {
    // The shell may be gone already; then nobody wants the event.
    let tell = |event| drop(events.send(event));
    let mut stream = match dial(&address, tls).await {
        Ok(stream) => stream,
        Err((failure, error)) => {
            tracing::info!(%address, ?failure, %error, "connection failed");
            return tell(NetEvent::Failed(id, failure));
        }
    };
    tell(NetEvent::Opened(id));
    let mut buffer = BytesMut::with_capacity(READ_MAX);
    loop {
        buffer.reserve(READ_MAX);
        tokio::select! {
            read = stream.read_buf(&mut buffer) => match read {
                Ok(1..) => tell(NetEvent::Received(id, buffer.split().freeze())),
                Ok(0) | Err(_) => return tell(NetEvent::Closed(id)),
            },
            bytes = sends.recv() => match bytes {
                Some(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return tell(NetEvent::Closed(id));
                    }
                }
                None => {
                    // The module has closed: say good-bye and look at nothing more.
                    let _ = stream.shutdown().await;
                    return;
                }
            },
        }
    }
}
