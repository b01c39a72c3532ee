//! The configuration as it is in effect, key by key, for a person or a script: what each value is and where it came from.

use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::error::Place;
use super::load::Loaded;
use super::units;
use super::{
    Aliyun, AliyunAuth, Apn, ApnAuth, App, Batch, BatchForm, Budget, Config, DeviceName, Mqtt, Provider, Rate,
    RegisterBy, RegisterSecuremode, Reset, Route, Secret, SignMethod, Tls, Version, WhenFull, WhenSpent, Who,
};

/// What stands for a secret.
const MASK: &str = "********";

/// One key and its value in effect.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The dotted name: `modem.port`, `route[0].from`.
    pub key: String,
    /// Its value, as it would stand in the file; a secret is masked.
    pub value: Value,
    /// Where it was given; `None`: nowhere, it is the default or follows from other keys.
    pub from: Option<Place>,
}

impl Config {
    /// Every secret in it.
    pub fn secrets(&self) -> Vec<Secret> {
        let store_key = self.store_key.clone();
        entries(self).into_iter().filter_map(|entry| entry.secret).chain(store_key).collect()
    }
}

impl Loaded {
    /// Every setting in effect, in the order of the annotated example. What has no value (no APN, no budget) is left out.
    pub fn settings(&self) -> Vec<Setting> {
        let place = |key: &str| self.place_of(key);
        let entries = entries(&self.config).into_iter();
        entries.map(|Entry { key, value, .. }| Setting { from: place(&key), key, value }).collect()
    }

    /// Where a key was given: itself, or the table that says it.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        let mut name = key;
        loop {
            if let Some(place) = self.places.get(name) {
                return Some(place.clone());
            }
            // A part of an inline table; a section says nothing about a key that is not in it.
            name = name.rsplit_once('.').map(|(table, _)| table).filter(|table| table.contains('.'))?;
        }
    }
}

/// A key in effect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) key: String,
    /// A secret is masked.
    pub(super) value: Value,
    /// What the mask stands for.
    pub(super) secret: Option<Secret>,
}

/// Every key in effect, in the order of the annotated example.
pub(super) fn entries(config: &Config) -> Vec<Entry> {
    let mut list = List::default();
    list.config(config);
    list.0
}

#[derive(Default)]
struct List(Vec<Entry>);

impl List {
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.0.push(Entry { key: key.to_owned(), value: value.into(), secret: None });
    }

    fn secret(&mut self, key: &str, secret: Option<&Secret>) {
        let entry = |secret: &Secret| Entry { key: key.to_owned(), value: MASK.into(), secret: Some(secret.clone()) };
        self.0.extend(secret.map(entry));
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(key, value);
        }
    }

    fn config(&mut self, config: &Config) {
        self.modem(config);
        self.cloud(config);
        let outbox = &config.outbox;
        self.set("outbox.dir", path(&outbox.dir));
        self.set("outbox.max_bytes", units::show_size(outbox.max_bytes));
        self.some("outbox.max_messages", outbox.max_messages.and_then(|most| i64::try_from(most).ok()));
        self.set("outbox.max_age", units::show_duration(outbox.max_age));
        self.set("outbox.min_free", units::show_size(outbox.min_free));
        self.set("outbox.live_share", outbox.live_share);
        self.set(
            "outbox.when_full",
            match outbox.when_full {
                WhenFull::DropOldest => "drop_oldest",
                WhenFull::Refuse => "refuse",
            },
        );
        self.set("outbox.segment_bytes", units::show_size(outbox.segment_bytes));
        self.set("outbox.commit_window_ms", millis(outbox.commit_window));
        self.set("local.socket", path(&config.local.socket));
        self.set("local.mqtt_socket", path(&config.local.mqtt_socket));
        self.set("local.max_line", units::show_size(config.local.max_line as u64));
        match &config.ota.version {
            Some(Version::Given(version)) => self.set("ota.version", version.as_str()),
            Some(Version::File(file)) => self.set("ota.version_file", path(file)),
            None => {}
        }
        self.some("ota.hook", config.ota.hook.as_deref().map(path));
        for (name, version) in &config.ota.modules {
            self.set(&format!("ota.modules.{name}"), version.as_str());
        }
        self.set("clock.set", config.clock.set);
        self.set("log.level", config.log.level.as_str().to_ascii_lowercase());
        if let Some(budget) = &config.budget {
            self.budget(budget);
        }
        if let Some(metrics) = &config.metrics {
            self.set("metrics.textfile", path(&metrics.textfile));
            self.set("metrics.every", units::show_duration(metrics.every));
        }
        for (number, route) in config.routes.iter().enumerate() {
            self.route(&format!("route[{number}]"), route);
        }
        for (number, app) in config.apps.iter().enumerate() {
            self.app(&format!("app[{number}]"), app);
        }
    }

    fn modem(&mut self, config: &Config) {
        let modem = &config.modem;
        self.set("modem.port", path(&modem.port));
        self.set("modem.baud", i64::from(modem.baud.unwrap_or(0)));
        self.some("modem.max_baud", modem.max_baud.map(i64::from));
        self.set("modem.flow", if modem.hardware_flow { "hardware" } else { "none" });
        self.secret("modem.sim_pin", modem.sim_pin.as_ref());
        if let Some(Apn { name, login }) = &modem.apn {
            self.set("modem.apn.name", name.as_str());
            if let Some(login) = login {
                self.set("modem.apn.user", login.user.as_str());
                self.secret("modem.apn.password", login.password.as_ref());
                self.set(
                    "modem.apn.auth",
                    match login.auth {
                        ApnAuth::Pap => "pap",
                        ApnAuth::Chap => "chap",
                    },
                );
            }
        }
        match &modem.reset {
            Some(Reset::Gpio { chip, line, active_high, hold }) => {
                self.set("modem.reset.gpio", format!("{chip}/{line}"));
                self.set("modem.reset.active", if *active_high { "high" } else { "low" });
                self.set("modem.reset.hold_ms", millis(*hold));
            }
            Some(Reset::Command { program, arguments }) => {
                let program = path(program);
                self.set(
                    "modem.reset.command",
                    std::iter::once(&program).chain(arguments).cloned().collect::<Vec<_>>(),
                );
            }
            None => {}
        }
        self.set("modem.max_publish_bytes", units::show_size(modem.max_publish_bytes as u64));
    }

    fn cloud(&mut self, config: &Config) {
        let cloud = &config.cloud;
        match &cloud.provider {
            Provider::Aliyun(aliyun) => self.aliyun(aliyun),
            Provider::Mqtt(mqtt) => self.mqtt(mqtt),
        }
        match &cloud.tls {
            Tls::Off => self.set("cloud.tls", false),
            Tls::On { verify, ca_file } => {
                self.set("cloud.tls.verify", *verify);
                self.some("cloud.tls.ca_file", ca_file.as_deref().map(path));
            }
        }
        self.some("cloud.host", cloud.host.as_deref());
        self.some("cloud.port", cloud.port.map(i64::from));
        self.set("cloud.keepalive_s", i64::from(cloud.keepalive_s));
        let rate = |rate: Rate| format!("{}/{}", rate.count, units::show_duration(rate.per).trim_start_matches('1'));
        self.some("cloud.max_rate", cloud.max_rate.map(rate));
    }

    fn aliyun(&mut self, aliyun: &Aliyun) {
        self.set("cloud.provider", "aliyun");
        self.set("cloud.product_key", aliyun.product_key.as_str());
        match &aliyun.instance_id {
            Some(instance) => self.set("cloud.instance_id", instance.as_str()),
            None => self.set("cloud.region", aliyun.region.as_str()),
        }
        if let DeviceName::Given(name) = &aliyun.device_name {
            self.set("cloud.device_name", name.as_str());
        }
        let (auth, key, secret) = match &aliyun.auth {
            AliyunAuth::DeviceSecret(secret) => ("device_secret", "cloud.device_secret", secret),
            AliyunAuth::Register { product_secret } => ("register", "cloud.product_secret", product_secret),
            AliyunAuth::RegisterNoPrereg { product_secret } => {
                ("register_no_prereg", "cloud.product_secret", product_secret)
            }
        };
        self.set("cloud.auth", auth);
        if !matches!(aliyun.auth, AliyunAuth::DeviceSecret(_)) {
            self.set(
                "cloud.register_by",
                match aliyun.register_by {
                    RegisterBy::Auto => "auto",
                    RegisterBy::Mqtt => "mqtt",
                    RegisterBy::Https => "https",
                },
            );
            self.set(
                "cloud.register_securemode",
                match aliyun.register_securemode {
                    RegisterSecuremode::Documented => "documented",
                    RegisterSecuremode::Sdk => "sdk",
                    RegisterSecuremode::Luatos => "luatos",
                },
            );
            self.some(
                "cloud.register_host",
                aliyun.register_host.as_ref().map(|(host, port)| format!("{host}:{port}")),
            );
        }
        self.some("cloud.client_id", aliyun.client_id.as_deref());
        self.set("cloud.custom_rrpc", aliyun.custom_rrpc);
        self.secret(key, Some(secret));
        self.set(
            "cloud.sign_method",
            match aliyun.sign_method {
                SignMethod::HmacSha256 => "hmacsha256",
                SignMethod::HmacSha1 => "hmacsha1",
                SignMethod::HmacMd5 => "hmacmd5",
            },
        );
    }

    fn mqtt(&mut self, mqtt: &Mqtt) {
        self.set("cloud.provider", "mqtt");
        self.some("cloud.client_id", mqtt.client_id.as_deref());
        if let Some(login) = &mqtt.login {
            self.set("cloud.username", login.username.as_str());
            self.secret("cloud.password", login.password.as_ref());
        }
        self.some("cloud.topic_prefix", mqtt.topic_prefix.as_deref());
    }

    fn budget(&mut self, budget: &Budget) {
        self.set("budget.monthly_bytes", units::show_size(budget.monthly_bytes));
        self.set("budget.reset_day", i64::from(budget.reset_day));
        self.set("budget.warn_at", budget.warn_at);
        self.set(
            "budget.when_spent",
            match budget.when_spent {
                WhenSpent::AlarmsOnly => "alarms_only",
                WhenSpent::Stop => "stop",
                WhenSpent::Warn => "warn",
            },
        );
    }

    fn route(&mut self, row: &str, route: &Route) {
        self.set(&format!("{row}.from"), route.from.as_str());
        self.some(&format!("{row}.to"), route.to.as_deref());
        self.some(&format!("{row}.qos"), route.qos.map(i64::from));
        self.some(&format!("{row}.priority"), route.priority.map(i64::from));
        self.some(&format!("{row}.ttl"), route.ttl.map(units::show_duration));
        if let Some(batch) = &route.batch {
            self.batch(&format!("{row}.batch"), batch);
        }
    }

    fn batch(&mut self, row: &str, batch: &Batch) {
        self.set(&format!("{row}.max_messages"), i64::try_from(batch.max_messages).unwrap_or(i64::MAX));
        self.set(&format!("{row}.max_bytes"), units::show_size(batch.max_bytes as u64));
        self.set(&format!("{row}.max_wait"), units::show_duration(batch.max_wait));
        self.set(
            &format!("{row}.form"),
            match batch.form {
                BatchForm::JsonArray => "json_array",
                BatchForm::Lines => "lines",
            },
        );
        self.set(&format!("{row}.deflate"), batch.deflate);
    }

    fn app(&mut self, row: &str, app: &App) {
        match &app.who {
            Who::User(user) => self.set(&format!("{row}.user"), user.as_str()),
            Who::Group(group) => self.set(&format!("{row}.group"), group.as_str()),
        }
        self.set(&format!("{row}.publish"), app.publish.clone());
        self.set(&format!("{row}.subscribe"), app.subscribe.clone());
        self.set(&format!("{row}.operator"), app.operator);
        let rate = app.rate.map(|rate| format!("{}/{}", rate.count, units::unit_of(rate.per)));
        self.some(&format!("{row}.rate"), rate);
        self.some(&format!("{row}.max_queued_bytes"), app.max_queued_bytes.map(units::show_size));
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
