//! A program that fetches a file a few times, as an update is fetched: piece by piece, a piece that did not come is asked for
//! again, and the file is believed when its sum is right.

use crate::web;
use air780e::Modem;
use air780e::service::http::{DownloadError, Request};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long each request may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);
/// The first piece of a file takes two requests, and a timer is due at the end of each.
const ENDS_WITHIN: Duration = Duration::from_secs(41);
/// From an error to the next attempt at the same piece.
const RETRY: Duration = Duration::from_secs(1);
/// So often the file is fetched; faults strike while the first or the second comes.
const FILES: u64 = 3;

/// What has come, and when, since the start.
#[derive(Debug, Default)]
pub(crate) struct Fetcher {
    pub(crate) pieces_at: Vec<Duration>,
    /// Files that were whole.
    pub(crate) whole: u64,
    /// Files whose sum was wrong.
    pub(crate) spoiled: u64,
    pub(crate) errors: Vec<DownloadError>,
}

impl Fetcher {
    /// Fetches until it is done.
    ///
    /// # Errors
    /// A piece neither came nor failed in its time.
    pub(crate) async fn fetch(&mut self, modem: &Modem) -> Result<(), String> {
        let started = Instant::now();
        while self.whole + self.spoiled < FILES {
            let mut download = modem.download(Request::get(web::URL).deadline(DEADLINE));
            let mut file = Vec::new();
            loop {
                let hangs = |_| format!("the download hangs since {:?}", started.elapsed());
                match timeout(ENDS_WITHIN, download.next()).await.map_err(hangs)? {
                    Ok(Some(piece)) => {
                        file.extend_from_slice(&piece);
                        self.pieces_at.push(started.elapsed());
                    }
                    Ok(None) => break,
                    Err(error) => {
                        self.errors.push(error);
                        sleep(RETRY).await;
                    }
                }
            }
            match web::is_whole(&file) {
                true => self.whole += 1,
                false => self.spoiled += 1,
            }
        }
        Ok(())
    }
}
