//! Command lines as V.250 has them: `AT`, basic commands, extended commands with `;`, arguments with `\HH` escapes.
//!
//! Source: AT command manual V1.6.3, pp. 13-14 (line rules) and p. 241 (escapes).

use super::fault::Fault;

/// Most arguments that the engine takes (the vendor SDK's limit).
const ARGS_MAX: usize = 32;
/// Longest name of an extended command (the vendor SDK's limit).
const NAME_MAX: usize = 32;

/// One argument as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Arg {
    /// Nothing between two commas.
    Empty,
    /// Without quotes, taken as it stands.
    Bare(Vec<u8>),
    /// In quotes, escapes decoded.
    Quoted(Vec<u8>),
}

/// The four ways to give a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Form {
    /// `AT+X`
    Plain,
    /// `AT+X?`
    Read,
    /// `AT+X=?`
    Test,
    /// `AT+X=…`, and the digit behind a basic command.
    Set(Args),
}

/// One command of a line; `name` is in upper case and keeps its prefix (`+CSQ`, `&W`, `E`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) name: String,
    pub(super) form: Form,
}

/// The arguments of one command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Args(Vec<Arg>);

impl Args {
    /// Refuses more than `most` arguments.
    pub(super) fn at_most(&self, most: usize) -> Result<&Self, Fault> {
        if self.0.len() > most { Err(Fault::TOO_MANY) } else { Ok(self) }
    }

    pub(super) fn get(&self, index: usize) -> Option<&Arg> {
        self.0.get(index).filter(|arg| **arg != Arg::Empty)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Bytes of an argument, quoted or not.
    pub(super) fn bytes(&self, index: usize) -> Result<&[u8], Fault> {
        match self.0.get(index) {
            Some(Arg::Bare(bytes) | Arg::Quoted(bytes)) => Ok(bytes),
            Some(Arg::Empty) | None => Err(Fault::TOO_FEW),
        }
    }

    /// Bytes of an argument that must stand in quotes.
    pub(super) fn quoted(&self, index: usize) -> Result<&[u8], Fault> {
        match self.0.get(index) {
            Some(Arg::Quoted(bytes)) => Ok(bytes),
            Some(Arg::Bare(_)) => Err(Fault::Error),
            Some(Arg::Empty) | None => Err(Fault::TOO_FEW),
        }
    }

    /// Text of an argument, at most `most` bytes.
    pub(super) fn text(&self, index: usize, most: usize) -> Result<String, Fault> {
        let bytes = self.bytes(index)?;
        if bytes.len() > most {
            return Err(Fault::RANGE);
        }
        String::from_utf8(bytes.to_vec()).map_err(|_| Fault::TYPE)
    }

    /// The same with a sign.
    pub(super) fn signed(&self, index: usize, range: std::ops::RangeInclusive<i32>) -> Result<i32, Fault> {
        let text = std::str::from_utf8(self.bytes(index)?).map_err(|_| Fault::TYPE)?;
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Fault::TYPE);
        }
        text.parse().ok().filter(|value| range.contains(value)).ok_or(Fault::RANGE)
    }

    /// A decimal number within `range`; quotes round it are allowed, as the module allows them for ports.
    pub(super) fn number(&self, index: usize, range: std::ops::RangeInclusive<u32>) -> Result<u32, Fault> {
        let bytes = self.bytes(index)?;
        if bytes.is_empty() || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(Fault::TYPE);
        }
        let value = std::str::from_utf8(bytes).ok().and_then(|text| text.parse().ok()).ok_or(Fault::RANGE)?;
        if range.contains(&value) { Ok(value) } else { Err(Fault::RANGE) }
    }
}

/// Splits a line (without its CR) into commands. What follows the first faulty command is not looked at.
pub(super) fn line(line: &[u8]) -> Vec<Result<Command, Fault>> {
    let Some((_, mut rest)) = line.split_at_checked(2).filter(|(head, _)| head.eq_ignore_ascii_case(b"AT")) else {
        return vec![Err(Fault::Error)];
    };
    let mut commands = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return commands;
        }
        match next(rest) {
            Ok((command, after)) => {
                commands.push(Ok(command));
                rest = after;
            }
            Err(fault) => {
                commands.push(Err(fault));
                return commands;
            }
        }
    }
}

fn next(rest: &[u8]) -> Result<(Command, &[u8]), Fault> {
    match rest {
        [b'+' | b'^' | b'*' | b'$', ..] => extended(rest),
        [b';', after @ ..] => next(after.trim_ascii_start()),
        [b'&', letter, after @ ..] if letter.is_ascii_alphabetic() => Ok(basic(&[b'&', *letter], after)),
        [letter, after @ ..] if letter.is_ascii_alphabetic() => Ok(basic(&[*letter], after)),
        _ => Err(Fault::Error),
    }
}

fn basic<'a>(name: &[u8], after: &'a [u8]) -> (Command, &'a [u8]) {
    let digits = after.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, after) = after.split_at(digits);
    let form = if number.is_empty() { Form::Plain } else { Form::Set(Args(vec![Arg::Bare(number.to_vec())])) };
    (Command { name: upper(name), form }, after)
}

fn extended(rest: &[u8]) -> Result<(Command, &[u8]), Fault> {
    let (body, after) = split_at_semicolon(rest)?;
    let length = 1 + body.iter().skip(1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let (name, tail) = body.split_at(length.min(body.len()));
    if name.len() > NAME_MAX {
        return Err(Fault::Error);
    }
    let form = match tail.trim_ascii_end() {
        b"" => Form::Plain,
        b"?" => Form::Read,
        b"=?" => Form::Test,
        [b'=', args @ ..] => Form::Set(arguments(args)?),
        _ => return Err(Fault::Error),
    };
    Ok((Command { name: upper(name), form }, after))
}

fn upper(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_uppercase()
}

/// Cuts at the first `;` outside quotes. A quote that is never closed spoils the line.
fn split_at_semicolon(rest: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    let mut quoted = false;
    for (at, byte) in rest.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b';' if !quoted => {
                let (body, after) = rest.split_at(at);
                return Ok((body, after.get(1..).unwrap_or_default()));
            }
            _ => {}
        }
    }
    if quoted { Err(Fault::Error) } else { Ok((rest, &[])) }
}

fn arguments(mut rest: &[u8]) -> Result<Args, Fault> {
    let mut args = Vec::new();
    loop {
        let (arg, after) = argument(rest)?;
        args.push(arg);
        if args.len() > ARGS_MAX {
            return Err(Fault::TOO_MANY);
        }
        match after {
            [] => return Ok(Args(args)),
            [b',', after @ ..] => rest = after,
            _ => return Err(Fault::Error),
        }
    }
}

fn argument(rest: &[u8]) -> Result<(Arg, &[u8]), Fault> {
    if let [b'"', inner @ ..] = rest {
        let end = inner.iter().position(|byte| *byte == b'"').ok_or(Fault::Error)?;
        let (text, after) = inner.split_at(end);
        return Ok((Arg::Quoted(unescape(text)?), after.get(1..).unwrap_or_default()));
    }
    let end = rest.iter().position(|byte| *byte == b',').unwrap_or(rest.len());
    let (text, after) = rest.split_at(end);
    if text.contains(&b'"') {
        return Err(Fault::Error);
    }
    Ok((if text.is_empty() { Arg::Empty } else { Arg::Bare(text.to_vec()) }, after))
}

/// `\` and two hex digits stand for any byte; anything else behind a backslash is an error, also `\"` and `\\`.
fn unescape(text: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'\\' {
            let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16)).ok_or(Fault::Error);
            let value = digit()? * 16 + digit()?;
            out.push(u8::try_from(value).map_err(|_| Fault::Error)?);
        } else {
            out.push(*byte);
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(name: &str, args: &[Arg]) -> Result<Command, Fault> {
        Ok(Command { name: name.into(), form: Form::Set(Args(args.to_vec())) })
    }

    fn plain(name: &str) -> Result<Command, Fault> {
        Ok(Command { name: name.into(), form: Form::Plain })
    }

    #[test]
    fn basic_commands_need_no_separator_and_extended_ones_a_semicolon() {
        let expected = vec![
            set("E", &[Arg::Bare(b"0".to_vec())]),
            plain("&W"),
            set("+CREG", &[Arg::Bare(b"2".to_vec())]),
            plain("&W"),
        ];
        assert_eq!(line(b"ATE0&W+CREG=2;&W"), expected);
    }

    #[test]
    fn escape_is_decoded_and_c_style_escape_is_an_error() {
        assert_eq!(line(br#"AT+X="a\22b\5C\0D""#), vec![set("+X", &[Arg::Quoted(b"a\"b\\\r".to_vec())])]);
        assert_eq!(line(br#"AT+X="a\"b""#), vec![Err(Fault::Error)]);
        assert_eq!(line(br#"AT+X="a\\b""#), vec![Err(Fault::Error)]);
    }

    #[test]
    fn separators_inside_quotes_are_text() {
        let expected = vec![set("+X", &[Arg::Quoted(b"a,b;c|d=e&f".to_vec()), Arg::Empty, Arg::Bare(b"3".to_vec())])];
        assert_eq!(line(br#"at+x="a,b;c|d=e&f",,3"#), expected);
    }

    #[test]
    fn commands_before_a_faulty_one_are_kept() {
        assert_eq!(line(b"AT+CSQ;!"), vec![plain("+CSQ"), Err(Fault::Error)]);
        assert_eq!(line(b"SHUT OK"), vec![Err(Fault::Error)]);
    }

    #[test]
    fn more_arguments_than_the_engine_holds_are_refused() {
        let text = format!("AT+X={}", ["1"; ARGS_MAX + 1].join(","));
        assert_eq!(line(text.as_bytes()), vec![Err(Fault::TOO_MANY)]);
    }
}
