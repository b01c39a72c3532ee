//! The loop around the port: opened, driven until it goes, opened again.

use super::{Driver, now};
use crate::exchange::Failure;
use crate::port::Opener;
use crate::rate::Turn;
use crate::status::Phase;
use bytes::Bytes;
use std::io;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// How often a port that cannot be opened is tried again. A USB module needs some 5 s to come back after a reset.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// A line of command leaves the slowest port within this time.
const DRAIN: Duration = Duration::from_millis(50);

impl Driver {
    /// Drives whatever port `opener` gives, again and again, until all users are gone.
    pub(crate) async fn run<S, O>(mut self, mut opener: O)
    where
        S: AsyncRead + AsyncWrite + Unpin,
        O: Opener<S>,
    {
        let mut told = None;
        let mut same = false;
        loop {
            let ended = match opener.open(self.rate.current()) {
                Ok(port) => {
                    told = None;
                    self.opened(same);
                    self.drive(port, &mut opener).await
                }
                Err(error) => Ended::PortLost(error),
            };
            same = matches!(ended, Ended::Retuned);
            let error = match ended {
                Ended::Unused => return,
                Ended::Retuned => continue,
                Ended::PortLost(error) => {
                    if error.kind() == io::ErrorKind::InvalidInput {
                        self.rate.impossible();
                    }
                    error.to_string()
                }
                Ended::Silent => "nobody answers there".to_owned(),
            };
            if told.as_ref() != Some(&error) {
                tracing::warn!(
                    event = "port_unusable",
                    "the serial port cannot be used: {error}; trying again every second"
                );
                told = Some(error.clone());
            }
            self.port_lost(error);
            if !self.wait_for_port().await {
                return;
            }
        }
    }

    /// There is a port; the `same` one at another rate, or one of which nothing is known.
    fn opened(&mut self, same: bool) {
        let (baud, now) = (self.rate.current(), now());
        if same {
            self.engine.retuned(baud, now);
        } else {
            self.engine.set_baud(baud);
            self.engine.port_opened(now);
        }
    }

    /// Refuses what is asked for while there is no port. Tells whether anybody is left to ask.
    async fn wait_for_port(&mut self) -> bool {
        let reopen = tokio::time::sleep(REOPEN_EVERY);
        tokio::pin!(reopen);
        loop {
            tokio::select! {
                () = &mut reopen => return true,
                request = self.channels.requests.recv() => match request {
                    Some(request) => self.request(request),
                    None => return false,
                },
                changed = self.channels.desired.changed() => if changed.is_err() { return false } else { self.want() },
            }
            self.pump(now());
        }
    }

    async fn drive<S: AsyncRead + AsyncWrite + Unpin>(&mut self, port: S, opener: &mut impl Opener<S>) -> Ended {
        let (mut reader, mut writer) = tokio::io::split(port);
        let mut input = [0; 4096];
        let mut output = Bytes::new();
        self.want();
        loop {
            self.pump(now());
            if let Some(turn) = self.turn.take() {
                return turn_over(turn, &mut writer).await;
            }
            if std::mem::take(&mut self.elsewhere) && opener.elsewhere() {
                return Ended::Silent;
            }
            if output.is_empty() {
                output = self.engine.take_output();
            }
            let wake_at = self.wake_at();
            tokio::select! {
                read = reader.read(&mut input) => match read {
                    Ok(0) => return Ended::PortLost(io::ErrorKind::UnexpectedEof.into()),
                    Ok(len) => self.engine.receive(input.get(..len).unwrap_or_default(), now()),
                    Err(error) => return Ended::PortLost(error),
                },
                // Never flushed: on a serial port that would block the whole thread until the last bit is out.
                written = writer.write(&output), if !output.is_empty() => match written {
                    Ok(len) => drop(output.split_to(len.min(output.len()))),
                    Err(error) => return Ended::PortLost(error),
                },
                request = self.channels.requests.recv(), if self.has_room() => match request {
                    Some(request) => self.request(request),
                    None => return Ended::Unused,
                },
                changed = self.channels.desired.changed() => match changed {
                    Ok(()) => self.want(),
                    Err(_) => return Ended::Unused,
                },
                () = tokio::time::sleep_until(wake_at.into()) => self.engine.tick(now()),
            }
        }
    }

    fn wake_at(&self) -> Instant {
        // While the line is taken, the link has no say: its next step comes when the line is free.
        let link = self.may_step().then(|| self.link.wake_at(now()));
        let all = [self.engine.wake_at(), link, self.rate.wake_at(), self.ladder.wake_at(now())];
        let wake_at = all.into_iter().flatten().min();
        wake_at.unwrap_or_else(|| now() + Duration::from_secs(60))
    }

    fn port_lost(&mut self, error: String) {
        let now = now();
        self.engine.port_lost();
        self.pump(now);
        self.link.port_lost();
        self.rate.port_lost();
        (self.turn, self.elsewhere) = (None, false);
        self.pump(now);
        for waiting in self.questions.drain(..) {
            let _ = waiting.reply.send(Err(Failure::PortLost));
        }
        self.channels.status.send_modify(|status| {
            status.phase = Phase::NoPort;
            status.port_error = Some(error);
        });
    }
}

/// Why the driver stopped driving a port.
enum Ended {
    PortLost(io::Error),
    /// The same port is opened again, at another rate.
    Retuned,
    /// Nobody answers there, and there is another port to try.
    Silent,
    Unused,
}

/// Says at the old rate what has to be said there.
async fn turn_over(turn: Turn, writer: &mut (impl AsyncWrite + Unpin)) -> Ended {
    if let Some(rate) = turn.ask_for {
        let line = format!("AT+IPR={rate}\r");
        // Whether it is heard does not matter; a port that takes nothing must not hold anything up.
        let _ = tokio::time::timeout(DRAIN, writer.write_all(line.as_bytes())).await;
        tokio::time::sleep(DRAIN).await;
    }
    Ended::Retuned
}
