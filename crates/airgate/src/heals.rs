//! What the recovery ladder has come to since the start: how each rung ended, and the last few of them.

use air780e::ladder::{Heal, Rung};
use air780e::status::Status;
use serde_json::{Map, Value, json};
use std::collections::VecDeque;
use tokio::sync::watch;

/// So many of the last are kept.
const KEPT: usize = 8;

/// How rungs ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heals {
    healed: [u32; Rung::ALL.len()],
    failed: [u32; Rung::ALL.len()],
    /// The newest first.
    last: VecDeque<Heal>,
}

impl Heals {
    /// A rung ended.
    pub fn note(&mut self, heal: Heal) {
        let counts = if heal.healed { &mut self.healed } else { &mut self.failed };
        if let Some(count) = counts.get_mut(heal.rung as usize) {
            *count = count.saturating_add(1);
        }
        self.last.push_front(heal);
        self.last.truncate(KEPT);
    }

    /// How often each rung was climbed to its end, in the order of [`Rung::ALL`].
    pub fn climbed(&self) -> [u32; Rung::ALL.len()] {
        std::array::from_fn(|rung| {
            let of = |counts: &[u32]| counts.get(rung).copied().unwrap_or(0);
            of(&self.healed).saturating_add(of(&self.failed))
        })
    }

    /// As the status shows it: `{"healed":{"bearer":1,…},"failed":{…},"recent":[…]}`.
    pub fn shown(&self) -> Map<String, Value> {
        let by_rung = |counts: &[u32]| {
            let pairs = Rung::ALL.iter().zip(counts);
            pairs.map(|(rung, count)| (rung.as_str().to_owned(), (*count).into())).collect::<Map<_, _>>()
        };
        let recent: Vec<_> = self.last.iter().map(shown).collect();
        Map::from_iter([
            ("healed".to_owned(), by_rung(&self.healed).into()),
            ("failed".to_owned(), by_rung(&self.failed).into()),
            ("recent".to_owned(), recent.into()),
        ])
    }
}

/// One of them, as the status shows it.
pub fn shown(heal: &Heal) -> Value {
    json!({
        "rung": heal.rung.as_str(),
        "evidence": heal.fault.as_str(),
        "healed": heal.healed,
        "took_s": heal.took.as_secs(),
        "ago_s": heal.at.elapsed().as_secs(),
    })
}

/// Follows the module for as long as it is there.
pub fn follow(mut module: watch::Receiver<Status>) -> watch::Receiver<Heals> {
    let (sender, heals) = watch::channel(Heals::default());
    tokio::spawn(async move {
        let mut known = None;
        while let Ok(heal) = module.wait_for(|status| status.last_heal != known).await.map(|status| status.last_heal) {
            known = heal;
            if let Some(heal) = heal {
                sender.send_modify(|heals| heals.note(heal));
            }
        }
    });
    heals
}

#[cfg(test)]
mod tests {
    use super::*;
    use air780e::ladder::Fault;
    use std::time::{Duration, Instant};

    fn heal(rung: Rung, healed: bool) -> Heal {
        Heal { rung, fault: Fault::NoSession, healed, took: Duration::from_secs(33), at: Instant::now() }
    }

    #[test]
    fn a_fault_storm_keeps_the_last_few_and_counts_all() {
        let mut heals = Heals::default();
        for _ in 0..100 {
            heals.note(heal(Rung::Bearer, false));
        }
        heals.note(heal(Rung::Radio, true));
        assert_eq!(heals.climbed(), [100, 1, 0, 0]);
        let shown = heals.shown();
        assert_eq!(shown["recent"].as_array().unwrap().len(), KEPT);
        assert_eq!((&shown["recent"][0]["rung"], &shown["failed"]["bearer"]), (&json!("radio"), &json!(100)));
    }

    #[tokio::test]
    async fn a_heal_that_the_module_tells_is_noted_once() {
        let (status, module) = watch::channel(Status::default());
        let mut heals = follow(module);
        let one = heal(Rung::Restart, true);
        status.send_modify(|status| status.last_heal = Some(one));
        heals.wait_for(|heals| heals.climbed() == [0, 0, 1, 0]).await.unwrap();
        status.send_modify(|status| status.boots += 1);
        tokio::task::yield_now().await;
        assert_eq!(heals.borrow().climbed(), [0, 0, 1, 0]);
    }
}
