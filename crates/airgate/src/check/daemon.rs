//! How far a running daemon is, from its status. No I/O.

use super::{Report, Rung, Stop};
use serde_json::Value;

/// Climbs as far as the daemon is. `status` is what it tells; of another version it may lack anything.
///
/// # Errors
/// [`Stop`] when a rung failed, which is in the report.
pub fn climb(report: &mut Report, status: &Value) -> Result<(), Stop> {
    let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let port = text("/module/port");
    let phase = text("/module/phase");
    if phase == "no serial port" {
        let hint = "stop the daemon and check again for a closer look: systemctl stop airgate; airgate check";
        return report.fail(Rung::Port, format!("{port}: {}", text("/module/port_error")), hint);
    }
    report.ok(Rung::Port, format!("{port}, in use by the running daemon"));
    report.ok(Rung::Rights, "the daemon uses it");
    report.skip(Rung::Console, "cannot be told while the daemon has the port");
    if phase == "no answer" {
        let hint = "stop the daemon and check again, so that the line can be listened to: systemctl stop airgate; airgate check";
        return report.fail(Rung::Answer, "the module does not answer", hint);
    }
    report.ok(Rung::Answer, "the module answers");
    if phase == "setting up" {
        return report.fail(Rung::Image, "the module does not take its settings", "`airgate at ATI` shows what it is");
    }
    super::module::image(report, text("/module/model"), text("/module/firmware"))?;
    super::module::firmware(report, text("/module/firmware"));
    sim(report, phase)?;
    network(report, status, phase)?;
    report.skip(Rung::Clock, "stop the daemon to compare the clocks");
    link(report, status)
}

fn sim(report: &mut Report, phase: &str) -> Result<(), Stop> {
    match phase {
        "no SIM card" => report.fail(
            Rung::Sim,
            "there is no SIM card, or it is not recognised",
            "put one in, and restart the module",
        ),
        "SIM card locked" => report.fail(
            Rung::Sim,
            "the SIM card is locked",
            "give its PIN as sim_pin = \"…\" under [modem]; if there is one, compare it with the card's papers",
        ),
        _ => {
            report.ok(Rung::Sim, "there, and unlocked");
            Ok(())
        }
    }
}

fn network(report: &mut Report, status: &Value, phase: &str) -> Result<(), Stop> {
    let searching = phase == "searching network";
    let dbm = status.pointer("/module/rssi_dbm").and_then(Value::as_i64).and_then(|dbm| i16::try_from(dbm).ok());
    super::module::signal(report, dbm, !searching)?;
    let registration = status.pointer("/module/registration").and_then(Value::as_str).unwrap_or_default();
    if searching {
        let registration = match registration {
            "denied" => Some(air780e::command::network::Registration::Denied),
            "home" => Some(air780e::command::network::Registration::Home),
            "roaming" => Some(air780e::command::network::Registration::Roaming),
            _ => None,
        };
        return super::module::not_registered(report, registration);
    }
    report.ok(Rung::Registration, registration);
    report.ok(Rung::Pdp, "attached");
    Ok(())
}

fn link(report: &mut Report, status: &Value) -> Result<(), Stop> {
    let text = |path: &str| status.pointer(path).and_then(Value::as_str).unwrap_or_default();
    if text("/link/state") == "online" {
        report.ok(Rung::Connection, "the cloud is reached");
        report.ok(Rung::SignIn, "online");
        return Ok(());
    }
    let (code, message, hint) = (text("/link/trouble/code"), text("/link/trouble/message"), text("/link/trouble/hint"));
    match code {
        "" => {
            report.skip(Rung::Connection, "the daemon is about to try");
            Ok(())
        }
        "unreachable" | "closed" | "session_gone" | "not_acknowledged" | "module_rebooted" | "port_lost" => {
            report.fail(Rung::Connection, message, hint)
        }
        _ => {
            report.ok(Rung::Connection, "the cloud is reached");
            report.fail(Rung::SignIn, message, hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failed(status: &Value) -> Option<Rung> {
        let mut report = Report::default();
        let _ = climb(&mut report, status);
        report.failed().map(|finding| finding.rung)
    }

    fn module(phase: &str) -> Value {
        json!({"port": "/dev/ttyAMA0", "phase": phase, "model": "Air780E", "firmware": "AirM2M_780E_V1169_LTE_AT",
               "rssi_dbm": -71, "registration": "home"})
    }

    #[test]
    fn each_phase_of_the_daemon_names_its_rung() {
        for (phase, rung) in [
            ("no serial port", Rung::Port),
            ("no answer", Rung::Answer),
            ("setting up", Rung::Image),
            ("no SIM card", Rung::Sim),
            ("SIM card locked", Rung::Sim),
            ("searching network", Rung::Pdp),
        ] {
            assert_eq!(failed(&json!({"module": module(phase)})), Some(rung), "{phase}");
        }
    }

    #[test]
    fn a_denied_card_and_no_signal_are_told_apart_while_it_searches() {
        let mut denied = module("searching network");
        denied["registration"] = "denied".into();
        assert_eq!(failed(&json!({"module": denied})), Some(Rung::Registration));
        denied["rssi_dbm"] = Value::Null;
        assert_eq!(failed(&json!({"module": denied})), Some(Rung::Signal));
    }

    #[test]
    fn trouble_of_the_link_is_the_connections_or_the_sign_ins() {
        let with =
            |code| json!({"module": module("attached"), "link": {"state": "offline", "trouble": {"code": code}}});
        assert_eq!(failed(&with("unreachable")), Some(Rung::Connection));
        assert_eq!(failed(&with("sign_in_refused")), Some(Rung::SignIn));
        assert_eq!(failed(&json!({"module": module("online"), "link": {"state": "online"}})), None);
    }

    #[test]
    fn a_status_of_another_version_is_climbed_as_far_as_it_goes() {
        assert_eq!(failed(&json!({})), None);
    }
}
