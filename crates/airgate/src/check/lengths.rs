//! Whether the firmware takes messages as long as the configuration lets them be, where somebody has said so of that firmware.
//!
//! The module cannot be asked: what it answers to `AT+MPUBEX=?` names the field of the length and no bound.

use super::{Report, Rung};
use crate::config::Loaded;

/// The one firmware of which a bound is known that is lower than the manual's 4,100 bytes.
///
/// Source: the vendor's page on MQTT that was made with this firmware, its questions and answers. The manual names no firmware.
const BOUNDED: &str = "AirM2M_780E_V1169_LTE_AT";
/// The longest payload that it takes, in bytes, by the same page.
const TAKES: usize = 2384;

/// Compares `max_publish_bytes` with what is known of this firmware; says nothing where nothing is.
pub fn compare(report: &mut Report, firmware: &str, loaded: &Loaded) {
    let longest = loaded.config.modem.max_publish_bytes;
    if firmware != BOUNDED || longest <= TAKES {
        return;
    }
    let place = loaded.place_of("modem.max_publish_bytes").map(|place| format!(" in {place}")).unwrap_or_default();
    report.warn(
        Rung::Firmware,
        format!(
            "{firmware} takes at most {TAKES} bytes, by the vendor's page on it: messages longer than that are accepted, \
             and given up when they are sent"
        ),
        format!(
            "set max_publish_bytes = {TAKES} under [modem] (it is {longest}{place}), unless you have seen longer ones arrive"
        ),
    );
}
