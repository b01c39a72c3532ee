//! Enrolment: what must never happen to a device's credential.

use super::*;
use iotcloud::Secret;
use proptest::prelude::*;

const HOUR: Duration = Duration::from_secs(3600);

fn secret(text: &str) -> Credential {
    Credential::DeviceSecret(Secret::new(text))
}

fn kept(text: &str, by: Origin) -> Entry {
    let record = Record { credential: secret(text), obtained_unix_ms: 1, by };
    Entry { current: Some(record), ..Entry::default() }
}

fn new(mode: RegistrationMode, entry: Entry) -> Enrol {
    Enrol::new(mode, entry, Instant::now(), 2000 * DAY_MS)
}

fn register(enrol: &mut Enrol, now: Instant, unix_ms: u64, text: &str) -> Entry {
    enrol.begin(unix_ms);
    enrol.marked();
    enrol.accepted(now, unix_ms);
    let entry = enrol.answered(secret(text), now, unix_ms);
    enrol.kept();
    entry
}

#[test]
fn new_device_registers_once_and_signs_in_with_what_was_kept() {
    let (mut enrol, now) = (new(RegistrationMode::Register, Entry::default()), Instant::now());
    assert_eq!(enrol.next(now, 0), Next::Register);
    let entry = register(&mut enrol, now, 5, "s1");
    assert_eq!(enrol.next(now, 5), Next::SignIn(secret("s1")));
    // After a restart it is the same.
    assert_eq!(new(RegistrationMode::Register, entry).next(now, 6), Next::SignIn(secret("s1")));
}

#[test]
fn refused_registered_secret_is_registered_anew_late_and_once_a_day() {
    let (mut enrol, start) = (new(RegistrationMode::Register, kept("s1", Origin::Registration)), Instant::now());
    let day = 100 * DAY_MS;
    enrol.sign_in_refused(start);
    assert_eq!(enrol.next(start + Duration::from_secs(599), day), Next::SignIn(secret("s1")));
    let late = start + RENEW_AFTER;
    assert_eq!(enrol.next(late, day), Next::Register);
    register(&mut enrol, late, day, "s2");
    assert_eq!(enrol.next(late, day), Next::SignIn(secret("s2")));
    // Refused as well: the old one comes back, and the day is spent.
    assert!(enrol.sign_in_refused(late).unwrap().candidate.is_none());
    let almost = late + DAY - Duration::from_secs(1);
    assert_eq!(enrol.next(almost, day + DAY_MS - 1_000), Next::SignIn(secret("s1")));
    assert_eq!(enrol.next(almost, day + 366 * DAY_MS), Next::SignIn(secret("s1")), "the clock was set forward");
    assert_eq!(enrol.next(late + DAY, day + DAY_MS), Next::Register);
    assert_eq!(enrol.next(late + DAY, day - 99 * DAY_MS), Next::Register, "the clock was set back");
}

#[test]
fn renewal_of_an_earlier_run_counts_by_the_clock_and_one_in_the_future_for_a_day_of_this_run() {
    let (start, today) = (Instant::now(), 1000 * DAY_MS);
    for (renewed, first, rests) in
        [(today - DAY_MS, today, false), (today - DAY_MS / 2, today, true), (today + 366 * DAY_MS, today, true)]
    {
        let entry = Entry { renewed_unix_ms: Some(renewed), ..kept("s1", Origin::Registration) };
        let mut enrol = Enrol::new(RegistrationMode::Register, entry, start, first);
        enrol.sign_in_refused(start);
        assert_eq!(enrol.next(start + RENEW_AFTER, first) == Next::SignIn(secret("s1")), rests, "{renewed}");
        assert_eq!(enrol.next(start + DAY, first + DAY_MS), Next::Register, "{renewed}");
    }
}

#[test]
fn old_secret_stays_on_the_disk_until_the_new_one_has_worked() {
    let (mut enrol, now) = (new(RegistrationMode::Register, kept("s1", Origin::Registration)), Instant::now());
    enrol.sign_in_refused(now);
    let entry = register(&mut enrol, now, DAY_MS, "s2");
    assert_eq!(entry.current, kept("s1", Origin::Registration).current);
    assert_eq!(entry.candidate.unwrap().credential, secret("s2"));
    let entry = enrol.signed_in().unwrap();
    assert_eq!((entry.current.unwrap().credential, entry.candidate), (secret("s2"), None));
    assert_eq!(enrol.signed_in(), None, "nothing changes any more");
}

#[test]
fn refused_renewal_is_not_repeated_the_same_day() {
    let (mut enrol, now) = (new(RegistrationMode::Register, kept("s1", Origin::Registration)), Instant::now());
    enrol.sign_in_refused(now);
    enrol.begin(DAY_MS);
    enrol.marked();
    let entry = enrol.registration_refused(now, DAY_MS);
    assert_eq!(entry.renewed_unix_ms, Some(DAY_MS));
    assert_eq!(enrol.next(now + HOUR, DAY_MS + 1), Next::SignIn(secret("s1")));
}

#[test]
fn renewal_that_the_network_prevented_is_not_spent() {
    let (mut enrol, now) = (new(RegistrationMode::Register, kept("s1", Origin::Registration)), Instant::now());
    enrol.sign_in_refused(now);
    enrol.begin(DAY_MS);
    enrol.marked();
    enrol.failed();
    assert_eq!(enrol.next(now + RENEW_AFTER, DAY_MS), Next::Register);
}

#[test]
fn unlisted_device_never_registers_again_by_itself() {
    let mut enrol = new(RegistrationMode::RegisterNoPrereg, kept("t", Origin::Registration));
    let now = Instant::now();
    enrol.sign_in_refused(now);
    assert_eq!(enrol.next(now + 1000 * HOUR, 1000 * DAY_MS), Next::SignIn(secret("t")));
}

#[test]
fn unlisted_device_whose_answers_are_lost_stops_before_the_quota_is_gone() {
    let now = Instant::now();
    let mut entry = Entry::default();
    for _ in 0..UNANSWERED {
        let mut enrol = new(RegistrationMode::RegisterNoPrereg, entry);
        assert_eq!(enrol.next(now, 0), Next::Register);
        enrol.begin(0);
        enrol.marked();
        entry = enrol.accepted(now, 0);
        assert_eq!(enrol.stage(), Stage::Awaiting(now + ANSWER));
        enrol.failed();
    }
    assert_eq!(new(RegistrationMode::RegisterNoPrereg, entry).next(now, 0), Next::GiveUp);
}

#[test]
fn imported_secret_is_not_replaced() {
    let (mut enrol, now) = (new(RegistrationMode::Register, kept("s1", Origin::Import)), Instant::now());
    enrol.sign_in_refused(now);
    assert_eq!(enrol.next(now + HOUR, DAY_MS), Next::SignIn(secret("s1")));
}

#[test]
fn answer_that_could_not_be_written_is_written_again_and_not_used_before() {
    let (mut enrol, now) = (new(RegistrationMode::Register, Entry::default()), Instant::now());
    enrol.begin(0);
    enrol.marked();
    enrol.accepted(now, 0);
    let entry = enrol.answered(secret("s1"), now, 0);
    enrol.failed();
    assert_eq!(enrol.next(now, 0), Next::Keep(entry));
    enrol.keep_again();
    enrol.kept();
    assert_eq!(enrol.next(now, 0), Next::SignIn(secret("s1")));
}

proptest! {
    #[test]
    fn device_with_a_credential_never_loses_it_and_renews_at_most_once_a_day(
        events in proptest::collection::vec((0u8..6, 1u64..7200), 1..200),
    ) {
        let mut enrol = new(RegistrationMode::Register, kept("s0", Origin::Registration));
        let (mut now, mut unix) = (Instant::now(), 1000 * DAY_MS);
        let mut registered: Vec<u64> = Vec::new();
        for (event, seconds) in events {
            now += Duration::from_secs(seconds);
            unix += seconds * 1000;
            match (enrol.next(now, unix), event) {
                (Next::Register, 0) => { enrol.begin(unix); enrol.marked(); enrol.failed(); }
                (Next::Register, 1) => { enrol.begin(unix); enrol.marked(); enrol.registration_refused(now, unix); registered.push(unix); }
                (Next::Register, _) => { register(&mut enrol, now, unix, "s1"); registered.push(unix); }
                (Next::SignIn(_), 0..4) => drop(enrol.sign_in_refused(now)),
                (Next::SignIn(_), _) => drop(enrol.signed_in()),
                (other, _) => prop_assert!(false, "{other:?}"),
            }
            prop_assert!(enrol.is_enrolled());
        }
        for pair in registered.windows(2) {
            prop_assert!(pair[1] - pair[0] >= DAY_MS);
        }
    }
}
