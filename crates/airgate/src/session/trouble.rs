//! What keeps the link down, in words for a person: what is wrong, and what to do.

use crate::status::Trouble;
use crate::uplink::CannotSignIn;
use air780e::link::Down;
use iotcloud::{ConfigError, Refusal};

fn trouble(code: &str, message: String, hint: &str) -> Trouble {
    Trouble { code: code.to_owned(), message, hint: hint.to_owned() }
}

pub(super) fn bad_identity(error: &ConfigError) -> Trouble {
    trouble("bad_identity", format!("`{}` {}", error.field, error.message), &error.hint)
}

pub(super) fn cannot_sign_in(error: &CannotSignIn) -> Trouble {
    trouble("cannot_sign_in", error.to_string(), "change [cloud] in the configuration and restart the daemon")
}

pub(super) fn refused(refusal: &Refusal) -> Trouble {
    trouble("sign_in_refused", refusal.message.clone(), &refusal.hint)
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
        Down::NotAcknowledged => ("not_acknowledged", "the signal may be weak: see `airgate status`"),
        Down::Rebooted => ("module_rebooted", "if it happens again and again, check the module's power supply"),
        Down::PortLost => ("port_lost", "check the cable and `port` under [modem]"),
        Down::Unwanted => ("unwanted", ""),
    };
    trouble(code, down.to_string(), hint)
}
