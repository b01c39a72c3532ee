//! The ladder against evidence that the tests make up.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);

fn climbs(ladder: &mut Ladder, fault: Fault, from: Instant, seconds: u32) -> Vec<Rung> {
    (0..seconds)
        .filter_map(|second| {
            let now = from + SECOND * second;
            ladder.observe(Some(fault), now);
            let rung = ladder.next(now, 1);
            ladder.carried_out(now);
            rung
        })
        .collect()
}

/// [ladder-1]
#[test]
fn a_fault_has_to_last_before_a_rung_is_climbed() {
    for (fault, patience, rung) in [
        (Fault::Silent, 60, Rung::Hardware),
        (Fault::NoNetwork, 120, Rung::Radio),
        (Fault::NoSession, 600, Rung::Bearer),
    ] {
        let now = Instant::now();
        let mut ladder = Ladder::new(Budget::default(), true, now);
        assert_eq!(climbs(&mut ladder, fault, now, patience), [], "{fault:?}");
        assert_eq!(ladder.next(now + SECOND * patience, 1), Some(rung));
    }
}

/// [ladder-1]
#[test]
fn three_failed_connections_are_evidence_at_once_and_two_are_none() {
    let now = Instant::now();
    let mut ladder = Ladder::new(Budget::default(), false, now);
    ladder.observe(Some(Fault::NoSession), now);
    ladder.connection_failed();
    ladder.connection_failed();
    assert_eq!(ladder.next(now, 1), None);
    ladder.connection_failed();
    assert_eq!(ladder.next(now, 1), Some(Rung::Bearer));
}

/// [ladder-1]
#[test]
fn a_session_that_is_not_wanted_climbs_nothing() {
    let now = Instant::now();
    let mut ladder = Ladder::new(Budget::default(), true, now);
    ladder.observe(Some(Fault::Silent), now);
    ladder.observe(None, now + SECOND * 59);
    assert_eq!(ladder.next(now + DAY * 2, 3), None);
    assert_eq!(ladder.wake_at(now), None);
}

/// [ladder-2]
#[test]
fn the_rungs_come_in_order_and_begin_at_the_bottom_again() {
    let now = Instant::now();
    let mut ladder = Ladder::new(Budget::default(), true, now);
    let first: Vec<_> = climbs(&mut ladder, Fault::NoSession, now, 3000).into_iter().take(5).collect();
    assert_eq!(first, [Rung::Bearer, Rung::Radio, Rung::Restart, Rung::Hardware, Rung::Bearer]);
}

/// [ladder-3]
#[test]
fn a_restart_does_not_refill_the_budget_and_the_next_day_does() {
    let now = Instant::now();
    let spent = Budget { day: 1, used: [0, 0, 0, Rung::Hardware.daily()] };
    let mut ladder = Ladder::new(spent, true, now);
    assert_eq!(climbs(&mut ladder, Fault::Silent, now, 3600), []);
    assert_eq!(ladder.next_notice(), Some(Notice::Spent(Fault::Silent)));
    assert_eq!(ladder.next_notice(), None, "told once");
    assert_eq!(ladder.next(now + SECOND * 3600, 0), None, "a clock that is not set refills nothing");
    assert_eq!(ladder.next(now + SECOND * 3600, 2), Some(Rung::Hardware));
}

/// [ladder-4]
#[test]
fn a_confirmed_session_heals_and_the_next_fault_begins_at_the_bottom() {
    let now = Instant::now();
    let mut ladder = Ladder::new(Budget::default(), true, now);
    assert_eq!(climbs(&mut ladder, Fault::NoSession, now, 800), [Rung::Bearer, Rung::Radio]);
    ladder.confirmed(now + SECOND * 800);
    let healed = std::iter::from_fn(|| ladder.next_notice()).filter_map(|notice| match notice {
        Notice::Healed(heal) => Some((heal.rung, heal.healed)),
        _ => None,
    });
    assert_eq!(healed.collect::<Vec<_>>(), [(Rung::Bearer, false), (Rung::Radio, true)]);
    assert_eq!(climbs(&mut ladder, Fault::NoSession, now + SECOND * 800, 601), [Rung::Bearer]);
}

#[test]
fn without_a_reset_the_silent_module_is_told_of_and_nothing_else_is_done() {
    let now = Instant::now();
    let mut ladder = Ladder::new(Budget::default(), false, now);
    assert_eq!(climbs(&mut ladder, Fault::Silent, now, 3600), []);
    assert_eq!(ladder.next_notice(), Some(Notice::Spent(Fault::Silent)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// [ladder-1] [ladder-2] [ladder-3] over a day of made-up evidence.
    #[test]
    fn no_evidence_climbs_too_often_or_too_soon(
        evidence in prop::collection::vec((0u8..6, 1u32..900), 1..200), hardware: bool,
    ) {
        let start = Instant::now();
        let (mut now, mut last, mut used) = (start, None::<(Instant, Rung)>, [0u32; 4]);
        let mut ladder = Ladder::new(Budget { day: 1, used }, hardware, now);
        for (kind, seconds) in evidence {
            let fault = [Some(Fault::Silent), Some(Fault::NoNetwork), Some(Fault::NoSession), None].get(usize::from(kind)).copied();
            match (fault, kind) {
                (Some(fault), _) => ladder.observe(fault, now),
                (None, 4) => ladder.connection_failed(),
                _ => { ladder.confirmed(now); last = None; }
            }
            now += SECOND * seconds;
            if now >= start + DAY { break }
            let Some(rung) = ladder.next(now, 1) else { continue };
            prop_assert!(fault.is_none_or(|fault| fault.is_some()), "a rung without a fault");
            prop_assert!(hardware || rung != Rung::Hardware);
            if let Some((at, before)) = last {
                prop_assert!(now >= at + before.cool_down(), "{before:?} was not given its time");
            }
            last = Some((now, rung));
            used[rung as usize] += 1;
            prop_assert!(used[rung as usize] <= rung.daily());
        }
    }
}

/// [ladder-5]
#[test]
fn a_lasting_fault_uses_up_the_whole_budget() {
    for fault in [Fault::Silent, Fault::NoNetwork, Fault::NoSession] {
        let now = Instant::now();
        let mut ladder = Ladder::new(Budget::default(), true, now);
        let count = climbs(&mut ladder, fault, now, 80_000).len();
        let all: u32 = Rung::ALL.into_iter().filter(|rung| *rung >= fault.first()).map(Rung::daily).sum();
        assert_eq!(count, usize::try_from(all).unwrap(), "{fault:?}");
    }
}
