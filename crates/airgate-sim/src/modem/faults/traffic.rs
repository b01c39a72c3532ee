//! Bytes on their way through the fault layer, in both directions, and the rules that watch them.

use bytes::Bytes;

use super::agenda::Due;
use super::{Direction, Fault, Faulty, Output, Rule, When};
use crate::modem::engine;

/// What stands behind these is spared by a careful mix.
const SPARED: [&str; 3] = ["AT+M", "AT+SSL", "AT+FS"];
/// And so is what follows these, which may arrive before the module asks for it.
const WITH_DATA: [&str; 4] = ["AT+MPUBEX", "AT+FSWRITE", "AT+HTTPDATA", "AT+CMGS"];

impl Faulty {
    /// The host speaks at this rate; `None`: nobody knows.
    pub fn set_host_rate(&mut self, rate: Option<u32>) {
        self.engine.set_host_rate(rate);
    }

    /// The module hears all rates, because it looks for that of the host.
    #[must_use]
    pub fn hunts(&self) -> bool {
        self.engine.hunts()
    }

    /// Bytes reach the module, as far as they come. Each command line reaches it before what the line calls.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        let mut chunk = Vec::with_capacity(bytes.len());
        let mut piece = Vec::with_capacity(1);
        let mut data = self.engine.data_missing();
        for (index, &byte) in bytes.iter().enumerate() {
            self.bytes_heard += 1;
            self.occasion(
                |when, faulty| matches!(when, When::Byte(Direction::ToModule, n) if *n == faulty.bytes_heard),
            );
            piece.clear();
            if self.is_spared(data.is_some()) {
                piece.push(byte);
            } else {
                self.to_module.pass(byte, &mut self.dice, &mut piece);
            }
            for &byte in &piece {
                chunk.push(byte);
                let pause = match &mut data {
                    Some(missing) => {
                        *missing = missing.saturating_sub(1);
                        self.data_taken += 1;
                        let called =
                            self.occasion(|when, faulty| matches!(when, When::InData(n) if faulty.data_taken >= *n));
                        called || *missing == 0
                    }
                    None => {
                        self.data_taken = 0;
                        self.heard.hear(byte, b'\r')
                    }
                };
                if pause {
                    let line_ended = data.is_none();
                    self.feed(&mut chunk);
                    if line_ended {
                        self.line_heard();
                    }
                    self.begin_called();
                    if self.is_deaf() {
                        return self.wait_or_lose(bytes.get(index + 1..).unwrap_or_default());
                    }
                    data = self.engine.data_missing();
                }
            }
        }
        self.feed(&mut chunk);
        self.begin_called();
    }

    fn feed(&mut self, chunk: &mut Vec<u8>) {
        self.engine.receive(chunk, self.now);
        chunk.clear();
        self.collect();
    }

    fn line_heard(&mut self) {
        self.lines += 1;
        if self.heard.begins("AT") {
            self.data_to_come = WITH_DATA.iter().any(|name| self.heard.begins(name));
        }
        let mut called = Vec::new();
        let heard = &self.heard;
        let one_at_a_time = self.mix.is_some();
        // Data that came before its prompt is no line, though it may hold line ends.
        let early_data = self.data_to_come && !heard.begins("AT") && self.mix.is_some_and(|mix| mix.careful);
        if early_data || self.crowded() {
            return;
        }
        self.armed.retain_mut(|rule| {
            let When::Command { name, nth } = &mut rule.when else { return true };
            if !heard.begins(name) {
                return true;
            }
            if *nth > 1 || !called.is_empty() && one_at_a_time {
                *nth = nth.saturating_sub(1).max(1);
                return true;
            }
            keep_after_call(rule, &mut called)
        });
        self.call(called);
    }

    /// Whether a careful mix leaves the next byte to the module alone.
    fn is_spared(&self, in_data: bool) -> bool {
        let careful = self.mix.is_some_and(|mix| mix.careful);
        careful && (in_data || self.data_to_come || SPARED.iter().any(|name| self.heard.begins(name)))
    }

    /// Calls the armed rules for which it is so; tells whether there was one.
    fn occasion(&mut self, is_so: impl Fn(&When, &Self) -> bool) -> bool {
        if self.armed.is_empty() || self.crowded() {
            return false;
        }
        let mut armed = std::mem::take(&mut self.armed);
        let mut called = Vec::new();
        armed.retain_mut(|rule| !is_so(&rule.when, self) || keep_after_call(rule, &mut called));
        self.armed = armed;
        let any = !called.is_empty();
        self.call(called);
        any
    }

    /// Whether chance has called a fault at this very moment: after a pause, an hour's lines may come at once.
    fn crowded(&self) -> bool {
        self.mix.is_some() && self.called_at == Some(self.now)
    }

    /// What damages bytes begins with the next byte; everything else when the bytes so far are through.
    fn call(&mut self, faults: Vec<Fault>) {
        if !faults.is_empty() {
            self.called_at = Some(self.now);
        }
        for fault in faults {
            match fault {
                Fault::Lose(..)
                | Fault::Flip(..)
                | Fault::Insert(..)
                | Fault::Swallow(_)
                | Fault::NoPrompt
                | Fault::Double => self.begin(fault),
                fault => self.agenda.set(self.now, Due::Fault(fault)),
            }
        }
    }

    fn begin_called(&mut self) {
        while let Some((_, due)) = self.agenda.pop(self.now) {
            self.perform(due);
        }
    }

    /// Takes what the engine has to do.
    pub(super) fn collect(&mut self) {
        while let Some(output) = self.engine.next_output() {
            match output {
                engine::Output::Host(bytes) => self.say(bytes),
                rate @ engine::Output::Rate(_) => self.print(rate),
                network => self.outputs.push_back(Output::Module(network)),
            }
        }
    }

    fn say(&mut self, bytes: Bytes) {
        let mut out = Vec::with_capacity(bytes.len());
        let mut piece = Vec::with_capacity(1);
        for &byte in &bytes {
            self.bytes_said += 1;
            self.said.hear(byte, b'\n');
            self.occasion(|when, faulty| match when {
                When::Byte(Direction::ToHost, n) => *n == faulty.bytes_said,
                When::Says(text) => faulty.said.is(text),
                _ => false,
            });
            piece.clear();
            self.to_host.pass(byte, &mut self.dice, &mut piece);
            piece.iter().for_each(|byte| self.filter.pass(*byte, &mut out));
        }
        self.print(engine::Output::Host(Bytes::from(out)));
    }

    /// Something for the line, now or when it moves again.
    pub(super) fn print(&mut self, output: engine::Output) {
        if matches!(&output, engine::Output::Host(bytes) if self.unplugged || bytes.is_empty()) {
            return;
        }
        let output = Output::Module(output);
        if self.now < self.stalled_until.max(self.late_until) || !self.leaving.is_empty() {
            self.leaving.push_back(output);
        } else {
            self.outputs.push_back(output);
        }
    }
}

/// Notes the fault of a rule that is called, and tells whether the rule stays.
fn keep_after_call(rule: &mut Rule, called: &mut Vec<Fault>) -> bool {
    called.push(rule.fault.clone());
    match &mut rule.times {
        None => true,
        Some(times) => {
            *times = times.saturating_sub(1);
            *times > 0
        }
    }
}
