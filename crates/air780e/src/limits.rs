//! What the module takes, and what is said of what it would not take.

/// Longest command line, in bytes. Source: EC618 SDK, `AT_CMD_STR_MAX_LEN`.
pub const MAX_LINE: usize = 3072;
/// Longest client ID, user name, password and topic, in bytes. Source: p. 238.
pub const MAX_NAME: usize = 256;
/// Longest host name. Source: the SDK's own MQTT command takes 128 bytes; the manual names no limit.
pub const MAX_HOST: usize = 128;

/// What the module would not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A string above the module's limit.
    #[error("the {what} has {len} bytes; the module takes at most {max}")]
    TooLong {
        /// Which string.
        what: &'static str,
        /// Its length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// An empty string where one is needed.
    #[error("the {0} is empty")]
    Empty(&'static str),
    /// A control character, which no name may hold.
    #[error("the {0} holds a control character")]
    Control(&'static str),
    /// A command that waits for data, where there is only its line.
    #[error("`{0}` makes the module wait for data, which a command line alone cannot give")]
    TakesData(&'static str),
    /// Another character or form than it may have.
    #[error("the {what} is not {wanted}")]
    Form {
        /// Which string or number.
        what: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
}

/// A command line that the module would not read to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a command line of {len} bytes; the module reads at most {MAX_LINE}: use a shorter topic or less text")]
pub struct TooLong {
    /// Length of the line, in bytes.
    pub len: usize,
}

/// Checks a topic or topic filter against the module's limits.
///
/// # Errors
/// [`Unusable`] says what does not fit.
pub fn check_topic(topic: &str) -> Result<(), Unusable> {
    name("topic", topic, MAX_NAME)
}

/// Checks a command line that somebody typed: one line, without control characters.
///
/// # Errors
/// [`Unusable`] says what does not fit.
pub fn check_line(line: &str) -> Result<(), Unusable> {
    name("command line", line, MAX_LINE)
}

/// Checks a string that may not be empty, too long or more than one line.
pub(crate) fn name(what: &'static str, text: &str, max: usize) -> Result<(), Unusable> {
    length(what, text.len(), max)?;
    match text.chars().any(char::is_control) {
        true => Err(Unusable::Control(what)),
        false => Ok(()),
    }
}

/// Checks a quality of service.
pub(crate) fn quality(qos: u8) -> Result<(), Unusable> {
    match qos {
        0..=2 => Ok(()),
        _ => Err(Unusable::Form { what: "QoS", wanted: "0, 1 or 2" }),
    }
}

/// Checks a length; 0 is too short.
pub(crate) fn length(what: &'static str, len: usize, max: usize) -> Result<(), Unusable> {
    match len {
        0 => Err(Unusable::Empty(what)),
        _ if len > max => Err(Unusable::TooLong { what, len, max }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_than_one_line_is_refused() {
        assert_eq!(check_topic("a\nb"), Err(Unusable::Control("topic")));
        assert_eq!(check_line("AT\rAT+RESET"), Err(Unusable::Control("command line")));
    }
}
