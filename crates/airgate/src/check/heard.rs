//! What the bytes on the port tell about what is on its other end. No I/O.

/// What is on the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Nothing came at all.
    Nothing,
    /// What was sent came back, and nothing else.
    Echo,
    /// A module that answers `AT` with `OK` or an error.
    Answer,
    /// A login prompt or a shell.
    Console,
    /// A module with LuatOS on it.
    LuatOs,
    /// A module that boots again and again.
    BootLoop,
    /// A module that has just booted and does not answer yet.
    Boot,
    /// Bytes that are no text: another rate, or a bad line.
    Noise,
    /// Text of something else.
    Text,
}

/// Words that a getty, a shell and a kernel print.
const CONSOLE: &[&str] =
    &["login:", "Login incorrect", "Password:", "Linux version", "systemd[", "$ AT", "command not found"];
/// Words that LuatOS prints: its banner and the head of its log lines.
const LUATOS: &[&str] = &["LuatOS", "luatos", "I/main", "poweron reason", "luac", "main.lua"];
/// What the module prints at each boot.
///
/// Source: boot traces of Air780E modules with AT firmware.
const ROM: &str = "^boot.rom";
const READY: &str = "\r\nRDY\r\n";

/// Tells what `bytes`, received after `AT` was sent, come from.
pub fn classify(bytes: &[u8]) -> Heard {
    if bytes.is_empty() {
        return Heard::Nothing;
    }
    let text = String::from_utf8_lossy(bytes);
    let any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let boots = boots(bytes);
    if any(CONSOLE) {
        Heard::Console
    } else if boots >= 2 {
        Heard::BootLoop
    } else if answers(&text) {
        Heard::Answer
    } else if any(LUATOS) {
        Heard::LuatOs
    } else if boots == 1 {
        Heard::Boot
    } else if text.split(['\r', '\n']).all(|line| line.is_empty() || line == "AT") {
        Heard::Echo
    } else if is_noise(bytes) {
        Heard::Noise
    } else {
        Heard::Text
    }
}

/// How often a module booted in there.
pub fn boots(bytes: &[u8]) -> usize {
    let text = String::from_utf8_lossy(bytes);
    // A boot prints both, but either may be lost.
    text.matches(ROM).count().max(text.matches(READY).count())
}

fn answers(text: &str) -> bool {
    text.split("\r\n").any(|line| line == "OK" || line == "ERROR" || line.starts_with("+CME ERROR:"))
}

/// Text at the wrong rate comes as a few values with the high bit set or as control characters, text as text.
fn is_noise(bytes: &[u8]) -> bool {
    let odd = bytes.iter().filter(|&&b| !(b.is_ascii_graphic() || matches!(b, b' ' | b'\r' | b'\n' | b'\t'))).count();
    odd * 5 > bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_other_end_is_told_by_what_it_prints() {
        let cases: &[(&[u8], Heard)] = &[
            (b"", Heard::Nothing),
            (b"AT\r", Heard::Echo),
            (b"AT\rAT\rAT\r", Heard::Echo),
            (b"AT\r\r\nOK\r\n", Heard::Answer),
            (b"\r\nOK\r\n", Heard::Answer),
            (b"\r\nERROR\r\n", Heard::Answer),
            (b"\r\nRDY\r\nAT\r\r\nOK\r\n", Heard::Answer),
            (b"AT\r\r\nPassword: ", Heard::Console),
            (b"\r\nDebian GNU/Linux 12 raspberrypi ttyAMA0\r\n\r\nraspberrypi login: ", Heard::Console),
            (b"pi@raspberrypi:~$ AT\r\n-bash: AT: command not found\r\n", Heard::Console),
            (b"[2024-07-10 16:33:44.123] I/main LuatOS@EC618 base 23.11 bsp V1112\r\n", Heard::LuatOs),
            (b"^boot.rom'v\x01\x02'!\\n", Heard::Boot),
            (b"^boot.rom'v\x01\x02'!\\n\r\nRDY\r\n^boot.rom'v\x01\x02'!\\n\r\nRDY\r\n", Heard::BootLoop),
            (b"\xf8\x00\xe0\x1c\x80\xf8\x9e", Heard::Noise),
            (b"$GPRMC,083344.00,A,5230.1,N\r\n", Heard::Text),
        ];
        for (bytes, heard) in cases {
            assert_eq!(classify(bytes), *heard, "{}", String::from_utf8_lossy(bytes));
        }
    }

    proptest! {
        #[test]
        fn an_answer_is_found_behind_whatever_came_before_it(noise in "[ -Z]{0,40}") {
            let text = format!("{noise}\r\nOK\r\n");
            prop_assert_eq!(classify(text.as_bytes()), Heard::Answer);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = classify(&bytes);
        }
    }
}
