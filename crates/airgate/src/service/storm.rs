//! Bounds how much is logged when everything goes wrong at once.
//!
//! Each place in the code that logs may say [`BURST`] lines at once, and one more every [`REFILL`]; what is above that is
//! counted, and the count is told. Debug and trace are not bounded: whoever switches them on wants all of it.
//! The number of places is that in the code, so the memory is bounded, too.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines that one place may log at once.
pub const BURST: u32 = 20;
/// How long a place that has logged its burst waits for its next line.
pub const REFILL: Duration = Duration::from_secs(10);

/// The bounds of all places. A pure core: the time comes in.
#[derive(Debug)]
pub struct Storm<P> {
    places: HashMap<P, Bucket>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Lines that it may still say.
    left: u32,
    /// When it last got one more.
    filled: Instant,
    suppressed: u64,
}

impl<P> Default for Storm<P> {
    fn default() -> Self {
        Self { places: HashMap::new() }
    }
}

impl<P: Hash + Eq + Clone> Storm<P> {
    /// Whether this place may say a line now. One that may not is counted.
    pub fn admit(&mut self, place: P, now: Instant) -> bool {
        let bucket = self.places.entry(place).or_insert(Bucket { left: BURST, filled: now, suppressed: 0 });
        bucket.fill(now);
        match bucket.left.checked_sub(1) {
            Some(left) => {
                bucket.left = left;
                true
            }
            None => {
                bucket.suppressed += 1;
                false
            }
        }
    }

    /// What was suppressed since it was last asked, by place.
    pub fn suppressed(&mut self) -> Vec<(P, u64)> {
        let suppressed = self.places.iter_mut().filter(|(_, bucket)| bucket.suppressed > 0);
        suppressed.map(|(place, bucket)| (place.clone(), std::mem::take(&mut bucket.suppressed))).collect()
    }
}

impl Bucket {
    fn fill(&mut self, now: Instant) {
        let since = now.saturating_duration_since(self.filled);
        let more = u32::try_from(since.as_millis() / REFILL.as_millis()).unwrap_or(u32::MAX);
        if more > 0 {
            self.left = self.left.saturating_add(more).min(BURST);
            self.filled = if self.left == BURST { now } else { self.filled + REFILL * more };
        }
    }
}

type Place = tracing::callsite::Identifier;

#[derive(Debug, Default)]
struct Places {
    storm: Storm<Place>,
    known: HashMap<Place, &'static Metadata<'static>>,
}

/// Keeps a storm of log lines out of all that stands behind it. Clones share the bounds.
#[derive(Debug, Clone, Default)]
pub struct Calm(Arc<Mutex<Places>>);

impl Calm {
    /// Tells how much was suppressed since the last time, a line for each place. To be called now and then.
    pub fn tell(&self) {
        let suppressed: Vec<_> = {
            let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let suppressed = places.storm.suppressed();
            suppressed.into_iter().map(|(place, lines)| (places.known.get(&place).copied(), lines)).collect()
        };
        // Not under the lock: telling it is logging, too.
        for (known, lines) in suppressed {
            let place = known.map_or_else(String::new, |known| {
                format!("{}:{}", known.file().unwrap_or(known.target()), known.line().unwrap_or(0))
            });
            tracing::warn!(
                event = "log_suppressed",
                place,
                lines,
                "{lines} more lines like those from {place} were left out"
            );
        }
    }
}

impl<S: Subscriber> Layer<S> for Calm {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return true;
        }
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.known.entry(metadata.callsite()).or_insert(metadata);
        places.storm.admit(metadata.callsite(), Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_place_that_storms_says_its_burst_then_one_line_each_pause_and_others_are_heard() {
        let (mut storm, start) = (Storm::default(), Instant::now());
        let said =
            (0..600_000u32).filter(|ms| storm.admit("line", start + Duration::from_millis((*ms).into()))).count();
        // Ten minutes of a thousand lines a second.
        assert_eq!(said, BURST as usize + 59);
        assert!(storm.admit("sim", start));
        assert_eq!(storm.suppressed(), [("line", 600_000 - said as u64)]);
        assert_eq!(storm.suppressed(), [], "told once");
        let quiet = start + Duration::from_secs(3600);
        let said = (0..100).filter(|_| storm.admit("line", quiet)).count();
        assert_eq!(said, BURST as usize, "after quiet it may say its burst again");
    }

    proptest! {
        #[test]
        fn every_line_is_either_said_or_counted(pauses in proptest::collection::vec(0u64..30_000, 1..200)) {
            let (mut storm, mut now, mut said) = (Storm::default(), Instant::now(), 0);
            for pause in &pauses {
                now += Duration::from_millis(*pause);
                said += u64::from(storm.admit((), now));
            }
            let suppressed: u64 = storm.suppressed().into_iter().map(|(_, lines)| lines).sum();
            prop_assert_eq!(said + suppressed, pauses.len() as u64);
        }
    }

    /// Counts what comes through.
    #[derive(Clone, Default)]
    struct Heard(Arc<AtomicUsize>, Arc<Mutex<Vec<u64>>>);

    struct Lines(Option<u64>);

    impl tracing::field::Visit for Lines {
        fn record_u64(&mut self, field: &tracing::field::Field, value: u64) {
            if field.name() == "lines" {
                self.0 = Some(value);
            }
        }
        fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}
    }

    impl<S: Subscriber> Layer<S> for Heard {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut lines = Lines(None);
            event.record(&mut lines);
            self.1.lock().unwrap().extend(lines.0);
        }
    }

    #[test]
    fn a_fault_storm_reaches_the_log_bounded_and_its_size_is_told() {
        let (heard, calm) = (Heard::default(), Calm::default());
        let subscriber = tracing_subscriber::registry().with(calm.clone()).with(heard.clone());
        tracing::subscriber::with_default(subscriber, || {
            for _ in 0..10_000 {
                tracing::warn!("bytes were lost on the serial line");
                tracing::trace!("what whoever debugs wants to see");
            }
            calm.tell();
        });
        let told = heard.1.lock().unwrap().clone();
        let warned = heard.0.load(Ordering::Relaxed) - 10_000 - told.len();
        assert!((BURST as usize..BURST as usize + 5).contains(&warned), "{warned}");
        assert_eq!(told, [10_000 - warned as u64]);
    }
}
