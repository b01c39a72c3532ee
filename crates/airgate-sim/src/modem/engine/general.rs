//! Identity, line settings, clock, restart.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome};
use super::fault::Fault;
use super::output::framed;
use super::parse::Form;
use super::settings::Settings;
use super::timers::Timer;

/// From the `OK` of a restart command to the restart.
const OK_TO_REBOOT: Duration = Duration::from_millis(50);
/// Time to write flash. Source: time-stamped log of `AT+UPGRADE="PERIOD",60`.
const FLASH_WRITE: Duration = Duration::from_millis(40);
/// Time to set the voltage of the pins. Source: time-stamped log of `AT+IOSET`.
const PINS_SET: Duration = Duration::from_millis(24);
/// `AT*EXINFO?` after a restart by command or RESET key.
const REASON_RESET: u8 = 5;

impl Engine {
    pub(super) fn general(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("E", Form::Plain) => self.settings.echo = false,
            ("E", Form::Set(args)) => self.settings.echo = args.number(0, 0..=1)? == 1,
            ("V" | "Q" | "Z", _) => return fixed(name, form),
            ("I", Form::Set(args)) => {
                args.number(0, 0..=0)?;
                self.version();
            }
            ("I" | "+VER", Form::Plain) => self.version(),
            ("&W", Form::Plain | Form::Set(_)) => {
                self.stored = self.settings.clone();
                return Ok(Flow::After(FLASH_WRITE));
            }
            ("&F", Form::Plain | Form::Set(_)) => {
                let baud = self.settings.baud;
                self.settings = Settings { baud, ..Settings::factory(&self.profile, self.setup.baud) };
            }
            ("+CMEE", Form::Read) => self.info(&format!("+CMEE: {}", self.settings.cmee)),
            ("+CMEE", Form::Set(args)) => {
                self.settings.cmee = u8::try_from(args.number(0, 0..=2)?).map_err(|_| Fault::RANGE)?;
            }
            ("+CGMI", Form::Plain) => self.info("+CGMI: \"AirM2M\""),
            ("+CGMM", Form::Plain) => self.info(&format!("+CGMM: \"{}\"", self.profile.model)),
            ("+CGMR", Form::Plain) => self.info(&format!("+CGMR: \"{}\"", self.profile.version)),
            ("+CGSN", Form::Plain) => self.info(&self.setup.imei.clone()),
            ("+IOSET", Form::Set(args)) => {
                args.at_most(1)?.number(0, 0..=2)?;
                return Ok(Flow::After(PINS_SET));
            }
            ("+CBC", Form::Plain) => self.info(&format!("+CBC: {}", self.setup.battery)),
            ("+IPR", _) => return self.rate(form),
            ("+IFC", Form::Test) => self.info("+IFC: (0,2), (0,2)"),
            ("+IFC", Form::Read) => {
                let (to_host, from_host) = self.settings.ifc;
                self.info(&format!("+IFC: {to_host}, {from_host}"));
            }
            ("+IFC", Form::Set(args)) => self.settings.ifc = (args.number(0, 0..=2)?, args.number(1, 0..=2)?),
            ("*EXINFO", Form::Read) => self.info(&format!("*EXINFO: {}", self.start_reason)),
            ("+CPOWD", Form::Set(args)) => {
                let orderly = args.at_most(1)?.number(0, 0..=1)? == 1;
                self.after(OK_TO_REBOOT, Timer::PowerOff);
                return Ok(Flow::Ends(if orderly { framed("NORMAL POWER DOWN") } else { Vec::new() }));
            }
            ("+RESET", Form::Plain) => self.after(OK_TO_REBOOT, Timer::Reboot(REASON_RESET)),
            ("+RSTSET", Form::Plain) => {
                self.stored = Settings::factory(&self.profile, self.setup.baud);
                self.upgrade.factory();
                self.after(OK_TO_REBOOT, Timer::Reboot(REASON_RESET));
            }
            _ => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    fn version(&mut self) {
        self.info(&self.profile.version.clone());
    }
}

/// Commands that only take the value they already have: `ATV0` is not supported by the chip's engine.
fn fixed(name: &str, form: &Form) -> Outcome {
    let only = u32::from(name == "V");
    match form {
        Form::Plain => {}
        Form::Set(args) if args.number(0, only..=only).is_ok() => {}
        _ => return Err(Fault::Error),
    }
    Ok(Flow::Next)
}
