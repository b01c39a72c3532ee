//! `airgate run`: the daemon in the foreground, as a service or by hand.

use super::fail::Fail;
use crate::config::{self, Loaded};
use crate::daemon;
use crate::service::log::Target;
use crate::service::notify::Notify;
use crate::service::{self, log};
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; /etc/airgate/airgate.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let loaded = config::load(args.config.as_deref(), std::env::vars()).map_err(|errors| Fail::config(&errors))?;
    log::init(loaded.config.log.level, Target::Auto).map_err(|error| Fail::usage("log", error, ""))?;
    super::block_on(run(loaded))
}

async fn run(loaded: Loaded) -> Result<(), Fail> {
    service::raise_file_limit();
    for notice in &loaded.notices {
        tracing::warn!("configuration: {notice}");
    }
    let mut hangups = service::hangups().map_err(|error| Fail::failed("signals", error))?;
    let shutdown = service::shutdown().map_err(|error| Fail::failed("signals", error))?;
    let mut notify = Notify::new(std::env::vars());
    let daemon = daemon::start(loaded.config).await.map_err(|error| Fail::failed("start", error))?;
    notify.ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");

    // Twice per watchdog interval; without a watchdog only the status line needs it.
    let mut tick = interval(notify.interval().map_or(Duration::from_secs(10), |interval| interval / 2));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut link = daemon.status().link.clone();
    tokio::pin!(shutdown);
    let signal = loop {
        tokio::select! {
            signal = &mut shutdown => break signal,
            Some(()) = hangups.recv() => tracing::warn!("SIGHUP changes nothing: restart the daemon to read the configuration"),
            _ = tick.tick() => notify.progress(Instant::now().into_std()),
            Ok(()) = link.changed() => {}
        }
        notify.status(&daemon.status().line());
    };
    notify.stopping();
    tracing::info!(signal, "stopping");
    daemon.stop().await;
    Ok(())
}
