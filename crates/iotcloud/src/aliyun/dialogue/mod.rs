//! The dialogue after sign-in: the thing model, shadow, remote configuration, remote calls, sub-devices, clock, logs and
//! firmware reports, as one state machine without clock or I/O.
//!
//! Times are milliseconds of any clock that only goes forward; `now_ms` of one call is never less than that of the one
//! before. What is to be done comes out of [`Dialogue::next_output`], in order.
//!
//! * [dialogue-1] Each request ends exactly once: with the reply that bears its id on its topic, with the end of the
//!   session, when it turns out that it is not sent, or after its time.
//! * [dialogue-2] A request is sent when its reply can arrive: after the subscription is confirmed.
//! * [dialogue-3] Each call of the cloud is answered exactly once: by a program, or in words that say that none did.
//! * [dialogue-4] Everything that is remembered is bounded.
//! * [dialogue-5] Nothing is said that is longer than one message may be: whoever wanted it said is told at once. A message
//!   that a program published is measured when it is accepted, see [`Dialogue::wrap`].
//!
//! Source: Alibaba Cloud IoT Platform documentation, "Alink protocol" and its chapters.

mod alink;
mod calls;
mod clock;
mod devices;
mod hearing;
mod journal;
mod names;
mod requests;
mod types;

pub use super::wrap::WrapError;
pub use journal::{Level, LogLine};
pub use types::{Answer, AnswerRefused, Body, Call, DeviceId, Failure, Output, Request, RequestId};

use super::config::check_identity;
use super::{Aliyun, ota};
use crate::Qos;
use calls::Calls;
use clock::Clock;
use devices::SubDevices;
use journal::Journal;
use names::{Names, Place};
use requests::{Purpose, Requests};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A message may be at least so long, in bytes: everything that the dialogue says by itself is shorter.
pub const LEAST_PAYLOAD: usize = 1024;

/// Most versions of modules that are remembered for the next sign-in.
const VERSIONS: usize = 32;

/// The dialogue of one device, and of the sub-devices behind it.
#[derive(Debug)]
pub struct Dialogue {
    cloud: Aliyun,
    own: Names,
    /// The longest payload that one message carries, in bytes.
    max_payload: usize,
    online: bool,
    last_id: u32,
    /// What programs want, in their words.
    wanted: BTreeSet<String>,
    /// What the cloud confirmed in this session.
    subscribed: BTreeSet<String>,
    requests: Requests,
    calls: Calls,
    clock: Clock,
    devices: SubDevices,
    journal: Journal,
    /// By module; `None` is the whole device.
    versions: BTreeMap<Option<String>, String>,
    out: VecDeque<Output>,
}

impl Dialogue {
    /// The dialogue of this device. Ids count from behind `first_id`: a random number keeps replies to an earlier run
    /// apart. One message carries a payload of `max_payload` bytes, at least [`LEAST_PAYLOAD`].
    #[must_use]
    pub fn new(cloud: &Aliyun, first_id: u32, max_payload: usize) -> Self {
        let own = Names::new(&cloud.config.product_key, &cloud.config.device_name);
        Self {
            cloud: cloud.clone(),
            own,
            max_payload,
            online: false,
            last_id: first_id,
            wanted: BTreeSet::new(),
            subscribed: BTreeSet::new(),
            requests: Requests::default(),
            calls: Calls::default(),
            clock: Clock::default(),
            devices: SubDevices::default(),
            journal: Journal::default(),
            versions: BTreeMap::new(),
            out: VecDeque::new(),
        }
    }

    /// The same dialogue with another credential.
    pub fn signed_in_as(&mut self, cloud: &Aliyun) {
        self.cloud = cloud.clone();
    }

    /// The session is up. `version` is that of the whole device, `modules` those of its parts.
    pub fn online(&mut self, now_ms: u64, version: Option<&str>, modules: &[(String, String)]) {
        self.online = true;
        self.subscribed.clear();
        let given = version.map(|version| (None, version.to_owned()));
        let parts = modules.iter().map(|(module, version)| (Some(module.clone()), version.clone()));
        for (module, version) in given.into_iter().chain(parts) {
            // What a program reported since is newer than what stands in the configuration.
            self.versions.entry(module).or_insert(version);
        }
        let reports: Vec<_> =
            self.versions.iter().map(|(module, version)| ota::version_report(version, module.as_deref())).collect();
        for report in reports {
            self.say(self.cloud.inform_topic(), report, Qos::AtLeastOnce);
        }
        for device in self.devices.to_sign_in() {
            self.login(now_ms, &device, None);
        }
        self.clock.online();
        self.journal.online();
        self.tick(now_ms);
    }

    /// The session is over: what was not answered will not be.
    pub fn offline(&mut self) {
        self.online = false;
        self.subscribed.clear();
        self.calls.clear();
        for (purpose, failure) in self.requests.fail_all(&Failure::Lost) {
            self.ended(purpose, Err(failure));
        }
        self.devices.offline();
        self.out.retain(|output| !matches!(output, Output::Publish { .. } | Output::Filters));
    }

    /// Which filters programs want, in their words; those that are not this dialogue's are ignored.
    pub fn want(&mut self, filters: &BTreeSet<String>) {
        self.wanted.clone_from(filters);
    }

    /// What to be subscribed to, in the long form: for the dialogue itself and for what programs want of it.
    #[must_use]
    pub fn filters(&self) -> BTreeMap<String, Qos> {
        let own = &self.own;
        let mut filters = BTreeMap::from([
            (self.cloud.upgrade_topic(), Qos::AtLeastOnce),
            (own.ntp("response"), Qos::AtMostOnce),
            (own.sys("thing/config/log/push"), Qos::AtLeastOnce),
        ]);
        filters.extend(self.requests.filters().map(|filter| (filter.to_owned(), Qos::AtLeastOnce)));
        if !self.devices.is_empty() {
            filters.insert(own.error(), Qos::AtLeastOnce);
        }
        for wanted in &self.wanted {
            let mut add = |listen: Option<Vec<String>>| {
                filters.extend(listen.into_iter().flatten().map(|filter| (filter, Qos::AtLeastOnce)));
            };
            add(own.down_filters(wanted, &self.cloud));
            for device in self.devices.online() {
                let names = Names::of(device);
                if let Some(rest) = names.strip_device(wanted) {
                    add(names.down_filters(&rest, &self.cloud));
                }
            }
        }
        filters
    }

    /// Whether a program's filter is one of this dialogue's words and not to be sent to the cloud as it is.
    #[must_use]
    pub fn is_word(filter: &str) -> bool {
        names::is_word(filter)
    }

    /// Whether the cloud calls on this topic. A program that listens to it as it is, and answers by itself, takes the call
    /// away from the dialogue.
    #[must_use]
    pub fn is_call(topic: &str) -> bool {
        names::is_call(topic)
    }

    /// The cloud confirmed a subscription.
    pub fn subscribed(&mut self, now_ms: u64, filter: &str) {
        self.subscribed.insert(filter.to_owned());
        self.requests.subscribed(filter, &mut self.out);
        self.ask_the_time(now_ms);
    }

    /// The cloud refused a subscription.
    pub fn not_subscribed(&mut self, filter: &str) {
        for (purpose, failure) in self.requests.not_subscribed(filter) {
            self.ended(purpose, Err(failure));
        }
    }

    /// A program asks for something; the end is told under `ticket`.
    pub fn request(&mut self, now_ms: u64, ticket: u64, request: Request) {
        if !self.online {
            return self.out.push_back(Output::Done { ticket, result: Err(Failure::Offline) });
        }
        if let Some(device) = request.device()
            && let Err(error) = check_identity(&device.product_key, &device.device_name)
        {
            return self.refuse(ticket, &error.to_string());
        }
        match request {
            Request::Call { method, params, device, timeout_ms } => {
                let names = device.as_ref().map_or_else(|| self.own.clone(), Names::of);
                match alink::topic_of(&method) {
                    Ok(path) => {
                        let purpose = Purpose::Program(ticket);
                        let timeout_ms = timeout_ms.unwrap_or(requests::TIMEOUT_MS);
                        self.ask_alink(now_ms, &names.sys(&path), Some(&method), &params, purpose, timeout_ms);
                    }
                    Err(why) => self.refuse(ticket, why),
                }
            }
            Request::Shadow(document) => {
                let (topic, reply) = (self.own.shadow("update"), self.own.shadow("get"));
                let (id, payload) = (self.next_id(), document.to_string().into_bytes());
                self.send(now_ms, requests::New::shadow(id, topic, reply, payload, Purpose::Program(ticket)));
            }
            Request::AddDevice { device, secret } => {
                let params = json!([self.devices.signed(&device, &secret, now_ms, "signmethod")]);
                let (topic, method) = (self.own.sys("thing/topo/add"), Some("thing.topo.add"));
                self.ask_alink(now_ms, &topic, method, &params, Purpose::Program(ticket), requests::TIMEOUT_MS);
            }
            Request::Login { device, secret } => match self.devices.keep(&device, secret) {
                Ok(()) => self.login(now_ms, &device, Some(ticket)),
                Err(why) => self.refuse(ticket, why),
            },
            Request::Logout { device } => {
                let params = json!({"productKey": device.product_key, "deviceName": device.device_name});
                let topic = self.own.session("combine/logout");
                self.devices.forget(&device);
                self.out.push_back(Output::Filters);
                self.ask_alink(now_ms, &topic, None, &params, Purpose::Program(ticket), requests::TIMEOUT_MS);
            }
        }
    }

    /// Whatever was to send this request does not take its length: nobody will reply. `why` is for whoever asked.
    pub fn not_taken(&mut self, request: RequestId, why: String) {
        self.came_to_nothing(request, Failure::NotTaken(why));
    }

    /// This request was not sent, for another reason: nobody will reply.
    pub fn not_sent(&mut self, request: RequestId, why: String) {
        self.came_to_nothing(request, Failure::NotSent(why));
    }

    fn came_to_nothing(&mut self, request: RequestId, failure: Failure) {
        if let Some(purpose) = self.requests.not_sent(request, &mut self.out) {
            self.ended(purpose, Err(failure));
        }
    }

    /// A program's answer to a call.
    ///
    /// # Errors
    /// [`AnswerRefused`]: there is no such call, or it cannot be answered like this.
    pub fn answer(&mut self, call: &str, answer: Answer) -> Result<(), AnswerRefused> {
        let (topic, payload, qos) = self.calls.answer(call, answer, self.max_payload)?;
        self.say(topic, payload, qos);
        Ok(())
    }

    /// How many programs a call was handed to. Nobody: the cloud is told.
    pub fn delivered(&mut self, call: &str, programs: usize) {
        if programs == 0
            && let Some((topic, payload, qos)) = self.calls.unwanted(call)
        {
            self.say(topic, payload, qos);
        }
    }

    /// A warning of the gateway's own; it goes to the cloud if the cloud asked for such.
    pub fn log(&mut self, line: LogLine) {
        self.journal.push(line);
    }

    /// What a message from a program becomes on its way to the cloud, however long that is; `None` when it goes as it is.
    ///
    /// # Errors
    /// [`WrapError`]: it can never be sent.
    pub fn wrap(&mut self, topic: &str, payload: &[u8]) -> Option<Result<(String, Vec<u8>), WrapError>> {
        let (names, rest) = self.own.place(topic)?;
        Some(match rest {
            Place::Thing(path) => {
                let id = self.next_id();
                alink::wrap(id, &path, payload).map(|wrapped| (names.sys(&format!("thing/{path}")), wrapped))
            }
            Place::OtaVersion => ota::read_version(payload).map(|(module, version)| {
                let report = ota::version_report(&version, module.as_deref());
                if names == self.own && (self.versions.len() < VERSIONS || self.versions.contains_key(&module)) {
                    self.versions.insert(module, version);
                }
                (names.ota("inform"), report)
            }),
            Place::OtaProgress => ota::progress_report(payload).map(|report| (names.ota("progress"), report)),
        })
    }

    /// The time has come that [`Dialogue::next_deadline`] told.
    pub fn tick(&mut self, now_ms: u64) {
        for (purpose, failure) in self.requests.expired(now_ms) {
            self.ended(purpose, Err(failure));
        }
        for (topic, payload, qos) in self.calls.expired(now_ms) {
            self.say(topic, payload, qos);
        }
        if !self.online {
            return;
        }
        if self.clock.is_due(now_ms) {
            self.clock.ask(now_ms);
        }
        if let Some((path, params, purpose)) = self.journal.speak(now_ms, self.max_payload) {
            let method = path.replace('/', ".");
            let topic = self.own.sys(path);
            self.ask_alink(now_ms, &topic, Some(&method), &params, purpose, requests::TIMEOUT_MS);
        }
        self.ask_the_time(now_ms);
    }

    /// When [`Dialogue::tick`] is to be called next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        let own = self.online.then(|| self.journal.deadline().into_iter().chain([self.clock.deadline()]).min());
        self.requests.deadline().into_iter().chain(self.calls.deadline()).chain(own.flatten()).min()
    }

    /// The next thing to do.
    pub fn next_output(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    fn login(&mut self, now_ms: u64, device: &DeviceId, ticket: Option<u64>) {
        let Some(secret) = self.devices.secret(device) else { return };
        let mut params = self.devices.signed(device, &secret, now_ms, "signMethod");
        params.insert("cleanSession".into(), "false".into());
        let (topic, purpose) = (self.own.session("combine/login"), Purpose::Login(device.clone(), ticket));
        self.ask_alink(now_ms, &topic, None, &Value::Object(params), purpose, requests::TIMEOUT_MS);
    }

    fn ask_alink(
        &mut self,
        now_ms: u64,
        topic: &str,
        method: Option<&str>,
        params: &Value,
        purpose: Purpose,
        timeout_ms: u64,
    ) {
        let id = self.next_id();
        let payload = alink::request(id, method, params);
        // Source: "Sub-device sign-in": QoS 0 only.
        let qos = if method.is_some() { Qos::AtLeastOnce } else { Qos::AtMostOnce };
        self.send(now_ms, requests::New::alink(id, topic, payload, qos, purpose, timeout_ms));
    }

    fn send(&mut self, now_ms: u64, request: requests::New) {
        // [dialogue-5]
        let (len, max) = (request.payload.len(), self.max_payload);
        if len > max {
            return self.ended(request.purpose, Err(Failure::TooLong { len, max }));
        }
        let is_subscribed = self.subscribed.contains(&request.reply_topic);
        match self.requests.begin(now_ms, request, is_subscribed, &mut self.out) {
            Ok(true) => {}
            Ok(false) => self.out.push_back(Output::Filters),
            Err(purpose) => self.ended(purpose, Err(Failure::Busy)),
        }
    }

    fn ended(&mut self, purpose: Purpose, result: Result<Value, Failure>) {
        match purpose {
            Purpose::Program(ticket) => self.out.push_back(Output::Done { ticket, result }),
            Purpose::Login(device, ticket) => {
                match &result {
                    Ok(_) => self.devices.signed_in(&device),
                    Err(Failure::Refused { .. }) => self.devices.forget(&device),
                    // The link: it is signed in at the next session.
                    Err(_) => {}
                }
                if let (Err(failure), None) = (&result, ticket) {
                    self.note(format!("the sub-device {device} did not get back in: {failure}"));
                }
                self.out.push_back(Output::Filters);
                self.out.extend(ticket.map(|ticket| Output::Done { ticket, result }));
            }
            Purpose::LogConfig => match result {
                Ok(data) => self.journal.told(&data),
                Err(failure) => self.journal.not_told(&failure),
            },
            Purpose::LogPost => self.journal.posted(&result),
        }
    }

    fn ask_the_time(&mut self, now_ms: u64) {
        if self.online
            && self.subscribed.contains(&self.own.ntp("response"))
            && let Some(payload) = self.clock.question(now_ms)
        {
            self.say(self.own.ntp("request"), payload, Qos::AtMostOnce);
        }
    }

    fn refuse(&mut self, ticket: u64, why: &str) {
        self.out.push_back(Output::Done { ticket, result: Err(Failure::Unusable(why.to_owned())) });
    }

    fn say(&mut self, topic: String, payload: Vec<u8>, qos: Qos) {
        let (len, max) = (payload.len(), self.max_payload);
        // [dialogue-5] The answer to a call bears the call's id, and that may be of any length.
        if len > max {
            return self
                .note(format!("nothing is said on {topic}: it would be {len} bytes, and one message carries {max}"));
        }
        self.out.push_back(Output::Publish { topic, payload, qos, request: None });
    }

    fn note(&mut self, text: String) {
        self.out.push_back(Output::Note(text));
    }

    fn next_id(&mut self) -> u32 {
        self.last_id = self.last_id.wrapping_add(1);
        self.last_id
    }
}

/// An empty object.
fn nothing() -> Value {
    Value::Object(Map::new())
}
