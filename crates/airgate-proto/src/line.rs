//! Cuts a byte stream into lines without I/O and without ever holding more than one line.

/// A line was longer than the limit. Its bytes are gone, up to and including its newline; what follows is read as usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {limit} bytes")]
pub struct LineTooLong {
    /// The limit that it exceeded, in bytes.
    pub limit: usize,
}

/// Collects lines from chunks of any size. LF and CRLF end a line; empty lines are ignored.
///
/// ```
/// let mut lines = airgate_proto::LineBuffer::new(1024);
/// let mut chunk: &[u8] = b"one\r\n\ntw";
/// assert_eq!(lines.take_from(&mut chunk), Some(Ok(b"one".to_vec())));
/// assert_eq!(lines.take_from(&mut chunk), None);
/// let mut chunk: &[u8] = b"o\n";
/// assert_eq!(lines.take_from(&mut chunk), Some(Ok(b"two".to_vec())));
/// ```
#[derive(Debug)]
pub struct LineBuffer {
    limit: usize,
    partial: Vec<u8>,
    skipping: bool,
}

impl LineBuffer {
    /// An empty buffer for lines of at most `limit` bytes, terminator not counted.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { limit, partial: Vec::new(), skipping: false }
    }

    /// Lines of at most so many bytes from now on. A line begun that is longer already is refused with its next bytes.
    pub fn limit_to(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Takes bytes off the front of `chunk` until a line is complete. `None` means that the chunk is used up: bring the
    /// next one. An over-long line is reported once, as soon as it is known to be too long.
    ///
    /// # Errors
    /// The item is [`LineTooLong`] for a line over the limit; the buffer stays usable.
    pub fn take_from(&mut self, chunk: &mut &[u8]) -> Option<Result<Vec<u8>, LineTooLong>> {
        while !chunk.is_empty() {
            let (head, tail, ended) = match chunk.iter().position(|byte| *byte == b'\n') {
                Some(at) => {
                    let (head, rest) = chunk.split_at(at);
                    (head, rest.get(1..).unwrap_or_default(), true)
                }
                None => (*chunk, &[] as &[u8], false),
            };
            *chunk = tail;
            let fits = self.keep(head);
            let line = if ended { self.finish() } else { None };
            if !fits {
                return Some(Err(self.too_long()));
            }
            if line.is_some() {
                return line;
            }
        }
        None
    }

    /// The stream has ended: what was begun counts as a line, so that `printf '{…}' | socat …` works.
    ///
    /// # Errors
    /// The item is [`LineTooLong`] for a line over the limit.
    pub fn finish(&mut self) -> Option<Result<Vec<u8>, LineTooLong>> {
        self.skipping = false;
        self.complete()
    }

    /// Whether it is passing over the rest of a line that was too long.
    #[must_use]
    pub fn is_skipping(&self) -> bool {
        self.skipping
    }

    /// Bytes held at the moment; never more than the limit and one (a carriage return may follow the last byte).
    #[must_use]
    pub fn held(&self) -> usize {
        self.partial.len()
    }

    /// Adds to the line begun; `false` when this makes it too long, which happens once a line.
    fn keep(&mut self, bytes: &[u8]) -> bool {
        if self.skipping {
            return true;
        }
        if self.partial.len().saturating_add(bytes.len()) > self.limit.saturating_add(1) {
            self.partial = Vec::new();
            self.skipping = true;
            return false;
        }
        self.partial.extend_from_slice(bytes);
        true
    }

    fn complete(&mut self) -> Option<Result<Vec<u8>, LineTooLong>> {
        let mut line = std::mem::take(&mut self.partial);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        match line.len() {
            0 => None,
            length if length > self.limit => Some(Err(self.too_long())),
            _ => Some(Ok(line)),
        }
    }

    fn too_long(&self) -> LineTooLong {
        LineTooLong { limit: self.limit }
    }
}
