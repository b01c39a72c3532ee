//! `AT+COPS`: which network, and the search for all of them.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome};
use super::fault::Fault;
use super::parse::{Args, Form};
use super::timers::Timer;

/// The one network there is.
const NAMES: [&str; 3] = ["CHINA MOBILE", "CMCC", "46000"];
/// How long a search takes; the manual allows 300 s.
const SEARCH: Duration = Duration::from_secs(30);
/// From a choice to the registration.
const CHOICE_TO_ATTACH: Duration = Duration::from_millis(1700);

/// What the host has chosen; volatile.
#[derive(Debug)]
pub(super) struct Operator {
    /// 0 by itself, 1 by hand, 2 none.
    mode: u32,
    /// 0 long name, 1 short name, 2 number.
    format: u32,
}

impl Default for Operator {
    fn default() -> Self {
        Self { mode: 0, format: 2 }
    }
}

impl Engine {
    /// The host wants to be registered.
    pub(super) fn wants_network(&self) -> bool {
        self.operator.mode != 2
    }

    pub(super) fn operator_command(&mut self, form: &Form) -> Outcome {
        match form {
            Form::Read if self.radio.attached() => {
                let Operator { mode, format } = self.operator;
                let name = usize::try_from(format).ok().and_then(|format| NAMES.get(format)).unwrap_or(&NAMES[2]);
                self.info(&format!("+COPS: {mode},{format},\"{name}\",7"));
            }
            Form::Read => self.info(&format!("+COPS: {}", self.operator.mode)),
            Form::Test => {
                let [long, short, number] = NAMES;
                let state = if self.radio.attached() { 2 } else { 1 };
                let list = format!("+COPS: ({state},\"{long}\",\"{short}\",\"{number}\",7),,(0-4),(0-2)");
                self.after(
                    SEARCH,
                    Timer::Answer(if self.has_coverage() { list } else { "+COPS: ,,(0-4),(0-2)".into() }),
                );
                return Ok(Flow::Waits);
            }
            Form::Set(args) => self.choose(args)?,
            Form::Plain => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    /// `AT+COPS=<mode>[,<format>[,<name>[,<radio>]]]`
    fn choose(&mut self, args: &Args) -> Result<(), Fault> {
        let mode = args.at_most(4)?.number(0, 0..=4)?;
        let format = if args.get(1).is_some() { Some(args.number(1, 0..=2)?) } else { None };
        match mode {
            3 => self.operator.format = format.ok_or(Fault::TOO_FEW)?,
            1 | 4 => {
                let name = args.text(2, 32)?;
                let known = format.and_then(|format| NAMES.get(usize::try_from(format).ok()?)) == Some(&name.as_str());
                if !known && mode == 1 {
                    return Err(Fault::NO_SERVICE);
                }
                self.operator.mode = u32::from(known);
                self.after(CHOICE_TO_ATTACH, Timer::Attach);
            }
            2 => {
                self.operator.mode = 2;
                self.detach(&["+CGEV: ME DETACH"]);
            }
            _ => {
                self.operator.mode = 0;
                self.after(CHOICE_TO_ATTACH, Timer::Attach);
            }
        }
        Ok(())
    }

    /// The answer of a command that took its time.
    pub(super) fn answered_late(&mut self, text: &str) {
        self.info(text);
        self.run_rest();
    }
}
