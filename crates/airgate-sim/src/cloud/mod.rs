//! The stand-in cloud: a real MQTT broker that signs devices in as the Aliyun IoT Platform does.
//!
//! Offered: direct authentication (hmacmd5, hmacsha1, hmacsha256), registration over MQTT (`register`, `regnwl`, and
//! then `connwl` to sign in) and over HTTPS (`POST /auth/register/device`), one connection per device, QoS 0 and 1,
//! sessions with a queue, the system topics by `_ss=1`, the platform's limits, TCP and TLS; the clock, the thing model
//! (posts, events, services, desired properties, tags), the shadow, remote configuration, log upload, remote calls,
//! broadcasts, gateways with their sub-devices, version reports. Packages are pushed after a version report that
//! differs, given when asked for, and served at `https://HTTP/ota/…`, ranges included. Bad days by a seed: `soak.rs`.
//!
//! Not offered: packages and file uploads over MQTT, the script of a product for raw data, MQTT 5, X.509 and PSK. Of
//! several devices that registered under one name without a list, one is connected at a time: what the platform does
//! is not documented. The time stamp of a signature is signed but not compared with a clock, as the SDKs' prove it is.
//!
//! # The console
//! `--console SOCKET` opens a Unix socket that takes one JSON object a line and answers each by one line, either
//! `{"ok":true,…}` or `{"ok":false,"error":"…"}`:
//!
//! | call | answer |
//! | --- | --- |
//! | `{"do":"publish","product_key":"…","device_name":"…","topic":"…","payload":"…","qos":1}`; `payload_b64` for bytes; `qos` is 0 when absent | `delivery`: `sent`, `queued`, `offline`, `not_subscribed` |
//! | `{"do":"received"}`, `{"do":"received","since":SEQ}` | `messages` with `seq` above SEQ: `seq`, `product_key`, `device_name`, `topic`, `payload` or (not UTF-8) `payload_b64`, `qos`, `dup`, `at_ms`; `count` since the start. The last 65 536 are kept |
//! | `{"do":"log"}` | `events`: the last 1000 connects, refusals, disconnects, subscriptions, version reports, dropped messages |
//! | `{"do":"devices"}` | `devices`: `product_key`, `device_name`, `online`, `activated`, `versions`, `subscriptions`, `unacknowledged`, `gateway` and `via` of a sub-device, `tokens`: how many were handed out |
//! | `{"do":"kick","product_key":"…","device_name":"…"}` | `was_online`; a sub-device is signed out of its gateway |
//! | `{"do":"ota","product_key":"…","device_name":"…","module":"…","version":"…","file":"PATH"}`; without `device_name` for all, `module` is `default` when absent | `pushed`: how many devices it went to at once: those online that reported another version. Others get it after their next report |
//! | `{"do":"set","product_key":"…","device_name":"…","params":{…}}` | sets properties: `id` of the request, `delivery` as above; the reply is among `received` |
//! | `{"do":"service","product_key":"…","device_name":"…","service":"…","params":{…}}` | calls a service without waiting: the same; with `"sync":true` it is a remote call, and the answer is waited for as with `rrpc` |
//! | `{"do":"rrpc","product_key":"…","device_name":"…","payload":"…"}`, with `topic` (`/PK/DN/user/…`) on a topic of the device's own, which needs `ext=1` | calls the device and waits for its answer, 8 s unless `timeout_ms` says otherwise: the message as with `received` |
//! | `{"do":"broadcast","product_key":"…","payload":"…"}`; with `topic` on `/broadcast/PK/topic`, for those that subscribed | `reached`: how many devices |
//! | `{"do":"desired","product_key":"…","device_name":"…","params":{…}}` | wants values of properties and sets them: `delivery` |
//! | `{"do":"shadow","product_key":"…","device_name":"…"}`, with `desired` (an object) to want a state | `shadow`, `delivery` |
//! | `{"do":"config","product_key":"…","payload":"…"}` | the configuration of a product: `pushed` to how many devices |
//! | `{"do":"log_upload","product_key":"…","device_name":"…","on":true}` | asks for the log of a device: `delivery` |
//! | `{"do":"disable","product_key":"…","device_name":"…","on":true}` | switches a device off, or on again with `false` |
//! | `{"do":"secret","product_key":"…","device_name":"…","device_secret":"…"}` | gives a device another secret |
//! | `{"do":"registration","product_key":"…","on":true}` | the switch of dynamic registration |
//! | `{"do":"reset","product_key":"…","device_name":"…"}` | the device counts as never activated and may register again; its secret stays |
//! | `{"do":"refuse","count":N,"code":C}`, with `product_key` and `device_name` for one device | the next N connects get CONNACK C (1 to 5) |
//! | `{"do":"outage","on":true}` | all connections end, and until `"on":false` every connect gets CONNACK 3 |
//! | `{"do":"lose_pubacks","count":N}` | the next N PUBACKs are not sent; the messages count as arrived |
//! | `{"do":"spoil_answers","how":"lost","count":N}` | the answers to the next N registrations are `lost` (over HTTPS: without a body), `doubled` (over MQTT alone), `malformed`, or for an `other_device` |
//! | `{"do":"soak","profile":{"kick":0.01,…}}` | bad days from now on, as in the devices file; none when `profile` is absent |

mod alink;
mod broker;
mod calls;
mod command;
pub(crate) mod console;
mod devices;
mod event;
mod faults;
mod gateway;
mod http;
mod identity;
mod limits;
mod mac;
mod message;
mod ota;
mod package;
mod registration;
mod registration_http;
mod server;
mod service;
mod session;
mod shadow;
mod shared;
mod sign_in;
mod soak;
mod state;
mod thing;
mod tls;
mod topic;
mod traffic;
mod wire;

pub use command::{Args, run};
pub use devices::{Device, Devices, DevicesError, InstanceKind, Product};
pub use event::{Event, Received};
pub use identity::{DeviceId, Secret};
pub use message::{Delivery, Qos, RequestError};
pub use package::Package;
pub use soak::Soak;
pub use tls::TlsError;

use bytes::Bytes;
use faults::connack_code;
use message::Message;
use server::Protocol;
use shared::Shared;
use state::Broker;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::sync::broadcast;

/// How to start the stand-in.
#[derive(Clone, Debug)]
pub struct Options {
    /// `HOST:PORT` of the plain listener, which also speaks TLS; port 0 takes a free one.
    pub listen: String,
    /// `HOST:PORT` of the listener behind a front that takes TLS off; none when none.
    pub fronted_listen: Option<String>,
    /// `HOST:PORT` of the TLS listener; port 0 takes a free one.
    pub tls_listen: String,
    /// `HOST:PORT` of the HTTP listener, which also speaks TLS; port 0 takes a free one.
    pub http_listen: String,
    /// What is known of products and devices; `Devices::load` reads a file.
    pub devices: Devices,
    /// Where to open the console; nowhere when none.
    pub console: Option<PathBuf>,
    /// Where to write the certificate of the private CA; a temporary file when none.
    pub ca_file: Option<PathBuf>,
    /// Whether the platform's rates hold: 5 connects a minute, 30 and 10 messages a second up, 50 down.
    pub limits: bool,
    /// Draws the bad days of `Devices::soak` and the secrets that are handed out; none: another at each start.
    pub seed: Option<u64>,
    /// Whether a registration must name the instance of its product by `instanceId`, and a client over TLS come by its name.
    pub strict_instance: bool,
}

impl Default for Options {
    fn default() -> Self {
        let any = "127.0.0.1:0".to_owned();
        Options {
            listen: any.clone(),
            fronted_listen: None,
            tls_listen: any.clone(),
            http_listen: any,
            devices: Devices::default(),
            console: None,
            ca_file: None,
            limits: true,
            seed: None,
            strict_instance: false,
        }
    }
}

/// Why the stand-in does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The devices contradict each other.
    #[error(transparent)]
    Devices(#[from] DevicesError),
    /// An address or a socket cannot be had.
    #[error("cannot listen on {at}: {error}")]
    Listen {
        /// The address or the path.
        at: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is no certificate to serve TLS with.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// A running stand-in. Dropping it stops it; [`Cloud::shutdown`] also waits until it has stopped.
pub struct Cloud {
    shared: Arc<Shared>,
    mqtt: SocketAddr,
    mqtts: SocketAddr,
    fronted: Option<SocketAddr>,
    http: SocketAddr,
    ca: tls::CaFile,
    _console: Option<console::Socket>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").field("mqtt", &self.mqtt).field("mqtts", &self.mqtts).finish_non_exhaustive()
    }
}

impl Cloud {
    /// Starts listening. Must be called within a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// The devices contradict each other, an address is taken, or a file cannot be written.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        options.devices.check()?;
        let (plain, mqtt) = bind(&options.listen).await?;
        let (secure, mqtts) = bind(&options.tls_listen).await?;
        let (web, http) = bind(&options.http_listen).await?;
        let fronted = match &options.fronted_listen {
            Some(at) => Some(bind(at).await?),
            None => None,
        };
        let (acceptor, ca_pem) = tls::acceptor()?;
        let ca = tls::CaFile::write(options.ca_file.as_deref(), &ca_pem)?;
        let console = options.console.as_deref().map(open_console).transpose()?;
        let shared = {
            let mut broker = Broker::new(&options.devices, options.limits);
            broker.strict_instance = options.strict_instance;
            // Other secrets after each start: what a client kept from an earlier one must not do by accident.
            let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let seed = options.seed.unwrap_or_else(|| u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX));
            broker.mint = mac::Mint::new(seed);
            broker.faults.weather = soak::Weather::new(options.devices.soak.clone(), seed);
            broker.packages.serve_at(http);
            for package in options.devices.ota {
                let file = package.file.clone();
                broker.packages.add(package).map_err(|error| DevicesError::Package { path: file, error })?;
            }
            Shared::new(broker)
        };
        shared.tasks.spawn(server::listen(Arc::clone(&shared), plain, Protocol::Mqtt(acceptor.clone())));
        shared.tasks.spawn(server::listen(Arc::clone(&shared), secure, Protocol::Mqtts(acceptor.clone())));
        shared.tasks.spawn(server::listen(Arc::clone(&shared), web, Protocol::Http(acceptor)));
        let fronted = fronted.map(|(listener, address)| {
            shared.tasks.spawn(server::listen(Arc::clone(&shared), listener, Protocol::Fronted));
            address
        });
        let console = console.map(|(listener, socket)| {
            shared.tasks.spawn(console::listen(Arc::clone(&shared), listener));
            socket
        });
        Ok(Cloud { shared, mqtt, mqtts, fronted, http, ca, _console: console })
    }

    /// Where plain MQTT is served.
    pub fn mqtt_addr(&self) -> SocketAddr {
        self.mqtt
    }

    /// Where MQTT over TLS is served.
    pub fn mqtts_addr(&self) -> SocketAddr {
        self.mqtts
    }

    /// Where MQTT is served whose TLS was taken off by a front.
    pub fn fronted_addr(&self) -> Option<SocketAddr> {
        self.fronted
    }

    /// Where HTTP is served, plain and over TLS.
    pub fn http_addr(&self) -> SocketAddr {
        self.http
    }

    /// The PEM file with the certificate of the CA that signed the server's; gone after the stand-in is dropped,
    /// unless `Options::ca_file` named it.
    pub fn ca_path(&self) -> &Path {
        self.ca.path()
    }

    /// Publishes to a device, as a server program does through the platform's API.
    ///
    /// # Errors
    /// The device is unknown, the topic or the payload (256 KiB at most) is none, or the rate or the queue is full.
    pub fn publish(
        &self,
        product_key: &str,
        device_name: &str,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: Qos,
    ) -> Result<Delivery, RequestError> {
        let message = Message { topic: topic.to_owned(), payload: payload.into(), qos };
        self.shared.with(|broker, now| broker.publish(now, &DeviceId::new(product_key, device_name), message))
    }

    /// The messages that arrived, oldest first; the last 65 536.
    pub fn received(&self) -> Vec<Received> {
        self.shared.with(|broker, _| broker.journal.received().cloned().collect())
    }

    /// Everything that happens from now on, messages and connects among it. A receiver that falls 8192 events behind
    /// is told so by `RecvError::Lagged`.
    pub fn subscribe_received(&self) -> broadcast::Receiver<Event> {
        self.shared.watch()
    }

    /// What happened, oldest first, but for the messages; the last 1000.
    pub fn log(&self) -> Vec<Event> {
        self.shared.with(|broker, _| broker.journal.events().cloned().collect())
    }

    /// Throws a device out; false when it was not connected.
    ///
    /// # Errors
    /// The device is unknown.
    pub fn kick(&self, product_key: &str, device_name: &str) -> Result<bool, RequestError> {
        self.shared.with(|broker, now| broker.kick(now, &DeviceId::new(product_key, device_name)))
    }

    /// Makes a device count as never activated, so that it may register again; its secret stays.
    ///
    /// # Errors
    /// The device is unknown.
    pub fn reset(&self, product_key: &str, device_name: &str) -> Result<(), RequestError> {
        self.shared.with(|broker, _| broker.reset(&DeviceId::new(product_key, device_name)))
    }

    /// Adds a package and pushes it to the devices that are online and reported another version; to how many.
    ///
    /// # Errors
    /// The file cannot be read, or the rate or the queue is full.
    pub fn ota(&self, package: Package) -> Result<usize, RequestError> {
        self.shared.with(|broker, now| broker.add_package(now, package))
    }

    /// Refuses the next `count` connects, of one device or of any, with a CONNACK return code.
    ///
    /// # Errors
    /// The code is not one of 1 to 5.
    pub fn refuse(&self, device: Option<DeviceId>, count: u32, code: u8) -> Result<(), RequestError> {
        let code = connack_code(code).ok_or(RequestError::BadCode(code))?;
        self.shared.with(|broker, _| broker.faults.refuse(device, count, code));
        Ok(())
    }

    /// Ends all connections and refuses every connect with 3, until it is called with false.
    pub fn set_outage(&self, on: bool) {
        self.shared.with(|broker, _| broker.set_outage(on));
    }

    /// Does not send the next `count` PUBACKs.
    pub fn lose_pubacks(&self, count: u32) {
        self.shared.with(|broker, _| broker.faults.lose_pubacks(count));
    }

    /// Ends all connections and waits until every task has ended.
    pub async fn shutdown(self) {
        self.shared.stop.cancel();
        self.shared.tasks.close();
        self.shared.tasks.wait().await;
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.shared.stop.cancel();
    }
}

async fn bind(at: &str) -> Result<(TcpListener, SocketAddr), StartError> {
    let failed = |error| StartError::Listen { at: at.to_owned(), error };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

fn open_console(path: &Path) -> Result<(tokio::net::UnixListener, console::Socket), StartError> {
    console::bind(path).map_err(|error| StartError::Listen { at: path.display().to_string(), error })
}
