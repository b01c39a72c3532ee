//! What happens to the module, the network, the disk and the outbox, told in the log once each time: a pure core that
//! compares what is seen with what was seen, and the task that looks.

use crate::outbox::{DiskHealth, OutboxStatus};
use air780e::status::{Phase, Status};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// A change is looked at after this time, so that what comes and goes within it is no event.
const SETTLE: Duration = Duration::from_secs(1);

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
struct View {
    phase: Phase,
    disk: DiskHealth,
    dropped: u64,
}

impl View {
    fn new(module: &Status, outbox: &OutboxStatus) -> Self {
        Self { phase: module.phase, disk: outbox.disk.clone(), dropped: outbox.dropped_total }
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
enum Tale {
    SimMissing,
    SimLocked,
    SimReady,
    NetworkLost,
    NetworkFound,
    DiskFailing(String),
    DiskLow(u64),
    DiskWell,
    Dropped(u64),
}

/// What has happened between two looks.
fn happened(before: &View, now: &View) -> Vec<Tale> {
    let mut tales = Vec::new();
    if before.phase != now.phase {
        tales.extend(phase(before.phase, now.phase));
    }
    if before.disk != now.disk {
        tales.extend(disk(&before.disk, &now.disk));
    }
    if now.dropped > before.dropped {
        tales.push(Tale::Dropped(now.dropped - before.dropped));
    }
    tales
}

fn phase(before: Phase, now: Phase) -> Option<Tale> {
    let in_network = |phase| matches!(phase, Phase::Attached | Phase::Connecting | Phase::Online);
    match now {
        Phase::NoSim => Some(Tale::SimMissing),
        Phase::SimLocked => Some(Tale::SimLocked),
        Phase::Searching if in_network(before) => Some(Tale::NetworkLost),
        now if in_network(now) && !in_network(before) => Some(Tale::NetworkFound),
        Phase::Searching if matches!(before, Phase::NoSim | Phase::SimLocked) => Some(Tale::SimReady),
        _ => None,
    }
}

fn disk(before: &DiskHealth, now: &DiskHealth) -> Option<Tale> {
    match now {
        DiskHealth::Failing { reason } => Some(Tale::DiskFailing(reason.clone())),
        // How little it is may change all the time.
        DiskHealth::Low { .. } if matches!(before, DiskHealth::Low { .. }) => None,
        DiskHealth::Low { free } => Some(Tale::DiskLow(*free)),
        DiskHealth::Ok => Some(Tale::DiskWell),
    }
}

/// Looks and tells, until the daemon stops.
pub async fn tell(mut module: watch::Receiver<Status>, mut outbox: watch::Receiver<OutboxStatus>) {
    let mut before = View::new(&Status::default(), &outbox.borrow());
    loop {
        let now = {
            let (module, outbox) = (module.borrow_and_update(), outbox.borrow_and_update());
            let now = View::new(&module, &outbox);
            for tale in happened(&before, &now) {
                log(&tale, &module);
            }
            now
        };
        before = now;
        let changed = tokio::select! {
            changed = module.changed() => changed,
            changed = outbox.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        sleep(SETTLE).await;
    }
}

fn log(tale: &Tale, module: &Status) {
    let imei = module.identity.as_ref().map(|identity| identity.imei.as_str());
    let iccid = module.facts.iccid.as_ref().map(|iccid| iccid.0.as_str());
    let (rsrp, operator) = (module.facts.cell.and_then(|cell| cell.rsrp_dbm()), module.facts.operator.as_deref());
    match tale {
        Tale::SimMissing => {
            tracing::error!(event = "sim_missing", imei, "there is no SIM card, or the module does not recognise it");
        }
        Tale::SimLocked => {
            tracing::error!(
                event = "sim_locked",
                imei,
                iccid,
                "the SIM card is locked: `sim_pin` under [modem] is missing or wrong"
            );
        }
        Tale::SimReady => tracing::info!(event = "sim_ready", imei, iccid, "the SIM card is there and unlocked"),
        Tale::NetworkLost => {
            tracing::warn!(event = "network_lost", imei, iccid, rsrp, "the network is lost; the module searches")
        }
        Tale::NetworkFound => {
            tracing::info!(event = "network_found", imei, iccid, rsrp, operator, "the network has taken the card");
        }
        Tale::DiskFailing(reason) => {
            tracing::error!(
                event = "disk_failing",
                reason,
                "the outbox cannot be written: nothing new is accepted ({reason})"
            );
        }
        Tale::DiskLow(free) => {
            tracing::error!(
                event = "disk_low",
                free,
                "only {free} bytes are free on the disk: nothing new is accepted"
            );
        }
        Tale::DiskWell => tracing::info!(event = "disk_well", "the outbox's disk works again"),
        Tale::Dropped(count) => {
            tracing::warn!(
                event = "messages_dropped",
                count,
                "{count} messages were dropped: a bound of the outbox was reached"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(phase: Phase) -> View {
        View { phase, disk: DiskHealth::Ok, dropped: 0 }
    }

    #[test]
    fn a_start_with_everything_well_tells_only_that_the_network_was_found() {
        let way = [Phase::NoPort, Phase::NoAnswer, Phase::SettingUp, Phase::Searching, Phase::Attached, Phase::Online];
        let tales: Vec<_> = way.windows(2).flat_map(|pair| happened(&view(pair[0]), &view(pair[1]))).collect();
        assert_eq!(tales, [Tale::NetworkFound]);
    }

    #[test]
    fn a_card_that_is_pulled_and_put_back_and_a_lost_network_are_told() {
        let way = [Phase::Online, Phase::NoSim, Phase::Searching, Phase::Attached, Phase::Searching, Phase::SimLocked];
        let tales: Vec<_> = way.windows(2).flat_map(|pair| happened(&view(pair[0]), &view(pair[1]))).collect();
        let expected = [Tale::SimMissing, Tale::SimReady, Tale::NetworkFound, Tale::NetworkLost, Tale::SimLocked];
        assert_eq!(tales, expected);
    }

    #[test]
    fn a_disk_that_fails_fills_and_recovers_is_told_once_each() {
        let disks = [
            DiskHealth::Ok,
            DiskHealth::Failing { reason: "I/O error".into() },
            DiskHealth::Low { free: 9 },
            DiskHealth::Low { free: 8 },
            DiskHealth::Ok,
        ];
        let views = disks.map(|disk| View { disk, ..view(Phase::Online) });
        let tales: Vec<_> = views.windows(2).flat_map(|pair| happened(&pair[0], &pair[1])).collect();
        assert_eq!(tales, [Tale::DiskFailing("I/O error".into()), Tale::DiskLow(9), Tale::DiskWell]);
    }

    #[test]
    fn drops_between_two_looks_are_told_together() {
        let before = View { dropped: 3, ..view(Phase::Online) };
        let now = View { dropped: 1003, ..view(Phase::Online) };
        assert_eq!(happened(&before, &now), [Tale::Dropped(1000)]);
        assert_eq!(happened(&now, &now), []);
    }
}
