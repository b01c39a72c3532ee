//! A secret that wipes itself and cannot be printed.

use std::fmt;

use zeroize::Zeroizing;

/// A password, key or PIN. Its memory is wiped when it is dropped and it shows as `[REDACTED]`; the text itself comes
/// out through [`Secret::expose`] alone, which makes every use of it easy to find.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text over.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself. Never hand it to a log, an error or a command line.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_of_a_secret_shows_nothing_of_it() {
        assert_eq!(format!("{:?}", Some(Secret::new("hunter2"))), "Some([REDACTED])");
        assert_eq!(Secret::new("hunter2").expose(), "hunter2");
    }
}
