//! The door that speaks MQTT 3.1.1: `mosquitto_pub --unix`, paho, Node's mqtt and every other client.
//!
//! * [mqtt-1] A publication at QoS 1 is acknowledged when it is on the disk, in the order in which they came.
//! * [mqtt-2] What breaks the protocol, or is not granted, closes the connection with a line in the log: MQTT 3.1.1 has no
//!   other words for it, and an acknowledgement would say that the message is kept.
//! * [mqtt-3] What was handed out at QoS 1 and not acknowledged comes again, marked, when the session does.
//! * [mqtt-4] Whoever publishes faster than its rate is read more slowly; whoever does not read loses messages, and slows
//!   nobody else down.
//! * [mqtt-5] A will counts towards the rate like any publication; nobody is there to be slowed down, so it is dropped above it.
//!
//! `docs/mqtt.md` lists the statements of the standard with the test that shows each, and what is left out.

mod connection;
mod read;
pub(super) mod seat;
mod window;

use super::door::Door;
use super::rights::{Caller, Use};
use crate::router::{Account, Hears, Held, Mailbox, Name, ProgramId, SMALL_BYTES};
use airgate_proto::{Publish, Qos, topic};
use bytes::{Bytes, BytesMut};
use connection::{Connection, End};
use read::Malformed;
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{ConnAck, Connect, ConnectReturnCode, LastWill, Packet};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How long a program may take to say who it is.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// Longest client identifier, in bytes: it is remembered with its session.
const MAX_CLIENT_ID: usize = 256;
/// What follows the fixed header of the longest CONNECT, in bytes: identifier, will, user name and password.
const MAX_CONNECT: usize = 80 * 1024;
/// How long the last words to a program may take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// What is said to somebody for whom there is no place.
pub(super) fn unavailable() -> Vec<u8> {
    written(ConnectReturnCode::ServiceUnavailable, false)
}

fn written(code: ConnectReturnCode, session_present: bool) -> Vec<u8> {
    vec![0x20, 2, u8::from(session_present), code as u8]
}

/// Serves a program until it goes.
pub(super) async fn serve<R, W>(mut reader: R, mut writer: W, door: Arc<Door>, id: ProgramId, caller: Caller)
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    let uid = caller.uid;
    let mut input = BytesMut::new();
    let mut held = Held::new(door.users.share(uid), 0);
    let connect = match tokio::time::timeout(CONNECT_WITHIN, first(&mut reader, &mut input, &mut held)).await {
        Ok(Ok(Some(connect))) => connect,
        Ok(Ok(None)) => return,
        Ok(Err(malformed)) => {
            tracing::warn!(program = id.0, uid, "MQTT connection closed: {malformed}");
            if matches!(malformed, Malformed::Level(_)) {
                say(&mut writer, ConnectReturnCode::RefusedProtocolVersion).await;
            }
            return;
        }
        Err(_) => {
            return tracing::warn!(program = id.0, uid, "MQTT connection closed: no CONNECT in {CONNECT_WITHIN:?}");
        }
    };
    if let Err((code, why)) = admissible(&door, &caller, &connect) {
        tracing::warn!(program = id.0, uid, client = connect.client_id, "MQTT connection refused: {why}");
        return say(&mut writer, code).await;
    }
    let name = Name { uid, door: "mqtt", name: client_id(&connect, id) };
    // Until the end: its will.
    held.set(connect.last_will.as_ref().map_or(0, |will| will.topic.len() + will.message.len()));
    let Some(mut seat) = door.seats.take(name.clone()).await else { return };
    tracing::debug!(program = id.0, uid, client = name.name, clean = connect.clean_session, "MQTT client connected");

    let (mailbox, router) = (Mailbox::of(held.share().clone()), door.router.clone());
    let hears = Hears { events: false, texts: door.rights().reads_texts(&caller) };
    router.join(id, Arc::clone(&mailbox), hears).await;
    let (account, present) = if connect.clean_session {
        // [MQTT-3.1.2-6]
        router.forget(name).await;
        (Account::Program(id), false)
    } else {
        let Some((durable, present)) = router.attach(name, id).await else { return };
        (Account::Durable(durable), present)
    };
    let keep_alive = Duration::from_secs(u64::from(connect.keep_alive)) * 3 / 2;
    let mut connection =
        Connection::new(Arc::clone(&door), id, caller, account, (!keep_alive.is_zero()).then_some(keep_alive), input);
    connection.say(&Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, present)));
    let end = connection.run(&mut reader, &mut writer, &mailbox, &mut seat, hears).await;
    match &end {
        End::Gone(Some(error)) => tracing::debug!(program = id.0, %error, "MQTT client gone"),
        End::Refused(why) => tracing::warn!(program = id.0, uid, "MQTT connection closed: {why}"),
        _ => tracing::debug!(program = id.0, ?end, "MQTT client left"),
    }
    let (caller, unacknowledged) = connection.finish(&mut writer).await;
    router.leave(id, unacknowledged).await;
    // [MQTT-3.1.2-8], [MQTT-3.14.4-3]
    if let (Some(will), false) = (connect.last_will, matches!(end, End::Disconnected)) {
        publish_will(&door, &caller, will).await;
    }
}

/// The CONNECT that must come first. [MQTT-3.1.0-1]
async fn first<R: AsyncRead + Unpin>(
    reader: &mut R,
    input: &mut BytesMut,
    held: &mut Held,
) -> Result<Option<Connect>, Malformed> {
    loop {
        held.set(input.capacity());
        let longest = if held.share().is_spent() { SMALL_BYTES } else { MAX_CONNECT };
        match read::next(input, longest)? {
            Some(Packet::Connect(connect)) => return Ok(Some(connect)),
            Some(other) => return Err(Malformed::Packet(format!("{} before CONNECT", window::name(&other)))),
            None => {}
        }
        match reader.read_buf(input).await {
            Ok(0) | Err(_) => return Ok(None),
            Ok(_) => {}
        }
    }
}

/// Whether this client may come in.
fn admissible(door: &Door, caller: &Caller, connect: &Connect) -> Result<(), (ConnectReturnCode, String)> {
    let id = &connect.client_id;
    // [MQTT-3.1.3-8]
    if id.is_empty() && !connect.clean_session {
        return Err((ConnectReturnCode::BadClientId, "a session to be kept needs a client identifier".into()));
    }
    if id.len() > MAX_CLIENT_ID || id.contains(char::is_control) {
        let why = format!("the client identifier is longer than {MAX_CLIENT_ID} bytes or holds control characters");
        return Err((ConnectReturnCode::BadClientId, why));
    }
    let Some(will) = &connect.last_will else { return Ok(()) };
    let refused = |why: String| Err((ConnectReturnCode::NotAuthorized, format!("its will: {why}")));
    if let Err(error) = topic::validate_name(&will.topic) {
        return refused(error.to_string());
    }
    if will.qos == QoS::ExactlyOnce {
        return refused("QoS 2 is not in this daemon".into());
    }
    if !door.rights().allow(caller, Use::Publish, &will.topic) {
        return refused(door.not_allowed(caller, Use::Publish, &will.topic).message);
    }
    door.outgoing(caller, message(&will.topic, &will.message, will.qos)).map(drop).or_else(|r| refused(r.message))
}

/// [MQTT-3.1.3-6]: a client without an identifier gets one of its own; no other can have it.
fn client_id(connect: &Connect, id: ProgramId) -> String {
    match connect.client_id.as_str() {
        "" => format!("\n{}", id.0),
        given => given.to_owned(),
    }
}

/// A publication in the words of the other door.
fn message(topic: &str, payload: &Bytes, qos: QoS) -> Publish {
    let qos = if qos == QoS::AtMostOnce { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    Publish { qos, ..Publish::new(topic, payload.to_vec()) }
}

async fn publish_will(door: &Door, caller: &Caller, will: LastWill) {
    use super::publish::Way;
    let way = door.outgoing(caller, message(&will.topic, &will.message, will.qos));
    if way.is_ok()
        && let Err(pause) = door.in_rate(caller)
    {
        if door.users.is_news(caller.uid, pause) {
            let why = door.too_fast(caller, pause).message;
            tracing::warn!(uid = caller.uid, topic = will.topic, "a will is lost: {why}");
        }
        return;
    }
    match way {
        Ok(Way::Local(message)) => door.router.publish(message, will.retain).await,
        Ok(Way::Up(message)) => {
            if let Err(error) = door.accept(caller, message, None).await {
                tracing::warn!(uid = caller.uid, topic = will.topic, %error, "a will is lost");
            }
        }
        Err(refusal) => {
            tracing::warn!(uid = caller.uid, topic = will.topic, "a will is lost: {}", refusal.message);
        }
    }
}

async fn say<W: AsyncWrite + Unpin>(writer: &mut W, code: ConnectReturnCode) {
    // Who does not read it does not want to know.
    let _ = tokio::time::timeout(LAST_WORDS, writer.write_all(&written(code, false))).await;
}
