//! Carries command lines out: one command after the other, one final result for all.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::fault::Fault;
use super::input::{Data, DataEnd, Purpose};
use super::output::framed;
use super::parse::{self, Command, Form};
use super::timers::Timer;

/// The line under way.
#[derive(Debug, Default)]
pub(super) struct Line {
    rest: VecDeque<Result<Command, Fault>>,
    /// An information text has been sent: a kept URC may now come between it and `OK`.
    pub(super) has_info: bool,
}

/// How a command leaves its line.
pub(super) enum Flow {
    /// On to the next one; `OK` behind the last.
    Next,
    /// The same, after the time that flash or radio take.
    After(Duration),
    /// These bytes end the line in place of `OK`.
    Ends(Vec<u8>),
    /// A data phase begins; with `true`, what came before the prompt is lost.
    Data(Data, bool),
    /// The final result comes from an event.
    Waits,
}

pub(super) type Outcome = Result<Flow, Fault>;

impl Engine {
    /// The turnaround of a received line is over.
    pub(super) fn execute(&mut self) {
        self.line.rest = match self.input.take_line() {
            Some(text) => parse::line(&text).into(),
            None => [Err(Fault::Error)].into(),
        };
        self.line.has_info = false;
        self.run_rest();
    }

    pub(super) fn run_rest(&mut self) {
        while let Some(command) = self.line.rest.pop_front() {
            let refusal = self.refusal().map_or(Ok(()), Err);
            match refusal.and(command).and_then(|command| self.run(&command)) {
                Ok(Flow::Next) => {}
                Ok(Flow::After(delay)) => return self.after(delay, Timer::Resume),
                Ok(Flow::Ends(bytes)) => return self.finish(&bytes),
                Ok(Flow::Data(data, drop_early)) => return self.prompt(data, drop_early),
                Ok(Flow::Waits) => return,
                Err(fault) => return self.fail(fault),
            }
        }
        self.finish(&framed("OK"));
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        let in_words = matches!(fault, Fault::Cms(_)) && self.profile.cms_in_words;
        self.finish(&framed(&fault.line(if in_words { 2 } else { self.settings.cmee })));
    }

    /// Sends the final result and listens for the next line.
    pub(super) fn finish(&mut self, result: &[u8]) {
        self.line.rest.clear();
        if self.line.has_info {
            self.release_urcs();
        }
        self.transmit(result);
        self.sender.rate(self.settings.baud, self.now);
        self.listen();
    }

    pub(super) fn data_ended(&mut self, data: Data, end: DataEnd) {
        match (data.purpose, end) {
            (Purpose::Publish { .. }, DataEnd::TimeOut) => self.fail(Fault::Error),
            (Purpose::Publish { topic, qos, retain }, DataEnd::Complete) => {
                let sent = if data.taken.is_empty() || data.taken.len() > data.most {
                    Err(Fault::Error)
                } else {
                    self.publish(topic, qos, retain, data.taken)
                };
                self.resolve(sent);
            }
            (Purpose::Sms(draft), _) => {
                let written = self.sms_written(draft, &data.taken);
                self.leave(written);
            }
            (Purpose::Tcp, _) => {
                let written = self.tcp_written(data.taken);
                self.leave(written);
            }
            (Purpose::HttpBody, _) => {
                let kept = self.http_body(data.taken);
                self.resolve(kept);
            }
            (Purpose::File { .. }, DataEnd::TimeOut) => self.finish(&framed("TimeOut")),
            (Purpose::File { path, append }, DataEnd::Complete) => {
                let written = self.files.write(&path, append, &data.taken);
                self.resolve(written);
            }
        }
    }

    /// Ends a data phase in one of the ways of a command.
    fn leave(&mut self, outcome: Outcome) {
        match outcome {
            Ok(Flow::Ends(bytes)) => self.finish(&bytes),
            Ok(Flow::Waits) => {}
            Ok(_) => self.run_rest(),
            Err(fault) => self.fail(fault),
        }
    }

    fn resolve(&mut self, result: Result<(), Fault>) {
        match result {
            Ok(()) => self.run_rest(),
            Err(fault) => self.fail(fault),
        }
    }

    fn run(&mut self, command: &Command) -> Outcome {
        let form = &command.form;
        match command.name.as_str() {
            "E" | "I" | "V" | "Q" | "Z" | "&W" | "&F" | "+VER" | "+CMEE" | "+CGMI" | "+CGMM" | "+CGMR" | "+CGSN"
            | "+IPR" | "+IFC" | "+RESET" | "+RSTSET" | "*EXINFO" | "+CBC" | "+CPOWD" | "+IOSET" => {
                self.general(&command.name, form)
            }
            "+CSQ" | "+CESQ" | "+CREG" | "+CGREG" | "+CEREG" | "+CGATT" | "+CFUN" | "+CSTT" | "+CIICR" | "+CIFSR"
            | "+CIPSHUT" | "+CIPSTATUS" => self.radio_command(&command.name, form),
            "+MCONFIG" | "+MIPSTART" | "+SSLMIPSTART" | "+MCONNECT" | "+MSUB" | "+MUNSUB" | "+MPUB" | "+MPUBEX"
            | "+MDISCONNECT" | "+MIPCLOSE" | "+MQTTSTATU" | "+MQTTMSGSET" | "+MQTTMSGGET" | "+MQTTMODE" => {
                self.mqtt_command(&command.name, form)
            }
            "+HTTPINIT" | "+HTTPTERM" | "+HTTPPARA" | "+HTTPDATA" | "+HTTPACTION" | "+HTTPREAD" | "+HTTPHEAD"
            | "+HTTPSSL" => self.http_command(&command.name, form),
            "+CCLK" | "+CTZU" | "+CTZR" | "+NITZDISSET" | "+CNTP" | "+CNTPCID" => {
                self.time_command(&command.name, form)
            }
            "+CMGF" | "+CSCS" | "+CSMP" | "+CSCA" | "+CNMI" | "+CPMS" | "+CMGR" | "+CMGL" | "+CMGD" | "+CMGS" => {
                self.sms_command(&command.name, form)
            }
            "+CPIN" | "+CLCK" | "+CSDT" | "+CIMI" | "+CCID" | "+ICCID" => self.sim_command(&command.name, form),
            "+CIPGSMLOC" | "+WIFILOC" => self.location_command(&command.name, form),
            "+UPGRADE" => self.upgrade_command(form),
            "+CSCLK" | "+WAKETIM" | "+CFGRI" | "+CFGRISAVE" => self.sleep_command(&command.name, form),
            "+CGDCONT" | "+CPNETAPN" | "+CGACT" | "+CGPADDR" => self.contexts_command(&command.name, form),
            "+COPS" => self.operator_command(form),
            "+CIPMUX" | "+CIPMODE" | "+CIPQSEND" | "+CIPRXF" | "+CIPATS" | "+CIPACK" | "+CIPSTART" | "+CIPSEND"
            | "+CIPCLOSE" | "O" => self.tcp_command(&command.name, form),
            "+SAPBR" => self.bearer(form),
            "+SSLCFG" => self.ssl_config(form),
            "+FSCREATE" | "+FSWRITE" | "+FSREAD" | "+FSDEL" | "+FSFLSIZE" | "+FSLS" | "+FSMEM" | "+FSMKDIR"
            | "+FSRMDIR" => self.file_command(&command.name, form),
            _ => Err(Fault::Error),
        }
    }
}

/// The arguments of the form `=…`; every other form is an error.
pub(super) fn args(form: &Form) -> Result<&parse::Args, Fault> {
    match form {
        Form::Set(args) => Ok(args),
        Form::Plain | Form::Read | Form::Test => Err(Fault::Error),
    }
}
