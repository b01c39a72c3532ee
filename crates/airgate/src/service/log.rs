//! Where logs go: structured into systemd's journal when it reads our stderr, else as lines on stderr.

use std::io;
use std::os::fd::AsFd;

use systemd_journal_logger::JournalLog;
use tracing::Level;
use tracing_log::LogTracer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::journal::JournalLayer;
use super::storm::Calm;

/// Where logs go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// The journal, when systemd connected our stderr to it, else stderr.
    Auto,
    /// Stderr in any case.
    Stderr,
}

/// Logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// Something else has set up logging in this process.
    #[error("logging has been set up already")]
    Twice,
    /// `AIRGATE_LOG` or `RUST_LOG` cannot be understood.
    #[error("{variable} is not a filter ({why}): write it as in {variable}=info,air780e=trace")]
    Filter {
        /// The variable.
        variable: &'static str,
        /// What the parser says.
        why: String,
    },
}

/// The logging of this process.
#[derive(Debug, Clone)]
pub struct Logs {
    /// Where they go: `journal` or `stderr`.
    pub place: &'static str,
    /// The variable of the environment that decides the level, if one does.
    pub decided_by: Option<&'static str>,
    filter: reload::Handle<EnvFilter, Registry>,
    calm: Calm,
}

impl Logs {
    /// Tells from this level on, unless the environment decides. Tells whether it does so.
    pub fn set_level(&self, level: Level) -> bool {
        self.decided_by.is_none() && self.filter.reload(EnvFilter::default().add_directive(level.into())).is_ok()
    }

    /// Tells what was left out of a storm. To be called now and then.
    pub fn tell_suppressed(&self) {
        self.calm.tell();
    }
}

/// Sets logging up for the whole process, once. `AIRGATE_LOG`, or else `RUST_LOG`, of the environment overrides
/// `level`. What crates say through `log` comes along.
///
/// # Errors
/// See [`LogError`].
pub fn init(level: Level, target: Target) -> Result<Logs, LogError> {
    let (filter, decided_by) = filter(level, |name| std::env::var(name).ok())?;
    let (filter, handle) = reload::Layer::new(filter);
    let calm = Calm::default();
    let journal = match target {
        // A journal that is named but gone is no reason to stay silent.
        Target::Auto if stderr_is_journal(std::env::var("JOURNAL_STREAM").ok().as_deref()) => JournalLog::new().ok(),
        _ => None,
    };
    let (layer, place) = match journal {
        Some(journal) => (JournalLayer::new(journal.with_syslog_identifier("airgate".to_owned())).boxed(), "journal"),
        None => (fmt::layer().with_writer(io::stderr).with_ansi(is_terminal()).boxed(), "stderr"),
    };
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(calm.clone())
        .with(layer)
        .with(super::warnings::layer())
        .with(super::recent::Recent);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    LogTracer::init().map_err(|_| LogError::Twice)?;
    Ok(Logs { place, decided_by, filter: handle, calm })
}

fn is_terminal() -> bool {
    use io::IsTerminal;
    io::stderr().is_terminal()
}

type Filter = (EnvFilter, Option<&'static str>);

/// The filter, and the variable that says it.
fn filter(level: Level, variable: impl Fn(&str) -> Option<String>) -> Result<Filter, LogError> {
    for name in ["AIRGATE_LOG", "RUST_LOG"] {
        if let Some(text) = variable(name).filter(|text| !text.is_empty()) {
            let filter = EnvFilter::try_new(&text);
            let filter = filter.map_err(|why| LogError::Filter { variable: name, why: why.to_string() })?;
            return Ok((filter, Some(name)));
        }
    }
    Ok((EnvFilter::default().add_directive(level.into()), None))
}

/// Whether `JOURNAL_STREAM` (`device:inode` of the stream that systemd made) is our stderr. The variable alone is not
/// enough: it is inherited by programs whose stderr goes elsewhere.
///
/// Source: systemd.exec(5), JOURNAL_STREAM.
fn stderr_is_journal(journal_stream: Option<&str>) -> bool {
    is_journal(journal_stream, io::stderr().as_fd())
}

fn is_journal(journal_stream: Option<&str>, stream: std::os::fd::BorrowedFd<'_>) -> bool {
    let Some((device, inode)) = journal_stream.and_then(|text| text.split_once(':')) else { return false };
    let Ok(stat) = rustix::fs::fstat(stream) else { return false };
    device.parse() == Ok(stat.st_dev) && inode.parse() == Ok(stat.st_ino)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_that_goes_elsewhere_is_not_the_journal() {
        let file = tempfile::tempfile().unwrap();
        let stat = rustix::fs::fstat(&file).unwrap();
        let named = format!("{}:{}", stat.st_dev, stat.st_ino);
        assert!(is_journal(Some(&named), file.as_fd()));
        let other = format!("{}:{}", stat.st_dev, stat.st_ino + 1);
        for text in [None, Some(""), Some("8"), Some("x:y"), Some(other.as_str())] {
            assert!(!is_journal(text, file.as_fd()), "{text:?}");
        }
    }

    #[test]
    fn variables_override_the_level_and_ours_comes_first() {
        let with = |ours: Option<&str>, common: Option<&str>| {
            let variable = |name: &str| if name == "AIRGATE_LOG" { ours } else { common }.map(str::to_owned);
            filter(Level::WARN, variable)
                .map(|(filter, by)| (filter.to_string(), by))
                .map_err(|error| error.to_string())
        };
        assert_eq!(with(None, None), Ok(("warn".into(), None)));
        assert_eq!(with(None, Some("debug")), Ok(("debug".into(), Some("RUST_LOG"))));
        assert_eq!(with(Some("trace"), Some("debug")), Ok(("trace".into(), Some("AIRGATE_LOG"))));
        assert!(with(Some("info,a=b=c"), None).unwrap_err().contains("AIRGATE_LOG"));
    }
}
