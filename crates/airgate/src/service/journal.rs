//! From `tracing` events to records of the journal, with every field a field of its own.
//!
//! `tracing`'s own bridge to `log` flattens the fields into the message; this layer keeps them.

use std::fmt::{self, Write};

use log::kv::{self, Source, VisitSource};
use log::{Level, Record};
use systemd_journal_logger::JournalLog;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_log::NormalizeEvent;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// Takes the records that the layer makes.
pub(super) trait Sink: Send + Sync + 'static {
    /// Takes one; there is nobody to tell when that fails.
    fn take(&self, record: &Record<'_>);
}

impl Sink for JournalLog {
    fn take(&self, record: &Record<'_>) {
        drop(self.journal_send(record));
    }
}

/// The layer.
pub(super) struct JournalLayer<S>(S);

impl<S: Sink> JournalLayer<S> {
    pub(super) fn new(sink: S) -> Self {
        Self(sink)
    }
}

/// Fields by name, in order; a later one of the same name wins.
#[derive(Default)]
struct Fields(Vec<(String, String)>);

impl Fields {
    fn put(&mut self, name: &str, value: String) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    fn message(&self) -> &str {
        self.0.iter().find(|(name, _)| name == "message").map_or("", |(_, text)| text)
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing into a string fails only when the value's own `Debug` does.
        if write!(text, "{value:?}").is_ok() {
            self.put(field.name(), text);
        }
    }
}

impl Source for Fields {
    /// All but the message. The journal's logger upper-cases the names; `log.*` are the bridge's own notes on where a
    /// record came from.
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        for (name, value) in self.0.iter().filter(|(name, _)| name != "message" && !name.starts_with("log.")) {
            // An event of the table is found and explained by its number.
            if name == "event"
                && let Some(id) = super::events::message_id(value)
            {
                visitor.visit_pair(kv::Key::from_str("airgate_event"), kv::Value::from(value.as_str()))?;
                visitor.visit_pair(kv::Key::from_str("message_id"), kv::Value::from(id))?;
                continue;
            }
            // A leading underscore is for the journal's own, trusted fields.
            visitor.visit_pair(kv::Key::from_str(name.trim_start_matches('_')), kv::Value::from(value.as_str()))?;
        }
        Ok(())
    }
}

impl<S, R> Layer<R> for JournalLayer<S>
where
    S: Sink,
    R: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, R>) {
        if let Some(span) = context.span(id) {
            let mut fields = Fields::default();
            attributes.record(&mut fields);
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &tracing::span::Record<'_>, context: Context<'_, R>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, R>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                for (name, value) in of_span.0.iter().filter(|(name, _)| name != "message") {
                    fields.put(name, value.clone());
                }
            }
        }
        event.record(&mut fields);
        let normal = event.normalized_metadata();
        let metadata = normal.as_ref().unwrap_or_else(|| event.metadata());
        self.0.take(
            &Record::builder()
                .level(level(*metadata.level()))
                .target(metadata.target())
                .module_path(metadata.module_path())
                .file(metadata.file())
                .line(metadata.line())
                .args(format_args!("{}", fields.message()))
                .key_values(&fields)
                .build(),
        );
    }
}

fn level(level: tracing::Level) -> Level {
    match level {
        tracing::Level::ERROR => Level::Error,
        tracing::Level::WARN => Level::Warn,
        tracing::Level::INFO => Level::Info,
        tracing::Level::DEBUG => Level::Debug,
        tracing::Level::TRACE => Level::Trace,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// Keeps what it is given as the journal would show it.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<BTreeMap<String, String>>>>);

    struct Into<'m>(&'m mut BTreeMap<String, String>);

    impl<'kvs> VisitSource<'kvs> for Into<'_> {
        fn visit_pair(&mut self, key: kv::Key<'kvs>, value: kv::Value<'kvs>) -> Result<(), kv::Error> {
            assert_eq!(self.0.insert(key.to_string(), value.to_string()), None, "{key} twice");
            Ok(())
        }
    }

    impl Sink for Kept {
        fn take(&self, record: &Record<'_>) {
            let mut fields = BTreeMap::from([
                ("message".to_owned(), record.args().to_string()),
                ("level".to_owned(), record.level().to_string()),
                ("target".to_owned(), record.target().to_owned()),
            ]);
            record.key_values().visit(&mut Into(&mut fields)).unwrap();
            self.0.lock().unwrap().push(fields);
        }
    }

    fn record_of(act: impl FnOnce()) -> BTreeMap<String, String> {
        let kept = Kept::default();
        let subscriber = tracing_subscriber::registry().with(JournalLayer::new(kept.clone()));
        tracing::subscriber::with_default(subscriber, act);
        kept.0.lock().unwrap().pop().unwrap()
    }

    #[test]
    fn every_field_of_event_and_spans_is_a_field_of_its_own() {
        let record = record_of(|| {
            let outer = tracing::info_span!("modem", name = "m0", imei = tracing::field::Empty).entered();
            outer.record("imei", 8);
            let _inner = tracing::info_span!("publish", topic = "a/b", name = "m1").entered();
            tracing::warn!(target: "line", bytes = 42, rc = -1, ok = true, "two\nlines {}", 7);
        });
        let expected = [
            ("bytes", "42"),
            ("imei", "8"),
            ("level", "WARN"),
            ("message", "two\nlines 7"),
            ("name", "m1"),
            ("ok", "true"),
            ("rc", "-1"),
            ("target", "line"),
            ("topic", "a/b"),
        ];
        assert_eq!(record, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn an_event_of_the_table_bears_its_name_and_number_and_another_word_does_not() {
        let record = record_of(|| tracing::info!(event = "online", imei = "8", "online"));
        assert_eq!(record["airgate_event"], "online");
        assert_eq!(Some(record["message_id"].as_str()), super::super::events::message_id("online"));
        assert!(!record.contains_key("event"), "{record:?}");
        let record = record_of(|| tracing::info!(event = "made up", "hello"));
        assert!(record.contains_key("event") && !record.contains_key("message_id"), "{record:?}");
    }

    #[test]
    fn trusted_fields_of_the_journal_cannot_be_forged() {
        let record = record_of(|| tracing::info!(_PID = 1, "hello"));
        assert!(record.contains_key("PID") && !record.contains_key("_PID"), "{record:?}");
    }

    #[test]
    fn record_of_the_log_crate_keeps_its_own_target() {
        let record = record_of(|| {
            let record = Record::builder().level(Level::Error).target("atat").args(format_args!("late")).build();
            tracing_log::format_trace(&record).unwrap();
        });
        assert_eq!(record["target"], "atat");
        assert_eq!(record["level"], "ERROR");
        assert_eq!(record["message"], "late");
        assert_eq!(record.len(), 3, "{record:?}");
    }

    #[test]
    fn secret_in_an_event_stays_hidden() {
        let secret = crate::config::Secret::new("hunter2");
        assert_eq!(record_of(|| tracing::info!(?secret))["secret"], "[REDACTED]");
    }
}
