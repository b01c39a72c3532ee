//! Topics of the dialogue: the platform's long ones, and the words that programs use for them.
//!
//! | word | on the platform |
//! | --- | --- |
//! | `$thing/{path}` | `/sys/{product key}/{device name}/thing/{path}` |
//! | `$shadow` | `/shadow/get/…` |
//! | `$rrpc`, `$rrpc/{topic}` | `/sys/…/rrpc/request/+`, `/ext/rrpc/+/{topic}` |
//! | `$broadcast` | `/sys/…/broadcast/request/+` |
//! | `$ota/version`, `$ota/progress` | `/ota/device/inform/…`, `/ota/device/progress/…` |
//! | `$error` | `/ext/error/…` |
//! | `$device/{product key}/{device name}/thing/…` | as `$thing/…`, of a sub-device |

use super::DeviceId;
use crate::aliyun::Aliyun;

const WORDS: [&str; 7] = ["$thing", "$shadow", "$rrpc", "$broadcast", "$ota", "$error", "$device"];

/// What the cloud may ask of a device by itself.
const CALLS: [&str; 5] = ["service/property/set", "service/+", "config/push", "topo/change", "topo/add/notify"];

/// The names of one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    product_key: String,
    device_name: String,
}

/// What a word means on the way up.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The path behind `thing/`.
    Thing(String),
    OtaVersion,
    OtaProgress,
}

/// What a topic of the platform is about.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// The path behind the device's name.
    Sys(&'a str),
    Shadow,
    Ntp,
    Session,
    Upgrade,
    Error,
    /// Any other topic that ends in `_reply`.
    Reply,
}

pub(super) fn is_word(topic: &str) -> bool {
    let first = topic.split('/').next().unwrap_or_default();
    WORDS.contains(&first)
}

/// Whether the cloud calls on this topic.
pub(super) fn is_call(topic: &str) -> bool {
    match kind_of(topic) {
        Some((_, Kind::Sys(path))) => {
            let is_request = path.starts_with("thing/") && !path.ends_with("_reply") && path != "thing/config/log/push";
            is_request || path.starts_with("rrpc/request/")
        }
        _ => topic.starts_with("/ext/rrpc/"),
    }
}

impl Names {
    pub(super) fn new(product_key: &str, device_name: &str) -> Self {
        Self { product_key: product_key.to_owned(), device_name: device_name.to_owned() }
    }

    pub(super) fn of(device: &DeviceId) -> Self {
        Self::new(&device.product_key, &device.device_name)
    }

    pub(super) fn device(&self) -> DeviceId {
        DeviceId { product_key: self.product_key.clone(), device_name: self.device_name.clone() }
    }

    fn both(&self) -> String {
        format!("{}/{}", self.product_key, self.device_name)
    }

    pub(super) fn sys(&self, path: &str) -> String {
        format!("/sys/{}/{path}", self.both())
    }

    pub(super) fn ntp(&self, end: &str) -> String {
        format!("/ext/ntp/{}/{end}", self.both())
    }

    pub(super) fn shadow(&self, verb: &str) -> String {
        format!("/shadow/{verb}/{}", self.both())
    }

    pub(super) fn session(&self, path: &str) -> String {
        format!("/ext/session/{}/{path}", self.both())
    }

    pub(super) fn error(&self) -> String {
        format!("/ext/error/{}", self.both())
    }

    pub(super) fn ota(&self, verb: &str) -> String {
        format!("/ota/device/{verb}/{}", self.both())
    }

    /// The word, with this device before it unless it is `own`.
    pub(super) fn word(&self, word: &str, own: &Self) -> String {
        if self == own { word.to_owned() } else { format!("$device/{}/{}", self.both(), word.trim_start_matches('$')) }
    }

    /// Whose word this is, and what it means on the way up.
    pub(super) fn place(&self, topic: &str) -> Option<(Self, Place)> {
        let (names, rest) = match topic.strip_prefix("$device/") {
            None => (self.clone(), topic.strip_prefix('$')?),
            Some(rest) => {
                let (product_key, rest) = rest.split_once('/')?;
                let (device_name, rest) = rest.split_once('/')?;
                (Self::new(product_key, device_name), rest)
            }
        };
        let place = match rest {
            "ota/version" => Place::OtaVersion,
            "ota/progress" => Place::OtaProgress,
            _ => Place::Thing(rest.strip_prefix("thing/")?.to_owned()),
        };
        Some((names, place))
    }

    /// What to subscribe to for a word; `None` when it is none.
    pub(super) fn down_filters(&self, word: &str, cloud: &Aliyun) -> Option<Vec<String>> {
        let things = || CALLS.iter().map(|path| self.sys(&format!("thing/{path}"))).collect();
        Some(match word {
            "$thing/#" => things(),
            "$shadow" => vec![self.shadow("get")],
            _ => match (word.strip_prefix("$thing/"), word.strip_prefix("$rrpc/")) {
                (Some("+" | ""), _) => Vec::new(),
                (Some(path), _) => vec![self.sys(&format!("thing/{path}"))],
                (None, Some(topic)) => match cloud.expand(topic) {
                    Ok(long) => vec![format!("/ext/rrpc/+{long}")],
                    Err(_) => Vec::new(),
                },
                // What comes without being asked for.
                (None, None) if is_word(word) => Vec::new(),
                (None, None) => return None,
            },
        })
    }

    /// A filter for sub-devices, if it is for this one, without the device.
    pub(super) fn strip_device(&self, filter: &str) -> Option<String> {
        let rest = filter.strip_prefix("$device/")?;
        if rest == "#" {
            return Some("$thing/#".to_owned());
        }
        let mut levels = rest.splitn(3, '/');
        let fits = |level: Option<&str>, name: &str| level.is_some_and(|level| level == "+" || level == name);
        if !fits(levels.next(), &self.product_key) {
            return None;
        }
        match (levels.next(), levels.next()) {
            (Some("#"), None) => Some("$thing/#".to_owned()),
            (device, rest) if fits(device, &self.device_name) => match rest? {
                "#" => Some("$thing/#".to_owned()),
                rest => Some(format!("${rest}")),
            },
            _ => None,
        }
    }
}

/// Whose topic this is, and what it is about; `None` when it is none of the dialogue's.
pub(super) fn kind_of(topic: &str) -> Option<(Names, Kind<'_>)> {
    let rest = topic.strip_prefix('/')?;
    let names = |product_key: &str, device_name: &str| Names::new(product_key, device_name);
    if let Some(rest) = rest.strip_prefix("sys/") {
        let mut levels = rest.splitn(3, '/');
        return Some((names(levels.next()?, levels.next()?), Kind::Sys(levels.next()?)));
    }
    let levels: Vec<&str> = rest.split('/').collect();
    Some(match levels.as_slice() {
        ["shadow", "get", pk, dn] => (names(pk, dn), Kind::Shadow),
        ["ext", "ntp", pk, dn, "response"] => (names(pk, dn), Kind::Ntp),
        ["ext", "session", pk, dn, ..] => (names(pk, dn), Kind::Session),
        ["ext", "error", pk, dn] => (names(pk, dn), Kind::Error),
        ["ota", "device", "upgrade", pk, dn] => (names(pk, dn), Kind::Upgrade),
        ["ota", "device", _, pk, dn] if dn.ends_with("_reply") => (names(pk, dn), Kind::Reply),
        _ => return None,
    })
}
