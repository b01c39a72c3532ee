//! What the platform knows, what comes in, and what is to be done. The other files of the platform work on it.

use super::devices::{self, Product};
use super::event::{Event, Journal};
use super::faults::Faults;
use super::identity::{DeviceId, Secret};
use super::limits::Rates;
use super::mac::Mint;
use super::package::Packages;
use super::session::Session;
use super::shadow::Shadow;
use bytes::Bytes;
use rumqttc::mqttbytes::v4::Packet;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

/// Names a connection; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ConnId(pub(super) u64);

/// What comes from the connections.
#[derive(Clone, Debug)]
pub(super) enum Input {
    /// A client connected: whether over TLS, and to which host name it said there.
    Opened { tls: bool, host: Option<String> },
    /// A packet arrived.
    Packet(Packet),
    /// The first packet is a CONNECT of another MQTT version.
    WrongVersion(u8),
    /// What arrived is not MQTT, or is too large.
    Malformed(String),
    /// The moment that `deadline` named has come.
    Deadline,
    /// The connection is gone.
    Closed(String),
}

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Output {
    /// Send a packet.
    Send(ConnId, Packet),
    /// Send nothing on the connection for a while.
    Hold(ConnId, Duration),
    /// Close the connection after what was sent before.
    Close(ConnId),
    /// Tell those who watch.
    Tell(Event),
}

/// A connection, signed in or not.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) tls: bool,
    pub(super) host: Option<String>,
    pub(super) deadline: Duration,
    pub(super) stage: Stage,
}

/// How far a connection has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not sent its CONNECT.
    New,
    /// It got credentials, and is for nothing else.
    Registered,
    SignedIn(SignedIn),
}

/// Whose connection it is.
#[derive(Debug)]
pub(super) struct SignedIn {
    pub(super) device: DeviceId,
    pub(super) patience: Duration,
}

/// A device as the platform knows it.
#[derive(Debug, Default)]
pub(super) struct Device {
    /// None: the name was only ever registered for tokens.
    pub(super) secret: Option<Secret>,
    /// Client ID to token, of registrations without a list.
    pub(super) tokens: BTreeMap<String, Secret>,
    pub(super) activated: bool,
    pub(super) online: Option<ConnId>,
    pub(super) session: Option<Session>,
    pub(super) rates: Rates,
    /// Module to version, as last reported.
    pub(super) versions: BTreeMap<String, String>,
    /// Switched off in the console: it may not sign in.
    pub(super) disabled: bool,
    /// The gateway that it stands behind.
    pub(super) gateway: Option<DeviceId>,
    /// The gateway that it is signed in through.
    pub(super) via: Option<DeviceId>,
    pub(super) shadow: Shadow,
    pub(super) desired: BTreeMap<String, Desired>,
    pub(super) wants_logs: bool,
}

/// The whole platform.
#[derive(Debug)]
pub(super) struct Broker {
    pub(super) limits: bool,
    /// A registration must name the instance of its product, and a client must have come by the name of that.
    pub(super) strict_instance: bool,
    pub(super) mint: Mint,
    pub(super) packages: Packages,
    /// By product.
    pub(super) configurations: HashMap<String, Configuration>,
    /// When a product was last broadcast to.
    pub(super) broadcasts: HashMap<String, Duration>,
    /// The ID of the last request to a device.
    pub(super) last_request: u32,
    pub(super) products: HashMap<String, Product>,
    pub(super) devices: HashMap<DeviceId, Device>,
    pub(super) connections: HashMap<ConnId, Connection>,
    pub(super) faults: Faults,
    pub(super) journal: Journal,
    pub(super) outputs: Vec<Output>,
}

/// What a product's devices are to be configured with.
#[derive(Clone, Debug)]
pub(super) struct Configuration {
    pub(super) id: u32,
    pub(super) content: Bytes,
}

/// A value that is wanted, and how often another one was.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Desired {
    pub(super) value: Value,
    pub(super) version: u64,
}

impl Broker {
    /// A platform that knows these devices; `limits` puts the rates on.
    pub(super) fn new(known: &devices::Devices, limits: bool) -> Self {
        let device = |device: &devices::Device| Device {
            secret: Some(device.device_secret.clone()),
            activated: device.activated,
            ..Device::default()
        };
        let devices =
            known.devices.iter().map(|d| (DeviceId::new(&d.product_key, &d.device_name), device(d))).collect();
        Broker {
            limits,
            strict_instance: false,
            mint: Mint::default(),
            packages: Packages::default(),
            configurations: HashMap::new(),
            broadcasts: HashMap::new(),
            last_request: 0,
            products: known.products.iter().map(|p| (p.product_key.clone(), p.clone())).collect(),
            devices,
            connections: HashMap::new(),
            faults: Faults::default(),
            journal: Journal::default(),
            outputs: Vec::new(),
        }
    }

    /// What is to be done since the last call, in order.
    pub(super) fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// When `Input::Deadline` is due for a connection; none when it is closed.
    pub(super) fn deadline(&self, conn: ConnId) -> Option<Duration> {
        self.connections.get(&conn).map(|connection| connection.deadline)
    }

    pub(super) fn send(&mut self, conn: ConnId, packet: Packet) {
        if let Some(delay) = self.faults.weather.delay() {
            self.outputs.push(Output::Hold(conn, delay));
        }
        self.outputs.push(Output::Send(conn, packet));
    }

    pub(super) fn tell(&mut self, event: Event) {
        if !matches!(event, Event::Received(_)) {
            self.journal.log(event.clone());
        }
        self.outputs.push(Output::Tell(event));
    }
}
