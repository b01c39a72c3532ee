//! The rate of the line, tried with modules of one sentence.

use super::*;

/// Lets a module that answers at `module` alone be silent or not, and tells how long it took to be found.
fn find(rate: &mut Rate, module: u32, now: &mut Instant) -> Duration {
    let since = *now;
    while rate.current() != module {
        rate.observe(true, *now);
        *now += Duration::from_millis(100);
        assert!(*now < since + Duration::from_secs(120), "never found");
    }
    rate.answered();
    rate.observe(false, *now);
    *now - since
}

fn raised(base: Option<u32>) -> (Rate, Instant) {
    let (mut rate, mut now) = (Rate::new(Wanted { base, most: Some(921_600) }), Instant::now());
    find(&mut rate, 115_200, &mut now);
    assert_eq!(rate.take_step(), Some(Step::SetRate(921_600)));
    assert_eq!(rate.asked(921_600, true, false), Some(Turn { to: 921_600, ask_for: None }));
    (rate, now)
}

#[test]
fn a_fixed_rate_is_never_left() {
    let (mut rate, now) = (Rate::new(Wanted::fixed(9_600)), Instant::now());
    for seconds in 0..1_000 {
        assert_eq!(rate.observe(true, now + Duration::from_secs(seconds)), None);
    }
    rate.answered();
    assert_eq!((rate.current(), rate.take_step(), rate.wake_at()), (9_600, None, None));
}

#[test]
fn a_module_at_any_likely_rate_is_found_within_half_a_minute() {
    for module in LIKELY {
        let (mut rate, mut now) = (Rate::new(Wanted { base: None, most: None }), Instant::now());
        assert!(find(&mut rate, module, &mut now) < Duration::from_secs(30), "{module}");
        assert_eq!(rate.take_step(), None, "nothing was said of raising it");
    }
}

#[test]
fn a_module_that_boots_is_not_taken_for_one_at_another_rate() {
    let (mut rate, mut now) = (Rate::new(Wanted { base: None, most: None }), Instant::now());
    find(&mut rate, 9_600, &mut now);
    rate.observe(true, now);
    assert_eq!(rate.observe(true, now + Duration::from_secs(10)), None);
    assert!(rate.observe(true, now + PROVEN).is_some());
}

#[test]
fn the_raised_rate_is_kept_by_the_module_only_after_an_answer_over_it() {
    let (mut rate, now) = raised(Some(115_200));
    assert_eq!((rate.current(), rate.take_step()), (921_600, None));
    assert_eq!(rate.observe(true, now), None);
    rate.answered();
    assert_eq!(rate.take_step(), Some(Step::KeepRate));
    rate.answered();
    assert_eq!(rate.take_step(), None, "once is enough");
}

#[test]
fn a_raised_rate_that_does_not_carry_is_given_up_and_the_module_asked_to_come_back() {
    let (mut rate, mut now) = raised(Some(115_200));
    for attempt in 1..ATTEMPTS {
        assert_eq!(rate.observe(true, now), None);
        now += RAISED;
        assert_eq!(rate.observe(true, now), Some(Turn { to: 115_200, ask_for: Some(115_200) }));
        rate.answered();
        assert_eq!(rate.take_step(), Some(Step::SetRate(921_600)), "after {attempt} attempts");
        rate.asked(921_600, true, false);
    }
    rate.observe(true, now);
    now += RAISED;
    rate.observe(true, now);
    rate.answered();
    assert_eq!(rate.take_step(), None, "that was enough");
}

#[test]
fn a_module_that_was_raised_before_is_met_at_once() {
    let (mut rate, mut now) = (Rate::new(Wanted { base: Some(115_200), most: Some(921_600) }), Instant::now());
    assert_eq!(find(&mut rate, 921_600, &mut now), Duration::ZERO);
    assert_eq!(rate.take_step(), None);
}

#[test]
fn a_module_that_refuses_the_rate_is_not_asked_again() {
    let (mut rate, mut now) = (Rate::new(Wanted { base: None, most: Some(921_600) }), Instant::now());
    find(&mut rate, FACTORY, &mut now);
    assert!(rate.take_step().is_some());
    assert_eq!(rate.asked(921_600, false, true), None);
    rate.answered();
    assert_eq!((rate.current(), rate.take_step()), (FACTORY, None));
}

#[test]
fn a_module_that_forgot_the_raised_rate_is_found_and_raised_again() {
    let (mut rate, mut now) = raised(None);
    rate.answered();
    assert!(find(&mut rate, 115_200, &mut now) < Duration::from_secs(45));
    assert_eq!(rate.take_step(), Some(Step::SetRate(921_600)));
}

#[test]
fn a_module_whose_ok_to_the_raised_rate_was_lost_is_found_there_and_keeps_it() {
    let (mut rate, mut now) = (Rate::new(Wanted { base: None, most: Some(921_600) }), Instant::now());
    find(&mut rate, FACTORY, &mut now);
    rate.take_step();
    assert_eq!(rate.asked(921_600, false, false), None);
    assert!(find(&mut rate, 921_600, &mut now) < Duration::from_secs(30));
    assert_eq!(rate.take_step(), Some(Step::KeepRate));
}

#[test]
fn a_raised_rate_that_loses_bytes_again_and_again_is_lowered_for_good() {
    let (mut rate, now) = raised(Some(115_200));
    rate.answered();
    rate.take_step();
    for second in 0..TROUBLES as u64 {
        assert_eq!(rate.take_step(), None);
        rate.troubled(now + Duration::from_secs(second));
    }
    assert_eq!(rate.take_step(), Some(Step::SetRate(115_200)));
    rate.asked(115_200, true, false);
    rate.answered();
    assert_eq!((rate.current(), rate.take_step()), (115_200, Some(Step::KeepRate)));
    rate.answered();
    assert_eq!(rate.take_step(), None);
}

#[test]
fn now_and_then_a_lost_byte_is_no_reason_to_lower_the_rate() {
    let (mut rate, now) = raised(Some(115_200));
    rate.answered();
    rate.take_step();
    for hour in 0..100 {
        rate.troubled(now + Duration::from_secs(3600 * hour));
    }
    assert_eq!(rate.take_step(), None);
}

#[test]
fn a_rate_that_the_host_cannot_use_is_passed_over() {
    let (mut rate, _) = raised(None);
    rate.impossible();
    assert_eq!(rate.current(), 115_200);
    rate.answered();
    assert_eq!(rate.take_step(), None);
    let mut fixed = Rate::new(Wanted::fixed(600));
    fixed.impossible();
    assert_eq!(fixed.current(), 600);
}
