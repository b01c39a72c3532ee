//! Names of the world outside, mapped to addresses of the test bench.

use std::str::FromStr;

/// Connections to `host`, or to `host` and `port`, go to `target` instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// As the AT command names it; letter case does not matter.
    pub host: String,
    /// `None`: any port.
    pub port: Option<u16>,
    /// `host:port`.
    pub target: String,
}

impl Route {
    /// Where a connection to `host` and `port` goes: the first route that fits, else there.
    pub(super) fn resolve(routes: &[Self], host: &str, port: u16) -> String {
        let fits =
            |route: &&Self| route.host.eq_ignore_ascii_case(host) && route.port.is_none_or(|wanted| wanted == port);
        routes.iter().find(fits).map_or_else(|| format!("{host}:{port}"), |route| route.target.clone())
    }
}

impl FromStr for Route {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no route: write HOST=HOST:PORT or HOST:PORT=HOST:PORT");
        let (from, target) = text.split_once('=').ok_or_else(wrong)?;
        let (host, port) = match from.split_once(':') {
            None => (from, None),
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
        };
        let whole = target.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
        if host.is_empty() || !whole {
            return Err(wrong());
        }
        Ok(Self { host: host.to_owned(), port, target: target.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_route_that_fits_is_taken_and_other_names_go_where_they_say() {
        let routes = ["a.example:443=127.0.0.1:1", "A.example=127.0.0.1:2"].map(|text| text.parse().unwrap());
        assert_eq!(Route::resolve(&routes, "A.EXAMPLE", 443), "127.0.0.1:1");
        assert_eq!(Route::resolve(&routes, "a.example", 80), "127.0.0.1:2");
        assert_eq!(Route::resolve(&routes, "b.example", 80), "b.example:80");
    }

    #[test]
    fn route_that_is_none_says_how_to_write_one() {
        for text in ["", "a", "a=b", "a:x=b:1", "=b:1", "a=:1"] {
            assert!(text.parse::<Route>().unwrap_err().contains("HOST=HOST:PORT"), "{text:?}");
        }
    }
}
