//! The cloud's dialogue as the session leads it: `iotcloud` says what is to be said, this says it, and tells the programs.

use super::{Session, State, clock};
use crate::cloud;
use crate::router::Downlink;
use airgate_proto::topic::matches;
use airgate_proto::{Call as Called, Device, Event as Told, Message, Qos};
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use iotcloud::Cloud;
use iotcloud::aliyun::Dialogue;
use iotcloud::aliyun::dialogue::{Answer, AnswerRefused, Body, Call, DeviceId, Failure, Output, Request, RequestId};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Questions of all programs that wait for the session.
const WAITING: usize = 64;

/// What a program wants of the cloud.
#[derive(Debug)]
pub(super) enum Asked {
    Request(Request, oneshot::Sender<Result<Value, Failure>>),
    Answer(String, Answer, oneshot::Sender<Result<(), AnswerRefused>>),
}

/// What the dialogue wants said.
#[derive(Debug)]
pub(super) struct Saying {
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    pub(super) qos: u8,
    /// Which request it makes.
    pub(super) request: Option<RequestId>,
}

/// The handle through which the doors ask the cloud.
#[derive(Clone, Debug)]
pub struct Asker(mpsc::Sender<Asked>);

impl Asker {
    pub(super) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (sender, asked) = mpsc::channel(WAITING);
        (Self(sender), asked)
    }

    /// Asks the cloud, and waits for its reply.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn ask(&self, request: Request) -> Result<Value, Failure> {
        let (reply, replied) = oneshot::channel();
        self.0.try_send(Asked::Request(request, reply)).map_err(|_| Failure::Busy)?;
        replied.await.unwrap_or(Err(Failure::Offline))
    }

    /// A program's answer to a call of the cloud.
    ///
    /// # Errors
    /// [`AnswerRefused`].
    pub async fn answer(&self, call: String, answer: Answer) -> Result<(), AnswerRefused> {
        let (reply, replied) = oneshot::channel();
        self.0.try_send(Asked::Answer(call, answer, reply)).map_err(|_| AnswerRefused::Unknown)?;
        replied.await.unwrap_or(Err(AnswerRefused::Unknown))
    }
}

/// The dialogue and those who wait for something of it.
#[derive(Debug)]
pub(super) struct Talk {
    /// `None` where the cloud has no dialogue, and before we know who we are.
    pub(super) machine: Option<Dialogue>,
    /// Who the dialogue is led for.
    device: Option<Device>,
    started: Instant,
    last_ticket: u64,
    waiting: HashMap<u64, oneshot::Sender<Result<Value, Failure>>>,
    /// Said as soon as the line is free.
    pub(super) to_say: VecDeque<Saying>,
    /// To how many programs a call went.
    pub(super) delivered: FuturesUnordered<BoxFuture<'static, (String, usize)>>,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self {
            machine: None,
            device: None,
            started: Instant::now(),
            last_ticket: 0,
            waiting: HashMap::new(),
            to_say: VecDeque::new(),
            delivered: FuturesUnordered::new(),
        }
    }

    /// The machine's time.
    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn due(&self) -> Option<Instant> {
        let due = self.machine.as_ref()?.next_deadline()?;
        Some(self.started + Duration::from_millis(due))
    }

    pub(super) fn tick(&mut self) {
        let now = self.now_ms();
        if let Some(machine) = &mut self.machine {
            machine.tick(now);
        }
    }

    /// A call went to so many programs.
    pub(super) fn delivered(&mut self, call: &str, programs: usize) {
        if let Some(machine) = &mut self.machine {
            machine.delivered(call, programs);
        }
    }

    pub(super) fn subscribed(&mut self, filter: &str, is_granted: bool) {
        let now = self.now_ms();
        match &mut self.machine {
            Some(machine) if is_granted => machine.subscribed(now, filter),
            Some(machine) => machine.not_subscribed(filter),
            None => {}
        }
    }

    pub(super) fn log(&mut self, line: iotcloud::aliyun::dialogue::LogLine) {
        if let Some(machine) = &mut self.machine {
            machine.log(line);
        }
    }

    pub(super) fn offline(&mut self) {
        self.to_say.clear();
        if let Some(machine) = &mut self.machine {
            machine.offline();
        }
    }
}

impl Session {
    /// A sign-in with this cloud begins: its dialogue goes on, or a new one begins for a new device.
    pub(super) fn lead_dialogue(&mut self) {
        let device = self.status.borrow().device.clone();
        match (&self.cloud, &mut self.talk.machine) {
            (Some(Cloud::Aliyun(cloud)), Some(machine)) if self.talk.device == device => machine.signed_in_as(cloud),
            (Some(Cloud::Aliyun(cloud)), machine) => {
                self.talk.device = device;
                // The upper half is random enough; ids may wrap.
                *machine = Some(Dialogue::new(cloud, (super::random() >> 32) as u32, self.parts.max_payload));
            }
            (_, machine) => *machine = None,
        }
    }

    /// The session is up.
    pub(super) fn open_dialogue(&mut self) {
        let ota = &self.parts.config.ota;
        let version = cloud::version(ota);
        let now = self.talk.now_ms();
        if let Some(machine) = &mut self.talk.machine {
            machine.online(now, version.as_deref(), &ota.modules);
        }
    }

    /// A program asks for something, or answers.
    pub(super) fn on_asked(&mut self, asked: Asked) {
        let now = self.talk.now_ms();
        match (asked, &mut self.talk.machine) {
            (Asked::Request(request, reply), Some(machine)) => {
                self.talk.last_ticket += 1;
                self.talk.waiting.insert(self.talk.last_ticket, reply);
                machine.request(now, self.talk.last_ticket, request);
            }
            // Whoever asked may have gone.
            (Asked::Request(_, reply), None) => drop(reply.send(Err(Failure::Offline))),
            (Asked::Answer(call, answer, reply), Some(machine)) => drop(reply.send(machine.answer(&call, answer))),
            (Asked::Answer(_, _, reply), None) => drop(reply.send(Err(AnswerRefused::Unknown))),
        }
    }

    /// A message came from the cloud.
    pub(super) async fn on_message(&mut self, message: air780e::frame::Message) {
        let Some(cloud) = &self.cloud else { return };
        let is_wanted_as_it_is = {
            let wanted = self.parts.ends.wanted.borrow();
            let fits = |filter: &String| cloud.expand(filter).is_ok_and(|long| matches(&long, &message.topic));
            wanted.iter().any(|filter| !Dialogue::is_word(filter) && fits(filter))
        };
        let now = self.talk.now_ms();
        // A program that listens to the cloud's own topics answers calls by itself.
        let leaves_calls = is_wanted_as_it_is && Dialogue::is_call(&message.topic);
        let is_heard = match &mut self.talk.machine {
            Some(machine) if !leaves_calls => machine.received(now, &message.topic, &message.payload),
            _ => false,
        };
        if !is_heard || is_wanted_as_it_is {
            self.pass_on(message).await;
        }
    }

    async fn pass_on(&mut self, message: air780e::frame::Message) {
        let Some(cloud) = &self.cloud else { return };
        let (long, topic) = (message.topic.clone(), cloud.shorten(&message.topic).to_owned());
        let message = Message {
            topic,
            payload: message.payload.to_vec(),
            // The module does not print it; it is at most what was subscribed with.
            qos: Qos::AtLeastOnce,
        };
        self.tell(Downlink::Message(message, long)).await;
    }

    async fn tell(&mut self, down: Downlink) {
        // The router stops after the session.
        let _ = self.parts.ends.downlink.send(down).await;
    }

    /// Does what the dialogue wants done.
    pub(super) async fn carry_out(&mut self) {
        while let Some(output) = self.talk.machine.as_mut().and_then(Dialogue::next_output) {
            match output {
                Output::Publish { topic, payload, qos, request } => {
                    self.talk.to_say.push_back(Saying { topic, payload, qos: super::number(qos), request });
                }
                Output::Filters if self.state == State::Online => self.want(),
                // They are wanted with the next session.
                Output::Filters => {}
                Output::Done { ticket, result } => {
                    if let Some(reply) = self.talk.waiting.remove(&ticket) {
                        // Whoever asked may have gone.
                        let _ = reply.send(result);
                    }
                }
                Output::Call(call) => self.hand_over_call(call).await,
                Output::Tell { topic, payload } => {
                    let message = Message { topic: topic.clone(), payload, qos: Qos::AtLeastOnce };
                    self.tell(Downlink::Message(message, topic)).await;
                }
                Output::Ota { job, device } => match serde_json::to_value(&*job) {
                    Ok(Value::Object(mut job)) => {
                        if let Some(device) = device.map(named).and_then(|device| serde_json::to_value(device).ok()) {
                            job.insert("device".into(), device);
                        }
                        tracing::info!(
                            event = "firmware_offered",
                            version = job.get("version").map(tracing::field::display),
                            "a firmware is offered"
                        );
                        self.tell(Downlink::ToAll(Told::Ota(job))).await;
                    }
                    _ => tracing::warn!("a firmware task cannot be told"),
                },
                Output::Clock { unix_ms: cloud_ms, round_trip_ms } => {
                    let heard_at = Instant::now().into_std();
                    self.clock.send_replace(Some(clock::Reading::cloud(cloud_ms, heard_at, round_trip_ms)));
                }
                Output::Stray { topic } => tracing::debug!(topic, "a reply that nobody waits for"),
                Output::Note(text) => tracing::warn!("{text}"),
            }
        }
    }

    async fn hand_over_call(&mut self, Call { id, topic, device, body, answer_within_ms }: Call) {
        let called = Called {
            call: id.clone(),
            topic,
            device: device.map(named),
            params: None,
            payload: None,
            payload_b64: None,
            answer_within_ms,
        };
        let called = match body {
            Body::Params(params) => Called { params: Some(params), ..called },
            Body::Payload(payload) => called.with_payload(&payload),
        };
        tracing::debug!(call = called.call, topic = called.topic, "the cloud calls");
        let (programs, count) = oneshot::channel();
        self.tell(Downlink::Call(called, programs)).await;
        self.talk.delivered.push(Box::pin(async move { (id, count.await.unwrap_or(0)) }));
    }
}

fn named(device: DeviceId) -> Device {
    Device { product_key: device.product_key, device_name: device.device_name }
}
