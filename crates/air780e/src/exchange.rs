//! One command on the line: what is sent, what belongs to its answer, how it can end.

use crate::frame::Block;
use crate::limits::{TooLong, Unusable};
use crate::urc::Urc;
use bytes::Bytes;
use std::time::Duration;

/// A command ready for the line.
#[derive(Clone)]
pub struct Exchange {
    /// The command line with its line end.
    pub line: Vec<u8>,
    /// Whether the line must not be logged.
    pub secret: bool,
    /// What is sent after the prompt.
    pub data: Option<Bytes>,
    /// Which lines are the answer's information.
    pub information: Information,
    /// How long the final result may take, counted from the last byte of the line.
    pub final_within: Duration,
    /// What ends the command after its `OK`.
    pub follow_up: Option<FollowUp>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("line", &self.shown())
            .field("data", &self.data.as_ref().map(Bytes::len))
            .field("follow_up", &self.follow_up)
            .finish()
    }
}

impl Exchange {
    /// The line for a log: secrets cut off behind the command's name.
    pub fn shown(&self) -> String {
        let text = String::from_utf8_lossy(&self.line);
        let text = text.trim_end();
        match text.split_once('=') {
            Some((name, _)) if self.secret => format!("{name}=…"),
            _ => text.to_owned(),
        }
    }
}

/// Which lines are the information of an answer.
#[derive(Clone, Copy, Debug)]
pub enum Information {
    /// None: the answer is a bare final result.
    None,
    /// The lines that the function recognises. An `OK` without any of them is not this command's.
    Lines(fn(&[u8]) -> bool),
    /// Any number of lines that the function recognises, also none: a list.
    List(fn(&[u8]) -> bool),
    /// One line that the function recognises, and behind which there is no `OK`: it ends the answer.
    Last(fn(&[u8]) -> bool),
    /// A block of raw bytes. An `OK` without it is not this command's.
    Block(Block),
    /// Every line up to the final result that is not unsolicited.
    Everything,
}

impl Information {
    /// Whether an `OK` without information cannot be the command's own.
    pub fn is_owed(self) -> bool {
        matches!(self, Self::Lines(_) | Self::Last(_) | Self::Block(_))
    }
}

/// The second stage of a command: after `OK`, an unsolicited code ends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Which code.
    pub ends: Ends,
    /// How long it may take, counted from the `OK`.
    pub within: Duration,
    /// No other command may be sent meanwhile, because a refusal would be a bare `ERROR`.
    pub exclusive: bool,
}

/// The code that ends a second stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// `CONNECT OK`.
    Connect,
    /// `CONNACK OK`.
    Connack,
    /// `SUBACK`.
    Suback,
    /// `UNSUBACK`.
    Unsuback,
    /// `PUBACK`.
    Puback,
    /// `PUBREC`, then `PUBCOMP`.
    Pubcomp,
}

impl Ends {
    /// How `urc` ends the second stage; `None` if it has nothing to do with it.
    pub fn by(self, urc: &Urc) -> Option<Result<(), Failure>> {
        Some(match (self, urc) {
            (Self::Connect, Urc::ConnectOk)
            | (Self::Connack, Urc::ConnackOk)
            | (Self::Suback, Urc::Suback)
            | (Self::Unsuback, Urc::Unsuback)
            | (Self::Puback, Urc::Puback)
            | (Self::Pubcomp, Urc::Pubrec | Urc::Pubcomp) => Ok(()),
            (Self::Connect, Urc::ConnectFail) => Err(Failure::ConnectFailed),
            (Self::Connect, Urc::AlreadyConnect) => Err(Failure::AlreadyConnected),
            (_, Urc::Closed) => Err(Failure::Closed),
            _ => return None,
        })
    }
}

impl std::fmt::Display for Ends {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connect => "CONNECT OK",
            Self::Connack => "CONNACK OK",
            Self::Suback => "SUBACK",
            Self::Unsuback => "UNSUBACK",
            Self::Puback => "PUBACK",
            Self::Pubcomp => "PUBCOMP",
        })
    }
}

/// How a command ended: its information lines, joined by LF, or the bytes of its block, or why there is nothing.
pub type Outcome = Result<Vec<u8>, Failure>;

/// Why a command did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The module said no.
    #[error("refused by the module: {0}")]
    Refused(Refusal),
    /// No final result in time: whether the command was carried out is unknown.
    #[error("no answer from the module in time")]
    NoAnswer,
    /// No prompt in time: the data was not sent.
    #[error("the module did not ask for the data in time")]
    NoPrompt,
    /// `OK`, but not what has to follow.
    #[error("OK, but no {0} in time")]
    NoFollowUp(Ends),
    /// The connection was closed while the command waited for what has to follow.
    #[error("the connection was closed")]
    Closed,
    /// The connection could not be made.
    #[error("the connection could not be made")]
    ConnectFailed,
    /// The module had a connection already, in an unknown state.
    #[error("the module had a connection already")]
    AlreadyConnected,
    /// The module rebooted.
    #[error("the module rebooted")]
    Rebooted,
    /// The serial port is gone.
    #[error("the serial port is gone")]
    PortLost,
    /// The module's answer is not what this command answers.
    #[error("an answer that cannot be read")]
    Unreadable,
    /// The line would be longer than the module reads.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The line holds what no command line may hold.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// How the module says no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `ERROR`.
    Error,
    /// `+CME ERROR: n`.
    Cme(u16),
    /// `+CMS ERROR: n`.
    Cms(u16),
    /// An error in words: firmware that ignores `AT+CMEE=1`.
    Text(String),
}

impl Refusal {
    /// Whether the module finds fault with what stands in the command, and not with the moment. Firmware differs in the
    /// code that it has for that. Source: vendor's table of CME errors.
    pub fn is_about_arguments(&self) -> bool {
        matches!(self, Self::Cme(53 | 765 | 793 | 914))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Error => f.write_str("ERROR"),
            Self::Cme(code) => match meaning(*code) {
                Some(meaning) => write!(f, "+CME ERROR: {code} ({meaning})"),
                None => write!(f, "+CME ERROR: {code}"),
            },
            Self::Cms(code) => write!(f, "+CMS ERROR: {code}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// The codes that a user meets. Source: vendor's table of CME errors.
fn meaning(code: u16) -> Option<&'static str> {
    Some(match code {
        3 => "operation not allowed",
        4 => "not supported, or too early after power-on",
        10 => "no SIM card",
        11 => "SIM PIN wanted",
        13 => "SIM card failure",
        14 => "SIM card busy",
        16 => "wrong SIM PIN",
        30 => "no network service",
        31 => "network time-out",
        50 => "execution failed",
        51 => "module out of memory",
        53 | 58 => "bad parameter",
        62 => "no such file",
        148 => "packet service error",
        149 => "APN user or password refused",
        765 => "bad input value",
        767 => "operation failed",
        793 => "parameter out of range",
        797 => "radio is off",
        914 => "too long for its buffer",
        _ => return None,
    })
}

/// The last line of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Final {
    /// `OK`.
    Ok,
    /// One of the errors.
    Refused(Refusal),
}

impl Final {
    /// Recognises a final result: always a whole line, never a part of one.
    pub fn parse(line: &[u8]) -> Option<Self> {
        match line {
            b"OK" => return Some(Self::Ok),
            b"ERROR" => return Some(Self::Refused(Refusal::Error)),
            _ => {}
        }
        let text = std::str::from_utf8(line).ok()?;
        let (code, known): (&str, fn(u16) -> Refusal) = if let Some(code) = text.strip_prefix("+CME ERROR:") {
            (code, Refusal::Cme)
        } else if let Some(code) = text.strip_prefix("+CMS ERROR:") {
            (code, Refusal::Cms)
        } else {
            return None;
        };
        let refusal = code.trim().parse().map_or_else(|_| Refusal::Text(text.to_owned()), known);
        Some(Self::Refused(refusal))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_results_are_whole_lines() {
        assert_eq!(Final::parse(b"OK"), Some(Final::Ok));
        assert_eq!(Final::parse(b"ERROR"), Some(Final::Refused(Refusal::Error)));
        assert_eq!(Final::parse(b"+CME ERROR: 767"), Some(Final::Refused(Refusal::Cme(767))));
        assert_eq!(Final::parse(b"+CMS ERROR: 500"), Some(Final::Refused(Refusal::Cms(500))));
        for no in [&b"CONNECT OK"[..], b"SEND OK", b"OKAY", b" OK", b"+CME", b"\xff\xfe"] {
            assert_eq!(Final::parse(no), None);
        }
    }

    #[test]
    fn an_error_in_words_is_kept() {
        let text = "+CME ERROR: SIM not inserted";
        assert_eq!(Final::parse(text.as_bytes()), Some(Final::Refused(Refusal::Text(text.into()))));
    }

    #[test]
    fn a_secret_line_is_shown_without_its_arguments() {
        let mut exchange = Exchange {
            line: b"AT+MCONFIG=\"id\",\"user\",\"hunter2\"\r".to_vec(),
            secret: true,
            data: None,
            information: Information::None,
            final_within: Duration::ZERO,
            follow_up: None,
        };
        assert_eq!(exchange.shown(), "AT+MCONFIG=…");
        assert!(!format!("{exchange:?}").contains("hunter2"));
        exchange.secret = false;
        assert!(exchange.shown().contains("hunter2"));
    }
}
