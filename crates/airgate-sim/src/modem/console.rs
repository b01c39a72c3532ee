//! The module's console: a Unix socket on which a test looks into the module and lets things go wrong.
//! The calls are listed in the header of the parent module.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream as BlockingStream;
use std::path::Path;

use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio_util::codec::{Framed, LinesCodec};

use super::engine::Change;
use super::faults::Rule;
use super::shell::{Control, State};
use crate::cloud::console::{Socket, bind};

/// The longest line.
const MAX_LINE: usize = 64 * 1024;

/// One call.
#[derive(Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
enum Call {
    Fault { rule: String },
    Calm {},
    Reset {},
    Power { on: bool },
    Close {},
    State {},
}

/// The listening socket; its file goes with it.
#[derive(Debug)]
pub(super) struct Console {
    listener: UnixListener,
    socket: Socket,
}

impl Console {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let (listener, socket) = bind(path).map_err(|error| {
            io::Error::new(error.kind(), format!("cannot open the console {}: {error}", path.display()))
        })?;
        Ok(Self { listener, socket })
    }

    /// Serves until the module is gone.
    pub(super) async fn listen(self, control: mpsc::Sender<Control>) {
        let Self { listener, socket: _socket } = self;
        loop {
            tokio::select! {
                () = control.closed() => return,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => drop(tokio::spawn(serve(stream, control.clone()))),
                    Err(error) => return tracing::warn!(%error, "the console is closed"),
                },
            }
        }
    }
}

async fn serve(stream: UnixStream, control: mpsc::Sender<Control>) {
    let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(MAX_LINE));
    while let Some(line) = lines.next().await {
        let answer = match &line {
            Ok(line) => answer(&control, line).await,
            Err(error) => Err(error.to_string()),
        };
        let answer = answer.unwrap_or_else(|error| json!({"ok": false, "error": error}));
        // After a line that is too long, or not text, there is no telling where the next begins.
        if lines.send(answer.to_string()).await.is_err() || line.is_err() {
            return;
        }
    }
}

async fn answer(control: &mpsc::Sender<Control>, line: &str) -> Result<Value, String> {
    if let Ok(change) = serde_json::from_str(line) {
        tell(control, Control::Change(change)).await?;
        return Ok(json!({"ok": true}));
    }
    let request = match call(line)? {
        Call::Fault { rule } => Control::Fault(rule.parse::<Rule>()?),
        Call::Calm {} => Control::Calm,
        Call::Reset {} => Control::Reset,
        Call::Power { on } => Control::Power(on),
        Call::Close {} => Control::CloseSession,
        Call::State {} => {
            let (reply, state) = oneshot::channel();
            tell(control, Control::State(reply)).await?;
            let state = state.await.map_err(|_| "the module is gone")?;
            return Ok(shown(&state));
        }
    };
    tell(control, request).await?;
    Ok(json!({"ok": true}))
}

/// Reads a call that is no change of the world; what is wrong with neither is said of the one that it looks like.
fn call(line: &str) -> Result<Call, String> {
    let wrong = |error: serde_json::Error| format!("not a call: {error}");
    serde_json::from_str(line).map_err(|error| {
        let change = serde_json::from_str::<Change>(line).err();
        let known = |error: &serde_json::Error| !error.to_string().contains("unknown variant");
        wrong(change.filter(known).unwrap_or(error))
    })
}

async fn tell(control: &mpsc::Sender<Control>, request: Control) -> Result<(), String> {
    control.send(request).await.map_err(|_| "the module is gone".into())
}

fn shown(state: &State) -> Value {
    let faults: Vec<_> = state.faults.iter().map(|(at, fault)| json!([at.as_secs_f64(), fault])).collect();
    json!({
        "ok": true, "fired": state.fired, "faults": faults, "waiting": state.waiting, "lines": state.lines,
        "deaf": state.deaf, "sent": state.sent,
    })
}

/// Makes one call on the console at `path` and returns its answer.
///
/// # Errors
/// When nobody listens there.
pub fn ask(path: &Path, line: &str) -> io::Result<String> {
    let call = match line {
        "calm" | "reset" | "close" | "state" => json!({"do": line}).to_string(),
        "on" | "off" => json!({"do": "power", "on": line == "on"}).to_string(),
        line if line.trim_start().starts_with('{') => line.to_owned(),
        rule => json!({"do": "fault", "rule": rule}).to_string(),
    };
    let mut stream = BlockingStream::connect(path)?;
    writeln!(stream, "{call}")?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(answer.trim_end().to_owned())
}
