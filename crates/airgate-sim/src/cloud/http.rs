//! The HTTP listener: registration over HTTPS, and the files of packages. One port speaks TLS and plain HTTP: the first byte tells which.
//!
//! HTTP/1.1 as clients of the platform use it: a head, a body of known length, one answer after another.

use super::registration_http;
use super::shared::{PATIENCE, Shared, TLS_HANDSHAKE};
use super::state::Broker;
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// The largest head and the largest body of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 64 * 1024;

/// The most header fields of a request.
const MAX_FIELDS: usize = 64;

/// A request, read to its end.
#[derive(Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    body: Vec<u8>,
    range: Option<String>,
    keep_alive: bool,
}

/// An answer.
#[derive(Debug, PartialEq, Eq)]
struct Response {
    status: &'static str,
    /// `Content-Range`.
    range: Option<String>,
    content_type: &'static str,
    body: Bytes,
}

impl Response {
    fn new(status: &'static str, content_type: &'static str, body: impl Into<Bytes>) -> Self {
        Response { status, range: None, content_type, body: body.into() }
    }

    fn error(status: &'static str) -> Self {
        Response::new(status, "text/plain", status)
    }
}

/// Why a request cannot be read: the status that says so.
#[derive(Debug, PartialEq, Eq)]
struct Unreadable(&'static str);

/// What is known of a request when its head has arrived.
struct Head {
    request: Request,
    length: usize,
    body_length: usize,
}

/// Serves one connection until the client closes it, is silent for too long, or the stand-in stops.
pub(super) async fn serve(shared: &Shared, stream: TcpStream, acceptor: &TlsAcceptor) {
    let connection = async {
        let mut first = [0];
        if stream.peek(&mut first).await.is_ok_and(|count| count == 1) && first == [TLS_HANDSHAKE] {
            match tokio::time::timeout(PATIENCE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => converse(shared, stream).await,
                Ok(Err(error)) => Err(error),
                Err(elapsed) => Err(elapsed.into()),
            }
        } else {
            converse(shared, stream).await
        }
    };
    match shared.stop.run_until_cancelled(tokio::time::timeout(PATIENCE * 6, connection)).await {
        Some(Ok(Err(error))) => tracing::info!(%error, "an HTTP connection failed"),
        Some(Err(_)) => tracing::info!("an HTTP connection took too long"),
        Some(Ok(Ok(()))) | None => {}
    }
}

async fn converse(shared: &Shared, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        let request = match read(&mut stream, &mut buffer).await? {
            Some(Ok(request)) => request,
            Some(Err(Unreadable(status))) => {
                stream.write_all(&encode(&Response::error(status), false)).await?;
                return stream.shutdown().await;
            }
            None => return Ok(()),
        };
        let response = answer(shared, &request);
        stream.write_all(&encode(&response, request.keep_alive)).await?;
        if !request.keep_alive {
            return stream.shutdown().await;
        }
    }
}

/// The next request; none when the client has closed.
async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    buffer: &mut BytesMut,
) -> std::io::Result<Option<Result<Request, Unreadable>>> {
    loop {
        match parse(buffer) {
            Err(unreadable) => return Ok(Some(Err(unreadable))),
            Ok(Some(Head { mut request, length, body_length })) if buffer.len() >= length + body_length => {
                buffer.advance(length);
                request.body = buffer.split_to(body_length).to_vec();
                return Ok(Some(Ok(request)));
            }
            Ok(_) => {}
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}

/// The head of a request, when all of it is there.
fn parse(bytes: &[u8]) -> Result<Option<Head>, Unreadable> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut head = httparse::Request::new(&mut fields);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) if length <= MAX_HEAD => length,
        Ok(httparse::Status::Partial) if bytes.len() <= MAX_HEAD => return Ok(None),
        Ok(_) | Err(httparse::Error::TooManyHeaders) => return Err(Unreadable("431 Request Header Fields Too Large")),
        Err(_) => return Err(Unreadable("400 Bad Request")),
    };
    let field =
        |name: &str| head.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value);
    if field("Transfer-Encoding").is_some() {
        return Err(Unreadable("501 Not Implemented"));
    }
    let body_length = match field("Content-Length").map(|value| std::str::from_utf8(value).map(str::parse::<usize>)) {
        None => 0,
        Some(Ok(Ok(length))) if length <= MAX_BODY => length,
        Some(Ok(Ok(_))) => return Err(Unreadable("413 Content Too Large")),
        Some(_) => return Err(Unreadable("400 Bad Request")),
    };
    let closes = field("Connection").is_some_and(|value| value.eq_ignore_ascii_case(b"close"));
    let target = head.path.unwrap_or_default();
    let request = Request {
        method: head.method.unwrap_or_default().to_owned(),
        path: target.split('?').next().unwrap_or_default().to_owned(),
        body: Vec::new(),
        range: field("Range").and_then(|value| std::str::from_utf8(value).ok()).map(str::to_owned),
        keep_alive: head.version == Some(1) && !closes,
    };
    Ok(Some(Head { request, length, body_length }))
}

fn answer(shared: &Shared, request: &Request) -> Response {
    match (request.method.as_str(), request.path.as_str()) {
        ("POST", "/auth/register/device") => {
            let body = shared.with(|broker, now| registration_http::answer(broker, now, &request.body));
            Response::new("200 OK", "application/json;charset=utf-8", body)
        }
        (_, "/auth/register/device") => Response::error("405 Method Not Allowed"),
        ("GET", path) => match shared.with(|broker, _| file(broker, path)) {
            Some(bytes) => download(bytes, request.range.as_deref()),
            None => Response::error("404 Not Found"),
        },
        _ => Response::error("404 Not Found"),
    }
}

/// The package at `/ota/{index}`, or the configuration at `/config/{product key}`.
fn file(broker: &Broker, path: &str) -> Option<Bytes> {
    if let Some(product_key) = path.strip_prefix("/config/") {
        return broker.configurations.get(product_key).map(|configuration| configuration.content.clone());
    }
    broker.packages.bytes(path.strip_prefix("/ota/")?.parse().ok()?)
}

/// A file, or the range of it that is asked for: `bytes=FIRST-LAST`, `bytes=FIRST-`, `bytes=-COUNT`. Of a range that
/// cannot be read the standard says that it is ignored.
fn download(bytes: Bytes, range: Option<&str>) -> Response {
    let binary = "application/octet-stream";
    let total = bytes.len();
    let parsed = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')).and_then(|pair| match pair {
        ("", count) => Some((total.saturating_sub(count.parse().ok()?), total)),
        (first, "") => Some((first.parse().ok()?, total)),
        (first, last) => Some((first.parse().ok()?, last.parse::<usize>().ok()?.saturating_add(1).min(total))),
    });
    let Some((first, end)) = parsed else { return Response::new("200 OK", binary, bytes) };
    if first >= end {
        let range = Some(format!("bytes */{total}"));
        return Response { range, ..Response::error("416 Range Not Satisfiable") };
    }
    let range = Some(format!("bytes {first}-{}/{total}", end - 1));
    Response { range, ..Response::new("206 Partial Content", binary, bytes.slice(first..end)) }
}

/// The C SDK looks for exactly `Content-Length`.
fn encode(Response { status, range, content_type, body }: &Response, keep_alive: bool) -> Vec<u8> {
    let connection = if keep_alive { "keep-alive" } else { "close" };
    let range = range.as_ref().map_or_else(String::new, |range| format!("Content-Range: {range}\r\n"));
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nAccept-Ranges: bytes\r\n{range}Content-Length: {}\r\nConnection: {connection}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn status(bytes: &[u8]) -> &'static str {
        parse(bytes).err().unwrap().0
    }

    #[test]
    fn head_is_read_when_it_is_whole() {
        let text = b"POST /auth/register/device?x=1 HTTP/1.1\r\ncontent-length: 5\r\n\r\nbody";
        assert!(parse(&text[..20]).unwrap().is_none());
        let head = parse(text).unwrap().unwrap();
        assert_eq!(
            (head.request.path.as_str(), head.body_length, head.length),
            ("/auth/register/device", 5, text.len() - 4)
        );
        assert!(head.request.keep_alive);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_status() {
        assert_eq!(status(b"\x00\x01\r\n\r\n"), "400 Bad Request");
        assert_eq!(status(b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"), "400 Bad Request");
        assert_eq!(status(b"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n"), "413 Content Too Large");
        assert_eq!(status(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"), "501 Not Implemented");
        let long = [b"GET / HTTP/1.1\r\nX: ", vec![b'x'; MAX_HEAD].as_slice()].concat();
        assert_eq!(status(&long), "431 Request Header Fields Too Large");
    }

    #[test]
    fn client_that_wants_the_connection_closed_or_speaks_http_1_0_gets_it_closed() {
        for text in ["GET / HTTP/1.0\r\n\r\n", "GET / HTTP/1.1\r\nconnection: Close\r\n\r\n"] {
            assert!(!parse(text.as_bytes()).unwrap().unwrap().request.keep_alive);
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&[b"GET / HTTP/1.1\r\n", bytes.as_slice()].concat());
        }
    }
}
