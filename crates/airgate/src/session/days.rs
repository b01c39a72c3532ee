//! Days in the life of a device that registers, in simulated time: the whole session with a real store, and a cloud that
//! is played attempt by attempt.

use super::{Handle, Parts, start};
use crate::batch::{Batches, Policies};
use crate::budget::Quota;
use crate::config::{self, Config};
use crate::outbox::{Options, Outbox};
use crate::router;
use crate::service::pulse::Vigil;
use crate::store::{Entry, Key, Origin, Record};
use crate::uplink::played;
use air780e::Event;
use air780e::exchange::Failure;
use air780e::frame::Message;
use air780e::link::Down;
use iotcloud::aliyun::{self, Aliyun, Credential};
use iotcloud::{Cloud, Moment, Secret, SignIn};
use serde_json::json;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout};

const PRODUCT: &str = "a1Days00000";
const DEVICE: &str = "pump-1";
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
/// What the network's clock says at the start.
const TODAY_S: u64 = 1_795_440_000;

/// What the device does.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Does {
    Registers,
    SignsIn(String),
}

struct Life {
    started: Instant,
    last: u64,
    wanted: watch::Receiver<Option<(u64, SignIn)>>,
    events: mpsc::Sender<Event>,
    config: Config,
    session: Handle,
    _vigil: Vigil,
    _dir: tempfile::TempDir,
}

impl Life {
    fn begin(auth: &str, kept: Option<Entry>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("airgate.toml");
        let outbox = dir.path().join("outbox");
        let text = format!(
            "[cloud]\nprovider = \"aliyun\"\nproduct_key = \"{PRODUCT}\"\ndevice_name = \"{DEVICE}\"\n\
             product_secret = \"productsecret\"\ninstance_id = \"iot-days\"\nauth = \"{auth}\"\nregister_by = \"mqtt\"\n\
             [outbox]\ndir = \"{}\"\n",
            outbox.display()
        );
        std::fs::write(&file, text).unwrap();
        let config = config::load(Some(&file), std::iter::empty()).expect("a configuration").config;
        if let Some(entry) = kept {
            config.store().put(&key(), &entry).unwrap();
        }
        let (outbox, _) = Outbox::open(Options::new(outbox)).unwrap();
        let mut vigil = Vigil::default();
        let (uplink, wanted) = played::uplink(TODAY_S);
        let (events, heard) = mpsc::channel(16);
        let (_, ends) = router::start(Vec::new(), vigil.room("router"));
        let (quota, _) = Quota::open(&config);
        let (_, tariff) = watch::channel(None);
        let session = start(Parts {
            config: config.clone(),
            store: config.store(),
            uplink,
            events: heard,
            outbox,
            quota,
            ends,
            batches: Batches::new(Policies::new(&[]), 4_096),
            max_payload: 4_096,
            warnings: None,
            tariff,
            pulse: vigil.room("session"),
        });
        Self { started: Instant::now(), last: 0, wanted, events, config, session, _vigil: vigil, _dir: dir }
    }

    /// What the device does next, and when: since the start.
    async fn does(&mut self) -> (Duration, Does) {
        let last = self.last;
        let is_new = |wanted: &Option<(u64, SignIn)>| wanted.as_ref().is_some_and(|(attempt, _)| *attempt != last);
        let (attempt, sign_in) = self.wanted.wait_for(is_new).await.unwrap().clone().unwrap();
        self.last = attempt;
        (self.started.elapsed(), does(&sign_in))
    }

    async fn is_accepted(&self) {
        self.events.send(Event::Online(self.last)).await.unwrap();
    }

    async fn is_refused(&self) {
        self.events.send(Event::Offline(self.last, Down::Refused(Failure::Closed))).await.unwrap();
    }

    /// The registration is accepted and answered with this secret.
    async fn is_given(&self, secret: &str) {
        self.is_accepted().await;
        let answer = json!({"productKey": PRODUCT, "deviceName": DEVICE, "deviceSecret": secret});
        let message = Message { topic: "/ext/register".to_owned(), payload: answer.to_string().into() };
        self.events.send(Event::Message(message)).await.unwrap();
    }

    /// The device registers at last; every sign-in before, with this secret, is refused. When it does.
    async fn refused_until_it_registers(&mut self, secret: &str) -> Duration {
        let mut within_a_minute = Vec::new();
        loop {
            let (at, does) = self.does().await;
            within_a_minute.retain(|before| at - *before < MINUTE);
            within_a_minute.push(at);
            assert!(within_a_minute.len() <= 5, "{within_a_minute:?}");
            if does == Does::Registers {
                return at;
            }
            assert_eq!(does, Does::SignsIn(secret.to_owned()), "at {at:?}");
            assert_eq!(self.kept().current.unwrap().credential, Secret::new(secret).into());
            self.is_refused().await;
        }
    }

    fn kept(&self) -> Entry {
        self.config.store().entry(&key()).unwrap()
    }

    fn trouble(&self) -> String {
        self.session.status.borrow().trouble.as_ref().map(|trouble| trouble.code.clone()).unwrap_or_default()
    }
}

fn key() -> Key {
    let [cloud, place, product, device] = ["aliyun", "iot-days", PRODUCT, DEVICE].map(str::to_owned);
    Key { cloud, place, product, device }
}

/// An entry with this secret, which was registered.
fn registered(secret: &str) -> Entry {
    let credential = Credential::DeviceSecret(Secret::new(secret));
    Entry { current: Some(Record { credential, obtained_unix_ms: 1, by: Origin::Registration }), ..Entry::default() }
}

fn does(sign_in: &SignIn) -> Does {
    if sign_in.client_id.contains("authType=reg") {
        return Does::Registers;
    }
    let (_, timestamp) = sign_in.client_id.split_once("timestamp=").unwrap();
    let moment = Moment::new(0, 0).with_timestamp(timestamp.trim_end_matches('|')).unwrap();
    let signs = |secret: &&str| {
        let mut config = aliyun::Config::new(PRODUCT, DEVICE, Secret::new(*secret));
        config.instance = aliyun::Instance::Id("iot-days".into());
        Cloud::Aliyun(Aliyun::new(config).unwrap()).sign_in(&moment).password == sign_in.password
    };
    Does::SignsIn(["old", "new", "newer"].into_iter().find(signs).expect("a known secret").to_owned())
}

#[tokio::test(start_paused = true)]
async fn secret_that_was_changed_in_the_console_is_registered_anew_late_once_a_day_and_kept_until_another_works() {
    let mut life = Life::begin("register", Some(registered("old")));
    let first = life.refused_until_it_registers("old").await;
    assert!((10 * MINUTE..70 * MINUTE).contains(&first), "{first:?}");
    life.is_given("new").await;
    assert_eq!(life.does().await.1, Does::SignsIn("new".into()));
    assert_eq!(life.kept().current, registered("old").current, "the old one stays");
    life.is_refused().await;
    // The new one is no better: the old one comes back, and the day is spent.
    let second = life.refused_until_it_registers("old").await;
    assert!((first + DAY..first + DAY + 90 * MINUTE).contains(&second), "{:?}", second - first);
    life.is_given("newer").await;
    assert_eq!(life.does().await.1, Does::SignsIn("newer".into()));
    life.is_accepted().await;
    let online = |status: &super::LinkStatus| status.trouble.is_none();
    life.session.status.wait_for(online).await.unwrap();
    life.session.stop().await;
    let kept = life.config.store().entry(&key()).unwrap();
    assert_eq!(kept.current.unwrap().credential, Secret::new("newer").into());
    assert_eq!(kept.candidate, None);
}

#[tokio::test(start_paused = true)]
async fn registration_that_is_refused_is_not_tried_again_the_same_day() {
    let mut life = Life::begin("register", Some(registered("old")));
    let first = life.refused_until_it_registers("old").await;
    life.is_refused().await;
    let second = life.refused_until_it_registers("old").await;
    assert!(second - first >= DAY, "{:?}", second - first);
}

#[tokio::test(start_paused = true)]
async fn last_renewal_under_a_clock_that_was_a_year_ahead_holds_up_the_next_for_a_day_only() {
    let renewed_unix_ms = Some((TODAY_S + 366 * DAY.as_secs()) * 1_000);
    let mut life = Life::begin("register", Some(Entry { renewed_unix_ms, ..registered("old") }));
    let at = life.refused_until_it_registers("old").await;
    assert!((DAY..DAY + 90 * MINUTE).contains(&at), "{at:?}");
}

#[tokio::test(start_paused = true)]
async fn three_lost_answers_end_it_for_a_device_that_is_not_listed() {
    let mut life = Life::begin("register_no_prereg", None);
    for _ in 0..3 {
        assert_eq!(life.does().await.1, Does::Registers);
        life.is_accepted().await;
    }
    let fourth = timeout(3 * DAY, life.does()).await;
    assert!(fourth.is_err(), "{fourth:?}");
    assert_eq!(life.trouble(), "registration_stopped");
    assert_eq!(life.kept().unanswered, 3, "a restart does not begin anew");
}

#[tokio::test(start_paused = true)]
async fn lost_answers_cost_a_listed_device_no_more_than_time() {
    let mut life = Life::begin("register", None);
    for _ in 0..6 {
        assert_eq!(life.does().await.1, Does::Registers);
        life.is_accepted().await;
    }
    assert_eq!(life.does().await.1, Does::Registers);
    life.is_given("new").await;
    assert_eq!(life.does().await.1, Does::SignsIn("new".into()));
    assert_eq!(life.kept().current.unwrap().credential, Secret::new("new").into(), "kept before it is used");
}
