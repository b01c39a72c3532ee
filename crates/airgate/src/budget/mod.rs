//! The SIM card's quota: what goes over the air is counted, kept across restarts, told, and acted upon.
//!
//! Counts are written at most once in a quarter of an hour, when a level is reached and at the end: a file of some hundred
//! bytes, so the card is not worn. A crash forgets at most what came since.

mod air;
mod meter;

pub use air::Air;
pub use meter::{Counted, Level, Meter, Traffic};

use crate::clock::host::unix_ms;
use crate::config::{Budget, Config, Tls, WhenSpent};
use airgate_proto::Event;
use serde_json::{Map, Value, json};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often counts are written at most.
const WRITE_EVERY: Duration = Duration::from_secs(15 * 60);
/// How often a session that says nothing is looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(5 * 60);

/// A packet that follows an answer within this carries the acknowledgement of it. Source: TCP_DELACK_MIN of Linux; lwIP, which
/// modules use, waits longer (TCP_FAST_INTERVAL, 250 ms), but not from each answer on.
const ACK_DELAY: Duration = Duration::from_millis(40);

/// The counting room of a session.
#[derive(Debug)]
pub struct Quota {
    meter: watch::Sender<Meter>,
    air: Air,
    kept: Arc<Kept>,
    keepalive: Duration,
    /// When the open session last said something; `None` while there is none.
    spoke: Option<Instant>,
    /// Whether the last publication gets an answer.
    asked: bool,
    /// When that came.
    answered: Option<Instant>,
    written: Instant,
    changed: bool,
    /// Writes so far.
    turn: u64,
}

impl Quota {
    /// Goes on from what was kept beside the outbox. What cannot be read counts as nothing, and is told.
    pub fn open(config: &Config) -> (Self, watch::Receiver<Meter>) {
        let path = config.outbox.dir.with_file_name("budget.json");
        let counted = match read(&path) {
            Ok(counted) => counted.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "what was counted for the budget cannot be read: it begins at 0");
                Counted::default()
            }
        };
        let mut meter = Meter::new(config.budget.clone(), counted);
        meter.roll(unix_ms());
        let (meter, watched) = watch::channel(meter);
        let quota = Self {
            meter,
            air: Air { tls: config.cloud.tls != Tls::Off },
            kept: Arc::new(Kept { path, turn: Mutex::new(0) }),
            keepalive: Duration::from_secs(config.cloud.keepalive_s.into()),
            spoke: None,
            asked: false,
            answered: None,
            written: Instant::now(),
            changed: false,
            turn: 0,
        };
        (quota, watched)
    }

    /// A session is being opened, with texts of so many bytes in its sign-in.
    pub fn signs_in(&mut self, texts: usize) -> Option<Event> {
        self.count(None, self.air.sign_in(texts))
    }

    /// A session began, or (`false`) ended.
    pub fn online(&mut self, is: bool) {
        self.spoke = is.then(Instant::now);
    }

    /// A subscription was asked for, with a filter of so many bytes.
    pub fn subscribes(&mut self, filter: usize) -> Option<Event> {
        self.spoke = self.spoke.map(|_| Instant::now());
        self.count(None, self.air.subscribe(filter))
    }

    /// A publication is handed to the network: a program's, or (`None`) our own.
    pub fn sends(&mut self, uid: Option<u32>, topic: usize, payload: usize, qos: u8) -> Option<Event> {
        self.spoke = self.spoke.map(|_| Instant::now());
        let follows = self.answered.take().is_some_and(|at| at.elapsed() < ACK_DELAY);
        self.asked = qos > 0;
        let traffic = self.air.publish(topic, payload, qos);
        self.count(uid, if follows { traffic.carrying() } else { traffic })
    }

    /// The last publication has ended well.
    pub fn delivered(&mut self) {
        self.answered = self.asked.then(Instant::now);
    }

    /// A message came down.
    pub fn receives(&mut self, topic: usize, payload: usize) -> Option<Event> {
        self.count(None, self.air.received(topic, payload, 1))
    }

    /// Time has passed: signs of life were exchanged, a month may have begun.
    pub fn look(&mut self) -> Option<Event> {
        let silent = self.spoke.map_or(Duration::ZERO, |spoke| spoke.elapsed());
        let pings = silent.as_secs() / self.keepalive.as_secs().max(1);
        if pings > 0 {
            self.spoke = Some(Instant::now());
        }
        let mut began = false;
        self.meter.send_modify(|meter| began = meter.roll(unix_ms()));
        let told = self.count(None, self.air.pings(pings));
        told.or_else(|| began.then(|| self.event()))
    }

    /// Another tariff, from now on; what was counted stays. An event when that changes how the month stands.
    pub fn set_budget(&mut self, budget: Option<Budget>) -> Option<Event> {
        let (before, floor) = (self.meter.borrow().level(), self.floor());
        self.meter.send_modify(|meter| meter.set_budget(unix_ms(), budget));
        self.changed = true;
        let level = self.meter.borrow().level();
        (level != before || self.floor() != floor).then(|| self.event())
    }

    /// The least urgent priority that may go out now; one above the most urgent: nothing may.
    pub fn floor(&self) -> u8 {
        self.meter.borrow().floor()
    }

    fn count(&mut self, uid: Option<u32>, traffic: Traffic) -> Option<Event> {
        let mut risen = None;
        self.meter.send_modify(|meter| risen = meter.count(unix_ms(), uid, traffic));
        self.changed |= traffic.bytes() > 0;
        if self.changed && (risen.is_some() || self.written.elapsed() >= WRITE_EVERY) {
            self.changed = false;
            self.written = Instant::now();
            let counted = self.meter.borrow().counted().clone();
            let (kept, turn) = (Arc::clone(&self.kept), self.turn());
            // An fsync may take seconds: not on the event loop.
            drop(tokio::task::spawn_blocking(move || kept.keep(&counted, turn)));
        }
        let level = risen?;
        let month = self.meter.borrow().counted().month.bytes();
        tracing::warn!(event = "budget", ?level, month, "the data budget");
        Some(self.event())
    }

    fn turn(&mut self) -> u64 {
        self.turn += 1;
        self.turn
    }

    fn event(&self) -> Event {
        let meter = self.meter.borrow();
        let mut map = Map::new();
        map.insert("level".into(), json!(meter.level()));
        map.insert("used_bytes".into(), meter.counted().month.bytes().into());
        map.insert("monthly_bytes".into(), json!(meter.budget().map(|budget| budget.monthly_bytes)));
        map.insert("resets_unix_ms".into(), meter.next_month_unix_ms().into());
        Event::Budget(map)
    }
}

impl Drop for Quota {
    /// The daemon stops: nothing waits for this write any more.
    fn drop(&mut self) {
        if self.changed || self.turn > 0 {
            let turn = self.turn();
            self.kept.keep(self.meter.borrow().counted(), turn);
        }
    }
}

/// As the status shows it.
pub fn shown(meter: &Meter) -> Value {
    let counted = meter.counted();
    json!({
        "level": meter.level(),
        "monthly_bytes": meter.budget().map(|budget| budget.monthly_bytes),
        "when_spent": meter.budget().map(|budget| match budget.when_spent {
            WhenSpent::AlarmsOnly => "alarms_only",
            WhenSpent::Stop => "stop",
            WhenSpent::Warn => "warn",
        }),
        "month": counted.month,
        "today": counted.today,
        "programs": counted.programs,
        "resets_unix_ms": meter.next_month_unix_ms(),
    })
}

fn read(path: &Path) -> io::Result<Option<Counted>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The file. A write that was overtaken by a later one is none.
#[derive(Debug)]
struct Kept {
    path: PathBuf,
    /// The last write.
    turn: Mutex<u64>,
}

impl Kept {
    fn keep(&self, counted: &Counted, turn: u64) {
        let mut last = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if turn < *last {
            return;
        }
        *last = turn;
        if let Err(error) = replace(&self.path, counted) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "what was counted for the budget cannot be written");
        }
    }
}

fn replace(path: &Path, counted: &Counted) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    file.write_all(&serde_json::to_vec(counted)?)?;
    file.sync_data()?;
    fs::rename(&new, path)
}

#[cfg(test)]
mod tests {
    use super::meter::ALARM;
    use super::*;
    use crate::outbox::PRIORITY_MAX;

    fn config(dir: &Path, when_spent: WhenSpent) -> Config {
        let mut config = Config::default();
        config.outbox.dir = dir.join("outbox");
        config.budget = Some(Budget { monthly_bytes: 2_000, reset_day: 1, warn_at: 0.5, when_spent });
        config
    }

    #[tokio::test]
    async fn counts_outlive_a_restart_and_a_spent_budget_acts_as_configured() {
        // [budget-1] [budget-3]
        for (when_spent, floor) in
            [(WhenSpent::AlarmsOnly, ALARM), (WhenSpent::Stop, PRIORITY_MAX + 1), (WhenSpent::Warn, 0)]
        {
            let dir = tempfile::tempdir().unwrap();
            let config = config(dir.path(), when_spent);
            let (mut quota, _) = Quota::open(&config);
            let mut told = Vec::new();
            for _ in 0..20 {
                told.extend(quota.sends(Some(1000), 20, 100, 1));
            }
            assert!(matches!(told.as_slice(), [Event::Budget(_), Event::Budget(_)]), "{told:?}");
            assert_eq!(quota.floor(), floor);
            let counted = quota.meter.borrow().counted().clone();
            drop(quota);
            let (quota, status) = Quota::open(&config);
            assert_eq!(quota.meter.borrow().counted(), &counted);
            assert_eq!((quota.floor(), &shown(&status.borrow())["level"]), (floor, &json!("spent")));
        }
    }

    #[tokio::test]
    async fn a_tariff_that_changes_counts_what_was_used_and_is_told_when_that_changes_what_may_go_out() {
        let dir = tempfile::tempdir().unwrap();
        let config = config(dir.path(), WhenSpent::Stop);
        let (mut quota, status) = Quota::open(&config);
        for _ in 0..20 {
            quota.sends(Some(1000), 20, 100, 1);
        }
        assert_eq!(quota.floor(), PRIORITY_MAX + 1, "spent");
        let used = quota.meter.borrow().counted().month;
        let larger = config.budget.clone().map(|budget| Budget { monthly_bytes: 1 << 30, ..budget });
        assert!(matches!(quota.set_budget(larger.clone()), Some(Event::Budget(_))));
        assert_eq!((quota.floor(), quota.meter.borrow().counted().month), (0, used));
        assert_eq!(shown(&status.borrow())["monthly_bytes"], 1 << 30);
        assert_eq!(quota.set_budget(larger), None, "the same again is no event");
        assert!(quota.set_budget(config.budget).is_some(), "spent again");
        assert!(quota.set_budget(None).is_some() && quota.floor() == 0);
    }

    #[tokio::test]
    async fn a_damaged_file_begins_at_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("budget.json"), "{").unwrap();
        let (quota, _) = Quota::open(&config(dir.path(), WhenSpent::Stop));
        assert_eq!((quota.meter.borrow().counted().month, quota.floor()), (Traffic::default(), 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_session_pays_for_its_signs_of_life() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path(), WhenSpent::Warn);
        config.cloud.keepalive_s = 60;
        let (mut quota, _) = Quota::open(&config);
        quota.look();
        assert_eq!(quota.meter.borrow().counted().month.bytes(), 0, "no session, no signs of life");
        quota.online(true);
        tokio::time::advance(LOOK_EVERY).await;
        quota.look();
        assert_eq!(quota.meter.borrow().counted().month, quota.air.pings(LOOK_EVERY.as_secs() / 60));
    }
}
