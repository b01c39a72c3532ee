//! Who may do what. A caller is who the kernel says it is, never who it says it is.
//!
//! * [rights-1] Root may do everything.
//! * [rights-2] Without any `[[app]]` table, whoever can open the socket (by its mode: the group `airgate`) may publish to
//!   and subscribe within `user/#` and `local/#`.
//! * [rights-3] With `[[app]]` tables, a caller may do what the tables of its user and its groups allow together, and
//!   nothing else.
//! * [rights-4] System topics (those that begin with `/` or `$`) are closed unless granted.
//! * [rights-5] What is asked of the cloud itself is granted like a topic, by the daemon's word for it: `$thing/…`, `$shadow`,
//!   `$rrpc/…`, `$ota/…`, `$device/…`. Without any `[[app]]` table, the device's own properties, events, tags,
//!   configuration, shadow and calls are open, and firmware reports and sub-devices are root's.
//! * [rights-6] Text messages may bear codes that sign a person in: without any `[[app]]` table they are root's, with tables
//!   they are for those who may subscribe to `local/airgate/sms`.

use crate::config::{App, Rate, Who};
use crate::router::TEXTS;
use airgate_proto::topic::matches;
use std::collections::HashSet;

/// What programs may use without any configuration.
const DEFAULT_PUBLISH: [&str; 7] =
    ["user/#", "local/#", "$thing/event/#", "$thing/property/#", "$thing/deviceinfo/#", "$thing/config/get", "$shadow"];
const DEFAULT_SUBSCRIBE: [&str; 6] = ["user/#", "local/#", "$thing/#", "$shadow", "$rrpc/#", "$broadcast"];

fn by_default(what: Use) -> &'static [&'static str] {
    match what {
        Use::Publish => &DEFAULT_PUBLISH,
        Use::Subscribe => &DEFAULT_SUBSCRIBE,
    }
}

/// A caller, as the kernel names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// User ID.
    pub uid: u32,
    /// All its groups.
    pub gids: HashSet<u32>,
}

/// One right, with names resolved to numbers.
#[derive(Clone, Debug)]
struct Grant {
    to: Id,
    publish: Vec<String>,
    subscribe: Vec<String>,
    operator: bool,
    max_queued_bytes: Option<u64>,
    rate: Option<Rate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Id {
    User(u32),
    Group(u32),
    /// The name is not known on this host: nobody.
    Nobody,
}

/// All rights.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    grants: Option<Vec<Grant>>,
}

/// What a caller wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Publish to it.
    Publish,
    /// Subscribe to it.
    Subscribe,
}

impl Rights {
    /// The rights that the configuration gives. `user` and `group` look names up.
    pub fn new(apps: &[App], user: impl Fn(&str) -> Option<u32>, group: impl Fn(&str) -> Option<u32>) -> Self {
        let grant = |app: &App| Grant {
            to: match &app.who {
                Who::User(name) => number(name).or_else(|| user(name)).map_or(Id::Nobody, Id::User),
                Who::Group(name) => number(name).or_else(|| group(name)).map_or(Id::Nobody, Id::Group),
            },
            publish: app.publish.clone(),
            subscribe: app.subscribe.clone(),
            operator: app.operator,
            max_queued_bytes: app.max_queued_bytes,
            rate: app.rate,
        };
        Self { grants: (!apps.is_empty()).then(|| apps.iter().map(grant).collect()) }
    }

    /// Whether `caller` may use `topic` (or, to subscribe, everything that the filter `topic` matches).
    pub fn allow(&self, caller: &Caller, what: Use, topic: &str) -> bool {
        if caller.uid == 0 {
            return true;
        }
        let within = |filter: &str| match what {
            Use::Publish => matches(filter, topic),
            Use::Subscribe => covers(filter, topic),
        };
        match &self.grants {
            None if topic == TEXTS => false,
            None => by_default(what).iter().any(|filter| within(filter)),
            Some(_) => self.of(caller).any(|grant| {
                let filters = if what == Use::Publish { &grant.publish } else { &grant.subscribe };
                filters.iter().any(|filter| within(filter))
            }),
        }
    }

    /// Whether `caller` may read the text messages of the SIM card. [rights-6]
    pub fn reads_texts(&self, caller: &Caller) -> bool {
        self.allow(caller, Use::Subscribe, TEXTS)
    }

    /// Whether `caller` may use the raw console and change the daemon's state.
    pub fn is_operator(&self, caller: &Caller) -> bool {
        caller.uid == 0 || self.of(caller).any(|grant| grant.operator)
    }

    /// The most that messages of `caller` may take on the disk, in bytes: the least of what its tables say. Root has none.
    pub fn max_queued_bytes(&self, caller: &Caller) -> Option<u64> {
        self.of(caller).filter(|_| caller.uid != 0).filter_map(|grant| grant.max_queued_bytes).min()
    }

    /// The slowest rate that the caller's tables give; root has none.
    pub fn rate(&self, caller: &Caller) -> Option<Rate> {
        let rates = self.of(caller).filter(|_| caller.uid != 0).filter_map(|grant| grant.rate);
        rates.max_by_key(|rate| rate.per / rate.count.max(1))
    }

    /// Whether the configuration has any `[[app]]` table.
    pub fn have_tables(&self) -> bool {
        self.grants.is_some()
    }

    /// What `caller` may use, for a hint.
    pub fn allowed(&self, caller: &Caller, what: Use) -> Vec<String> {
        match &self.grants {
            None => by_default(what).iter().map(|filter| (*filter).to_owned()).collect(),
            Some(_) => self
                .of(caller)
                .flat_map(|grant| if what == Use::Publish { &grant.publish } else { &grant.subscribe })
                .cloned()
                .collect(),
        }
    }

    fn of<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a Grant> {
        self.grants.iter().flatten().filter(move |grant| match grant.to {
            Id::User(uid) => caller.uid == uid,
            Id::Group(gid) => caller.gids.contains(&gid),
            Id::Nobody => false,
        })
    }
}

fn number(name: &str) -> Option<u32> {
    name.parse().ok()
}

/// Whether everything that `asked` matches is also matched by `granted`.
fn covers(granted: &str, asked: &str) -> bool {
    // A wildcard in the first level does not match `$…`. Source: MQTT 3.1.1, section 4.7.2.
    if asked.starts_with('$') && granted.starts_with(['#', '+']) {
        return false;
    }
    let (mut granted, mut asked) = (granted.split('/'), asked.split('/'));
    loop {
        match (granted.next(), asked.next()) {
            (Some("#"), _) => return true,
            (None, None) => return true,
            (Some("+"), Some(level)) if level != "#" => {}
            (Some(g), Some(a)) if g == a && a != "#" => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn caller(uid: u32, gids: &[u32]) -> Caller {
        Caller { uid, gids: gids.iter().copied().collect() }
    }

    fn app(who: Who, publish: &[&str], subscribe: &[&str]) -> App {
        let own = |filters: &[&str]| filters.iter().map(|f| (*f).to_owned()).collect();
        App {
            who,
            publish: own(publish),
            subscribe: own(subscribe),
            operator: false,
            rate: None,
            max_queued_bytes: None,
        }
    }

    fn rights(apps: &[App]) -> Rights {
        Rights::new(apps, |name| (name == "pump").then_some(1000), |name| (name == "ops").then_some(50))
    }

    #[test]
    fn without_tables_user_topics_are_open_and_system_topics_are_not() {
        let rights = rights(&[]);
        let anyone = caller(1000, &[]);
        assert!(rights.allow(&anyone, Use::Publish, "user/update"));
        assert!(rights.allow(&anyone, Use::Subscribe, "user/+"));
        for closed in [
            "/sys/pk/dn/thing/event/property/post",
            "/ota/device/inform/pk/dn",
            "$SYS/x",
            "other",
            "/pk/dn/user/update",
        ] {
            assert!(!rights.allow(&anyone, Use::Publish, closed), "{closed}");
        }
        assert!(!rights.allow(&anyone, Use::Subscribe, "#"), "wider than what is granted");
        assert!(!rights.is_operator(&anyone));
        assert!(rights.allow(&caller(0, &[]), Use::Publish, "/sys/anything") && rights.is_operator(&caller(0, &[])));
    }

    #[test]
    fn text_messages_are_roots_until_they_are_granted() {
        let nothing = rights(&[]);
        assert!(nothing.allow(&caller(1000, &[]), Use::Subscribe, "local/#"));
        assert!(!nothing.reads_texts(&caller(1000, &[])) && nothing.reads_texts(&caller(0, &[])));
        let granted = rights(&[
            app(Who::User("pump".into()), &[], &["local/airgate/#"]),
            app(Who::Group("ops".into()), &[], &["local/airgate/link"]),
        ]);
        assert!(granted.reads_texts(&caller(1000, &[])) && !granted.reads_texts(&caller(1001, &[50])));
    }

    #[test]
    fn tables_of_user_and_groups_add_up_and_replace_the_default() {
        let rights = rights(&[
            app(Who::User("pump".into()), &["user/pump/#"], &[]),
            app(Who::Group("ops".into()), &["user/ops"], &["user/#"]),
        ]);
        let pump = caller(1000, &[50]);
        assert!(rights.allow(&pump, Use::Publish, "user/pump/1") && rights.allow(&pump, Use::Publish, "user/ops"));
        assert!(!rights.allow(&caller(1000, &[]), Use::Publish, "user/ops"));
        assert!(!rights.allow(&caller(1001, &[]), Use::Publish, "user/update"), "the default is gone");
    }

    #[test]
    fn a_name_that_this_host_does_not_know_is_nobody() {
        let rights = rights(&[app(Who::User("ghost".into()), &["#"], &["#"])]);
        assert!(!rights.allow(&caller(1000, &[]), Use::Publish, "user/x"));
        let by_number = self::rights(&[app(Who::User("1000".into()), &["#"], &["#"])]);
        assert!(by_number.allow(&caller(1000, &[]), Use::Publish, "user/x"));
    }

    #[test]
    fn a_filter_is_covered_only_by_one_that_is_as_wide() {
        for (granted, asked) in [
            ("user/#", "user/a/b"),
            ("user/#", "user/#"),
            ("user/#", "user"),
            ("+/a", "x/a"),
            ("+/a", "+/a"),
            ("#", "#"),
        ] {
            assert!(covers(granted, asked), "{granted} {asked}");
        }
        for (granted, asked) in [
            ("user/+", "user/#"),
            ("user/a", "user/+"),
            ("user/a", "user/a/b"),
            ("user/+", "user"),
            ("a/#", "#"),
            ("#", "$SYS/x"),
        ] {
            assert!(!covers(granted, asked), "{granted} {asked}");
        }
    }

    proptest! {
        #[test]
        fn what_is_covered_is_matched(granted in "(a|b|\\+)(/(a|b|\\+)){0,2}(/#)?", asked in "(a|b|\\+)(/(a|b|\\+)){0,2}(/#)?", topic in "(a|b)(/(a|b)){0,3}") {
            if covers(&granted, &asked) && matches(&asked, &topic) {
                prop_assert!(matches(&granted, &topic), "{granted} {asked} {topic}");
            }
        }
    }
}
