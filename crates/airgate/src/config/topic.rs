//! Which topics and filters MQTT allows.

use airgate_proto::topic::is_noncharacter;

/// The longest topic that MQTT can carry, in bytes (its length is a 16-bit field).
const LONGEST: usize = 65_535;

/// Says what is wrong with a topic to publish to.
///
/// Source: MQTT 3.1.1, section 4.7.
pub(super) fn check_topic(topic: &str) -> Result<(), &'static str> {
    check_text(topic)?;
    if topic.contains(['+', '#']) { Err("a topic to publish to holds no wildcard (+ or #)") } else { Ok(()) }
}

/// Says what is wrong with a subscription filter.
///
/// Source: MQTT 3.1.1, section 4.7.1.
pub(super) fn check_filter(filter: &str) -> Result<(), &'static str> {
    check_text(filter)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err("# stands alone in the last level of a filter");
        }
        if level.contains('+') && level != "+" {
            return Err("+ stands alone in its level of a filter");
        }
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        Err("it is empty")
    } else if text.len() > LONGEST {
        Err("it is longer than MQTT's 65535 bytes")
    } else if text.contains(char::is_control) {
        Err("it holds a control character")
    } else if text.contains(is_noncharacter) {
        Err("it holds a code point that Unicode gives to no character, such as U+FFFF")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_as_the_standard_shows_them() {
        for good in ["#", "+", "sport/tennis/#", "+/tennis/#", "sport/+/player1", "/finance", "/+"] {
            assert_eq!(check_filter(good), Ok(()), "{good}");
        }
        for bad in ["sport/tennis#", "sport/tennis/#/ranking", "sport+", "", "a\0b", "a\u{ffff}"] {
            assert!(check_filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_topic_at_the_longest_and_one_beyond() {
        assert_eq!(check_topic(&"a".repeat(65_535)), Ok(()));
        assert!(check_topic(&"a".repeat(65_536)).is_err());
        assert!(check_topic("a/+/b").is_err());
    }
}
