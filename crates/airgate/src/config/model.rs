//! The configuration as the daemon uses it: typed, whole and without contradictions.

use std::path::PathBuf;
use std::time::Duration;

use super::{Cloud, Secret};
use crate::store::{Store, StoreKey};
use air780e::command::mqtt::SURE_PAYLOAD;

/// Everything the user can say.
///
/// The default is what an empty file means for each section, with a plain MQTT broker on this host as the cloud (a file
/// must name its cloud).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    /// The line and the module.
    pub modem: Modem,
    /// Where messages go.
    pub cloud: Cloud,
    /// What is accepted and not yet acknowledged.
    pub outbox: Outbox,
    /// The doors for programs.
    pub local: Local,
    /// The SIM card's quota, if one was given.
    pub budget: Option<Budget>,
    /// What this device says about its firmware.
    pub ota: Ota,
    /// Whether this host's clock is kept right.
    pub clock: Clock,
    /// How much is told.
    pub log: Log,
    /// Where numbers are left for others, if anywhere.
    pub metrics: Option<Metrics>,
    /// Renaming and policy, in the order of the files.
    pub routes: Vec<Route>,
    /// Rights, in the order of the files.
    pub apps: Vec<App>,
    /// What the credential store is encrypted with.
    pub store_key: Option<Secret>,
}

impl Config {
    /// Takes over from `wanted` what a running daemon can change; everything else stays as it is.
    pub fn adopt(&mut self, wanted: &Self) {
        self.routes.clone_from(&wanted.routes);
        self.apps.clone_from(&wanted.apps);
        self.log = wanted.log;
        self.budget.clone_from(&wanted.budget);
    }

    /// Where it is kept what recovery has used today: beside the outbox.
    pub fn recovery_file(&self) -> PathBuf {
        self.outbox.dir.with_file_name("recovery.json")
    }

    /// Where it is kept what happened in the last 30 days: beside the outbox.
    pub fn history_file(&self) -> PathBuf {
        self.outbox.dir.with_file_name("history.bin")
    }

    /// Where it is kept what is just being sent: beside the sockets, which lie in memory.
    pub fn interrupted_file(&self) -> PathBuf {
        self.local.socket.with_file_name("interrupted")
    }

    /// Where the credentials are kept that a cloud handed out: beside the outbox.
    pub fn store_dir(&self) -> PathBuf {
        self.outbox.dir.with_file_name("store")
    }

    /// The credential store, as this configuration says.
    pub fn store(&self) -> Store {
        Store::new(self.store_dir()).with_key(self.store_key.as_ref().map(|key| StoreKey::new(key.expose())))
    }
}

/// `[modem]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modem {
    /// A tty, a USB CDC-ACM port or a pty.
    pub port: PathBuf,
    /// What the line runs at, in bit/s; `None`: find it.
    pub baud: Option<u32>,
    /// Raise the line to this rate after bring-up.
    pub max_baud: Option<u32>,
    /// RTS and CTS are wired, and stop whoever sends too fast.
    pub hardware_flow: bool,
    /// The access point; `None`: the network's choice.
    pub apn: Option<Apn>,
    /// The SIM card's PIN: 4 to 8 digits.
    pub sim_pin: Option<Secret>,
    /// How to restart the module by force.
    pub reset: Option<Reset>,
    /// The longest payload that it is given to publish, in bytes: 1,024 to 4,100.
    pub max_publish_bytes: usize,
}

impl Default for Modem {
    fn default() -> Self {
        Self {
            port: "/dev/ttyAMA0".into(),
            baud: Some(115_200),
            max_baud: None,
            hardware_flow: false,
            apn: None,
            sim_pin: None,
            reset: None,
            max_publish_bytes: SURE_PAYLOAD,
        }
    }
}

/// An access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Apn {
    /// Its name.
    pub name: String,
    /// User, password and how they are sent; `None`: without.
    pub login: Option<ApnLogin>,
}

/// How to log in to an access point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnLogin {
    /// The user's name.
    pub user: String,
    /// The password; often empty, which is `None`.
    pub password: Option<Secret>,
    /// The protocol.
    pub auth: ApnAuth,
}

/// The protocol of a log-in to an access point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApnAuth {
    /// The password is sent as it is.
    Pap,
    /// A challenge is answered.
    Chap,
}

/// How to restart the module by force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reset {
    /// Pull a GPIO line.
    Gpio {
        /// The chip's name under `/dev`, such as `gpiochip0`.
        chip: String,
        /// The line's number on it.
        line: u32,
        /// The level that resets: `true` is high.
        active_high: bool,
        /// How long to hold it.
        hold: Duration,
    },
    /// Run a program: its absolute path and its arguments.
    Command {
        /// The program.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// `[outbox]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outbox {
    /// Where it keeps its files.
    pub dir: PathBuf,
    /// The most that its messages take on the disk, in bytes: 64 KiB to 1 TiB. Its files take at most twice that and two
    /// segments.
    pub max_bytes: u64,
    /// The most messages in it; `None`: no bound of its own.
    pub max_messages: Option<u64>,
    /// How long a message may wait: 1 s to 10 years.
    pub max_age: Duration,
    /// While less is free on the file system, in bytes, new messages are refused.
    pub min_free: u64,
    /// The share of the line for fresh messages while older ones wait too, 0 to 1.
    pub live_share: f64,
    /// What happens when `max_bytes` or `max_messages` is reached.
    pub when_full: WhenFull,
    /// A file of it is closed at this size, in bytes: 4 KiB to 64 MiB. Disk space comes back by the file.
    pub segment_bytes: u64,
    /// How long an acceptance may wait to share an fsync: 0 to 1 s.
    pub commit_window: Duration,
}

impl Default for Outbox {
    fn default() -> Self {
        Self {
            dir: "/var/lib/airgate/outbox".into(),
            max_bytes: 64 << 20,
            max_messages: None,
            max_age: Duration::from_secs(7 * 86_400),
            min_free: 4 << 20,
            live_share: 0.5,
            when_full: WhenFull::DropOldest,
            segment_bytes: 4 << 20,
            commit_window: Duration::from_millis(10),
        }
    }
}

/// What happens when the outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// The oldest message of the lowest priority goes.
    DropOldest,
    /// The new message is refused.
    Refuse,
}

/// `[local]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Local {
    /// The door that speaks JSON lines; at most 107 bytes, as for every Unix socket.
    pub socket: PathBuf,
    /// The door that speaks MQTT 3.1.1; when absent, `mqtt.sock` beside `socket`.
    pub mqtt_socket: PathBuf,
    /// The longest line on the JSON door in bytes: 16 KiB to 1 MiB.
    pub max_line: usize,
}

impl Default for Local {
    fn default() -> Self {
        Self {
            socket: "/run/airgate/airgate.sock".into(),
            mqtt_socket: "/run/airgate/mqtt.sock".into(),
            max_line: 16 << 10,
        }
    }
}

/// `[budget]`: what the SIM card's tariff includes.
#[derive(Debug, Clone, PartialEq)]
pub struct Budget {
    /// Bytes in a month.
    pub monthly_bytes: u64,
    /// The day on which the month begins, 1 to 31; in a shorter month its last day.
    pub reset_day: u8,
    /// The share at which to warn, 0 to 1.
    pub warn_at: f64,
    /// What happens when it is spent.
    pub when_spent: WhenSpent,
}

/// What happens when the budget is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenSpent {
    /// Only messages of priority 7 and above go out.
    AlarmsOnly,
    /// Nothing goes out until the month ends.
    Stop,
    /// Everything goes on and a warning is given.
    Warn,
}

/// `[ota]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ota {
    /// Where the version to report comes from; `None`: none is reported.
    pub version: Option<Version>,
    /// A directory of programs to run on an update.
    pub hook: Option<PathBuf>,
    /// Module names and their versions.
    pub modules: Vec<(String, String)>,
}

/// Where the version to report comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// This one.
    Given(String),
    /// The first line of this file, read each time.
    File(PathBuf),
}

/// `[clock]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// `airgate clock follow` keeps this host's clock right by the time that the daemon hears.
    pub set: bool,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Messages of this level and above are told.
    pub level: tracing::Level,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: tracing::Level::INFO }
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metrics {
    /// The file that node_exporter reads; its name ends in `.prom`.
    pub textfile: PathBuf,
    /// How often it is written: 5 s to a day.
    pub every: Duration,
}

/// One `[[route]]`: at least one of the options is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which topics it is for: an MQTT filter.
    pub from: String,
    /// The topic that goes out instead.
    pub to: Option<String>,
    /// 0 or 1.
    pub qos: Option<u8>,
    /// 0 to 9, 9 first.
    pub priority: Option<u8>,
    /// How long a message may wait.
    pub ttl: Option<Duration>,
    /// Its messages may be joined.
    pub batch: Option<Batch>,
}

/// How messages of a route are joined into one publication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    /// A batch of so many is full: 2 to 256.
    pub max_messages: usize,
    /// A batch of so many bytes is full, before it is compressed: 64 to 256 KiB, and never more than
    /// [`Modem::max_publish_bytes`].
    pub max_bytes: usize,
    /// How long its first message may wait for others: 100 ms to 1 day.
    pub max_wait: Duration,
    /// How they are joined.
    pub form: BatchForm,
    /// The batch is compressed: raw DEFLATE.
    pub deflate: bool,
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            max_messages: 32,
            max_bytes: 4 << 10,
            max_wait: Duration::from_secs(10),
            form: BatchForm::JsonArray,
            deflate: false,
        }
    }
}

/// How messages are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchForm {
    /// Each is JSON, all of them an array.
    JsonArray,
    /// Each is a line; between two stands a line feed.
    Lines,
}

/// One `[[app]]`: what a user or a group may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Whom it is for.
    pub who: Who,
    /// Filters of the topics it may publish to.
    pub publish: Vec<String>,
    /// Filters within which it may subscribe.
    pub subscribe: Vec<String>,
    /// It may use raw AT commands and change the daemon's state.
    pub operator: bool,
    /// The most messages it may hand over; `None`: no bound of its own.
    pub rate: Option<Rate>,
    /// The most bytes of its messages that may wait.
    pub max_queued_bytes: Option<u64>,
}

/// Whom an `[[app]]` is for: a name, or a number written as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Who {
    /// A user.
    User(String),
    /// The members of a group.
    Group(String),
}

/// So many messages in such a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// At least 1.
    pub count: u32,
    /// Not zero.
    pub per: Duration,
}
