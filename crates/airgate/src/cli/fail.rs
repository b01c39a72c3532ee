//! How a command fails: `error[code]: what`, `hint: what to do`, and an exit code that scripts can rely on.

use crate::config::ConfigError;
use airgate_client::Error;
use std::fmt::Display;
use std::process::ExitCode;

/// A failure, as it is shown.
#[derive(Debug)]
pub(super) struct Fail {
    exit: u8,
    lines: Vec<String>,
}

impl Fail {
    fn new(exit: u8, code: &str, what: impl Display, hint: &str) -> Self {
        let mut lines = vec![format!("error[{code}]: {what}")];
        if !hint.is_empty() {
            lines.push(format!("hint: {hint}"));
        }
        Self { exit, lines }
    }

    /// It did not work: exit code 1.
    pub(super) fn failed(code: &str, what: impl Display) -> Self {
        Self::new(1, code, what, "")
    }

    /// The configuration or the arguments are wrong: exit code 2.
    pub(super) fn usage(code: &str, what: impl Display, hint: &str) -> Self {
        Self::new(2, code, what, hint)
    }

    /// Somebody may not: exit code 4.
    pub(super) fn refused(what: &str, hint: &str) -> Self {
        Self::new(4, "not_allowed", what, hint)
    }

    /// Everything that is wrong with the configuration, at once.
    pub(super) fn config(errors: &[ConfigError]) -> Self {
        let lines = errors.iter().flat_map(|error| {
            let what = format!("error[{}]: {error}", error.code());
            [Some(what), error.hint().map(|hint| format!("hint: {hint}"))].into_iter().flatten()
        });
        Self { exit: 2, lines: lines.collect() }
    }

    /// A rung on the way to the cloud does not hold: exit code 1.
    pub(super) fn check(rung: &str, what: &str, hint: &str) -> Self {
        Self::new(1, "check_failed", format!("{rung}: {what}"), hint)
    }

    /// The same, and of which of several.
    pub(super) fn of(mut self, which: &str) -> Self {
        if let Some(first) = self.lines.first_mut() {
            *first = first.replacen("]: ", &format!("]: {which}: "), 1);
        }
        self
    }

    /// Says it and tells the exit code.
    pub(super) fn show(&self) -> ExitCode {
        for line in &self.lines {
            eprintln!("{line}");
        }
        ExitCode::from(self.exit)
    }
}

impl From<airgate_client::Error> for Fail {
    fn from(error: airgate_client::Error) -> Self {
        match error {
            Error::NoDaemon { path, hint, source } => {
                Self::new(3, "no_daemon", format!("no daemon at {}: {source}", path.display()), hint)
            }
            Error::Refused { code, message, hint } => Self::new(4, code.as_str(), message, &hint),
            Error::Dropped { .. } => Self::new(1, "dropped", error, ""),
            Error::Closed => Self::new(1, "closed", "the daemon ended the connection", "see `airgate status`"),
            error @ Error::Protocol(_) => Self::new(1, "protocol", error, ""),
        }
    }
}
