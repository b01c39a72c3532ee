//! What `AT&W` stores and `AT&F` restores.

use crate::modem::profile::Profile;

/// Line rate of a module whose line has none: what `AT+IPR?` shows then.
const DEFAULT_BAUD: u32 = 115_200;

/// Settings with a place in flash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) echo: bool,
    pub(super) cmee: u8,
    /// 0: auto-baud.
    pub(super) ipr: u32,
    /// The rate at which the line runs.
    pub(super) baud: u32,
    pub(super) ifc: (u32, u32),
    pub(super) creg: u32,
    pub(super) cgreg: u32,
    pub(super) cereg: u32,
}

impl Settings {
    pub(super) fn factory(profile: &Profile, baud: u32) -> Self {
        let baud = if baud == 0 { DEFAULT_BAUD } else { baud };
        let ipr = if profile.auto_baud { 0 } else { baud };
        Self { echo: true, cmee: profile.cmee, ipr, baud, ifc: (0, 0), creg: 0, cgreg: 0, cereg: 0 }
    }
}
