//! The module's HTTP client: one session, one request at a time, an answer of a few kilobytes.
//!
//! Source: AT command manual V1.6.3, HTTP chapter; framing as in time-stamped logs of an Air780EP V1007.

use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::frame::Block as Kind;
use crate::limits::{Unusable, length, name};
use atat::AtatResp;
use atat::atat_derive::AtatCmd;
use bytes::Bytes;
use std::convert::Infallible;

/// The TLS context of the HTTP client. Source: `SSLCFG`, p. 150.
pub const HTTP_CONTEXT: u8 = 153;
/// Longest address, in bytes.
pub const MAX_URL: usize = 500;
/// Longest header line, in bytes. The manual names no limit; a line of 3 kB is the most that the module reads, and
/// every byte may become three.
pub const MAX_HEADER: usize = 900;
/// Largest body of a request, in bytes.
pub const MAX_BODY: usize = 3356;
/// Largest piece of an answer that is read at once, in bytes; also the largest range that is asked for.
pub const MAX_PIECE: usize = 3072;
/// What the module keeps of an answer, in bytes; more is dropped. (128 KB in the `_LSAT` firmware.)
pub const BUFFER: usize = 4096;

/// `AT+HTTPINIT`: begins a session; refused when there is one.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPINIT", Done, timeout_ms = 9_000)]
pub struct Init;

/// `AT+HTTPTERM`: ends the session and whatever is under way in it; refused when there is none.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPTERM", Done, timeout_ms = 9_000)]
pub struct Term;

plain!(Init, Term);

/// `AT+HTTPPARA="<name>","<text>"`.
#[derive(Clone, AtatCmd)]
#[at_cmd("+HTTPPARA", Done, timeout_ms = 9_000)]
pub struct SetText<'a> {
    /// `URL`, or `USER_DEFINED` for one header line `Name: value`.
    pub key: &'a str,
    /// Value; it may hold a secret.
    pub value: &'a str,
}
impl Command for SetText<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        name("HTTP parameter", self.key, 16)?;
        match self.key {
            "URL" => name("address", self.value, MAX_URL),
            _ => name("header line", self.value, MAX_HEADER),
        }
    }
}

/// `AT+HTTPPARA="<name>",<number>`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPPARA", Done, timeout_ms = 9_000)]
pub struct SetNumber<'a> {
    /// `CID`, `BREAK` and `BREAKEND` (first and last byte of a range), `TIMEOUT` (seconds, 120 if not set), `REDIR`
    /// (1 follows redirects).
    pub key: &'a str,
    /// Value.
    pub value: u32,
}
impl Command for SetNumber<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("HTTP parameter", self.key, 16)
    }
}

/// How long the module waits for the body: 3 kB take 3.5 s at 9,600 baud. When its prompt is lost, this time has passed
/// before the line is used again.
const DATA_MS: u32 = 10_000;

/// `AT+HTTPDATA=<length>,<ms>`, then `DOWNLOAD`, then the body as it is.
#[derive(Clone, Debug)]
pub struct SetBody {
    /// 1 to [`MAX_BODY`] bytes.
    pub body: Bytes,
}

#[derive(AtatCmd)]
#[at_cmd("+HTTPDATA", Done, timeout_ms = 12_000, termination = "\r\n")]
struct SetBodyLine {
    len: usize,
    within_ms: u32,
}

impl atat::AtatCmd for SetBody {
    type Response = Done;
    const MAX_TIMEOUT_MS: u32 = <SetBodyLine as atat::AtatCmd>::MAX_TIMEOUT_MS;

    fn write(&self, buf: &mut [u8]) -> usize {
        SetBodyLine { len: self.body.len(), within_ms: DATA_MS }.write(buf)
    }

    fn parse(&self, answer: Result<&[u8], atat::InternalError<'_>>) -> Result<Done, atat::Error> {
        answer?;
        Ok(Done)
    }
}
impl Command for SetBody {
    fn data(&self) -> Option<Bytes> {
        Some(self.body.clone())
    }

    fn check(&self) -> Result<(), Unusable> {
        length("request body", self.body.len(), MAX_BODY)
    }
}

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Method {
    /// Fetches.
    Get = 0,
    /// Sends a body.
    Post = 1,
    /// Fetches the headers alone.
    Head = 2,
}

/// `AT+HTTPACTION=<method>`: sends the request. After `OK` comes `+HTTPACTION: <method>,<status>,<length>`, as soon as
/// there is an answer.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPACTION", Done, timeout_ms = 9_000)]
pub struct Act {
    method: u8,
}

impl Act {
    /// This method.
    pub fn new(method: Method) -> Self {
        Self { method: method as u8 }
    }
}
plain!(Act);

/// Raw bytes of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block(pub Bytes);
impl AtatResp for Block {}

fn block(bytes: &[u8]) -> Result<Block, Infallible> {
    Ok(Block(Bytes::copy_from_slice(bytes)))
}

/// `AT+HTTPREAD=<start>,<length>`: a piece of the body. 3 kB take 3.2 s at 9,600 baud.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPREAD", Block, timeout_ms = 9_000, parse = block)]
pub struct Read {
    /// 0 to 3356.
    pub start: usize,
    /// 1 to 3356.
    pub length: usize,
}
impl Command for Read {
    const INFORMATION: Information = Information::Block(Kind::HttpBody);

    fn check(&self) -> Result<(), Unusable> {
        length("place in the body", self.start + 1, MAX_BODY + 1)?;
        length("piece of the body", self.length, MAX_BODY)
    }
}

/// `AT+HTTPHEAD`: the header lines of the answer, joined by CR LF.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+HTTPHEAD", Block, timeout_ms = 9_000, parse = block)]
pub struct ReadHead;
impl Command for ReadHead {
    const INFORMATION: Information = Information::Block(Kind::HttpHead);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{exchange, line_of};

    #[test]
    fn lines_are_written_as_in_a_log_of_a_real_module() {
        let url = "https://files.example.com/v1/firmware.bin?of=7";
        assert_eq!(line_of(&SetText { key: "URL", value: url }), format!("AT+HTTPPARA=\"URL\",\"{url}\"\r"));
        assert_eq!(line_of(&SetNumber { key: "BREAKEND", value: 3071 }), "AT+HTTPPARA=\"BREAKEND\",3071\r");
        assert_eq!(line_of(&Act::new(Method::Post)), "AT+HTTPACTION=1\r");
        assert_eq!(line_of(&Read { start: 0, length: 3072 }), "AT+HTTPREAD=0,3072\r");
        let body = exchange(&SetBody { body: Bytes::from_static(b"\nx") }).unwrap();
        assert_eq!(body.line, b"AT+HTTPDATA=2,10000\r\n", "CR LF: a first byte of LF would be eaten behind a bare CR");
    }

    #[test]
    fn what_the_module_does_not_take_is_not_sent() {
        assert!(SetText { key: "URL", value: &"x".repeat(MAX_URL) }.check().is_ok());
        assert!(SetText { key: "URL", value: &"x".repeat(MAX_URL + 1) }.check().is_err());
        assert!(SetText { key: "USER_DEFINED", value: "A: b\r\nC: d" }.check().is_err(), "one header, not two");
        assert!(SetBody { body: Bytes::from(vec![0; MAX_BODY + 1]) }.check().is_err());
        assert!(SetBody { body: Bytes::new() }.check().is_err());
        assert!(Read { start: 0, length: 0 }.check().is_err());
    }

    #[test]
    fn an_address_with_a_token_is_not_logged() {
        let exchange = exchange(&SetText { key: "URL", value: "http://h/?token=hunter2" }).unwrap();
        assert!(!exchange.shown().contains("hunter2"));
    }
}
