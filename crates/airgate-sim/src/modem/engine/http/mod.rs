//! The module's HTTP client: one session, one request at a time, and a buffer of a few kilobytes for the answer.
//!
//! Source: AT command manual V1.6.3, HTTP chapter; framing of the data blocks: time-stamped logs of Air780EP V1007.

mod exchange;
mod params;
mod response;
mod url;

use std::time::Duration;

use super::Engine;
use super::commands::{Flow, Outcome, args};
use super::fault::Fault;
use super::input::{Data, Purpose};
use super::output::framed;
use super::parse::{Args, Form};
pub(super) use exchange::Exchange;
pub(super) use params::Params;
pub(super) use response::{Progress, Response};
pub(super) use url::Url;

/// Largest body of a request and largest piece of `AT+HTTPREAD`, bytes.
const PIECE_MAX: u32 = 3356;

/// What `AT+HTTPACTION` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
    Head,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Head => "HEAD",
        }
    }
}

/// A plain request for a file.
pub(super) fn get(params: &Params, url: &Url) -> Vec<u8> {
    params.request(Method::Get, url, &[])
}

/// A session between `AT+HTTPINIT` and `AT+HTTPTERM`; volatile.
#[derive(Debug, Default)]
struct Session {
    params: Params,
    /// Of the next POST.
    body: Vec<u8>,
    /// Of the last answer.
    head: Vec<u8>,
    answer: Vec<u8>,
}

/// The state of HTTP.
#[derive(Debug, Default)]
pub(super) struct Http {
    session: Option<Session>,
    /// `AT+HTTPSSL=1`: an address without scheme means TLS.
    tls: bool,
    exchange: Option<Exchange>,
}

impl Http {
    /// The number of the connection that is open or being opened.
    pub(super) fn connection(&self) -> Option<u64> {
        self.exchange.as_ref().map(Exchange::connection)
    }

    fn session(&mut self) -> Result<&mut Session, Fault> {
        self.session.as_mut().ok_or(Fault::NOT_ALLOWED)
    }
}

impl Engine {
    pub(super) fn http_command(&mut self, name: &str, form: &Form) -> Outcome {
        match (name, form) {
            ("+HTTPINIT", Form::Plain) if self.http.session.is_some() => return Err(Fault::NOT_ALLOWED),
            ("+HTTPINIT", Form::Plain) => self.http.session = Some(Session::default()),
            ("+HTTPTERM", Form::Plain) => {
                self.http.session()?;
                self.http_abort();
                self.http = Http::default();
            }
            ("+HTTPSSL", Form::Read) => self.info(&format!("+HTTPSSL: {}", u8::from(self.http.tls))),
            ("+HTTPSSL", Form::Set(args)) => {
                let on = args.at_most(1)?.number(0, 0..=1)? == 1;
                self.http.session()?;
                self.http.tls = on;
            }
            ("+HTTPPARA", Form::Read) => {
                let lines = self.http.session()?.params.lines();
                self.info_list(&lines);
            }
            ("+HTTPPARA", Form::Set(args)) => self.http.session()?.params.set(args)?,
            ("+HTTPDATA", _) => return self.http_data(args(form)?),
            ("+HTTPACTION", _) => return self.http_action(args(form)?),
            ("+HTTPREAD", Form::Plain) => return self.http_read(0, usize::MAX),
            ("+HTTPREAD", Form::Set(args)) => {
                let start = args.at_most(2)?.number(0, 0..=PIECE_MAX)?;
                let size = args.number(1, 1..=PIECE_MAX)?;
                let bytes = |value| usize::try_from(value).map_err(|_| Fault::RANGE);
                return self.http_read(bytes(start)?, bytes(size)?);
            }
            ("+HTTPHEAD", Form::Plain) => {
                let head = self.http.session()?.head.clone();
                return Ok(Flow::Ends(self.block("+HTTPHEAD", &head)));
            }
            _ => return Err(Fault::Error),
        }
        Ok(Flow::Next)
    }

    /// `AT+HTTPDATA=<size>,<ms>`; size 0 clears what is there.
    fn http_data(&mut self, args: &Args) -> Outcome {
        let size = args.at_most(2)?.number(0, 0..=PIECE_MAX)?;
        let session = self.http.session()?;
        session.body.clear();
        if size == 0 {
            return Ok(Flow::Next);
        }
        let time = args.number(1, 1000..=120_000)?;
        let length = usize::try_from(size).map_err(|_| Fault::RANGE)?;
        let data =
            Data { within: Some(Duration::from_millis(u64::from(time))), ..Data::counted(Purpose::HttpBody, length) };
        Ok(Flow::Data(data, false))
    }

    /// The time or the bytes of `AT+HTTPDATA` have run out; what came is the body.
    pub(super) fn http_body(&mut self, bytes: Vec<u8>) -> Result<(), Fault> {
        self.http.session()?.body = bytes;
        Ok(())
    }

    fn http_read(&mut self, start: usize, size: usize) -> Outcome {
        let answer = &self.http.session()?.answer;
        let rest = answer.get(start..).ok_or(Fault::INVALID)?;
        let piece = rest.get(..size.min(rest.len())).unwrap_or_default().to_vec();
        Ok(Flow::Ends(self.block("+HTTPREAD", &piece)))
    }

    /// A length, as many raw bytes, and the `OK` whose own CR LF closes them.
    fn block(&self, name: &str, bytes: &[u8]) -> Vec<u8> {
        let blank = if self.profile.http_tight { "" } else { " " };
        let gap: &[u8] = if self.profile.http_blank_line { b"\r\n" } else { b"" };
        [&framed(&format!("{name}:{blank}{}", bytes.len())), bytes, gap, &framed("OK")].concat()
    }
}
