//! HTTP and HTTPS through the module.
//!
//! [`Modem::http`] makes one request whose answer fits the module's buffer of 4 kB; [`Modem::download`] fetches a file
//! of any size piece by piece. Both go beside the session with the broker: what they ask and what is published take
//! turns on the line.

mod dialogue;
mod download;
mod head;

pub use crate::command::http::{BUFFER, MAX_BODY, MAX_HEADER, MAX_PIECE, MAX_URL, Method};
pub use download::{Download, DownloadError};
pub use head::Headers;

use crate::command::Command;
use crate::command::http::SetText;
use crate::exchange::Failure;
use crate::limits::{Unusable, length, name};
use crate::modem::Modem;
use crate::session::Tls;
use bytes::Bytes;
use std::time::Duration;

/// Most header lines of a request.
pub const MAX_HEADERS: usize = 16;

/// A request. `http://` needs nothing more than its address; `https://` needs [`Request::tls`], so that nobody goes
/// without verification unasked.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Bytes,
    range: Option<(u32, u32)>,
    tls: Option<Tls>,
    redirects: bool,
    deadline: Duration,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses, headers and bodies hold signatures and tokens.
        write!(f, "Request({:?} of {} bytes)", self.method, self.body.len())
    }
}

impl Request {
    /// A GET of this address, of at most 500 bytes.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new(Method::Get, url.into(), Bytes::new())
    }

    /// A POST of at most 3,356 bytes to this address.
    pub fn post(url: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self::new(Method::Post, url.into(), body.into())
    }

    /// A HEAD of this address.
    pub fn head(url: impl Into<String>) -> Self {
        Self::new(Method::Head, url.into(), Bytes::new())
    }

    fn new(method: Method, url: String, body: Bytes) -> Self {
        let deadline = Duration::from_secs(60);
        Self { method, url, headers: Vec::new(), body, range: None, tls: None, redirects: false, deadline }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The bytes from `first` to `last`, both included, at most 3,072 of them.
    #[must_use]
    pub fn range(mut self, first: u32, last: u32) -> Self {
        self.range = Some((first, last));
        self
    }

    /// How the server is verified.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Goes where the server sends us. Without it, a redirect is an answer like any other.
    #[must_use]
    pub fn follow_redirects(mut self) -> Self {
        self.redirects = true;
        self
    }

    /// How long everything may take, including the wait for the network and for the requests before this one.
    /// One minute if not set.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    fn header_lines(&self) -> impl Iterator<Item = String> {
        self.headers.iter().map(|(name, value)| format!("{name}: {value}"))
    }

    /// Checks everything against the module's limits.
    ///
    /// # Errors
    /// [`Unusable`] names what does not fit.
    pub fn check(&self) -> Result<(), Unusable> {
        name("address", &self.url, MAX_URL)?;
        let scheme = self.url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match (scheme.as_deref(), &self.tls) {
            (Some("http"), None) | (Some("https"), Some(_)) => {}
            (Some("https"), None) => {
                return Err(Unusable::Form { what: "https address", wanted: "given with a choice of verification" });
            }
            _ => return Err(Unusable::Form { what: "address", wanted: "http://… without or https://… with TLS" }),
        }
        if let Some(tls) = &self.tls {
            tls.check()?;
        }
        if !self.body.is_empty() {
            length("request body", self.body.len(), MAX_BODY)?;
        }
        if self.headers.len() > MAX_HEADERS {
            return Err(Unusable::TooLong { what: "list of headers", len: self.headers.len(), max: MAX_HEADERS });
        }
        for (name, line) in self.headers.iter().map(|(name, _)| name).zip(self.header_lines()) {
            if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_') {
                return Err(Unusable::Form { what: "header name", wanted: "letters, digits and hyphens" });
            }
            SetText { key: "USER_DEFINED", value: &line }.check()?;
        }
        match self.range {
            Some((first, last)) if last < first => {
                Err(Unusable::Form { what: "range", wanted: "from a byte to itself or a later one" })
            }
            Some((first, last)) => length("range", (last - first) as usize + 1, MAX_PIECE),
            None => Ok(()),
        }
    }
}

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Response {
    /// 200, 206, 404, ….
    pub status: u16,
    /// The headers; empty if the firmware does not tell them for this method.
    pub headers: Headers,
    /// The body, at most 4,096 bytes.
    pub body: Bytes,
}

impl std::fmt::Debug for Response {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Response({}, {} bytes)", self.status, self.body.len())
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// Something does not fit the module. Nothing was sent.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The module was not in the network, or busy with other requests, until the time was over. Nothing was sent.
    #[error("the module was not in the network or busy with other requests in the given time")]
    NoTurn,
    /// The time was over; the request may have been carried out.
    #[error("no answer in the given time (while {0})")]
    Deadline(&'static str),
    /// The module refused a command of the dialogue, or failed.
    #[error("the module failed while {during}: {failure}")]
    Module {
        /// What was going on.
        during: &'static str,
        /// What went wrong.
        failure: Failure,
    },
    /// The module could not get an answer from the server.
    #[error("{}", transport(*.0))]
    Transport(u16),
    /// The answer is larger than what the module keeps: ask for ranges.
    #[error("the answer has {len} bytes; the module keeps {BUFFER}: ask for ranges of it")]
    TooLarge {
        /// Length of the answer, in bytes.
        len: usize,
    },
    /// The module gave fewer bytes than it said it had.
    #[error("the module gave {got} of the {announced} bytes of the answer")]
    Truncated {
        /// Bytes that came.
        got: usize,
        /// Bytes that were announced.
        announced: usize,
    },
}

/// What the module puts in place of a status. Source: AT command manual V1.6.3, HTTP chapter.
fn transport(code: u16) -> String {
    let meaning = match code {
        600 => "the module could not read the answer",
        601 => "the network failed",
        602 => "the module is out of memory",
        603 => "the name of the server could not be resolved",
        604 => "the module is busy with another request",
        605 => "the TLS connection could not be set up",
        606 => "the TLS connection was refused",
        _ => "the module failed",
    };
    format!("{meaning} ({code})")
}

impl Modem {
    /// Makes one request and returns its answer. Requests of several users go one after another.
    ///
    /// # Errors
    /// [`HttpError`]. An answer with a status like 404 is no error.
    pub async fn http(&self, request: &Request) -> Result<Response, HttpError> {
        request.check()?;
        dialogue::run(self, request).await
    }

    /// Fetches a file of any size, piece by piece; `request` says where from and how, and its deadline is that of each
    /// piece. Nothing is sent before the first [`Download::next`].
    pub fn download(&self, request: Request) -> Download {
        Download::new(self.clone(), request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tls() -> Tls {
        Tls { host_name: "h".into(), roots: None }
    }

    #[test]
    fn an_https_address_without_a_choice_of_verification_is_refused() {
        assert!(Request::get("https://h/").check().is_err());
        assert!(Request::get("https://h/").tls(tls()).check().is_ok());
        assert!(
            Request::get("http://h/").tls(tls()).check().is_err(),
            "not encrypted, although somebody meant it to be"
        );
        assert!(Request::get("ftp://h/").check().is_err());
        assert!(Request::get("h").check().is_err());
    }

    #[test]
    fn what_does_not_fit_the_module_is_refused_before_anything_is_sent() {
        let url = |len: usize| Request::get(format!("http://{}", "x".repeat(len - 7)));
        assert!(url(500).check().is_ok() && url(501).check().is_err());
        assert!(Request::post("http://h/", vec![0; 3357]).check().is_err());
        assert!(Request::get("http://h/").header("A\r\nB", "c").check().is_err());
        assert!(Request::get("http://h/").header("A", "b\r\nC: d").check().is_err());
        assert!(Request::get("http://h/").range(0, 3071).check().is_ok());
        assert!(Request::get("http://h/").range(0, 3072).check().is_err());
        assert!(Request::get("http://h/").range(1, 0).check().is_err());
        let many = (0..17).fold(Request::get("http://h/"), |request, _| request.header("a", "b"));
        assert!(many.check().is_err());
    }

    #[test]
    fn secrets_in_addresses_and_bodies_are_not_shown() {
        let request = Request::post("http://h/?t=hunter2", "hunter2").header("Authorization", "hunter2");
        assert!(!format!("{request:?}").contains("hunter2"));
    }
}
