//! The steps of the link: each a command, and what its answer lets one see.

use crate::command::general::{
    AutoUpgradeOff, EchoOff, EnterPin, Firmware, Model, NumericErrors, Reset, SerialNumber, Sim, SimStatus, SleepOff,
};
use crate::command::mqtt::{
    CloseConnection, Configure, ConfigureAnonymous, ConfigureWithWill, Connect, DirectMessages, Disconnect,
    GetSessionState, OpenTcp, OpenTls, PlainMessages, ReadCached, Subscribe, Unsubscribe,
};
use crate::command::network::{GetAttachment, GetRegistration, GetSignal, Registration, SignalQuality};
use crate::command::pdp::{Contexts, GetContexts};
use crate::command::recovery::{SetAttachment, SetRadio};
use crate::command::serial::{Flow, Keep, SetFlow, SetRate};
use crate::command::ssl::{CreateFile, GetFileSize, MQTT_CONTEXT, SetNumber, SetText, WriteFile};
use crate::command::{exchange, read};
use crate::exchange::{Exchange, Failure};
use crate::facts::{Fact, Look};
use crate::limits::TooLong;
use crate::session::{AccessPoint, Roots, Session, Will};
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
    /// A question whose answer is worth knowing.
    Look(Look),
    /// `AT+CGATT=…`.
    Attach(bool),
    /// `AT+CFUN=…`.
    Radio(bool),
    /// `AT+RESET`.
    Restart,
    /// `AT+IPR=…`.
    SetRate(u32),
    /// `ATE1&WE0`: the rate is kept over a boot. The echo too, by which a boot that was not heard is noticed.
    KeepRate,
    /// `AT+IFC=2,2`.
    HardwareFlow,
    /// `AT+CGDCONT?`.
    Contexts,
    /// `AT+CPNETAPN=2,…`.
    AccessPoint(Arc<AccessPoint>),
}

/// What every boot needs, in this order. Identity comes early: support starts with it.
pub const SETUP: [Step; 7] =
    [Step::EchoOff, Step::NumericErrors, Step::Model, Step::Firmware, Step::Imei, Step::AutoUpgradeOff, Step::SleepOff];

/// What an answer lets one see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It was done; nothing else.
    Nothing,
    /// A name or number of the module.
    Text(String),
    /// The SIM card.
    Sim(Sim),
    /// The signal.
    Signal(SignalQuality),
    /// The registration.
    Registration(Registration),
    /// Whether the module is attached to the packet network.
    Attached(bool),
    /// 0 offline, 1 session up, 2 connected without session.
    SessionState(u8),
    /// The size of a file in the module, in bytes.
    FileSize(usize),
    /// Something worth knowing.
    Fact(Fact),
    /// The contexts of the packet network.
    Contexts(Contexts),
}

/// The n-th step of opening a session; `None` behind the last.
pub fn opening(session: &Arc<Session>, n: usize) -> Option<Step> {
    let mut steps = vec![Step::DirectMessages, Step::PlainMessages];
    if let Some(tls) = &session.tls {
        // Dates are not checked: at sign-in the module's clock may still be unset, and the root is our own choice.
        steps.extend([Step::TlsNumber("sslversion", 3), Step::TlsNumber("ignorelocaltime", 1)]);
        steps.push(Step::TlsText("hostname", tls.host_name.clone()));
        match &tls.roots {
            None => steps.push(Step::TlsNumber("seclevel", 0)),
            Some(roots) => steps.extend([
                Step::FileSize(session.clone()),
                Step::CreateFile(session.clone()),
                Step::WriteFile(session.clone()),
                Step::TlsText("cacert", roots.name.clone()),
                Step::TlsNumber("seclevel", 1),
            ]),
        }
    }
    steps.extend([Step::Configure(session.clone()), Step::Open(session.clone()), Step::Connect(session.clone())]);
    steps.into_iter().nth(n)
}

impl Step {
    /// Whether nothing can go on without it.
    pub fn is_essential(&self) -> bool {
        matches!(self, Self::EchoOff | Self::Imei)
    }

    /// The command on the line.
    ///
    /// # Errors
    /// [`TooLong`] if a name in it makes the line longer than the module reads.
    pub fn exchange(&self) -> Result<Exchange, TooLong> {
        match self {
            Self::EchoOff => exchange(&EchoOff),
            Self::NumericErrors => exchange(&NumericErrors),
            Self::Model => exchange(&Model),
            Self::Firmware => exchange(&Firmware),
            Self::Imei => exchange(&SerialNumber),
            Self::AutoUpgradeOff => exchange(&AutoUpgradeOff),
            Self::SleepOff => exchange(&SleepOff),
            Self::Sim => exchange(&SimStatus),
            Self::EnterPin(pin) => exchange(&EnterPin { pin }),
            Self::Signal => exchange(&GetSignal),
            Self::Registration => exchange(&GetRegistration),
            Self::Attachment => exchange(&GetAttachment),
            Self::Disconnect => exchange(&Disconnect),
            Self::CloseConnection => exchange(&CloseConnection),
            Self::DirectMessages => exchange(&DirectMessages),
            Self::PlainMessages => exchange(&PlainMessages),
            Self::TlsNumber(key, value) => exchange(&SetNumber { key, context: MQTT_CONTEXT, value: *value }),
            Self::TlsText(key, value) => exchange(&SetText { key, context: MQTT_CONTEXT, value }),
            Self::FileSize(session) => with_roots(session, |roots| exchange(&GetFileSize { name: &roots.name })),
            Self::CreateFile(session) => with_roots(session, |roots| exchange(&CreateFile { name: &roots.name })),
            Self::WriteFile(session) => {
                with_roots(session, |roots| exchange(&WriteFile { name: &roots.name, content: roots.pem.clone() }))
            }
            Self::Configure(session) => configure(session),
            Self::Open(session) => open(session),
            Self::Connect(session) => {
                exchange(&Connect { clean: u8::from(session.clean), keep_alive: session.keep_alive })
            }
            Self::Subscribe(filter, qos) => exchange(&Subscribe { filter, qos: *qos }),
            Self::Unsubscribe(filter) => exchange(&Unsubscribe { filter }),
            Self::SessionState => exchange(&GetSessionState),
            Self::ReadCached => exchange(&ReadCached),
            Self::Look(look) => look.exchange(),
            Self::Attach(on) => exchange(&SetAttachment { on: u8::from(*on) }),
            Self::Radio(on) => exchange(&SetRadio { on: u8::from(*on) }),
            Self::Restart => exchange(&Reset),
            Self::SetRate(rate) => exchange(&SetRate { rate: *rate }),
            Self::KeepRate => exchange(&Keep),
            Self::HardwareFlow => exchange(&SetFlow::new(Flow::Hardware)),
            Self::Contexts => exchange(&GetContexts),
            Self::AccessPoint(access) => exchange(&access.command()),
        }
    }

    /// Reads the information of the answer.
    ///
    /// # Errors
    /// [`Failure::Unreadable`] if it is not what this step's command answers.
    pub fn read(&self, information: &[u8]) -> Result<Seen, Failure> {
        Ok(match self {
            Self::Model => Seen::Text(read(&Model, information)?.text.0),
            Self::Firmware => Seen::Text(read(&Firmware, information)?.text.0),
            Self::Imei => Seen::Text(read(&SerialNumber, information)?.0),
            Self::Sim => Seen::Sim(read(&SimStatus, information)?),
            Self::Signal => Seen::Signal(read(&GetSignal, information)?),
            Self::Registration => Seen::Registration(read(&GetRegistration, information)?.stat.into()),
            Self::Attachment => Seen::Attached(read(&GetAttachment, information)?.state == 1),
            Self::SessionState => Seen::SessionState(read(&GetSessionState, information)?.state),
            Self::FileSize(_) => Seen::FileSize(read(&GetFileSize { name: "" }, information)?.size),
            Self::Look(look) => Seen::Fact(look.read(information)?),
            Self::Contexts => Seen::Contexts(read(&GetContexts, information)?),
            _ => Seen::Nothing,
        })
    }
}

fn with_roots(session: &Session, then: impl FnOnce(&Roots) -> Result<Exchange, TooLong>) -> Result<Exchange, TooLong> {
    match session.tls.as_ref().and_then(|tls| tls.roots.as_ref()) {
        Some(roots) => then(roots),
        // Such a step is only made of a session that has roots; one that asks nothing of the module stands in.
        None => exchange(&crate::command::general::At),
    }
}

fn configure(session: &Session) -> Result<Exchange, TooLong> {
    let Session { client_id, credentials, will, .. } = session;
    match (credentials, will) {
        (None, None) => exchange(&ConfigureAnonymous { client_id }),
        (Some((user, password)), None) => exchange(&Configure { client_id, user, password }),
        (_, Some(Will { topic, message, qos, retain })) => {
            let (user, password) = credentials.as_ref().map_or(("", ""), |(user, password)| (user, password));
            let (will_qos, will_retain) = (*qos, u8::from(*retain));
            let (will_topic, will_message) = (topic, message);
            exchange(&ConfigureWithWill { client_id, user, password, will_qos, will_retain, will_topic, will_message })
        }
    }
}

fn open(session: &Session) -> Result<Exchange, TooLong> {
    match &session.tls {
        None => exchange(&OpenTcp { host: &session.host, port: session.port }),
        Some(_) => exchange(&OpenTls { host: &session.host, port: session.port }),
    }
}
