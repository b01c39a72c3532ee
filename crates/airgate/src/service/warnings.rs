//! The daemon's own warnings and errors, once more: for the cloud's log, if the cloud asks for them.
//!
//! What goes into the log bears no secret, and neither do these.

use super::text::Text;
use iotcloud::aliyun::dialogue::{Level as CloudLevel, LogLine};
use std::sync::{Mutex, OnceLock, PoisonError};
use tokio::sync::mpsc;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Warnings that wait for the session; more are dropped, the log has them.
const WAITING: usize = 64;

/// One warning or error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    unix_ms: u64,
    is_error: bool,
    target: &'static str,
    text: String,
}

impl From<Warning> for LogLine {
    fn from(Warning { unix_ms, is_error, target, text }: Warning) -> Self {
        let level = if is_error { CloudLevel::Error } else { CloudLevel::Warn };
        Self { unix_ms, level, module: target.to_owned(), text }
    }
}

type Kept = Mutex<Option<mpsc::Receiver<Warning>>>;

/// Between the layer, which is set up first, and the session.
static KEPT: OnceLock<Kept> = OnceLock::new();

/// The warnings of this process, for the one who asks first; `None` without the layer.
pub fn take() -> Option<mpsc::Receiver<Warning>> {
    KEPT.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()
}

/// What takes the warnings down.
pub(super) fn layer() -> Warnings {
    let (sender, receiver) = mpsc::channel(WAITING);
    let kept = KEPT.get_or_init(Kept::default);
    *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(receiver);
    Warnings(sender)
}

pub(super) struct Warnings(mpsc::Sender<Warning>);

impl<S: Subscriber> Layer<S> for Warnings {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        if *metadata.level() > Level::WARN {
            return;
        }
        let warning = Warning {
            unix_ms: crate::clock::host::unix_ms(),
            is_error: *metadata.level() == Level::ERROR,
            target: metadata.target(),
            text: Text::of(event),
        };
        // Full, or nobody wants to know.
        let _ = self.0.try_send(warning);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    #[test]
    fn warnings_and_errors_are_taken_down_with_their_fields_and_nothing_else() {
        let layer = layer();
        let mut warnings = take().expect("they are there once");
        assert!(take().is_none());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!("not this");
            tracing::warn!(seq = 7, "a message was given up");
            tracing::error!("worse");
        });
        let line = LogLine::from(warnings.try_recv().unwrap());
        assert_eq!((line.level, line.text.as_str()), (CloudLevel::Warn, "a message was given up seq=7"));
        assert_eq!(LogLine::from(warnings.try_recv().unwrap()).level, CloudLevel::Error);
        assert!(warnings.try_recv().is_err());
    }
}
