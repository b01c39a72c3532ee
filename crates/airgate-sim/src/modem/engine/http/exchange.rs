//! One request and its answer: from `AT+HTTPACTION` over the connection to the URC of the same name.

use std::time::Duration;

use bytes::Bytes;

use super::super::commands::{Flow, Outcome};
use super::super::fault::Fault;
use super::super::parse::Args;
use super::super::timers::Timer;
use super::super::tls::HTTP_CONTEXT;
use super::super::{Engine, Failure, Output, Service};
use super::Method;
use super::response::{Progress, Response};
use super::url::Url;
use crate::modem::profile::HttpOverflow;

/// Most redirects that are followed.
const REDIRECTS_MAX: u8 = 5;
/// From an `OK` to the URC that follows it.
const OK_TO_URC: Duration = Duration::from_millis(5);

/// What stands in place of a status when there is none. Source: AT command manual V1.6.3, HTTP chapter.
const BAD_REQUEST: u16 = 600;
const NETWORK: u16 = 601;
const NO_MEMORY: u16 = 602;
const DNS: u16 = 603;
const BUSY: u16 = 604;
const TLS_SETUP: u16 = 605;
const TLS_ALERT: u16 = 606;

/// A request under way.
#[derive(Debug)]
pub(in super::super) struct Exchange {
    id: u64,
    method: Method,
    url: Url,
    response: Response,
    redirects: u8,
    /// A radio does not answer sooner.
    not_before: Duration,
    /// Bytes of the body that the host has been told of.
    told: Option<usize>,
}

impl Exchange {
    pub(super) fn connection(&self) -> u64 {
        self.id
    }
}

impl Engine {
    /// `AT+HTTPACTION=<0 GET|1 POST|2 HEAD>`
    pub(super) fn http_action(&mut self, args: &Args) -> Outcome {
        let method = match args.at_most(1)?.number(0, 0..=2)? {
            0 => Method::Get,
            1 => Method::Post,
            _ => Method::Head,
        };
        let tls = self.http.tls;
        let text = self.http.session()?.params.url.clone();
        if text.is_empty() {
            return Err(Fault::NOT_ALLOWED);
        }
        if self.http.exchange.is_some() {
            return self.http_refuse(method, BUSY);
        }
        let Some(url) = Url::parse(&text, tls) else { return self.http_refuse(method, BAD_REQUEST) };
        if !self.bearer_is_open() {
            return self.http_refuse(method, NETWORK);
        }
        let session = self.http.session()?;
        session.head.clear();
        session.answer.clear();
        if self.http_open(method, url, 0).is_err() {
            return self.http_refuse(method, TLS_SETUP);
        }
        Ok(Flow::Next)
    }

    /// A request that fails before it is sent: after `OK`, or with an error in front of the same URC.
    fn http_refuse(&mut self, method: Method, code: u16) -> Outcome {
        self.after(OK_TO_URC, Timer::Urc(format!("+HTTPACTION: {},{code},0", method as u8)));
        if self.profile.http_error_first { Err(Fault::NOT_ALLOWED) } else { Ok(Flow::Next) }
    }

    fn http_open(&mut self, method: Method, url: Url, redirects: u8) -> Result<(), Fault> {
        let tls = if url.tls { Some(self.tls_setup(HTTP_CONTEXT, &url.host)?) } else { None };
        let least = if url.tls { self.profile.connect_tls } else { self.profile.connect };
        let seconds = self.http.session()?.params.timeout;
        let id = self.next_connection();
        self.after(Duration::from_secs(u64::from(seconds)), Timer::HttpTimeout(id));
        let (host, port) = (url.host.clone(), url.port);
        self.outputs.push_back(Output::Open { id, service: Service::Http, host, port, tls });
        let response = Response::new(method, self.profile.http_buffer);
        let not_before = self.now + least;
        self.http.exchange = Some(Exchange { id, method, url, response, redirects, not_before, told: None });
        Ok(())
    }

    fn http_exchange(&mut self, id: u64) -> Option<&mut Exchange> {
        self.http.exchange.as_mut().filter(|exchange| exchange.id == id)
    }

    /// The connection is open: the request goes out when a radio could have come so far.
    pub(in super::super) fn http_opened(&mut self, id: u64) {
        let now = self.now;
        if let Some(exchange) = self.http_exchange(id) {
            let at = exchange.not_before.max(now);
            self.timers.set(at, Timer::HttpSend(id));
        }
    }

    pub(in super::super) fn http_send(&mut self, id: u64) {
        let (Some(exchange), Some(session)) = (&self.http.exchange, &self.http.session) else { return };
        if exchange.id == id {
            let bytes = session.params.request(exchange.method, &exchange.url, &session.body);
            self.outputs.push_back(Output::Send { id, bytes: Bytes::from(bytes) });
        }
    }

    pub(in super::super) fn http_failed(&mut self, id: u64, failure: Failure) {
        if self.http_exchange(id).is_some() {
            self.http_end(match failure {
                Failure::Name => DNS,
                Failure::Unreachable => NETWORK,
                Failure::TlsSetup => TLS_SETUP,
                Failure::TlsAlert => TLS_ALERT,
            });
        }
    }

    pub(in super::super) fn http_received(&mut self, id: u64, bytes: &[u8]) {
        let Some(exchange) = self.http_exchange(id) else { return };
        let progress = exchange.response.take(bytes);
        self.http_progress(progress);
    }

    pub(in super::super) fn http_closed(&mut self, id: u64) {
        let Some(exchange) = self.http_exchange(id) else { return };
        let progress = exchange.response.close();
        self.http_progress(progress);
    }

    pub(in super::super) fn http_timeout(&mut self, id: u64) {
        if self.http_exchange(id).is_some() {
            self.http_end(NETWORK);
        }
    }

    /// The bearer is gone: no answer will come.
    pub(in super::super) fn http_bearer_lost(&mut self) {
        if self.http.exchange.is_some() {
            self.http_end(NETWORK);
        }
    }

    /// Drops the request without a word.
    pub(in super::super) fn http_abort(&mut self) {
        if let Some(exchange) = self.http.exchange.take() {
            self.outputs.push_back(Output::Abort { id: exchange.id });
        }
    }

    fn http_progress(&mut self, progress: Progress) {
        match progress {
            Progress::More => self.http_tell_early(),
            Progress::Broken => self.http_end(NETWORK),
            Progress::Done => self.http_done(),
        }
    }

    /// Some builds print the URC again whenever more of the body has come.
    fn http_tell_early(&mut self) {
        let Some(exchange) = self.http.exchange.as_mut().filter(|_| self.profile.http_action_repeats) else { return };
        let length = exchange.response.body.len();
        if length > exchange.told.unwrap_or(0) {
            exchange.told = Some(length);
            let text = format!("+HTTPACTION: {},{},{length}", exchange.method as u8, exchange.response.status);
            self.urc(&text);
        }
    }

    /// The answer is whole. Its URC has the length of what is in the buffer; for HEAD that is 0.
    fn http_done(&mut self) {
        let redirect = self.http.session.as_ref().is_some_and(|session| session.params.redirect);
        let Some(exchange) = self.http.exchange.take() else { return };
        self.outputs.push_back(Output::Close { id: exchange.id });
        let Exchange { method, url, response, redirects, .. } = exchange;
        if redirect && redirects < REDIRECTS_MAX && matches!(response.status, 301..=303 | 307 | 308) {
            let next = response.location.as_deref().and_then(|location| url.join(location));
            let method =
                if matches!(response.status, 307 | 308) || method == Method::Head { method } else { Method::Get };
            let opened = next.map(|url| self.http_open(method, url, redirects + 1));
            match opened {
                Some(Ok(())) => {}
                Some(Err(_)) => self.urc(&format!("+HTTPACTION: {},{TLS_SETUP},0", method as u8)),
                None => self.urc(&format!("+HTTPACTION: {},{BAD_REQUEST},0", method as u8)),
            }
            return;
        }
        let status = match self.profile.http_overflow {
            HttpOverflow::NoMemory if response.dropped > 0 => NO_MEMORY,
            HttpOverflow::NoMemory | HttpOverflow::Cut => response.status,
        };
        let text = format!("+HTTPACTION: {},{status},{}", method as u8, response.body.len());
        if let Some(session) = &mut self.http.session {
            session.head = response.head;
            session.answer = response.body;
        }
        self.urc(&text);
    }

    fn http_end(&mut self, code: u16) {
        if let Some(exchange) = self.http.exchange.take() {
            self.outputs.push_back(Output::Abort { id: exchange.id });
            self.urc(&format!("+HTTPACTION: {},{code},0", exchange.method as u8));
        }
    }
}
