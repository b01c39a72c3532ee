//! Every key there is, section by section, as data: what reading, notices, hints and the annotated example are checked
//! against. Names are agreed with scripts and documentation: add, do not rename.

use super::schema::{Key, Kind};
use air780e::command::mqtt::MAX_PAYLOAD;
use iotcloud::aliyun::dialogue::LEAST_PAYLOAD;

/// The sections of a file.
pub(super) const SECTIONS: &[Key] = &[
    Key::new("modem", Kind::Table(MODEM)),
    Key::new("cloud", Kind::Table(CLOUD)),
    Key::new("outbox", Kind::Table(OUTBOX)),
    Key::new("local", Kind::Table(LOCAL)),
    Key::new("budget", Kind::Table(BUDGET)).live(),
    Key::new("ota", Kind::Table(OTA)),
    Key::new("clock", Kind::Table(CLOCK)),
    Key::new("log", Kind::Table(LOG)).live(),
    Key::new("metrics", Kind::Table(METRICS)),
    Key::new("route", Kind::Tables(ROUTE)).live(),
    Key::new("app", Kind::Tables(APP)).live(),
];

const DAY: u64 = 86_400_000;
const MIB: u64 = 1 << 20;
const ALIYUN: &[&str] = &["aliyun"];
const MQTT: &[&str] = &["mqtt"];

/// The rates that the module's `AT+IPR` takes; 0 here means that the daemon finds the rate.
const BAUDS: &[i64] =
    &[0, 600, 1200, 2400, 4800, 9600, 14_400, 19_200, 28_800, 38_400, 57_600, 115_200, 230_400, 460_800, 921_600];

/// Every provider whose name is recognised.
pub(super) const PROVIDERS: &[&str] = &["aliyun", "tencent", "onenet", "huawei", "baidu", "tuya", "tlink", "mqtt"];

const MODEM: &[Key] = &[
    Key::new("port", Kind::Port),
    Key::new("baud", Kind::OneOf(BAUDS)),
    Key::new("max_baud", Kind::OneOf(BAUDS)),
    Key::new("flow", Kind::Word(&["none", "hardware"])),
    Key::new("apn", Kind::Table(APN)),
    Key::new("sim_pin", Kind::Pin),
    Key::new("reset", Kind::Table(RESET)),
    Key::new("max_publish_bytes", Kind::Size(LEAST_PAYLOAD as u64, MAX_PAYLOAD as u64)),
];

const APN: &[Key] = &[
    Key::new("name", Kind::Text),
    Key::new("user", Kind::Text),
    Key::new("password", Kind::Secret),
    Key::new("auth", Kind::Word(&["none", "pap", "chap"])),
];

const RESET: &[Key] = &[
    Key::new("gpio", Kind::Text),
    Key::new("active", Kind::Word(&["low", "high"])),
    Key::new("hold_ms", Kind::Number(1, 60_000)),
    Key::new("command", Kind::List(&Kind::Text)),
];

pub(super) const CLOUD: &[Key] = &[
    Key::new("provider", Kind::Word(PROVIDERS)),
    Key::new("product_key", Kind::Text)
        .also(&["product_id", "produt_id", "productId", "productKey", "ProductKey", "ProductId"])
        .only(ALIYUN),
    Key::new("instance_id", Kind::Text).also(&["instanceId", "InstanceId", "iot_instance_id"]).only(ALIYUN),
    Key::new("region", Kind::Text).also(&["RegionId"]).only(ALIYUN),
    Key::new("device_name", Kind::Text).also(&["deviceName", "DeviceName"]).only(ALIYUN),
    Key::new("device_secret", Kind::Secret).also(&["key", "deviceSecret", "DeviceSecret", "psk"]).only(ALIYUN),
    Key::new("device_secret_file", Kind::Path).only(ALIYUN),
    Key::new("product_secret", Kind::Secret).also(&["productSecret", "ProductSecret"]).only(ALIYUN),
    Key::new("auth", Kind::Word(&["device_secret", "register", "register_no_prereg"])).only(ALIYUN),
    Key::new("register_by", Kind::Word(&["auto", "mqtt", "https"])).only(ALIYUN),
    Key::new("register_securemode", Kind::Word(&["documented", "sdk", "luatos"])).only(ALIYUN),
    Key::new("register_host", Kind::Text).only(ALIYUN),
    Key::new("custom_rrpc", Kind::Switch).only(ALIYUN),
    Key::new("sign_method", Kind::Word(&["hmacsha256", "hmacsha1", "hmacmd5"]))
        .also(&["method", "signmethod", "signMethod"])
        .only(ALIYUN),
    Key::new("client_id", Kind::Text).also(&["clientId"]).only(&["aliyun", "mqtt"]),
    Key::new("username", Kind::Text).also(&["userName"]).only(MQTT),
    Key::new("password", Kind::Secret).only(MQTT),
    Key::new("password_file", Kind::Path).only(MQTT),
    Key::new("topic_prefix", Kind::Topic).only(MQTT),
    Key::new("tls", Kind::SwitchOr(TLS)),
    Key::new("host", Kind::Text),
    Key::new("port", Kind::Number(1, 65_535)).also(&["ip"]),
    Key::new("keepalive_s", Kind::Number(1, 65_535)).also(&["keepalive", "keep_alive", "keepAlive"]),
    Key::new("max_rate", Kind::Rate),
    Key::new("autoreconn", Kind::Retired("airgate always connects again by itself, with a growing pause")),
];

const TLS: &[Key] = &[Key::new("verify", Kind::Switch), Key::new("ca_file", Kind::Path).also(&["server_cert"])];

const OUTBOX: &[Key] = &[
    Key::new("dir", Kind::Path),
    Key::new("max_bytes", Kind::Size(64 << 10, 1 << 40)),
    Key::new("max_messages", Kind::Number(1, 1 << 40)),
    Key::new("max_age", Kind::Duration(1_000, 3_650 * DAY)),
    Key::new("min_free", Kind::Size(0, 1 << 50)),
    Key::new("live_share", Kind::Fraction),
    Key::new("when_full", Kind::Word(&["drop_oldest", "refuse"])),
    Key::new("segment_bytes", Kind::Size(4 << 10, 64 * MIB)),
    Key::new("commit_window_ms", Kind::Number(0, 1_000)),
];

const LOCAL: &[Key] = &[
    Key::new("socket", Kind::Path),
    Key::new("mqtt_socket", Kind::Path),
    Key::new("max_line", Kind::Size(16 << 10, MIB)),
];

const BUDGET: &[Key] = &[
    Key::new("monthly_bytes", Kind::Size(1, 1 << 50)),
    Key::new("reset_day", Kind::Number(1, 31)),
    Key::new("warn_at", Kind::Fraction),
    Key::new("when_spent", Kind::Word(&["alarms_only", "stop", "warn"])),
];

const OTA: &[Key] = &[
    Key::new("version", Kind::Text),
    Key::new("version_file", Kind::Path),
    Key::new("hook", Kind::Path).later(),
    Key::new("modules", Kind::Names),
];

const CLOCK: &[Key] = &[Key::new("set", Kind::Switch)];

const LOG: &[Key] = &[Key::new("level", Kind::Word(&["error", "warn", "info", "debug", "trace"]))];

const METRICS: &[Key] = &[Key::new("textfile", Kind::Path), Key::new("every", Kind::Duration(5_000, DAY))];

const ROUTE: &[Key] = &[
    Key::new("from", Kind::Filter),
    Key::new("to", Kind::Topic),
    Key::new("qos", Kind::Number(0, 1)),
    Key::new("priority", Kind::Number(0, 9)),
    Key::new("ttl", Kind::Duration(1_000, 3_650 * DAY)),
    Key::new("batch", Kind::Table(BATCH)),
];

const BATCH: &[Key] = &[
    Key::new("max_messages", Kind::Number(2, 256)),
    Key::new("max_bytes", Kind::Size(64, 256 << 10)),
    Key::new("max_wait", Kind::Duration(100, DAY)),
    Key::new("form", Kind::Word(&["json_array", "lines"])),
    Key::new("deflate", Kind::Switch),
];

const APP: &[Key] = &[
    Key::new("user", Kind::Text),
    Key::new("group", Kind::Text),
    Key::new("publish", Kind::List(&Kind::Filter)),
    Key::new("subscribe", Kind::List(&Kind::Filter)),
    Key::new("operator", Kind::Switch),
    Key::new("rate", Kind::Rate),
    Key::new("max_queued_bytes", Kind::Size(1, 1 << 40)),
];

/// Whether a running daemon takes a change of this key, given by its dotted name.
pub(super) fn is_live(dotted: &str) -> bool {
    let (section, key) = dotted.split_once(['.', '[']).unwrap_or((dotted, ""));
    let section = SECTIONS.iter().find(|known| known.name == section);
    section.is_some_and(|s| s.live || s.kind.keys().iter().any(|known| known.live && known.name == key))
}

/// The section that knows a name as its own, for a key that stands in the wrong one.
pub(super) fn home(name: &str) -> Option<&'static Key> {
    SECTIONS.iter().find(|section| section.kind.keys().iter().any(|key| key.answers_to(name)))
}

#[cfg(test)]
mod tests {
    use super::super::schema::meant;
    use super::*;

    fn each_table(keys: &'static [Key], check: &mut dyn FnMut(&'static [Key])) {
        check(keys);
        for key in keys {
            each_table(key.kind.keys(), check);
        }
    }

    #[test]
    fn no_spelling_means_two_keys() {
        each_table(SECTIONS, &mut |keys| {
            for spelling in keys.iter().flat_map(|key| key.aliases.iter().chain([&key.name])) {
                assert_eq!(keys.iter().filter(|key| key.answers_to(spelling)).count(), 1, "{spelling}");
            }
        });
    }

    #[test]
    fn a_typo_finds_its_key_and_another_word_does_not() {
        assert_eq!(meant("buad", MODEM).map(|k| k.name), Some("baud"));
        assert_eq!(meant("max-baud", MODEM).map(|k| k.name), Some("max_baud"));
        assert_eq!(meant("colour", MODEM).map(|k| k.name), None);
    }
}
