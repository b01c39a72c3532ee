//! The header lines of an answer.

/// The headers of an answer, in the order of the server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads lines `Name: value`; a line without a colon, like the status line, is left out. Bytes that are not UTF-8
    /// are replaced.
    pub fn parse(block: &[u8]) -> Self {
        let text = String::from_utf8_lossy(block);
        let header = |line: &str| {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        Self(text.lines().filter_map(header).collect())
    }

    /// The first header of this name, in any case of letters.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All headers.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The length of the body that the server announced.
    pub fn content_length(&self) -> Option<u64> {
        self.get("content-length")?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn headers_of_a_real_answer_are_found_by_name() {
        let headers = Headers::parse(b"HTTP/1.1 200 OK\r\nAccept-Ranges: bytes\r\nETag: W/\"119345-1710117624106\"\r\nLast-Modified: Mon, 11 Mar 2024 00:40:24 GMT\r\nContent-Length: 119345");
        assert_eq!(headers.content_length(), Some(119_345));
        assert_eq!(headers.get("last-modified"), Some("Mon, 11 Mar 2024 00:40:24 GMT"));
        assert_eq!(headers.get("server"), None);
        assert_eq!(headers.iter().count(), 4, "the status line is none");
    }

    proptest! {
        #[test]
        fn no_block_panics(block in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = Headers::parse(&block).content_length();
        }
    }
}
