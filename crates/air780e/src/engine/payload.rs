//! What a payload would do if it were taken for command lines.

/// Whether no part of `payload` is a command, wherever the module would begin to read one: behind a line end, or (from
/// V1122 on) in the middle of a line. Source: list of firmware changes, V1122 "AT not at the start of the line".
pub(super) fn is_harmless(payload: &[u8]) -> bool {
    let mut line_begins = true;
    for at in 0..payload.len() {
        let rest = payload.get(at..).unwrap_or_default();
        let (head, behind) = rest.split_at(rest.len().min(2));
        let begins = head.eq_ignore_ascii_case(b"AT");
        let extended = begins && behind.first().is_some_and(|b| b"+&*^%$#!@-\\".contains(b));
        // `A/` repeats the last command without any line end.
        let basic = line_begins && (begins || head.eq_ignore_ascii_case(b"A/"));
        if extended || basic {
            return false;
        }
        line_begins = rest.first().is_some_and(|b| *b <= b' ');
    }
    true
}

#[cfg(test)]
mod tests {
    use super::is_harmless;

    #[test]
    fn data_and_prose_are_no_commands() {
        for payload in [
            &b"{\"status\": \"at home\", \"data\": [1]}"[..],
            b"\0\xff\r\nOK\r\n> ",
            b"",
            b"A",
            b"cat+dog?".split_at(2).0,
        ] {
            assert!(is_harmless(payload), "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn a_command_anywhere_in_a_payload_is_seen() {
        for payload in [
            &b"AT"[..],
            b"AT+RESET",
            b"x\rate1\r",
            b"x\r\n  at&f",
            b"{\"say\":\"at+cfun=0\"}",
            b"A/",
            b"\na/",
            b"AT\\r",
        ] {
            assert!(!is_harmless(payload), "{}", payload.escape_ascii());
        }
    }
}
