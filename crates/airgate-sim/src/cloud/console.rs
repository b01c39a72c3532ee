//! The console: a Unix socket on which a test looks into the platform and moves it. One JSON object a line, answered
//! by one line: `{"ok":true,…}` or `{"ok":false,"error":"…"}`. The calls are listed in the header of `cloud`.

use super::broker::{Message, Qos};
use super::connack_code;
use super::devices::DeviceId;
use super::event::Received;
use super::ota::Package;
use super::server::Shared;
use super::traffic::RequestError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::{UnixListener, UnixStream};
use tokio_util::codec::{Framed, LinesCodec};

/// The longest line: the largest payload in base64 and everything around it.
const MAX_LINE: usize = 512 * 1024;

/// One call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    Publish {
        product_key: String,
        device_name: String,
        topic: String,
        payload: Option<String>,
        payload_b64: Option<String>,
        #[serde(default)]
        qos: u8,
    },
    Received {
        #[serde(default)]
        since: u64,
    },
    Log {},
    Devices {},
    Kick {
        product_key: String,
        device_name: String,
    },
    Ota(Package),
    Set {
        product_key: String,
        device_name: String,
        params: Value,
    },
    Service {
        product_key: String,
        device_name: String,
        service: String,
        params: Value,
    },
    Reset {
        product_key: String,
        device_name: String,
    },
    Refuse {
        product_key: Option<String>,
        device_name: Option<String>,
        count: u32,
        code: u8,
    },
    Outage {
        on: bool,
    },
    LosePubacks {
        count: u32,
    },
}

/// The socket's file, removed in the end.
#[derive(Debug)]
pub(crate) struct Socket(PathBuf);

impl Drop for Socket {
    fn drop(&mut self) {
        // Nothing can be done about a file that somebody else removed first.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Opens the socket. One that a dead process left behind is replaced; one that answers is not.
pub(crate) fn bind(path: &Path) -> std::io::Result<(UnixListener, Socket)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {
            let abandoned = std::os::unix::net::UnixStream::connect(path)
                .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused);
            let is_socket = std::fs::symlink_metadata(path)
                .is_ok_and(|meta| std::os::unix::fs::FileTypeExt::is_socket(&meta.file_type()));
            if !(abandoned && is_socket) {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    Ok((listener, Socket(path.to_owned())))
}

/// Serves the console until the end.
pub(super) async fn listen(shared: Arc<Shared>, listener: UnixListener) {
    while let Some(accepted) = shared.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                let task = Arc::clone(&shared);
                shared.tasks.spawn(async move { task.stop.run_until_cancelled(serve(&task, stream)).await });
            }
            Err(error) => return tracing::warn!(%error, "the console is closed"),
        }
    }
}

async fn serve(shared: &Shared, stream: UnixStream) {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_LINE));
    while let Some(line) = lines.next().await {
        let answer = match &line {
            Ok(line) => answer(shared, line),
            Err(error) => Err(error.to_string()),
        };
        let answer = answer.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        // After a line that is too long, or not text, there is no telling where the next begins.
        if lines.send(answer.to_string()).await.is_err() || line.is_err() {
            return;
        }
    }
}

fn answer(shared: &Shared, line: &str) -> Result<Value, String> {
    let call = serde_json::from_str(line).map_err(|error| format!("not a call: {error}"))?;
    carry_out(shared, call).map_err(|error| error.to_string())
}

fn carry_out(shared: &Shared, call: Call) -> Result<Value, Box<dyn std::error::Error>> {
    match call {
        Call::Publish { product_key, device_name, topic, payload, payload_b64, qos } => {
            let payload: Bytes = match (payload, payload_b64) {
                (Some(text), None) => text.into(),
                (None, Some(text)) => BASE64.decode(text).map_err(|error| format!("payload_b64: {error}"))?.into(),
                _ => return Err("publish takes either payload or payload_b64".into()),
            };
            let qos = match qos {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                other => return Err(format!("qos is 0 or 1, not {other}").into()),
            };
            let (id, message) = (DeviceId::new(product_key, device_name), Message { topic, payload, qos });
            let delivery = shared.with(|broker, now| broker.publish(now, &id, message))?;
            Ok(json!({"ok": true, "delivery": delivery}))
        }
        Call::Received { since } => Ok(shared.with(|broker, _| {
            let messages: Vec<Value> = broker.journal.received().filter(|m| m.seq > since).map(show).collect();
            json!({"ok": true, "count": broker.journal.count(), "messages": messages})
        })),
        Call::Log {} => Ok(shared.with(|broker, _| {
            let events: Vec<_> = broker.journal.events().collect();
            json!({"ok": true, "events": events})
        })),
        Call::Devices {} => Ok(shared.with(|broker, _| {
            let mut devices: Vec<_> = broker.devices.iter().collect();
            devices.sort_unstable_by_key(|(id, _)| *id);
            let devices: Vec<Value> = devices
                .into_iter()
                .map(|(id, device)| {
                    let session = device.session.as_ref();
                    json!({
                        "product_key": id.product_key, "device_name": id.device_name,
                        "online": device.online.is_some(), "activated": device.activated, "versions": device.versions,
                        "subscriptions": session.map_or_else(Vec::new, |session| session.filters().collect()),
                        "unacknowledged": session.map_or(0, |session| session.unacknowledged()),
                    })
                })
                .collect();
            json!({"ok": true, "devices": devices})
        })),
        Call::Kick { product_key, device_name } => {
            let kicked = shared.with(|broker, _| broker.kick(&DeviceId::new(product_key, device_name)))?;
            Ok(json!({"ok": true, "was_online": kicked}))
        }
        Call::Ota(package) => {
            let pushed = shared.with(|broker, now| broker.add_package(now, package))?;
            Ok(json!({"ok": true, "pushed": pushed}))
        }
        Call::Set { product_key, device_name, params } => {
            request(shared, &DeviceId::new(product_key, device_name), "property/set", &params)
        }
        Call::Service { product_key, device_name, service, params } => {
            request(shared, &DeviceId::new(product_key, device_name), &service, &params)
        }
        Call::Reset { product_key, device_name } => {
            shared.with(|broker, _| broker.reset(&DeviceId::new(product_key, device_name)))?;
            Ok(json!({"ok": true}))
        }
        Call::Refuse { product_key, device_name, count, code } => {
            let device = match (product_key, device_name) {
                (Some(product_key), Some(device_name)) => Some(DeviceId::new(product_key, device_name)),
                (None, None) => None,
                _ => return Err("refuse takes both product_key and device_name, or none of them".into()),
            };
            let code = connack_code(code).ok_or(RequestError::BadCode(code))?;
            shared.with(|broker, _| broker.faults.refuse(device, count, code));
            Ok(json!({"ok": true}))
        }
        Call::Outage { on } => {
            shared.with(|broker, _| broker.set_outage(on));
            Ok(json!({"ok": true}))
        }
        Call::LosePubacks { count } => {
            shared.with(|broker, _| broker.faults.lose_pubacks(count));
            Ok(json!({"ok": true}))
        }
    }
}

fn request(shared: &Shared, id: &DeviceId, service: &str, params: &Value) -> Result<Value, Box<dyn std::error::Error>> {
    let (request, delivery) = shared.with(|broker, now| broker.request(now, id, service, params))?;
    Ok(json!({"ok": true, "id": request.to_string(), "delivery": delivery}))
}

/// A message as the console shows it: bytes that are no text in base64.
fn show(message: &Received) -> Value {
    let DeviceId { product_key, device_name } = &message.from;
    let mut shown = json!({
        "seq": message.seq, "product_key": product_key, "device_name": device_name, "topic": message.topic,
        "qos": message.qos, "dup": message.dup, "at_ms": message.at_ms,
    });
    let (key, text) = match std::str::from_utf8(&message.payload) {
        Ok(text) => ("payload", text.to_owned()),
        Err(_) => ("payload_b64", BASE64.encode(&message.payload)),
    };
    if let Some(fields) = shown.as_object_mut() {
        fields.insert(key.to_owned(), text.into());
    }
    shown
}
