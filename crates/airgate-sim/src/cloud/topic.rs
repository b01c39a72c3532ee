//! Topics: which are well formed, which belong to a device, which filter matches which.
//!
//! Own matching rather than rumqttc's: that one slices the first byte off a topic and panics on a topic which begins
//! with a character of several bytes.

use super::identity::DeviceId;

/// The longest topic, in bytes of UTF-8. Source: Alibaba Cloud IoT Platform, "Limits".
pub(super) const MAX_BYTES: usize = 128;

/// The most slashes in a topic of a product's own class; the platform's own topics have up to eight.
/// Source: Alibaba Cloud IoT Platform, "Limits".
const MAX_SLASHES: usize = 7;

/// Which way a message goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    /// The device publishes.
    Up,
    /// The device subscribes.
    Down,
}

/// Whether this is a topic name a message can be published to: no wildcards, not empty, not too long.
pub(super) fn is_name(topic: &str) -> bool {
    is_sized(topic) && !topic.contains(['+', '#'])
}

/// Whether this is a topic filter: wildcards fill a whole level, `#` only the last.
pub(super) fn is_filter(filter: &str) -> bool {
    let last = filter.split('/').count().saturating_sub(1);
    is_sized(filter)
        && filter.split('/').enumerate().all(|(index, level)| match level {
            "#" => index == last,
            "+" => true,
            level => !level.contains(['+', '#']),
        })
}

fn is_sized(topic: &str) -> bool {
    (1..=MAX_BYTES).contains(&topic.len()) && !topic.contains('\0')
}

/// Whether the filter matches the topic. Neither is checked for being well formed.
pub(super) fn matches(filter: &str, topic: &str) -> bool {
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        match (wanted, levels.next()) {
            ("#", _) => return true,
            ("+", Some(_)) => {}
            (wanted, Some(level)) if wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Whether a device may publish to (`Way::Up`) or subscribe (`Way::Down`) this topic or filter: its own topics only.
/// A wildcard in the place of the product key or of the device name makes it somebody else's.
///
/// Topic classes of a product are not defined one by one here: everything under `/PK/DN/` may be used both ways.
pub(super) fn belongs(device: &DeviceId, topic: &str, way: Way) -> bool {
    let levels: Vec<&str> = topic.split('/').collect();
    let own =
        |product_key: &str, device_name: &str| product_key == device.product_key && device_name == device.device_name;
    match levels.as_slice() {
        ["", "sys", pk, dn, ..] => own(pk, dn),
        ["", "broadcast", pk, ..] => *pk == device.product_key && way == Way::Down,
        ["", "ext", "ntp", pk, dn, kind] => own(pk, dn) && (*kind == "request") == (way == Way::Up),
        ["", "ext", "session", pk, dn, ..] => own(pk, dn),
        ["", "ext", "error", pk, dn] => own(pk, dn) && way == Way::Down,
        ["", "ext", "rrpc", _, _, ..] => true,
        ["", "ota", "device", "upgrade", pk, dn] => own(pk, dn) && way == Way::Down,
        ["", "ota", "device", "inform" | "progress" | "request", pk, dn] => own(pk, dn) && way == Way::Up,
        ["", "shadow", "get", pk, dn] => own(pk, dn) && way == Way::Down,
        ["", "shadow", "update", pk, dn] => own(pk, dn) && way == Way::Up,
        ["", pk, dn, _, ..] => own(pk, dn) && levels.len() <= MAX_SLASHES + 1,
        _ => false,
    }
}

/// Whether the platform sends this topic to the device without a SUBSCRIBE when its client ID carries `_ss=1`:
/// the system topics, that is all of the device's own but the product's classes under `/PK/DN/`.
pub(super) fn is_system(device: &DeviceId, topic: &str) -> bool {
    ["/sys/", "/ext/", "/ota/", "/shadow/"].iter().any(|root| topic.starts_with(root))
        && belongs(device, topic, Way::Down)
}

/// Whether the platform sends this topic to the device whether or not it subscribed: remote calls and broadcasts.
/// Source: Alibaba Cloud IoT Platform, "RRPC" and "Broadcast".
pub(super) fn is_unasked(device: &DeviceId, topic: &str) -> bool {
    let DeviceId { product_key, device_name } = device;
    ["rrpc", "broadcast"]
        .iter()
        .any(|kind| topic.starts_with(&format!("/sys/{product_key}/{device_name}/{kind}/request/")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn device() -> DeviceId {
        DeviceId::new("pk", "dev1")
    }

    #[test]
    fn filters_of_other_devices_and_wide_wildcards_are_not_the_devices_own() {
        for filter in [
            "#",
            "/#",
            "/+/dev1/user/get",
            "/pk/+/user/get",
            "/pk/dev2/user/get",
            "/sys/pk/dev2/#",
            "/sys/+/dev1/#",
            "pk/dev1/user/get",
            "/pk/dev1",
            "/pk/#",
            "/ota/device/upgrade/pk/dev2",
            "$SYS/#",
            "/ext/ntp/pk/dev1/request",
        ] {
            assert!(!belongs(&device(), filter, Way::Down), "{filter}");
        }
    }

    #[test]
    fn own_topics_may_be_subscribed() {
        for filter in [
            "/pk/dev1/user/get",
            "/pk/dev1/user/#",
            "/sys/pk/dev1/thing/event/+/post_reply",
            "/ext/ntp/pk/dev1/response",
            "/ota/device/upgrade/pk/dev1",
            "/shadow/get/pk/dev1",
            "/broadcast/pk/news",
            "/ext/rrpc/+/pk/dev1/user/get",
        ] {
            assert!(belongs(&device(), filter, Way::Down), "{filter}");
        }
    }

    #[test]
    fn a_device_cannot_publish_what_only_the_platform_sends() {
        for topic in
            ["/ota/device/upgrade/pk/dev1", "/shadow/get/pk/dev1", "/ext/ntp/pk/dev1/response", "/broadcast/pk/news"]
        {
            assert!(!belongs(&device(), topic, Way::Up), "{topic}");
        }
    }

    #[test]
    fn eighth_slash_is_one_too_many_in_a_custom_topic_only() {
        assert!(belongs(&device(), "/pk/dev1/user/a/b/c/d", Way::Up));
        assert!(!belongs(&device(), "/pk/dev1/user/a/b/c/d/e", Way::Up));
        assert!(belongs(&device(), "/sys/pk/dev1/thing/event/property/batch/post", Way::Up));
    }

    #[test]
    fn topic_of_129_bytes_and_misplaced_wildcards_are_malformed() {
        assert!(is_name(&"x".repeat(128)) && !is_name(&"x".repeat(129)) && !is_name("") && !is_name("/a/+"));
        assert!(is_filter("/a/+/#") && !is_filter("/a/#/b") && !is_filter("/a/b#") && !is_filter("/a+/b"));
    }

    #[test]
    fn wildcards_match_as_mqtt_3_1_1_says() {
        assert!(matches("/a/+/c", "/a/b/c") && matches("/a/#", "/a/b/c") && matches("/a/#", "/a"));
        assert!(!matches("/a/+", "/a/b/c") && !matches("/a/b", "/a") && !matches("/a", "/a/b"));
    }

    proptest! {
        #[test]
        fn every_topic_matches_itself_and_nothing_panics(topic in "\\PC{0,40}", filter in "\\PC{0,40}") {
            prop_assert!(matches(&topic, &topic) || topic.contains(['+', '#']));
            matches(&filter, &topic);
            is_filter(&filter);
            belongs(&device(), &topic, Way::Up);
        }
    }
}
