//! Weighs `[[route]]` and `[[app]]`.

use std::collections::HashMap;
use std::time::Duration;

use super::super::findings::Findings;
use super::super::model::{App, Batch, BatchForm, Rate, Route, Who};
use super::super::raw;

pub(super) fn routes(raw: Vec<raw::Route>, findings: &mut Findings) -> Vec<Route> {
    raw.into_iter().enumerate().filter_map(|(number, raw)| route(raw, &format!("route[{number}]"), findings)).collect()
}

fn route(raw: raw::Route, path: &str, findings: &mut Findings) -> Option<Route> {
    let hint = "say which topics it is for, as an MQTT filter: from = \"sensors/+/t\"";
    let from = findings.required(raw.from, &format!("{path}.from"), hint);
    let route = Route {
        from: from?,
        to: raw.to,
        qos: raw.qos,
        priority: raw.priority,
        ttl: raw.ttl.map(Duration::from_millis),
        batch: raw.batch.map(batch),
    };
    let Route { from: _, to, qos, priority, ttl, batch } = &route;
    let idle = to.is_none() && qos.is_none() && priority.is_none() && ttl.is_none() && batch.is_none();
    let damaged = findings.damaged.iter().any(|damaged| damaged.starts_with(path));
    if idle && !damaged {
        findings.contradiction(
            path,
            "this [[route]] changes nothing",
            "give it `to`, `qos`, `priority`, `ttl` or `batch`",
        );
    }
    if let Some(batch) = batch {
        if ttl.is_some_and(|ttl| ttl <= batch.max_wait) {
            let what = "a message of this [[route]] would expire while its batch waits for others";
            findings.contradiction(&format!("{path}.batch"), what, "make `max_wait` shorter than `ttl`");
        }
        let name = to.as_ref().unwrap_or(&route.from);
        if name.starts_with('$') || name.starts_with("local/") {
            let what = format!("what leaves under {name} cannot be joined");
            let hint = "messages of the thing model and those of this host go one by one: leave `batch` out";
            findings.contradiction(&format!("{path}.batch"), what, hint);
        }
    }
    Some(route)
}

fn batch(raw: raw::Batch) -> Batch {
    let default = Batch::default();
    Batch {
        max_messages: raw.max_messages.unwrap_or(default.max_messages),
        max_bytes: raw.max_bytes.unwrap_or(default.max_bytes),
        max_wait: raw.max_wait.map_or(default.max_wait, Duration::from_millis),
        form: match raw.form.as_deref() {
            Some("lines") => BatchForm::Lines,
            _ => default.form,
        },
        deflate: raw.deflate,
    }
}

pub(super) fn apps(raw: Vec<raw::App>, findings: &mut Findings) -> Vec<App> {
    let mut seen: HashMap<Who, String> = HashMap::new();
    let mut apps = Vec::new();
    for (number, raw) in raw.into_iter().enumerate() {
        let path = format!("app[{number}]");
        let Some(app) = app(raw, &path, findings) else { continue };
        if let Some(first) = seen.get(&app.who) {
            let place = findings.place(first).map_or_else(String::new, |place| format!(" (the first is at {place})"));
            let what = format!("two [[app]] are for the same {}{place}", name(&app.who));
            findings.contradiction(&path, what, "put their rights into one [[app]]");
        } else {
            seen.insert(app.who.clone(), path);
        }
        apps.push(app);
    }
    apps
}

fn app(raw: raw::App, path: &str, findings: &mut Findings) -> Option<App> {
    let hint = "say whom it is for: user = \"…\" or group = \"…\"";
    let who = match (raw.user, raw.group) {
        (Some(user), None) => Who::User(user),
        (None, Some(group)) => Who::Group(group),
        (Some(_), Some(_)) => {
            let what = "this [[app]] names both a user and a group";
            findings.contradiction(path, what, "write one [[app]] for each");
            return None;
        }
        (None, None) => {
            if !findings.damaged.contains(&format!("{path}.group")) {
                findings.missing(&format!("{path}.user"), hint);
            }
            return None;
        }
    };
    Some(App {
        who,
        publish: raw.publish,
        subscribe: raw.subscribe,
        operator: raw.operator,
        rate: raw.rate.map(|(count, ms)| Rate { count, per: Duration::from_millis(ms) }),
        max_queued_bytes: raw.max_queued_bytes,
    })
}

fn name(who: &Who) -> String {
    match who {
        Who::User(name) => format!("user {name:?}"),
        Who::Group(name) => format!("group {name:?}"),
    }
}
