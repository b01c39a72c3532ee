//! Reads fault rules: a line each, `WHEN: WHAT [times N|always]`; the language is described in [`super`].

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::rule::{Cure, Direction, Fault, Rule, When};

/// The rules of a script. Empty lines and what follows a `#` at the start of a line do not count.
///
/// # Errors
/// The number of the line, and what is wrong with it.
pub fn script(text: &str) -> Result<Vec<Rule>, String> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| line.parse().map_err(|error| format!("line {number}: {error}")))
        .collect()
}

impl FromStr for Rule {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (when, what) =
            line.split_once(": ").ok_or("a rule is \"WHEN: WHAT\", for example \"on AT+MPUB: close\"")?;
        let when = parse_when(when.trim())?;
        let (what, times) = times(what.trim(), matches!(when, When::Every(_)))?;
        if times == Some(0) {
            return Err("\"times 0\" is never; leave the rule out".into());
        }
        Ok(Self { when, fault: parse_fault(what)?, times })
    }
}

/// Takes the count off the end.
fn times(what: &str, repeats: bool) -> Result<(&str, Option<u32>), String> {
    if let Some(rest) = what.strip_suffix(" always") {
        return Ok((rest.trim_end(), None));
    }
    match what.rsplit_once(" times ") {
        Some((rest, count)) => Ok((rest.trim_end(), Some(number(count)?))),
        None => Ok((what, (!repeats).then_some(1))),
    }
}

fn parse_when(text: &str) -> Result<When, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    match word {
        "now" if rest.is_empty() => Ok(When::Now),
        "at" => duration(rest).map(When::At),
        "every" => match duration(rest)? {
            Duration::ZERO => Err("\"every 0s\" would never end".into()),
            pause => Ok(When::Every(pause)),
        },
        "on" => {
            let (name, nth) = match rest.rsplit_once(" #") {
                Some((name, nth)) => (name.trim(), number(nth)?),
                None => (rest, 1),
            };
            if name.is_empty() || name.starts_with('#') || nth == 0 {
                return Err("\"on\" wants the beginning of a command, and perhaps \"#N\" with N from 1".into());
            }
            let name = if name == "*" { String::new() } else { name.to_ascii_uppercase() };
            Ok(When::Command { name, nth })
        }
        "in-data" => number(rest).map(When::InData),
        "byte" => {
            let (count, direction) = rest.split_once(' ').ok_or("\"byte\" wants a number and a direction")?;
            Ok(When::Byte(parse_direction(direction.trim())?, number(count)?))
        }
        "says" if !rest.is_empty() => Ok(When::Says(rest.to_owned())),
        _ => Err(format!("{text:?} is no time: use now, at, every, on, in-data, byte or says")),
    }
}

fn parse_fault(text: &str) -> Result<Fault, String> {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    let rest = rest.trim();
    let plain = |fault: Fault| match rest {
        "" => Ok(fault),
        _ => Err(format!("{rest:?} behind {word:?} has no meaning")),
    };
    match word {
        "lose" => damage(rest).map(|(count, direction)| Fault::Lose(direction, count)),
        "flip" => damage(rest).map(|(count, direction)| Fault::Flip(direction, count)),
        "insert" => damage(rest).map(|(count, direction)| Fault::Insert(direction, count)),
        "stall" => duration(rest).map(Fault::Stall),
        "late" => duration(rest).map(Fault::Late),
        "double" => plain(Fault::Double),
        "swallow" if !rest.is_empty() => Ok(Fault::Swallow(rest.to_owned())),
        "no-prompt" => plain(Fault::NoPrompt),
        "say" if !rest.is_empty() => Ok(Fault::Say(rest.to_owned())),
        "close" => plain(Fault::Close),
        "no-service" => duration(rest).map(Fault::NoService),
        "no-sim" => duration(rest).map(Fault::NoSim),
        "refuse" => {
            let (code, time) = rest.split_once(' ').ok_or("\"refuse\" wants a CME error and a duration")?;
            Ok(Fault::Refuse(number(code)?, duration(time.trim())?))
        }
        "reboot" => plain(Fault::Reboot),
        "boot-loop" => number(rest).map(Fault::BootLoop),
        "hang" => match rest {
            "until reset" => Ok(Fault::Hang(Cure::Reset)),
            "until power" => Ok(Fault::Hang(Cure::Power)),
            time => duration(time).map(|time| Fault::Hang(Cure::Time(time))),
        },
        "vanish" => match rest.split_once(" as ") {
            Some((time, path)) => Ok(Fault::Vanish(duration(time)?, Some(PathBuf::from(path.trim())))),
            None => Ok(Fault::Vanish(duration(rest)?, None)),
        },
        _ => Err(format!(
            "{text:?} is no fault: use lose, flip, insert, stall, late, double, swallow, no-prompt, say, close, \
             no-service, no-sim, refuse, reboot, boot-loop, hang or vanish"
        )),
    }
}

fn damage(text: &str) -> Result<(u32, Direction), String> {
    let (count, direction) = text.split_once(' ').ok_or("say how many bytes and \"to-host\" or \"to-module\"")?;
    Ok((number(count)?, parse_direction(direction.trim())?))
}

fn parse_direction(text: &str) -> Result<Direction, String> {
    match text {
        "to-host" => Ok(Direction::ToHost),
        "to-module" => Ok(Direction::ToModule),
        _ => Err(format!("{text:?} is no direction: use to-host or to-module")),
    }
}

fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is no number that fits here"))
}

/// `250ms`, `5s`, `3m`.
fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (count, unit) = text.split_at(digits);
    let unit = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        _ => return Err(format!("{text:?} is no duration: use for example 250ms, 5s or 3m")),
    };
    Ok(Duration::from_millis(number::<u64>(count)?.saturating_mul(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rule(line: &str) -> Rule {
        line.parse().unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn each_time_and_each_fault_has_its_words() {
        let times = [
            ("now", When::Now),
            ("at 250ms", When::At(Duration::from_millis(250))),
            ("every 3m", When::Every(Duration::from_secs(180))),
            ("on at+mpub #3", When::Command { name: "AT+MPUB".into(), nth: 3 }),
            ("on *", When::Command { name: String::new(), nth: 1 }),
            ("in-data 10", When::InData(10)),
            ("byte 1000 to-host", When::Byte(Direction::ToHost, 1000)),
            ("says RDY", When::Says("RDY".into())),
        ];
        for (text, when) in times {
            assert_eq!(rule(&format!("{text}: close")).when, when);
        }
        let faults = [
            ("lose 3 to-module", Fault::Lose(Direction::ToModule, 3)),
            ("flip 1 to-host", Fault::Flip(Direction::ToHost, 1)),
            ("insert 64 to-host", Fault::Insert(Direction::ToHost, 64)),
            ("stall 2s", Fault::Stall(Duration::from_secs(2))),
            ("late 12s", Fault::Late(Duration::from_secs(12))),
            ("double", Fault::Double),
            ("swallow CONNECT OK", Fault::Swallow("CONNECT OK".into())),
            ("no-prompt", Fault::NoPrompt),
            ("say +NITZ: 2024/07/10,08:33:44+0,0", Fault::Say("+NITZ: 2024/07/10,08:33:44+0,0".into())),
            ("no-service 3m", Fault::NoService(Duration::from_secs(180))),
            ("no-sim 5s", Fault::NoSim(Duration::from_secs(5))),
            ("refuse 767 10s", Fault::Refuse(767, Duration::from_secs(10))),
            ("reboot", Fault::Reboot),
            ("boot-loop 5", Fault::BootLoop(5)),
            ("hang until reset", Fault::Hang(Cure::Reset)),
            ("hang until power", Fault::Hang(Cure::Power)),
            ("hang 5s", Fault::Hang(Cure::Time(Duration::from_secs(5)))),
            ("vanish 3s", Fault::Vanish(Duration::from_secs(3), None)),
            ("vanish 3s as /dev/ttyUSB1", Fault::Vanish(Duration::from_secs(3), Some("/dev/ttyUSB1".into()))),
        ];
        for (text, fault) in faults {
            assert_eq!(rule(&format!("now: {text}")).fault, fault);
        }
    }

    #[test]
    fn a_rule_happens_once_unless_it_says_otherwise() {
        assert_eq!(rule("on *: double").times, Some(1));
        assert_eq!(rule("on *: double times 3").times, Some(3));
        assert_eq!(rule("on *: double always").times, None);
        assert_eq!(rule("every 5s: close").times, None);
        assert_eq!(rule("every 5s: close times 2").times, Some(2));
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_a_way_out() {
        let told = |text: &str| script(text).expect_err(text);
        assert!(told("# fine\n\nnow: explode").starts_with("line 3: \"explode\" is no fault: use lose"));
        for wrong in [
            "close",
            "now: lose 3",
            "now: lose x to-host",
            "now: lose 3 sideways",
            "now: stall 5",
            "every 0s: close",
            "on #1: close",
            "on AT #0: close",
            "now: close times 0",
            "now: reboot twice",
            "sometimes: close",
            "now: swallow",
        ] {
            assert!(told(wrong).starts_with("line 1: "), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_script_panics(text in ".{0,60}", word in "[a-z-]{2,10}", rest in "[ -~]{0,20}") {
            let _ = script(&text);
            let _ = script(&format!("{word} {rest}: {word} {rest}"));
        }
    }
}
