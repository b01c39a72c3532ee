//! What has been observed of the module since it last booted.

use crate::command::general::Sim;
use crate::command::network::Registration;
use crate::session::Session;
use crate::step::Step;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

/// Where the session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is known, or the last session failed: it is torn down first.
    Unknown,
    /// `MDISCONNECT` was sent.
    Disconnected,
    /// The module has no connection.
    Closed,
    /// Opening: this many of the opening steps are done.
    Opening(Arc<Session>, usize),
    /// Up.
    Up(Arc<Session>),
}

/// Everything that was observed since the module last booted.
#[derive(Debug)]
pub(super) struct Observed {
    /// The module answers.
    pub(super) answers: bool,
    /// This many of the set-up steps are done.
    pub(super) set_up: usize,
    /// When the last of them was done.
    pub(super) set_up_at: Option<Instant>,
    pub(super) sim: Option<Sim>,
    pub(super) pin_sent: bool,
    pub(super) registration: Option<Registration>,
    pub(super) attached: bool,
    pub(super) stage: Stage,
    pub(super) subscriptions: BTreeMap<String, u8>,
    /// Filters that were refused in this session, and whether it is time to ask again.
    pub(super) refused: BTreeMap<String, bool>,
    /// The session may be gone: ask before it is used again.
    pub(super) suspect: bool,
    /// What puts right a receive mode that is not the one that was set, and fetches the messages it kept back.
    pub(super) repairs: VecDeque<Step>,
}

impl Observed {
    pub(super) fn nothing(stage: Stage) -> Self {
        Self {
            answers: false,
            set_up: 0,
            set_up_at: None,
            sim: None,
            pin_sent: false,
            registration: None,
            attached: false,
            stage,
            subscriptions: BTreeMap::new(),
            refused: BTreeMap::new(),
            suspect: false,
            repairs: VecDeque::new(),
        }
    }
}
