//! Topic filters in a tree of their levels: finding who wants a topic costs by the topic's levels, not by the number of
//! filters.

use std::collections::HashMap;

/// Values under filters; the same value may stand under many.
#[derive(Debug)]
pub(super) struct Trie<V> {
    root: Node<V>,
}

#[derive(Debug)]
struct Node<V> {
    below: HashMap<Box<str>, Node<V>>,
    /// Filters that end here.
    here: Vec<V>,
}

impl<V> Default for Node<V> {
    fn default() -> Self {
        Self { below: HashMap::new(), here: Vec::new() }
    }
}

impl<V> Default for Trie<V> {
    fn default() -> Self {
        Self { root: Node::default() }
    }
}

impl<V: PartialEq> Trie<V> {
    pub(super) fn insert(&mut self, filter: &str, value: V) {
        let node = filter.split('/').fold(&mut self.root, |node, level| node.below.entry(level.into()).or_default());
        node.here.push(value);
    }

    /// Takes away what equals `value` under `filter`, and the levels that are empty then.
    pub(super) fn remove(&mut self, filter: &str, value: &V) {
        self.root.remove(&mut filter.split('/'), value);
    }

    /// Shows each value whose filter matches `topic`.
    ///
    /// Source: MQTT Version 3.1.1, section 4.7: `a/#` also sees `a`, and a wildcard in the first level does not see `$…`.
    pub(super) fn each<'t>(&'t self, topic: &str, show: &mut dyn FnMut(&'t V)) {
        let wild = !topic.starts_with('$');
        self.root.each(topic.split('/'), wild, show);
    }

    #[cfg(test)]
    fn is_empty(&self) -> bool {
        self.root.is_empty()
    }
}

impl<V: PartialEq> Node<V> {
    fn is_empty(&self) -> bool {
        self.here.is_empty() && self.below.is_empty()
    }

    fn remove<'f>(&mut self, levels: &mut impl Iterator<Item = &'f str>, value: &V) {
        match levels.next() {
            None => self.here.retain(|known| known != value),
            Some(level) => {
                let Some(node) = self.below.get_mut(level) else { return };
                node.remove(levels, value);
                if node.is_empty() {
                    self.below.remove(level);
                }
            }
        }
    }

    fn each<'t>(&'t self, mut levels: std::str::Split<'_, char>, wild: bool, show: &mut dyn FnMut(&'t V)) {
        if wild && let Some(all) = self.below.get("#") {
            all.here.iter().for_each(&mut *show);
        }
        let Some(level) = levels.next() else { return self.here.iter().for_each(show) };
        if let Some(node) = self.below.get(level) {
            node.each(levels.clone(), true, show);
        }
        if wild && let Some(node) = self.below.get("+") {
            node.each(levels, true, show);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use airgate_proto::topic::matches;
    use proptest::prelude::*;

    fn found<'t>(trie: &'t Trie<usize>, topic: &str) -> Vec<&'t usize> {
        let mut found = Vec::new();
        trie.each(topic, &mut |value| found.push(value));
        found.sort();
        found
    }

    #[test]
    fn a_wildcard_in_the_first_level_does_not_see_dollar_topics() {
        let mut trie = Trie::default();
        for (value, filter) in ["#", "+/a", "$SYS/#", "$SYS/+"].into_iter().enumerate() {
            trie.insert(filter, value);
        }
        assert_eq!(found(&trie, "$SYS/a"), [&2, &3]);
        assert_eq!(found(&trie, "x/a"), [&0, &1]);
    }

    #[test]
    fn what_is_removed_leaves_nothing_behind() {
        let mut trie = Trie::default();
        let filters = ["a/+/#", "a/b", "a/b", "#", "/"];
        for (value, filter) in filters.into_iter().enumerate() {
            trie.insert(filter, value);
        }
        trie.remove("a/b", &7);
        trie.remove("a/c", &1);
        assert_eq!(found(&trie, "a/b"), [&0, &1, &2, &3]);
        for (value, filter) in filters.into_iter().enumerate() {
            trie.remove(filter, &value);
        }
        assert!(trie.is_empty());
    }

    proptest! {
        #[test]
        fn it_finds_what_matching_one_by_one_finds(
            filters in proptest::collection::vec("(a|b|é|\\$x|\\+|)(/(a|b|\\+|)){0,3}(/#)?|#", 0..20),
            topic in "(a|b|é|\\$x|)(/(a|b|)){0,4}",
        ) {
            let mut trie = Trie::default();
            for (value, filter) in filters.iter().enumerate() {
                trie.insert(filter, value);
            }
            let expected: Vec<usize> =
                filters.iter().enumerate().filter(|(_, filter)| matches(filter, &topic)).map(|(value, _)| value).collect();
            prop_assert_eq!(found(&trie, &topic), expected.iter().collect::<Vec<_>>());
        }
    }
}
