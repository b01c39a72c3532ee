//! Short messages: the commands of 3GPP TS 27.005 as far as the module's manual names them.

mod charset;
mod incoming;
mod pdu;
mod store;

use std::time::Duration;

use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::input::{Data, Draft, Purpose};
use super::parse::{Args, Form};
use super::timers::Timer;
use super::{Engine, Output};
use pdu::{Coding, Content, Submit};
use store::{Memory, PLACES, Store};

/// The service centre in incoming messages, and of `AT+CSCA?` until it is set.
const CENTRE: &str = "+8613800100500";
/// Longest message behind the prompt, bytes: hex digits of the largest PDU, or of UCS-2.
const BODY_MAX: usize = 400;
/// From Ctrl-Z until the network has taken the message.
const SEND_TIME: Duration = Duration::from_millis(1500);
const ESCAPE: u8 = 0x1B;

/// `AT+CSCS`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alphabet {
    Gsm,
    Ira,
    Ucs2,
}

impl Alphabet {
    fn name(self) -> &'static str {
        match self {
            Self::Gsm => "GSM",
            Self::Ira => "IRA",
            Self::Ucs2 => "UCS2",
        }
    }

    /// What the host has written; `None` when that is not in the alphabet.
    fn read(self, bytes: &[u8]) -> Option<String> {
        match self {
            Self::Gsm => Some(charset::text(bytes)),
            Self::Ira => std::str::from_utf8(bytes).ok().filter(|text| text.is_ascii()).map(str::to_owned),
            Self::Ucs2 => charset::from_ucs2_hex(std::str::from_utf8(bytes).ok()?),
        }
    }
}

/// The state of short messages; all but the store is volatile.
#[derive(Debug)]
pub(super) struct Sms {
    text_mode: bool,
    alphabet: Alphabet,
    /// `AT+CNMI`: mode, and how the host learns of a new message: 0 not, 1 `+CMTI`, 2 `+CMT`.
    mode: u32,
    shows: u32,
    /// `AT+CSMP`: first octet, validity, protocol, coding scheme.
    parameters: [u32; 4],
    centre: String,
    /// For reading and deleting, for writing, for receiving.
    memories: [Memory; 3],
    /// Of the last message sent.
    sent: u8,
    /// Joins the parts of a long message that comes in.
    reference: u8,
    outgoing: Option<Submit>,
    store: Store,
}

impl Default for Sms {
    fn default() -> Self {
        Self {
            text_mode: false,
            alphabet: Alphabet::Gsm,
            mode: 2,
            shows: 1,
            parameters: [17, 167, 0, 0],
            centre: CENTRE.into(),
            memories: [Memory::Sim; 3],
            sent: 0,
            reference: 0,
            outgoing: None,
            store: Store::default(),
        }
    }
}

impl Sms {
    /// What is left of it after a restart.
    pub(super) fn restarted(&mut self) -> Self {
        Self { store: std::mem::take(&mut self.store), reference: self.reference, ..Self::default() }
    }
}

impl Engine {
    pub(super) fn sms_command(&mut self, name: &str, form: &Form) -> Outcome {
        if !self.setup.sim {
            return Err(Fault::Cms(310));
        }
        match (name, form) {
            ("+CMGF", Form::Read) => self.info(&format!("+CMGF: {}", u8::from(self.sms.text_mode))),
            ("+CMGF", Form::Test) => self.info("+CMGF: (0,1)"),
            ("+CMGF", Form::Set(args)) => self.sms.text_mode = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+CSCS", Form::Read) => self.info(&format!("+CSCS: \"{}\"", self.sms.alphabet.name())),
            ("+CSCS", Form::Test) => self.info("+CSCS: (\"GSM\",\"IRA\",\"UCS2\")"),
            ("+CSCS", Form::Set(args)) => {
                let name = args.at_most(1)?.text(0, 8)?;
                let known = [Alphabet::Gsm, Alphabet::Ira, Alphabet::Ucs2];
                self.sms.alphabet = known.into_iter().find(|known| known.name() == name).ok_or(Fault::RANGE)?;
            }
            ("+CSMP", Form::Read) => {
                let [first, validity, protocol, scheme] = self.sms.parameters;
                self.info(&format!("+CSMP: {first},{validity},{protocol},{scheme}"));
            }
            ("+CSMP", Form::Set(args)) => {
                args.at_most(4)?;
                for (index, value) in self.sms.parameters.iter_mut().enumerate() {
                    if args.get(index).is_some() {
                        *value = args.number(index, 0..=255)?;
                    }
                }
            }
            ("+CSCA", Form::Read) => {
                let text = format!("+CSCA: \"{}\",{}", self.sms.centre, pdu::number_type(&self.sms.centre));
                self.info(&text);
            }
            ("+CSCA", Form::Set(args)) => self.sms.centre = number(&args.at_most(2)?.text(0, 24)?)?,
            ("+CNMI", Form::Read) => self.info(&format!("+CNMI: {},{},0,0,0", self.sms.mode, self.sms.shows)),
            ("+CNMI", Form::Test) => self.info("+CNMI: (0-3),(0-2),(0,2),(0,1),(0,1)"),
            ("+CNMI", Form::Set(args)) => {
                let mode = args.at_most(5)?.number(0, 0..=3)?;
                let shows = if args.get(1).is_some() { args.number(1, 0..=2)? } else { 0 };
                (self.sms.mode, self.sms.shows) = (mode, shows);
                self.take_waiting_sms();
            }
            ("+CPMS", _) => return self.memories(form),
            ("+CMGR", Form::Set(args)) => return self.read_sms(args),
            ("+CMGL", _) => return self.list_sms(form),
            ("+CMGD", Form::Set(args)) => {
                let every = args.at_most(2)?.get(1).is_some() && args.number(1, 0..=4)? == 4;
                let index = if every { 0 } else { place(args)? };
                let places = self.sms.store.places(self.sms.memories[0]);
                for (at, message) in places.iter_mut().enumerate() {
                    if every || at == index {
                        *message = None;
                    }
                }
                self.take_waiting_sms();
            }
            ("+CMGS", _) => return self.send_sms(args(form)?),
            _ => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    fn memories(&mut self, form: &Form) -> Outcome {
        let state = |sms: &mut Sms, named: bool| {
            let texts = sms.memories.map(|memory| {
                let used = sms.store.used(memory);
                if named { format!("\"{}\",{used},{PLACES}", memory.name()) } else { format!("{used},{PLACES}") }
            });
            format!("+CPMS: {}", texts.join(","))
        };
        match form {
            Form::Test => self.info("+CPMS: (\"ME\",\"SM\"),(\"ME\",\"SM\"),(\"ME\",\"SM\")"),
            Form::Read => {
                let text = state(&mut self.sms, true);
                self.info(&text);
            }
            Form::Set(args) => {
                args.at_most(3)?;
                let mut memories = self.sms.memories;
                for (index, memory) in memories.iter_mut().enumerate().take(args.len().max(1)) {
                    *memory = Memory::named(&args.text(index, 2)?).ok_or(Fault::Cms(302))?;
                }
                self.sms.memories = memories;
                let text = state(&mut self.sms, false);
                self.info(&text);
            }
            Form::Plain => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    fn read_sms(&mut self, args: &Args) -> Outcome {
        let index = place(args.at_most(1)?)?;
        let places = self.sms.store.places(self.sms.memories[0]);
        let message = places.get(index).cloned().flatten().ok_or(Fault::Cms(321))?;
        let line = self.sms_line("+CMGR: ", &message);
        self.info_bytes(&line);
        self.mark_read(index);
        Ok(Flow::Next)
    }

    fn mark_read(&mut self, index: usize) {
        if let Some(Some(message)) = self.sms.store.places(self.sms.memories[0]).get_mut(index) {
            message.read = true;
        }
    }

    /// `AT+CMGL="ALL"` in text mode, `AT+CMGL=4` in PDU mode; without argument the unread ones.
    fn list_sms(&mut self, form: &Form) -> Outcome {
        let wanted = match form {
            Form::Plain => Some(false),
            Form::Set(args) if self.sms.text_mode => match args.at_most(1)?.text(0, 12)?.as_str() {
                "REC UNREAD" => Some(false),
                "REC READ" => Some(true),
                "ALL" => None,
                "STO UNSENT" | "STO SENT" => return Ok(Flow::Next),
                _ => return Err(Fault::Cms(302)),
            },
            Form::Set(args) => match args.at_most(1)?.number(0, 0..=4)? {
                0 => Some(false),
                1 => Some(true),
                4 => None,
                _ => return Ok(Flow::Next),
            },
            Form::Read | Form::Test => return Err(Fault::Error),
        };
        let messages = self.sms.store.places(self.sms.memories[0]).clone();
        for (index, message) in messages.iter().enumerate() {
            let Some(message) = message.as_ref().filter(|message| wanted.is_none_or(|read| message.read == read))
            else {
                continue;
            };
            let line = self.sms_line(&format!("+CMGL: {},", index + 1), message);
            self.info_bytes(&line);
            self.mark_read(index);
        }
        Ok(Flow::Next)
    }

    /// `AT+CMGS="<number>"[,<type>]` in text mode, `AT+CMGS=<octets>` in PDU mode.
    fn send_sms(&mut self, args: &Args) -> Outcome {
        let draft = if self.sms.text_mode {
            let written = args.at_most(2)?.quoted(0).map_err(|_| Fault::Cms(500))?;
            let text = self.sms.alphabet.read(written).ok_or(Fault::Cms(305))?;
            Draft::To(number(&text)?)
        } else {
            let octets = args.at_most(1)?.number(0, 7..=164).map_err(|_| Fault::Cms(304))?;
            Draft::Pdu(usize::try_from(octets).map_err(|_| Fault::Cms(304))?)
        };
        let data =
            Data { echo: self.profile.sms_echo && self.settings.echo, ..Data::open(Purpose::Sms(draft), BODY_MAX) };
        Ok(Flow::Data(data, false))
    }

    /// What stood behind the prompt is complete.
    pub(super) fn sms_written(&mut self, draft: Draft, bytes: &[u8]) -> Outcome {
        if bytes.last() == Some(&ESCAPE) {
            return Ok(Flow::Next);
        }
        if bytes.len() > BODY_MAX {
            return Err(Fault::Cms(305));
        }
        let submit = match draft {
            Draft::To(to) => {
                let text = self.sms.alphabet.read(bytes).ok_or(Fault::Cms(305))?;
                let [_, _, _, scheme] = self.sms.parameters;
                let coding = if scheme & 0x0C == 8 { Coding::Ucs2 } else { Coding::Gsm7 };
                let content = Content { coding, header: Vec::new(), text };
                if !content.fits() {
                    return Err(Fault::Cms(305));
                }
                Submit { to, content }
            }
            Draft::Pdu(length) => {
                let text = std::str::from_utf8(bytes).map_err(|_| Fault::Cms(304))?;
                pdu::submit(text.trim(), length).ok_or(Fault::Cms(304))?
            }
        };
        if !self.radio.attached() {
            return Err(Fault::Cms(331));
        }
        self.sms.outgoing = Some(submit);
        self.after(SEND_TIME, Timer::SmsSent);
        Ok(Flow::Waits)
    }

    /// The network has had time to take the message.
    pub(super) fn sms_sent(&mut self) {
        let Some(submit) = self.sms.outgoing.take() else { return };
        if !self.radio.attached() {
            return self.fail(Fault::Cms(331));
        }
        self.sms.sent = self.sms.sent.wrapping_add(1);
        let Submit { to, content } = submit;
        self.outputs.push_back(Output::Sms { to, text: content.text, header: content.header });
        self.info(&format!("+CMGS: {}", self.sms.sent));
        self.run_rest();
    }
}

fn number(text: &str) -> Result<String, Fault> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let valid = (1..=20).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if valid { Ok(text.to_owned()) } else { Err(Fault::Cms(305)) }
}

/// The place that an index from 1 names.
fn place(args: &Args) -> Result<usize, Fault> {
    let index = args.number(0, 0..=u32::MAX)?;
    let index = usize::try_from(index).map_err(|_| Fault::Cms(321))?;
    index.checked_sub(1).filter(|index| *index < PLACES).ok_or(Fault::Cms(321))
}
