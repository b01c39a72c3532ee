//! What is known of the module, for whoever shows it.

use crate::command::network::{Registration, SignalQuality};
use crate::engine::Counters;
use crate::facts::Facts;
use crate::ladder::{Budget, Heal};

/// Who the module is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// `Air780E`.
    pub model: String,
    /// `AirM2M_780E_V1169_LTE_AT`.
    pub firmware: String,
    /// 15 digits.
    pub imei: String,
}

/// How far the way to the broker is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// The serial port cannot be opened.
    #[default]
    NoPort,
    /// The port is open; the module does not answer yet.
    NoAnswer,
    /// The module installs an update of its own firmware, and answers nothing until that is done.
    Updating,
    /// The module answers and is being set up.
    SettingUp,
    /// No SIM card, or one that does not answer.
    NoSim,
    /// The SIM card wants a PIN that is not there, or something that only a person can give.
    SimLocked,
    /// Looking for a network.
    Searching,
    /// In the network, without a session.
    Attached,
    /// A session is being opened.
    Connecting,
    /// The session is up.
    Online,
}

impl Phase {
    /// In one or two words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoPort => "no serial port",
            Self::NoAnswer => "no answer",
            Self::Updating => "installing an update",
            Self::SettingUp => "setting up",
            Self::NoSim => "no SIM card",
            Self::SimLocked => "SIM card locked",
            Self::Searching => "searching network",
            Self::Attached => "attached",
            Self::Connecting => "connecting",
            Self::Online => "online",
        }
    }
}

/// What is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// How far the way is gone.
    pub phase: Phase,
    /// Who the module is, once it has said so.
    pub identity: Option<Identity>,
    /// The last signal report.
    pub signal: Option<SignalQuality>,
    /// The last registration report.
    pub registration: Option<Registration>,
    /// What else is known of card, cell and network.
    pub facts: Facts,
    /// How often the module was seen to boot since the start.
    pub boots: u64,
    /// What the recovery ladder has used today; given to the next start, it is not used twice.
    pub budget: Budget,
    /// The last rung that ended.
    pub last_heal: Option<Heal>,
    /// Totals of the line.
    pub counters: Counters,
    /// The rate of the line, in bits per second.
    pub baud: u32,
    /// Why the port cannot be used, while it cannot.
    pub port_error: Option<String>,
}
