//! The handle through which a program asks.

use crate::confirmation::{self, Confirmation, Teller};
use crate::connection::{self, Call};
use crate::{Error, Events};
use airgate_proto::{Answer, Ask, Done, Hello, Op, Publish, Selection, Use};
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::{path::Path, sync::Arc};
use tokio::{net::UnixStream, sync::mpsc, sync::oneshot};

/// Where the daemon listens unless it is configured otherwise.
pub const DEFAULT_SOCKET: &str = "/run/airgate/airgate.sock";

/// Requests handed over but not yet on the line. Further callers wait.
const CALL_QUEUE: usize = 16;

/// A connection to the daemon. Clones share it; it ends when the last of them and the [`Events`] are dropped.
#[derive(Debug, Clone)]
pub struct Client {
    calls: mpsc::Sender<Call>,
    hello: Arc<Hello>,
}

/// The daemon has the message and will deliver it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Its number, as in later `sent` and `dropped` events.
    pub seq: u64,
    /// Its `key` had been accepted before; nothing was stored, the number is the earlier one's.
    pub duplicate: bool,
}

/// Whether somebody may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether.
    pub may: bool,
    /// Whether and why, for a person.
    pub what: String,
    /// What would let it; empty when it may.
    pub hint: String,
}

impl Client {
    /// Connects and reads the daemon's hello. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error::NoDaemon`], [`Error::Refused`] (too many clients), [`Error::Closed`], [`Error::Protocol`].
    pub async fn connect(path: impl AsRef<Path>) -> Result<(Self, Events), Error> {
        let path = path.as_ref();
        let stream = UnixStream::connect(path).await.map_err(|e| Error::no_daemon(path.to_owned(), e))?;
        let (sender, events) = crate::events::channel();
        let (calls, requests) = mpsc::channel(CALL_QUEUE);
        let (connection, hello) = connection::Connection::open(stream, requests, sender).await?;
        tokio::spawn(connection.run());
        Ok((Self { calls, hello: Arc::new(hello) }, events))
    }

    /// What the daemon said first. Its `link` is of that moment.
    #[must_use]
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Hands a message over. With QoS 1 it is on the disk when this returns.
    ///
    /// # Errors
    /// [`Error::Refused`] with `bad_topic`, `payload_too_large`, `not_allowed`, `outbox_full`, `over_budget`, …;
    /// [`Error::Closed`], [`Error::Protocol`].
    pub async fn publish(&self, publish: Publish) -> Result<Accepted, Error> {
        accepted(&self.call(Op::Publish(publish)).await?)
    }

    /// Hands a message to the connection and returns before the daemon has answered: what is submitted one after another arrives
    /// in that order, and shares the daemon's writing to the disk. The first part resolves as [`Client::publish`]; the
    /// second, there if `publish` has `confirm`, as that of [`Client::publish_confirmed`].
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub async fn submit(&self, publish: Publish) -> Result<(Submitted, Option<Confirmation>), Error> {
        let (teller, confirmation) = publish.confirm.then(confirmation::pair).unzip();
        let answer = self.start(Op::Publish(publish), teller).await?;
        Ok((Submitted(answer), confirmation))
    }

    /// As [`Client::publish`], and to be told when the cloud has it: the second part resolves then. No event tells it again.
    /// To drop that part costs nothing.
    ///
    /// # Errors
    /// As [`Client::publish`].
    pub async fn publish_confirmed(&self, publish: Publish) -> Result<(Accepted, Confirmation), Error> {
        let (teller, confirmation) = confirmation::pair();
        let answer = self.start(Op::Publish(Publish { confirm: true, ..publish }), Some(teller)).await?;
        Ok((Submitted(answer).await?, confirmation))
    }

    /// Asks for the messages that match an MQTT filter. They come as [`Event::Message`](crate::Event::Message).
    ///
    /// # Errors
    /// [`Error::Refused`] with `bad_filter` or `not_allowed`; [`Error::Closed`], [`Error::Protocol`].
    pub async fn subscribe(&self, filter: impl Into<String>) -> Result<(), Error> {
        self.call(Op::Subscribe { filter: filter.into(), durable: None }).await.map(drop)
    }

    /// As [`Client::subscribe`]; messages are kept under `name` while the program is away, within the daemon's bound.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn subscribe_durable(&self, filter: impl Into<String>, name: impl Into<String>) -> Result<(), Error> {
        self.call(Op::Subscribe { filter: filter.into(), durable: Some(name.into()) }).await.map(drop)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn unsubscribe(&self, filter: impl Into<String>) -> Result<(), Error> {
        self.call(Op::Unsubscribe { filter: filter.into(), durable: None }).await.map(drop)
    }

    /// Ends a durable subscription and discards what was kept for it.
    ///
    /// # Errors
    /// As [`Client::subscribe`].
    pub async fn unsubscribe_durable(&self, filter: impl Into<String>, name: impl Into<String>) -> Result<(), Error> {
        self.call(Op::Unsubscribe { filter: filter.into(), durable: Some(name.into()) }).await.map(drop)
    }

    /// The daemon's whole status object.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], [`Error::Protocol`].
    pub async fn status(&self) -> Result<Value, Error> {
        let status = self.call(Op::Status).await?.status;
        status.ok_or_else(|| Error::Protocol("an answer to `status` without status".into()))
    }

    /// The daemon's metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], [`Error::Protocol`].
    pub async fn metrics(&self) -> Result<String, Error> {
        match self.call(Op::Metrics).await?.data {
            Some(Value::String(text)) => Ok(text),
            _ => Err(Error::Protocol("an answer to `metrics` without text".into())),
        }
    }

    /// The last 30 days, hour by hour: `{"hours":[…],"damaged":N}`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], [`Error::Protocol`].
    pub async fn history(&self) -> Result<Value, Error> {
        let data = self.call(Op::History).await?.data;
        data.ok_or_else(|| Error::Protocol("an answer to `history` without data".into()))
    }

    /// The daemon's newest log lines after this number: `{"lines":[…],"next":N}`. For operators.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_allowed` and others; [`Error::Closed`], [`Error::Protocol`].
    pub async fn log(&self, after: u64) -> Result<Value, Error> {
        let data = self.call(Op::Log { after }).await?.data;
        data.ok_or_else(|| Error::Protocol("an answer to `log` without data".into()))
    }

    /// Sends one AT command to the module and returns its lines. For operators.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_allowed` and others; [`Error::Closed`], [`Error::Protocol`].
    pub async fn at(&self, command: impl Into<String>) -> Result<Vec<String>, Error> {
        let lines = self.call(Op::At { command: command.into() }).await?.lines;
        lines.ok_or_else(|| Error::Protocol("an answer to `at` without lines".into()))
    }

    /// Some of the messages that wait, after this number: `{"messages":[…],"next":N or null}`. For operators.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_allowed` and others; [`Error::Closed`], [`Error::Protocol`].
    pub async fn outbox_list(&self, selection: Selection, after: u64, payloads: bool) -> Result<Value, Error> {
        let data = self.call(Op::OutboxList { selection, after, payloads }).await?.data;
        data.ok_or_else(|| Error::Protocol("an answer to `outbox_list` without data".into()))
    }

    /// Drops messages that wait, and tells how many: `{"dropped":N}`. For operators.
    ///
    /// # Errors
    /// [`Error::Refused`] with `not_allowed` and others; [`Error::Closed`], [`Error::Protocol`].
    pub async fn outbox_drop(&self, selection: Selection) -> Result<Value, Error> {
        let data = self.call(Op::OutboxDrop(selection)).await?.data;
        data.ok_or_else(|| Error::Protocol("an answer to `outbox_drop` without data".into()))
    }

    /// Asks the cloud itself: a method of the thing model, the shadow, a sub-device. Returns its reply.
    ///
    /// # Errors
    /// [`Error::Refused`] with `offline`, `cloud_refused`, `timed_out`, `not_supported` and others; [`Error::Closed`],
    /// [`Error::Protocol`].
    pub async fn ask(&self, ask: Ask) -> Result<Value, Error> {
        Ok(self.call(Op::Ask(ask)).await?.data.unwrap_or_default())
    }

    /// Answers an [`Event::Call`](crate::Event::Call), named by its `call`.
    ///
    /// # Errors
    /// [`Error::Refused`] with `no_such_call` when it is too late; [`Error::Closed`], [`Error::Protocol`].
    pub async fn answer(&self, call: impl Into<String>, answer: Answer) -> Result<(), Error> {
        self.call(Op::Answer { call: call.into(), answer }).await.map(drop)
    }

    /// What time it is, by the best clock that the daemon has: `{"unix_ms":…,"source":"cloud",…}`.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], [`Error::Protocol`].
    pub async fn time(&self) -> Result<Value, Error> {
        let data = self.call(Op::Time).await?.data;
        data.ok_or_else(|| Error::Protocol("an answer to `time` without data".into()))
    }

    /// Whether this user may do so, why, and what would let it. Nothing is published or subscribed to.
    ///
    /// # Errors
    /// [`Error::Refused`] with `bad_topic` or `bad_filter`; [`Error::Closed`], [`Error::Protocol`].
    pub async fn may(&self, what: Use) -> Result<Verdict, Error> {
        let data = self.call(Op::May(what)).await?.data.unwrap_or_default();
        let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let may = data.get("may").and_then(Value::as_bool);
        let may = may.ok_or_else(|| Error::Protocol("an answer to `may` without `may`".into()))?;
        Ok(Verdict { may, what: text("what"), hint: text("hint") })
    }

    /// Waits for a sign of life.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Closed`], [`Error::Protocol`].
    pub async fn ping(&self) -> Result<(), Error> {
        self.call(Op::Ping).await.map(drop)
    }

    /// Returns when the connection has ended.
    pub(crate) async fn closed(&self) {
        self.calls.closed().await;
    }

    /// No time limit here: how long is too long depends on the request, so the caller sets one where it wants one. To
    /// drop the future does not take the request back.
    async fn call(&self, op: Op) -> Result<Done, Error> {
        self.start(op, None).await?.await.unwrap_or(Err(Error::Closed))
    }

    async fn start(&self, op: Op, confirm: Option<Teller>) -> Result<oneshot::Receiver<Result<Done, Error>>, Error> {
        let (answer, answered) = oneshot::channel();
        self.calls.send(Call { op, answer, confirm }).await.map_err(|_| Error::Closed)?;
        Ok(answered)
    }
}

/// A message that was handed to the connection; resolves when the daemon has it.
#[derive(Debug)]
pub struct Submitted(oneshot::Receiver<Result<Done, Error>>);

impl Future for Submitted {
    type Output = Result<Accepted, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = ready!(Pin::new(&mut self.0).poll(context)).unwrap_or(Err(Error::Closed));
        Poll::Ready(answer.and_then(|done| accepted(&done)))
    }
}

fn accepted(done: &Done) -> Result<Accepted, Error> {
    let seq = done.seq.ok_or_else(|| Error::Protocol("a publish was accepted without a number".into()))?;
    Ok(Accepted { seq, duplicate: done.duplicate })
}
