//! A program at the daemon's socket, written with nothing but the documentation of the protocol.

use crate::PATIENCE;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// A connection. Events that come while an answer is awaited are kept.
pub struct Door {
    stream: UnixStream,
    lines: BufReader<UnixStream>,
    events: VecDeque<Value>,
    next_id: u64,
    pub hello: Value,
}

impl Door {
    pub fn open(socket: &Path) -> Self {
        Self::try_open(socket).expect("the daemon listens")
    }

    pub fn try_open(socket: &Path) -> Option<Self> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap());
        let mut door = Self { stream, lines, events: VecDeque::new(), next_id: 1, hello: Value::Null };
        door.hello = door.read();
        Some(door)
    }

    pub fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("the daemon reads");
    }

    pub fn read(&mut self) -> Value {
        let mut line = String::new();
        let len = self.lines.read_line(&mut line).expect("the daemon answers in time");
        assert!(len > 0, "the daemon closed the connection");
        serde_json::from_str(&line).expect("each line is JSON")
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, mut request: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        request.as_object_mut().unwrap().insert("id".into(), id.into());
        self.send_raw(format!("{request}\n").as_bytes());
        loop {
            let answer = self.read();
            if answer["id"] == id {
                return answer;
            }
            self.events.push_back(answer);
        }
    }

    /// Asks for what must be granted.
    pub fn ask_ok(&mut self, request: Value) -> Value {
        let answer = self.ask(request.clone());
        assert_eq!(answer["ok"], true, "{request} was answered {answer}");
        answer
    }

    pub fn publish(&mut self, topic: &str, payload: &str) -> u64 {
        self.ask_ok(json!({"op": "publish", "topic": topic, "payload": payload}))["seq"].as_u64().unwrap()
    }

    pub fn status(&mut self) -> Value {
        self.ask_ok(json!({"op": "status"}))["status"].clone()
    }

    /// The next event that `wanted` recognises; others are passed over.
    pub fn event(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.read(),
            };
            if wanted(&event) {
                return event;
            }
        }
    }

    /// The next message on a topic.
    pub fn message(&mut self, topic: &str) -> Value {
        self.event(|event| event["event"] == "message" && event["topic"] == topic)
    }

    /// Whether a message on a topic has come by now.
    pub fn has_message(&mut self, topic: &str) -> bool {
        self.has(|event| event["event"] == "message" && event["topic"] == topic)
    }

    /// Whether what `wanted` recognises has come by now.
    pub fn has(&mut self, wanted: impl Fn(&Value) -> bool) -> bool {
        self.ask_ok(json!({"op": "ping"}));
        let found = self.events.iter().position(wanted);
        found.map(|at| self.events.remove(at)).is_some()
    }

    /// Waits until the link is up.
    pub fn online(&mut self) {
        if self.status()["link"]["state"] != "online" {
            self.event(|event| event["event"] == "link" && event["state"] == "online");
        }
    }
}
