//! The one object that everything visible is drawn from: the command line, the sockets, the service's status line.
//!
//! Each room tells what it knows in a `watch` of its own; here they are put together when somebody asks.

mod obstacle;

use crate::budget::{self, Meter};
use crate::clock::host::unix_ms;
use crate::heals::{self, Heals};
use crate::outbox::{DiskHealth, Outbox, OutboxStatus, Rates};
use crate::router::RouterStatus;
use crate::session::{LinkStatus, Trouble, clock};
use crate::users::{Client, Users};
use air780e::ladder::Rung;
use airgate_proto::LinkState;
use obstacle::obstacle;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// `airgate 0.1.0`.
pub const DAEMON: &str = concat!("airgate ", env!("CARGO_PKG_VERSION"));

/// So many of the programs that are connected are told one by one: those who came last.
const CLIENTS: usize = 32;

/// Everything that can be asked.
#[derive(Clone, Debug)]
pub struct Sources {
    /// When the daemon started.
    pub started: Instant,
    /// Which serial port it uses.
    pub port: String,
    /// Which cloud.
    pub cloud: &'static str,
    /// The link.
    pub link: watch::Receiver<LinkStatus>,
    /// What time it is, as it was heard last.
    pub clock: watch::Receiver<Option<clock::Reading>>,
    /// Whether the host's clock is to be set by it; another process does that.
    pub sets_clock: bool,
    /// The module.
    pub module: watch::Receiver<air780e::status::Status>,
    /// The outbox.
    pub outbox: Outbox,
    /// What goes over the air.
    pub budget: watch::Receiver<Meter>,
    /// The programs.
    pub router: watch::Receiver<RouterStatus>,
    /// Who they are.
    pub users: Arc<Users>,
    /// What recovery came to.
    pub heals: watch::Receiver<Heals>,
}

impl Sources {
    /// The whole status, as it is now.
    pub fn now(&self) -> Value {
        // One after the other: to ask for the rates updates what the other one looks at.
        let rates = self.outbox.rates();
        let kept = self.outbox.status().borrow().clone();
        json!({
            "daemon": DAEMON,
            "version": env!("CARGO_PKG_VERSION"),
            "protocol": airgate_proto::VERSION,
            "uptime_s": self.started.elapsed().as_secs(),
            "cloud": self.cloud,
            "link": link(&self.link.borrow(), self.trouble()),
            "clock": self.time(),
            "module": module(&self.port, &self.module.borrow(), &self.heals.borrow()),
            "line": line(&self.module.borrow()),
            "outbox": outbox(&kept, self.outbox.now_ms(), rates),
            "budget": budget::shown(&self.budget.borrow()),
            "programs": programs(&self.router.borrow(), &self.users.clients(CLIENTS)),
        })
    }

    /// What time it is, by the best clock there is.
    pub fn time(&self) -> Value {
        let mut told = clock::now(self.better_clock(), Instant::now(), unix_ms());
        if let Some(told) = told.as_object_mut() {
            told.insert("set_host_clock".into(), self.sets_clock.into());
        }
        told
    }

    /// Milliseconds since 1970, by the best clock there is.
    pub fn wall_ms(&self) -> u64 {
        self.better_clock().map_or_else(unix_ms, |reading| reading.at(Instant::now()))
    }

    fn better_clock(&self) -> Option<clock::Reading> {
        clock::best(*self.clock.borrow(), self.module.borrow().facts.network_time)
    }

    /// What keeps the link down: what is missing for a session, or else how the last one ended.
    fn trouble(&self) -> Option<Trouble> {
        let link = self.link.borrow();
        let missing = || obstacle(&self.port, &self.module.borrow());
        let offline = link.state == LinkState::Offline;
        offline.then(missing).flatten().or_else(|| link.trouble.clone())
    }

    /// In one line, for `systemctl status`.
    pub fn line(&self) -> String {
        let (link, outbox) = (self.link.borrow(), self.outbox.status().borrow().clone());
        let state = match (link.state, self.trouble()) {
            (LinkState::Online, _) => "online".to_owned(),
            (LinkState::Offline, Some(trouble)) => format!("offline: {}", trouble.message),
            (LinkState::Offline, None) => format!("offline: {}", self.module.borrow().phase.as_str()),
        };
        format!("{state}; {} waiting, {} acknowledged", outbox.queued + outbox.in_flight, outbox.settled_total)
    }
}

fn link(link: &LinkStatus, trouble: Option<Trouble>) -> Value {
    json!({
        "state": link.state,
        "since_unix_ms": link.since_unix_ms,
        "device": link.device,
        "attempts": link.attempts,
        "trouble": trouble,
        "aside": link.aside,
        "next_try_unix_ms": link.next_try_unix_ms,
    })
}

fn module(port: &str, status: &air780e::status::Status, heals: &Heals) -> Value {
    let identity = status.identity.as_ref();
    let facts = &status.facts;
    json!({
        "port": port,
        "baud": status.baud,
        "port_error": status.port_error,
        "phase": status.phase.as_str(),
        "model": identity.map(|i| &i.model),
        "firmware": identity.map(|i| &i.firmware),
        "imei": identity.map(|i| &i.imei),
        "rssi_dbm": status.signal.and_then(|signal| signal.rssi_dbm()),
        "rsrp_dbm": facts.cell.and_then(|cell| cell.rsrp_dbm()),
        "rsrq_db": facts.cell.and_then(|cell| cell.rsrq_db()),
        "operator": facts.operator,
        "iccid": facts.iccid.as_ref().map(|iccid| &iccid.0),
        "imsi": facts.imsi.as_ref().map(ToString::to_string),
        "address": facts.address,
        "boot_cause": facts.boot_cause.map(|cause| cause.to_string()),
        "network_time_unix_s": facts.network_time.map(|time| time.unix_s + time.heard_at.elapsed().as_secs()),
        "registration": status.registration.map(|r| format!("{r:?}").to_lowercase()),
        "boots": status.boots,
        "recovery": recovery(status, heals),
    })
}

/// What the recovery ladder did today, and last.
fn recovery(status: &air780e::status::Status, heals: &Heals) -> Value {
    let used: Map<_, _> =
        Rung::ALL.into_iter().map(|rung| (rung.as_str().to_owned(), status.budget.used(rung).into())).collect();
    let mut shown = heals.shown();
    shown.insert("today".to_owned(), used.into());
    shown.insert("last".to_owned(), status.last_heal.as_ref().map(heals::shown).into());
    shown.into()
}

fn line(status: &air780e::status::Status) -> Value {
    let c = status.counters;
    json!({
        "tx_bytes": c.tx_bytes,
        "rx_bytes": c.rx_bytes,
        "broken": c.broken,
        "stray": c.stray,
        "fenced": c.fenced,
    })
}

fn outbox(status: &OutboxStatus, now_ms: u64, rates: Rates) -> Value {
    let disk = match &status.disk {
        DiskHealth::Ok => "ok".to_owned(),
        DiskHealth::Failing { reason } => format!("failing: {reason}"),
        DiskHealth::Low { free } => format!("low: only {free} bytes are free, nothing new is accepted"),
    };
    json!({
        "queued": status.queued,
        "in_flight": status.in_flight,
        "bytes": status.bytes,
        "accepted": status.accepted_total,
        "acknowledged": status.settled_total,
        "dropped": status.dropped_total,
        "unreadable": status.unreadable,
        "accepted_per_s": rates.accepted_per_s,
        "acknowledged_per_s": rates.settled_per_s,
        "empty_in_s": rates.empty_in_s,
        "oldest_age_ms": status.oldest_age_ms(now_ms),
        "disk": disk,
    })
}

fn programs(status: &RouterStatus, clients: &[Client]) -> Value {
    let client = |Client { uid, pid, door, since }: &Client| json!({ "uid": uid, "pid": pid, "door": door, "for_s": since.elapsed().as_secs() });
    json!({
        "clients": clients.iter().map(client).collect::<Vec<_>>(),
        "connected": status.programs,
        "away": status.away,
        "delivered": status.delivered,
        "lagged": status.lagged,
        "unwanted": status.unwanted,
    })
}
