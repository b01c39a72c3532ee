//! Why a user may or may not use the doors: what the kernel would say at the socket, and what the daemon would say behind it,
//! from the same accounts and the same tables. No I/O.

use crate::local::rights::{Caller, Rights, Use};
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
    fn yes(what: String) -> Self {
        Self { ok: true, what, hint: String::new() }
    }

    fn no(what: String, hint: impl Into<String>) -> Self {
        Self { ok: false, what, hint: hint.into() }
    }
}

/// Who asks, or is asked about.
#[derive(Clone, Debug)]
pub struct User {
    /// As it stands in `/etc/passwd`, or its number.
    pub name: String,
    /// As the daemon would see it.
    pub caller: Caller,
    /// Groups of the process that asks; `None` when it asks about somebody else.
    pub session: Option<Vec<u32>>,
}

/// A door's file.
#[derive(Clone, Copy, Debug)]
pub struct Socket<'a> {
    /// Where it is.
    pub path: &'a Path,
    /// Its owner.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// The group's name, or its number.
    pub group: &'a str,
    /// Its mode.
    pub mode: u32,
}

/// Whether the user may come in: to connect is to write.
pub fn door(user: &User, socket: Socket<'_>) -> Answer {
    let Socket { path, uid, gid, group, mode } = socket;
    let (name, path) = (&user.name, path.display());
    let by_group = mode & 0o020 != 0 && user.caller.gids.contains(&gid);
    let open = user.caller.uid == 0 || mode & 0o002 != 0 || (mode & 0o200 != 0 && user.caller.uid == uid);
    if !open && !by_group {
        let hint = format!("sudo usermod -aG {group} {name}, then sign in again");
        return Answer::no(format!("user {name} is not in the group `{group}`, whose members may use {path}"), hint);
    }
    if !open && user.session.as_ref().is_some_and(|groups| !groups.contains(&gid)) {
        let what = format!("user {name} is in the group `{group}`, but this session began before that");
        return Answer::no(what, format!("sign in again, or run `newgrp {group}`"));
    }
    Answer::yes(format!("user {name} may use {path}"))
}

/// Whether the user may use a topic; `file` is where rights are given.
pub fn topic(user: &User, rights: &Rights, what: Use, topic: &str, file: &Path) -> Answer {
    let (name, verb) = (&user.name, verb(what));
    if what == Use::Publish && topic.starts_with(ANNOUNCED) {
        let what = format!("nobody may publish to {topic}: below {ANNOUNCED} the daemon speaks");
        return Answer::no(what, "choose another topic below local/");
    }
    if rights.allow(&user.caller, what, topic) {
        let why = match (user.caller.uid, rights.have_tables()) {
            (0, _) => "root may do everything",
            (_, false) => "there is no [[app]] table, and this is open by default",
            (_, true) => "an [[app]] table grants it",
        };
        return Answer::yes(format!("user {name} may {verb} {topic}: {why}"));
    }
    let granted = rights.allowed(&user.caller, what).join(", ");
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
    let mut hint = format!("add this to {} and restart the daemon (systemctl restart airgate):\n", file.display());
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

    fn socket() -> Socket<'static> {
        Socket { path: Path::new("/run/airgate/airgate.sock"), uid: 0, gid: 990, group: "airgate", mode: 0o660 }
    }

    fn user(gids: &[u32], session: &[u32]) -> User {
        let caller = Caller { uid: 1000, gids: gids.iter().copied().collect() };
        User { name: "pump".into(), caller, session: Some(session.to_vec()) }
    }

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

    #[test]
    fn an_outsider_is_told_to_join_the_group_and_a_new_member_to_sign_in_again() {
        let outsider = door(&user(&[1000], &[1000]), socket());
        assert!(!outsider.ok && outsider.hint == "sudo usermod -aG airgate pump, then sign in again", "{outsider:?}");
        let fresh = door(&user(&[1000, 990], &[1000]), socket());
        assert!(!fresh.ok && fresh.hint.contains("newgrp airgate"), "{fresh:?}");
        assert!(door(&user(&[1000, 990], &[1000, 990]), socket()).ok);
        assert!(door(&user(&[], &[]), Socket { mode: 0o666, ..socket() }).ok, "opened by hand");
        assert!(door(&user(&[], &[]), Socket { uid: 1000, ..socket() }).ok, "its own daemon");
        let about_another = User { session: None, ..user(&[990], &[]) };
        assert!(door(&about_another, socket()).ok);
    }

    #[test]
    fn a_member_without_a_right_is_told_which_table_would_grant_it() {
        let file = Path::new("/etc/airgate/airgate.toml");
        let member = user(&[990], &[990]);
        let refused = topic(&member, &rights(&["user/pump"]), Use::Publish, "user/update", file);
        assert!(!refused.ok && refused.what.ends_with("grant only user/pump"), "{refused:?}");
        assert!(refused.hint.contains("[[app]]\n    user = \"pump\"\n    publish = [\"user/update\"]"), "{refused:?}");
        assert!(!refused.hint.contains("by default"));
        let nothing = topic(&member, &rights(&[]), Use::Subscribe, "user/get", file);
        assert!(nothing.what.contains("subscribe to anything"), "{nothing:?}");
        let default = topic(&member, &Rights::default(), Use::Publish, "/sys/x", file);
        assert!(!default.ok && default.hint.contains("ends what is open by default"), "{default:?}");
        let spoken = topic(&member, &rights(&["#"]), Use::Publish, "local/airgate/link", file);
        assert!(!spoken.ok && spoken.hint.contains("another topic"), "{spoken:?}");
    }

    #[test]
    fn who_may_is_told_why() {
        let file = Path::new("x");
        let member = user(&[990], &[990]);
        let by_default = topic(&member, &Rights::default(), Use::Subscribe, "user/#", file);
        assert!(by_default.ok && by_default.what.contains("by default"), "{by_default:?}");
        assert!(topic(&member, &rights(&["#"]), Use::Publish, "user/x", file).what.contains("grants it"));
    }
}
