//! Under which name and with which policy a message leaves.
//!
//! * [route-1] The first `[[route]]` whose filter fits counts, and it is applied once: a renamed message is not looked up
//!   again, and what goes to the cloud is not handed to programs on the way. There is nothing that could go round.

use super::trie::Trie;
use crate::config::Route;

/// All routes, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Routes {
    routes: Vec<Route>,
    numbers: Trie<usize>,
}

impl Routes {
    pub(super) fn new(routes: Vec<Route>) -> Self {
        let mut numbers = Trie::default();
        for (number, route) in routes.iter().enumerate() {
            numbers.insert(&route.from, number);
        }
        Self { routes, numbers }
    }

    /// [route-1]
    pub(super) fn of(&self, topic: &str) -> Option<&Route> {
        let mut first = usize::MAX;
        self.numbers.each(topic, &mut |number| first = first.min(*number));
        self.routes.get(first)
    }
}

/// The name that `to` gives to `topic`: `{1}` is what the first wildcard of `from` stands for, `{2}` the second, and so on;
/// `#` counts as one and may stand for several levels.
pub(super) fn rename(from: &str, to: &str, topic: &str) -> String {
    let levels = wildcards(from, topic);
    let mut name = String::with_capacity(to.len());
    let mut rest = to;
    while let Some((before, after)) = rest.split_once('{') {
        name.push_str(before);
        let filled = after.split_once('}').and_then(|(number, after)| Some((number.parse::<usize>().ok()?, after)));
        match filled.and_then(|(number, after)| Some((*levels.get(number.checked_sub(1)?)?, after))) {
            Some((level, after)) => {
                name.push_str(level);
                rest = after;
            }
            None => {
                name.push('{');
                rest = after;
            }
        }
    }
    name + rest
}

/// What each wildcard stands for, in order.
fn wildcards<'t>(from: &str, topic: &'t str) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut rest = Some(topic);
    for wanted in from.split('/') {
        if wanted == "#" {
            found.push(rest.unwrap_or_default());
            break;
        }
        let Some(text) = rest else { break };
        let (level, after) = text.split_once('/').map_or((text, None), |(level, after)| (level, Some(after)));
        if wanted == "+" {
            found.push(level);
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(from: &str, priority: u8) -> Route {
        Route { from: from.into(), to: None, qos: None, priority: Some(priority), ttl: None, batch: None }
    }

    #[test]
    fn the_first_that_fits_counts_however_many_do() {
        let routes = Routes::new(vec![route("a/+", 1), route("a/b", 2), route("#", 3)]);
        let priority = |topic| routes.of(topic).and_then(|route| route.priority);
        assert_eq!((priority("a/b"), priority("x"), priority("$x")), (Some(1), Some(3), None));
    }

    #[test]
    fn a_template_takes_what_the_wildcards_stand_for() {
        for (from, to, topic, renamed) in [
            ("sensors/+/t", "user/{1}/temperature", "sensors/7/t", "user/7/temperature"),
            ("+/+/#", "user/{2}/{1}/{3}", "a/b/c/d", "user/b/a/c/d"),
            ("a/#", "user/{1}", "a", "user/"),
            ("a/+", "user/update", "a/b", "user/update"),
            ("a/+", "user/{2}/{0}/{x}", "a/b", "user/{2}/{0}/{x}"),
            ("+/+", "{1}/{2}", "{2}/b", "{2}/b"),
        ] {
            assert_eq!(rename(from, to, topic), renamed);
        }
    }
}
