//! What the session tells of itself: where the link to the cloud stands, and what keeps it down.

use crate::clock::host::unix_ms;
use airgate_proto::{Device, Link, LinkState};
use serde::Serialize;
use serde_json::Map;

/// What keeps the link down, or messages back, in words for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// Stable, for scripts: `sign_in_refused`, `unreachable`, ….
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

impl Trouble {
    pub(crate) fn new(code: &str, message: impl Into<String>, hint: &str) -> Self {
        Self { code: code.to_owned(), message: message.into(), hint: hint.to_owned() }
    }
}

/// Where the link to the cloud stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatus {
    /// Whether the session is up.
    pub state: LinkState,
    /// Since when, in milliseconds since 1970.
    pub since_unix_ms: u64,
    /// Who we are in the cloud, once it is known.
    pub device: Option<Device>,
    /// Sign-ins since the start.
    pub attempts: u64,
    /// What keeps the link down, or did when it was last down.
    pub trouble: Option<Trouble>,
    /// Messages that stand aside since the cloud closed session after session for one of them.
    pub aside: Option<Trouble>,
    /// When the next sign-in is due, if it waits.
    pub next_try_unix_ms: Option<u64>,
}

impl Default for LinkStatus {
    fn default() -> Self {
        Self {
            state: LinkState::Offline,
            since_unix_ms: unix_ms(),
            device: None,
            attempts: 0,
            trouble: None,
            aside: None,
            next_try_unix_ms: None,
        }
    }
}

impl LinkStatus {
    /// The event that programs get when the state changes.
    pub fn event(&self) -> Link {
        let mut detail = Map::new();
        if let (LinkState::Offline, Some(trouble)) = (self.state, &self.trouble) {
            detail.insert("code".into(), trouble.code.clone().into());
            detail.insert("reason".into(), trouble.message.clone().into());
        }
        Link { state: self.state, detail }
    }
}
