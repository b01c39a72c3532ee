//! The schema against its neighbours: the annotated example and the shapes that the merge fills.

use std::collections::BTreeSet;
use std::path::Path;

use super::EXAMPLE;
use super::findings::Findings;
use super::keys::SECTIONS;
use super::merge::{Layer, merge};
use super::schema::{Key, Kind};
use super::source::Source;

/// The example with every setting in effect.
fn uncommented() -> String {
    let setting = |line: &str| {
        line.strip_prefix('#').filter(|rest| !rest.is_empty() && !rest.starts_with([' ', '#'])).map(str::to_owned)
    };
    EXAMPLE.lines().map(|line| setting(line).unwrap_or_else(|| line.to_owned()) + "\n").collect()
}

fn walked(text: &str) -> (Findings, Layer) {
    let source = Source::new(Path::new("/etc/airgate/airgate.toml"), text.to_owned(), false);
    let mut findings = Findings::default();
    let layer = Layer(findings.file(&source));
    (findings, layer)
}

/// The dotted names of all keys with a meaning; rows count as one.
fn names(keys: &'static [Key], path: &str, into: &mut BTreeSet<String>) {
    for key in keys.iter().filter(|key| !matches!(key.kind, Kind::Retired(_))) {
        let row = if matches!(key.kind, Kind::Tables(_)) { "[0]" } else { "" };
        let name = super::walk::join(path, key.name) + row;
        names(key.kind.keys(), &name, into);
        into.insert(name);
    }
}

#[test]
fn example_as_shipped_has_no_mistake_of_its_own() {
    let (findings, _) = walked(EXAMPLE);
    assert_eq!(findings.errors, []);
    assert_eq!(findings.notices, []);
}

#[test]
fn every_key_appears_in_the_example_and_parses_when_uncommented() {
    let (findings, _) = walked(&uncommented());
    assert_eq!(findings.errors, []);
    let mut all = BTreeSet::new();
    names(SECTIONS, "", &mut all);
    // The one alternative that cannot stand beside the other in a single table is named in its text.
    assert!(all.remove("modem.reset.command") && EXAMPLE.contains("{ command = ["));
    all.retain(|name| !findings.places.contains_key(name) && name != "route[0]" && name != "app[0]");
    assert_eq!(all, BTreeSet::new(), "keys that etc/airgate.toml does not show");
}

#[test]
fn every_key_of_the_schema_has_a_place_to_go_after_the_merge() {
    let text = uncommented() + "[modem.reset]\n";
    let text = text
        .replace("reset = { gpio", "#reset = { gpio")
        .replace("[modem.reset]", "[modem.reset]\ngpio = \"g/1\"\nactive = \"low\"\nhold_ms = 1\ncommand = [\"/x\"]\n");
    let (mut findings, layer) = walked(&text);
    assert_eq!(findings.errors, []);
    let rows = std::mem::take(&mut findings.rows);
    let rows = rows.into_iter().map(|(name, rows)| (name.to_owned(), config::Value::from(rows))).collect();
    let raw = merge(vec![layer, Layer(rows)]).expect("the shapes know every key");
    assert_eq!(raw.modem.baud, Some(115_200));
    assert_eq!((raw.route.len(), raw.app.len()), (1, 1));
}

/// The keys in effect of the example, set whole but for these keys.
fn in_effect(provider: &str, without: &[&str]) -> BTreeSet<String> {
    let text = uncommented().replace("provider = \"aliyun\"", &format!("provider = \"{provider}\""));
    let stays = |line: &&str| line.split_once('=').is_none_or(|(key, _)| !without.contains(&key.trim()));
    let text: Vec<_> = text.lines().filter(stays).collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, text.join("\n")).unwrap();
    let loaded = super::load(Some(&file), std::iter::empty()).unwrap_or_else(|errors| panic!("{errors:#?}"));
    loaded.settings().into_iter().map(|setting| setting.key).collect()
}

#[test]
fn every_key_is_among_the_settings_in_effect() {
    const MQTT: &[&str] = &["username", "password", "topic_prefix"];
    const ALIYUN: &[&str] = &[
        "product_key",
        "instance_id",
        "region",
        "device_name",
        "device_secret",
        "product_secret",
        "auth",
        "sign_method",
        "register_by",
        "register_securemode",
        "register_host",
        "custom_rrpc",
    ];
    const FILES: &[&str] = &["device_secret_file", "password_file"];
    let mut shown = in_effect("mqtt", &[FILES, ALIYUN, &["version_file", "group"]].concat());
    let with_device_secret = [FILES, MQTT, &["region", "product_secret", "version", "user"]].concat();
    shown.extend(in_effect("aliyun", &with_device_secret));
    let registered = [FILES, MQTT, &["instance_id", "device_secret", "auth", "version", "user"]].concat();
    shown.extend(in_effect("aliyun", &registered));
    let mut all = BTreeSet::new();
    names(SECTIONS, "", &mut all);
    // A secret is shown under its own key, whichever way it came; the alternative to a GPIO line is a command.
    for key in ["cloud.device_secret_file", "cloud.password_file", "modem.reset.command"] {
        assert!(all.remove(key), "{key}");
    }
    all.retain(|key| !shown.iter().any(|shown| shown == key || shown.starts_with(&format!("{key}."))));
    assert_eq!(all.into_iter().filter(|key| !key.ends_with(']')).collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn keys_that_are_checked_but_not_acted_on_say_so() {
    let (findings, _) = walked(&uncommented());
    let told: Vec<_> = findings.notices.iter().map(|notice| notice.what.as_str()).collect();
    assert!(told.contains(&"`ota.hook` is checked, but not in effect in this version"), "{told:?}");
}

#[test]
fn secret_never_enters_the_tree_that_is_merged() {
    let (findings, layer) = walked("[cloud]\ndevice_secret = \"hunter2\"\n[modem]\nsim_pin = \"0123\"\n");
    let shown = format!("{layer:?} {:?} {:?} {:?}", findings.errors, findings.notices, findings.places);
    assert!(!shown.contains("hunter2") && !shown.contains("0123"), "{shown}");
    assert_eq!(findings.vault.iter().map(|secret| secret.expose()).collect::<Vec<_>>(), ["hunter2", "0123"]);
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[\\[\\]a-z_=\"'{}#\\n0-9. \u{e9}]{0,200}") {
        let _ = walked(&text);
    }

    #[test]
    fn no_broken_example_panics(at in 0..EXAMPLE.len(), junk in "[\\[\\]\"'=\\n{}\u{6e29}]{1,3}") {
        let mut text = uncommented();
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.insert_str(at, &junk);
        let _ = walked(&text);
    }
}
