//! What stands in the way before a sign-in can even be tried: port, module, SIM card, network.
//!
//! It comes before what ended the last session: a card that has been pulled since is the thing to know.

use crate::session::Trouble;
use air780e::command::network::Registration;
use air780e::status::{Phase, Status};

/// The first thing that is missing; none where the way to the cloud is free.
pub(super) fn obstacle(port: &str, module: &Status) -> Option<Trouble> {
    let (code, message, hint) = match module.phase {
        Phase::NoPort => {
            let reason = module.port_error.as_deref().unwrap_or("it is not open yet");
            let message = format!("the serial port {port} cannot be used: {reason}");
            return Some(Trouble::new(
                "no_port",
                message,
                "check the cable, `port` under [modem] and the rights: `airgate check`",
            ));
        }
        Phase::NoAnswer => {
            ("no_answer", "the module does not answer", "`airgate check` tells why, with the daemon stopped")
        }
        Phase::Updating => (
            "updating",
            "the module installs an update of its own firmware",
            "this takes a few minutes, in which it must not lose its power",
        ),
        Phase::NoSim => {
            ("no_sim", "the SIM card is missing or does not answer", "check that it is in, and the right way round")
        }
        Phase::SimLocked => (
            "sim_locked",
            "the SIM card is locked",
            "give its PIN as `sim_pin` under [modem]; a PUK goes in with a phone",
        ),
        Phase::Searching if module.registration == Some(Registration::Denied) => (
            "network_denied",
            "the network refuses the SIM card",
            "check with its operator that it is active, paid for, and may be used in this module and here",
        ),
        Phase::Searching => ("no_network", "no network has been found yet", "check the antenna and the coverage"),
        Phase::SettingUp | Phase::Attached | Phase::Connecting | Phase::Online => return None,
    };
    Some(Trouble::new(code, message, hint))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(module: &Status) -> Option<String> {
        obstacle("/dev/ttyAMA0", module).map(|trouble| trouble.code)
    }

    #[test]
    fn each_phase_without_a_way_to_the_cloud_says_what_is_missing() {
        for (phase, expected) in [
            (Phase::NoPort, Some("no_port")),
            (Phase::NoAnswer, Some("no_answer")),
            (Phase::Updating, Some("updating")),
            (Phase::NoSim, Some("no_sim")),
            (Phase::SimLocked, Some("sim_locked")),
            (Phase::Searching, Some("no_network")),
            (Phase::Attached, None),
            (Phase::Online, None),
        ] {
            assert_eq!(code(&Status { phase, ..Status::default() }).as_deref(), expected, "{phase:?}");
        }
        let denied = Status { phase: Phase::Searching, registration: Some(Registration::Denied), ..Status::default() };
        assert_eq!(code(&denied).as_deref(), Some("network_denied"));
    }

    #[test]
    fn a_port_that_cannot_be_opened_is_named_with_the_reason() {
        let module = Status { port_error: Some("Permission denied".into()), ..Status::default() };
        let message = obstacle("/dev/ttyAMA0", &module).unwrap().message;
        assert!(message.contains("/dev/ttyAMA0") && message.contains("Permission denied"), "{message}");
    }
}
