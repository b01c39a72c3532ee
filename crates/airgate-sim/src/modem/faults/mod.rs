//! Faults between the module and its host: a layer of its own around the engine, as pure as the engine is.
//!
//! # The language of `--faults`
//! A rule is one line, `WHEN: WHAT`. It happens once, or as often as `times N` or `always` behind it says.
//!
//! | when | |
//! | --- | --- |
//! | `now` | at once; on the console, or at power-on |
//! | `at 5s` | after power-on (`250ms`, `5s`, `3m`) |
//! | `every 30s` | again and again (`times N` ends it) |
//! | `on AT+MPUB`, `on AT+MPUB #3`, `on *` | the module has heard a command line that begins so; the third; any |
//! | `in-data 10` | ten bytes of a data phase have arrived |
//! | `byte 1000 to-host`, `byte 1000 to-module` | the thousandth byte since power-on goes by |
//! | `says RDY` | the module prints a line that begins so |
//!
//! | what | |
//! | --- | --- |
//! | `lose 3 to-host`, `flip 3 to-module`, `insert 3 to-host` | the next bytes are lost, get a wrong bit, have others in front |
//! | `stall 2s` | nothing moves on the line; then everything comes at once |
//! | `late 12s` | the same for what the module prints alone |
//! | `double` | the next `OK`, `ERROR` or `+CME ERROR` comes twice |
//! | `swallow PUBACK` | the next line that begins so does not come |
//! | `no-prompt` | the next prompt does not come, though the module waits for its data |
//! | `say +NITZ: …` | the module prints this line; with `on …`, between echo and answer |
//! | `close` | the connection to the broker breaks: `CLOSED` |
//! | `no-service 3m` | no coverage; a short time is a lost bearer |
//! | `no-sim 10s` | the SIM card is pulled out and put back |
//! | `refuse 767 10s` | every command but a bare `AT` ends with this CME error |
//! | `reboot` | out of nothing; with `on …` in mid-command, with `in-data …` in the data phase |
//! | `boot-loop 5` | a supply that breaks down under load |
//! | `hang until reset`, `hang until power`, `hang 20s` | deaf and dumb; after a time it goes on as if nothing had been |
//! | `vanish 3s`, `vanish 3s as PATH` | the port is gone, and comes back under its old or another path |
//!
//! # What no driver can find out
//! Bytes on the line carry no checksum. A wrong byte in the payload, the topic or the client ID on its way to the module is
//! published, subscribed or signed in with as it is; a byte lost from counted data is made up for by the first byte of
//! whatever comes next, also where the module drops what came before its prompt and not what came behind it; and a `>` out of
//! noise is a prompt. A careful [`Mix`] therefore leaves alone what stands behind
//! `AT+M`, `AT+SSL` and `AT+FS`, and data, in the direction of the module; noise never makes a `>`. A script may do
//! all of it but the last.

mod agenda;
mod filter;
mod happen;
mod mix;
mod noise;
mod rule;
mod script;
mod traffic;
mod watch;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;

use super::engine::rng::Rng;
use super::engine::{self, Change, Engine, NetEvent};
use agenda::{Agenda, Due};
use filter::Filter;
pub use mix::Mix;
use noise::Noise;
pub use rule::{Cure, Direction, Fault, Rule, When};
pub use script::script;
use watch::Watch;

/// Faults that are remembered for those who ask.
const FIRED_MAX: usize = 1000;
/// Bytes of the host that wait while the line is stalled; more are lost.
const STALLED_MAX: usize = 64 * 1024;
/// The same for a module that hangs for a while. Source: the SDK's pending buffer of a channel.
const HANGING_MAX: usize = 8192;
/// Rules of the mix that wait for their occasion at a time.
const MIX_WAITING: usize = 8;
/// From one breakdown of the supply to the next: behind `RDY`, before the network.
const BROWNOUT_EVERY: Duration = Duration::from_millis(900);
/// `AT*EXINFO?` behind a reboot out of nothing and behind a breakdown of the supply.
const EXCEPTION: u8 = 6;
const POWER: u8 = 0;

/// Something for the world around the module to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// What the engine wants.
    Module(engine::Output),
    /// Take the port away.
    Unplug,
    /// Bring the port back, under this path or its old one.
    Plug(Option<PathBuf>),
}

/// A module that does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hang {
    /// Up to this time.
    Until(Duration),
    Reset,
    Power,
}

/// A module behind a line on which things go wrong. To be used as an [`Engine`].
#[derive(Debug)]
pub struct Faulty {
    engine: Engine,
    now: Duration,
    dice: Rng,
    agenda: Agenda,
    /// Rules that wait for something other than the clock.
    armed: Vec<Rule>,
    mix: Option<Mix>,
    called_at: Option<Duration>,
    fired: VecDeque<(Duration, String)>,
    fired_count: u64,
    outputs: VecDeque<Output>,

    to_module: Noise,
    to_host: Noise,
    filter: Filter,
    heard: Watch,
    said: Watch,
    bytes_heard: u64,
    bytes_said: u64,
    /// Command lines that the module has heard.
    lines: u64,
    /// Bytes of the present data phase.
    data_taken: usize,
    /// The last command was one that data follow.
    data_to_come: bool,

    off: bool,
    hang: Option<Hang>,
    stalled_until: Duration,
    late_until: Duration,
    service_at: Option<Duration>,
    sim_at: Option<Duration>,
    unplugged: bool,
    /// What the host has sent while the line was stalled.
    arriving: Vec<u8>,
    /// What the module has printed while it was stalled or late.
    leaving: VecDeque<Output>,
    /// What happened in the network while the module hung.
    missed: VecDeque<NetEvent>,
}

impl Faulty {
    /// A module with these rules. `seed` is for what rules and mix leave to chance.
    #[must_use]
    pub fn new(engine: Engine, rules: Vec<Rule>, mix: Option<Mix>, seed: u64) -> Self {
        let mut faulty = Self {
            engine,
            now: Duration::ZERO,
            dice: Rng::new(seed),
            agenda: Agenda::default(),
            armed: Vec::new(),
            mix,
            called_at: None,
            fired: VecDeque::new(),
            fired_count: 0,
            outputs: VecDeque::new(),
            to_module: Noise::default(),
            to_host: Noise::default(),
            filter: Filter::default(),
            heard: Watch::default(),
            said: Watch::default(),
            bytes_heard: 0,
            bytes_said: 0,
            lines: 0,
            data_taken: 0,
            data_to_come: false,
            off: false,
            hang: None,
            stalled_until: Duration::ZERO,
            late_until: Duration::ZERO,
            service_at: None,
            sim_at: None,
            unplugged: false,
            arriving: Vec::new(),
            leaving: VecDeque::new(),
            missed: VecDeque::new(),
        };
        for rule in rules {
            faulty.add(rule);
        }
        if let Some(mix) = mix {
            let pause = mix.pause(&mut faulty.dice);
            faulty.agenda.set(pause, Due::Mix);
        }
        faulty
    }

    /// Adds a rule.
    pub fn add(&mut self, rule: Rule) {
        match rule.when {
            When::Now => self.agenda.set(self.now, Due::Rule(rule)),
            When::At(at) => self.agenda.set(at, Due::Rule(rule)),
            When::Every(pause) => self.agenda.set(self.now + pause, Due::Rule(rule)),
            _ => self.armed.push(rule),
        }
    }

    /// From now on no new fault happens; one that lasts runs out.
    pub fn calm(&mut self) {
        self.mix = None;
        self.armed.clear();
        self.agenda.calm();
        self.to_module.clear();
        self.to_host.clear();
        let mut rest = Vec::new();
        self.filter.clear(&mut rest);
        self.print(engine::Output::Host(Bytes::from(rest)));
    }

    /// The host has sent these bytes.
    pub fn receive(&mut self, bytes: &[u8], now: Duration) {
        self.advance(now);
        if self.is_deaf() || self.now < self.stalled_until {
            self.wait_or_lose(bytes);
        } else {
            self.hear(bytes);
        }
    }

    /// Something happened to a connection.
    pub fn network(&mut self, event: NetEvent, now: Duration) {
        self.advance(now);
        if self.is_deaf() {
            self.missed.push_back(event);
        } else {
            self.engine.network(event, now);
            self.collect();
        }
    }

    /// Does what is due.
    pub fn advance(&mut self, now: Duration) {
        let target = now.max(self.now);
        while let Some((at, due)) = self.agenda.pop(target) {
            self.engine_until(at.max(self.now));
            self.perform(due);
        }
        self.engine_until(target);
    }

    /// When [`Faulty::advance`] is to be called next.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let engine = if self.is_deaf() { None } else { self.engine.wake_at() };
        [self.agenda.next_at(), engine].into_iter().flatten().min()
    }

    /// The next thing to do, if any.
    pub fn next_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The RESET key. It does not help a module without power, or one that only a power cut helps.
    pub fn reset(&mut self, now: Duration) {
        self.advance(now);
        if !self.off && self.hang != Some(Hang::Power) {
            self.restart(5);
        }
    }

    /// The supply goes off or on. Switching on what is on does nothing.
    pub fn power(&mut self, on: bool, now: Duration) {
        self.advance(now);
        if self.off && on {
            self.off = false;
            self.restart(POWER);
        }
        self.off = !on;
    }

    /// Drops the connection as a fault of the network does.
    pub fn close_session(&mut self, now: Duration) {
        self.advance(now);
        if !self.is_deaf() {
            self.engine.close_session(now);
            self.collect();
        }
    }

    /// Lets the world change; a module that hangs or is off finds it so afterwards.
    pub fn change(&mut self, change: Change, now: Duration) {
        self.advance(now);
        self.engine_condition(|engine| engine.change(change, now));
    }

    /// How many faults have happened so far.
    #[must_use]
    pub fn fired_count(&self) -> u64 {
        self.fired_count
    }

    /// The faults that have happened, with their times; the last thousand.
    pub fn fired(&self) -> impl Iterator<Item = &(Duration, String)> {
        self.fired.iter()
    }

    /// Command lines that the module has heard so far.
    #[must_use]
    pub fn lines_heard(&self) -> u64 {
        self.lines
    }

    /// Whether the module is deaf and dumb: it hangs, or has no power.
    #[must_use]
    pub fn is_deaf(&self) -> bool {
        self.off || self.hang.is_some()
    }

    /// Rules that wait for their occasion.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.armed.len()
    }

    /// Bytes of the host reach a module or a line that does not take them now.
    fn wait_or_lose(&mut self, bytes: &[u8]) {
        let most = match self.hang {
            _ if self.off => 0,
            Some(Hang::Reset | Hang::Power) => 0,
            Some(Hang::Until(_)) => HANGING_MAX,
            None => STALLED_MAX,
        };
        let space = most.saturating_sub(self.arriving.len());
        self.arriving.extend(bytes.iter().take(space));
    }

    fn engine_until(&mut self, now: Duration) {
        self.now = now;
        if !self.is_deaf() {
            self.engine.advance(now);
            self.collect();
        }
    }

    /// Starts the module over, whatever state it was in.
    fn restart(&mut self, reason: u8) {
        if self.is_deaf() {
            // What it would have printed in its sleep.
            self.engine.advance(self.now);
            while let Some(output) = self.engine.next_output() {
                if !matches!(output, engine::Output::Host(_)) {
                    self.outputs.push_back(Output::Module(output));
                }
            }
        }
        self.hang = None;
        self.missed.clear();
        self.arriving.clear();
        self.heard.clear();
        self.filter.cut();
        self.engine.restart(reason, self.now);
        self.collect();
    }
}
