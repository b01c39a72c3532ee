//! Packet data contexts and the access point: `AT+CGDCONT`, `AT+CPNETAPN`, `AT+CGACT`, `AT+CGPADDR`.

use std::collections::BTreeMap;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::{Args, Form};
use super::timers::Timer;

/// Longest name of an access point, user and password.
const NAME_MAX: usize = 100;
/// The access point of the default context while nothing is set: that of the vendor's SIM cards.
const DEFAULT: &str = "cmiot";
/// From `AT+CGACT=1,1` to the registration.
const ACTIVE_TO_ATTACH: std::time::Duration = std::time::Duration::from_millis(1700);

/// What `AT+CPNETAPN` has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Access {
    mode: u32,
    apn: String,
    user: String,
    password: String,
    auth: u32,
}

/// A context beside the default one; volatile.
#[derive(Debug)]
struct Definition {
    kind: String,
    apn: String,
    active: bool,
}

/// The contexts.
#[derive(Debug, Default)]
pub(super) struct Contexts {
    defined: BTreeMap<u32, Definition>,
    stored: Option<Access>,
    /// What was stored when the module started: it takes effect only then.
    used: Option<Access>,
}

impl Contexts {
    pub(super) fn restarted(&mut self) {
        self.defined.clear();
        self.used.clone_from(&self.stored);
    }

    fn apn(&self) -> &str {
        self.used.as_ref().map_or(DEFAULT, |access| access.apn.as_str())
    }
}

impl Engine {
    pub(super) fn contexts_command(&mut self, name: &str, form: &Form) -> Outcome {
        let address = if self.radio.attached() { self.setup.address.clone() } else { String::new() };
        match (name, form) {
            ("+CGDCONT", Form::Test) => self.info("+CGDCONT: (1-15),(\"IP\",\"IPV6\",\"IPV4V6\"),,,(0),(0)"),
            ("+CGDCONT", Form::Read) => {
                let mut lines = vec![format!("+CGDCONT: 1,\"IP\",\"{}\",\"{address}\"", self.contexts.apn())];
                for (cid, context) in &self.contexts.defined {
                    lines.push(format!("+CGDCONT: {cid},\"{}\",\"{}\",\"\"", context.kind, context.apn));
                }
                self.info_list(&lines);
            }
            ("+CGDCONT", Form::Set(args)) => self.define(args)?,
            ("+CPNETAPN", Form::Read) => {
                let text = self.contexts.stored.as_ref().map_or_else(
                    || "+CPNETAPN: 0".to_owned(),
                    |Access { mode, apn, user, password, auth }| {
                        format!("+CPNETAPN: {mode},\"{apn}\",\"{user}\",\"{password}\",{auth}")
                    },
                );
                self.info(&text);
            }
            ("+CPNETAPN", Form::Set(args)) => self.contexts.stored = access(args.at_most(5)?)?,
            ("+CGACT", Form::Read) => {
                let mut lines = vec![format!("+CGACT: 1,{}", u8::from(self.radio.attached()))];
                for (cid, context) in &self.contexts.defined {
                    lines.push(format!("+CGACT: {cid},{}", u8::from(context.active)));
                }
                self.info_list(&lines);
            }
            ("+CGACT", Form::Set(args)) => self.activate(args)?,
            ("+CGPADDR", Form::Plain | Form::Set(_)) => {
                if let Form::Set(args) = form {
                    args.at_most(1)?.number(0, 1..=1)?;
                }
                let address = if address.is_empty() { "0.0.0.0" } else { &address };
                self.info(&format!("+CGPADDR: 1,\"{address}\""));
            }
            _ => return Err(args(form).err().unwrap_or(Fault::Error)),
        }
        Ok(Flow::Next)
    }

    /// `AT+CGDCONT=<cid>[,<type>[,<apn>]]`; without type the context is forgotten.
    fn define(&mut self, args: &Args) -> Result<(), Fault> {
        let cid = args.number(0, 1..=15)?;
        if args.get(1).is_none() {
            self.contexts.defined.remove(&cid);
            return Ok(());
        }
        let kind = args.text(1, 8)?.to_ascii_uppercase();
        let apn = if args.len() > 2 { args.text(2, NAME_MAX)? } else { String::new() };
        if !["IP", "IPV6", "IPV4V6"].contains(&kind.as_str()) {
            return Err(Fault::RANGE);
        }
        // The default context is the network's affair while it is up.
        if cid != 1 {
            self.contexts.defined.insert(cid, Definition { kind, apn, active: false });
        }
        Ok(())
    }

    /// `AT+CGACT=<0|1>,<cid>`. In LTE a module without its default context is not registered.
    fn activate(&mut self, args: &Args) -> Result<(), Fault> {
        let on = args.at_most(2)?.number(0, 0..=1)? == 1;
        match args.number(1, 1..=15)? {
            1 if on && !self.radio.attached() => self.after(ACTIVE_TO_ATTACH, Timer::Attach),
            1 if on => {}
            1 => self.detach(&["+CGEV: ME PDN DEACT 1"]),
            cid => {
                let attached = self.radio.attached();
                let context = self.contexts.defined.get_mut(&cid).ok_or(Fault::NOT_FOUND)?;
                if on && !attached {
                    return Err(Fault::NO_SERVICE);
                }
                context.active = on;
            }
        }
        Ok(())
    }
}

/// `AT+CPNETAPN=<0 none|2 this>[,<apn>,<user>,<password>,<auth>]`
fn access(args: &Args) -> Result<Option<Access>, Fault> {
    let mode = args.number(0, 0..=2)?;
    if mode == 0 {
        return Ok(None);
    }
    let optional = |index| if args.len() > index { args.text(index, NAME_MAX) } else { Ok(String::new()) };
    let auth = if args.len() > 4 { args.number(4, 0..=2)? } else { 0 };
    Ok(Some(Access { mode, apn: args.text(1, NAME_MAX)?, user: optional(2)?, password: optional(3)?, auth }))
}
