//! The fault matrix with the real daemon: what goes wrong × what was going on. Of every cell: all that was accepted
//! arrives, the link heals, and messages from the cloud come through again, all of it within the fault's time.
//!
//! Here are the faults that heal within seconds, and one cell each of those that a time-out of the driver ends. The rest
//! of the matrix, with hangs and outages of minutes, is in simulated time: `cargo test -p airgate-seeds`. The cells run
//! at the same time, each in a house of its own, a few houses at once.
//!
//! Beside them, `recovery`: what no driver heals, and the host's own means do, after a minute of silence.

#![allow(clippy::indexing_slicing, clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod recovery;

use air780e::link::RECONNECT;
use airgate_sim::modem::Profile;
use airgate_sim::modem::faults::Rule;
use airgate_tests::{House, PATIENCE, in_parallel, nasty_payload};
use serde_json::json;
use std::time::{Duration, Instant};

/// What is going on when it happens, as the beginning of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum During {
    Idle,
    Connecting,
    /// A short text: `MPUB`.
    Publishing,
    /// A payload in its data phase: `MPUBEX`.
    PublishingData,
    Receiving,
}

use During::{Connecting, Idle, Publishing, PublishingData, Receiving};

impl During {
    const ALL: [Self; 5] = [Idle, Connecting, Publishing, PublishingData, Receiving];

    fn when(self) -> &'static str {
        match self {
            Idle => "now",
            Connecting => "on AT+MCONNECT",
            Publishing => "on AT+MPUB=",
            PublishingData => "in-data 10",
            Receiving => "says +MSUB",
        }
    }
}

/// Faults that are over within seconds.
const SHORT: [&str; 16] = [
    "lose 3 to-host",
    "flip 2 to-host",
    "insert 30 to-host",
    "stall 2s",
    "late 2s",
    "double",
    "say +CGEV: NW PDN DEACT 1",
    "close",
    "no-service 2s",
    "no-sim 2s",
    "refuse 767 2s",
    "reboot",
    "boot-loop 3",
    "hang 2s",
    "vanish 1s",
    // The command under way is broken in the middle.
    "lose 40 to-host",
];

/// Those that a time-out ends, where they can happen.
const LONG: [(During, &str); 3] =
    [(Publishing, "swallow PUBACK"), (Connecting, "swallow CONNACK OK"), (PublishingData, "swallow OK")];

/// The cloud allows five sign-ins in a minute; the daemon waits before a sixth.
const SIGN_INS: Duration = Duration::from_secs(60);

/// How long the fault lasts by itself, the module's boot and the driver's reconnect; and where they were many, the next
/// sign-in may have to wait.
fn within(fault: &str) -> Duration {
    let rule: Rule = format!("now: {fault}").parse().expect("a rule");
    rule.fault.lasts() + Profile::v1161().attach + RECONNECT + SIGN_INS
}

fn cell(during: During, fault: &str) {
    let house = House::new();
    let mut program = house.program();
    program.ask_ok(json!({"op": "subscribe", "filter": "user/get"}));
    house.cloud.subscribed("user/get");
    let mut accepted = vec!["before".to_owned()];
    program.publish("user/update", "before");
    house.all_arrive("user/update", &accepted);

    let struck = Instant::now();
    house.fault(&format!("{}: {fault}", during.when()));
    match during {
        Connecting => house.fault("now: close"),
        Receiving => house.cloud.publish("user/get", b"while it happens"),
        Idle | Publishing | PublishingData => {}
    }
    for number in 0..3 {
        let short = format!("short {number}");
        let long = format!("long {number} {}", "line\r\nOK\r\n".repeat(80));
        program.publish("user/update", &short);
        program.publish("user/update", &long);
        accepted.extend([short, long]);
    }
    let received = house.all_arrive("user/update", &accepted);
    for payload in &received {
        assert!(accepted.contains(payload), "corrupt: {payload:?}");
    }
    let fired = house.ask_modem(&json!({"do": "state"}))["fired"].as_u64().unwrap();
    assert_eq!(fired, if during == Connecting { 2 } else { 1 }, "it happened");

    // A message that is hit on its way through the module is lost with its acknowledgement sent; the next one is not.
    let end = Instant::now() + PATIENCE;
    while !program.has_message("user/get") {
        assert!(Instant::now() < end, "nothing comes from the cloud any more: {}", house.log());
        house.cloud.publish("user/get", b"is anybody there?");
        std::thread::sleep(Duration::from_millis(500));
    }
    let (healed, within) = (struck.elapsed(), within(fault));
    println!("{during:?} × {fault}: {healed:.1?} of {within:.1?}");
    assert!(healed <= within, "it took {healed:.1?}, not {within:.1?}: {}", house.log());
}

#[test]
fn whatever_happens_whenever_it_happens_all_that_was_accepted_arrives_and_the_link_heals() {
    let cells = During::ALL.iter().flat_map(|during| SHORT.iter().map(|fault| (*during, *fault)));
    // At rest nothing is printed that noise could hit, and nothing is answered that could come twice.
    let can_happen = |(during, fault): &(During, &str)| {
        *during != Idle || !["lose", "flip", "insert", "double"].iter().any(|name| fault.starts_with(name))
    };
    let cells: Vec<_> = cells.filter(can_happen).chain(LONG).collect();
    in_parallel(&cells, |(during, fault)| format!("{during:?} × {fault}"), |(during, fault)| cell(*during, fault));
}

#[test]
fn a_module_that_vanishes_in_the_data_phase_leaves_nothing_corrupt_behind() {
    let house = House::new();
    let mut program = house.program();
    let payload = airgate_tests::base64(&nasty_payload(2000));
    for rule in ["on AT+MPUBEX: vanish 500ms", "on AT+MPUBEX: reboot"] {
        house.fault(rule);
        program.ask_ok(json!({"op": "publish", "topic": "user/update", "payload_b64": payload}));
    }
    let expected = format!("base64:{payload}");
    let received = house.all_arrive("user/update", std::slice::from_ref(&expected));
    assert!(received.iter().all(|payload| *payload == expected), "{received:.300?}");
}
