//! `airgate run`: the daemon in the foreground, as a service or by hand.

use super::fail::Fail;
use super::reload;
use crate::config::{self, Loaded};
use crate::daemon::{self, Daemon};
use crate::service::log::{Logs, Target};
use crate::service::notify::Notify;
use crate::service::pulse::Fault;
use crate::service::{self, log};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often the rooms are asked whether they work, the status line is renewed and left-out log lines are told; twice
/// within the watchdog's interval if that is shorter.
const LOOK_EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; /etc/airgate/airgate.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let loaded = config::load(args.config.as_deref(), std::env::vars()).map_err(|errors| Fail::config(&errors))?;
    let logs = log::init(loaded.config.log.level, Target::Auto).map_err(|error| Fail::usage("log", error, ""))?;
    super::block_on(run(loaded, logs, args.config.clone()))
}

async fn run(loaded: Loaded, logs: Logs, file: Option<PathBuf>) -> Result<(), Fail> {
    for notice in &loaded.notices {
        tracing::warn!("configuration: {notice}");
    }
    let mut hangups = service::hangups().map_err(|error| Fail::failed("signals", error))?;
    let shutdown = service::shutdown().map_err(|error| Fail::failed("signals", error))?;
    let mut notify = Notify::new(std::env::vars());
    let mut daemon = daemon::start(loaded.config).await.map_err(|error| Fail::failed("start", error))?;
    notify.ready();
    tracing::info!(event = "started", version = env!("CARGO_PKG_VERSION"), "ready");

    let mut tick = interval(notify.interval().map_or(LOOK_EVERY, |interval| LOOK_EVERY.min(interval / 2)));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut link = daemon.status().link.clone();
    let mut watch = Watch::default();
    tokio::pin!(shutdown);
    let signal = loop {
        tokio::select! {
            signal = &mut shutdown => break signal,
            Some(()) = hangups.recv() => {
                notify.reloading(monotonic());
                reload::reload(&mut daemon, &logs, file.clone()).await;
                notify.ready();
            }
            _ = tick.tick() => {
                watch.look(&mut daemon, &mut notify)?;
                logs.tell_suppressed();
            }
            Ok(()) = link.changed() => {}
        }
        notify.status(&daemon.status().line());
    };
    notify.stopping();
    tracing::info!(event = "stopping", signal, "stopping");
    daemon.stop().await;
    Ok(())
}

/// Passes a sign of life on as long as every room gives one.
#[derive(Default)]
struct Watch {
    stuck: bool,
}

impl Watch {
    fn look(&mut self, daemon: &mut Daemon, notify: &mut Notify) -> Result<(), Fail> {
        let now = Instant::now().into_std();
        let faults = daemon.vigil().ask(now);
        for fault in &faults {
            match fault {
                Fault::Ended(room) => {
                    tracing::error!(
                        event = "room_ended",
                        room,
                        "the {room} has ended: the daemon ends, to be started anew"
                    );
                    return Err(Fail::failed("room_ended", format!("the {room} has ended")));
                }
                Fault::Stuck(room, silent) if !self.stuck => {
                    let seconds = silent.as_secs();
                    tracing::error!(event = "room_stuck", room, seconds, "the {room} has not answered for {seconds} s");
                }
                Fault::Stuck(..) => {}
            }
        }
        self.stuck = !faults.is_empty();
        if !self.stuck {
            notify.progress(now);
        }
        Ok(())
    }
}

fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    // It counts from the boot: neither part is negative.
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}
