//! Messages from the network: into a memory with `+CMTI`, or straight to the host with `+CMT`.

use std::time::Duration;

use super::pdu::{Coding, Content};
use super::store::{Memory, Message};
use super::{Alphabet, CENTRE};
use crate::modem::engine::Engine;
use crate::modem::engine::clock::{CHINA, Shown};

/// Characters of a message that stands alone, and of a part of a long one.
const GSM_ALONE: usize = 160;
const GSM_PART: usize = 153;
const UCS2_ALONE: usize = 70;
const UCS2_PART: usize = 67;

/// A text cut into as many messages as it needs, joined by a header. Source: 3GPP TS 23.040, section 9.2.3.24.1.
pub(super) fn parts(text: &str, reference: u8) -> Vec<Content> {
    let coding = Coding::fitting(text);
    let (alone, part) = if coding == Coding::Gsm7 { (GSM_ALONE, GSM_PART) } else { (UCS2_ALONE, UCS2_PART) };
    let width = |char: char| match coding {
        Coding::Gsm7 => super::charset::septets(char.encode_utf8(&mut [0; 4])).map_or(1, |septets| septets.len()),
        Coding::Ucs2 | Coding::Octets => char.len_utf16(),
    };
    if text.chars().map(width).sum::<usize>() <= alone {
        return vec![Content { coding, header: Vec::new(), text: text.to_owned() }];
    }
    let mut texts = vec![String::new()];
    let mut used = 0;
    for char in text.chars() {
        if used + width(char) > part {
            texts.push(String::new());
            used = 0;
        }
        used += width(char);
        if let Some(last) = texts.last_mut() {
            last.push(char);
        }
    }
    let number = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    let total = number(texts.len());
    let header = |index: usize| vec![0, 3, reference, total, number(index + 1)];
    texts.into_iter().enumerate().map(|(index, text)| Content { coding, header: header(index), text }).collect()
}

impl Engine {
    /// Somebody sends a message to the module. Without coverage or room the network keeps it.
    pub fn receive_sms(&mut self, from: &str, text: &str, now: Duration) {
        self.advance(now);
        self.sms.reference = self.sms.reference.wrapping_add(1);
        for content in parts(text, self.sms.reference) {
            let time = Shown::local(self.unix_now(), CHINA);
            self.sms.store.wait(Message { from: from.to_owned(), time, content, read: false });
        }
        self.take_waiting_sms();
        self.flush();
    }

    /// Takes what the network has kept, as far as there is room.
    pub(in crate::modem::engine) fn take_waiting_sms(&mut self) {
        while self.radio.attached() {
            let Some(message) = self.sms.store.waiting.pop_front() else { return };
            if self.sms.shows == 2 {
                let text = self.sms_line("+CMT: ", &message);
                self.urc_bytes(&text);
                continue;
            }
            match self.sms.store.put(Memory::Sim, message) {
                Ok(place) if self.sms.shows == 1 => self.urc(&format!("+CMTI: \"SM\",{place}")),
                Ok(_) => {}
                Err(message) => return self.sms.store.waiting.push_front(message),
            }
        }
    }

    /// A message as the host has asked to see it; with `+CMGR` and `+CMGL` the status stands in front.
    pub(super) fn sms_line(&self, head: &str, message: &Message) -> Vec<u8> {
        let listed = head != "+CMT: ";
        if self.sms.text_mode {
            let status = if message.read { "\"REC READ\"," } else { "\"REC UNREAD\"," };
            let status = if listed { status } else { "" };
            let from = self.sms.alphabet.shown(&message.from, Coding::Gsm7);
            let from = String::from_utf8_lossy(&from).into_owned();
            let line = format!("{head}{status}\"{from}\",,\"{}\"\r\n", message.time.text());
            let text = self.sms.alphabet.shown(&message.content.text, message.content.coding);
            return [line.into_bytes(), text].concat();
        }
        let (pdu, length) =
            super::pdu::deliver(CENTRE, &message.from, message.time, &message.content).unwrap_or_default();
        let status = if listed { format!("{},", u8::from(message.read)) } else { String::new() };
        format!("{head}{status},{length}\r\n{pdu}").into_bytes()
    }
}

impl Alphabet {
    /// A text as it goes to the host; what is coded in UCS-2 is always shown in hex digits.
    pub(in crate::modem::engine) fn shown(self, text: &str, coding: Coding) -> Vec<u8> {
        match (self, coding) {
            (_, Coding::Octets) => text.as_bytes().to_vec(),
            (Self::Ucs2, _) | (_, Coding::Ucs2) => super::charset::ucs2_hex(text).into_bytes(),
            (Self::Gsm, Coding::Gsm7) => super::charset::septets(text).unwrap_or_default(),
            (Self::Ira, Coding::Gsm7) => {
                text.chars().map(|char| u8::try_from(char).ok().filter(u8::is_ascii).unwrap_or(b'?')).collect()
            }
        }
    }
}
