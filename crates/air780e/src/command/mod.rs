//! The typed commands: what each sends, which lines are its answer, how long it may take.
//!
//! A command is an `atat` command (its derive writes the line and reads the answer) plus what this module needs to be
//! told apart on a line where anything may come at any time: which lines are its information, whether it has a data
//! phase, and which unsolicited code ends it after `OK`.

pub mod bearer;
pub mod clock;
mod data_mode;
pub(crate) mod fields;
pub mod general;
pub mod http;
pub mod location;
pub mod mqtt;
pub mod network;
pub mod pdp;
pub mod recovery;
pub mod serial;
pub mod sim;
pub mod sms;
pub mod ssl;
pub mod upgrade;

use crate::exchange::{Exchange, Failure, FollowUp, Information};
use crate::limits::{MAX_LINE, TooLong, Unusable};
use atat::AtatCmd;
use bytes::Bytes;
use std::time::Duration;

/// A command of this module.
pub trait Command: AtatCmd {
    /// Which lines are this command's information.
    const INFORMATION: Information = Information::None;
    /// What ends the command after its `OK`.
    const FOLLOW_UP: Option<FollowUp> = None;
    /// The line holds a secret and is never logged.
    const SECRET: bool = false;

    /// The bytes of the data phase, for a command that has one.
    fn data(&self) -> Option<Bytes> {
        None
    }

    /// Checks the arguments against the module's limits; asked before a command of a user is sent.
    ///
    /// # Errors
    /// [`Unusable`] names the argument that does not fit.
    fn check(&self) -> Result<(), Unusable> {
        Ok(())
    }
}

/// The exchange on the line that carries out `command`.
///
/// # Errors
/// [`TooLong`] if the line would be longer than the module reads.
pub fn exchange<C: Command>(command: &C) -> Result<Exchange, TooLong> {
    // The writer panics when its buffer is too small, so the buffer is large enough for the longest string of every
    // argument that a command accepts, all of it escaped; the module's own limit is checked afterwards.
    let mut line = vec![0; 16 * 1024];
    let len = command.write(&mut line);
    if len > MAX_LINE {
        return Err(TooLong { len });
    }
    line.truncate(len);
    Ok(Exchange {
        line,
        secret: C::SECRET,
        data: command.data(),
        information: C::INFORMATION,
        final_within: Duration::from_millis(u64::from(C::MAX_TIMEOUT_MS)),
        follow_up: C::FOLLOW_UP,
    })
}

/// Reads the information of the answer to `command`.
///
/// # Errors
/// [`Failure::Unreadable`] if it is not what this command answers.
pub fn read<C: Command>(command: &C, information: &[u8]) -> Result<C::Response, Failure> {
    let information = match C::INFORMATION {
        // There may be more lines than one when the line repeated itself: the last one counts.
        Information::Lines(_) | Information::Last(_) => information.rsplit(|&b| b == b'\n').next().unwrap_or_default(),
        _ => information,
    };
    command.parse(Ok(information)).map_err(|_| Failure::Unreadable)
}

/// `OK` and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, atat::atat_derive::AtatResp)]
pub struct Done;

/// A quoted string in an answer. (The reader of `atat` has no `String`.)
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl<'de> serde::Deserialize<'de> for Text {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a quoted string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
        }
        deserializer.deserialize_str(Visitor)
    }
}

/// Most commands answer within milliseconds; the manual allows 9 s for all that name no other time.
/// Source: AT command manual V1.6.3, p. 14.
pub(crate) const ANSWER_MS: u32 = 9_000;

/// Makes a `Command` of `atat` commands that answer a bare `OK` and need nothing else.
macro_rules! plain {
    ($($command:ty),+ $(,)?) => { $(impl $crate::command::Command for $command {})+ };
}
pub(crate) use plain;

/// Writes as much of a line as fits; [`exchange`] gives room for every line that the module reads.
fn write_line(buf: &mut [u8], line: &[u8]) -> usize {
    let len = line.len().min(buf.len());
    if let (Some(to), Some(from)) = (buf.get_mut(..len), line.get(..len)) {
        to.copy_from_slice(from);
    }
    len
}

#[cfg(test)]
impl Information {
    fn lines(self) -> fn(&[u8]) -> bool {
        match self {
            Self::Lines(recognise) => recognise,
            _ => panic!("this command has no information lines of its own"),
        }
    }
}

#[cfg(test)]
pub(crate) fn line_of<C: Command>(command: &C) -> String {
    String::from_utf8(exchange(command).unwrap().line).unwrap()
}

#[cfg(test)]
mod tests {
    use super::{general, mqtt, network, ssl};
    use atat::AtatCmd as _;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_answer_panics_a_reader(
            name in prop_oneof![Just("+CSQ: "), Just("+CEREG: "), Just("+CGATT: "), Just("+CGMR: "), Just("+MQTTSTATU :"), Just("+FSFLSIZE: "), Just("")],
            rest in prop_oneof![".{0,40}", "[0-9,\"\\\\ -]{0,40}"],
            raw in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            for answer in [format!("{name}{rest}").into_bytes(), raw] {
                let _ = network::GetSignal.parse(Ok(&answer));
                let _ = network::GetRegistration.parse(Ok(&answer));
                let _ = network::GetAttachment.parse(Ok(&answer));
                let _ = general::Firmware.parse(Ok(&answer));
                let _ = general::SerialNumber.parse(Ok(&answer));
                let _ = general::SimStatus.parse(Ok(&answer));
                let _ = mqtt::GetSessionState.parse(Ok(&answer));
                let _ = ssl::GetFileSize { name: "x" }.parse(Ok(&answer));
            }
        }
    }
}
