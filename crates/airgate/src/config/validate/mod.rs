//! Weighs the merged whole: what is missing, what contradicts. Every mistake is told before giving up.

mod apps;
mod cloud;
mod modem;

use std::time::Duration;

use super::credentials::Credentials;
use super::findings::Findings;
use super::model::{Budget, Clock, Config, Local, Log, Metrics, Ota, Outbox, Version, WhenFull, WhenSpent};
use super::raw::{self, Raw};

/// The longest path of a Unix socket in bytes: `sun_path` is 108 with its end mark.
///
/// Source: unix(7).
const LONGEST_SOCKET: usize = 107;

/// Turns the merged tree into a configuration. `None` when something without a default is missing or wrong; the
/// mistakes are in `findings`.
pub(super) fn validate(raw: Raw, findings: &mut Findings, credentials: &Credentials) -> Option<Config> {
    let modem = modem::modem(raw.modem, findings);
    let cloud = cloud::cloud(raw.cloud, findings, credentials);
    let local = local(raw.local, findings);
    let budget = raw.budget.map(|budget| self::budget(budget, findings));
    let ota = ota(raw.ota, findings);
    let metrics = raw.metrics.map(|metrics| self::metrics(metrics, findings));
    let routes = apps::routes(raw.route, findings);
    let apps = apps::apps(raw.app, findings);
    Some(Config {
        modem: modem?,
        cloud: cloud?,
        outbox: outbox(raw.outbox),
        local,
        budget: match budget {
            Some(budget) => Some(budget?),
            None => None,
        },
        ota,
        clock: Clock { set: raw.clock.set },
        log: log(raw.log),
        metrics: match metrics {
            Some(metrics) => Some(metrics?),
            None => None,
        },
        routes,
        apps,
        store_key: credentials.store_key(findings),
    })
}

fn outbox(raw: raw::Outbox) -> Outbox {
    let default = Outbox::default();
    Outbox {
        dir: raw.dir.unwrap_or(default.dir),
        max_bytes: raw.max_bytes.unwrap_or(default.max_bytes),
        max_messages: raw.max_messages,
        min_free: raw.min_free.unwrap_or(default.min_free),
        live_share: raw.live_share.unwrap_or(default.live_share),
        max_age: raw.max_age.map_or(default.max_age, Duration::from_millis),
        when_full: match raw.when_full.as_deref() {
            Some("refuse") => WhenFull::Refuse,
            _ => default.when_full,
        },
        segment_bytes: raw.segment_bytes.unwrap_or(default.segment_bytes),
        commit_window: raw.commit_window_ms.map_or(default.commit_window, Duration::from_millis),
    }
}

fn local(raw: raw::Local, findings: &mut Findings) -> Local {
    let default = Local::default();
    let socket = raw.socket.unwrap_or(default.socket);
    let local = Local {
        // Two daemons with sockets of their own do not meet at the other door.
        mqtt_socket: raw.mqtt_socket.unwrap_or_else(|| socket.with_file_name("mqtt.sock")),
        socket,
        max_line: raw.max_line.unwrap_or(default.max_line),
    };
    for (key, path) in [("local.socket", &local.socket), ("local.mqtt_socket", &local.mqtt_socket)] {
        let length = path.as_os_str().len();
        if length > LONGEST_SOCKET {
            let what =
                format!("`{key}` has {length} bytes, and the path of a Unix socket has at most {LONGEST_SOCKET}");
            findings.bad_value(key, what, "choose a shorter path, for instance below /run/airgate");
        }
    }
    if local.socket == local.mqtt_socket {
        let path = if findings.place("local.mqtt_socket").is_some() { "local.mqtt_socket" } else { "local.socket" };
        let what = "`local.socket` and `local.mqtt_socket` are the same path";
        findings.contradiction(path, what, "the two speak different languages: give each its own path");
    }
    local
}

fn budget(raw: raw::Budget, findings: &mut Findings) -> Option<Budget> {
    Some(Budget {
        monthly_bytes: findings.required(
            raw.monthly_bytes,
            "budget.monthly_bytes",
            "write what the SIM card's tariff includes, as in monthly_bytes = \"30 MiB\", or leave [budget] out",
        )?,
        reset_day: raw.reset_day.unwrap_or(1),
        warn_at: raw.warn_at.unwrap_or(0.8),
        when_spent: match raw.when_spent.as_deref() {
            Some("stop") => WhenSpent::Stop,
            Some("warn") => WhenSpent::Warn,
            _ => WhenSpent::AlarmsOnly,
        },
    })
}

fn ota(raw: raw::Ota, findings: &mut Findings) -> Ota {
    if raw.version.is_some() && raw.version_file.is_some() {
        let what = "`ota.version` and `ota.version_file` are both given";
        findings.contradiction("ota.version_file", what, "keep one of them");
    }
    let version = raw.version.map(Version::Given).or(raw.version_file.map(Version::File));
    Ota { version, hook: raw.hook, modules: raw.modules.into_iter().collect() }
}

fn metrics(raw: raw::Metrics, findings: &mut Findings) -> Option<Metrics> {
    let hint =
        "name the file, as in textfile = \"/var/lib/prometheus/node-exporter/airgate.prom\", or leave [metrics] out";
    let textfile = findings.required(raw.textfile, "metrics.textfile", hint)?;
    if textfile.extension().is_none_or(|extension| extension != "prom") {
        let what =
            format!("`metrics.textfile` is {}, and node_exporter reads files that end in .prom", textfile.display());
        findings.bad_value("metrics.textfile", what, "end its name in .prom");
    }
    Some(Metrics { textfile, every: Duration::from_millis(raw.every.unwrap_or(30_000)) })
}

fn log(raw: raw::Log) -> Log {
    raw.level.and_then(|level| level.parse().ok()).map_or_else(Log::default, |level| Log { level })
}
