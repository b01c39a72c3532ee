//! SIM, registration, and the packet data context.

use std::time::Duration;

use super::commands::{Flow, Outcome};
use super::fault::Fault;
use super::output::framed;
use super::parse::Form;
use super::timers::Timer;
use super::{Engine, Output};

/// `AT+CFUN=1` until its `OK`, and from there to registration. Source: time-stamped log, CFUN cycle.
const CFUN_ON: Duration = Duration::from_millis(140);
const CFUN_TO_ATTACH: Duration = Duration::from_millis(1700);
/// From an `OK` to the URC that follows it.
const OK_TO_URC: Duration = Duration::from_millis(5);

/// The context of the TCP commands, by the names that `AT+CIPSTATUS` prints.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Context {
    #[default]
    Initial,
    Start,
    Active,
    Status,
    Deactivated,
}

/// The radio side; all of it is volatile.
#[derive(Debug)]
pub(super) struct Radio {
    /// 0 minimum, 1 full, 4 flight mode.
    cfun: u32,
    attached_at: Option<Duration>,
    context: Context,
}

impl Default for Radio {
    fn default() -> Self {
        Self { cfun: 1, attached_at: None, context: Context::Initial }
    }
}

impl Radio {
    pub(super) fn attached(&self) -> bool {
        self.attached_at.is_some()
    }

    /// How long the module has been registered.
    pub(super) fn attached_for(&self, now: Duration) -> Option<Duration> {
        self.attached_at.map(|at| now.saturating_sub(at))
    }

    pub(super) fn is_on(&self) -> bool {
        self.cfun == 1
    }

    pub(super) fn attach(&mut self, now: Duration) {
        self.attached_at = Some(now);
    }
}

impl Engine {
    /// The network hands out another address from now on.
    pub fn set_address(&mut self, address: &str) {
        address.clone_into(&mut self.setup.address);
    }

    pub(super) fn radio_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+CSQ", Form::Plain) => {
                // A cell is heard before it has taken the card, and also when it refuses it.
                let heard = self.radio.attached() || (self.radio.is_on() && self.hears_a_cell());
                let (rssi, ber) = if heard { self.setup.csq } else { (99, 99) };
                self.info(&format!("+CSQ: {rssi},{ber}"));
            }
            ("+CESQ", Form::Plain) => {
                let (rsrq, rsrp) = if self.radio.attached() { self.setup.cesq } else { (255, 255) };
                self.info(&format!("+CESQ: 99,99,255,255,{rsrq},{rsrp}"));
            }
            ("+CREG" | "+CGREG" | "+CEREG", _) => return self.registration(name, form),
            ("+CGATT", Form::Read) => self.info(&format!("+CGATT: {}", u8::from(self.radio.attached()))),
            ("+CGATT", Form::Set(args)) => {
                if args.at_most(1)?.number(0, 0..=1)? == 0 {
                    self.detach(&["+CGEV: ME DETACH"]);
                } else if !self.radio.attached() {
                    self.after(CFUN_TO_ATTACH, Timer::Attach);
                }
            }
            ("+CFUN", Form::Read) => self.info(&format!("+CFUN: {}", self.radio.cfun)),
            ("+CFUN", Form::Set(args)) => {
                let level = args.at_most(2)?.number(0, 0..=4)?;
                let reset = args.get(1).is_some() && args.number(1, 0..=1)? == 1;
                return self.function(level, reset);
            }
            _ => return self.context_command(name, form),
        }
        Ok(Flow::Next)
    }

    fn function(&mut self, level: u32, reset: bool) -> Outcome {
        if !matches!(level, 0 | 1 | 4) || (reset && level != 1) {
            return Err(Fault::RANGE);
        }
        if reset {
            self.after(Duration::from_millis(50), Timer::Reboot(5));
            return Ok(Flow::Next);
        }
        let was_on = self.radio.is_on();
        self.radio.cfun = level;
        if level != 1 {
            self.timers.cancel_attach();
            if was_on {
                self.detach(&["+CGEV: ME DETACH"]);
            }
        } else if !was_on {
            self.after(CFUN_ON + CFUN_TO_ATTACH, Timer::Attach);
            return Ok(Flow::After(CFUN_ON));
        }
        Ok(Flow::Next)
    }

    /// The registration is gone, and every context with it. The URCs follow the `OK` of the command that did it.
    pub(super) fn detach(&mut self, urcs: &[&str]) {
        if !self.radio.attached() {
            return;
        }
        self.radio.attached_at = None;
        self.radio.context = Context::Initial;
        self.bearer_dropped();
        if let Some(id) = self.tcp.connection() {
            self.outputs.push_back(Output::Abort { id });
            self.tcp_ended(id);
        }
        for text in urcs {
            self.after(OK_TO_URC, Timer::Urc((*text).to_owned()));
        }
        self.bearer_lost();
    }

    fn registration(&mut self, name: &str, form: &Form) -> Outcome {
        let most = if name == "+CEREG" { 5 } else { 2 };
        let shown = if name == "+CEREG" && self.profile.cereg_as_cgreg { "+CGREG" } else { name };
        match form {
            Form::Test => {
                let values = (0..=most).map(|value| value.to_string()).collect::<Vec<_>>().join(",");
                self.info(&format!("{shown}: ({values})"));
            }
            Form::Read => {
                let mode = *self.registration_mode(name);
                let place = self.registration_text(mode);
                self.info(&format!("{shown}: {mode},{place}"));
            }
            Form::Set(args) => *self.registration_mode(name) = args.at_most(1)?.number(0, 0..=most)?,
            Form::Plain => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    fn registration_mode(&mut self, name: &str) -> &mut u32 {
        match name {
            "+CREG" => &mut self.settings.creg,
            "+CGREG" => &mut self.settings.cgreg,
            _ => &mut self.settings.cereg,
        }
    }

    /// State, and from mode 2 on the cell.
    fn registration_text(&self, mode: u32) -> String {
        let (area, cell) = &self.setup.cell;
        match (self.radio.attached(), mode) {
            (true, 2..) => format!("{},\"{area}\",\"{cell}\",7", self.registered_as()),
            (true, _) => self.registered_as().to_string(),
            (false, _) if self.is_denied() => "3".into(),
            (false, _) if self.sim_opened() && self.radio.is_on() => "2".into(),
            (false, _) => "0".into(),
        }
    }

    /// The registration URCs that the host has asked for.
    pub(super) fn registration_urcs(&mut self) {
        for name in ["+CREG", "+CGREG", "+CEREG"] {
            let mode = *self.registration_mode(name);
            if mode > 0 {
                self.urc(&format!("{name}: {}", self.registration_text(mode)));
            }
        }
    }

    /// `AT+CSTT`, `AT+CIICR`, `AT+CIFSR`, `AT+CIPSHUT`, `AT+CIPSTATUS`: the context of the TCP commands.
    fn context_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+CSTT", Form::Plain | Form::Set(_)) => {
                if self.radio.context != Context::Initial {
                    return Err(Fault::NOT_ALLOWED);
                }
                self.radio.context = Context::Start;
                Ok(Flow::Next)
            }
            ("+CIICR", Form::Plain) if self.radio.context == Context::Start => {
                if !self.radio.attached() {
                    self.radio.context = Context::Deactivated;
                    self.info("+PDP: DEACT");
                    return Err(Fault::PDP_DEACT);
                }
                self.radio.context = Context::Active;
                Ok(Flow::Next)
            }
            ("+CIFSR", Form::Plain) if matches!(self.radio.context, Context::Active | Context::Status) => {
                self.radio.context = Context::Status;
                Ok(Flow::Ends(framed(&self.setup.address)))
            }
            ("+CIICR" | "+CIFSR", Form::Plain) => Err(Fault::NOT_ALLOWED),
            ("+CIPSHUT", Form::Plain) => {
                self.tcp_shut();
                self.radio.context = Context::Initial;
                Ok(Flow::Ends(framed("SHUT OK")))
            }
            ("+CIPSTATUS", Form::Plain) => {
                let state = self.tcp.state().unwrap_or(match self.radio.context {
                    Context::Initial => "IP INITIAL",
                    Context::Start => "IP START",
                    Context::Active => "IP GPRSACT",
                    Context::Status => "IP STATUS",
                    Context::Deactivated => "PDP DEACT",
                });
                Ok(Flow::Ends([framed("OK"), framed(&format!("STATE: {state}"))].concat()))
            }
            _ => Err(Fault::Error),
        }
    }
}
