//! The host: it wants a session, publishes one message after the other, and starts over whenever it has to.

use crate::world::Calm;
use air780e::session::{Desired, Session};
use air780e::{Event, Modem, Publication};
use bytes::Bytes;
use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

/// How long the trouble lasts.
pub const TROUBLE: Duration = Duration::from_secs(600);
/// The longest fault of the mix lasts three minutes; then come a registration, the longest time-out of a connection
/// (75 s in the module), and another attempt.
pub const HEALS_WITHIN: Duration = Duration::from_secs(420);

pub(crate) const CLIENT_ID: &str = "gateway-1|securemode=3,signmethod=hmacsha256|";
pub(crate) const DOWN_TOPIC: &str = "/gateway/get";
const UP_TOPIC: &str = "/gateway/update";
const PUBLISH_EVERY: Duration = Duration::from_secs(2);
/// From the loss of a session to the next attempt.
const RETRY: Duration = Duration::from_secs(2);

/// What a life was like.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Messages that the driver called acknowledged.
    pub acknowledged: HashSet<u64>,
    /// Publications that failed.
    pub failed: u64,
    /// Attempts at a session.
    pub attempts: u64,
    /// Messages from the broker.
    pub received: u64,
    /// From the end of the trouble to the first acknowledgement.
    pub healed_after: Duration,
    /// Faults that happened.
    pub faults: u64,
    /// When each was acknowledged, since the start.
    pub acknowledged_at: Vec<Duration>,
    /// When the last message came, since the start.
    pub received_at: Duration,
}

pub(crate) struct Host {
    modem: Modem,
    events: mpsc::Receiver<Event>,
    calm: Calm,
    seed: u64,
    life: Life,
    next: u64,
    online: bool,
    started: Instant,
}

impl Host {
    pub(crate) fn new(modem: Modem, events: mpsc::Receiver<Event>, calm: Calm, seed: u64) -> Self {
        Self { modem, events, calm, seed, life: Life::default(), next: 0, online: false, started: Instant::now() }
    }

    pub(crate) async fn live(mut self) -> Result<Life, String> {
        self.want();
        let peace = Instant::now() + TROUBLE;
        while Instant::now() < peace {
            self.turn().await;
        }
        self.calm.calm();
        let peace = Instant::now();
        let acknowledged = self.life.acknowledged.len();
        let healed = async {
            while self.life.acknowledged.len() == acknowledged {
                self.turn().await;
            }
        };
        if timeout(HEALS_WITHIN, healed).await.is_err() {
            return Err(format!("no publication within {HEALS_WITHIN:?} of peace: {:?}", self.modem.status().borrow()));
        }
        self.life.healed_after = peace.elapsed();
        let received = self.life.received;
        let heard = async {
            while self.life.received == received {
                self.turn().await;
            }
        };
        if timeout(HEALS_WITHIN, heard).await.is_err() {
            return Err(format!("no message within {HEALS_WITHIN:?} of peace: {:?}", self.modem.status().borrow()));
        }
        Ok(self.life)
    }

    /// Goes on whatever happens until `end` has passed since the start, and says nothing while it has a `rest`.
    pub(crate) async fn carry_on(mut self, rest: &Range<Duration>, end: Duration) -> Life {
        self.want();
        while self.started.elapsed() < end {
            if rest.contains(&self.started.elapsed()) {
                self.take().await;
                sleep(PUBLISH_EVERY).await;
            } else {
                self.turn().await;
            }
        }
        self.life
    }

    /// Publishes the next message if there is a session, and takes what has happened.
    async fn turn(&mut self) {
        self.take().await;
        if self.online {
            let publication = message(self.seed, self.next);
            match self.modem.publish(publication).await {
                Ok(()) => {
                    self.life.acknowledged.insert(self.next);
                    self.life.acknowledged_at.push(self.started.elapsed());
                    self.next += 1;
                }
                Err(_) => self.life.failed += 1,
            }
        }
        sleep(PUBLISH_EVERY).await;
    }

    async fn take(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.on_event(event).await;
        }
    }

    async fn on_event(&mut self, event: Event) {
        match event {
            Event::Online(attempt) => self.online = attempt == self.life.attempts,
            Event::Offline(attempt, _) if attempt == self.life.attempts => {
                self.online = false;
                sleep(RETRY).await;
                self.want();
            }
            Event::Message(_) => {
                self.life.received += 1;
                self.life.received_at = self.started.elapsed();
            }
            _ => {}
        }
    }

    fn want(&mut self) {
        self.life.attempts += 1;
        let session = Session {
            attempt: self.life.attempts,
            host: "broker".into(),
            port: 1883,
            tls: None,
            client_id: CLIENT_ID.into(),
            credentials: Some(("user".into(), String::from("password").into())),
            keep_alive: 120,
            clean: true,
            will: None,
        };
        let subscriptions = BTreeMap::from([(DOWN_TOPIC.to_owned(), 1)]);
        self.modem.want(Desired { session: Some(Arc::new(session)), subscriptions });
    }
}

/// Message `number`: its number, filler that would mislead a parser of lines, and a sum over both. Each second one is
/// plain text, which goes by `MPUB`; the others go by `MPUBEX`.
fn message(seed: u64, number: u64) -> Publication {
    let filler = if number.is_multiple_of(2) { "plain text, with a comma" } else { "\r\nOK\r\n> \u{e9}\x1a" };
    let length = usize::try_from((seed + number * 37) % 300).unwrap_or(0);
    let body: String = filler.chars().cycle().take(length).collect();
    let text = format!("{number}:{body}");
    let payload = Bytes::from(format!("{text}:{:08x}", sum(text.as_bytes())));
    Publication { topic: UP_TOPIC.into(), payload, qos: 1, retain: false }
}

/// The number of a message that has arrived as it was meant.
pub(crate) fn number_of(topic: &str, payload: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(payload).ok().filter(|_| topic == UP_TOPIC)?;
    let (text, told) = text.rsplit_once(':')?;
    let whole = u32::from_str_radix(told, 16).ok()? == sum(text.as_bytes());
    text.split(':').next().filter(|_| whole)?.parse().ok()
}

/// FNV-1a.
pub(crate) fn sum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |sum, byte| (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
