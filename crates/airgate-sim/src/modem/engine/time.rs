//! The clock as the host meets it: `+NITZ`, `AT+CCLK`, `AT+CTZU`, `AT+CTZR`, and the time of a server by `AT+CNTP`.

use std::time::Duration;

use bytes::Bytes;

use super::clock::{self, Shown};
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::parse::{Args, Form};
use super::timers::Timer;
use super::{Engine, Failure, Output};
use crate::modem::profile::{ClockZone, Nitz};

/// The server and the zone (quarter hours) of `AT+CNTP` while nothing is set. Source: AT command manual V1.6.3.
const NTP_SERVER: &str = "ntp1.aliyun.com";
const NTP_ZONE: i32 = 32;
const NTP_PORT: u16 = 123;
/// How long a server may take. Source: the same manual.
const NTP_TIMEOUT: Duration = Duration::from_secs(5);
/// From the epoch of NTP (1900) to that of Unix, seconds.
const NTP_TO_UNIX: u64 = 2_208_988_800;
/// Zones, in quarter hours.
const ZONES: std::ops::RangeInclusive<i32> = -47..=56;

/// Answers of `+CNTP`. Source: the same manual.
const NTP_DONE: u8 = 1;
const NTP_NETWORK: u8 = 61;
const NTP_NAME: u8 = 62;
const NTP_CONNECT: u8 = 63;
const NTP_SERVER_FAULT: u8 = 64;
const NTP_LATE: u8 = 65;

/// The clock and what may set it.
#[derive(Debug)]
pub(super) struct Clock {
    /// Since when it shows what; `None`: a default date since power-on.
    set: Option<(Duration, Shown)>,
    /// `AT+CTZU`: the network sets it.
    follows: bool,
    /// `AT+CTZR`: a change of zone is told.
    tells_zone: bool,
    /// `AT+NITZDISSET`: hours by which the URC is ahead of UTC.
    ahead: Option<i32>,
    server: String,
    zone: i32,
    /// `AT+CNTPCID` has named a bearer.
    has_bearer: bool,
    /// The question under way, and what it carried.
    question: Option<(u64, u64)>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            set: None,
            follows: true,
            tells_zone: false,
            ahead: None,
            server: NTP_SERVER.into(),
            zone: NTP_ZONE,
            has_bearer: false,
            question: None,
        }
    }
}

impl Clock {
    /// What is left of it after a restart.
    pub(super) fn restarted(&self, survives: bool) -> Self {
        Self { set: self.set.filter(|_| survives), ..Self::default() }
    }
}

impl Engine {
    /// What the network believes the time to be, Unix seconds.
    pub(super) fn unix_now(&self) -> u64 {
        self.setup.unix_time + self.now.as_secs()
    }

    /// The network's idea of the time changes; a module that is registered is told at once.
    pub fn set_network_time(&mut self, unix: u64, now: Duration) {
        self.advance(now);
        self.setup.unix_time = unix.saturating_sub(self.now.as_secs());
        if self.radio.attached() {
            self.tell_time();
        }
        self.flush();
    }

    /// What the clock shows now.
    fn shown(&self) -> Shown {
        let (since, shown) = self.clock.set.unwrap_or((Duration::ZERO, Shown::default()));
        shown.later(self.now.saturating_sub(since).as_secs())
    }

    /// Unix time as the module itself believes it to be.
    pub(super) fn module_time(&self) -> u64 {
        self.shown().utc
    }

    fn set_clock(&mut self, shown: Shown) {
        let zone = self.shown().zone;
        // The clock ticks with the whole seconds of the engine's time.
        self.clock.set = Some((Duration::from_secs(self.now.as_secs()), shown));
        if self.clock.tells_zone && zone != shown.zone {
            self.urc(&format!("+CTZV: {}", clock::zone(shown.zone)));
        }
    }

    /// The network tells the time.
    pub(super) fn tell_time(&mut self) {
        let form = match self.profile.nitz {
            Nitz::Any => match self.rng.below(4) {
                0 => Nitz::FourDigits,
                1 => Nitz::EmptyDst,
                2 => Nitz::FourDigitsZone,
                _ => Nitz::TwoDigitsZone,
            },
            form => form,
        };
        let utc = self.unix_now();
        if self.clock.follows {
            self.set_clock(match self.profile.clock_zone {
                ClockZone::Utc => Shown::local(utc, 0),
                ClockZone::Local => Shown::local(utc, clock::CHINA),
                ClockZone::UtcDigitsLocalZone => Shown { utc, digits: utc, zone: clock::CHINA },
            });
        }
        self.urc(&clock::nitz(utc, form, self.clock.ahead));
    }

    pub(super) fn time_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+CCLK", Form::Read) => self.info(&format!("+CCLK: \"{}\"", self.shown().text())),
            ("+CCLK", Form::Set(args)) => {
                let shown = Shown::parse(&args.at_most(1)?.text(0, 20)?).ok_or(Fault::INVALID)?;
                self.set_clock(shown);
            }
            ("+CTZU", Form::Read) => self.info(&format!("+CTZU: {}", u8::from(self.clock.follows))),
            ("+CTZU", Form::Set(args)) => self.clock.follows = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+CTZR", Form::Read) => self.info(&format!("+CTZR: {}", u8::from(self.clock.tells_zone))),
            ("+CTZR", Form::Set(args)) => self.clock.tells_zone = args.at_most(1)?.number(0, 0..=1)? == 1,
            ("+NITZDISSET", Form::Set(args)) => self.clock.ahead = ahead(args)?,
            ("+CNTPCID", Form::Read) => self.info(&format!("+CNTPCID: {}", u8::from(self.clock.has_bearer))),
            ("+CNTPCID", Form::Set(args)) => self.clock.has_bearer = args.at_most(1)?.number(0, 1..=1)? == 1,
            ("+CNTP", Form::Read) => self.info(&format!("+CNTP: \"{}\",{}", self.clock.server, self.clock.zone)),
            ("+CNTP", Form::Set(args)) => {
                let server = args.at_most(2)?.text(0, 64)?;
                let zone = if args.len() == 2 { args.signed(1, ZONES)? } else { NTP_ZONE };
                if server.is_empty() {
                    return Err(Fault::EMPTY_VALUE);
                }
                (self.clock.server, self.clock.zone) = (server, zone);
            }
            ("+CNTP", Form::Plain) => return self.ask_time(),
            _ => return Err(args(form).err().unwrap_or(Fault::Error)),
        }
        Ok(Flow::Next)
    }

    fn ask_time(&mut self) -> Outcome {
        if !self.clock.has_bearer || self.clock.question.is_some() {
            return Err(Fault::NOT_ALLOWED);
        }
        if !self.bearer_is_open() {
            self.after(Duration::from_millis(5), Timer::Urc(format!("+CNTP: {NTP_NETWORK}")));
            return Ok(Flow::Next);
        }
        let id = self.next_connection();
        let cookie = u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX) ^ (id << 48);
        self.clock.question = Some((id, cookie));
        let mut packet = vec![0; 48];
        packet.splice(..1, [0x23]);
        packet.splice(40.., cookie.to_be_bytes());
        let host = self.clock.server.clone();
        self.outputs.push_back(Output::Datagram { id, host, port: NTP_PORT, bytes: Bytes::from(packet) });
        self.after(NTP_TIMEOUT, Timer::NtpTimeout(id));
        Ok(Flow::Next)
    }

    /// The cookie of the question with this number; it is answered with that.
    fn answered(&mut self, id: u64) -> Option<u64> {
        self.clock.question.take_if(|(open, _)| *open == id).map(|(_, cookie)| cookie)
    }

    pub(super) fn ntp_received(&mut self, id: u64, bytes: &[u8]) {
        let Some(cookie) = self.answered(id) else { return };
        match ntp_time(bytes, cookie) {
            Some(utc) => {
                self.set_clock(Shown::local(utc, self.clock.zone));
                self.urc(&format!("+CNTP: {NTP_DONE}"));
            }
            None => self.urc(&format!("+CNTP: {NTP_SERVER_FAULT}")),
        }
    }

    pub(super) fn ntp_failed(&mut self, id: u64, failure: Failure) {
        if self.answered(id).is_some() {
            let code = if failure == Failure::Name { NTP_NAME } else { NTP_CONNECT };
            self.urc(&format!("+CNTP: {code}"));
        }
    }

    pub(super) fn ntp_timeout(&mut self, id: u64) {
        if self.answered(id).is_some() {
            self.outputs.push_back(Output::Abort { id });
            self.urc(&format!("+CNTP: {NTP_LATE}"));
        }
    }
}

/// `AT+NITZDISSET="e",<hours>`, or `"d"` for none.
fn ahead(args: &Args) -> Result<Option<i32>, Fault> {
    match args.at_most(2)?.text(0, 1)?.as_str() {
        "e" => Ok(Some(args.signed(1, -12..=14)?)),
        "d" => Ok(None),
        _ => Err(Fault::RANGE),
    }
}

/// The Unix time in a server's answer to our question. Source: RFC 5905, section 7.3.
fn ntp_time(bytes: &[u8], cookie: u64) -> Option<u64> {
    let first = bytes.first().filter(|_| bytes.len() >= 48)?;
    let stratum = bytes.get(1)?;
    if first & 7 != 4 || !(1..16).contains(stratum) || bytes.get(24..32)? != cookie.to_be_bytes() {
        return None;
    }
    let seconds = u32::from_be_bytes(bytes.get(40..44)?.try_into().ok()?);
    u64::from(seconds).checked_sub(NTP_TO_UNIX)
}
