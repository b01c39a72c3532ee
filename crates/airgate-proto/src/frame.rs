//! The client's side of the line: telling answers from events.

use crate::{BadId, Code, Done, Event, Id, Refusal, Reply};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::borrow::Cow;

/// Anything that the daemon sends.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerFrame {
    /// The answer to a request.
    Reply(Reply),
    /// An event.
    Event(Event),
    /// An event of a newer daemon, by its name. To be skipped.
    Unknown(String),
}

/// A line that no daemon of any version sends.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// Not JSON, or a field of the wrong type.
    #[error("not a frame: {0}")]
    Json(#[from] serde_json::Error),
    /// The id is neither a string nor a number.
    #[error(transparent)]
    Id(#[from] BadId),
    /// Neither `event` nor `ok`.
    #[error("neither an answer nor an event")]
    Neither,
    /// An answer that says yes to nobody.
    #[error("an answer without id")]
    NoId,
}

/// Reads one line from the daemon. Fields that are not known are skipped.
///
/// # Errors
/// [`FrameError`] when the line is not of this protocol.
pub fn parse_server_line(line: &[u8]) -> Result<ServerFrame, FrameError> {
    let frame: Frame<'_> = serde_json::from_slice(line)?;
    if let Some(name) = frame.event {
        return Ok(match Event::NAMES.contains(&name.as_ref()) {
            true => ServerFrame::Event(serde_json::from_slice(line)?),
            false => ServerFrame::Unknown(name.into_owned()),
        });
    }
    let ok = frame.ok.ok_or(FrameError::Neither)?;
    let id = frame.id.map(Id::from_raw).transpose()?;
    Ok(ServerFrame::Reply(if ok {
        Reply::Ok(Done {
            id: id.ok_or(FrameError::NoId)?,
            seq: frame.seq,
            duplicate: frame.duplicate,
            status: frame.status,
            lines: frame.lines,
            data: frame.data,
        })
    } else {
        Reply::Refused(Refusal { id, code: frame.code, message: frame.message, hint: frame.hint })
    }))
}

/// All fields of an answer, and the one that tells an event.
#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    ok: Option<bool>,
    seq: Option<u64>,
    #[serde(default)]
    duplicate: bool,
    status: Option<Value>,
    lines: Option<Vec<String>>,
    data: Option<Value>,
    #[serde(default = "unknown_code")]
    code: Code,
    #[serde(default)]
    message: String,
    #[serde(default)]
    hint: String,
}

fn unknown_code() -> Code {
    Code::Unknown
}

/// One frame as one line, newline included.
pub(crate) fn to_line<T: Serialize>(frame: &T) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "the frames are strings, numbers and maps with string keys: always JSON")]
    let mut line = serde_json::to_vec(frame).expect("a frame is always JSON");
    line.push(b'\n');
    line
}
