//! The daemon: all rooms, put together from the configuration.

use crate::budget::Quota;
use crate::cloud::{self, Topics};
use crate::config::{self, Config};
use crate::heals;
use crate::history;
use crate::interrupted::Interrupted;
use crate::local::rights::Rights;
use crate::local::{self, Accounts, BindError, Door, Speaks};
use crate::metrics;
use crate::outbox::{self, Outbox};
use crate::recovery;
use crate::router;
use crate::service;
use crate::session;
use crate::status::Sources;
use crate::texts;
use crate::uplink::{self, Uplink};
use air780e::Recovery;
use std::sync::Arc;
use std::time::Instant;
use tokio::task::JoinHandle;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The cloud does not take a setting.
    #[error("[cloud] {0}")]
    Cloud(#[from] iotcloud::ConfigError),
    /// The outbox cannot be opened.
    #[error(transparent)]
    Outbox(#[from] outbox::OpenError),
    /// A door cannot be opened.
    #[error(transparent)]
    Door(#[from] BindError),
}

/// A running daemon. Dropping it stops it without ceremony; see [`Daemon::stop`].
#[derive(Debug)]
pub struct Daemon {
    status: Sources,
    session: session::Handle,
    doors: [JoinHandle<()>; 3],
    rescue: JoinHandle<()>,
    textfile: Option<JoinHandle<()>>,
    history: history::Handle,
    texts: JoinHandle<()>,
    outbox: Outbox,
}

/// Starts everything in the current runtime. When it returns, programs can connect.
///
/// # Errors
/// [`StartError`]; then nothing runs.
pub async fn start(config: Config) -> Result<Daemon, StartError> {
    let topics = Topics::new(&config.cloud)?;
    let mut options = outbox::Options::new(&config.outbox.dir);
    options.commit_window = config.outbox.commit_window;
    options.max_bytes = config.outbox.max_bytes;
    options.when_full = match config.outbox.when_full {
        config::WhenFull::Refuse => outbox::WhenFull::Refuse,
        config::WhenFull::DropOldest => outbox::WhenFull::DropOldest,
    };
    options.max_messages = config.outbox.max_messages.unwrap_or(u64::MAX);
    options.max_age = Some(config.outbox.max_age);
    options.min_free = config.outbox.min_free;
    // A share is 0 to 1.
    options.fresh_percent = (config.outbox.live_share * 100.0).round() as u32;
    let (outbox, opened) = Outbox::open(options)?;
    tracing::info!(dir = %config.outbox.dir.display(), ?opened, "outbox open");
    let [json, mqtt] = local::open([&config.local.socket, &config.local.mqtt_socket]).await?;

    let line = air780e::Config {
        port: config.modem.port.to_string_lossy().into_owned(),
        baud: config.modem.baud.unwrap_or(DEFAULT_BAUD),
        pin: config.modem.sim_pin.as_ref().map(|pin| pin.expose().to_owned()),
    };
    let rescue = recovery::File::new(config.recovery_file());
    let budget = rescue.read();
    let (mut kept, interrupted) = Interrupted::open(config.interrupted_file());
    let recovery = Recovery {
        budget,
        reset: config.modem.reset.clone().map(recovery::resetter),
        interrupted,
        note: Some(Box::new(move |payload| kept.note(payload))),
    };
    let (uplink, events) = Uplink::start(line, recovery);
    let rescue = tokio::spawn(rescue.keep(uplink.status(), budget));
    let (router, ends) = router::start(config.routes.clone());
    let texts = tokio::spawn(texts::hand_on(uplink.texts(), ends.downlink.clone()));
    let store = config.store();
    match store.protect() {
        Ok(false) => {}
        Ok(true) => tracing::info!(file = %store.path().display(), "the credential store is encrypted from now on"),
        // The session meets the same fault, and tells it where people look.
        Err(error) => tracing::error!(%error, "the credential store was not encrypted"),
    }
    let (quota, budget) = Quota::open(&config);
    let parts = session::Parts {
        config: config.clone(),
        store,
        uplink: uplink.clone(),
        events,
        outbox: outbox.clone(),
        quota,
        ends,
        warnings: service::warnings::take(),
    };
    let session = session::start(parts);
    let status = Sources {
        started: Instant::now(),
        port: config.modem.port.display().to_string(),
        cloud: cloud::name(&config.cloud),
        link: session.status.clone(),
        clock: session.clock.clone(),
        sets_clock: config.clock.set,
        module: uplink.status(),
        outbox: outbox.clone(),
        router: router.status(),
        budget,
        users: Arc::default(),
        heals: heals::follow(uplink.status()),
    };
    let (past, history) = history::start(status.clone(), history::Ring::new(config.history_file()));
    let textfile = config.metrics.map(|metrics| tokio::spawn(metrics::keep(metrics, status.clone())));
    let accounts = Accounts::read();
    let door = Arc::new(Door {
        router,
        outbox: outbox.clone(),
        rights: Rights::new(&config.apps, |name| accounts.user(name), |name| accounts.group(name)),
        users: Arc::clone(&status.users),
        history: past,
        seats: local::Seats::default(),
        status: status.clone(),
        uplink,
        cloud: session.asker.clone(),
        max_payload: topics.max_payload().min(uplink::MAX_PAYLOAD),
        topics,
        max_line: config.local.max_line,
    });
    let doors = [
        tokio::spawn(local::serve(json, Speaks::Json, Arc::clone(&door))),
        tokio::spawn(local::serve(mqtt, Speaks::Mqtt, Arc::clone(&door))),
        tokio::spawn(local::announce_link(door)),
    ];
    Ok(Daemon { status, session, doors, rescue, texts, textfile, history, outbox })
}

/// The module's rate as it leaves the factory. Finding another comes later.
const DEFAULT_BAUD: u32 = 115_200;

impl Daemon {
    /// What is going on.
    pub fn status(&self) -> &Sources {
        &self.status
    }

    /// Closes the doors, signs off, and writes what is pending.
    pub async fn stop(self) {
        for door in self.doors {
            door.abort();
            // Ends when it is aborted, and then its socket is gone.
            let _ = door.await;
        }
        self.session.stop().await;
        self.history.stop().await;
        self.rescue.abort();
        self.textfile.inspect(JoinHandle::abort);
        self.texts.abort();
        self.outbox.close().await;
    }
}
