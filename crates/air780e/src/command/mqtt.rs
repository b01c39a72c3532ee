//! The module's MQTT client: one session, MQTT 3.1.1.
//!
//! Source: AT command manual V1.6.3, MQTT chapter (p. 238 ff.).

use super::{Command, Done, plain};
use crate::exchange::{Ends, FollowUp, Information};
use crate::limits::{MAX_HOST, MAX_NAME, Unusable, check_topic, length, name, quality};
use atat::atat_derive::{AtatCmd, AtatResp};
use bytes::Bytes;
use std::time::Duration;

/// Largest payload of a publication, in bytes. Source: p. 240 f. Some firmware takes less: 2,384, says the vendor's MQTT
/// page for V1169.
pub const MAX_PAYLOAD: usize = 4100;
/// A payload of so many bytes is taken by every firmware.
pub const SURE_PAYLOAD: usize = 2048;
/// Longest message of a will, in bytes. Source: p. 238.
pub const MAX_WILL: usize = 1360;
/// Payloads up to this many bytes go as text in the command line if they are plain; longer ones have a data phase.
/// Half a kilobyte, because escapes may triple it and firmware differs in how long a line it takes.
pub const MAX_INLINE: usize = 512;

/// A TCP connection over a weak radio link: the module's own limit is not documented, other drivers saw 75 s.
const TCP: FollowUp = FollowUp { ends: Ends::Connect, within: Duration::from_secs(75), exclusive: true };
/// A TLS handshake of four round trips over the same link.
const TLS: FollowUp = FollowUp { ends: Ends::Connect, within: Duration::from_secs(90), exclusive: true };
/// What a broker has to answer within one round trip; 30 s cover a cell change in between. A refusal is a bare
/// `ERROR`, so nothing else may be asked meanwhile.
const CONNACK: FollowUp = FollowUp { ends: Ends::Connack, within: Duration::from_secs(30), exclusive: true };
const SUBACK: FollowUp = FollowUp { ends: Ends::Suback, within: Duration::from_secs(30), exclusive: false };
const UNSUBACK: FollowUp = FollowUp { ends: Ends::Unsuback, within: Duration::from_secs(30), exclusive: false };

/// `AT+MQTTMSGSET=0`: print messages as they come. Cache mode has four slots and overwrites.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MQTTMSGSET=0", Done, timeout_ms = 9_000)]
pub struct DirectMessages;

/// `AT+MQTTMODE=0`: payloads as they are, not as hexadecimal digits.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MQTTMODE=0", Done, timeout_ms = 9_000)]
pub struct PlainMessages;

/// `AT+MDISCONNECT`: ends the MQTT session. The manual allows the answer 9 s; but it does not matter, and together with
/// [`CloseConnection`] a module that is wedged must not hold up the next attempt for more than 10 s.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MDISCONNECT", Done, timeout_ms = 4_000)]
pub struct Disconnect;

/// `AT+MIPCLOSE`: ends the connection below the session. Its time is that of [`Disconnect`], for the same reason.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MIPCLOSE", Done, timeout_ms = 4_000)]
pub struct CloseConnection;

/// `AT+MQTTMSGGET`: prints all cached messages and frees their slots.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MQTTMSGGET", Done, timeout_ms = 9_000)]
pub struct ReadCached;

plain!(DirectMessages, PlainMessages, Disconnect, CloseConnection, ReadCached);

/// The answer of `AT+MQTTSTATU`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, AtatResp)]
pub struct SessionState {
    /// 0 offline, 1 session up, 2 connected without session.
    pub state: u8,
}

/// `AT+MQTTSTATU`: the state of the session. The name has no final S.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MQTTSTATU", SessionState, timeout_ms = 9_000)]
pub struct GetSessionState;
impl Command for GetSessionState {
    // Printed as `+MQTTSTATU :1`, with the blank in front of the colon.
    const INFORMATION: Information = Information::Lines(|line| line.starts_with(b"+MQTTSTATU"));
}

/// `AT+MCONFIG=<client id>`: who signs in, without user name. Empty strings are refused by some firmware.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MCONFIG", Done, timeout_ms = 9_000)]
pub struct ConfigureAnonymous<'a> {
    /// At most [`MAX_NAME`] bytes, as all names here.
    pub client_id: &'a str,
}
impl Command for ConfigureAnonymous<'_> {
    fn check(&self) -> Result<(), Unusable> {
        name("client ID", self.client_id, MAX_NAME)
    }
}

/// `AT+MCONFIG=<client id>,<user>,<password>`: who signs in.
#[derive(Clone, AtatCmd)]
#[at_cmd("+MCONFIG", Done, timeout_ms = 9_000)]
pub struct Configure<'a> {
    /// Client ID.
    pub client_id: &'a str,
    /// User name.
    pub user: &'a str,
    /// Password.
    pub password: &'a str,
}
impl Command for Configure<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        name("client ID", self.client_id, MAX_NAME)?;
        name("user name", self.user, MAX_NAME)?;
        name("password", self.password, MAX_NAME)
    }
}

/// `AT+MCONFIG=<client id>,<user>,<password>,<qos>,<retain>,<topic>,<message>`: who signs in, and what the broker publishes
/// when the session ends without a farewell.
#[derive(Clone, AtatCmd)]
#[at_cmd("+MCONFIG", Done, timeout_ms = 9_000)]
pub struct ConfigureWithWill<'a> {
    /// Client ID.
    pub client_id: &'a str,
    /// User name; empty without one, which some firmware refuses.
    pub user: &'a str,
    /// Password; empty without one.
    pub password: &'a str,
    /// 0, 1 or 2.
    pub will_qos: u8,
    /// 0 or 1.
    pub will_retain: u8,
    /// Topic.
    pub will_topic: &'a str,
    /// At most [`MAX_WILL`] bytes.
    pub will_message: &'a str,
}
impl Command for ConfigureWithWill<'_> {
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        name("client ID", self.client_id, MAX_NAME)?;
        for (what, text) in [("user name", self.user), ("password", self.password)] {
            if !text.is_empty() {
                name(what, text, MAX_NAME)?;
            }
        }
        quality(self.will_qos)?;
        name("topic of the will", self.will_topic, MAX_NAME)?;
        length("message of the will", self.will_message.len(), MAX_WILL)
    }
}

/// `AT+MIPSTART=<host>,<port>`: TCP connection.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MIPSTART", Done, timeout_ms = 9_000)]
pub struct OpenTcp<'a> {
    /// Host name or dotted address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}
impl Command for OpenTcp<'_> {
    const FOLLOW_UP: Option<FollowUp> = Some(TCP);

    fn check(&self) -> Result<(), Unusable> {
        name("host", self.host, MAX_HOST)
    }
}

/// `AT+SSLMIPSTART=<host>,<port>`: TLS connection, as set with `AT+SSLCFG`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+SSLMIPSTART", Done, timeout_ms = 9_000)]
pub struct OpenTls<'a> {
    /// Host name or dotted address.
    pub host: &'a str,
    /// Port.
    pub port: u16,
}
impl Command for OpenTls<'_> {
    const FOLLOW_UP: Option<FollowUp> = Some(TLS);

    fn check(&self) -> Result<(), Unusable> {
        name("host", self.host, MAX_HOST)
    }
}

/// `AT+MCONNECT=<clean>,<keep-alive>`: signs in on the connection.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MCONNECT", Done, timeout_ms = 9_000)]
pub struct Connect {
    /// 1 for a clean session.
    pub clean: u8,
    /// 1 to 65,535 s.
    pub keep_alive: u16,
}
impl Command for Connect {
    const FOLLOW_UP: Option<FollowUp> = Some(CONNACK);
}

/// `AT+MSUB=<filter>,<qos>`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MSUB", Done, timeout_ms = 9_000)]
pub struct Subscribe<'a> {
    /// Topic filter.
    pub filter: &'a str,
    /// 0, 1 or 2.
    pub qos: u8,
}
impl Command for Subscribe<'_> {
    const FOLLOW_UP: Option<FollowUp> = Some(SUBACK);

    fn check(&self) -> Result<(), Unusable> {
        check_topic(self.filter)?;
        quality(self.qos)
    }
}

/// `AT+MUNSUB=<filter>`.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MUNSUB", Done, timeout_ms = 9_000)]
pub struct Unsubscribe<'a> {
    /// Topic filter.
    pub filter: &'a str,
}
impl Command for Unsubscribe<'_> {
    const FOLLOW_UP: Option<FollowUp> = Some(UNSUBACK);

    fn check(&self) -> Result<(), Unusable> {
        check_topic(self.filter)
    }
}

/// `AT+MPUB=<topic>,<qos>,<retain>,"<text>"`: a short text.
#[derive(Clone, Debug, AtatCmd)]
#[at_cmd("+MPUB", Done, timeout_ms = 9_000)]
pub struct PublishText<'a> {
    /// Topic.
    pub topic: &'a str,
    /// 0, 1 or 2. What follows the `OK` depends on it, so it is set on the exchange: see [`acknowledgement`].
    pub qos: u8,
    /// 0 or 1.
    pub retain: u8,
    /// At most [`MAX_INLINE`] bytes of printable ASCII.
    pub text: &'a str,
}

impl Command for PublishText<'_> {
    // A payload may hold the signature of a sub-device; long ones are not shown either.
    const SECRET: bool = true;

    fn check(&self) -> Result<(), Unusable> {
        check_topic(self.topic)?;
        quality(self.qos)?;
        // An empty text is a message, too.
        length("text", self.text.len().max(1), MAX_INLINE)
    }
}

/// `AT+MPUBEX=<topic>,<qos>,<retain>,<length>`, then a prompt, then the payload as it is.
#[derive(Clone, Debug)]
pub struct PublishBytes<'a> {
    /// Topic.
    pub topic: &'a str,
    /// 0, 1 or 2; see [`acknowledgement`].
    pub qos: u8,
    /// 0 or 1.
    pub retain: u8,
    /// 1 to [`MAX_PAYLOAD`] bytes.
    pub payload: Bytes,
}

#[derive(AtatCmd)]
// A command with a data phase ends in CR LF: after a bare CR the module would eat a first data byte that is LF.
#[at_cmd("+MPUBEX", Done, timeout_ms = 9_000, termination = "\r\n")]
struct PublishBytesLine<'a> {
    topic: &'a str,
    qos: u8,
    retain: u8,
    len: usize,
}

impl atat::AtatCmd for PublishBytes<'_> {
    type Response = Done;
    const MAX_TIMEOUT_MS: u32 = <PublishBytesLine<'_> as atat::AtatCmd>::MAX_TIMEOUT_MS;

    fn write(&self, buf: &mut [u8]) -> usize {
        let Self { topic, qos, retain, payload } = self;
        PublishBytesLine { topic, qos: *qos, retain: *retain, len: payload.len() }.write(buf)
    }

    fn parse(&self, answer: Result<&[u8], atat::InternalError<'_>>) -> Result<Done, atat::Error> {
        answer?;
        Ok(Done)
    }
}
impl Command for PublishBytes<'_> {
    fn data(&self) -> Option<Bytes> {
        Some(self.payload.clone())
    }

    fn check(&self) -> Result<(), Unusable> {
        check_topic(self.topic)?;
        quality(self.qos)?;
        length("payload", self.payload.len(), MAX_PAYLOAD)
    }
}

/// An acknowledgement comes within one round trip; this long where the module changes its cell in between.
pub const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(30);

/// What ends a publication after its `OK`: nothing at QoS 0, `PUBACK` at 1, `PUBREC` and `PUBCOMP` at 2.
pub fn acknowledgement(qos: u8) -> Option<FollowUp> {
    let ends = match qos {
        0 => return None,
        1 => Ends::Puback,
        _ => Ends::Pubcomp,
    };
    Some(FollowUp { ends, within: ACKNOWLEDGED_WITHIN, exclusive: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{exchange, line_of};
    use atat::AtatCmd as _;

    #[test]
    fn sign_in_is_written_as_in_a_log_of_a_real_module() {
        let configure = Configure {
            client_id: "868488076506128|securemode=3,signmethod=hmacmd5|",
            user: "868488076506128&k1hipglLdjU",
            password: "0f655b12adf519b9a7a2b0a990f398b6",
        };
        assert_eq!(
            line_of(&configure),
            "AT+MCONFIG=\"868488076506128|securemode=3,signmethod=hmacmd5|\",\"868488076506128&k1hipglLdjU\",\"0f655b12adf519b9a7a2b0a990f398b6\"\r"
        );
        let host = "broker.example.com";
        assert_eq!(line_of(&OpenTls { host, port: 1883 }), format!("AT+SSLMIPSTART=\"{host}\",1883\r"));
        assert_eq!(line_of(&Connect { clean: 1, keep_alive: 120 }), "AT+MCONNECT=1,120\r");
    }

    #[test]
    fn publications_are_written_as_in_a_log_of_a_real_module() {
        let text = PublishText { topic: "mqtt/pub_topic", qos: 1, retain: 0, text: "publish 1 payload" };
        assert_eq!(line_of(&text), "AT+MPUB=\"mqtt/pub_topic\",1,0,\"publish 1 payload\"\r");
        assert_eq!(line_of(&Subscribe { filter: "mqtt/sub_topic", qos: 0 }), "AT+MSUB=\"mqtt/sub_topic\",0\r");
        assert_eq!(line_of(&Unsubscribe { filter: "a/#" }), "AT+MUNSUB=\"a/#\"\r");
    }

    #[test]
    fn a_will_stands_behind_the_password_in_the_manuals_order() {
        let (user, password, will_topic, will_message) = ("u", "p", "state", "gone, \"for good\"");
        let will = ConfigureWithWill {
            client_id: "id",
            user,
            password,
            will_qos: 1,
            will_retain: 0,
            will_topic,
            will_message,
        };
        assert_eq!(line_of(&will), "AT+MCONFIG=\"id\",\"u\",\"p\",1,0,\"state\",\"gone, \\22for good\\22\"\r");
        assert_eq!(will.check(), Ok(()));
        assert!(ConfigureWithWill { will_message: "", ..will.clone() }.check().is_err());
        assert!(ConfigureWithWill { will_qos: 3, ..will.clone() }.check().is_err());
        assert!(ConfigureWithWill { will_message: &"x".repeat(MAX_WILL + 1), ..will }.check().is_err());
    }

    #[test]
    fn what_the_module_does_not_take_is_not_sent() {
        assert!(OpenTcp { host: &"h".repeat(MAX_HOST + 1), port: 1883 }.check().is_err());
        assert!(ConfigureAnonymous { client_id: "" }.check().is_err());
        assert!(
            Subscribe { filter: "a\rb", qos: 0 }.check().is_err() && Subscribe { filter: "a", qos: 3 }.check().is_err()
        );
        let text = |len| "x".repeat(len);
        assert!(PublishText { topic: "t", qos: 0, retain: 0, text: &text(MAX_INLINE) }.check().is_ok());
        assert!(PublishText { topic: "t", qos: 0, retain: 0, text: &text(MAX_INLINE + 1) }.check().is_err());
        assert!(PublishText { topic: "t", qos: 0, retain: 0, text: "" }.check().is_ok());
        let bytes = |len| PublishBytes { topic: "t", qos: 0, retain: 0, payload: Bytes::from(vec![0; len]) };
        assert!(
            bytes(MAX_PAYLOAD).check().is_ok() && bytes(MAX_PAYLOAD + 1).check().is_err() && bytes(0).check().is_err()
        );
    }

    #[test]
    fn quotes_backslashes_and_line_ends_are_escaped_the_v250_way() {
        let text = PublishText { topic: "t", qos: 0, retain: 0, text: "{\"a\":\"\\\"}\r\n" };
        assert_eq!(line_of(&text), "AT+MPUB=\"t\",0,0,\"{\\22a\\22:\\22\\5C\\22}\\0D\\0A\"\r");
    }

    #[test]
    fn a_command_with_data_ends_in_crlf_and_carries_the_payload_raw() {
        let payload = Bytes::from_static(b"\n\0\xffOK\r\n");
        let exchange = exchange(&PublishBytes { topic: "t", qos: 1, retain: 0, payload: payload.clone() }).unwrap();
        assert_eq!(exchange.line, b"AT+MPUBEX=\"t\",1,0,7\r\n");
        assert_eq!(exchange.data, Some(payload));
    }

    #[test]
    fn the_session_state_has_a_blank_before_its_colon() {
        assert_eq!(GetSessionState.parse(Ok(b"+MQTTSTATU :1")).unwrap().state, 1);
        assert_eq!(line_of(&GetSessionState), "AT+MQTTSTATU\r");
    }

    #[test]
    fn a_line_longer_than_the_module_reads_is_refused_before_it_is_sent() {
        let text = "\"".repeat(2000);
        assert!(exchange(&PublishText { topic: "t", qos: 0, retain: 0, text: &text }).is_err());
    }
}
