//! `AT+SAPBR`: the bearer under HTTP, FTP, time and location.

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::Form;
use super::timers::Timer;

/// From the loss of the registration to the URC, past those of the registration itself.
const LOSS_TO_URC: std::time::Duration = std::time::Duration::from_millis(6);

/// The state of bearer 1; volatile.
#[derive(Debug, Default)]
pub(super) struct Bearer {
    open: bool,
}

impl Engine {
    pub(super) fn bearer_is_open(&self) -> bool {
        self.bearer.open
    }

    /// `AT+SAPBR=<3 set|2 query|1 open|0 close>,1[,<name>,<value>]`
    pub(super) fn bearer(&mut self, form: &Form) -> Outcome {
        let args = args(form)?.at_most(4)?;
        let action = args.number(0, 0..=3)?;
        args.number(1, 1..=1)?;
        match action {
            3 => match args.text(2, 16)?.to_ascii_uppercase().as_str() {
                "CONTYPE" | "APN" | "USER" | "PWD" => drop(args.text(3, 64)?),
                _ => return Err(Fault::RANGE),
            },
            2 if self.bearer.open => self.info(&format!("+SAPBR: 1,1,\"{}\"", self.setup.address)),
            2 => self.info("+SAPBR: 1,3,\"0.0.0.0\""),
            1 if self.radio.attached() && (!self.bearer.open || self.profile.bearer_reopens) => self.bearer.open = true,
            0 if self.bearer.open => {
                self.bearer.open = false;
                self.http_bearer_lost();
            }
            _ => return Err(Fault::NOT_ALLOWED),
        }
        Ok(Flow::Next)
    }

    /// The registration is gone, and the bearer with it.
    pub(super) fn bearer_dropped(&mut self) {
        if std::mem::take(&mut self.bearer.open) {
            self.after(LOSS_TO_URC, Timer::Urc("+SAPBR 1: DEACT".into()));
            self.after(LOSS_TO_URC, Timer::HttpLost);
        }
    }
}
