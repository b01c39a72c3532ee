//! Time and randomness as arguments.

use crate::ConfigError;

/// When a sign-in is computed, and with which random text. Clouds that sign neither ignore them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moment {
    timestamp: Timestamp,
    random: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Timestamp {
    UnixMs(u64),
    Literal(String),
}

impl Moment {
    /// The present time in milliseconds since 1970 and a fresh random number.
    #[must_use]
    pub fn new(unix_ms: u64, random: u64) -> Self {
        Self { timestamp: Timestamp::UnixMs(unix_ms), random: random.to_string() }
    }

    /// Signs with this timestamp as it stands instead, in the unit of the cloud (Aliyun: milliseconds).
    ///
    /// # Errors
    /// It is not 1 to 20 decimal digits.
    pub fn with_timestamp(self, literal: &str) -> Result<Self, ConfigError> {
        if !(1..=20).contains(&literal.len()) || !literal.bytes().all(|b| b.is_ascii_digit()) {
            return Err(ConfigError::new("timestamp", "is not a number", "give 1 to 20 decimal digits"));
        }
        Ok(Self { timestamp: Timestamp::Literal(literal.to_owned()), ..self })
    }

    /// Signs with this random text as it stands instead.
    ///
    /// # Errors
    /// It is not 1 to 32 letters and digits.
    pub fn with_random(self, literal: &str) -> Result<Self, ConfigError> {
        if !(1..=32).contains(&literal.len()) || !literal.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(ConfigError::new("random", "has other characters", "give 1 to 32 letters and digits"));
        }
        Ok(Self { random: literal.to_owned(), ..self })
    }

    /// The timestamp for clouds that sign milliseconds.
    #[must_use]
    pub fn timestamp_ms(&self) -> String {
        match &self.timestamp {
            Timestamp::UnixMs(ms) => ms.to_string(),
            Timestamp::Literal(text) => text.clone(),
        }
    }

    /// The random text.
    #[must_use]
    pub fn random(&self) -> &str {
        &self.random
    }
}
