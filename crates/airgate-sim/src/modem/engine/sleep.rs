//! Sleep by `AT+CSCLK`: a sleeping module loses the first bytes that wake it.
//!
//! Source: AT command manual V1.6.3, `AT+CSCLK` and `AT+WAKETIM`; that bytes are lost at rates other than 9600: the
//! vendor's guide to low power.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::Form;

/// `AT+WAKETIM` while nothing is set, seconds.
const IDLE_DEFAULT: u32 = 1;
/// The rate at which nothing is lost.
const KEPT_RATE: u32 = 9600;

/// When the module sleeps; volatile.
#[derive(Debug)]
pub(super) struct Sleep {
    /// `AT+CSCLK`: 0 never, 1 while DTR is high, 2 and 3 when the line is idle.
    mode: u32,
    /// Seconds without a byte until it sleeps.
    idle: u32,
    /// A byte has gone over the line, or is under way.
    busy_at: Duration,
    /// Woken, but deaf until then.
    wakes_at: Option<Duration>,
    dtr_high: bool,
    /// `AT+CFGRI`: RI pulses for data.
    rings: u32,
}

impl Default for Sleep {
    fn default() -> Self {
        Self { mode: 0, idle: IDLE_DEFAULT, busy_at: Duration::ZERO, wakes_at: None, dtr_high: false, rings: 0 }
    }
}

impl Sleep {
    /// What is left of it after a restart: the host's pin, and nothing of the module.
    pub(super) fn restarted(&self) -> Self {
        Self { dtr_high: self.dtr_high, ..Self::default() }
    }

    fn sleeps(&self, now: Duration) -> bool {
        let idle = now >= self.busy_at + Duration::from_secs(u64::from(self.idle));
        match self.mode {
            0 => false,
            1 => self.dtr_high && idle,
            _ => idle,
        }
    }
}

impl Engine {
    pub(super) fn set_dtr(&mut self, high: bool, now: Duration) {
        self.sleep.dtr_high = high;
        self.sleep.busy_at = now;
    }

    /// Something goes over the line: the module stays awake for a while.
    pub(super) fn line_busy(&mut self) {
        self.sleep.busy_at = self.now;
    }

    /// Whether bytes that come now are heard. The first ones wake a module that may be woken by them.
    pub(super) fn hears_bytes(&mut self) -> bool {
        let now = self.now;
        if self.sleep.sleeps(now) && !self.input.in_data_phase() {
            if self.sleep.mode == 1 {
                return false;
            }
            if self.settings.baud != KEPT_RATE {
                self.sleep.wakes_at = Some(now + self.profile.wake_time);
            }
        }
        self.sleep.busy_at = now;
        match self.sleep.wakes_at {
            Some(at) if now <= at => false,
            _ => {
                self.sleep.wakes_at = None;
                true
            }
        }
    }

    pub(super) fn sleep_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+CSCLK", Form::Read) => self.info(&format!("+CSCLK: {}", self.sleep.mode)),
            ("+CSCLK", Form::Set(args)) => self.sleep.mode = args.at_most(1)?.number(0, 0..=3)?,
            // No blank behind the colon: so the vendor's page has it.
            ("+WAKETIM", Form::Read) => self.info(&format!("+WAKETIM:{}", self.sleep.idle)),
            ("+WAKETIM", Form::Set(args)) => self.sleep.idle = args.at_most(1)?.number(0, 0..=65)?,
            ("+CFGRI", Form::Read) => self.info(&format!("+CFGRI: {}", self.sleep.rings)),
            ("+CFGRI", Form::Set(args)) => self.sleep.rings = args.at_most(1)?.number(0, 0..=1)?,
            ("+CFGRISAVE", Form::Set(args)) => drop(args.at_most(1)?.number(0, 0..=1)?),
            _ => return Err(args(form).err().unwrap_or(Fault::Error)),
        }
        Ok(Flow::Next)
    }
}
