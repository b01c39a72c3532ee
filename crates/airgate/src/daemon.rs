//! The daemon: all rooms, put together from the configuration.

use crate::batch::{Batches, HELD_MESSAGES, Policies};
use crate::budget::Quota;
use crate::cloud::{self, Topics};
use crate::config::{self, Budget, Change, Config};
use crate::heals;
use crate::history;
use crate::interrupted::Interrupted;
use crate::local::rights::{Rights, Use};
use crate::local::{self, Accounts, BindError, Door, Speaks};
use crate::metrics;
use crate::outbox::{self, Outbox};
use crate::recovery;
use crate::router::{self, Permits, Router};
use crate::service::pulse::Vigil;
use crate::service::{self, chronicle};
use crate::session;
use crate::status::Sources;
use crate::texts;
use crate::uplink::{self, Uplink};
use air780e::Recovery;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;
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
    /// Tasks that end with the daemon, whatever they are at.
    aside: Vec<JoinHandle<()>>,
    history: history::Handle,
    outbox: Outbox,
    vigil: Vigil,
    live: Live,
}

/// What can change while the daemon runs, and the ways to the rooms that act on it.
#[derive(Debug)]
struct Live {
    /// What is in effect.
    config: Config,
    rights: watch::Sender<Arc<Rights>>,
    tariff: watch::Sender<Option<Budget>>,
    router: Router,
}

/// Starts everything in the current runtime. When it returns, programs can connect.
///
/// # Errors
/// [`StartError`]; then nothing runs.
pub async fn start(config: Config) -> Result<Daemon, StartError> {
    let topics = Topics::new(&config.cloud)?;
    let max_payload = topics.max_payload().min(config.modem.max_publish_bytes);
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
    options.segment_bytes = usize::try_from(config.outbox.segment_bytes).unwrap_or(usize::MAX);
    // A share is 0 to 1.
    options.fresh_percent = (config.outbox.live_share * 100.0).round() as u32;
    // What is at hand for a batch is in flight as the outbox sees it.
    options.window += HELD_MESSAGES;
    let (outbox, opened) = Outbox::open(options)?;
    tracing::info!(dir = %config.outbox.dir.display(), ?opened, "outbox open");
    let [json, mqtt] = local::open([
        (Speaks::Json.as_str(), &config.local.socket),
        (Speaks::Mqtt.as_str(), &config.local.mqtt_socket),
    ])
    .await?;

    let line = uplink::line(&config.modem);
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
    let mut vigil = Vigil::default();
    let (router, ends) = router::start(config.routes.clone(), vigil.room("router"));
    let texts = tokio::spawn(texts::hand_on(uplink.texts(), ends.downlink.clone()));
    let store = config.store();
    match store.protect() {
        Ok(false) => {}
        Ok(true) => tracing::info!(file = %store.path().display(), "the credential store is encrypted from now on"),
        // The session meets the same fault, and tells it where people look.
        Err(error) => tracing::error!(%error, "the credential store was not encrypted"),
    }
    let (quota, budget) = Quota::open(&config);
    let (tariff, tariff_of) = watch::channel(config.budget.clone());
    let parts = session::Parts {
        config: config.clone(),
        store,
        uplink: uplink.clone(),
        events,
        outbox: outbox.clone(),
        quota,
        ends,
        batches: Batches::new(Policies::new(&config.routes), max_payload),
        max_payload,
        warnings: service::warnings::take(),
        tariff: tariff_of,
        pulse: vigil.room("session"),
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
    let textfile = config.metrics.clone().map(|metrics| tokio::spawn(metrics::keep(metrics, status.clone())));
    let (rights, rights_of) = watch::channel(Arc::new(rights(&config, &Accounts::read())));
    let chronicle = tokio::spawn(chronicle::tell(uplink.status(), outbox.status()));
    let door = Arc::new(Door {
        router: router.clone(),
        outbox: outbox.clone(),
        rights: rights_of,
        users: Arc::clone(&status.users),
        history: past,
        seats: local::Seats::default(),
        status: status.clone(),
        uplink,
        cloud: session.asker.clone(),
        max_payload,
        topics,
        max_line: config.local.max_line,
    });
    let doors = [
        tokio::spawn(vigil.room("JSON door").beside(local::serve(json, Speaks::Json, Arc::clone(&door)))),
        tokio::spawn(vigil.room("MQTT door").beside(local::serve(mqtt, Speaks::Mqtt, Arc::clone(&door)))),
        tokio::spawn(vigil.room("announcer").beside(local::announce_link(door))),
    ];
    let live = Live { config, rights, tariff, router };
    let aside = [rescue, chronicle, texts].into_iter().chain(textfile).collect();
    Ok(Daemon { status, session, doors, aside, history, outbox, vigil, live })
}

/// The rights that the configuration gives the users and groups of this host.
fn rights(config: &Config, accounts: &Accounts) -> Rights {
    Rights::new(&config.apps, |name| accounts.user(name), |name| accounts.group(name))
}

impl Daemon {
    /// What is going on.
    pub fn status(&self) -> &Sources {
        &self.status
    }

    /// Whether all rooms work.
    pub fn vigil(&mut self) -> &mut Vigil {
        &mut self.vigil
    }

    /// Takes over from `wanted` what can change while the link stays up: rights, routes, budget; the level of the log is its
    /// owner's. Returns all that differs, also what needs a restart and stays as it is.
    ///
    /// # Errors
    /// When the cloud does not take a setting; then nothing has changed.
    pub async fn reload(&mut self, wanted: &Config) -> Result<Vec<Change>, iotcloud::ConfigError> {
        Topics::new(&wanted.cloud)?;
        let live = &mut self.live;
        let changes = config::changes(&live.config, wanted);
        live.config.adopt(wanted);
        // Also without a change: who belongs to a group is the system's to say, and may have changed.
        let accounts = Accounts::read();
        let rights = Arc::new(self::rights(&live.config, &accounts));
        live.rights.send_replace(Arc::clone(&rights));
        let may = move |uid, filter: &str| rights.allow(&accounts.absent(uid), Use::Subscribe, filter);
        live.router.withdraw(Permits::new(may)).await;
        live.router.set_routes(live.config.routes.clone());
        live.tariff.send_if_modified(|budget| {
            let changed = *budget != live.config.budget;
            budget.clone_from(&live.config.budget);
            changed
        });
        Ok(changes)
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
        for task in self.aside {
            task.abort();
        }
        self.outbox.close().await;
    }
}
