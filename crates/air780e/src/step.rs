//! The steps of the link: each a command, and what its answer lets one see.

use crate::command::general::{
    AutoUpgradeOff, EchoOff, EnterPin, Firmware, Model, NumericErrors, SerialNumber, Sim, SimStatus, SleepOff,
};
use crate::command::mqtt::{
    CloseConnection, Configure, ConfigureAnonymous, Connect, DirectMessages, Disconnect, GetSessionState, OpenTcp,
    OpenTls, PlainMessages, ReadCached, Subscribe, Unsubscribe,
};
use crate::command::network::{GetAttachment, GetRegistration, GetSignal, Registration, SignalQuality};
use crate::command::ssl::{CreateFile, GetFileSize, MQTT_CONTEXT, SetNumber, SetText, WriteFile};
use crate::command::{Command, TooLong, exchange};
use crate::exchange::{Exchange, Failure};
use crate::session::{Roots, Session};
use atat::AtatCmd;
use std::sync::Arc;

/// One step towards what is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// `ATE0`.
    EchoOff,
    /// `AT+CMEE=1`.
    NumericErrors,
    /// `AT+CGMM`.
    Model,
    /// `AT+CGMR`.
    Firmware,
    /// `AT+CGSN`.
    Imei,
    /// `AT+UPGRADE="AUTO",0`.
    AutoUpgradeOff,
    /// `AT+CSCLK=0`.
    SleepOff,
    /// `AT+CPIN?`.
    Sim,
    /// `AT+CPIN="…"`.
    EnterPin(String),
    /// `AT+CSQ`.
    Signal,
    /// `AT+CEREG?`.
    Registration,
    /// `AT+CGATT?`.
    Attachment,
    /// `AT+MDISCONNECT`.
    Disconnect,
    /// `AT+MIPCLOSE`.
    CloseConnection,
    /// `AT+MQTTMSGSET=0`.
    DirectMessages,
    /// `AT+MQTTMODE=0`.
    PlainMessages,
    /// `AT+SSLCFG` with a number.
    TlsNumber(&'static str, u8),
    /// `AT+SSLCFG` with a text.
    TlsText(&'static str, String),
    /// `AT+FSFLSIZE` of the root certificates.
    FileSize(Arc<Session>),
    /// `AT+FSCREATE` of the root certificates.
    CreateFile(Arc<Session>),
    /// `AT+FSWRITE` of the root certificates.
    WriteFile(Arc<Session>),
    /// `AT+MCONFIG`.
    Configure(Arc<Session>),
    /// `AT+MIPSTART` or `AT+SSLMIPSTART`.
    Open(Arc<Session>),
    /// `AT+MCONNECT`.
    Connect(Arc<Session>),
    /// `AT+MSUB`.
    Subscribe(String, u8),
    /// `AT+MUNSUB`.
    Unsubscribe(String),
    /// `AT+MQTTSTATU`.
    SessionState,
    /// `AT+MQTTMSGGET`.
    ReadCached,
}
