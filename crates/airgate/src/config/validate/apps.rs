//! Weighs `[[route]]` and `[[app]]`.

use std::collections::HashMap;
use std::time::Duration;

use super::super::model::{App, Rate, Route, Who};
use super::super::raw;
use super::super::walk::Findings;

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
    };
    let idle = route.to.is_none() && route.qos.is_none() && route.priority.is_none() && route.ttl.is_none();
    let damaged = findings.damaged.iter().any(|damaged| damaged.starts_with(path));
    if idle && !damaged {
        findings.contradiction(path, "this [[route]] changes nothing", "give it `to`, `qos`, `priority` or `ttl`");
    }
    Some(route)
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
