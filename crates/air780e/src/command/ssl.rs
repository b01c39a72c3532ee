//! TLS settings of the MQTT client, and the file system that holds the certificate.
//!
//! Source: AT command manual V1.6.3, p. 150 ff. (`SSLCFG`) and the file system chapter.

use super::general::Lines;
use super::{Command, Done, plain};
use crate::exchange::Information;
use crate::limits::{MAX_HOST, Unusable, length, name};
use atat::atat_derive::{AtatCmd, AtatResp};
use bytes::Bytes;
use std::convert::Infallible;

/// The TLS context of the MQTT client. Source: p. 150.
pub const MQTT_CONTEXT: u8 = 88;
/// Longest file name, in bytes.
pub const MAX_FILE_NAME: usize = 64;
/// Largest piece of a file written at once, in bytes.
pub const MAX_WRITE: usize = 10_240;

/// `AT+SSLCFG="<key>",88,<number>`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SSLCFG", Done, timeout_ms = 9_000)]
pub struct SetNumber<'a> {
    /// `sslversion` (3 is TLS 1.2, 4 all), `seclevel` (0 none, 1 the server is verified), `ignorelocaltime` (1: dates
    /// are not checked).
    pub key: &'a str,
    /// [`MQTT_CONTEXT`].
    pub context: u8,
    /// Value.
    pub value: u8,
}

/// `AT+SSLCFG="<key>",88,"<text>"`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SSLCFG", Done, timeout_ms = 9_000)]
pub struct SetText<'a> {
    /// `cacert` (a file name), `hostname` (server name indication and check).
    pub key: &'a str,
    /// [`MQTT_CONTEXT`].
    pub context: u8,
    /// Value.
    pub value: &'a str,
}

/// `AT+FSCREATE="<name>"`: makes an empty file; an error if it exists.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+FSCREATE", Done, timeout_ms = 9_000)]
pub struct CreateFile<'a> {
    /// At most 64 bytes.
    pub name: &'a str,
}

/// The answer of `AT+FSFLSIZE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct FileSize {
    /// In bytes.
    pub size: usize,
}

/// `AT+FSFLSIZE="<name>"`: the size of a file; an error if there is none.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+FSFLSIZE", FileSize, timeout_ms = 9_000)]
pub struct GetFileSize<'a> {
    /// File name.
    pub name: &'a str,
}
impl Command for GetFileSize<'_> {
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+FSFLSIZE:"));

    fn check(&self) -> Result<(), Unusable> {
        file_name(self.name)
    }
}

plain!(SetNumber<'_>);

impl Command for SetText<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("TLS setting", self.value, MAX_HOST)
    }
}

impl Command for CreateFile<'_> {
    fn check(&self) -> Result<(), Unusable> {
        file_name(self.name)
    }
}

/// `AT+FSDEL="<name>"`: deletes a file; an error if there is none.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+FSDEL", Done, timeout_ms = 9_000)]
pub struct DeleteFile<'a> {
    /// File name.
    pub name: &'a str,
}
impl Command for DeleteFile<'_> {
    fn check(&self) -> Result<(), Unusable> {
        file_name(self.name)
    }
}

/// `AT+FSREAD="<name>",1,<length>,<position>`: a piece of a file of text, as lines. The module does not say how many bytes
/// follow, so a binary file cannot be read: a line of it that is `OK`, or that the module says by itself, is not its own. For
/// a certificate it is enough.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+FSREAD", Lines, timeout_ms = 15_000, parse = lines)]
pub struct ReadText<'a> {
    name: &'a str,
    from_position: u8,
    len: usize,
    position: usize,
}

impl<'a> ReadText<'a> {
    /// The `len` bytes at `position`; at most [`MAX_WRITE`].
    pub fn new(name: &'a str, position: usize, len: usize) -> Self {
        Self { name, from_position: 1, len, position }
    }
}
impl Command for ReadText<'_> {
    const INFORMATION: Information = Information::Everything;

    fn check(&self) -> Result<(), Unusable> {
        file_name(self.name)?;
        length("piece of a file", self.len, MAX_WRITE)
    }
}

fn lines(text: &[u8]) -> Result<Lines, Infallible> {
    Ok(Lines(String::from_utf8_lossy(text).lines().map(str::to_owned).collect()))
}

fn file_name(text: &str) -> Result<(), Unusable> {
    name("file name", text, MAX_FILE_NAME)
}

/// `AT+FSWRITE="<name>",0,<length>,<seconds>`, then a prompt, then the bytes: overwrites the file.
#[derive(Clone, Debug)]
pub struct WriteFile<'a> {
    /// File name.
    pub name: &'a str,
    /// 1 to [`MAX_WRITE`] bytes.
    pub content: Bytes,
}

#[derive(AtatCmd)]
#[at_cmd("+FSWRITE", Done, timeout_ms = 15_000, termination = "\r\n")]
struct WriteFileLine<'a> {
    name: &'a str,
    append: u8,
    len: usize,
    seconds: u8,
}

/// How long the module waits for the bytes: ten kilobytes take ten seconds at 9,600 baud.
const WRITE_SECONDS: u8 = 15;

impl atat::AtatCmd for WriteFile<'_> {
    type Response = Done;
    const MAX_TIMEOUT_MS: u32 = <WriteFileLine<'_> as atat::AtatCmd>::MAX_TIMEOUT_MS;

    fn write(&self, buf: &mut [u8]) -> usize {
        WriteFileLine { name: self.name, append: 0, len: self.content.len(), seconds: WRITE_SECONDS }.write(buf)
    }

    fn parse(&self, answer: Result<&[u8], atat::InternalError<'_>>) -> Result<Done, atat::Error> {
        answer?;
        Ok(Done)
    }
}
impl Command for WriteFile<'_> {
    fn data(&self) -> Option<Bytes> {
        Some(self.content.clone())
    }

    fn check(&self) -> Result<(), Unusable> {
        file_name(self.name)?;
        length("file", self.content.len(), MAX_WRITE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{exchange, line_of};

    #[test]
    fn lines_are_written_as_in_the_vendor_tutorial() {
        assert_eq!(
            line_of(&SetNumber { key: "seclevel", context: MQTT_CONTEXT, value: 1 }),
            "AT+SSLCFG=\"seclevel\",88,1\r"
        );
        assert_eq!(
            line_of(&SetText { key: "cacert", context: MQTT_CONTEXT, value: "ca.crt" }),
            "AT+SSLCFG=\"cacert\",88,\"ca.crt\"\r"
        );
        assert_eq!(line_of(&CreateFile { name: "ca.crt" }), "AT+FSCREATE=\"ca.crt\"\r");
        let write = WriteFile { name: "ca.crt", content: Bytes::from_static(b"0123456789") };
        assert_eq!(exchange(&write).unwrap().line, b"AT+FSWRITE=\"ca.crt\",0,10,15\r\n");
        assert_eq!(line_of(&ReadText::new("ca.crt", 0, 10)), "AT+FSREAD=\"ca.crt\",1,10,0\r");
        assert_eq!(line_of(&DeleteFile { name: "ca.crt" }), "AT+FSDEL=\"ca.crt\"\r");
    }

    #[test]
    fn files_that_the_module_does_not_take_are_not_sent() {
        let write = |len| WriteFile { name: "ca.crt", content: Bytes::from(vec![b'x'; len]) };
        assert!(write(MAX_WRITE).check().is_ok() && write(MAX_WRITE + 1).check().is_err() && write(0).check().is_err());
        let name = "x".repeat(MAX_FILE_NAME + 1);
        assert!(CreateFile { name: &name }.check().is_err() && DeleteFile { name: "" }.check().is_err());
        assert!(ReadText::new("ca.crt", 0, MAX_WRITE + 1).check().is_err());
    }
}
