//! What the host cannot see: the module behind its port, the broker and the server behind the module.

use crate::broker::Broker;
use crate::host::{DOWN_TOPIC, Life};
use crate::web::Web;
use airgate_sim::modem::engine;
use airgate_sim::modem::faults::{Faulty, Output};
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// What lies between host and module without being read.
const BUFFER: usize = 64 * 1024;
/// How often the broker has something to say.
const DOWN_EVERY: Duration = Duration::from_secs(20);

/// The host's end of the line, while there is one.
type Slot = Arc<Mutex<Option<DuplexStream>>>;

enum Order {
    Calm,
    PowerCycle,
    Stop,
}

/// What a person could do to the module: end the trouble, cut its power.
#[derive(Clone, Debug)]
pub struct Calm(mpsc::UnboundedSender<Order>);

impl Calm {
    pub fn calm(&self) {
        self.0.send(Order::Calm).expect("the world goes on");
    }

    /// Takes the module's power away and gives it back.
    pub fn power_cycle(&self) {
        // The driver may outlive its world by a moment.
        let _ = self.0.send(Order::PowerCycle);
    }
}

/// The running world.
pub(crate) struct World {
    orders: mpsc::UnboundedSender<Order>,
    task: JoinHandle<Ended>,
}

/// What is left of the world in the end.
pub(crate) struct Ended {
    module: Faulty,
    broker: Broker,
}

struct Running {
    module: Faulty,
    broker: Broker,
    web: Web,
    started: Instant,
    slot: Slot,
    port: Option<DuplexStream>,
    down_at: Instant,
    downs: u64,
    /// Show what goes over the line.
    trace: bool,
}

/// Starts the world, and gives what opens the port.
pub(crate) fn start(module: Faulty) -> (World, impl FnMut() -> io::Result<DuplexStream> + Send + 'static) {
    let slot = Slot::default();
    let (orders, receiver) = mpsc::unbounded_channel();
    let now = Instant::now();
    let mut running = Running {
        module,
        broker: Broker::default(),
        web: Web::default(),
        started: now,
        slot: slot.clone(),
        port: None,
        down_at: now + DOWN_EVERY,
        downs: 0,
        trace: std::env::var_os("TRACE").is_some(),
    };
    running.plug();
    let task = tokio::spawn(running.run(receiver));
    let open = move || slot.lock().unwrap().take().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    (World { orders, task }, open)
}

impl World {
    pub(crate) fn calm(&self) -> Calm {
        Calm(self.orders.clone())
    }

    pub(crate) async fn stop(self) -> Ended {
        let _ = self.orders.send(Order::Stop);
        self.task.await.expect("the world does not panic")
    }
}

impl Running {
    fn plug(&mut self) {
        let (ours, theirs) = duplex(BUFFER);
        self.port = Some(ours);
        *self.slot.lock().unwrap() = Some(theirs);
    }

    async fn run(mut self, mut orders: mpsc::UnboundedReceiver<Order>) -> Ended {
        let mut buffer = [0; 4096];
        loop {
            self.collect().await;
            let wake = self.module.wake_at().map_or(self.down_at, |at| self.down_at.min(self.started + at));
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Calm) => self.module.calm(),
                    Some(Order::PowerCycle) => {
                        self.module.power(false, self.started.elapsed());
                        self.module.power(true, self.started.elapsed());
                    }
                    Some(Order::Stop) | None => return Ended { module: self.module, broker: self.broker },
                },
                read = read(self.port.as_mut(), &mut buffer) => match read {
                    Ok(len @ 1..) => {
                        let bytes = buffer.get(..len).unwrap_or_default();
                        self.trace('>', bytes);
                        self.module.receive(bytes, self.started.elapsed());
                    }
                    // The host has let go; the next one that opens the port finds it.
                    Ok(0) | Err(_) => self.plug(),
                },
                () = sleep_until(wake) => self.wake(),
            }
        }
    }

    fn trace(&self, direction: char, bytes: &[u8]) {
        if self.trace {
            println!("{:9.3} {direction} {}", self.started.elapsed().as_secs_f64(), bytes.escape_ascii());
        }
    }

    fn wake(&mut self) {
        let now = self.started.elapsed();
        self.module.advance(now);
        if Instant::now() >= self.down_at {
            self.down_at += DOWN_EVERY;
            self.downs += 1;
            // Lines and quotes, but no line that is an answer or a prompt: where noise has hit the announcement, what follows
            // is lines, and the driver would have to believe them.
            let payload =
                format!("{}\r\nx OK\r\n\"{}\"\r\nx CLOSED\r\nx>", self.downs, "x".repeat((self.downs % 97) as usize));
            for event in self.broker.publish(DOWN_TOPIC, payload.as_bytes()) {
                self.module.network(event, now);
            }
        }
    }

    async fn collect(&mut self) {
        let now = self.started.elapsed();
        while let Some(output) = self.module.next_output() {
            match output {
                Output::Unplug => {
                    self.port = None;
                    *self.slot.lock().unwrap() = None;
                }
                Output::Plug(_) => self.plug(),
                Output::Module(output) => match output {
                    engine::Output::Host(bytes) => {
                        self.trace('<', &bytes);
                        if let Some(port) = &mut self.port
                            && port.write_all(&bytes).await.is_err()
                        {
                            self.plug();
                        }
                    }
                    engine::Output::Open { id, service, .. } => {
                        let event = match service {
                            engine::Service::Http => self.web.open(id),
                            _ => self.broker.open(id),
                        };
                        self.module.network(event, now);
                    }
                    engine::Output::Send { id, bytes } => {
                        self.trace('N', &bytes);
                        let answer = self.web.receive(id, &bytes);
                        for event in answer.unwrap_or_else(|| self.broker.receive(id, &bytes)) {
                            self.module.network(event, now);
                        }
                    }
                    engine::Output::Close { id } | engine::Output::Abort { id } => {
                        self.broker.close(id);
                        self.web.close(id);
                    }
                    // Nothing that this host asks for.
                    _ => {}
                },
            }
        }
    }
}

async fn read(port: Option<&mut DuplexStream>, buffer: &mut [u8]) -> io::Result<usize> {
    match port {
        Some(port) => port.read(buffer).await,
        None => std::future::pending().await,
    }
}

impl Ended {
    /// Whether what the host believes is what the broker knows.
    pub(crate) fn judge(&self, life: &Life) -> Result<(), String> {
        if let Some(corrupt) = self.broker.corrupt.first() {
            return Err(format!("corrupt at the broker: {corrupt}"));
        }
        match life.acknowledged.difference(&self.broker.arrived).next() {
            Some(number) => Err(format!("message {number} was called acknowledged and is not at the broker")),
            None => Ok(()),
        }
    }

    pub(crate) fn faults(&self) -> u64 {
        self.module.fired_count()
    }

    /// When the first fault happened, since the start.
    pub(crate) fn struck(&self) -> Option<Duration> {
        self.module.fired().next().map(|(at, _)| *at)
    }

    /// The faults in order.
    pub(crate) fn story(&self) -> String {
        let mut story = String::from("what happened:");
        for (at, fault) in self.module.fired() {
            let _ = write!(story, "\n  {:8.3} s {fault}", at.as_secs_f64());
        }
        story
    }
}
