//! What differs between the configuration in effect and one that is to follow it: key by key, without secrets.
//!
//! `[[route]]` and `[[app]]` are told apart by what they are for, not by their place in the file: a table that was put
//! before another one changes neither. The order of routes counts, though, since the first that fits is taken.

use std::collections::BTreeMap;
use std::fmt;

use super::effective::{Entry, entries};
use super::keys::is_live;
use super::{Config, Who};

/// One key that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its dotted name, `budget.warn_at`, or with whom or what a table is for, `app(user pump).publish`.
    pub key: String,
    /// What it was; `None`: not given. A secret is masked.
    pub from: Option<String>,
    /// What it is to be; `None`: not given. A secret is masked.
    pub to: Option<String>,
    /// Whether a running daemon takes it; otherwise it needs a restart.
    pub live: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, from, to, .. } = self;
        match (from, to) {
            (Some(from), Some(to)) if from == to => write!(f, "{key} = {to} (another one)"),
            (Some(from), Some(to)) => write!(f, "{key} = {to} (was {from})"),
            (None, Some(to)) => write!(f, "{key} = {to} (new)"),
            (Some(from), None) => write!(f, "{key} is gone (was {from})"),
            (None, None) => write!(f, "{key}"),
        }
    }
}

/// All that differs, in the order of the keys' names.
pub fn changes(running: &Config, wanted: &Config) -> Vec<Change> {
    let (before, after) = (named(running), named(wanted));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let differs = |key: &&&String| before.get(**key) != after.get(**key);
    let mut changes: Vec<_> = keys.iter().filter(differs).map(|key| change(key, &before, &after)).collect();
    if order(running, wanted) != order(wanted, running) {
        changes.push(Change { key: "the order of [[route]]".to_owned(), from: None, to: None, live: true });
    }
    if running.store_key != wanted.store_key {
        changes.push(Change { key: "the credential store_key".to_owned(), from: None, to: None, live: false });
    }
    changes
}

fn change(key: &str, before: &BTreeMap<String, Entry>, after: &BTreeMap<String, Entry>) -> Change {
    let entry = before.get(key).or_else(|| after.get(key));
    let text = |entries: &BTreeMap<String, Entry>| entries.get(key).map(|entry| entry.value.to_string());
    let live = entry.is_some_and(|entry| is_live(&entry.key));
    Change { key: key.to_owned(), from: text(before), to: text(after), live }
}

/// Every key in effect, by a name that does not depend on its place. Of two routes for the same topics the first counts.
fn named(config: &Config) -> BTreeMap<String, Entry> {
    let mut named = BTreeMap::new();
    for entry in entries(config) {
        named.entry(name(config, &entry.key)).or_insert(Entry { key: section(&entry.key).to_owned(), ..entry });
    }
    named
}

/// `route[0].to` without its number, which may differ in the other configuration.
fn section(key: &str) -> &str {
    key.split_once('[').map_or(key, |(section, _)| section)
}

/// `route[0].to` as `route(sensors/+/t).to`.
fn name(config: &Config, key: &str) -> String {
    let parts = key.split_once('[').and_then(|(section, rest)| Some((section, rest.split_once("].")?)));
    let Some((section, (number, rest))) = parts else { return key.to_owned() };
    let number: usize = number.parse().unwrap_or(usize::MAX);
    let whom = match section {
        "route" => config.routes.get(number).map(|route| route.from.clone()),
        _ => config.apps.get(number).map(|app| match &app.who {
            Who::User(user) => format!("user {user}"),
            Who::Group(group) => format!("group {group}"),
        }),
    };
    format!("{section}({}).{rest}", whom.unwrap_or_default())
}

/// The topics of the routes that `other` has, too.
fn order<'c>(config: &'c Config, other: &Config) -> Vec<&'c str> {
    let known = |from: &&str| other.routes.iter().any(|route| route.from == **from);
    config.routes.iter().map(|route| route.from.as_str()).filter(known).collect()
}

#[cfg(test)]
mod tests {
    use super::super::{App, Budget, Route, Secret, WhenSpent};
    use super::*;
    use std::path::Path;

    fn route(from: &str, priority: u8) -> Route {
        Route { from: from.into(), to: None, qos: None, priority: Some(priority), ttl: None, batch: None }
    }

    fn app(user: &str, publish: &[&str]) -> App {
        App {
            who: Who::User(user.into()),
            publish: publish.iter().map(|filter| (*filter).to_owned()).collect(),
            subscribe: Vec::new(),
            operator: false,
            rate: None,
            max_queued_bytes: None,
        }
    }

    fn told(running: &Config, wanted: &Config) -> Vec<String> {
        changes(running, wanted).iter().map(|change| format!("{change}; live: {}", change.live)).collect()
    }

    #[test]
    fn a_table_put_before_another_changes_nothing_but_itself() {
        let running = Config { apps: vec![app("pump", &["a"])], ..Config::default() };
        let wanted = Config { apps: vec![app("meter", &["b"]), app("pump", &["a", "c"])], ..Config::default() };
        let changes = told(&running, &wanted);
        assert!(changes.contains(&"app(user meter).publish = [\"b\"] (new); live: true".into()), "{changes:?}");
        let pump: Vec<_> = changes.iter().filter(|change| change.contains("pump")).collect();
        assert_eq!(pump, ["app(user pump).publish = [\"a\", \"c\"] (was [\"a\"]); live: true"]);
    }

    #[test]
    fn the_order_of_routes_is_a_change_of_its_own() {
        let running = Config { routes: vec![route("a/+", 1), route("a/b", 2)], ..Config::default() };
        let mut wanted = running.clone();
        wanted.routes.reverse();
        assert_eq!(told(&running, &wanted), ["the order of [[route]]; live: true"]);
        wanted.routes.remove(0);
        assert_eq!(told(&running, &wanted).len(), 2, "from and priority of one route: {:?}", told(&running, &wanted));
    }

    #[test]
    fn another_secret_is_told_without_either() {
        let mut running = Config::default();
        running.modem.sim_pin = Some(Secret::new("3141"));
        let mut wanted = running.clone();
        wanted.modem.sim_pin = Some(Secret::new("5926"));
        let changes = told(&running, &wanted);
        assert_eq!(changes, ["modem.sim_pin = \"********\" (another one); live: false"]);
    }

    #[test]
    fn the_line_and_the_cloud_need_a_restart_and_the_budget_does_not() {
        let running = Config::default();
        let mut wanted = running.clone();
        wanted.modem.port = Path::new("/dev/ttyUSB0").into();
        wanted.cloud.keepalive_s += 1;
        wanted.budget =
            Some(Budget { monthly_bytes: 1 << 20, reset_day: 1, warn_at: 0.5, when_spent: WhenSpent::Stop });
        wanted.log.level = tracing::Level::DEBUG;
        let live: Vec<_> = changes(&running, &wanted).into_iter().map(|change| (change.key, change.live)).collect();
        let expected = [
            ("budget.monthly_bytes", true),
            ("budget.reset_day", true),
            ("budget.warn_at", true),
            ("budget.when_spent", true),
            ("cloud.keepalive_s", false),
            ("log.level", true),
            ("modem.port", false),
        ];
        assert_eq!(live, expected.map(|(key, live)| (key.to_owned(), live)));
    }

    #[test]
    fn what_was_adopted_is_no_change_any_more_and_the_rest_still_is() {
        let mut running = Config::default();
        let mut wanted = running.clone();
        wanted.apps = vec![app("pump", &["a"])];
        wanted.routes = vec![route("a", 1)];
        wanted.log.level = tracing::Level::WARN;
        wanted.outbox.max_bytes = 2 << 20;
        wanted.cloud.keepalive_s = 60;
        running.adopt(&wanted);
        let left = changes(&running, &wanted);
        assert!(!left.is_empty() && left.iter().all(|change| !change.live), "{left:?}");
    }
}
