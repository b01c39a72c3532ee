//! Reading the configuration again while the daemon runs: what can change does, the rest is named, and a wrong
//! configuration changes nothing.

use crate::config::{self, Change, ConfigError, Loaded, Place};
use crate::daemon::Daemon;
use crate::service::log::Logs;
use std::path::PathBuf;
use tokio::task::spawn_blocking;

/// Mistakes that are told one by one.
const TOLD: usize = 15;

/// Reads the files and the environment again, and tells in the log what came of it.
pub(super) async fn reload(daemon: &mut Daemon, logs: &Logs, file: Option<PathBuf>) {
    // An SD card may take its time; nobody else waits for it.
    let loaded = spawn_blocking(move || config::load(file.as_deref(), std::env::vars())).await;
    match loaded {
        Ok(Ok(loaded)) => adopt(daemon, logs, &loaded).await,
        Ok(Err(errors)) => rejected(&errors),
        Err(error) => tracing::error!(event = "configuration_rejected", %error, "the configuration was not read"),
    }
}

async fn adopt(daemon: &mut Daemon, logs: &Logs, loaded: &Loaded) {
    for notice in &loaded.notices {
        tracing::warn!("configuration: {notice}");
    }
    let changes = match daemon.reload(&loaded.config).await {
        Ok(changes) => changes,
        Err(error) => {
            let kept = "the configuration in effect stays";
            return tracing::error!(event = "configuration_rejected", "[cloud] {error}; {kept}");
        }
    };
    if changes.is_empty() {
        return tracing::info!(event = "configuration_changed", "the files say what is in effect already");
    }
    let level = loaded.config.log.level;
    let level_changed = changes.iter().any(|change| change.key == "log.level");
    if level_changed && !logs.set_level(level) {
        let variable = logs.decided_by.unwrap_or("the environment");
        tracing::warn!("log.level changes nothing: {variable} decides the level of the log");
    }
    tell(&changes);
}

/// Each by itself, so that each can be found.
fn tell(changes: &[Change]) {
    for change in changes {
        let key = change.key.as_str();
        match change.live {
            true => tracing::info!(event = "configuration_changed", key, "changed: {change}"),
            false => {
                tracing::warn!(event = "restart_needed", key, "needs a restart (systemctl restart airgate): {change}");
            }
        }
    }
}

fn rejected(errors: &[ConfigError]) {
    for error in errors.iter().take(TOLD) {
        let file = error.place().and_then(Place::file).map(|file| file.display().to_string());
        let hint = error.hint().map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        tracing::error!(event = "configuration_rejected", code = error.code(), file, "{error}{hint}");
    }
    let count = errors.len();
    tracing::error!(
        event = "configuration_rejected",
        count,
        "mistakes in the configuration: {count}; the one in effect stays. `airgate config verify` shows them"
    );
}
