//! The SIM: there or not, busy, locked by its PIN; and what a hot-plug is told by.

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::{Args, Form};
use super::timers::Timer;

/// Attempts that a SIM allows. Source: 3GPP TS 31.101 as every card has it.
const PIN_TRIES: u8 = 3;
const PUK_TRIES: u8 = 10;
/// From the right PIN to the registration.
const UNLOCK_TO_ATTACH: Duration = Duration::from_millis(1700);
/// From the loss of the network to the URC of the removal; from the insertion to the registration and to its URC.
/// Source: time-stamped log of a SIM pulled out of an Air780E and put back.
const REMOVED_TO_URC: Duration = Duration::from_millis(820);
const INSERTED_TO_ATTACH: Duration = Duration::from_millis(1140);
const INSERTED_TO_URC: Duration = Duration::from_millis(1780);
/// What the host sees when the card is gone, in one burst. Source: the same log.
const LOST: [&str; 4] = ["^MODE: 0,0", "+NO Service", "+CGEV: NW PDN DEACT 1", "+CGEV: ME DETACH"];

/// The card's own memory, and what the module knows of it.
#[derive(Debug)]
pub(super) struct Sim {
    pin: String,
    puk: String,
    /// The PIN is asked for after each start.
    locked: bool,
    pin_tries: u8,
    puk_tries: u8,
    /// The PIN has been given since the start; volatile.
    opened: bool,
    /// Found when the module started, or by hot-plug; volatile.
    known: bool,
    /// Not to be spoken to before; volatile.
    busy_until: Duration,
    /// `AT+CSDT=1`: coming and going is noticed and told; volatile.
    detects: bool,
}

impl Sim {
    /// `pin`: what the card is locked with, if it is.
    pub(super) fn new(pin: Option<&str>, puk: &str) -> Self {
        Self {
            pin: pin.unwrap_or("1234").to_owned(),
            puk: puk.to_owned(),
            locked: pin.is_some(),
            pin_tries: PIN_TRIES,
            puk_tries: PUK_TRIES,
            opened: false,
            known: false,
            busy_until: Duration::ZERO,
            detects: false,
        }
    }
}

impl Engine {
    /// The module starts and looks for a card.
    pub(super) fn sim_started(&mut self) {
        self.sim.opened = false;
        self.sim.detects = false;
        self.sim.known = self.setup.sim;
        self.sim.busy_until = self.now + self.profile.sim_busy;
    }

    /// The card, as far as it can be spoken to.
    pub(super) fn sim_answers(&self) -> Result<(), Fault> {
        if !self.setup.sim || !self.sim.known {
            return Err(Fault::NO_SIM);
        }
        if self.now < self.sim.busy_until { Err(Fault::SIM_BUSY) } else { Ok(()) }
    }

    /// Whether the network would let the card in.
    pub(super) fn sim_opened(&self) -> bool {
        self.setup.sim && self.sim.known && (!self.sim.locked || self.sim.opened) && self.sim.pin_tries > 0
    }

    /// The SIM card is put in or pulled out. A module that started without one finds it after a restart only, unless it
    /// was told to watch.
    pub fn set_sim(&mut self, there: bool, now: Duration) {
        self.advance(now);
        if there != self.setup.sim {
            self.setup.sim = there;
            self.sim.opened = false;
            if there {
                self.sim_inserted();
            } else {
                self.detach(&LOST);
                if self.sim.detects {
                    self.after(REMOVED_TO_URC, Timer::RawUrc(self.hot_plug("SIM REMOVED")));
                }
            }
        }
        self.flush();
    }

    fn sim_inserted(&mut self) {
        if !self.sim.known && !self.sim.detects && self.profile.late_sim_needs_reset {
            return;
        }
        self.sim.known = true;
        self.sim.busy_until = self.now + self.profile.sim_busy;
        if self.sim.detects {
            self.urc("+CGEV: ME DETACH");
            self.after(INSERTED_TO_URC, Timer::RawUrc(self.hot_plug("READY")));
        }
        self.after(INSERTED_TO_ATTACH, Timer::Attach);
    }

    /// No CR LF in front; none behind in builds before V1161.
    fn hot_plug(&self, state: &str) -> Vec<u8> {
        let end = if self.profile.hot_plug_crlf { "\r\n" } else { "" };
        format!("+CPIN: {state} 0{end}").into_bytes()
    }

    pub(super) fn sim_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+CSDT", Form::Read) => self.info(&format!("+CSDT: {}", u8::from(self.sim.detects))),
            ("+CSDT", Form::Set(args)) => self.sim.detects = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+CPIN", Form::Read) => {
                self.sim_answers()?;
                let state = match (self.sim.pin_tries, self.sim.puk_tries) {
                    (_, 0) => return Err(Fault::SIM_FAILURE),
                    (0, _) => "SIM PUK",
                    _ if self.sim_opened() => "READY",
                    _ => "SIM PIN",
                };
                self.info(&format!("+CPIN: {state}"));
            }
            ("+CPIN", Form::Set(args)) => self.enter_pin(args)?,
            ("+CLCK", Form::Set(args)) => self.lock(args)?,
            ("+CIMI", Form::Plain) => {
                self.sim_answers()?;
                if !self.sim_opened() {
                    return Err(if self.sim.pin_tries == 0 { Fault::NEEDS_PUK } else { Fault::NEEDS_PIN });
                }
                self.info(&self.setup.imsi.clone());
            }
            // The card tells its number without a PIN.
            ("+CCID" | "+ICCID", Form::Plain) => {
                self.sim_answers()?;
                let head = if name == "+ICCID" { "+ICCID: " } else { "" };
                self.info(&format!("{head}{}", self.setup.iccid));
            }
            _ => return Err(args(form).err().unwrap_or(Fault::Error)),
        }
        Ok(Flow::Next)
    }

    /// `AT+CPIN=<PIN>`, or `AT+CPIN=<PUK>,<new PIN>` when too many were wrong.
    fn enter_pin(&mut self, args: &Args) -> Result<(), Fault> {
        let given = args.at_most(2)?.text(0, 8)?;
        self.sim_answers()?;
        if self.sim.puk_tries == 0 {
            return Err(Fault::SIM_FAILURE);
        }
        if self.sim.pin_tries == 0 {
            let fresh = pin(args, 1)?;
            if given != self.sim.puk {
                self.sim.puk_tries -= 1;
                return Err(if self.sim.puk_tries == 0 { Fault::SIM_FAILURE } else { Fault::WRONG_PIN });
            }
            self.sim.pin = fresh;
            (self.sim.pin_tries, self.sim.puk_tries) = (PIN_TRIES, PUK_TRIES);
        } else if self.sim_opened() {
            return Err(Fault::NOT_ALLOWED);
        } else {
            self.check_pin(&given)?;
        }
        self.sim.opened = true;
        self.after(UNLOCK_TO_ATTACH, Timer::Attach);
        Ok(())
    }

    fn check_pin(&mut self, given: &str) -> Result<(), Fault> {
        if self.sim.pin_tries == 0 {
            return Err(Fault::NEEDS_PUK);
        }
        if given != self.sim.pin {
            self.sim.pin_tries -= 1;
            return Err(if self.sim.pin_tries == 0 { Fault::NEEDS_PUK } else { Fault::WRONG_PIN });
        }
        self.sim.pin_tries = PIN_TRIES;
        Ok(())
    }

    /// `AT+CLCK="SC",<0 unlock|1 lock|2 query>[,<PIN>]`. Source: 3GPP TS 27.007, section 7.4.
    fn lock(&mut self, args: &Args) -> Result<(), Fault> {
        if args.at_most(3)?.text(0, 2)? != "SC" {
            return Err(Fault::NOT_SUPPORTED);
        }
        let mode = args.number(1, 0..=2)?;
        self.sim_answers()?;
        if mode == 2 {
            self.info(&format!("+CLCK: {}", u8::from(self.sim.locked)));
            return Ok(());
        }
        let given = pin(args, 2)?;
        self.check_pin(&given)?;
        self.sim.locked = mode == 1;
        self.sim.opened = true;
        Ok(())
    }
}

/// Four to eight digits.
fn pin(args: &Args, index: usize) -> Result<String, Fault> {
    let text = args.text(index, 8)?;
    let valid = text.len() >= 4 && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { Ok(text) } else { Err(Fault::INVALID) }
}
