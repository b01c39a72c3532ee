//! What the world around the module does to it, in one place: for the console and for tests.

use std::time::Duration;

use serde::Deserialize;

use super::{Engine, Offer};

/// Where the network stands towards the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Network {
    /// There is one, and the SIM is at home in it.
    #[default]
    Home,
    /// There is one, abroad.
    Roaming,
    /// There is one, and it does not want this SIM.
    Denied,
    /// There is none.
    None,
}

/// A change of the world; as JSON `{"do":"sim","there":false}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// The SIM card is put in or pulled out.
    Sim {
        /// It is there now.
        there: bool,
    },
    /// The network comes, goes, or changes its mind.
    Network {
        /// How it is now.
        state: Network,
    },
    /// The signal gets better or worse.
    Signal {
        /// Of `AT+CSQ`: 0-31, 99 unknown.
        rssi: u8,
        /// Of `AT+CESQ`: 0-34, 255 unknown.
        #[serde(default = "unknown")]
        rsrq: u8,
        /// Of `AT+CESQ`: 0-97, 255 unknown.
        #[serde(default = "unknown")]
        rsrp: u8,
    },
    /// Somebody sends a short message to the module.
    Sms {
        /// The number, with `+` if it is international.
        from: String,
        /// The text, of any length.
        text: String,
    },
    /// The network believes it to be another time, and tells a module that is registered.
    Time {
        /// Seconds since 1970.
        unix: u64,
    },
    /// The module is carried somewhere else.
    Position {
        /// Latitude and longitude in degrees, as the services print them; `null`: nobody knows this place.
        place: Option<(String, String)>,
    },
    /// The network hands out another address from the next connection on.
    Address {
        /// Dotted.
        address: String,
    },
    /// What the vendor's cloud has for this module from now on.
    Update {
        /// `null`: nothing; `"building"`, `"too_large"`, or `{"version":"…"}`.
        offer: Option<Offer>,
    },
    /// The host raises or lowers DTR, which a pty cannot carry.
    Dtr {
        /// High lets a module with `AT+CSCLK=1` sleep.
        high: bool,
    },
}

fn unknown() -> u8 {
    255
}

impl Engine {
    /// Lets the world change.
    pub fn change(&mut self, change: Change, now: Duration) {
        self.advance(now);
        match change {
            Change::Sim { there } => self.set_sim(there, now),
            Change::Network { state } => self.set_network(state, now),
            Change::Signal { rssi, rsrq, rsrp } => {
                self.setup.csq.0 = rssi;
                self.setup.cesq = (rsrq, rsrp);
            }
            Change::Sms { from, text } => self.receive_sms(&from, &text, now),
            Change::Time { unix } => self.set_network_time(unix, now),
            Change::Position { place } => self.set_position(place),
            Change::Address { address } => self.set_address(&address),
            Change::Update { offer } => self.offer_update(offer),
            Change::Dtr { high } => self.set_dtr(high, now),
        }
        self.flush();
    }
}
