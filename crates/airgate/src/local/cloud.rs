//! What a program asks of the cloud itself, and says to what the cloud asks of it.

use super::connection::{Answered, Connection};
use super::publish::SHORTEN_OR_RAISE;
use super::rights::Use;
use airgate_proto::limits::DEFAULT_PRIORITY;
use airgate_proto::{Answer, Ask, Code, Device, Done, Id, Refusal, Reply};
use iotcloud::Secret;
use iotcloud::aliyun::dialogue::{AnswerRefused, DeviceId, Failure, Request};

/// What to do about a request that is too long for the module, as it has just said.
const SHORTEN_AND_LOWER: &str = "split it or compress it; set `max_publish_bytes` under [modem] to what the module's \
     firmware takes, and what is longer is refused before it is tried";

impl Connection {
    pub(super) fn ask(&mut self, id: Id, ask: Ask) {
        let word = word(&ask);
        if !self.door.rights().allow(&self.caller, Use::Publish, &word) {
            let refusal = self.door.not_allowed(&self.caller, Use::Publish, &word);
            return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal }));
        }
        if !self.door.topics.have_dialogue() {
            let hint = "publish to and subscribe to the broker's topics instead";
            let refusal = Refusal::new(id, Code::NotSupported, "this cloud has no thing model", hint);
            return self.reply(&Reply::Refused(refusal));
        }
        // What is asked live has no priority of its own.
        if let Some(refusal) = self.door.over_budget(DEFAULT_PRIORITY) {
            return self.reply(&Reply::Refused(Refusal { id: Some(id), ..refusal }));
        }
        let cloud = self.door.cloud.clone();
        self.pending.push(Box::pin(async move {
            let reply = match cloud.ask(request(ask)).await {
                Ok(data) => Reply::Ok(Done { data: Some(data), ..Done::new(id) }),
                Err(failure) => Reply::Refused(refused(id, &failure)),
            };
            Answered { reply, confirm: None }
        }));
    }

    pub(super) fn give_answer(&mut self, id: Id, call: String, answer: Answer) {
        let answering = self.door.answer(&self.calls, call, answer);
        self.pending.push(Box::pin(async move {
            let reply = match answering.await {
                Ok(()) => Reply::Ok(Done::new(id)),
                Err(why) => Reply::Refused(not_taken(id, why)),
            };
            Answered { reply, confirm: None }
        }));
    }
}

/// The word by which it is granted.
fn word(ask: &Ask) -> String {
    let of = |device: &Device| format!("$device/{}/{}", device.product_key, device.device_name);
    match ask {
        Ask::Call { method, device, .. } => {
            let path = method.replace('.', "/");
            device.as_ref().map_or_else(|| format!("${path}"), |device| format!("{}/{path}", of(device)))
        }
        Ask::Shadow(_) => "$shadow".to_owned(),
        Ask::DeviceAdd(device, _) | Ask::DeviceLogin(device, _) | Ask::DeviceLogout(device) => of(device),
    }
}

fn request(ask: Ask) -> Request {
    let id = |Device { product_key, device_name }: Device| DeviceId { product_key, device_name };
    match ask {
        Ask::Call { method, params, device, timeout_s } => Request::Call {
            method,
            params,
            device: device.map(id),
            timeout_ms: timeout_s.map(|seconds| u64::from(seconds) * 1_000),
        },
        Ask::Shadow(document) => Request::Shadow(document),
        Ask::DeviceAdd(device, secret) => Request::AddDevice { device: id(device), secret: Secret::new(secret.0) },
        Ask::DeviceLogin(device, secret) => Request::Login { device: id(device), secret: Secret::new(secret.0) },
        Ask::DeviceLogout(device) => Request::Logout { device: id(device) },
    }
}

fn refused(id: Id, failure: &Failure) -> Refusal {
    let (code, hint) = match failure {
        Failure::Offline => (Code::Offline, "try again when a `link` event says `online`"),
        Failure::Lost | Failure::TimedOut => (Code::TimedOut, "ask again, if asking twice does no harm"),
        Failure::Busy => (Code::RateLimited, "wait for replies before asking for more"),
        Failure::NotSubscribed => (Code::Internal, "the log tells what the cloud refused"),
        Failure::Refused { .. } => (Code::CloudRefused, "do what the message says, then ask again"),
        Failure::TooLong { .. } => (Code::PayloadTooLarge, SHORTEN_OR_RAISE),
        Failure::NotTaken(_) => (Code::PayloadTooLarge, SHORTEN_AND_LOWER),
        Failure::NotSent(_) => (Code::Internal, "ask again; `airgate status` tells how the module and its session are"),
        Failure::Unusable(_) => (Code::BadField, "see the documentation of the method"),
    };
    Refusal::new(id, code, failure.to_string(), hint)
}

fn not_taken(id: Id, why: AnswerRefused) -> Refusal {
    let (code, hint) = match why {
        AnswerRefused::Unknown => (Code::NoSuchCall, "answer within the `answer_within_ms` of the call, and once"),
        AnswerRefused::TooLong { .. } => (Code::PayloadTooLarge, "the call still waits: answer with less"),
        AnswerRefused::Form(_) | AnswerRefused::Code => (Code::BadField, "the call still waits"),
    };
    Refusal::new(id, code, why.to_string(), hint)
}
