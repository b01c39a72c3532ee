//! What happened in each hour of the last 30 days: signal, link, recovery, traffic.
//!
//! A pure recorder, a file of fixed size (`FORMAT.md`), and the task around them, which
//! looks once a minute and whenever the link changes, and writes 128 bytes an hour.

mod file;
mod hour;
mod recorder;

pub use file::{HOURS, Kept, Ring};
pub use hour::{HOUR_MS, Hour, Range, Row, SLOT, Span};
pub use recorder::{Reading, Recorder, hour_of};

use crate::status::Sources;
use airgate_proto::LinkState;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The module reports its signal as often.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Programs that wait for an answer.
const ASKING: usize = 8;

/// Asks for the last 30 days.
#[derive(Clone, Debug)]
pub struct Asker(mpsc::Sender<oneshot::Sender<Value>>);

impl Asker {
    /// `{"hours":[…],"damaged":N}`, the hour that is open among them; `None` when the daemon stops.
    pub async fn ask(&self) -> Option<Value> {
        let (reply, answer) = oneshot::channel();
        self.0.send(reply).await.ok()?;
        answer.await.ok()
    }
}

/// The running recorder.
#[derive(Debug)]
pub struct Handle {
    stop: oneshot::Sender<()>,
    ended: JoinHandle<()>,
}

impl Handle {
    /// Ends it and writes the hour that is open.
    pub async fn stop(self) {
        // One that panicked has ended, too.
        let _ = self.stop.send(());
        let _ = self.ended.await;
    }
}

/// Starts recording in the current runtime.
pub fn start(sources: Sources, ring: Ring) -> (Asker, Handle) {
    let (asker, asks) = mpsc::channel(ASKING);
    let (stop, stopped) = oneshot::channel();
    let room = Room { recorder: Recorder::default(), started: Instant::now(), sources, ring, failing: false };
    let ended = tokio::spawn(room.run(asks, stopped));
    (Asker(asker), Handle { stop, ended })
}

struct Room {
    recorder: Recorder,
    started: Instant,
    sources: Sources,
    ring: Ring,
    /// The last write failed, and that was told.
    failing: bool,
}

impl Room {
    async fn run(mut self, mut asks: mpsc::Receiver<oneshot::Sender<Value>>, mut stopped: oneshot::Receiver<()>) {
        let mut link = self.sources.link.clone();
        let mut tick = interval(LOOK_EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let asked = tokio::select! {
                _ = &mut stopped => break,
                _ = tick.tick() => None,
                Ok(()) = link.changed() => None,
                asked = asks.recv() => asked,
            };
            self.look().await;
            if let Some(reply) = asked {
                self.answer(reply);
            }
        }
        self.look().await;
        let open = self.recorder.open().clone();
        self.write(open).await;
    }

    async fn look(&mut self) {
        let now_ms = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Some(hour) = self.recorder.observe(now_ms, self.sources.wall_ms(), reading(&self.sources)) {
            self.write(hour).await;
        }
    }

    /// A disk that does not take it costs the hour, and is told once.
    async fn write(&mut self, hour: Hour) {
        let ring = self.ring.clone();
        // An fsync may take seconds: not on the event loop.
        let written = spawn_blocking(move || ring.add(&hour)).await.unwrap_or_else(|error| Err(error.into()));
        let path = self.ring.path().display();
        match &written {
            Err(error) if !self.failing => {
                tracing::warn!(%path, %error, "the history cannot be written: hours are missing until it can be");
            }
            Ok(()) if self.failing => tracing::info!(%path, "the history is written again"),
            _ => {}
        }
        self.failing = written.is_err();
    }

    fn answer(&self, reply: oneshot::Sender<Value>) {
        let (ring, open) = (self.ring.clone(), self.recorder.open().clone());
        drop(spawn_blocking(move || {
            let mut kept = ring.read(open.hour).unwrap_or_else(|error| {
                tracing::debug!(path = %ring.path().display(), %error, "the history cannot be read");
                Kept::default()
            });
            match kept.hours.last_mut().filter(|last| last.hour == open.hour) {
                Some(last) => last.merge(&open),
                None => kept.hours.push(open),
            }
            let rows: Vec<_> = kept.hours.iter().map(Hour::row).collect();
            // Whoever asked may have gone.
            let _ = reply.send(json!({ "hours": rows, "damaged": kept.damaged }));
        }));
    }
}

/// What the status says now of what is taken down.
fn reading(status: &Sources) -> Reading {
    let (module, outbox) = (status.module.borrow(), status.outbox.status().borrow().clone());
    let air = status.budget.borrow().counted().month;
    Reading {
        online: status.link.borrow().state == LinkState::Online,
        rsrp: module.facts.cell.and_then(|cell| cell.rsrp_dbm()),
        rsrq_tenths: module.facts.cell.and_then(|cell| cell.rsrq_db()).map(|db| (db * 10.0).round() as i16),
        rssi: module.signal.and_then(|signal| signal.rssi_dbm()),
        waiting: outbox.queued + outbox.in_flight,
        up_bytes: air.up,
        down_bytes: air.down,
        accepted: outbox.accepted_total,
        acknowledged: outbox.settled_total,
        dropped: outbox.dropped_total,
        delivered: status.router.borrow().delivered,
        boots: module.boots,
        heals: status.heals.borrow().climbed(),
    }
}
