//! The address of a request, as `AT+HTTPPARA="URL"` takes it: the scheme may be left out.

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Url {
    pub(in super::super) tls: bool,
    pub(in super::super) host: String,
    pub(in super::super) port: u16,
    /// Path and query, at least `/`.
    pub(super) target: String,
}

impl Url {
    /// `tls` is what `AT+HTTPSSL` says; a scheme in the text goes before it. `None`: the text is no address.
    pub(in super::super) fn parse(text: &str, tls: bool) -> Option<Self> {
        let (tls, rest) = match text.split_once("://") {
            None => (tls, text),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            Some(_) => return None,
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let cut = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(cut);
        let (host, port) = match authority.split_once(':') {
            None => (authority, if tls { 443 } else { 80 }),
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0)?),
        };
        let named = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        let printable = target.bytes().all(|byte| byte > b' ' && byte != 0x7F);
        if !named || !printable {
            return None;
        }
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Some(Self { tls, host: host.to_owned(), port, target })
    }

    /// Where a `Location` header leads from here.
    pub(super) fn join(&self, location: &str) -> Option<Self> {
        if location.contains("://") {
            return Self::parse(location, self.tls);
        }
        let target = if location.starts_with('/') {
            location.to_owned()
        } else {
            let folder =
                self.target.split('?').next().unwrap_or_default().rsplit_once('/').map_or("", |(head, _)| head);
            format!("{folder}/{location}")
        };
        Some(Self { target, ..self.clone() })
    }

    /// The value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scheme_port_and_path_may_be_left_out() {
        let url = Url::parse("example.com", false).unwrap();
        assert_eq!((url.tls, url.host.as_str(), url.port, url.target.as_str()), (false, "example.com", 80, "/"));
        let url = Url::parse("HTTPS://example.com:8443?a=1#top", false).unwrap();
        assert_eq!((url.tls, url.port, url.target.as_str()), (true, 8443, "/?a=1"));
        assert_eq!(url.authority(), "example.com:8443");
    }

    #[test]
    fn address_that_could_smuggle_a_header_is_none() {
        for text in ["http://a/b c", "http://a/b\r\nX: 1", "http:///x", "ftp://a/b", "http://a:0/", "http://u:p@a/", ""]
        {
            assert_eq!(Url::parse(text, false), None, "{text:?}");
        }
    }

    #[test]
    fn redirect_is_taken_from_where_it_stands() {
        let url = Url::parse("http://a:8080/d/e?f", false).unwrap();
        assert_eq!(url.join("g").unwrap().target, "/d/g");
        assert_eq!(url.join("/h").unwrap().target, "/h");
        assert_eq!(url.join("https://b/i").unwrap(), Url::parse("https://b/i", false).unwrap());
    }
}
