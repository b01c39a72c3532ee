//! Which command lines make the module wait for data: nobody who writes only a line can give it any, and whatever were sent
//! meanwhile would become that data.

/// Commands in whose data mode the module waits. Sources: AT command manual V1.6.3 (MPUBEX p. 241; CIPSEND, CIPMODE, HTTPDATA,
/// FSWRITE and FTPPUT in their chapters); 3GPP TS 27.005, 3.5.1, 3.5.5 and 4.4 (CMGS, CMGC, CMGW).
const TAKE_DATA: [&str; 9] =
    ["+MPUBEX", "+CIPSEND", "+CIPMODE=1", "+HTTPDATA", "+FSWRITE", "+FTPPUT=2", "+CMGS", "+CMGC", "+CMGW"];
/// Repeats the line before, which may have been any of them.
const AGAIN: &str = "A/";

/// The command in `line` that waits for data, if there is one. To ask for its value or its form is not to give it.
pub(super) fn takes_data(line: &str) -> Option<&'static str> {
    let line = outside_quotes(line);
    if line == AGAIN {
        return Some(AGAIN);
    }
    TAKE_DATA.into_iter().find(|name| line.split(name).skip(1).any(is_given))
}

/// Whether what stands behind a command's name ends the name, and is no question.
fn is_given(behind: &str) -> bool {
    !behind.starts_with(|c: char| c.is_ascii_alphanumeric()) && !behind.starts_with('?') && !behind.starts_with("=?")
}

/// Where the names of commands are: what is not between quotes, without blanks, in capitals. Several commands may stand on
/// one line, with and without a separator.
fn outside_quotes(line: &str) -> String {
    let outside = line.split('"').step_by(2).flat_map(str::chars);
    outside.filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_uppercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_waits_for_data_is_known_wherever_it_stands() {
        for (line, name) in [
            (r#"AT+MPUBEX="x",0,0,5"#, "+MPUBEX"),
            (r#"at+mpubex="x",0,0"#, "+MPUBEX"),
            (r#"AT + MPUBEX ="x",0,0,5"#, "+MPUBEX"),
            (r#"AT+CSQ;+MPUBEX="x",0,0,5"#, "+MPUBEX"),
            (r#"ATE0+CMGS="10086""#, "+CMGS"),
            ("AT+CMGS=17", "+CMGS"),
            (r#"AT+CMGS=?;+CMGS="1""#, "+CMGS"),
            ("AT+CMGW", "+CMGW"),
            ("AT+CMGC=3", "+CMGC"),
            ("AT+HTTPDATA=10,1000", "+HTTPDATA"),
            (r#"AT+FSWRITE="ca.crt",0,10,5"#, "+FSWRITE"),
            ("AT+CIPSEND", "+CIPSEND"),
            ("AT+CIPSEND=5", "+CIPSEND"),
            ("AT+CIPMODE=1", "+CIPMODE=1"),
            ("AT+FTPPUT=2,10", "+FTPPUT=2"),
            ("A/", "A/"),
            (" a/ ", "A/"),
        ] {
            assert_eq!(takes_data(line), Some(name), "{line}");
        }
    }

    #[test]
    fn all_other_lines_are_let_through() {
        for line in [
            "AT",
            "AT+CSQ",
            "AT+MPUBEX=?",
            "AT+CMGS=?",
            "AT+CIPSEND?",
            "AT+CIPSEND?;+CSQ",
            "AT+CIPMODE=0",
            "AT+CIPMODE?",
            "AT+FTPPUT=1",
            r#"AT+MPUB="x",0,0,"AT+MPUBEX=1;+CMGS=2""#,
            r#"AT+MPUB="a/",0,0,"""#,
            "AT+HTTPPARA=URL,http://a/b",
            "AT+CMGSX=1",
            "AT+CMGSEND",
            "",
            "\"",
        ] {
            assert_eq!(takes_data(line), None, "{line}");
        }
    }
}
