//! Answers that no derive can read: fields separated by commas, some of them quoted.

/// The fields of `+NAME: a,"b,c",d` behind the colon: quotes taken off, blanks around a field too.
pub(crate) fn fields(line: &[u8]) -> Option<Vec<String>> {
    let text = std::str::from_utf8(line).ok()?;
    let (_, values) = text.split_once(':')?;
    let (mut fields, mut field, mut quoted) = (Vec::new(), String::new(), false);
    for c in values.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field).trim().to_owned()),
            _ => field.push(c),
        }
    }
    fields.push(field.trim().to_owned());
    Some(fields)
}

/// The n-th field as a number.
pub(crate) fn number<T: std::str::FromStr>(fields: &[String], n: usize) -> Option<T> {
    fields.get(n)?.parse().ok()
}

/// The n-th field, unless it is empty.
pub(crate) fn text(fields: &[String], n: usize) -> Option<String> {
    fields.get(n).filter(|text| !text.is_empty()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_hold_commas_together() {
        let found = fields(b"+CGDCONT: 1,\"IP\",\"a,b\", \"10.0.0.1\",,").unwrap();
        assert_eq!(found, ["1", "IP", "a,b", "10.0.0.1", "", ""]);
        assert_eq!((number::<u8>(&found, 0), text(&found, 4)), (Some(1), None));
        assert_eq!(fields(b"no colon"), None);
    }

    proptest! {
        #[test]
        fn no_line_panics(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = fields(&line);
        }
    }
}
