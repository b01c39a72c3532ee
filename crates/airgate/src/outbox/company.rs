//! Whether it pays to wait for company before an fsync. Pure.
//!
//! A message that comes soon after the last group waits for others until the commit window is over, so that they share one
//! fsync. A program that waits for each answer before it goes on brings no company however long one waits: then waiting
//! saves nothing and slows the program down. So after two waits in which nobody came, the next few do not wait; then it is
//! tried again. Two, because a stream may falter once.
//!
//! * [company-1] While waiting brings company, everyone waits: the fsyncs are as few as the window says.
//! * [company-2] While it does not, at most one message in [`ALONE`] + 1 waits, after the first.
//! * [company-3] A single wait in vain changes nothing.

/// So many groups do not wait after those that waited in vain.
const ALONE: u32 = 16;
/// So many waits in vain, one after the other, until then.
const IN_VAIN: u32 = 2;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Company {
    /// So many groups more do not wait.
    alone: u32,
    /// Waits in vain since company came last.
    in_vain: u32,
}

impl Company {
    /// Whether the next group waits for others.
    pub(super) fn expected(&self) -> bool {
        self.alone == 0
    }

    /// A group of so many was gathered, after a wait or not.
    pub(super) fn came(&mut self, waited: bool, messages: usize) {
        if messages > 1 {
            *self = Self::default();
        } else if waited {
            self.in_vain = self.in_vain.saturating_add(1);
            self.alone = if self.in_vain >= IN_VAIN { ALONE } else { 0 };
        } else {
            self.alone = self.alone.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Messages at these moments, in ms, some of them only once the one before is answered. An fsync takes `fsync` ms. Gives how
    /// many groups there were and the longest time to an answer.
    fn run(gaps: &[u64], sequential: bool, window: u64, fsync: u64) -> (usize, Vec<u64>) {
        let (mut company, mut at, mut gap) = (Company::default(), 0, gaps.iter().copied().peekable());
        let (mut committed, mut groups, mut took) = (None::<u64>, 0, Vec::new());
        let mut next = gap.next();
        while let Some(wait) = next {
            at += wait;
            let (mut arrivals, begin) = (vec![at], at.max(committed.unwrap_or(0)));
            let until = committed.map_or(begin, |last| last + window);
            let waited = company.expected() && until > begin;
            let close = if waited { until } else { begin };
            next = gap.next();
            while let Some(soon) = next.filter(|soon| !sequential && at + soon <= close) {
                at += soon;
                arrivals.push(at);
                next = gap.next();
            }
            company.came(waited, arrivals.len());
            let done = close + fsync;
            took.extend(arrivals.iter().map(|arrival| done - arrival));
            (committed, groups) = (Some(done), groups + 1);
            if sequential {
                at = done;
            }
        }
        (groups, took)
    }

    #[test]
    fn a_stream_that_falters_once_goes_on_sharing() {
        // [company-3]
        let mut company = Company::default();
        company.came(true, 12);
        company.came(true, 1);
        assert!(company.expected());
        company.came(true, 9);
        company.came(true, 1);
        assert!(company.expected());
        company.came(true, 1);
        assert!(!company.expected());
        company.came(false, 2);
        assert!(company.expected(), "company came by itself");
    }

    proptest! {
        #[test]
        fn who_waits_for_each_answer_is_slowed_down_once_in_seventeen(
            gaps in prop::collection::vec(0..5u64, 40..200), window in 10..500u64, fsync in 1..20u64,
        ) {
            // [company-2]
            let (groups, took) = run(&gaps, true, window, fsync);
            let slow = took.iter().filter(|took| **took > fsync).count();
            prop_assert_eq!(groups, gaps.len());
            prop_assert!(slow <= gaps.len() / (ALONE as usize + 1) + 2, "{} of {}", slow, gaps.len());
        }

        #[test]
        fn a_stream_shares_its_fsyncs_as_the_window_says_and_nobody_waits_longer(
            gap in 1..50u64, window in 100..500u64, fsync in 1..20u64,
        ) {
            // [company-1]
            let gaps = vec![gap; 1000];
            let (groups, took) = run(&gaps, false, window, fsync);
            let most = gaps.len() * usize::try_from(gap).unwrap() / usize::try_from(window).unwrap() + 2;
            prop_assert!(groups <= most, "{groups} groups, not more than {most}");
            prop_assert!(took.iter().all(|took| *took <= window + 2 * fsync));
        }
    }
}
