//! The merged tree as it comes out of the `config` crate: names and plain types, nothing weighed yet.
//!
//! Values have been checked one by one against the schema; secrets are indices into the vault.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// An index into the vault.
pub(super) type SecretIndex = usize;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) modem: Modem,
    pub(super) cloud: Cloud,
    pub(super) outbox: Outbox,
    pub(super) local: Local,
    pub(super) budget: Option<Budget>,
    pub(super) ota: Ota,
    pub(super) clock: Clock,
    pub(super) log: Log,
    pub(super) metrics: Option<Metrics>,
    pub(super) route: Vec<Route>,
    pub(super) app: Vec<App>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Modem {
    pub(super) port: Option<PathBuf>,
    pub(super) baud: Option<u32>,
    pub(super) max_baud: Option<u32>,
    pub(super) flow: Option<String>,
    pub(super) apn: Option<Apn>,
    pub(super) sim_pin: Option<SecretIndex>,
    pub(super) reset: Option<Reset>,
    pub(super) max_publish_bytes: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Apn {
    pub(super) name: Option<String>,
    pub(super) user: Option<String>,
    pub(super) password: Option<SecretIndex>,
    pub(super) auth: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Reset {
    pub(super) gpio: Option<String>,
    pub(super) active: Option<String>,
    pub(super) hold_ms: Option<u64>,
    pub(super) command: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Cloud {
    pub(super) provider: Option<String>,
    pub(super) product_key: Option<String>,
    pub(super) instance_id: Option<String>,
    pub(super) region: Option<String>,
    pub(super) device_name: Option<String>,
    pub(super) device_secret: Option<SecretIndex>,
    pub(super) device_secret_file: Option<PathBuf>,
    pub(super) product_secret: Option<SecretIndex>,
    pub(super) auth: Option<String>,
    pub(super) register_by: Option<String>,
    pub(super) register_securemode: Option<String>,
    pub(super) register_host: Option<String>,
    pub(super) custom_rrpc: Option<bool>,
    pub(super) sign_method: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) username: Option<String>,
    pub(super) password: Option<SecretIndex>,
    pub(super) password_file: Option<PathBuf>,
    pub(super) topic_prefix: Option<String>,
    pub(super) tls: Option<Tls>,
    pub(super) host: Option<String>,
    pub(super) port: Option<u16>,
    pub(super) keepalive_s: Option<u16>,
    pub(super) max_rate: Option<(u32, u64)>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Tls {
    Switch(bool),
    Table(TlsTable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    pub(super) verify: Option<bool>,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Outbox {
    pub(super) dir: Option<PathBuf>,
    pub(super) max_bytes: Option<u64>,
    pub(super) max_messages: Option<u64>,
    pub(super) max_age: Option<u64>,
    pub(super) min_free: Option<u64>,
    pub(super) live_share: Option<f64>,
    pub(super) when_full: Option<String>,
    pub(super) segment_bytes: Option<u64>,
    pub(super) commit_window_ms: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Local {
    pub(super) socket: Option<PathBuf>,
    pub(super) mqtt_socket: Option<PathBuf>,
    pub(super) max_line: Option<usize>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Budget {
    pub(super) monthly_bytes: Option<u64>,
    pub(super) reset_day: Option<u8>,
    pub(super) warn_at: Option<f64>,
    pub(super) when_spent: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ota {
    pub(super) version: Option<String>,
    pub(super) version_file: Option<PathBuf>,
    pub(super) hook: Option<PathBuf>,
    pub(super) modules: BTreeMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Clock {
    pub(super) set: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Log {
    pub(super) level: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) textfile: Option<PathBuf>,
    pub(super) every: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Route {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) qos: Option<u8>,
    pub(super) priority: Option<u8>,
    pub(super) ttl: Option<u64>,
    pub(super) batch: Option<Batch>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Batch {
    pub(super) max_messages: Option<usize>,
    pub(super) max_bytes: Option<usize>,
    pub(super) max_wait: Option<u64>,
    pub(super) form: Option<String>,
    pub(super) deflate: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct App {
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
    pub(super) publish: Vec<String>,
    pub(super) subscribe: Vec<String>,
    pub(super) operator: bool,
    pub(super) rate: Option<(u32, u64)>,
    pub(super) max_queued_bytes: Option<u64>,
}
