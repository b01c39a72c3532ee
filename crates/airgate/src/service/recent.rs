//! The newest log lines, once more: for operators who look from afar, where no journal is kept or reachable.
//!
//! What goes into the log bears no secret, and neither do these; what is below level info (the line's traffic) is left out.
//! At most 128 lines of 240 bytes are kept.

use super::text::Text;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Lines kept.
pub const LINES: usize = 128;
/// Bytes of a line; more are cut off.
pub const LINE_BYTES: usize = 240;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    seq: u64,
    unix_ms: u64,
    level: Level,
    target: &'static str,
    text: String,
}

/// Logging is one for the whole process, and so is this.
static RING: OnceLock<Mutex<Ring>> = OnceLock::new();

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<Line>,
    last: u64,
}

impl Ring {
    fn put(&mut self, unix_ms: u64, level: Level, target: &'static str, mut text: String) {
        let end = (0..=LINE_BYTES.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(end);
        text.shrink_to_fit();
        self.last += 1;
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(Line { seq: self.last, unix_ms, level, target, text });
    }

    fn after(&self, seq: u64) -> Value {
        let lines = self.lines.iter().filter(|line| line.seq > seq).map(|line| {
            json!({
                "seq": line.seq,
                "unix_ms": line.unix_ms,
                "level": line.level.as_str().to_ascii_lowercase(),
                "target": line.target,
                "text": line.text,
            })
        });
        json!({ "lines": lines.collect::<Vec<_>>(), "next": self.last })
    }
}

/// Lines after number `seq`, and from which to go on: `{"lines":[…],"next":N}`.
pub fn after(seq: u64) -> Value {
    ring().lock().unwrap_or_else(PoisonError::into_inner).after(seq)
}

fn ring() -> &'static Mutex<Ring> {
    RING.get_or_init(Mutex::default)
}

/// Keeps the lines.
pub(super) struct Recent;

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::INFO {
            return;
        }
        let text = Text::of(event);
        let mut ring = ring().lock().unwrap_or_else(PoisonError::into_inner);
        ring.put(crate::clock::host::unix_ms(), *metadata.level(), metadata.target(), text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn a_storm_of_long_lines_keeps_the_newest_within_the_bound() {
        let mut ring = Ring::default();
        for number in 0..1000u64 {
            ring.put(number, Level::WARN, "t", format!("{number} {}", "\u{6e29}".repeat(500)));
        }
        assert_eq!(ring.lines.len(), LINES);
        assert!(ring.lines.iter().all(|line| line.text.capacity() <= LINE_BYTES));
        let page = ring.after(998);
        assert_eq!((page["lines"].as_array().unwrap().len(), &page["next"]), (2, &json!(1000)));
    }

    #[test]
    fn what_goes_over_the_line_and_secrets_are_not_in_it() {
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Recent), || {
            let secret = crate::config::Secret::new("hunter2");
            tracing::trace!("> AT+CPIN=0123");
            tracing::debug!("details");
            tracing::info!(?secret, "signed in");
        });
        let page = after(0).to_string();
        assert!(page.contains("signed in") && page.contains("REDACTED"), "{page}");
        assert!(!page.contains("0123") && !page.contains("details") && !page.contains("hunter2"), "{page}");
    }
}
