//! The link against a module that is played by the test: what is observed, what is done next.

use super::*;
use crate::exchange::{Ends, Refusal};
use crate::facts::AFTER_ATTACH;
use crate::facts::Look;
use crate::session::{Roots, Tls};
use bytes::Bytes;

struct Bench {
    link: Link,
    now: Instant,
}

fn session(attempt: u64) -> Arc<Session> {
    Arc::new(Session::new(attempt, "broker", 1883, "id"))
}

fn wanted(attempt: u64, filters: &[&str]) -> Desired {
    Desired { session: Some(session(attempt)), subscriptions: filters.iter().map(|f| ((*f).to_owned(), 1)).collect() }
}

/// What a module answers that has everything.
fn answer(step: &Step) -> Result<Seen, Failure> {
    Ok(match step {
        Step::Model => Seen::Text("Air780E".into()),
        Step::Firmware => Seen::Text("AirM2M_780E_V1169_LTE_AT".into()),
        Step::Imei => Seen::Text("861551056421746".into()),
        Step::Sim => Seen::Sim(Sim::Ready),
        Step::Registration => Seen::Registration(Registration::Home),
        Step::Attachment => Seen::Attached(true),
        Step::SessionState => Seen::SessionState(1),
        Step::FileSize(_) => Seen::FileSize(0),
        _ => Seen::Nothing,
    })
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let mut link = Link::new(Options::default(), now);
        link.answers(true);
        Self { link, now }
    }

    /// Runs all steps that are due, with `answers` for those that it knows, and names them; those that only look around
    /// are left out.
    fn run_with(&mut self, answers: impl Fn(&Step) -> Option<Result<Seen, Failure>>) -> Vec<String> {
        let mut names = Vec::new();
        while let Some(step) = self.link.next(self.now) {
            assert!(names.len() < 100, "no end: {names:?}");
            names.push(format!("{step:?}").split(['(', ' ']).next().unwrap().to_owned());
            let outcome = answers(&step).unwrap_or_else(|| answer(&step));
            self.link.done(step, outcome, self.now);
        }
        names.retain(|name| name != "Look");
        names
    }

    fn run(&mut self) -> Vec<String> {
        self.run_with(|_| None)
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.link.next_notice()).collect()
    }

    fn online(filters: &[&str]) -> Self {
        let mut bench = Self::new();
        bench.link.want(wanted(1, filters));
        bench.run();
        assert!(bench.link.may_publish());
        bench.notices();
        bench
    }
}

const TO_NETWORK: [&str; 10] = [
    "EchoOff",
    "NumericErrors",
    "Model",
    "Firmware",
    "Imei",
    "AutoUpgradeOff",
    "SleepOff",
    "Sim",
    "Registration",
    "Attachment",
];
const TO_SESSION: [&str; 5] = ["DirectMessages", "PlainMessages", "Configure", "Open", "Connect"];

#[test]
fn from_nothing_to_a_session_with_subscriptions() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &["a", "b"]));
    let steps = bench.run();
    assert_eq!(steps[..10], TO_NETWORK);
    assert_eq!(steps[10..12], ["Disconnect", "CloseConnection"], "the module may still hold an old session");
    assert_eq!(steps[12..17], TO_SESSION);
    assert_eq!(steps[17..], ["Subscribe", "Subscribe", "Signal"]);
    let notices = bench.notices();
    assert!(matches!(&notices[0], Notice::Identified(identity) if identity.imei == "861551056421746"));
    assert_eq!(notices[1..], [Notice::Online(1), Notice::Subscribed("a".into()), Notice::Subscribed("b".into())]);
    assert_eq!(bench.link.phase(), Phase::Online);
}

#[test]
fn a_reboot_at_any_time_sends_everything_again() {
    let mut bench = Bench::online(&["a"]);
    bench.link.on_urc(&Urc::Ready, bench.now);
    assert!(!bench.link.may_publish());
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::Rebooted)]);
    bench.link.want(wanted(2, &["a"]));
    let steps = bench.run();
    assert_eq!(steps[..10], TO_NETWORK);
    assert_eq!(steps[10..15], TO_SESSION, "a rebooted module holds no session");
    assert_eq!(steps[15], "Subscribe");
}

#[test]
fn a_failed_attempt_is_told_once_and_not_tried_again() {
    let mut bench = Bench::new();
    bench.link.want(wanted(7, &[]));
    let refused = Failure::Refused(Refusal::Error);
    bench.run_with(|step| matches!(step, Step::Connect(_)).then(|| Err(refused.clone())));
    assert_eq!(bench.notices()[1..], [Notice::Offline(7, Down::Refused(refused))]);
    bench.now += Duration::from_secs(3600);
    assert!(!bench.run().contains(&"Open".to_owned()));
    bench.link.want(wanted(8, &[]));
    assert!(bench.run().contains(&"Open".to_owned()));
}

#[test]
fn after_a_refusal_a_missing_session_is_no_fault_but_silence_and_a_lost_network_are() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let refused = Failure::Refused(Refusal::Error);
    bench.run_with(|step| matches!(step, Step::Connect(_)).then(|| Err(refused.clone())));
    assert_eq!(bench.link.fault(), None, "the broker has spoken");
    bench.link.on_urc(&Urc::BearerLost, bench.now);
    assert_eq!(bench.link.fault(), Some(Fault::NoNetwork));
    bench.link.answers(false);
    assert_eq!(bench.link.fault(), Some(Fault::Silent), "it hangs, whatever the broker said before");
}

#[test]
fn a_new_desire_wins_over_a_session_that_is_up() {
    let mut bench = Bench::online(&[]);
    bench.link.want(wanted(2, &[]));
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::Unwanted)]);
    assert_eq!(
        bench.run()[..7],
        ["Disconnect", "CloseConnection", "DirectMessages", "PlainMessages", "Configure", "Open", "Connect"]
    );
    assert_eq!(bench.notices(), [Notice::Online(2)]);
}

#[test]
fn an_outcome_of_an_abandoned_attempt_counts_for_nothing() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let step = std::iter::from_fn(|| {
        let step = bench.link.next(bench.now)?;
        if !matches!(step, Step::Open(_)) {
            bench.link.done(step.clone(), answer(&step), bench.now);
        }
        Some(step)
    })
    .find(|step| matches!(step, Step::Open(_)))
    .unwrap();
    bench.link.want(wanted(2, &[]));
    bench.link.done(step, Ok(Seen::Nothing), bench.now);
    assert_eq!(bench.run()[..4], ["Disconnect", "CloseConnection", "DirectMessages", "PlainMessages"]);
}

#[test]
fn changed_subscriptions_are_sent_while_the_session_is_up() {
    let mut bench = Bench::online(&["a", "b"]);
    bench.link.want(wanted(1, &["b", "c"]));
    assert_eq!(bench.run(), ["Unsubscribe", "Subscribe"]);
    assert_eq!(bench.notices(), [Notice::Subscribed("c".into())]);
}

#[test]
fn a_subscription_that_noise_has_hit_is_made_again_in_the_same_session() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &["t"]));
    let failed = std::cell::Cell::new(false);
    bench.run_with(|step| {
        let first = matches!(step, Step::Subscribe(..)) && !failed.replace(matches!(step, Step::Subscribe(..)));
        first.then_some(Err(Failure::NoAnswer))
    });
    let notices = bench.notices();
    assert!(notices.contains(&Notice::NotSubscribed("t".into(), Failure::NoAnswer)));
    assert!(notices.contains(&Notice::Subscribed("t".into())), "{notices:?}");
}

#[test]
fn a_filter_that_is_refused_is_asked_for_once_a_minute_and_told_once() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &["bad"]));
    let refused = Failure::Refused(Refusal::Error);
    let steps = bench.run_with(|step| matches!(step, Step::Subscribe(..)).then(|| Err(refused.clone())));
    assert_eq!(steps.iter().filter(|s| *s == "Subscribe").count(), 1);
    assert!(bench.notices().contains(&Notice::NotSubscribed("bad".into(), refused.clone())));
    bench.now += POLL_EVERY;
    let steps = bench.run_with(|step| matches!(step, Step::Subscribe(..)).then(|| Err(refused.clone())));
    assert_eq!(steps.iter().filter(|s| *s == "Subscribe").count(), 1);
    assert_eq!(bench.notices(), []);
    bench.now += POLL_EVERY;
    bench.run();
    assert_eq!(bench.notices(), [Notice::Subscribed("bad".into())]);
}

#[test]
fn a_publication_that_may_yet_be_acknowledged_ends_the_session() {
    for failure in [Failure::NoFollowUp(Ends::Puback), Failure::NoAnswer, Failure::NoPrompt] {
        let mut bench = Bench::online(&[]);
        bench.link.published(&Err(failure), bench.now);
        assert!(!bench.link.may_publish());
        assert_eq!(bench.notices(), [Notice::Offline(1, Down::NotAcknowledged)]);
        assert_eq!(bench.run(), ["Disconnect", "CloseConnection"]);
    }
}

#[test]
fn a_refused_publication_makes_the_session_suspect_until_the_module_confirms_it() {
    let mut bench = Bench::online(&[]);
    bench.link.published(&Err(Failure::Refused(Refusal::Error)), bench.now);
    assert!(!bench.link.may_publish());
    assert_eq!(bench.run(), ["SessionState"]);
    assert!(bench.link.may_publish());
    bench.link.published(&Err(Failure::Refused(Refusal::Cme(767))), bench.now);
    bench.run_with(|step| matches!(step, Step::SessionState).then_some(Ok(Seen::SessionState(0))));
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::Gone)]);
}

#[test]
fn a_lost_bearer_is_confirmed_before_anything_is_published() {
    let mut bench = Bench::online(&[]);
    bench.link.on_urc(&Urc::BearerLost, bench.now);
    assert!(!bench.link.may_publish());
    assert_eq!(bench.run(), ["Registration", "Attachment", "SessionState", "Signal"]);
    assert!(bench.link.may_publish(), "the module brought the bearer back by itself and the session lived");
}

#[test]
fn closed_is_told_and_torn_down() {
    let mut bench = Bench::online(&[]);
    bench.link.on_urc(&Urc::Closed, bench.now);
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::Closed)]);
    assert_eq!(bench.run(), ["Disconnect", "CloseConnection"]);
}

#[test]
fn without_a_sim_card_it_waits_and_goes_on_when_one_comes() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let none = |step: &Step| matches!(step, Step::Sim).then_some(Err(Failure::Refused(Refusal::Cme(10))));
    assert_eq!(bench.run_with(none).last().unwrap(), "Sim");
    assert_eq!(bench.link.phase(), Phase::NoSim);
    bench.now += SIM_RETRY;
    assert!(bench.run().contains(&"Connect".to_owned()));
}

#[test]
fn a_pin_is_entered_once_and_a_wrong_one_never_again() {
    let mut bench = Bench::new();
    bench.link.pin = Some("0000".into());
    let mut entered = 0;
    for _ in 0..10 {
        let steps = bench.run_with(|step| match step {
            Step::Sim => Some(Ok(Seen::Sim(Sim::Pin))),
            Step::EnterPin(_) => Some(Err(Failure::Refused(Refusal::Cme(16)))),
            _ => None,
        });
        entered += steps.iter().filter(|s| *s == "EnterPin").count();
        bench.now += SIM_RETRY;
    }
    assert_eq!(entered, 1);
    assert_eq!(bench.link.phase(), Phase::SimLocked);
}

#[test]
fn firmware_without_an_optional_command_is_set_up_all_the_same() {
    let mut bench = Bench::new();
    let steps =
        bench.run_with(|step| matches!(step, Step::AutoUpgradeOff).then_some(Err(Failure::Refused(Refusal::Error))));
    assert_eq!(steps[..10], TO_NETWORK);
}

#[test]
fn an_echo_after_set_up_betrays_a_reboot_that_nobody_saw() {
    let mut bench = Bench::online(&[]);
    bench.link.echoes();
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::Rebooted)]);
    assert_eq!(bench.run()[..10], TO_NETWORK);
}

#[test]
fn cache_mode_is_left_and_its_messages_are_fetched() {
    let mut bench = Bench::online(&[]);
    bench.link.on_urc(&Urc::Cached(0), bench.now);
    bench.link.on_urc(&Urc::Cached(1), bench.now);
    assert_eq!(bench.run(), ["DirectMessages", "ReadCached"]);
    assert!(bench.link.may_publish());
}

#[test]
fn a_certificate_is_written_only_when_the_module_does_not_hold_it() {
    let tls =
        Tls { host_name: "broker".into(), roots: Some(Roots { name: "ca".into(), pem: Bytes::from_static(b"PEM") }) };
    let with_tls = Arc::new(Session { tls: Some(tls), ..(*session(1)).clone() });
    for (size, written) in [(0, true), (3, false)] {
        let mut bench = Bench::new();
        bench.link.want(Desired { session: Some(with_tls.clone()), ..Desired::default() });
        let steps = bench.run_with(|step| matches!(step, Step::FileSize(_)).then_some(Ok(Seen::FileSize(size))));
        assert_eq!(steps.contains(&"WriteFile".to_owned()), written);
        assert_eq!(bench.link.phase(), Phase::Online);
    }
}

#[test]
fn signal_registration_and_session_are_looked_at_once_a_minute() {
    let mut bench = Bench::online(&[]);
    assert_eq!(bench.run(), [""; 0]);
    bench.now += POLL_EVERY;
    assert_eq!(bench.run(), ["Signal", "Registration", "SessionState"]);
    assert_eq!(bench.link.wake_at(bench.now), bench.now + POLL_EVERY);
}

#[test]
fn card_cell_and_network_are_looked_at_once_and_a_refusal_harms_nothing() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let iccid = |step: &Step| match step {
        Step::Look(look @ Look::Iccid) => Some(look.read(b"+ICCID: 898604981022C0254186").map(Seen::Fact)),
        Step::Look(_) => Some(Err(Failure::Refused(Refusal::Error))),
        _ => None,
    };
    bench.run_with(iccid);
    assert_eq!(bench.link.phase(), Phase::Online);
    assert_eq!(bench.link.facts().iccid.as_ref().unwrap().0, "898604981022C0254186");
    bench.link.on_urc(&Urc::Nitz(Bytes::from_static(b"2024/07/10,08:33:44+0,0")), bench.now);
    assert_eq!(bench.link.facts().network_time.unwrap().unix_s, 1_720_600_424);
    bench.link.on_urc(&Urc::Sim(false), bench.now);
    assert_eq!(bench.link.facts().iccid, None, "the next card may be another");
}

#[test]
fn a_network_that_comes_and_goes_does_not_pile_up_questions() {
    let mut bench = Bench::new();
    for _ in 0..100 {
        bench.link.done(Step::Attachment, Ok(Seen::Attached(true)), bench.now);
    }
    assert_eq!(bench.link.poll.len(), 1 + AFTER_ATTACH.len());
}

#[test]
fn another_module_behind_a_returned_port_is_set_up_from_nothing() {
    let mut bench = Bench::online(&[]);
    bench.link.port_lost();
    assert_eq!(bench.notices(), [Notice::Offline(1, Down::PortLost)]);
    assert_eq!(bench.link.phase(), Phase::NoAnswer);
    assert_eq!(bench.run()[..10], TO_NETWORK);
}

#[test]
fn an_acknowledged_publication_spares_the_question_for_the_session_but_not_for_the_signal() {
    let mut bench = Bench::online(&[]);
    bench.now += POLL_EVERY;
    bench.link.published(&Ok(()), bench.now);
    assert_eq!(bench.run(), ["Signal", "Registration"]);
}

#[test]
fn a_module_that_has_just_booted_is_waited_for_and_no_attempt_is_wasted() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let too_early =
        |step: &Step| matches!(step, Step::DirectMessages).then_some(Err(Failure::Refused(Refusal::Cme(4))));
    for _ in 0..30 {
        assert_eq!(bench.run_with(too_early).last().unwrap(), "DirectMessages");
        bench.now += NETWORK_RETRY;
    }
    bench.run();
    assert_eq!(bench.notices()[1..], [Notice::Online(1)]);
}

#[test]
fn a_module_that_refuses_for_ever_fails_the_attempt() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    let refused = Failure::Refused(Refusal::Cme(4));
    for _ in 0..=TOO_EARLY.as_secs() {
        bench.run_with(|step| matches!(step, Step::DirectMessages).then_some(Err(refused.clone())));
        bench.now += NETWORK_RETRY;
    }
    assert_eq!(bench.notices()[1..], [Notice::Offline(1, Down::Failed(refused))]);
}

#[test]
fn a_module_that_installs_an_update_is_left_alone_until_it_says_nothing_any_more() {
    let mut bench = Bench::new();
    bench.link.want(wanted(1, &[]));
    bench.run_with(|_| None);
    let says = |bench: &mut Bench, step| bench.link.on_urc(&Urc::UpgradeInstalling(step), bench.now);
    bench.link.on_urc(&Urc::RomBanner, bench.now);
    says(&mut bench, Installing::Start);
    for percent in 0..10 {
        bench.now += INSTALL_SILENCE / 2;
        says(&mut bench, Installing::Percent(percent));
        bench.link.tick(bench.now);
        assert_eq!((bench.link.fault(), bench.link.phase()), (None, Phase::Updating));
    }
    bench.now += INSTALL_SILENCE;
    bench.link.tick(bench.now);
    assert_eq!((bench.link.fault(), bench.link.phase()), (Some(Fault::Silent), Phase::NoAnswer));
    for end in [Urc::UpgradeInstalling(Installing::End(0)), Urc::Ready] {
        says(&mut bench, Installing::Percent(99));
        bench.link.on_urc(&end, bench.now);
        assert!(!bench.link.is_installing());
    }
}
