//! Short messages, received and sent.

use crate::command::sms::{Delete, ListAll, PduMode, Send, TellReceived};
use crate::exchange::Failure;
use crate::modem::Modem;
use crate::sms::{Sms, encode};
use crate::urc::Urc;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{sleep, timeout};

/// The card is looked through so often although nothing was told: a line may be lost.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// After a failure; a card that is busy is ready within ten seconds. Doubled with each further one, up to [`LOOK_EVERY`]: a
/// card without this service never is.
const RETRY: Duration = Duration::from_secs(10);

/// Tells the parts of one text from those of the next.
static REFERENCE: AtomicU8 = AtomicU8::new(0);

/// The received messages, one after another. A message is deleted from the card when the next is asked for: who stops in
/// between gets it again. The card has room for about ten.
#[derive(Debug)]
pub struct Texts {
    modem: Modem,
    urcs: broadcast::Receiver<Urc>,
    /// Read, with their places on the card; those shown at once have none.
    waiting: VecDeque<(Option<u16>, Sms)>,
    /// Given out, and to be deleted now.
    given: Option<u16>,
}

impl Modem {
    /// Receives short messages from now on, those on the card first. One reader is enough: two would take them from each
    /// other.
    pub fn texts(&self) -> Texts {
        Texts { modem: self.clone(), urcs: self.urcs(), waiting: VecDeque::new(), given: None }
    }

    /// Sends a text, in as many messages as it takes (at most ten), and returns the module's number of each when the
    /// network has taken it.
    ///
    /// # Errors
    /// [`Failure::Unusable`] before anything is sent if number or text do not fit; otherwise [`Failure`] of the first
    /// message that was not taken. Those before it are on their way.
    pub async fn send_text(&self, to: &str, text: &str) -> Result<Vec<u8>, Failure> {
        let pdus = encode(to, text, REFERENCE.fetch_add(1, Ordering::Relaxed))?;
        let mut references = Vec::with_capacity(pdus.len());
        for pdu in pdus {
            self.send(&PduMode).await?;
            references.push(self.send(&Send { pdu }).await?.reference);
        }
        Ok(references)
    }
}

impl Texts {
    /// Waits for the next message; `None` when the driver has ended.
    pub async fn next(&mut self) -> Option<Sms> {
        let mut pause = RETRY;
        loop {
            if let Some(sms) = self.take().await {
                return Some(sms);
            }
            self.modem.attached().await.ok()?;
            match self.fetch().await {
                Ok(()) if self.waiting.is_empty() => {
                    pause = RETRY;
                    self.told().await?;
                }
                Ok(()) => {}
                Err(failure) => {
                    tracing::debug!(%failure, "short messages cannot be read now");
                    sleep(pause).await;
                    pause = LOOK_EVERY.min(2 * pause);
                }
            }
        }
    }

    /// Deletes what was given out last and takes the next.
    async fn take(&mut self) -> Option<Sms> {
        while let Some(index) = self.given {
            match self.modem.send(&Delete { index }).await {
                Ok(_) | Err(Failure::Refused(_)) => self.given = None,
                // The module is away: what is on the card is read again when it is back, but not this one twice.
                Err(_) => {
                    self.modem.attached().await.ok()?;
                    sleep(RETRY).await;
                }
            }
        }
        let (index, sms) = self.waiting.pop_front()?;
        self.given = index;
        Some(sms)
    }

    /// Reads what is on the card. What no one can read is deleted, or the card would be full of it.
    async fn fetch(&mut self) -> Result<(), Failure> {
        // Every boot forgets both.
        self.modem.send(&PduMode).await?;
        self.modem.send(&TellReceived).await?;
        for stored in self.modem.send(&ListAll).await?.0 {
            match Sms::from_pdu(&stored.pdu) {
                Ok(sms) => self.waiting.push_back((Some(stored.index), sms)),
                Err(error) => {
                    tracing::warn!(%error, "a short message that cannot be read is deleted");
                    self.modem.send(&Delete { index: stored.index }).await?;
                }
            }
        }
        Ok(())
    }

    /// Waits until there may be something on the card; `None` when the driver has ended.
    async fn told(&mut self) -> Option<()> {
        let told = async {
            loop {
                match self.urcs.recv().await {
                    Ok(Urc::TextStored(_) | Urc::Ready) | Err(RecvError::Lagged(_)) => return Some(()),
                    Ok(Urc::Text { header, body }) => match Sms::from_cmt(&header, &body) {
                        Ok(sms) => {
                            self.waiting.push_back((None, sms));
                            return Some(());
                        }
                        Err(error) => tracing::warn!(%error, "a short message cannot be read"),
                    },
                    Ok(_) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        };
        timeout(LOOK_EVERY, told).await.unwrap_or(Some(()))
    }
}
