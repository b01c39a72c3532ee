//! Why a user may or may not use a topic, and what would let it: for a person who was refused.

use super::rights::{Caller, Rights, Use};
use crate::router::ANNOUNCED;
use std::fmt::Write as _;
use std::path::Path;

/// What came of one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whether the user may.
    pub ok: bool,
    /// Whether, and why.
    pub what: String,
    /// What to do; empty when nothing is to be done.
    pub hint: String,
}

impl Answer {
    /// It may.
    pub fn yes(what: String) -> Self {
        Self { ok: true, what, hint: String::new() }
    }

    /// It may not.
    pub fn no(what: String, hint: impl Into<String>) -> Self {
        Self { ok: false, what, hint: hint.into() }
    }
}

/// Whether the user, who is called `name`, may use a topic; `file` is where rights are given.
pub fn why(name: &str, caller: &Caller, rights: &Rights, what: Use, topic: &str, file: &Path) -> Answer {
    let verb = verb(what);
    if what == Use::Publish && topic.starts_with(ANNOUNCED) {
        let what = format!("nobody may publish to {topic}: below {ANNOUNCED} the daemon speaks");
        return Answer::no(what, "choose another topic below local/");
    }
    if rights.allow(caller, what, topic) {
        let why = match (caller.uid, rights.have_tables()) {
            (0, _) => "root may do everything",
            (_, false) => "there is no [[app]] table, and this is open by default",
            (_, true) => "an [[app]] table grants it",
        };
        return Answer::yes(format!("user {name} may {verb} {topic}: {why}"));
    }
    let granted = rights.allowed(caller, what).join(", ");
    let why = match (rights.have_tables(), granted.is_empty()) {
        (false, _) => format!("there is no [[app]] table, and by default only {granted} are open"),
        (true, true) => format!("no [[app]] table lets this user or its groups {verb} anything"),
        (true, false) => format!("the [[app]] tables of this user and its groups grant only {granted}"),
    };
    Answer::no(format!("user {name} may not {verb} {topic}: {why}"), table(name, rights, what, topic, file))
}

fn verb(what: Use) -> &'static str {
    if what == Use::Publish { "publish to" } else { "subscribe to" }
}

/// The table that would grant it.
fn table(name: &str, rights: &Rights, what: Use, topic: &str, file: &Path) -> String {
    let key = if what == Use::Publish { "publish" } else { "subscribe" };
    let mut hint = format!("add this to {} and say `systemctl reload airgate`:\n", file.display());
    // Writing to a string does not fail.
    let _ = write!(hint, "    [[app]]\n    user = \"{name}\"\n    {key} = [\"{topic}\"]");
    if !rights.have_tables() {
        hint.push_str("\nthe first [[app]] table ends what is open by default: grant that, too, to whoever needs it");
    }
    hint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{App, Who};

    fn rights(publish: &[&str]) -> Rights {
        let app = App {
            who: Who::User("1000".into()),
            publish: publish.iter().map(|filter| (*filter).to_owned()).collect(),
            subscribe: Vec::new(),
            operator: false,
            rate: None,
            max_queued_bytes: None,
        };
        Rights::new(&[app], |_| None, |_| None)
    }

    fn ask(rights: &Rights, what: Use, topic: &str) -> Answer {
        let caller = Caller { uid: 1000, gids: [990].into() };
        why("pump", &caller, rights, what, topic, Path::new("/etc/airgate/airgate.toml"))
    }

    #[test]
    fn a_member_without_a_right_is_told_which_table_would_grant_it() {
        let refused = ask(&rights(&["user/pump"]), Use::Publish, "user/update");
        assert!(!refused.ok && refused.what.ends_with("grant only user/pump"), "{refused:?}");
        assert!(refused.hint.contains("[[app]]\n    user = \"pump\"\n    publish = [\"user/update\"]"), "{refused:?}");
        assert!(!refused.hint.contains("by default"));
        let nothing = ask(&rights(&[]), Use::Subscribe, "user/get");
        assert!(nothing.what.contains("subscribe to anything"), "{nothing:?}");
        let default = ask(&Rights::default(), Use::Publish, "/sys/x");
        assert!(!default.ok && default.hint.contains("ends what is open by default"), "{default:?}");
        let spoken = ask(&rights(&["#"]), Use::Publish, "local/airgate/link");
        assert!(!spoken.ok && spoken.hint.contains("another topic"), "{spoken:?}");
    }

    #[test]
    fn who_may_is_told_why() {
        let by_default = ask(&Rights::default(), Use::Subscribe, "user/#");
        assert!(by_default.ok && by_default.what.contains("by default"), "{by_default:?}");
        assert!(ask(&rights(&["#"]), Use::Publish, "user/x").what.contains("grants it"));
    }
}
