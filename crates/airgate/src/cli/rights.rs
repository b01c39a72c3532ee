//! `airgate check --publish TOPIC --subscribe FILTER`: why a user may or may not.

use super::fail::Fail;
use super::{Socket, block_on};
use crate::check::rights::{self, User};
use crate::config::{ConfigError, DEFAULT_PATH, Loaded, Local};
use crate::local::Accounts;
use crate::local::rights::{Rights, Use};
use crate::local::why::{Answer, why};
use airgate_client::{Client, Verdict};
use serde_json::json;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Questions instead of the climb.
#[derive(Debug, clap::Args)]
pub(super) struct Questions {
    /// Tell whether, and why, a user may publish to this topic. Nothing is published.
    #[arg(long, value_name = "TOPIC")]
    publish: Vec<String>,
    /// Tell whether, and why, a user may subscribe with this filter.
    #[arg(long, value_name = "FILTER")]
    subscribe: Vec<String>,
    /// The user that this is about, by name or number; without it, whoever asks.
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Asked when the configuration is not for this user to read.
    #[command(flatten)]
    socket: Socket,
}

impl Questions {
    pub(super) fn any(&self) -> bool {
        !self.is_empty() || self.user.is_some()
    }

    /// Where the doors are when there is no configuration to say it.
    pub(super) fn local(&self) -> Local {
        Local { socket: self.socket.socket.clone(), ..Local::default() }
    }

    fn is_empty(&self) -> bool {
        self.publish.is_empty() && self.subscribe.is_empty()
    }

    fn each(&self) -> impl Iterator<Item = (Use, &String)> {
        let publish = self.publish.iter().map(|topic| (Use::Publish, topic));
        publish.chain(self.subscribe.iter().map(|filter| (Use::Subscribe, filter)))
    }
}

/// Answers them: exit code 4 when one is answered with no.
pub(super) fn main(questions: &Questions, loaded: Result<&Loaded, &[ConfigError]>, as_json: bool) -> Result<(), Fail> {
    let accounts = Accounts::read();
    let user = match &questions.user {
        Some(name) => somebody(&accounts, name)?,
        None => myself(&accounts),
    };
    let named = questions.local();
    let local = loaded.map_or(&named, |loaded| &loaded.config.local);
    let mut answers: Vec<_> = door(&user, &accounts, local).into_iter().collect();
    if answers.iter().all(|answer| answer.ok) {
        answers.extend(match loaded {
            Ok(loaded) => from_configuration(questions, &user, loaded, &accounts),
            // The configuration bears secrets: who is not to read it asks the daemon, about itself alone.
            Err(errors) if questions.user.is_none() && !questions.is_empty() => {
                from_daemon(questions, local).map_err(|_| Fail::config(errors))?
            }
            Err(errors) => return Err(Fail::config(errors)),
        });
    }
    show(&answers, as_json);
    match answers.into_iter().find(|answer| !answer.ok) {
        Some(Answer { what, hint, .. }) => Err(Fail::refused(&what, &hint)),
        None => Ok(()),
    }
}

fn from_configuration(questions: &Questions, user: &User, loaded: &Loaded, accounts: &Accounts) -> Vec<Answer> {
    let rights = Rights::new(&loaded.config.apps, |name| accounts.user(name), |name| accounts.group(name));
    let file = loaded.files.first().map_or(Path::new(DEFAULT_PATH), |file| file.as_path());
    questions.each().map(|(what, topic)| why(&user.name, &user.caller, &rights, what, topic, file)).collect()
}

fn from_daemon(questions: &Questions, local: &Local) -> Result<Vec<Answer>, Fail> {
    block_on(async {
        let (client, _) = Client::connect(&local.socket).await?;
        let mut answers = Vec::new();
        for (what, topic) in questions.each() {
            let what = match what {
                Use::Publish => airgate_client::Use::Publish(topic.clone()),
                Use::Subscribe => airgate_client::Use::Subscribe(topic.clone()),
            };
            let Verdict { may, what, hint } = client.may(what).await?;
            answers.push(Answer { ok: may, what, hint });
        }
        Ok(answers)
    })
}

/// What a user who cannot connect is to do; `None` when it is something else.
pub(super) fn shut_out(local: &Local) -> Option<Answer> {
    let accounts = Accounts::read();
    door(&myself(&accounts), &accounts, local).filter(|answer| !answer.ok)
}

fn door(user: &User, accounts: &Accounts, local: &Local) -> Option<Answer> {
    // Without a daemon there is no door to be shut.
    let file = std::fs::metadata(&local.socket).ok()?;
    let group = accounts.group_name(file.gid());
    let socket =
        rights::Socket { path: &local.socket, uid: file.uid(), gid: file.gid(), group: &group, mode: file.mode() };
    Some(rights::door(user, socket))
}

fn myself(accounts: &Accounts) -> User {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let others = rustix::process::getgroups().unwrap_or_default();
    let session = others.into_iter().map(rustix::process::Gid::as_raw).chain([gid]).collect();
    User { name: accounts.user_name(uid), caller: accounts.caller(uid, gid), session: Some(session) }
}

fn somebody(accounts: &Accounts, name: &str) -> Result<User, Fail> {
    let uid = name.parse().ok().or_else(|| accounts.user(name));
    let uid = uid.ok_or_else(|| {
        Fail::usage("no_such_user", format!("there is no user {name} in /etc/passwd"), "give its number")
    })?;
    let caller = accounts.caller(uid, accounts.primary_group(uid).unwrap_or(uid));
    Ok(User { name: accounts.user_name(uid), caller, session: None })
}

fn show(answers: &[Answer], as_json: bool) {
    if as_json {
        let rows: Vec<_> =
            answers.iter().map(|Answer { ok, what, hint }| json!({ "ok": ok, "what": what, "hint": hint })).collect();
        println!("{:#}", json!({ "ok": answers.iter().all(|answer| answer.ok), "answers": rows }));
        return;
    }
    for Answer { ok, what, .. } in answers {
        println!("{:<5} {what}", if *ok { "ok" } else { "FAIL" });
    }
}
