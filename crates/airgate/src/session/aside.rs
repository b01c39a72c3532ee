//! Topics under which the cloud took no message and closed the connection instead: how long what waits under them stands
//! aside, so that others pass. Pure: the time comes in as an argument.
//!
//! * [aside-1] The first pause is five minutes, and each one after it twice the one before, up to an hour, until a message under
//!   the topic gets through: each try costs a sign-in or two.
//! * [aside-2] Nothing is dropped for it. After the pause all is tried again, and a topic that is known closes one session, not three.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const FIRST: Duration = Duration::from_secs(300);
const LONGEST: Duration = Duration::from_secs(3600);
/// So many topics are remembered.
const MOST: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Aside {
    /// Topics, and how long they stood aside last.
    known: BTreeMap<String, Duration>,
    until: Option<Instant>,
}

impl Aside {
    /// What waits under this topic stands aside from now on: for how long.
    pub(super) fn hold(&mut self, topic: &str, now: Instant) -> Duration {
        let pause = self.known.get(topic).map_or(FIRST, |last| (*last * 2).min(LONGEST));
        if self.known.len() == MOST && !self.known.contains_key(topic) {
            self.known.pop_first();
        }
        self.known.insert(topic.to_owned(), pause);
        self.until = Some(now + pause);
        pause
    }

    /// Whether the cloud closed sessions for messages under this topic, and took none since.
    pub(super) fn knows(&self, topic: &str) -> bool {
        self.known.contains_key(topic)
    }

    /// The cloud has taken a message under this topic.
    pub(super) fn taken(&mut self, topic: &str) {
        self.known.remove(topic);
    }

    /// When what stands aside is tried again.
    pub(super) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// It is tried again now.
    pub(super) fn let_go(&mut self) {
        self.until = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_an_hour_until_the_cloud_takes_one() {
        let (mut aside, now) = (Aside::default(), Instant::now());
        let pauses: Vec<u64> = (0..6).map(|_| aside.hold("t", now).as_secs()).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 3600, 3600]);
        assert_eq!(aside.until(), Some(now + LONGEST));
        aside.let_go();
        assert!(aside.knows("t") && aside.until().is_none());
        aside.taken("t");
        assert!(!aside.knows("t"));
        assert_eq!(aside.hold("t", now), FIRST);
    }

    #[test]
    fn a_broker_that_takes_no_topic_at_all_fills_no_memory() {
        let mut aside = Aside::default();
        for number in 0..1000 {
            aside.hold(&format!("t/{number}"), Instant::now());
        }
        assert_eq!(aside.known.len(), MOST);
        assert!(aside.knows("t/999"));
    }
}
