//! The shell around the platform: listeners and connections. A task per connection reads packets and waits for its deadline.

use super::http;
use super::shared::{Outgoing, PATIENCE, Shared, TLS_HANDSHAKE};
use super::state::{ConnId, Input};
use super::wire::{Wire, WireError};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_util::codec::Framed;

/// How long to wait after `accept` failed, as it does when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

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
