//! `airgate check`: from the configuration file to the cloud, rung by rung; the first rung that fails says what to do.
//!
//! Without a running daemon the port is opened and listened to ([`heard`], [`port`]), then the driver goes the way that
//! the daemon goes ([`module`]). Beside a running daemon, which owns the port, its status tells how far it is ([`daemon`]).
//! Nothing is changed: no device is registered, no message is sent.

pub mod bundle;
pub mod daemon;
pub mod heard;
pub mod lengths;
pub mod module;
pub mod port;
pub mod rights;

use serde::Serialize;

/// The rungs, in the order in which they are climbed. Their names in JSON are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// The configuration.
    File,
    /// The serial port is there.
    Port,
    /// We may use it, and nobody else does.
    Rights,
    /// No login console or kernel console is on it.
    Console,
    /// Something answers `AT`.
    Answer,
    /// It is the AT firmware.
    Image,
    /// Its version is one that is known to work.
    Firmware,
    /// There is a SIM card, and it is unlocked.
    Sim,
    /// There is a signal.
    Signal,
    /// The network has taken the card.
    Registration,
    /// There is an address.
    Pdp,
    /// The module and the host know the time.
    Clock,
    /// The cloud can be reached.
    Connection,
    /// The cloud takes us.
    SignIn,
}

impl Rung {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::File,
        Self::Port,
        Self::Rights,
        Self::Console,
        Self::Answer,
        Self::Image,
        Self::Firmware,
        Self::Sim,
        Self::Signal,
        Self::Registration,
        Self::Pdp,
        Self::Clock,
        Self::Connection,
        Self::SignIn,
    ];

    /// For a person.
    pub fn title(self) -> &'static str {
        match self {
            Self::File => "configuration",
            Self::Port => "serial port",
            Self::Rights => "rights",
            Self::Console => "no console on it",
            Self::Answer => "answers AT",
            Self::Image => "AT firmware",
            Self::Firmware => "firmware version",
            Self::Sim => "SIM card",
            Self::Signal => "signal",
            Self::Registration => "registration",
            Self::Pdp => "address (PDP)",
            Self::Clock => "clock",
            Self::Connection => "TCP/TLS",
            Self::SignIn => "sign-in",
        }
    }
}

/// What came of a rung.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It holds.
    Ok,
    /// It holds, but something deserves a word.
    Warning,
    /// It does not hold.
    Failed,
    /// It was not tried, or cannot be told from here.
    Skipped,
}

/// One rung and what was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub rung: Rung,
    /// How it stands.
    pub state: State,
    /// What was seen.
    pub what: String,
    /// What to do; empty when nothing is to be done.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

/// All rungs so far. Once one has failed, those above it are not reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    findings: Vec<Finding>,
}

/// A rung has failed: those above it cannot be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stop;

impl Report {
    fn add(&mut self, rung: Rung, state: State, what: impl Into<String>, hint: impl Into<String>) {
        // What is found out later about a rung is what counts: a module that answered may fall silent.
        self.findings.retain(|finding| finding.rung != rung);
        self.findings.push(Finding { rung, state, what: what.into(), hint: hint.into() });
    }

    /// The rung holds.
    pub fn ok(&mut self, rung: Rung, what: impl Into<String>) {
        self.add(rung, State::Ok, what, "");
    }

    /// The rung holds, with a word.
    pub fn warn(&mut self, rung: Rung, what: impl Into<String>, hint: impl Into<String>) {
        self.add(rung, State::Warning, what, hint);
    }

    /// The rung cannot be told.
    pub fn skip(&mut self, rung: Rung, what: impl Into<String>) {
        self.add(rung, State::Skipped, what, "");
    }

    /// The rung does not hold, and so ends the climb.
    ///
    /// # Errors
    /// Always [`Stop`].
    pub fn fail(&mut self, rung: Rung, what: impl Into<String>, hint: impl Into<String>) -> Result<(), Stop> {
        self.add(rung, State::Failed, what, hint);
        Err(Stop)
    }

    /// The first rung that failed.
    pub fn failed(&self) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.state == State::Failed)
    }

    /// One finding for every rung, in order; what was not reached is skipped.
    pub fn findings(&self) -> Vec<Finding> {
        let missing = |rung| Finding { rung, state: State::Skipped, what: "not reached".into(), hint: String::new() };
        let found = |rung| self.findings.iter().find(|finding| finding.rung == rung).cloned();
        Rung::ALL.into_iter().map(|rung| found(rung).unwrap_or_else(|| missing(rung))).collect()
    }

    /// For a person, a line for each rung.
    pub fn to_text(&self) -> String {
        self.findings().iter().map(line).collect()
    }

    /// As JSON: `ok`, `failed` (the name of the first rung that failed, or null) and `rungs`.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::json!({
            "ok": self.failed().is_none(),
            "failed": self.failed().map(|finding| finding.rung),
            "rungs": self.findings(),
        })
    }
}

fn line(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Ok => "ok",
        State::Warning => "note",
        State::Failed => "FAIL",
        State::Skipped => "-",
    };
    let mut lines = format!("{mark:<5} {:<17} {}\n", finding.rung.title(), finding.what);
    if finding.state == State::Warning {
        lines.extend(finding.hint.lines().map(|hint| format!("{:24}{hint}\n", "")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_has_its_line_and_a_warning_says_what_to_do() {
        let mut report = Report::default();
        report.ok(Rung::File, "/etc/airgate/airgate.toml");
        report.warn(Rung::Firmware, "V1140 is old", "write a newer one");
        let drawn = report.to_text();
        assert_eq!(drawn.lines().count(), Rung::ALL.len() + 1, "{drawn}");
        assert!(drawn.contains("write a newer one") && drawn.contains("not reached"), "{drawn}");
    }

    #[test]
    fn a_rung_that_held_and_then_did_not_is_told_as_failed() {
        let mut report = Report::default();
        report.ok(Rung::Answer, "at 115200 bit/s");
        report.ok(Rung::Image, "Air780E");
        assert_eq!(report.fail(Rung::Answer, "it fell silent", "look at it"), Err(Stop));
        let answer = report.findings().into_iter().find(|finding| finding.rung == Rung::Answer).unwrap();
        assert_eq!((answer.state, answer.what.as_str()), (State::Failed, "it fell silent"));
    }

    #[test]
    fn rungs_above_the_one_that_failed_are_told_as_not_reached() {
        let mut report = Report::default();
        report.ok(Rung::File, "fine");
        assert_eq!(report.fail(Rung::Port, "no such port", "look for it"), Err(Stop));
        let findings = report.findings();
        assert_eq!(findings.len(), Rung::ALL.len());
        assert_eq!(findings[1].state, State::Failed);
        assert!(findings[2..].iter().all(|finding| finding.state == State::Skipped));
        assert_eq!(report.to_json()["failed"], "port");
    }

    #[test]
    fn every_rung_is_explained_to_people() {
        let page = include_str!("../../../../docs/troubleshooting.md");
        for rung in Rung::ALL {
            let name = serde_json::to_value(rung).unwrap();
            assert!(page.contains(&format!("| `{}` |", name.as_str().unwrap())), "{name}");
        }
    }
}
