//! `AT+HTTPPARA`: what a request is made of.

use super::super::fault::Fault;
use super::super::parse::Args;
use super::Method;
use super::url::Url;

/// Longest address. Source: AT command manual V1.6.3, HTTP chapter.
const URL_MAX: usize = 500;
/// Longest other value.
const VALUE_MAX: usize = 1024;
/// Most header lines of the host's own.
const HEADERS_MAX: usize = 16;
/// `TIMEOUT` while nothing is set, seconds. Source: the same chapter.
const TIMEOUT_DEFAULT: u32 = 120;

/// The parameters of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Params {
    pub(super) url: String,
    agent: String,
    pub(super) redirect: bool,
    from: Option<u32>,
    to: Option<u32>,
    /// Seconds until an answer must have come.
    pub(super) timeout: u32,
    content: Option<String>,
    headers: Vec<String>,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            url: String::new(),
            agent: "AM_MODULE".into(),
            redirect: false,
            from: None,
            to: None,
            timeout: TIMEOUT_DEFAULT,
            content: None,
            headers: Vec::new(),
        }
    }
}

/// The value of a header: without a control character, it stays one header.
fn value(args: &Args) -> Result<String, Fault> {
    let text = args.text(1, VALUE_MAX)?;
    if text.bytes().any(|byte| byte < b' ') { Err(Fault::RANGE) } else { Ok(text) }
}

/// A header line that would not become two requests.
fn header(line: &str) -> Result<String, Fault> {
    let (name, _) = line.split_once(':').ok_or(Fault::RANGE)?;
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_!#$%&'*+.^`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(token) || line.bytes().any(|byte| byte < b' ' && byte != b'\t') {
        return Err(Fault::RANGE);
    }
    Ok(line.to_owned())
}

impl Params {
    /// `AT+HTTPPARA="<name>",<value>`
    pub(super) fn set(&mut self, args: &Args) -> Result<(), Fault> {
        args.at_most(2)?;
        let position = |least| args.number(1, least..=u32::MAX);
        match args.text(0, 16)?.to_ascii_uppercase().as_str() {
            "CID" => drop(args.number(1, 1..=1)?),
            "URL" => self.url = args.text(1, URL_MAX)?,
            "UA" => self.agent = value(args)?,
            "REDIR" => self.redirect = args.number(1, 0..=1)? == 1,
            "BREAK" => self.from = Some(position(0)?),
            "BREAKEND" => self.to = Some(position(0)?),
            "TIMEOUT" => self.timeout = args.number(1, 1..=3600)?,
            "CONTENT" => self.content = Some(value(args)?),
            "USER_DEFINED" => self.add([header(&args.text(1, VALUE_MAX)?)?])?,
            "USERDATA" => {
                let text = args.text(1, VALUE_MAX)?;
                let lines = text.split("\r\n").filter(|line| !line.is_empty());
                self.add(lines.map(header).collect::<Result<Vec<_>, _>>()?)?;
            }
            _ => return Err(Fault::RANGE),
        }
        Ok(())
    }

    fn add(&mut self, lines: impl IntoIterator<Item = String>) -> Result<(), Fault> {
        self.headers.extend(lines);
        if self.headers.len() > HEADERS_MAX {
            self.headers.truncate(HEADERS_MAX);
            return Err(Fault::NO_MEMORY);
        }
        Ok(())
    }

    /// The lines of `AT+HTTPPARA?`.
    pub(super) fn lines(&self) -> Vec<String> {
        let number = |value: Option<u32>| value.unwrap_or_default();
        let mut lines = vec![
            "+HTTPPARA: \"CID\",1".to_owned(),
            format!("+HTTPPARA: \"URL\",\"{}\"", self.url),
            format!("+HTTPPARA: \"UA\",\"{}\"", self.agent),
            format!("+HTTPPARA: \"REDIR\",{}", u8::from(self.redirect)),
            format!("+HTTPPARA: \"BREAK\",{}", number(self.from)),
            format!("+HTTPPARA: \"BREAKEND\",{}", number(self.to)),
            format!("+HTTPPARA: \"TIMEOUT\",{}", self.timeout),
            format!("+HTTPPARA: \"CONTENT\",\"{}\"", self.content.as_deref().unwrap_or_default()),
        ];
        lines.extend(self.headers.iter().map(|line| format!("+HTTPPARA: \"USER_DEFINED\",\"{line}\"")));
        lines
    }

    /// The request for `url` with this body.
    pub(super) fn request(&self, method: Method, url: &Url, body: &[u8]) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", method.name(), url.target, url.authority());
        head += &format!("User-Agent: {}\r\nAccept: */*\r\nConnection: close\r\n", self.agent);
        let own = |name: &str| {
            self.headers.iter().any(|line| line.split(':').next().is_some_and(|own| own.eq_ignore_ascii_case(name)))
        };
        match (self.from, self.to) {
            (None | Some(0), None | Some(0)) => {}
            (from, None | Some(0)) => head += &format!("Range: bytes={}-\r\n", from.unwrap_or_default()),
            (from, Some(to)) => head += &format!("Range: bytes={}-{to}\r\n", from.unwrap_or_default()),
        }
        if let Some(content) = self.content.as_deref().filter(|_| !own("Content-Type")) {
            head += &format!("Content-Type: {content}\r\n");
        }
        for line in &self.headers {
            head += &format!("{line}\r\n");
        }
        if method == Method::Post {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let body = if method == Method::Post { body } else { &[] };
        [head.as_bytes(), b"\r\n", body].concat()
    }
}
