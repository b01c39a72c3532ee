//! Why a user may or may not come in at the doors: what the kernel would say. What the daemon would say behind them is in
//! `local::why`. No I/O.

use crate::local::rights::Caller;
use crate::local::why::Answer;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::*;

    fn socket() -> Socket<'static> {
        Socket { path: Path::new("/run/airgate/airgate.sock"), uid: 0, gid: 990, group: "airgate", mode: 0o660 }
    }

    fn user(gids: &[u32], session: &[u32]) -> User {
        let caller = Caller { uid: 1000, gids: gids.iter().copied().collect() };
        User { name: "pump".into(), caller, session: Some(session.to_vec()) }
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
}
