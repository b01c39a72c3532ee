//! Access points, addresses and the contexts of the packet network.
//!
//! The module brings up the default context by itself, and MQTT needs no more. Source: AT command manual V1.6.3, p. 247.

use super::fields::{fields, number, text};
use super::{Command, Done, Text, plain};
use crate::exchange::Information;
use crate::limits::{Unusable, name};
use atat::atat_derive::{AtatCmd, AtatResp};
use atat::{AtatResp, Error};
use std::net::Ipv4Addr;

/// Longest name of an access point. Source: 3GPP TS 23.003.
pub const MAX_APN: usize = 100;
/// Longest user name and password of an access point. The manual names no limit; this is what its examples stay below.
pub const MAX_LOGIN: usize = 64;

fn optional(what: &'static str, value: &str, max: usize) -> Result<(), Unusable> {
    if value.is_empty() { Ok(()) } else { name(what, value, max) }
}

/// `AT+CPNETAPN=2,"<apn>","<user>","<password>",<auth>`: the access point of the default context. Kept by the module;
/// takes effect with the next boot (firmware V1161 and later).
#[derive(Clone, AtatCmd)]
#[at_cmd("+CPNETAPN", Done, timeout_ms = 9_000)]
pub struct SetAccessPoint<'a> {
    mode: u8,
    apn: &'a str,
    user: &'a str,
    password: &'a str,
    auth: u8,
}

/// How an access point checks its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Authentication {
    /// Not at all.
    None = 0,
    /// PAP.
    Pap = 1,
    /// CHAP.
    Chap = 2,
}

impl<'a> SetAccessPoint<'a> {
    /// User and password are empty where there are none.
    pub fn new(apn: &'a str, user: &'a str, password: &'a str, auth: Authentication) -> Self {
        Self { mode: 2, apn, user, password, auth: auth as u8 }
    }
}
impl Command for SetAccessPoint<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        name("access point", self.apn, MAX_APN)?;
        optional("access point user", self.user, MAX_LOGIN)?;
        optional("access point password", self.password, MAX_LOGIN)
    }
}

/// `AT+CGDCONT=<cid>,"IP","<apn>"`: defines a context.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGDCONT", Done, timeout_ms = 9_000)]
pub struct DefineContext<'a> {
    /// 1 is the default context.
    pub cid: u8,
    /// `IP`, `IPV6` or `IPV4V6`.
    pub kind: &'a str,
    /// May be empty: the network chooses.
    pub apn: &'a str,
}
impl Command for DefineContext<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("kind of context", self.kind, 6)?;
        optional("access point", self.apn, MAX_APN)
    }
}

/// One context.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// 1 is the default context.
    pub cid: u8,
    /// `IP`, `IPV6` or `IPV4V6`.
    pub kind: String,
    /// Name of the access point, as the network told it.
    pub apn: Option<String>,
    /// Address of the module, once there is one.
    pub address: Option<String>,
}

/// The answer of `AT+CGDCONT?`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contexts(pub Vec<Context>);
impl AtatResp for Contexts {}

/// `AT+CGDCONT?`: `+CGDCONT: 1,"IP","cmiot","10.126.200.230"`, a line for each.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGDCONT?", Contexts, timeout_ms = 9_000, parse = contexts)]
pub struct GetContexts;
impl Command for GetContexts {
    const INFORMATION: Information = Information::List(|line| line.starts_with(b"+CGDCONT:"));
}

fn contexts(lines: &[u8]) -> Result<Contexts, Error> {
    let context = |line| {
        let f = fields(line)?;
        Some(Context { cid: number(&f, 0)?, kind: text(&f, 1)?, apn: text(&f, 2), address: text(&f, 3) })
    };
    let lines = lines.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    lines.map(context).collect::<Option<_>>().map(Contexts).ok_or(Error::Parse)
}

/// The answer of `AT+CGPADDR=1`.
#[derive(Clone, Debug, PartialEq, Eq, AtatResp)]
pub struct Address {
    /// 1.
    pub cid: u8,
    /// The module's address, once there is one.
    pub address: Option<Text>,
}

/// `AT+CGPADDR=1`: the address of the default context.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CGPADDR=1", Address, timeout_ms = 9_000)]
pub struct GetAddress;
impl Command for GetAddress {
    // Without an address some firmware answers a bare `OK`.
    const INFORMATION: Information = Information::List(|line| line.starts_with(b"+CGPADDR:"));
}

/// `AT+CSTT="<apn>","<user>","<password>"`: the access point of the TCP application; refused with code 3 once it is set.
#[derive(Clone, AtatCmd)]
#[at_cmd("+CSTT", Done, timeout_ms = 60_000)]
pub struct StartTask<'a> {
    /// May be empty: the network chooses.
    pub apn: &'a str,
    /// May be empty.
    pub user: &'a str,
    /// May be empty.
    pub password: &'a str,
}
impl Command for StartTask<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        optional("access point", self.apn, MAX_APN)?;
        optional("access point user", self.user, MAX_LOGIN)?;
        optional("access point password", self.password, MAX_LOGIN)
    }
}

/// `AT+CIICR`: brings the TCP application's context up. Up to 90 s, in which the line is taken. Source: p. 14.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CIICR", Done, timeout_ms = 90_000)]
pub struct BringUp;

/// `AT+CIPSHUT`: ends it. Answers `SHUT OK` and no `OK`; up to 90 s. Source: p. 14.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CIPSHUT", Done, timeout_ms = 90_000, parse = anything)]
pub struct ShutDown;
impl Command for ShutDown {
    const INFORMATION: Information = Information::Last(|line| line == b"SHUT OK");
}

fn anything(_: &[u8]) -> Result<Done, Error> {
    Ok(Done)
}

plain!(BringUp);

/// The address of the TCP application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAddress(pub Ipv4Addr);
impl AtatResp for LocalAddress {}

/// `AT+CIFSR`: the bare address, and no `OK` behind it.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+CIFSR", LocalAddress, timeout_ms = 9_000, parse = local_address)]
pub struct GetLocalAddress;
impl Command for GetLocalAddress {
    const INFORMATION: Information = Information::Last(|line| local_address(line).is_ok());
}

fn local_address(line: &[u8]) -> Result<LocalAddress, Error> {
    let text = std::str::from_utf8(line).map_err(|_| Error::Parse)?;
    text.parse().map(LocalAddress).map_err(|_| Error::Parse)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{exchange, line_of, read};

    #[test]
    fn lines_are_written_as_the_manual_prints_them() {
        let access = SetAccessPoint::new("cmiot", "u", "p", Authentication::Chap);
        assert_eq!(line_of(&access), "AT+CPNETAPN=2,\"cmiot\",\"u\",\"p\",2\r");
        assert!(!exchange(&access).unwrap().shown().contains("cmiot"));
        let context = DefineContext { cid: 5, kind: "IP", apn: "" };
        assert_eq!(line_of(&context), "AT+CGDCONT=5,\"IP\",\"\"\r");
        assert_eq!(line_of(&StartTask { apn: "", user: "", password: "" }), "AT+CSTT=\"\",\"\",\"\"\r");
        assert_eq!(line_of(&GetAddress), "AT+CGPADDR=1\r");
        assert_eq!(line_of(&ShutDown), "AT+CIPSHUT\r");
    }

    #[test]
    fn contexts_are_read_with_whatever_newer_firmware_adds() {
        let lines = b"+CGDCONT: 1,\"IP\",\"cmiot\",\"10.126.200.230\",0,0\n+CGDCONT: 5,\"IP\",\"\"";
        let contexts = read(&GetContexts, lines).unwrap().0;
        assert_eq!(contexts[0].apn.as_deref(), Some("cmiot"));
        assert_eq!(contexts[0].address.as_deref(), Some("10.126.200.230"));
        assert_eq!((contexts[1].cid, contexts[1].apn.as_deref()), (5, None));
        assert_eq!(read(&GetContexts, b"").unwrap().0, []);
        assert!(read(&GetContexts, b"+CGDCONT: x").is_err());
    }

    #[test]
    fn an_address_is_read_also_when_there_is_none_yet() {
        let address = read(&GetAddress, b"+CGPADDR: 1,\"10.76.1.35\"").unwrap();
        assert_eq!(address.address.unwrap().0, "10.76.1.35");
        assert_eq!(read(&GetAddress, b"+CGPADDR: 1").unwrap().address, None);
    }

    #[test]
    fn a_bare_address_is_recognised_and_nothing_else() {
        assert_eq!(read(&GetLocalAddress, b"10.191.209.135").unwrap().0, Ipv4Addr::new(10, 191, 209, 135));
        assert!(local_address(b"10.191.209").is_err() && local_address(b"+CSQ: 1.2.3.4").is_err());
    }

    #[test]
    fn what_the_module_does_not_take_is_not_sent() {
        let long = "x".repeat(101);
        assert!(SetAccessPoint::new(&long, "", "", Authentication::None).check().is_err());
        assert!(SetAccessPoint::new("", "", "", Authentication::None).check().is_err());
        assert!(StartTask { apn: "a\"\r", user: "", password: "" }.check().is_err());
    }
}
