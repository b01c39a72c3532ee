//! Updates of the module's own firmware: from the vendor's cloud or from a server of one's own, by command or by itself.
//!
//! The cloud is what [`Engine::offer_update`] says. A server of one's own is asked over the network; the file it gives
//! must begin with the line `dfota FROM TO`, as an update is the difference between just these two versions.

use std::time::Duration;

use bytes::Bytes;
use serde::Deserialize;

use super::commands::{Flow, Outcome};
use super::fault::Fault;
use super::http::{Params, Progress, Response, Url, get};
use super::output::framed;
use super::parse::{Args, Form};
use super::timers::Timer;
use super::{Engine, Failure, Output, Service};

/// Largest difference that there is room for, bytes. Source: the vendor's notes on failed updates.
const FILE_MAX: usize = 480 * 1024;
/// Requests that the cloud answers within an hour. Source: the vendor's questions and answers.
const REQUESTS_MAX: usize = 6;
const HOUR: Duration = Duration::from_secs(3600);
/// From `OK` to the answer of the cloud, and between two steps of the download. Source: time-stamped logs, Air780EP V1006.
const CLOUD_TIME: Duration = Duration::from_millis(2700);
const STEP_TIME: Duration = Duration::from_millis(65);
const DONE_TO_REBOOT: Duration = Duration::from_millis(300);
/// How long a server of one's own may take.
const SERVER_TIMEOUT: Duration = Duration::from_secs(60);
/// Time to write flash. Source: time-stamped log of `AT+UPGRADE="PERIOD",60`.
const FLASH_WRITE: Duration = Duration::from_millis(40);
const PERIOD_DEFAULT: u32 = 86_400;

/// Answers of `+UPGRADEIND`. Source: AT command manual V1.6.3, update chapter.
const BAD_ADDRESS: i32 = -1000;
const NETWORK: i32 = -1001;
const SERVER: i32 = -1002;
const INVALID: i32 = -1003;
const HTTP: i32 = -1004;
/// The cloud has nothing newer.
const CAUSE_NEWEST: u32 = 27;

/// What the vendor's cloud has for this module.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Offer {
    /// It is still computing the difference.
    Building,
    /// An update to this version.
    Version(String),
    /// An update that is too large.
    TooLarge,
}

/// Settings with a place in flash.
#[derive(Debug, Clone)]
struct Wishes {
    url: Option<String>,
    /// The module asks the cloud by itself.
    auto: bool,
    /// So often, seconds.
    period: u32,
}

impl Default for Wishes {
    fn default() -> Self {
        Self { url: None, auto: true, period: PERIOD_DEFAULT }
    }
}

#[derive(Debug)]
enum Run {
    Idle,
    Asking,
    /// From a server of one's own.
    Fetching(u64, Box<Response>),
    /// Percent that have been told; what comes of it.
    Loading(u8, Result<String, i32>),
    Failed(i32, u16, u32),
}

/// The state of updates.
#[derive(Debug)]
pub(super) struct Upgrade {
    wishes: Wishes,
    stored: Wishes,
    run: Run,
    /// Started by the module itself: it prints nothing but the end.
    silent: bool,
    offer: Option<Offer>,
    asked_at: Vec<Duration>,
    /// Loaded, and to be installed at the next start.
    pending: Option<String>,
}

impl Default for Upgrade {
    fn default() -> Self {
        let stored = Wishes::default();
        Self {
            wishes: stored.clone(),
            stored,
            run: Run::Idle,
            silent: false,
            offer: None,
            asked_at: Vec::new(),
            pending: None,
        }
    }
}

impl Upgrade {
    pub(super) fn connection(&self) -> Option<u64> {
        if let Run::Fetching(id, _) = &self.run { Some(*id) } else { None }
    }

    /// The version that is installed at the next start.
    pub(super) fn pending(&self) -> Option<&str> {
        self.pending.as_deref()
    }

    pub(super) fn installed(&mut self) -> Option<String> {
        self.pending.take()
    }

    pub(super) fn restarted(&mut self) {
        self.wishes = self.stored.clone();
        self.run = Run::Idle;
    }

    pub(super) fn factory(&mut self) {
        self.stored = Wishes::default();
    }
}

impl Engine {
    /// What the vendor's cloud has for this module from now on.
    pub fn offer_update(&mut self, offer: Option<Offer>) {
        self.upgrade.offer = offer;
    }

    /// The module sets itself a time to ask the cloud.
    pub(super) fn schedule_upgrade(&mut self) {
        self.after(Duration::from_secs(u64::from(self.upgrade.wishes.period)), Timer::AutoUpgrade);
    }

    pub(super) fn auto_upgrade(&mut self) {
        let ready = self.upgrade.wishes.auto && self.radio.attached() && self.upgrade.offer.is_some();
        if ready && matches!(self.upgrade.run, Run::Idle | Run::Failed(..)) {
            self.begin_upgrade(true);
        }
        self.schedule_upgrade();
    }

    pub(super) fn upgrade_command(&mut self, form: &Form) -> Outcome {
        match form {
            Form::Read => {
                let text = match &self.upgrade.run {
                    Run::Idle => "0".to_owned(),
                    Run::Asking | Run::Fetching(..) => "1,0".to_owned(),
                    Run::Loading(percent, _) => format!("1,{percent}"),
                    Run::Failed(error, status, cause) => format!("2,{error},{status},{cause}"),
                };
                self.info(&format!("+UPGRADE: {text}"));
                Ok(Flow::Next)
            }
            Form::Plain => {
                if !matches!(self.upgrade.run, Run::Idle | Run::Failed(..)) {
                    return Err(Fault::NOT_ALLOWED);
                }
                self.begin_upgrade(false);
                Ok(Flow::Next)
            }
            Form::Set(args) => self.wish(args),
            Form::Test => Err(Fault::Error),
        }
    }

    /// `AT+UPGRADE="<name>",<value>[,<0 store|1 until the restart>]`
    fn wish(&mut self, args: &Args) -> Outcome {
        let mut wishes = self.upgrade.wishes.clone();
        match args.at_most(3)?.text(0, 16)?.as_str() {
            "URL" => wishes.url = Some(args.text(1, 256)?).filter(|url| !url.is_empty()),
            "KEY" => drop(args.text(1, 256)?),
            "AUTO" => wishes.auto = args.number(1, 0..=1)? == 1,
            "PERIOD" => wishes.period = args.number(1, 60..=u32::MAX)?,
            _ => return Err(Fault::RANGE),
        }
        let store = args.len() < 3 || args.number(2, 0..=1)? == 0;
        if wishes.period != self.upgrade.wishes.period {
            self.timers.cancel_upgrade();
            self.upgrade.wishes = wishes.clone();
            self.schedule_upgrade();
        }
        self.upgrade.wishes = wishes;
        if store {
            self.upgrade.stored = self.upgrade.wishes.clone();
        }
        Ok(Flow::After(FLASH_WRITE))
    }

    fn begin_upgrade(&mut self, silent: bool) {
        self.upgrade.silent = silent;
        self.upgrade.run = Run::Asking;
        self.after(CLOUD_TIME, Timer::UpgradeAsked);
    }

    /// The cloud has had time to answer, or the server is to be asked.
    pub(super) fn upgrade_asked(&mut self) {
        if !matches!(self.upgrade.run, Run::Asking) {
            return;
        }
        if !self.radio.attached() {
            return self.upgrade_failed(NETWORK, 0, 0);
        }
        if let Some(address) = self.upgrade.wishes.url.clone() {
            return match Url::parse(&address, false).filter(|url| !url.tls) {
                Some(url) => self.fetch(&url),
                None => self.upgrade_failed(BAD_ADDRESS, 0, 0),
            };
        }
        let now = self.now;
        self.upgrade.asked_at.retain(|at| now < *at + HOUR);
        if self.upgrade.asked_at.len() >= REQUESTS_MAX {
            return self.upgrade_failed(SERVER, 403, 0);
        }
        self.upgrade.asked_at.push(now);
        match self.upgrade.offer.clone() {
            None => self.upgrade_failed(HTTP, 200, CAUSE_NEWEST),
            Some(Offer::Building) => self.upgrade_failed(INVALID, 200, 0),
            Some(Offer::Version(version)) => self.load(Ok(version)),
            Some(Offer::TooLarge) => self.load(Err(INVALID)),
        }
    }

    fn fetch(&mut self, url: &Url) {
        let id = self.next_connection();
        self.upgrade.run = Run::Fetching(id, Box::new(Response::get(FILE_MAX + 1)));
        let (host, port) = (url.host.clone(), url.port);
        self.outputs.push_back(Output::Open { id, service: Service::Http, host, port, tls: None });
        self.after(SERVER_TIMEOUT, Timer::UpgradeTimeout(id));
    }

    pub(super) fn upgrade_opened(&mut self, id: u64) {
        if self.upgrade.connection() == Some(id) {
            let url = self.upgrade.wishes.url.as_deref().and_then(|url| Url::parse(url, false));
            let Some(url) = url else { return self.upgrade_failed(BAD_ADDRESS, 0, 0) };
            let bytes = Bytes::from(get(&Params::default(), &url));
            self.outputs.push_back(Output::Send { id, bytes });
        }
    }

    pub(super) fn upgrade_lost(&mut self, id: u64, _failure: Failure) {
        if self.upgrade.connection() == Some(id) {
            self.upgrade_failed(NETWORK, 0, 0);
        }
    }

    pub(super) fn upgrade_timeout(&mut self, id: u64) {
        self.upgrade_lost(id, Failure::Unreachable);
    }

    /// Bytes of the file; `None`: the server has closed.
    pub(super) fn upgrade_received(&mut self, id: u64, bytes: Option<&[u8]>) {
        let Run::Fetching(open, response) = &mut self.upgrade.run else { return };
        if *open != id {
            return;
        }
        let progress = match bytes {
            Some(bytes) => response.take(bytes),
            None => response.close(),
        };
        match progress {
            Progress::More => {}
            Progress::Broken => self.upgrade_failed(NETWORK, 0, 0),
            Progress::Done => {
                let (status, body) = (response.status, std::mem::take(&mut response.body));
                match status {
                    200 => {
                        let file = self.read_file(&body);
                        self.outputs.push_back(Output::Close { id });
                        self.load(file);
                    }
                    500.. => self.upgrade_failed(SERVER, status, 0),
                    _ => self.upgrade_failed(HTTP, status, 0),
                }
            }
        }
    }

    /// The version that a file leads to from ours.
    fn read_file(&self, file: &[u8]) -> Result<String, i32> {
        if file.len() > FILE_MAX {
            return Err(INVALID);
        }
        let line = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let line = std::str::from_utf8(line).map_err(|_| INVALID)?;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["dfota", from, to] if *from == self.profile.version => Ok((*to).to_owned()),
            _ => Err(INVALID),
        }
    }

    fn load(&mut self, end: Result<String, i32>) {
        // What cannot be used at all fails before the first step; what is too large after the last.
        let from_server = self.upgrade.connection().is_some();
        match end {
            Err(code) if from_server => self.upgrade_failed(code, 200, 0),
            end => {
                self.upgrade.run = Run::Loading(0, end);
                self.after(STEP_TIME, Timer::UpgradeStep);
            }
        }
    }

    pub(super) fn upgrade_step(&mut self) {
        let silent = self.upgrade.silent;
        let Run::Loading(percent, end) = &mut self.upgrade.run else { return };
        if *percent < 100 {
            *percent += 10;
            let told = *percent;
            if !silent || told == 100 {
                self.upgrade_told(i32::from(told));
            }
            let pause = if told < 100 { STEP_TIME } else { DONE_TO_REBOOT };
            return self.after(pause, Timer::UpgradeStep);
        }
        match end {
            Ok(version) => {
                self.upgrade.pending = Some(std::mem::take(version));
                self.upgrade.offer = None;
                self.reboot(5);
            }
            Err(code) => {
                let code = *code;
                self.upgrade_failed(code, 200, 0);
            }
        }
    }

    fn upgrade_failed(&mut self, code: i32, status: u16, cause: u32) {
        if let Some(id) = self.upgrade.connection() {
            self.outputs.push_back(Output::Abort { id });
        }
        self.upgrade.run = Run::Failed(code, status, cause);
        if !self.upgrade.silent {
            self.upgrade_told(code);
        }
    }

    /// Builds differ in the CR LF in front.
    fn upgrade_told(&mut self, value: i32) {
        let text = format!("+UPGRADEIND: {value}");
        if self.profile.upgradeind_crlf {
            self.urc(&text);
        } else {
            let framed = framed(&text);
            self.transmit(framed.strip_prefix(b"\r\n").unwrap_or(&framed));
        }
    }
}
