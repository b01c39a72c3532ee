//! "Did you mean …": the nearest of a few known words.

/// The word of `known` that differs from `word` by at most two letters, for hints.
pub(crate) fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // A word far longer than any known one is no slip of the finger, and its distance is not worth computing.
    if word.len() > 32 {
        return None;
    }
    let word = word.to_ascii_lowercase();
    let (distance, best) = known.iter().map(|candidate| (distance(&word, candidate), *candidate)).min()?;
    (distance <= 2 && distance < best.len()).then_some(best)
}

/// The hint for a word that is not one of `known`.
pub(crate) fn hint(word: &str, known: &[&str], what: &str) -> String {
    let list = known.join(", ");
    match nearest(word, known) {
        Some(best) => format!("did you mean `{best}`? The {what} are: {list}"),
        None => format!("the {what} are: {list}"),
    }
}

/// Levenshtein distance in bytes.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut previous = i + 1;
        for (cell, right) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal + usize::from(left != right);
            diagonal = *cell;
            previous = substituted.min(*cell + 1).min(previous + 1);
            *cell = previous;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_edits() {
        for (a, b, edits) in [("kitten", "sitting", 3), ("", "abc", 3), ("abc", "", 3), ("ping", "ping", 0)] {
            assert_eq!(distance(a, b), edits, "{a} {b}");
        }
    }

    #[test]
    fn short_words_are_not_taken_for_each_other() {
        assert_eq!(nearest("xy", &["at", "ping"]), None);
        assert_eq!(nearest("pnig", &["at", "ping"]), Some("ping"));
        assert_eq!(nearest("PING", &["at", "ping"]), Some("ping"));
    }
}
