//! Unsolicited result codes: what the module says on its own.
//!
//! Source: AT command manual V1.6.3, MQTT chapter; boot and network codes as recorded from Air780E V1161 and V1169.

use bytes::Bytes;
use nom::branch::alt;
use nom::bytes::complete::{tag, take_until};
use nom::character::complete::{digit1, i32, space0, u8 as number, u16, u32};
use nom::combinator::{all_consuming, rest};
use nom::sequence::{delimited, preceded};
use nom::{IResult, Parser};

/// One unsolicited line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Urc {
    /// The mask ROM's banner: the module begins to boot; whatever it knew is gone.
    RomBanner,
    /// `RDY`: the AT engine listens, from factory state.
    Ready,
    /// `+E_UTRAN Service` (true) or `+NO Service` (false).
    Service(bool),
    /// `^MODE: a,b`; 17 is LTE, 0 none.
    Mode(u8),
    /// `+CGEV: ME PDN ACT n`: the bearer is up.
    BearerUp,
    /// The bearer is gone, in one of its spellings.
    BearerLost,
    /// `+NITZ: …`: network time, still in the module's spelling.
    Nitz(Bytes),
    /// `+CPIN: SIM REMOVED 0` (false) or `+CPIN: READY 0` (true), with SIM detection on.
    Sim(bool),
    /// `CONNECT OK`: the TCP or TLS connection of the MQTT client is up.
    ConnectOk,
    /// `ALREADY CONNECT`: it was up before, in an unknown state.
    AlreadyConnect,
    /// `CONNECT FAIL`.
    ConnectFail,
    /// `STATE: …` in front of a `CONNECT FAIL`.
    State(Bytes),
    /// `CONNACK OK`: the MQTT session is up.
    ConnackOk,
    /// `SUBACK`.
    Suback,
    /// `UNSUBACK`.
    Unsuback,
    /// `PUBACK`: the broker has the QoS 1 message. No packet id is printed.
    Puback,
    /// `PUBREC`: first half of QoS 2.
    Pubrec,
    /// `PUBCOMP`: second half of QoS 2.
    Pubcomp,
    /// `CLOSED`, or `MQTT HEART NO ACK` of older firmware: the MQTT connection is gone.
    Closed,
    /// `+HTTPACTION: <method>,<status>,<length>`: the HTTP client has an answer of this many bytes, or of 0 for HEAD.
    /// Some firmware prints it again as more of the body comes.
    HttpAction {
        /// 0 GET, 1 POST, 2 HEAD.
        method: u8,
        /// The server's status, or 600 and above for the module's own errors.
        status: u16,
        /// Bytes of the body in the module's buffer.
        len: usize,
    },
    /// `+SAPBR 1: DEACT`: the bearer of HTTP, time and location is gone.
    ServiceBearerLost,
    /// `+CNTP: n`: the time server answered (1), or did not.
    TimeServer(u16),
    /// `+CMTI: "SM",n`: a short message came to place n of the card.
    TextStored(u16),
    /// A short message that is shown at once; see [`crate::sms::Sms::from_cmt`].
    Text {
        /// The line `+CMT: …`.
        header: Bytes,
        /// The line behind it.
        body: Bytes,
    },
    /// `+UPGRADEIND: n`: so many percent of a firmware update are loaded, or a negative code.
    UpgradeLoading(i32),
    /// `+QIND: "FOTA",…`: the boot loader installs an update.
    UpgradeInstalling(Installing),
    /// `+MSUB: n`: a message waits in cache slot n, because the module is in cache mode.
    Cached(u8),
}

/// How far an update is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Installing {
    /// It begins.
    Start,
    /// So many percent.
    Percent(u8),
    /// It ended; 0 is success.
    End(i32),
}

impl Urc {
    /// Recognises a line; `None` if it is none of the above.
    pub fn parse(line: &Bytes) -> Option<Self> {
        fixed(line).or_else(|| with_value(line))
    }

    /// Whether all state of the module is lost.
    pub fn is_reboot(&self) -> bool {
        matches!(self, Self::RomBanner | Self::Ready)
    }
}

fn fixed(line: &[u8]) -> Option<Urc> {
    Some(match line {
        b"RDY" => Urc::Ready,
        b"+E_UTRAN Service" => Urc::Service(true),
        b"+NO Service" => Urc::Service(false),
        b"+PDP DEACT" | b"+PDP: DEACT" => Urc::BearerLost,
        b"+CPIN: SIM REMOVED 0" | b"+CPIN: SIM REMOVED" => Urc::Sim(false),
        b"+CPIN: READY 0" => Urc::Sim(true),
        b"+SAPBR 1: DEACT" => Urc::ServiceBearerLost,
        b"CONNECT OK" => Urc::ConnectOk,
        b"ALREADY CONNECT" => Urc::AlreadyConnect,
        b"CONNECT FAIL" => Urc::ConnectFail,
        b"CONNACK OK" => Urc::ConnackOk,
        b"SUBACK" => Urc::Suback,
        b"UNSUBACK" => Urc::Unsuback,
        b"PUBACK" => Urc::Puback,
        b"PUBREC" => Urc::Pubrec,
        b"PUBCOMP" => Urc::Pubcomp,
        b"CLOSED" | b"MQTT HEART NO ACK" => Urc::Closed,
        _ => return None,
    })
}

fn with_value(line: &Bytes) -> Option<Urc> {
    // The banner has no line end: it may stand behind the remains of a line that the reboot cut off.
    let banner: IResult<&[u8], _> = preceded(take_until("^boot.rom"), rest).parse(line);
    if banner.is_ok() {
        return Some(Urc::RomBanner);
    }
    if let Some(value) = after(line, "+NITZ:") {
        return Some(Urc::Nitz(value));
    }
    if let Some(value) = after(line, "STATE:") {
        return Some(Urc::State(value));
    }
    if let Some(value) = after(line, "+CGEV:") {
        return bearer(&value);
    }
    mode(line).or_else(|| cached(line)).or_else(|| http_action(line)).or_else(|| service(line))
}

/// What stands behind `prefix` and blanks.
fn after(line: &Bytes, prefix: &str) -> Option<Bytes> {
    let found: IResult<&[u8], &[u8]> = preceded((tag(prefix), space0), rest).parse(line);
    found.ok().map(|(_, value)| line.slice_ref(value))
}

/// `ME PDN ACT 1[,0]`, `NW PDN DEACT 1`, `ME PDN DEACT 1`, `ME DETACH`, `NW DETACH`.
fn bearer(event: &[u8]) -> Option<Urc> {
    let up: IResult<&[u8], &[u8]> = tag("ME PDN ACT").parse(event);
    if up.is_ok() {
        return Some(Urc::BearerUp);
    }
    let lost: IResult<&[u8], _> = (alt((tag("ME "), tag("NW "))), alt((tag("PDN DEACT"), tag("DETACH")))).parse(event);
    lost.ok().map(|_| Urc::BearerLost)
}

fn mode(line: &[u8]) -> Option<Urc> {
    let mode: IResult<&[u8], u8> = delimited((tag("^MODE:"), space0), number, (tag(","), digit1)).parse(line);
    mode.ok().map(|(_, mode)| Urc::Mode(mode))
}

fn cached(line: &[u8]) -> Option<Urc> {
    let slot: IResult<&[u8], u8> = all_consuming(preceded((tag("+MSUB:"), space0), number)).parse(line);
    slot.ok().map(|(_, slot)| Urc::Cached(slot))
}

fn http_action(line: &[u8]) -> Option<Urc> {
    let parts = (preceded((tag("+HTTPACTION:"), space0), number), tag(","), u16, tag(","), u32);
    let action: IResult<&[u8], _> = all_consuming(parts).parse(line);
    let (_, (method, _, status, _, len)) = action.ok()?;
    Some(Urc::HttpAction { method, status, len: len as usize })
}

/// Codes of services beside the session.
fn service(line: &[u8]) -> Option<Urc> {
    let time: IResult<&[u8], _> = all_consuming(preceded((tag("+CNTP:"), space0), u16)).parse(line);
    let text: IResult<&[u8], _> =
        all_consuming(preceded((tag("+CMTI:"), space0, tag("\""), take_until("\""), tag("\",")), u16)).parse(line);
    let loading: IResult<&[u8], _> = all_consuming(preceded((tag("+UPGRADEIND:"), space0), i32)).parse(line);
    let time = time.ok().map(|(_, code)| Urc::TimeServer(code));
    let text = || text.ok().map(|(_, place)| Urc::TextStored(place));
    let loading = || loading.ok().map(|(_, n)| Urc::UpgradeLoading(n));
    time.or_else(text).or_else(loading).or_else(|| installing(line).map(Urc::UpgradeInstalling))
}

fn installing(line: &[u8]) -> Option<Installing> {
    let step: IResult<&[u8], &[u8]> = preceded((tag("+QIND:"), space0, tag("\"FOTA\",")), rest).parse(line);
    let (_, step) = step.ok()?;
    let percent: IResult<&[u8], _> = all_consuming(preceded(tag("\"UPDATING\","), number)).parse(step);
    let end: IResult<&[u8], _> = all_consuming(preceded(tag("\"END\","), i32)).parse(step);
    match step {
        b"\"START\"" => Some(Installing::Start),
        _ => percent.map(|(_, n)| Installing::Percent(n)).or(end.map(|(_, n)| Installing::End(n))).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(line: &'static str) -> Option<Urc> {
        Urc::parse(&Bytes::from_static(line.as_bytes()))
    }

    #[test]
    fn network_codes_in_all_recorded_spellings() {
        assert_eq!(parse("^MODE: 17,17"), Some(Urc::Mode(17)));
        assert_eq!(parse("^MODE: 0,0"), Some(Urc::Mode(0)));
        for up in ["+CGEV: ME PDN ACT 1", "+CGEV: ME PDN ACT 1,0"] {
            assert_eq!(parse(up), Some(Urc::BearerUp));
        }
        for lost in
            ["+CGEV: NW PDN DEACT 1", "+CGEV: ME PDN DEACT 1", "+CGEV: ME DETACH", "+CGEV: NW DETACH", "+PDP DEACT"]
        {
            assert_eq!(parse(lost), Some(Urc::BearerLost), "{lost}");
        }
    }

    #[test]
    fn the_banner_is_seen_behind_a_line_cut_off_by_the_reboot() {
        assert_eq!(parse("+CSQ: 2^boot.rom'v\u{1}'!\\n"), Some(Urc::RomBanner));
    }

    #[test]
    fn words_that_contain_ok_are_not_ok() {
        assert_eq!(parse("CONNECT OK"), Some(Urc::ConnectOk));
        assert_eq!(parse("CONNACK OK"), Some(Urc::ConnackOk));
        assert_eq!(parse("OK"), None);
        assert_eq!(parse("XCONNECT OK"), None);
    }

    #[test]
    fn nitz_with_an_empty_dst_field_is_kept_as_it_came() {
        assert_eq!(
            parse("+NITZ: 2024/08/27,06:36:38+0, "),
            Some(Urc::Nitz(Bytes::from_static(b"2024/08/27,06:36:38+0, ")))
        );
    }

    #[test]
    fn codes_of_services_as_in_logs_of_real_modules() {
        assert_eq!(parse("+UPGRADEIND: -1003"), Some(Urc::UpgradeLoading(-1003)));
        assert_eq!(parse("+UPGRADEIND: 100"), Some(Urc::UpgradeLoading(100)));
        assert_eq!(parse("+QIND: \"FOTA\",\"START\""), Some(Urc::UpgradeInstalling(Installing::Start)));
        assert_eq!(parse("+QIND: \"FOTA\",\"UPDATING\",97"), Some(Urc::UpgradeInstalling(Installing::Percent(97))));
        assert_eq!(parse("+QIND: \"FOTA\",\"END\",0"), Some(Urc::UpgradeInstalling(Installing::End(0))));
        assert_eq!(parse("+CMTI: \"SM\",3"), Some(Urc::TextStored(3)));
        assert_eq!(parse("+CNTP: 61"), Some(Urc::TimeServer(61)));
        assert_eq!(parse("+HTTPACTION: 1,200,124"), Some(Urc::HttpAction { method: 1, status: 200, len: 124 }));
        for no in ["+HTTPACTION: 1,200", "+CMTI: SM,3", "+CNTP: \"h\",0", "+UPGRADEIND: x", "+QIND: \"FOTA\",\"END\""] {
            assert_eq!(parse(no), None, "{no}");
        }
    }

    #[test]
    fn a_cache_slot_is_not_a_message() {
        assert_eq!(parse("+MSUB: 3"), Some(Urc::Cached(3)));
        assert_eq!(parse("+MSUB: 3,x"), None);
        assert_eq!(parse("+MSUB: 999"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Urc::parse(&Bytes::from(line));
        }
    }
}
