//! The task that owns the socket: it alone reads, writes and pairs answers with requests.

use crate::Error;
use crate::confirmation::{Teller, Waiting};
use crate::events::EventSender;
use airgate_proto::limits::MAX_LINE_BYTES;
use airgate_proto::{
    Code, Done, Event, Hello, Id, LineBuffer, Op, Refusal, Reply, Request, ServerFrame, parse_server_line,
};
use std::{collections::HashMap, io, time::Duration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{mpsc, oneshot};

/// The daemon says hello before it does anything slow; only one that hangs needs longer.
const HELLO_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests that wait for their answer. Further ones wait in the queue.
const MAX_PENDING: usize = 256;

/// A status object is the longest line in use and fits into a few of these.
const READ_CHUNK: usize = 8 * 1024;

type Answer = Result<Done, Error>;

/// One request of a program.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) op: Op,
    pub(crate) answer: oneshot::Sender<Answer>,
    /// Whom to tell when the cloud has the message.
    pub(crate) confirm: Option<Teller>,
}

/// A request on the line.
struct Pending {
    line_bytes: usize,
    answer: oneshot::Sender<Answer>,
    confirm: Option<Teller>,
}

pub(crate) struct Connection {
    reader: Reader,
    writer: OwnedWriteHalf,
    calls: mpsc::Receiver<Call>,
    events: EventSender,
    pending: HashMap<Id, Pending>,
    waiting: Waiting,
    next_id: u64,
    /// What is still to be written of the request under way; the next one is taken when it is empty.
    unwritten: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(
        stream: UnixStream,
        calls: mpsc::Receiver<Call>,
        events: EventSender,
    ) -> Result<(Self, Hello), Error> {
        let (read, writer) = stream.into_split();
        let mut reader = Reader { read, lines: LineBuffer::new(MAX_LINE_BYTES), chunk: Vec::new() };
        let first = tokio::time::timeout(HELLO_TIMEOUT, reader.frame());
        let hello = match first.await.map_err(|_| Error::Protocol("it says no hello".into()))?? {
            ServerFrame::Event(Event::Hello(hello)) => hello,
            ServerFrame::Reply(Reply::Refused(refusal)) => return Err(refusal.into()),
            _ => return Err(Error::Protocol("its first line is no hello".into())),
        };
        let (pending, waiting, unwritten) = (HashMap::new(), Waiting::default(), Vec::new());
        Ok((Self { reader, writer, calls, events, pending, waiting, next_id: 1, unwritten }, hello))
    }

    /// Runs until the daemon closes, speaks nonsense, or nobody holds an end of it any more. What then still waits for an
    /// answer gets [`Error::Closed`], by dropping its sender.
    pub(crate) async fn run(mut self) {
        let mut callers = true;
        while callers
            || !self.pending.is_empty()
            || !self.waiting.is_empty()
            || !self.unwritten.is_empty()
            || !self.events.is_closed()
        {
            // Each branch may be cancelled by another without loss.
            tokio::select! {
                frame = self.reader.frame() => match frame {
                    Ok(frame) => self.receive(frame),
                    Err(Error::Protocol(reason)) => return self.fail_all(|| Error::Protocol(reason.clone())),
                    Err(_) => return,
                },
                written = self.writer.write(&self.unwritten), if !self.unwritten.is_empty() => match written {
                    Ok(count) => drop(self.unwritten.drain(..count)),
                    // What the daemon said before it hung up is still to be read; then reading ends.
                    Err(_) => self.unwritten.clear(),
                },
                call = self.calls.recv(), if callers && self.unwritten.is_empty() && self.pending.len() < MAX_PENDING =>
                    match call {
                        Some(call) => self.send(call),
                        None => callers = false,
                    },
                () = self.events.attend(!callers) => {}
            }
        }
    }

    fn send(&mut self, call: Call) {
        let id = Id::from(self.next_id);
        self.next_id += 1;
        let request = Request { id, op: call.op };
        let line = request.to_line();
        if line.len() > MAX_LINE_BYTES {
            let message =
                format!("the request is {} bytes long, no daemon takes more than {MAX_LINE_BYTES}", line.len());
            let refusal = Refusal::new(None, Code::LineTooLong, message, "send the payload in parts");
            // Whoever asked may have gone; then nobody wants the answer.
            let _ = call.answer.send(Err(refusal.into()));
            return;
        }
        let pending = Pending { line_bytes: line.len(), answer: call.answer, confirm: call.confirm };
        self.pending.insert(request.id, pending);
        self.unwritten = line;
    }

    fn receive(&mut self, frame: ServerFrame) {
        match frame {
            ServerFrame::Event(event) => {
                if let Some(event) = self.waiting.tell(event) {
                    self.events.send(event);
                }
            }
            ServerFrame::Reply(Reply::Ok(done)) => {
                let id = done.id.clone();
                self.answer(&id, Ok(done));
            }
            ServerFrame::Reply(Reply::Refused(refusal)) => self.refused(refusal),
            ServerFrame::Unknown(_) => {}
        }
    }

    /// A refusal without id is of a line that the daemon could not read to its id, or of the whole connection.
    fn refused(&mut self, refusal: Refusal) {
        let id = match (&refusal.id, refusal.code) {
            (Some(id), _) => Some(id.clone()),
            // The limit is the daemon's own, but if any line was over it, the longest one is.
            (None, Code::LineTooLong) => {
                self.pending.iter().max_by_key(|(_, pending)| pending.line_bytes).map(|(id, _)| id.clone())
            }
            (None, _) => return self.fail_all(|| refusal.clone().into()),
        };
        if let Some(id) = id {
            self.answer(&id, Err(refusal.into()));
        }
    }

    fn answer(&mut self, id: &Id, answer: Answer) {
        if let Some(pending) = self.pending.remove(id) {
            // The end is told after the number, so it is waited for in time.
            if let (Some(teller), Ok(Done { seq: Some(seq), .. })) = (pending.confirm, &answer) {
                self.waiting.wait(*seq, teller);
            }
            // Whoever asked may have gone; then nobody wants the answer.
            let _ = pending.answer.send(answer);
        }
    }

    fn fail_all(&mut self, error: impl Fn() -> Error) {
        for (_, pending) in self.pending.drain() {
            let _ = pending.answer.send(Err(error()));
        }
    }
}

/// Frames from a byte stream.
struct Reader {
    read: OwnedReadHalf,
    lines: LineBuffer,
    /// Read but not yet cut into lines.
    chunk: Vec<u8>,
}

impl Reader {
    /// The next frame. May be cancelled without loss: it only waits while `chunk` is used up.
    async fn frame(&mut self) -> Result<ServerFrame, Error> {
        loop {
            let mut rest = self.chunk.as_slice();
            let line = self.lines.take_from(&mut rest);
            let used = self.chunk.len() - rest.len();
            self.chunk.drain(..used);
            if let Some(line) = line {
                let line = line.map_err(|e| Error::Protocol(e.to_string()))?;
                return parse_server_line(&line).map_err(|e| Error::Protocol(e.to_string()));
            }
            self.fill().await.map_err(|_| Error::Closed)?;
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.chunk.reserve(READ_CHUNK);
        match self.read.read_buf(&mut self.chunk).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}
