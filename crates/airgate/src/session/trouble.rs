//! What keeps the link down, or messages back, in words for a person: what is wrong, and what to do.

use super::status::Trouble;
use super::thrown::Unsent;
use crate::store::StoreError;
use crate::uplink::{CannotSignIn, NotRegistered};
use air780e::link::Down;
use airgate_proto::Device;
use iotcloud::aliyun::{HttpsError, RegistrationMode};
use iotcloud::{ConfigError, Refusal};
use std::time::Duration;

/// The code of [`thrown_out`].
pub(super) const IDENTITY_TAKEN: &str = "identity_taken";

pub(super) fn bad_identity(error: &ConfigError) -> Trouble {
    Trouble::new("bad_identity", format!("`{}` {}", error.field, error.message), &error.hint)
}

pub(super) fn cannot_sign_in(error: &CannotSignIn) -> Trouble {
    Trouble::new("cannot_sign_in", error.to_string(), "change [cloud] in the configuration and restart the daemon")
}

pub(super) fn refused(refusal: &Refusal) -> Trouble {
    Trouble::new("sign_in_refused", refusal.message.clone(), &refusal.hint)
}

/// A configured secret that was refused so often that it counts as wrong.
pub(super) fn stopped(refusal: &Refusal, times: u32) -> Trouble {
    let message = format!(
        "{}; that was the answer {times} times in a row, so it counts as wrong and is hardly tried any more (at last once an hour)",
        refusal.message
    );
    let hint = format!("{}; after a change of the configuration, restart the daemon", refusal.hint);
    Trouble::new("sign_in_stopped", message, &hint)
}

/// Sessions that the cloud closes one after the other.
pub(super) fn thrown_out(times: u32, device: Option<&Device>, suspect: Option<&Unsent>) -> Trouble {
    let name = device.map_or_else(|| "this client ID".to_owned(), |d| format!("the device `{}`", d.device_name));
    let message = format!(
        "the cloud closed {times} sessions in a row soon after their sign-in: most likely another device or \
                           program signs in as {name}, too"
    );
    let hint = "find the other one (a copied SD card, a second gateway, a test program) and give each its own device; in the \
                console, the device's log says who was thrown out and from which address";
    let or = suspect.map_or_else(String::new, |Unsent { seq, topic }| {
        format!(
            "; or the cloud closes the connection for message {seq} to {topic}, which was being sent each time: it steps \
             aside for the others, and `airgate outbox drop --topic '{topic}'` gives up what waits under this topic"
        )
    });
    Trouble::new(IDENTITY_TAKEN, message, &format!("{hint}{or}"))
}

/// What happens to a message for which the cloud closes session after session.
pub(super) fn stands_aside(Unsent { seq, topic }: &Unsent, pause: Duration) -> Trouble {
    let message = format!(
        "the cloud closed the connection each time when message {seq} to {topic} was being sent: what waits under this topic \
         stands aside, and is tried again after {} min",
        pause.as_secs() / 60
    );
    let hint = format!(
        "see whether the cloud lets this device write there; `airgate outbox drop --topic '{topic}'` gives up what waits \
         under this topic"
    );
    Trouble::new("stands_aside", message, &hint)
}

pub(super) fn registration_refused(refusal: &Refusal) -> Trouble {
    Trouble::new("registration_refused", refusal.message.clone(), &refusal.hint)
}

/// Over HTTPS the cloud says why.
pub(super) fn registration_refused_because(error: &HttpsError) -> Trouble {
    Trouble::new("registration_refused", error.to_string(), "")
}

pub(super) fn registration_failed(error: &NotRegistered) -> Trouble {
    let hint = "it is tried again, by MQTT if `register_by` allows it; `airgate status` tells how the module is";
    Trouble::new("registration_failed", error.to_string(), hint)
}

pub(super) fn unanswered() -> Trouble {
    let message = "the cloud accepted the registration and sent no answer that can be used";
    Trouble::new("registration_unanswered", message, "it is tried again; the log tells whether an answer came")
}

pub(super) fn answers_lost() -> Trouble {
    let message = "the cloud accepted three registrations and none of its answers came: no further one is tried, since \
                   each may use up one of the five devices that share the name";
    let hint = "compare the instance with the console; `airgate credentials forget` and a restart try anew";
    Trouble::new("registration_stopped", message, hint)
}

pub(super) fn store(error: &StoreError) -> Trouble {
    let hint = match error {
        StoreError::Locked { .. } => {
            "give the key that it was encrypted with as the systemd credential `store_key` (LoadCredential= in a drop-in of \
             airgate.service); nothing is registered until then"
        }
        _ => "check the disk, and that the directory belongs to the daemon's user; nothing is registered until then",
    };
    Trouble::new("store_unusable", error.to_string(), hint)
}

/// What to do about a registered credential that is refused.
pub(super) fn refused_credential(mode: RegistrationMode) -> &'static str {
    match mode {
        RegistrationMode::Register => {
            "check in the console that the device is enabled and still there; it is registered anew after 10 minutes, at \
             most once a day, which works when it was reset there"
        }
        RegistrationMode::RegisterNoPrereg => {
            "check in the console that the device is enabled and still there; `airgate credentials forget` and a restart \
             register it anew, which uses up another of the five devices that share the name"
        }
    }
}

pub(super) fn down(down: &Down) -> Trouble {
    let (code, hint) = match down {
        Down::Unreachable(_) => {
            ("unreachable", "check `host` and `port` under [cloud], the APN, and whether the SIM card may use data")
        }
        Down::Refused(_) => ("sign_in_refused", ""),
        Down::Failed(_) => ("sign_in_failed", "`airgate status` tells how the module is"),
        Down::Closed => ("closed", "if it happens again and again, another device may use the same identity"),
        Down::Gone => ("session_gone", ""),
        Down::NotAcknowledged => ("not_acknowledged", "the signal may be weak: an RSRP below -110 dBm is"),
        Down::Rebooted => ("module_rebooted", "if it happens again and again, check the module's power supply"),
        Down::PortLost => ("port_lost", "check the cable and `port` under [modem]"),
        Down::Unwanted => ("unwanted", ""),
    };
    Trouble::new(code, down.to_string(), hint)
}
