//! What the fault layer has set itself to do later, in order of time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::rule::{Fault, Rule};

/// Something that is due at a time.
#[derive(Debug)]
pub(super) enum Due {
    /// A rule bound to the clock.
    Rule(Rule),
    /// A fault that was called.
    Fault(Fault),
    /// The next reboot of a boot loop, and how many follow.
    Brownout(u32),
    /// Look whether the hang, the stall, the lateness, the lack of coverage or SIM is over.
    Recover,
    /// The port comes back.
    Plug(Option<PathBuf>),
    /// The next fault of the mix.
    Mix,
}

#[derive(Debug, Default)]
pub(super) struct Agenda {
    entries: BTreeMap<(Duration, u64), Due>,
    made: u64,
}

impl Agenda {
    pub(super) fn set(&mut self, at: Duration, due: Due) {
        self.made += 1;
        self.entries.insert((at, self.made), due);
    }

    pub(super) fn next_at(&self) -> Option<Duration> {
        self.entries.first_key_value().map(|((at, _), _)| *at)
    }

    /// Takes the first entry that is due at `now`, with its time.
    pub(super) fn pop(&mut self, now: Duration) -> Option<(Duration, Due)> {
        let entry = self.entries.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), due) = entry.remove_entry();
        Some((at, due))
    }

    /// Forgets faults that have not begun; what puts an end to one stays.
    pub(super) fn calm(&mut self) {
        self.entries.retain(|_, due| matches!(due, Due::Recover | Due::Plug(_)));
    }
}
