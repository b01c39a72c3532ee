//! A house: module, cloud and daemon, wired together in a folder of their own.

use crate::{Door, PATIENCE, Process, bin, bin_under, eventually};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const PRODUCT_KEY: &str = "a1EndToEnd0";
const PRODUCT_SECRET: &str = "productsecret000";
const DEVICE_NAME: &str = "861551056421746";
/// Of the device.
pub const DEVICE_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// Of the sensor that may stand behind the gateway.
pub const SUB_DEVICE_SECRET: &str = "5ubdev1ce5ecret5ubdev1ce5ecret00";

/// How a house differs from the usual one.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The secret that the device believes in.
    pub secret: &'static str,
    /// How the connection is protected.
    pub tls: Tls,
    /// `--profile` of the module.
    pub profile: &'static str,
    /// Rate of the serial line; 0 is unthrottled.
    pub baud: u32,
    /// Where the product lives.
    pub instance: Instance,
    /// The module is given the cloud's own host names, which lead to the stand-in, and not `localhost`.
    pub own_hosts: bool,
    /// Whether the platform's rates hold.
    pub limits: bool,
    /// Of the stand-in's bad days, if its console lets them come.
    pub seed: u64,
    /// What becomes of the first answer to a registration: `how` of the stand-in's `spoil_answers`.
    pub spoil_answers: Option<&'static str>,
    /// Added to the section `modem`.
    pub modem: &'static str,
    /// Added to the section `cloud`.
    pub cloud: &'static str,
    /// Added to the configuration.
    pub extra: &'static str,
    /// Added to its section `outbox`.
    pub outbox: &'static str,
    /// Keys of the section `cloud` under other names: ours, theirs.
    pub spelling: &'static [(&'static str, &'static str)],
    /// The device fetches its secret with the product's, by this way (`register_by`). Needs TLS.
    pub registers: Option<&'static str>,
    /// `AIRGATE_LOG` of the daemon.
    pub log: &'static str,
}

/// What kind of instance the product lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instance {
    OldPublic,
    Public,
    Enterprise,
}

impl Instance {
    pub const ALL: [Self; 3] = [Self::OldPublic, Self::Public, Self::Enterprise];

    /// Its kind and its ID, in the stand-in's words.
    fn keys(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::OldPublic => ("old_public", None),
            Self::Public => ("public", Some("iot-06z00public")),
            Self::Enterprise => ("enterprise", Some("iot-06z00enterprise")),
        }
    }
}

/// How the connection to the stand-in is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    Off,
    /// Verified against the stand-in's own authority.
    OwnAuthority,
    /// Verified against the real cloud's root, which did not sign the stand-in.
    CloudsRoot,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            secret: DEVICE_SECRET,
            tls: Tls::Off,
            profile: "780e-v1161",
            baud: 0,
            instance: Instance::OldPublic,
            own_hosts: false,
            limits: false,
            seed: 1,
            spoil_answers: None,
            modem: "",
            cloud: "",
            extra: "",
            outbox: "",
            spelling: &[],
            registers: None,
            log: "debug",
        }
    }
}

/// A port that nobody uses now, and that nobody is given by chance before it is used: it is below those that the kernel
/// hands out by itself, and each process of the tests begins to look for it elsewhere.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const PORTS: u32 = 22_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    (0..PORTS)
        .map(|_| {
            FIRST + std::process::id().wrapping_mul(499).wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % PORTS
        })
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// The stand-in cloud.
pub struct Cloud {
    process: Option<Process>,
    dir: PathBuf,
    port: u16,
    seed: u64,
    limits: bool,
    pub tls_port: u16,
    pub http_port: u16,
    pub ca: String,
}

impl Cloud {
    fn new(dir: &Path, setup: &Setup) -> Self {
        let (kind, id) = setup.instance.keys();
        let id = id.map_or_else(String::new, |id| format!("instance_id = \"{id}\"\n"));
        let devices = format!(
            "[[product]]\nproduct_key = \"{PRODUCT_KEY}\"\nproduct_secret = \"{PRODUCT_SECRET}\"\ndynamic_registration = true\nkind = \"{kind}\"\n{id}\
             [[device]]\nproduct_key = \"{PRODUCT_KEY}\"\ndevice_name = \"{DEVICE_NAME}\"\ndevice_secret = \"{DEVICE_SECRET}\"\n\
             [[product]]\nproduct_key = \"a1Sensor000\"\ndynamic_registration = true\n\
             [[device]]\nproduct_key = \"a1Sensor000\"\ndevice_name = \"meter-1\"\ndevice_secret = \"{SUB_DEVICE_SECRET}\"\n"
        );
        std::fs::write(dir.join("devices.toml"), devices).unwrap();
        let mut cloud = Self {
            process: None,
            dir: dir.to_owned(),
            port: free_port(),
            seed: setup.seed,
            limits: setup.limits,
            tls_port: 0,
            http_port: 0,
            ca: String::new(),
        };
        cloud.start();
        cloud
    }

    pub fn start(&mut self) {
        let mut command = bin("airgate-sim");
        command.arg("cloud").arg("--listen").arg(format!("127.0.0.1:{}", self.port));
        command
            .args(["--tls-listen", "127.0.0.1:0", "--limits", if self.limits { "on" } else { "off" }, "--devices"])
            .arg(self.dir.join("devices.toml"));
        // In the house: one that is killed leaves it behind.
        command.arg("--strict-instance").arg("--ca-file").arg(self.dir.join("ca.pem"));
        command.arg("--console").arg(self.dir.join("console.sock")).arg("--seed").arg(self.seed.to_string());
        let mut process = Process::start(&mut command, &self.dir.join("cloud.log"));
        let listens: Value = serde_json::from_str(&process.first_line()).unwrap();
        let tls = listens["mqtts"].as_str().unwrap();
        self.tls_port = tls.rsplit(':').next().unwrap().parse().unwrap();
        self.http_port = listens["http"].as_str().unwrap().rsplit(':').next().unwrap().parse().unwrap();
        self.ca = listens["ca"].as_str().unwrap().to_owned();
        self.process = Some(process);
    }

    pub fn kill(&mut self) {
        self.process.take().unwrap().kill();
    }

    /// Asks the console.
    pub fn ask(&self, request: &Value) -> Value {
        ask(&self.dir.join("console.sock"), request)
    }

    /// What a person does in the web console to the device.
    pub fn console(&self, mut call: Value) -> Value {
        call["product_key"] = PRODUCT_KEY.into();
        call["device_name"] = DEVICE_NAME.into();
        let answer = self.ask(&call);
        assert_eq!(answer["ok"], true, "{call}: {answer}");
        answer
    }

    /// What a person does in the web console: a message to the device.
    pub fn publish(&self, topic: &str, payload: &[u8]) {
        let topic = format!("/{PRODUCT_KEY}/{DEVICE_NAME}/{topic}");
        let mut request =
            json!({"do": "publish", "product_key": PRODUCT_KEY, "device_name": DEVICE_NAME, "topic": topic, "qos": 1});
        match std::str::from_utf8(payload) {
            Ok(text) => request["payload"] = text.into(),
            Err(_) => request["payload_b64"] = base64(payload).into(),
        }
        let answer = self.ask(&request);
        assert_eq!(answer["ok"], true, "{answer}");
    }

    /// Waits until the device has subscribed to one of its topics in the present session.
    pub fn subscribed(&self, topic: &str) {
        self.subscribed_to(&format!("/{PRODUCT_KEY}/{DEVICE_NAME}/{topic}"));
    }

    /// The same for a filter in its long form.
    pub fn subscribed_to(&self, filter: &str) {
        let filter = Value::from(filter).to_string();
        eventually("the cloud knows of the subscription", || {
            let log = self.ask(&json!({"do": "log"})).to_string();
            let session = log.rfind("\"connected\"").map_or(log.as_str(), |at| log.get(at..).unwrap_or_default());
            session.contains(&filter).then_some(())
        });
    }

    /// The payloads that arrived on one of the device's topics, in order.
    pub fn received(&self, topic: &str) -> Vec<String> {
        let topic = format!("/{PRODUCT_KEY}/{DEVICE_NAME}/{topic}");
        self.arrived().iter().filter(|m| m["topic"] == topic.as_str()).map(payload_of).collect()
    }

    /// Everything that arrived.
    pub fn arrived(&self) -> Vec<Value> {
        let answer = self.ask(&json!({"do": "received"}));
        answer["received"]
            .as_array()
            .or_else(|| answer["messages"].as_array())
            .cloned()
            .unwrap_or_else(|| panic!("{answer}"))
    }
}

/// One call on a simulator's console.
fn ask(console: &Path, request: &Value) -> Value {
    let mut stream = UnixStream::connect(console).expect("the simulator runs");
    writeln!(stream, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|e| panic!("{request} was answered {line:?}: {e}"))
}

fn payload_of(message: &Value) -> String {
    match message["payload"].as_str() {
        Some(text) => text.to_owned(),
        None => format!("base64:{}", message["payload_b64"].as_str().unwrap()),
    }
}

/// Base64, written out here so that nothing is shared with what is tested.
pub fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, &b| word << 8 | u32::from(b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = (word >> (18 - 6 * i)) & 63;
            out.push(if i <= chunk.len() { char::from(*DIGITS.get(digit as usize).unwrap()) } else { '=' });
        }
    }
    out
}

/// Module, cloud and daemon.
pub struct House {
    pub cloud: Cloud,
    modem: Option<Process>,
    daemon: Option<Process>,
    setup: Setup,
    /// Where the module's MQTT client really connects to.
    broker: String,
    dir: TempDir,
}

impl House {
    /// The usual house: an Aliyun device by plain TCP.
    pub fn new() -> Self {
        Self::with(Setup::default())
    }

    pub fn with(setup: Setup) -> Self {
        let mut house = Self::unstarted(setup);
        house.start_daemon();
        house
    }

    /// A house whose daemon is not started yet.
    pub fn unstarted(setup: Setup) -> Self {
        let dir = TempDir::new().unwrap();
        let cloud = Cloud::new(dir.path(), &setup);
        if let Some(how) = setup.spoil_answers {
            assert_eq!(cloud.ask(&json!({"do": "spoil_answers", "how": how, "count": 1}))["ok"], true);
        }
        let port = if setup.tls == Tls::Off { cloud.port } else { cloud.tls_port };
        let tls = match setup.tls {
            Tls::Off => "false".into(),
            Tls::OwnAuthority => format!("{{ ca_file = \"{}\" }}", cloud.ca),
            Tls::CloudsRoot => "true".into(),
        };
        let mut section = format!(
            "provider = \"aliyun\"\nproduct_key = \"{PRODUCT_KEY}\"\ndevice_name = \"{DEVICE_NAME}\"\n\
             device_secret = \"{}\"\ntls = {tls}\n",
            setup.secret
        );
        if !setup.own_hosts {
            section += &format!("host = \"localhost\"\nport = {port}\n");
        }
        if let (_, Some(id)) = setup.instance.keys() {
            section += &format!("instance_id = \"{id}\"\n");
        }
        if let Some(way) = setup.registers {
            section = section.replace("\ndevice_secret = ", "\n#device_secret = ");
            section += &format!("product_secret = \"{PRODUCT_SECRET}\"\nregister_by = \"{way}\"\n");
            section += &format!("register_host = \"localhost:{}\"\n", cloud.http_port);
        }
        if !setup.limits {
            section += "max_rate = \"1000/s\"\n";
        }
        section += setup.cloud;
        for (ours, theirs) in setup.spelling {
            section = section.replace(&format!("\n{ours} = "), &format!("\n{theirs} = "));
        }
        Self::build(dir, cloud, setup, &section, format!("127.0.0.1:{port}"))
    }

    /// A house whose daemon talks to a broker that is not ours.
    pub fn with_broker(port: u16) -> Self {
        let dir = TempDir::new().unwrap();
        let cloud = Cloud::new(dir.path(), &Setup::default());
        let section = format!(
            "provider = \"mqtt\"\nhost = \"127.0.0.1\"\nport = {port}\ntls = false\nclient_id = \"gateway-1\"\n"
        );
        let mut house = Self::build(dir, cloud, Setup::default(), &section, format!("127.0.0.1:{port}"));
        house.start_daemon();
        house
    }

    fn build(dir: TempDir, cloud: Cloud, setup: Setup, section: &str, broker: String) -> Self {
        let folder = dir.path().display().to_string();
        let config = format!(
            "[modem]\nport = \"{folder}/modem\"\n{}\n\n[cloud]\n{section}\n[outbox]\ndir = \"{folder}/outbox\"\n{}\n\n\
             [local]\nsocket = \"{folder}/airgate.sock\"\n\n[ota]\nversion = \"1.2.3\"\n\n{}\n",
            setup.modem, setup.outbox, setup.extra
        );
        std::fs::write(dir.path().join("airgate.toml"), config).unwrap();
        let mut house = Self { cloud, modem: None, daemon: None, setup, broker, dir };
        house.start_modem();
        house
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn start_modem(&mut self) {
        let mut command = bin("airgate-sim");
        command.arg("modem").arg("--link").arg(self.path("modem")).args(["--broker", &self.broker]);
        command.args(["--baud", &self.setup.baud.to_string(), "--profile", self.setup.profile, "--imei", DEVICE_NAME]);
        command.arg("--console").arg(self.path("modem.sock"));
        let mut process = Process::start(&mut command, &self.path("modem.log"));
        process.first_line();
        self.modem = Some(process);
    }

    /// Lets the module's MQTT client connect to somebody between it and the broker. Returns where the broker is.
    pub fn put_between(&mut self, port: u16) -> String {
        self.kill_modem();
        let broker = std::mem::replace(&mut self.broker, format!("127.0.0.1:{port}"));
        self.start_modem();
        broker
    }

    /// Asks the module's console.
    pub fn ask_modem(&self, request: &Value) -> Value {
        let answer = ask(&self.path("modem.sock"), request);
        assert_eq!(answer["ok"], true, "{request} was answered {answer}");
        answer
    }

    /// Lets something go wrong; the rule is in the language of `airgate-sim modem --faults`.
    pub fn fault(&self, rule: &str) {
        self.ask_modem(&json!({"do": "fault", "rule": rule}));
    }

    /// The module dies and its port goes with it. A link that stayed would lead to whatever house is next given the
    /// kernel's number of that terminal, and what this one sends would arrive there.
    pub fn kill_modem(&mut self) {
        self.modem.take().unwrap().kill();
        std::fs::remove_file(self.path("modem")).unwrap();
    }

    /// Starts the daemon and waits until it says that it is ready, as systemd does.
    pub fn start_daemon(&mut self) {
        self.start_daemon_under(&[]);
    }

    /// The same with a command before it, such as `prlimit`, that becomes the daemon.
    pub fn start_daemon_under(&mut self, before: &[&str]) {
        let notify = self.path("notify.sock");
        let _ = std::fs::remove_file(&notify);
        let ready = UnixDatagram::bind(&notify).unwrap();
        ready.set_read_timeout(Some(crate::PATIENCE)).unwrap();
        let mut command = bin_under(before, "airgate");
        command.arg("run").arg("--config").arg(self.path("airgate.toml")).env("NOTIFY_SOCKET", &notify);
        command.env("AIRGATE_LOG", self.setup.log);
        let process = Process::start(&mut command, &self.path("daemon.log"));
        let mut message = [0; 256];
        let len =
            ready.recv(&mut message).unwrap_or_else(|_| panic!("the daemon does not get ready: {}", process.log()));
        assert!(message.starts_with(b"READY=1"), "{:?}", message.get(..len));
        self.daemon = Some(process);
    }

    pub fn kill_daemon(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub fn terminate_daemon(&mut self) -> bool {
        self.daemon.take().unwrap().terminate()
    }

    pub fn daemon_pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().pid()
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("daemon.log")).unwrap_or_default()
    }

    pub fn socket(&self) -> PathBuf {
        self.path("airgate.sock")
    }

    /// A program that is connected while the link is up.
    pub fn program(&self) -> Door {
        let mut door = Door::open(&self.socket());
        door.online();
        door
    }

    /// Runs `airgate` with the daemon's socket.
    pub fn airgate(&self, args: &[&str]) -> std::process::Command {
        let mut command = bin("airgate");
        command.args(args).arg("--socket").arg(self.socket());
        command
    }

    /// Waits until every one of `payloads` has arrived on `topic`, and returns all that arrived there, in order.
    /// Gives up when nothing more has come for a while.
    pub fn all_arrive(&self, topic: &str, payloads: &[String]) -> Vec<String> {
        let (mut arrived, mut since) = (0, Instant::now());
        loop {
            let received = self.cloud.received(topic);
            let seen: HashSet<&str> = received.iter().map(String::as_str).collect();
            let missing: Vec<_> = payloads.iter().filter(|payload| !seen.contains(payload.as_str())).collect();
            if missing.is_empty() {
                return received;
            }
            if received.len() > arrived {
                (arrived, since) = (received.len(), Instant::now());
            }
            if since.elapsed() > PATIENCE {
                let status = Door::try_open(&self.socket()).map(|mut door| door.status().to_string());
                let (cloud, log) = (self.cloud.ask(&json!({"do": "log"})), self.log());
                let (few, all) = (missing.len(), payloads.len());
                panic!("{few} of {all} do not arrive: {missing:.200?}; {status:?}; the cloud: {cloud}; {log}");
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Default for House {
    fn default() -> Self {
        Self::new()
    }
}
