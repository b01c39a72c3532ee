//! One request, command by command.

use super::{BUFFER, Headers, HttpError, MAX_PIECE, Method, Request, Response};
use crate::command::http::{Act, HTTP_CONTEXT, Init, Read, ReadHead, SetBody, SetNumber, SetText, Term};
use crate::command::{Command, ssl};
use crate::exchange::Failure;
use crate::modem::Modem;
use crate::session::Tls;
use crate::status::Phase;
use crate::urc::Urc;
use bytes::{Bytes, BytesMut};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, timeout, timeout_at};

/// Some firmware prints `+HTTPACTION` again and again as the body comes in. When the server did not say how long the body
/// is, it is taken for complete after this long without another word. A round trip over the air takes half a second.
const SETTLE: Duration = Duration::from_secs(1);
/// The module's own limit of a request, in seconds. Source: AT command manual, `TIMEOUT`.
const MODULE_TIMEOUT_S: u64 = 120;

/// Waits for the network and for its turn, then makes the request; all of it within the deadline.
pub(super) async fn run(modem: &Modem, request: &Request) -> Result<Response, HttpError> {
    let deadline = Instant::now() + request.deadline;
    let turn = async {
        let turn = modem.http.lock().await;
        modem.attached().await.map(|()| turn)
    };
    let _turn = match timeout_at(deadline, turn).await {
        Err(_) => return Err(HttpError::NoTurn),
        Ok(turn) => turn.map_err(|failure| HttpError::Module { during: "waiting for the network", failure })?,
    };
    let mut dialogue = Dialogue { modem, request, deadline, during: "opening the bearer" };
    let outcome = timeout_at(deadline, dialogue.answer()).await;
    let during = dialogue.during;
    outcome.unwrap_or(Err(HttpError::Deadline(during)))
}

struct Dialogue<'a> {
    modem: &'a Modem,
    request: &'a Request,
    deadline: Instant,
    during: &'static str,
}

impl Dialogue<'_> {
    async fn answer(&mut self) -> Result<Response, HttpError> {
        self.modem.open_bearer().await.map_err(|failure| self.failed(failure))?;
        if let Some(tls) = &self.request.tls {
            self.during = "setting up TLS";
            self.set_up_tls(tls).await.map_err(|failure| self.failed(failure))?;
        }
        self.during = "beginning the session";
        // A session that was left behind, by a request that ran out of time or by another program.
        match self.modem.send(&Term).await {
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(failure) => return Err(self.failed(failure)),
        }
        self.send(&Init).await?;
        let response = self.exchange().await;
        self.during = "ending the session";
        // The answer is there already, or the error is more telling than this one.
        let _ = self.modem.send(&Term).await;
        response
    }

    async fn exchange(&mut self) -> Result<Response, HttpError> {
        self.during = "setting the parameters";
        self.send(&SetText { key: "URL", value: &self.request.url }).await?;
        for line in self.request.header_lines() {
            self.send(&SetText { key: "USER_DEFINED", value: &line }).await?;
        }
        if self.request.redirects {
            self.send(&SetNumber { key: "REDIR", value: 1 }).await?;
        }
        if let Some((first, last)) = self.request.range {
            self.send(&SetNumber { key: "BREAK", value: first }).await?;
            self.send(&SetNumber { key: "BREAKEND", value: last }).await?;
        }
        let left = self.deadline.saturating_duration_since(Instant::now()).as_secs().clamp(1, MODULE_TIMEOUT_S);
        self.send(&SetNumber { key: "TIMEOUT", value: left as u32 }).await?;
        if !self.request.body.is_empty() {
            self.during = "handing over the body";
            self.send(&SetBody { body: self.request.body.clone() }).await?;
        }
        self.during = "waiting for the answer";
        let mut watched = Watched { urcs: self.modem.urcs(), status: self.modem.status() };
        let acted = match self.modem.send(&Act::new(self.request.method)).await {
            Ok(_) => watched.action(self.request.method).await,
            // Some firmware refuses, and says afterwards why.
            Err(failure @ Failure::Refused(_)) => {
                let why = timeout(SETTLE, watched.action(self.request.method)).await;
                why.unwrap_or(Err(failure))
            }
            Err(failure) => Err(failure),
        };
        let (status, len) = acted.map_err(|failure| self.failed(failure))?;
        if status >= 600 {
            return Err(HttpError::Transport(status));
        }
        self.read(status, len, watched).await
    }

    async fn read(&mut self, status: u16, mut len: usize, mut watched: Watched) -> Result<Response, HttpError> {
        self.during = "reading the answer";
        let headers = match self.modem.send(&ReadHead).await {
            Ok(block) => Headers::parse(&block.0),
            Err(Failure::Refused(_)) => Headers::default(),
            Err(failure) => return Err(self.failed(failure)),
        };
        if self.request.method == Method::Head {
            return Ok(Response { status, headers, body: Bytes::new() });
        }
        let whole = headers.content_length().and_then(|whole| usize::try_from(whole).ok());
        if let Some(whole) = whole.filter(|whole| *whole > BUFFER) {
            return Err(HttpError::TooLarge { len: whole });
        }
        while whole.is_none_or(|whole| len < whole) {
            let more = timeout(SETTLE, watched.action(self.request.method)).await;
            match (more, whole) {
                (Ok(Ok((status, _))), _) if status >= 600 => return Err(HttpError::Transport(status)),
                (Ok(Ok((_, more))), _) => len = more.max(len),
                (Ok(Err(failure)), _) => return Err(self.failed(failure)),
                (Err(_), None) => break,
                (Err(_), Some(_)) => {}
            }
        }
        if len > BUFFER {
            return Err(HttpError::TooLarge { len });
        }
        Ok(Response { status, headers, body: self.body(len).await? })
    }

    async fn body(&mut self, len: usize) -> Result<Bytes, HttpError> {
        let mut body = BytesMut::with_capacity(len);
        while body.len() < len {
            let length = (len - body.len()).min(MAX_PIECE);
            let piece = self.send(&Read { start: body.len(), length }).await?.0;
            if piece.is_empty() || piece.len() > length {
                return Err(HttpError::Truncated { got: body.len(), announced: len });
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    }

    async fn set_up_tls(&self, tls: &Tls) -> Result<(), Failure> {
        let number = |key, value| ssl::SetNumber { key, context: HTTP_CONTEXT, value };
        let text = |key, value| ssl::SetText { key, context: HTTP_CONTEXT, value };
        self.modem.send(&number("sslversion", 3)).await?;
        // The module's clock may still be unset, and the root is our own choice.
        self.modem.send(&number("ignorelocaltime", 1)).await?;
        self.modem.send(&text("hostname", &tls.host_name)).await?;
        match &tls.roots {
            None => self.modem.send(&number("seclevel", 0)).await?,
            Some(roots) => {
                self.modem.put_roots(roots).await?;
                self.modem.send(&text("cacert", &roots.name)).await?;
                self.modem.send(&number("seclevel", 1)).await?
            }
        };
        Ok(())
    }

    async fn send<C: Command>(&self, command: &C) -> Result<C::Response, HttpError> {
        self.modem.send(command).await.map_err(|failure| self.failed(failure))
    }

    fn failed(&self, failure: Failure) -> HttpError {
        HttpError::Module { during: self.during, failure }
    }
}

/// Where the answer is told, and what makes waiting for it vain.
struct Watched {
    urcs: broadcast::Receiver<Urc>,
    status: watch::Receiver<crate::status::Status>,
}

impl Watched {
    /// The next `+HTTPACTION` of this method: status and length.
    async fn action(&mut self, method: Method) -> Result<(u16, usize), Failure> {
        loop {
            tokio::select! {
                urc = self.urcs.recv() => match urc {
                    Ok(Urc::HttpAction { method: of, status, len }) if of == method as u8 => return Ok((status, len)),
                    Ok(urc) if urc.is_reboot() => return Err(Failure::Rebooted),
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Err(Failure::PortLost),
                },
                lost = self.status.wait_for(|status| status.phase == Phase::NoPort) => {
                    drop(lost);
                    return Err(Failure::PortLost);
                }
            }
        }
    }
}
