//! An answer as it comes in: status and headers by `httparse`, the body by length, by chunks or until the close.

use super::Method;

/// Most bytes of status line and headers.
const HEAD_MAX: usize = 8 * 1024;
/// Most headers.
const HEADERS_MAX: usize = 64;

/// How far an answer has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Progress {
    More,
    Done,
    /// It is no HTTP.
    Broken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Head,
    /// Bytes that are still to come.
    Length(u64),
    ChunkSize,
    /// Bytes of the chunk and of the CR LF behind it that are still to come.
    Chunk(u64),
    ChunkEnd,
    /// Header lines behind the last chunk.
    Trailer,
    UntilClose,
    Done,
}

/// One answer, of whose body `keep` bytes are kept.
#[derive(Debug)]
pub(in super::super) struct Response {
    method: Method,
    keep: usize,
    raw: Vec<u8>,
    part: Part,
    pub(in super::super) status: u16,
    /// The header lines, joined by CR LF, none behind the last.
    pub(super) head: Vec<u8>,
    pub(super) location: Option<String>,
    pub(in super::super) body: Vec<u8>,
    /// Bytes of the body that found no room.
    pub(super) dropped: u64,
}

impl Response {
    pub(super) fn new(method: Method, keep: usize) -> Self {
        Self {
            method,
            keep,
            raw: Vec::new(),
            part: Part::Head,
            status: 0,
            head: Vec::new(),
            location: None,
            body: Vec::new(),
            dropped: 0,
        }
    }

    /// An answer to a plain request for a file.
    pub(in super::super) fn get(keep: usize) -> Self {
        Self::new(Method::Get, keep)
    }

    /// Takes bytes of the connection.
    pub(in super::super) fn take(&mut self, bytes: &[u8]) -> Progress {
        self.raw.extend_from_slice(bytes);
        loop {
            if self.part == Part::Done {
                return Progress::Done;
            }
            match self.step() {
                Some(true) => {}
                Some(false) => return Progress::More,
                None => return Progress::Broken,
            }
        }
    }

    /// The other side has closed: that ends a body without length, and breaks every other.
    pub(in super::super) fn close(&mut self) -> Progress {
        if matches!(self.part, Part::UntilClose | Part::Done) { Progress::Done } else { Progress::Broken }
    }

    /// Works one part off; `false`: more bytes are needed. `None`: broken.
    fn step(&mut self) -> Option<bool> {
        match self.part {
            Part::Head => return self.head(),
            Part::Length(0) => self.part = Part::Done,
            Part::Length(left) => match self.body(left) {
                0 => return Some(false),
                taken => self.part = Part::Length(left - taken),
            },
            Part::ChunkSize => match httparse::parse_chunk_size(&self.raw).ok()? {
                httparse::Status::Complete((line, size)) => {
                    self.raw.drain(..line);
                    self.part = if size == 0 { Part::Trailer } else { Part::Chunk(size) };
                }
                httparse::Status::Partial => return if self.raw.len() > HEAD_MAX { None } else { Some(false) },
            },
            Part::Chunk(0) => self.part = Part::ChunkEnd,
            Part::Chunk(left) => match self.body(left) {
                0 => return Some(false),
                taken => self.part = Part::Chunk(left - taken),
            },
            Part::ChunkEnd => match self.raw.get(..2) {
                None => return Some(false),
                Some(b"\r\n") => {
                    self.raw.drain(..2);
                    self.part = Part::ChunkSize;
                }
                Some(_) => return None,
            },
            Part::Trailer => {
                let Some(end) = self.raw.windows(2).position(|pair| pair == b"\r\n") else {
                    return if self.raw.len() > HEAD_MAX { None } else { Some(false) };
                };
                self.raw.drain(..end + 2);
                self.part = if end == 0 { Part::Done } else { Part::Trailer };
            }
            Part::UntilClose => return Some(self.body(u64::MAX) > 0),
            Part::Done => {}
        }
        Some(true)
    }

    /// Moves up to `most` bytes to the body, as far as there is room; gives how many it has consumed.
    fn body(&mut self, most: u64) -> u64 {
        let count = self.raw.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        let room = self.keep.saturating_sub(self.body.len()).min(count);
        self.body.extend(self.raw.drain(..count).take(room));
        self.dropped += (count - room) as u64;
        count as u64
    }

    fn head(&mut self) -> Option<bool> {
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(length) = parsed.parse(&self.raw).ok()? else {
            return if self.raw.len() > HEAD_MAX { None } else { Some(false) };
        };
        self.status = parsed.code?;
        let value = |name: &str| {
            let header = parsed.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
            header.map(|header| String::from_utf8_lossy(header.value).trim().to_owned())
        };
        let chunked = value("Transfer-Encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
        let announced = value("Content-Length").map(|value| value.parse::<u64>());
        self.location = value("Location");
        let lines: Vec<Vec<u8>> =
            parsed.headers.iter().map(|header| [header.name.as_bytes(), b": ", header.value].concat()).collect();
        self.head = lines.join(&b"\r\n"[..]);
        self.raw.drain(..length);
        self.part = match self.status {
            // An interim answer: the true one follows.
            100..=199 => Part::Head,
            204 | 304 => Part::Done,
            _ if self.method == Method::Head => Part::Done,
            _ if chunked => Part::ChunkSize,
            _ => announced.map_or(Some(Part::UntilClose), |length| length.ok().map(Part::Length))?,
        };
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(text: &str) -> (Progress, Response) {
        let mut response = Response::new(Method::Get, 4096);
        let progress = response.take(text.as_bytes());
        (progress, response)
    }

    #[test]
    fn body_ends_by_length_by_last_chunk_or_by_the_close() {
        let (progress, response) = answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcd");
        assert_eq!((progress, response.body.as_slice()), (Progress::Done, &b"abc"[..]));
        let chunks = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nT: 1\r\n\r\n";
        let (progress, response) = answer(chunks);
        assert_eq!((progress, response.body.as_slice()), (Progress::Done, &b"abc"[..]));
        let (progress, mut response) = answer("HTTP/1.0 200 OK\r\n\r\nabc");
        assert_eq!((progress, response.close()), (Progress::More, Progress::Done));
        assert_eq!(response.body, b"abc");
    }

    #[test]
    fn close_in_mid_body_and_bytes_that_are_no_http_break_the_answer() {
        let (_, mut response) = answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab");
        assert_eq!(response.close(), Progress::Broken);
        assert_eq!(answer("SSH-2.0-x\r\n").0, Progress::Broken);
        assert_eq!(answer("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n").0, Progress::Broken);
    }

    #[test]
    fn interim_answer_is_not_taken_for_the_true_one() {
        let (progress, response) = answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        assert_eq!((progress, response.status), (Progress::Done, 404));
    }

    #[test]
    fn what_is_above_the_buffer_is_counted_and_dropped() {
        let mut response = Response::new(Method::Get, 4);
        assert_eq!(response.take(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef"), Progress::Done);
        assert_eq!((response.body.as_slice(), response.dropped), (&b"abcd"[..], 2));
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(cuts in proptest::collection::vec(1_usize..9, 0..60)) {
            let text = b"HTTP/1.1 206 Partial\r\nTransfer-Encoding: chunked\r\nA: b\r\n\r\n5\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n";
            let mut response = Response::new(Method::Get, 4096);
            let mut rest = &text[..];
            let mut progress = Progress::More;
            for cut in cuts.into_iter().chain([text.len()]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                progress = response.take(piece);
                rest = after;
            }
            prop_assert_eq!(progress, Progress::Done);
            prop_assert_eq!(response.body, b"hello0123456789".to_vec());
            prop_assert_eq!(response.head, b"Transfer-Encoding: chunked\r\nA: b".to_vec());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut response = Response::new(Method::Get, 16);
            response.take(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            response.take(&bytes);
            response.close();
        }
    }
}
