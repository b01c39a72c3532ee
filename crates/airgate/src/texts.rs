//! Text messages that come to the SIM card, for the programs that may read them. The parts of a long one are put together
//! first. A pure core, and the task around it.
//!
//! * [texts-1] A text is handed on once, in one piece; one whose last parts do not come is handed on with what there is, after
//!   [`PATIENCE`] or when [`INCOMPLETE`] others wait for theirs.
//! * [texts-2] It is deleted from the card by then: the card has room for about ten, and a full one takes no more. A program
//!   that is to get what comes while it is away subscribes durably, or keeps an MQTT session.

use crate::router::Downlink;
use air780e::service::texts::Texts;
use air780e::sms::{Part, Sms};
use airgate_proto::Event;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// How long the parts of a text may lie apart; most networks send them within seconds.
pub const PATIENCE: Duration = Duration::from_secs(600);
/// Texts that wait for further parts, each of at most ten.
pub const INCOMPLETE: usize = 8;

/// One text, as the programs get it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Text {
    from: String,
    text: String,
    sent_unix_s: Option<u64>,
    /// Parts that did not come.
    missing: usize,
}

impl Text {
    fn event(self) -> Event {
        let mut fields = Map::new();
        fields.insert("from".into(), self.from.into());
        fields.insert("text".into(), self.text.into());
        if let Some(sent_unix_s) = self.sent_unix_s {
            fields.insert("sent_unix_ms".into(), Value::from(sent_unix_s.saturating_mul(1_000)));
        }
        if self.missing > 0 {
            fields.insert("missing_parts".into(), self.missing.into());
        }
        Event::Sms(fields)
    }
}

/// A text of which parts are missing.
#[derive(Debug)]
struct Incomplete {
    from: String,
    reference: u16,
    total: u8,
    sent_unix_s: Option<u64>,
    parts: BTreeMap<u8, String>,
    since: Instant,
}

impl Incomplete {
    fn is_of(&self, sms: &Sms, part: Part) -> bool {
        self.reference == part.reference && self.total == part.total && self.from == sms.from
    }

    fn missing(&self) -> usize {
        usize::from(self.total).saturating_sub(self.parts.len())
    }

    fn into_text(self) -> Text {
        let missing = self.missing();
        Text { from: self.from, text: self.parts.into_values().collect(), sent_unix_s: self.sent_unix_s, missing }
    }
}

/// Puts parts together; the oldest first.
#[derive(Debug, Default)]
struct Joiner {
    incomplete: Vec<Incomplete>,
}

impl Joiner {
    /// Takes one message; returns the text that is complete with it, or that has to give way to it.
    fn take(&mut self, sms: Sms, now: Instant) -> Option<Text> {
        let Some(part) = sms.part.filter(|part| part.total > 1) else {
            return Some(Text { from: sms.from, text: sms.text, sent_unix_s: sms.sent_unix_s, missing: 0 });
        };
        if let Some(at) = self.incomplete.iter().position(|known| known.is_of(&sms, part)) {
            let known = self.incomplete.get_mut(at)?;
            known.parts.entry(part.number).or_insert(sms.text);
            return (known.missing() == 0).then(|| self.incomplete.remove(at).into_text());
        }
        let Sms { from, text, sent_unix_s, .. } = sms;
        let Part { reference, total, number } = part;
        let parts = BTreeMap::from([(number, text)]);
        self.incomplete.push(Incomplete { from, reference, total, sent_unix_s, parts, since: now });
        (self.incomplete.len() > INCOMPLETE).then(|| self.incomplete.remove(0).into_text())
    }

    /// When the oldest has waited long enough.
    fn due(&self) -> Option<Instant> {
        self.incomplete.first().map(|oldest| oldest.since + PATIENCE)
    }

    /// The oldest, if it has waited long enough.
    fn late(&mut self, now: Instant) -> Option<Text> {
        let is_late = self.due().is_some_and(|due| due <= now);
        is_late.then(|| self.incomplete.remove(0).into_text())
    }
}

/// Hands every text on, until the driver or the router ends.
pub async fn hand_on(mut texts: Texts, downlink: mpsc::Sender<Downlink>) {
    let mut joiner = Joiner::default();
    loop {
        let text = tokio::select! {
            sms = texts.next() => match sms {
                Some(sms) => joiner.take(sms, Instant::now()),
                None => return,
            },
            () = until(joiner.due()) => joiner.late(Instant::now()),
        };
        let Some(text) = text else { continue };
        // Whose it is and what it says is nobody's business but the reader's.
        tracing::info!(characters = text.text.chars().count(), missing = text.missing, "a text message came");
        if downlink.send(Downlink::ToAll(text.event())).await.is_err() {
            return;
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(from: &str, reference: u16, total: u8, number: u8) -> Sms {
        let part = Some(Part { reference, total, number });
        Sms { from: from.into(), text: format!("{number}"), sent_unix_s: Some(5), part }
    }

    fn said(text: Option<Text>) -> Option<(String, usize)> {
        text.map(|text| (text.text, text.missing))
    }

    #[test]
    fn parts_in_any_order_and_twice_are_one_text() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        assert_eq!(joiner.take(part("a", 1, 3, 3), now), None);
        assert_eq!(joiner.take(part("a", 1, 3, 3), now), None);
        assert_eq!(joiner.take(part("b", 1, 3, 1), now), None, "another sender's");
        assert_eq!(joiner.take(part("a", 1, 3, 1), now), None);
        assert_eq!(said(joiner.take(part("a", 1, 3, 2), now)), Some(("123".into(), 0)));
        assert_eq!(joiner.incomplete.len(), 1);
    }

    #[test]
    fn a_text_whose_rest_does_not_come_is_handed_on_with_what_there_is() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        joiner.take(part("a", 1, 3, 2), now);
        assert_eq!(joiner.late(now), None);
        assert_eq!(said(joiner.late(now + PATIENCE)), Some(("2".into(), 2)));
        assert_eq!(joiner.due(), None);
    }

    #[test]
    fn a_flood_of_first_parts_is_bounded_and_loses_nothing() {
        let (mut joiner, now) = (Joiner::default(), Instant::now());
        let given_way = (0..100).filter_map(|reference| joiner.take(part("a", reference, 2, 1), now)).count();
        assert_eq!((given_way, joiner.incomplete.len()), (100 - INCOMPLETE, INCOMPLETE));
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let alone = Sms { from: "10086".into(), text: "hello".into(), sent_unix_s: None, part: None };
        let event = Joiner::default().take(alone, Instant::now()).map(Text::event);
        assert_eq!(event.unwrap().to_line(), b"{\"event\":\"sms\",\"from\":\"10086\",\"text\":\"hello\"}\n");
    }
}
