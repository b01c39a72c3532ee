//! Single values: does what is given fit what belongs there, and what is it in plain form?

use std::time::Duration;

use config::ValueKind;
use toml::de::{DeInteger, DeValue};

use super::error::Code;
use super::schema::Kind;
use super::{topic, units};

/// Why a value does not fit; `what` follows the name of the key.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    pub(super) what: String,
    pub(super) hint: Option<String>,
}

fn bad(what: impl Into<String>) -> Fault {
    Fault { code: Code::BadValue, what: what.into(), hint: None }
}

/// Reads a value into its plain form: sizes as bytes, durations as milliseconds, fractions as a float, rates as the
/// list `[count, milliseconds]`.
pub(super) fn read(kind: &Kind, given: &DeValue<'_>) -> Result<ValueKind, Fault> {
    match (kind, given) {
        (Kind::Switch | Kind::SwitchOr(_), DeValue::Boolean(value)) => Ok(ValueKind::Boolean(*value)),
        (Kind::Number(least, most), DeValue::Integer(number)) => integer(number)
            .filter(|number| (least..=most).contains(&number))
            .map(ValueKind::I64)
            .ok_or_else(|| bad(format!("must be {}, and it is {number}", kind.expected()))),
        (Kind::OneOf(numbers), DeValue::Integer(number)) => integer(number)
            .filter(|number| numbers.contains(number))
            .map(ValueKind::I64)
            .ok_or_else(|| bad(format!("must be {}, and it is {number}", kind.expected()))),
        (Kind::Size(least, most), DeValue::Integer(number)) => {
            within(integer(number).and_then(|n| u64::try_from(n).ok()), *least, *most, units::show_size)
        }
        (Kind::Fraction, DeValue::Integer(number)) => fraction(number.as_str()),
        (Kind::Fraction, DeValue::Float(number)) => fraction(number.as_str()),
        (_, DeValue::String(text)) if is_textual(kind) => from_text(kind, text),
        _ => Err(wrong_type(kind, given)),
    }
}

/// Checks a secret without ever repeating it.
pub(super) fn secret(kind: &Kind, text: &str) -> Result<(), Fault> {
    if matches!(kind, Kind::Pin) && !((4..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit())) {
        Err(bad("must be 4 to 8 digits in quotes"))
    } else if text.is_empty() {
        Err(bad("is empty"))
    } else if text.contains(char::is_control) {
        Err(bad("holds a line break or another control character"))
    } else {
        Ok(())
    }
}

/// The value of a whole number, if it fits.
pub(super) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

fn is_textual(kind: &Kind) -> bool {
    matches!(
        kind,
        Kind::Text
            | Kind::Path
            | Kind::Port
            | Kind::Word(_)
            | Kind::Size(..)
            | Kind::Duration(..)
            | Kind::Fraction
            | Kind::Rate
            | Kind::Topic
            | Kind::Filter
    )
}

fn from_text(kind: &Kind, text: &str) -> Result<ValueKind, Fault> {
    let plain = || {
        if text.is_empty() {
            Err(bad("is empty"))
        } else if text.contains(char::is_control) {
            Err(bad("holds a line break or another control character"))
        } else {
            Ok(ValueKind::String(text.to_owned()))
        }
    };
    match kind {
        Kind::Port if !text.is_empty() && !text.contains('/') => Err(Fault {
            hint: Some(format!("did you mean \"/dev/{text}\"?")),
            ..bad(format!("must be the path of a serial port, and it is {text:?}"))
        }),
        Kind::Word(words) => word(kind, words, text),
        Kind::Size(least, most) => within(Some(units::size(text).map_err(unit)?), *least, *most, units::show_size),
        Kind::Duration(least, most) => {
            let ms = u64::try_from(units::duration(text).map_err(unit)?.as_millis()).ok();
            within(ms, *least, *most, |ms| units::show_duration(Duration::from_millis(ms)))
        }
        Kind::Fraction => fraction(text),
        Kind::Rate => {
            let (count, per) = units::rate(text).map_err(unit)?;
            let ms = u64::try_from(per.as_millis()).unwrap_or(u64::MAX);
            Ok(ValueKind::Array(vec![u64::from(count).into(), ms.into()]))
        }
        Kind::Topic => {
            topic::check_topic(text).map_err(|why| bad(format!("is no topic: {why}"))).and_then(|()| plain())
        }
        Kind::Filter => {
            topic::check_filter(text).map_err(|why| bad(format!("is no filter: {why}"))).and_then(|()| plain())
        }
        _ => plain(),
    }
}

fn word(kind: &Kind, words: &[&str], text: &str) -> Result<ValueKind, Fault> {
    let lower = text.to_ascii_lowercase();
    if words.contains(&lower.as_str()) {
        return Ok(ValueKind::String(lower));
    }
    let near = words.iter().map(|word| (strsim::osa_distance(word, &lower), word)).min();
    let hint = near.filter(|(distance, _)| *distance <= 2).map(|(_, word)| format!("did you mean {word:?}?"));
    Err(Fault { hint, ..bad(format!("must be {}, and it is {text:?}", kind.expected())) })
}

fn fraction(text: &str) -> Result<ValueKind, Fault> {
    units::fraction(text).map(ValueKind::Float).map_err(unit)
}

fn unit(why: String) -> Fault {
    bad(format!("is wrong: {why}"))
}

fn within(value: Option<u64>, least: u64, most: u64, show: impl Fn(u64) -> String) -> Result<ValueKind, Fault> {
    match value.filter(|value| (least..=most).contains(value)) {
        Some(value) => Ok(ValueKind::U64(value)),
        None => Err(bad(format!("must be from {} to {}", show(least), show(most)))),
    }
}

fn wrong_type(kind: &Kind, given: &DeValue<'_>) -> Fault {
    let found = match given {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    let hint = match (kind, given) {
        (Kind::Tables(_), DeValue::Table(_)) => Some("write the heading with double brackets: [[…]]".to_owned()),
        (Kind::Duration(..), DeValue::Integer(number)) => {
            Some(format!("give the unit: \"{number}s\" or \"{number}ms\""))
        }
        (Kind::Switch | Kind::Number(..) | Kind::OneOf(_) | Kind::SwitchOr(_), DeValue::String(_)) => {
            Some("take the quotes away".to_owned())
        }
        (_, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_)) if kind.is_secret() || is_textual(kind) => {
            Some("put it in quotes".to_owned())
        }
        (Kind::Table(_), _) => {
            Some("write the section's name in brackets, and its keys below it, a line each".to_owned())
        }
        (Kind::List(_), DeValue::String(_)) => Some("put it in brackets: [\"…\"]".to_owned()),
        _ => None,
    };
    Fault { code: Code::WrongType, what: format!("must be {}, and it is {found}", kind.expected()), hint }
}
