//! MQTT 3.1.1, section 4.7, with its own examples.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use airgate_proto::topic::{TopicError, matches, validate_filter, validate_name};

#[test]
fn wildcards_match_as_the_standard_says() {
    for (filter, topic, expected) in [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/#", "sport", true),
        ("#", "a/b", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("a/b", "a/b", true),
        ("a/b", "a/B", false),
        ("a", "a/", false),
    ] {
        assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
    }
}

#[test]
fn leading_wildcard_does_not_see_dollar_topics() {
    assert!(!matches("#", "$SYS/broker"));
    assert!(!matches("+/broker", "$SYS/broker"));
    assert!(matches("$SYS/#", "$SYS/broker"));
    assert!(matches("a/#", "a/$x"));
}

#[test]
fn names_take_no_wildcards_and_no_control_characters() {
    assert_eq!(validate_name("a/+"), Err(TopicError::WildcardInName('+')));
    assert_eq!(validate_name(""), Err(TopicError::Empty));
    assert_eq!(validate_name("a\r\nAT"), Err(TopicError::Control(13)));
    assert_eq!(validate_name("a\0"), Err(TopicError::Control(0)));
    assert_eq!(validate_name("设备/数据"), Ok(()));
}

#[test]
fn what_a_broker_may_close_the_connection_for_is_refused_in_names_and_filters() {
    // MQTT 3.1.1, section 1.5.3.
    for code in ['\u{fdd0}', '\u{fdef}', '\u{fffe}', '\u{ffff}', '\u{1ffff}', '\u{10fffe}'] {
        let error = Err(TopicError::Noncharacter(code.into()));
        assert_eq!((validate_name(&format!("a/{code}")), validate_filter(&format!("{code}/#"))), (error, error));
    }
    // These are characters: the mark of the byte order, the replacement, a private one, and the last before the others.
    for text in ["a/\u{feff}", "a/\u{fffd}", "a/\u{e000}", "a/\u{fdcf}\u{fdf0}", "a/\u{1f600}"] {
        assert_eq!(validate_name(text), Ok(()), "{text:?}");
    }
}

#[test]
fn filters_place_wildcards_alone() {
    for (filter, expected) in [
        ("#", Ok(())),
        ("+/a/#", Ok(())),
        ("a#", Err(TopicError::WildcardNotAlone('#'))),
        ("a/b+", Err(TopicError::WildcardNotAlone('+'))),
        ("#/a", Err(TopicError::HashNotLast)),
    ] {
        assert_eq!(validate_filter(filter), expected, "{filter}");
    }
}

#[test]
fn length_is_counted_in_bytes() {
    assert_eq!(validate_name(&"x".repeat(256)), Ok(()));
    assert_eq!(validate_name(&"é".repeat(129)), Err(TopicError::TooLong(258)));
}
