//! Topic names and topic filters as MQTT 3.1.1 defines them.
//!
//! Stricter than MQTT in two points, which it allows. Control characters are refused, because a topic travels inside an AT
//! command line and through logs. So are the code points that Unicode gives to no character ever: a broker may close the
//! connection for one of either kind, and mosquitto does. It would do so again each time the message is sent.
//!
//! Source: MQTT Version 3.1.1, sections 1.5.3 and 4.7.

use crate::limits::MAX_TOPIC_BYTES;

/// Why a text is not a topic name or not a topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// MQTT wants at least one character.
    #[error("it is empty")]
    Empty,
    /// Longer than [`MAX_TOPIC_BYTES`].
    #[error("it is {0} bytes long, the limit is {MAX_TOPIC_BYTES}")]
    TooLong(usize),
    /// A control character, U+0000 included.
    #[error("it contains the control character U+{0:04X}")]
    Control(u32),
    /// One of the code points that are no characters, such as U+FFFF.
    #[error("it contains U+{0:04X}, which Unicode gives to no character; a broker may close the connection for it")]
    Noncharacter(u32),
    /// A wildcard in a topic that one publishes to.
    #[error("`{0}` is a wildcard: one may subscribe with it but not publish to it")]
    WildcardInName(char),
    /// `+` or `#` beside other characters in one level.
    #[error("`{0}` must stand alone between slashes, as in `a/{0}`")]
    WildcardNotAlone(char),
    /// `#` before the end.
    #[error("`#` stands for all that follows and must come last")]
    HashNotLast,
}

/// Checks a topic that one publishes to.
///
/// # Errors
/// What is wrong with it.
pub fn validate_name(name: &str) -> Result<(), TopicError> {
    validate_text(name)?;
    match name.chars().find(|c| matches!(c, '+' | '#')) {
        Some(wildcard) => Err(TopicError::WildcardInName(wildcard)),
        None => Ok(()),
    }
}

/// Checks a filter that one subscribes with.
///
/// # Errors
/// What is wrong with it.
pub fn validate_filter(filter: &str) -> Result<(), TopicError> {
    validate_text(filter)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if let Some(wildcard) = level.chars().find(|c| matches!(c, '+' | '#')) {
            if level.len() > 1 {
                return Err(TopicError::WildcardNotAlone(wildcard));
            }
            if wildcard == '#' && levels.peek().is_some() {
                return Err(TopicError::HashNotLast);
            }
        }
    }
    Ok(())
}

/// Whether a message to `topic` belongs to a subscription to `filter`. Both are taken as validated.
///
/// A filter that begins with a wildcard does not see topics that begin with `$` (section 4.7.2), and `a/#` also sees `a`
/// (section 4.7.1.2).
#[must_use]
pub fn matches(filter: &str, topic: &str) -> bool {
    if topic.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = topic.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

fn validate_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > MAX_TOPIC_BYTES {
        return Err(TopicError::TooLong(text.len()));
    }
    match text.chars().find(|c| c.is_control() || is_noncharacter(*c)) {
        Some(control) if control.is_control() => Err(TopicError::Control(u32::from(control))),
        Some(other) => Err(TopicError::Noncharacter(u32::from(other))),
        None => Ok(()),
    }
}

/// Whether Unicode will never give this code point to a character. Source: The Unicode Standard, section 23.7.
#[must_use]
pub fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}
