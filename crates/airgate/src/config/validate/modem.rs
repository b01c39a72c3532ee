//! Weighs `[modem]`.

use std::path::Path;
use std::time::Duration;

use super::super::Secret;
use super::super::findings::Findings;
use super::super::model::{Apn, ApnAuth, ApnLogin, Modem, Reset};
use super::super::raw;

/// How long a reset line is held when nothing is said. The module restarts when its RESET pin is low for some hundred
/// milliseconds; more harms nothing.
const HOLD: Duration = Duration::from_millis(1_500);

pub(super) fn modem(raw: raw::Modem, findings: &mut Findings) -> Option<Modem> {
    let default = Modem::default();
    let baud = raw.baud.map_or(default.baud, |baud| Some(baud).filter(|baud| *baud != 0));
    let max_baud = raw.max_baud.filter(|most| *most != 0);
    if let (Some(baud), Some(most)) = (baud, max_baud)
        && most < baud
    {
        let what = format!("`modem.max_baud` ({most}) is lower than `modem.baud` ({baud})");
        findings.contradiction("modem.max_baud", what, "raise it, or leave it out to stay at `baud`");
    }
    let apn = raw.apn.map(|apn| self::apn(apn, findings));
    let reset = raw.reset.map(|reset| self::reset(reset, findings));
    Some(Modem {
        port: raw.port.unwrap_or(default.port),
        baud,
        max_baud,
        hardware_flow: raw.flow.as_deref() == Some("hardware"),
        apn: transposed(apn)?,
        sim_pin: raw.sim_pin.and_then(|index| findings.vault.get(index).cloned()),
        reset: transposed(reset)?,
        max_publish_bytes: raw.max_publish_bytes.unwrap_or(default.max_publish_bytes),
    })
}

fn apn(raw: raw::Apn, findings: &mut Findings) -> Option<Apn> {
    let hint = "write the name that the SIM card's operator gives, or leave `apn` out: the network then chooses";
    let name = findings.required(raw.name, "modem.apn.name", hint);
    let auth = match raw.auth.as_deref() {
        Some("pap") => Some(ApnAuth::Pap),
        Some("chap") => Some(ApnAuth::Chap),
        _ => None,
    };
    let password: Option<Secret> = raw.password.and_then(|index| findings.vault.get(index).cloned());
    let login = match (auth, raw.user) {
        (Some(auth), Some(user)) => Some(ApnLogin { user, password, auth }),
        (Some(_), None) => {
            findings.missing("modem.apn.user", "an access point that asks for a password needs the user too");
            return None;
        }
        (None, user) if user.is_some() || password.is_some() => {
            if findings.damaged.contains("modem.apn.auth") {
                return None;
            }
            let path = if user.is_some() { "modem.apn.user" } else { "modem.apn.password" };
            let what = format!("`{path}` is given, but `modem.apn.auth` is \"none\" or absent");
            findings.contradiction(path, what, "say how it is sent: auth = \"pap\" or auth = \"chap\"");
            return None;
        }
        (None, _) => None,
    };
    Some(Apn { name: name?, login })
}

fn reset(raw: raw::Reset, findings: &mut Findings) -> Option<Reset> {
    let hint =
        "write { gpio = \"gpiochip0/17\", active = \"low\" } or { command = [\"/path/to/program\", \"argument\"] }";
    match (raw.gpio, raw.command) {
        (Some(gpio), None) => {
            let (chip, line) = gpio.split_once('/').unwrap_or((gpio.as_str(), ""));
            let Some(line) = line.parse().ok().filter(|_| !chip.is_empty()) else {
                let what = format!("`modem.reset.gpio` must be chip/line, and it is {gpio:?}");
                findings.bad_value("modem.reset.gpio", what, "`gpioinfo` lists chips and lines: \"gpiochip0/17\"");
                return None;
            };
            let hold = raw.hold_ms.map_or(HOLD, Duration::from_millis);
            Some(Reset::Gpio { chip: chip.to_owned(), line, active_high: raw.active.as_deref() == Some("high"), hold })
        }
        (None, Some(command)) => {
            for key in [("active", raw.active.is_some()), ("hold_ms", raw.hold_ms.is_some())] {
                if let (name, true) = key {
                    let path = format!("modem.reset.{name}");
                    findings.contradiction(&path, format!("`{path}` goes with gpio, not with command"), "leave it out");
                }
            }
            match command.split_first() {
                Some((program, arguments)) if Path::new(program).is_absolute() => {
                    Some(Reset::Command { program: program.into(), arguments: arguments.to_vec() })
                }
                _ => {
                    let what = "`modem.reset.command` must begin with the absolute path of a program";
                    findings.bad_value("modem.reset.command", what, hint);
                    None
                }
            }
        }
        (Some(_), Some(_)) => {
            let what = "`modem.reset.gpio` and `modem.reset.command` are both given";
            findings.contradiction("modem.reset", what, "keep one of them");
            None
        }
        (None, None) => {
            let told = findings.damaged.iter().any(|path| path.starts_with("modem.reset"));
            if !told {
                findings.missing("modem.reset.gpio", hint);
            }
            None
        }
    }
}

/// Nothing given is fine; something given and wrong is not.
fn transposed<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        None => Some(None),
        Some(inner) => inner.map(Some),
    }
}
