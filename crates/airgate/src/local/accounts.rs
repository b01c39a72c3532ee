//! Users and groups of this host, from `/etc/passwd` and `/etc/group`.
//!
//! The kernel tells a caller's user and primary group; its other groups are those that name it. Directory services
//! that are not in these files are not asked: rights for such users are given by number.

use super::rights::Caller;
use std::collections::HashMap;
use std::fs;

/// The accounts of this host at one moment.
#[derive(Debug, Default)]
pub struct Accounts {
    users: HashMap<String, u32>,
    names: HashMap<u32, String>,
    primary: HashMap<u32, u32>,
    groups: HashMap<String, u32>,
    members: HashMap<String, Vec<u32>>,
}

impl Accounts {
    /// Reads the files; one that cannot be read counts as empty.
    pub fn read() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        Self::parse(&file("/etc/passwd"), &file("/etc/group"))
    }

    fn parse(passwd: &str, group: &str) -> Self {
        let mut accounts = Self::default();
        for line in passwd.lines() {
            let mut fields = line.split(':');
            if let (Some(name), Some(Ok(uid))) = (fields.next(), fields.nth(1).map(str::parse)) {
                if let Some(Ok(gid)) = fields.next().map(str::parse) {
                    accounts.primary.entry(uid).or_insert(gid);
                }
                accounts.users.insert(name.to_owned(), uid);
                accounts.names.entry(uid).or_insert_with(|| name.to_owned());
            }
        }
        for line in group.lines() {
            let mut fields = line.split(':');
            let (Some(name), Some(Ok(gid))) = (fields.next(), fields.nth(1).map(str::parse)) else { continue };
            accounts.groups.insert(name.to_owned(), gid);
            for member in fields.next().unwrap_or_default().split(',').filter(|m| !m.is_empty()) {
                accounts.members.entry(member.to_owned()).or_default().push(gid);
            }
        }
        accounts
    }

    /// The number of a user.
    pub fn user(&self, name: &str) -> Option<u32> {
        self.users.get(name).copied()
    }

    /// The number of a group.
    pub fn group(&self, name: &str) -> Option<u32> {
        self.groups.get(name).copied()
    }

    /// What a user is called; its number when it has no name here.
    pub fn user_name(&self, uid: u32) -> String {
        self.names.get(&uid).cloned().unwrap_or_else(|| uid.to_string())
    }

    /// What a group is called; its number when it has no name here.
    pub fn group_name(&self, gid: u32) -> String {
        let named = self.groups.iter().find(|(_, known)| **known == gid);
        named.map_or_else(|| gid.to_string(), |(name, _)| name.clone())
    }

    /// The group that a user's programs start with.
    pub fn primary_group(&self, uid: u32) -> Option<u32> {
        self.primary.get(&uid).copied()
    }

    /// A user who is not here now, with all its groups.
    pub fn absent(&self, uid: u32) -> Caller {
        let mut caller = self.caller(uid, u32::MAX);
        caller.gids.remove(&u32::MAX);
        caller.gids.extend(self.primary.get(&uid));
        caller
    }

    /// A caller with all its groups.
    pub fn caller(&self, uid: u32, primary_gid: u32) -> Caller {
        let named = self.names.get(&uid).and_then(|name| self.members.get(name));
        let gids = named.into_iter().flatten().copied().chain([primary_gid]).collect();
        Caller { uid, gids }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_has_its_primary_and_its_named_groups() {
        let accounts = Accounts::parse(
            "root:x:0:0::/root:/bin/sh\npump:x:1000:1000::/home/pump:/bin/sh\n",
            "root:x:0:\nairgate:x:990:other,pump\nops:x:50:pump\n",
        );
        assert_eq!(accounts.user("pump"), Some(1000));
        assert_eq!(accounts.group("airgate"), Some(990));
        assert_eq!((accounts.user_name(1000), accounts.user_name(7)), ("pump".into(), "7".into()));
        assert_eq!((accounts.group_name(990), accounts.primary_group(1000)), ("airgate".into(), Some(1000)));
        let caller = accounts.caller(1000, 1000);
        assert_eq!(caller.gids, [1000, 990, 50].into_iter().collect());
        assert_eq!(accounts.caller(4711, 5).gids, [5].into_iter().collect());
        assert_eq!(accounts.absent(1000), caller, "away, it is the same");
        assert!(accounts.absent(4711).gids.is_empty());
    }

    #[test]
    fn broken_lines_are_passed_over() {
        let accounts = Accounts::parse("nonsense\n:::\nx:y:z\na:x:1\n", "b\nc:x:\nd:x:7:\n");
        assert_eq!((accounts.user("a"), accounts.group("d"), accounts.group("c")), (Some(1), Some(7), None));
    }
}
