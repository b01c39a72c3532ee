//! A file of any size, in pieces that fit the module's buffer.
//!
//! Each piece is a request of its own. So memory is bounded by one piece, a lost piece is asked for again and not the
//! file, and other requests find their turn in between.

use super::{BUFFER, HttpError, MAX_PIECE, Method, Request, Response};
use crate::modem::Modem;
use bytes::Bytes;

/// Why a piece did not come. The download has not moved: [`Download::next`] asks for the same piece again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DownloadError {
    /// There is no answer.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server answered something else: 404, or 200 where a range was asked for.
    #[error("the server answered {0}")]
    Status(u16),
    /// The server does not say how long the file is.
    #[error("the server does not say how long the file is")]
    NoLength,
    /// The file is larger than 4 GiB.
    #[error("the file has {0} bytes; the module fetches at most 4 GiB")]
    TooLarge(u64),
    /// The file is shorter than where the download was to go on.
    #[error("the file has {total} bytes; the download was to go on at {offset}")]
    Shorter {
        /// Length of the file, in bytes.
        total: u32,
        /// Where the download was.
        offset: u32,
    },
    /// Another number of bytes than the range has.
    #[error("the server gave {got} bytes for a range of {wanted}")]
    Piece {
        /// Bytes that came.
        got: usize,
        /// Bytes of the range.
        wanted: usize,
    },
}

/// A download under way: ask for pieces until there are no more.
#[derive(Debug)]
pub struct Download {
    modem: Modem,
    request: Request,
    offset: u32,
    total: Option<u32>,
    /// The mark of the version that is being fetched, where the server has one that tells versions apart.
    etag: Option<String>,
}

impl Download {
    pub(super) fn new(modem: Modem, request: Request) -> Self {
        Self { modem, request, offset: 0, total: None, etag: None }
    }

    /// Goes on behind the first `offset` bytes, which are there already.
    #[must_use]
    pub fn resume(mut self, offset: u32) -> Self {
        self.offset = offset;
        self
    }

    /// Goes on only with the version of this mark, as [`Download::etag`] told it.
    #[must_use]
    pub fn version(mut self, etag: impl Into<String>) -> Self {
        self.etag = Some(etag.into());
        self
    }

    /// How many bytes have been fetched, or were there already.
    pub fn offset(&self) -> u32 {
        self.offset
    }

    /// How many bytes the file has, once the server has told.
    pub fn total(&self) -> Option<u32> {
        self.total
    }

    /// The mark of the version, once the server has told it, if it tells one.
    pub fn etag(&self) -> Option<&str> {
        self.etag.as_deref()
    }

    /// The next piece, at most 3,072 bytes; `None` behind the last.
    ///
    /// # Errors
    /// [`DownloadError`]; ask again for the same piece. `Status(200)` or `Status(412)` in the middle of a file means
    /// that the server has another version now, or does not know ranges.
    pub async fn next(&mut self) -> Result<Option<Bytes>, DownloadError> {
        let total = match self.total {
            Some(total) => total,
            None => self.ask_length().await?,
        };
        if self.offset >= total {
            return Ok(None);
        }
        let last = (total - 1).min(self.offset + (MAX_PIECE as u32 - 1));
        let wanted = (last - self.offset) as usize + 1;
        let mut request = self.request.clone().range(self.offset, last);
        if let Some(etag) = &self.etag {
            request = request.header("If-Match", etag);
        }
        let Response { status, body, .. } = self.modem.http(&request).await?;
        // A server without ranges gives the whole file, which is all right if it fits.
        let whole = status == 200 && self.offset == 0 && body.len() == total as usize && body.len() <= BUFFER;
        match status {
            206 if body.len() == wanted => {}
            206 => return Err(DownloadError::Piece { got: body.len(), wanted }),
            _ if whole => {}
            status => return Err(DownloadError::Status(status)),
        }
        self.offset += body.len() as u32;
        Ok(Some(body))
    }

    async fn ask_length(&mut self) -> Result<u32, DownloadError> {
        let request = Request { method: Method::Head, body: Bytes::new(), ..self.request.clone() };
        let Response { status, headers, .. } = self.modem.http(&request).await?;
        if status != 200 {
            return Err(DownloadError::Status(status));
        }
        let total = headers.content_length().ok_or(DownloadError::NoLength)?;
        let total = u32::try_from(total).map_err(|_| DownloadError::TooLarge(total))?;
        if total < self.offset {
            return Err(DownloadError::Shorter { total, offset: self.offset });
        }
        // A weak mark does not tell versions apart byte by byte, and servers refuse it here.
        if self.etag.is_none() {
            self.etag = headers.get("etag").filter(|etag| etag.starts_with('"')).map(str::to_owned);
        }
        self.total = Some(total);
        Ok(total)
    }
}
