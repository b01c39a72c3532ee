//! Topics under which the cloud took no message and closed the connection instead: how long what waits under them stands
//! aside, so that others pass. Pure: the time comes in as an argument.
//!
//! * [aside-1] A pause is a minute. Nobody knows yet whether it was the message: over a bad link, no other would have passed either.
//! * [aside-2] When another message gets through meanwhile, it was. From then on, until one under the topic gets through too, one
//!   session that is closed is enough, not three, and each pause is twice the one before, up to an hour: a try costs a sign-in or two.
//! * [aside-3] Nothing is dropped for it. After the pause all is tried again.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);
/// So many topics are remembered.
const MOST: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// What stands aside now, and for how long.
    held: BTreeMap<String, Duration>,
    /// Topics that others passed, and how long they last stood aside.
    known: BTreeMap<String, Duration>,
    until: Option<Instant>,
}

impl Aside {
    /// What waits under this topic stands aside from now on: for how long.
    pub(super) fn hold(&mut self, topic: &str, now: Instant) -> Duration {
        let pause = self.known.get(topic).map_or(FIRST, |last| (*last * 2).min(LONGEST));
        remember(&mut self.held, topic, pause);
        self.until = Some(now + pause);
        pause
    }

    /// Whether others got through when what waits under this topic did not. [aside-2]
    pub(super) fn knows(&self, topic: &str) -> bool {
        self.known.contains_key(topic)
    }

    /// The cloud has taken a message under this topic.
    pub(super) fn taken(&mut self, topic: &str) {
        self.known.remove(topic);
        for (passed, pause) in self.held.iter().filter(|(held, _)| *held != topic) {
            remember(&mut self.known, passed, *pause);
        }
    }

    /// When what stands aside is tried again.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// It is tried again now.
    pub(super) fn let_go(&mut self) {
        self.held.clear();
        self.until = None;
    }
}

fn remember(topics: &mut BTreeMap<String, Duration>, topic: &str, pause: Duration) {
    if topics.len() == MOST && !topics.contains_key(topic) {
        topics.pop_first();
    }
    topics.insert(topic.to_owned(), pause);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_an_hour_only_while_others_pass() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        let mut pause = |passes: Option<&str>| {
            let pause = aside.hold("t", now);
            assert_eq!(aside.until(), Some(now + pause));
            passes.into_iter().for_each(|topic| aside.taken(topic));
            aside.let_go();
            assert_eq!(aside.until(), None);
            (pause.as_secs(), aside.knows("t"))
        };
        assert_eq!([pause(None), pause(None)], [(60, false); 2], "over a bad link nobody passes");
        let grown: Vec<_> = (0..8).map(|_| pause(Some("other")).0).collect();
        assert_eq!(grown, [60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(pause(Some("t")), (3600, false), "it has got through");
        assert_eq!(pause(None), (60, false));
    }

    #[test]
    fn a_broker_that_takes_hardly_any_topic_fills_no_memory() {
        let mut aside = Aside::default();
        for number in 0..1000 {
            aside.hold(&format!("t/{number}"), Instant::now());
            aside.taken("other");
        }
        assert_eq!((aside.held.len(), aside.known.len()), (MOST, MOST));
        assert!(aside.knows("t/999"));
    }
}
