//! The filters of one account, bounded in their number and by their user's share.

use super::share::{Held, SMALL_BYTES, Share};
use super::{FILTERS_PER_PROGRAM, NotSubscribed};
use airgate_proto::Qos;
use std::collections::BTreeMap;

/// Filters, each with the best QoS that it is wanted at.
#[derive(Debug, Default)]
pub(super) struct Filters {
    known: BTreeMap<String, Qos>,
    held: Held,
}

/// What a filter takes, in bytes: it stands in some lists, and each of its levels may be a node of the tree.
fn weight(filter: &str) -> usize {
    128 + 4 * filter.len() + 512 * filter.split('/').count()
}

impl Filters {
    /// Those of somebody with this share.
    pub(super) fn of(share: Share) -> Self {
        Self { known: BTreeMap::new(), held: Held::new(share, 0) }
    }

    /// They take from this share from now on.
    pub(super) fn hold_of(&mut self, share: Share) {
        self.held = Held::new(share, self.held.bytes());
    }

    /// Tells whether it is a new one.
    pub(super) fn insert(&mut self, filter: &str, qos: Qos) -> Result<bool, NotSubscribed> {
        if let Some(known) = self.known.get_mut(filter) {
            *known = qos;
            return Ok(false);
        }
        let weight = weight(filter);
        if self.known.len() >= FILTERS_PER_PROGRAM {
            return Err(NotSubscribed::TooManyFilters);
        }
        let passes = self.known.is_empty() && weight <= SMALL_BYTES;
        if !passes && !self.held.share().has_room(weight) {
            return Err(NotSubscribed::ShareSpent);
        }
        self.held.set(self.held.bytes() + weight);
        self.known.insert(filter.to_owned(), qos);
        Ok(true)
    }

    /// Tells whether it was there.
    pub(super) fn remove(&mut self, filter: &str) -> bool {
        let was_there = self.known.remove(filter).is_some();
        if was_there {
            self.held.set(self.held.bytes() - weight(filter));
        }
        was_there
    }

    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &String> {
        self.known.keys()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Qos)> {
        self.known.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::super::share::HELD_BYTES_PER_USER;
    use super::*;

    #[test]
    fn when_the_share_is_spent_there_is_one_short_filter_for_each() {
        let share = Share::default();
        let mut early = Filters::of(share.clone());
        assert_eq!(early.insert("user/a", Qos::AtLeastOnce), Ok(true));
        let _rest = Held::new(share.clone(), HELD_BYTES_PER_USER);
        assert_eq!(early.insert("user/b", Qos::AtLeastOnce), Err(NotSubscribed::ShareSpent));
        assert_eq!(early.insert("user/a", Qos::AtMostOnce), Ok(false), "it has that one");
        let mut late = Filters::of(share.clone());
        assert_eq!(late.insert(&"a/".repeat(100), Qos::AtLeastOnce), Err(NotSubscribed::ShareSpent));
        assert_eq!(late.insert("user/b", Qos::AtLeastOnce), Ok(true));
        assert!(late.remove("user/b") && !late.remove("user/b") && late.is_empty());
        drop((early, late));
        assert_eq!(share.bytes(), HELD_BYTES_PER_USER);
    }
}
