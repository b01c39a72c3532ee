//! The alphabets of short messages: GSM 7 bit with its extension, and UCS-2 in hex digits.
//!
//! Source: 3GPP TS 23.038, sections 6.1.2.1 and 6.2.1.

/// The default alphabet by septet; 0x1B leads to [`EXTENSION`].
const DEFAULT: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
    'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1B}', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+',
    ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B',
    'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];
const EXTENSION: [(u8, char); 10] = [
    (0x0A, '\u{0C}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2F, '\\'),
    (0x3C, '['),
    (0x3D, '~'),
    (0x3E, ']'),
    (0x40, '|'),
    (0x65, '€'),
];
const ESCAPE: u8 = 0x1B;

/// The septets of a text; `None` when a character is in neither table.
pub(super) fn septets(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    for wanted in text.chars() {
        if let Some((code, _)) = EXTENSION.iter().find(|(_, char)| *char == wanted) {
            out.extend([ESCAPE, *code]);
        } else {
            let at = DEFAULT.iter().position(|char| *char == wanted && wanted != '\u{1B}')?;
            out.push(u8::try_from(at).ok()?);
        }
    }
    Some(out)
}

/// The text of septets; an unknown extension is shown as the character of the default table.
pub(super) fn text(septets: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = septets.iter();
    while let Some(septet) = rest.next() {
        let default = |code: u8| DEFAULT.get(usize::from(code & 0x7F)).copied().unwrap_or('?');
        if *septet == ESCAPE {
            let Some(code) = rest.next() else { break };
            let extended = EXTENSION.iter().find(|(at, _)| at == code).map(|(_, char)| *char);
            out.push(extended.unwrap_or_else(|| default(*code)));
        } else {
            out.push(default(*septet));
        }
    }
    out
}

/// Septets packed into octets, behind `skip` bits of filling.
pub(super) fn pack(septets: &[u8], skip: usize) -> Vec<u8> {
    let mut out = vec![0; (skip + septets.len() * 7).div_ceil(8)];
    for (index, septet) in septets.iter().enumerate() {
        let bit = skip + index * 7;
        let wide = u16::from(septet & 0x7F) << (bit % 8);
        let [low, high] = wide.to_le_bytes();
        for (at, part) in [(bit / 8, low), (bit / 8 + 1, high)] {
            if let Some(octet) = out.get_mut(at) {
                *octet |= part;
            }
        }
    }
    out
}

/// The other way: `count` septets behind `skip` bits, as far as there are octets.
pub(super) fn unpack(octets: &[u8], skip: usize, count: usize) -> Vec<u8> {
    let octet = |at: usize| octets.get(at).copied();
    (0..count)
        .map_while(|index| {
            let bit = skip + index * 7;
            let low = octet(bit / 8)?;
            // The last septet may end with the last octet.
            let high = octet(bit / 8 + 1).or((bit % 8 <= 1).then_some(0))?;
            let wide = u16::from_le_bytes([low, high]) >> (bit % 8);
            u8::try_from(wide & 0x7F).ok()
        })
        .collect()
}

/// UTF-16 in upper-case hex digits, as `AT+CSCS="UCS2"` has it.
pub(super) fn ucs2_hex(text: &str) -> String {
    text.encode_utf16().map(|unit| format!("{unit:04X}")).collect()
}

/// The text of such digits; `None` when they are none.
pub(super) fn from_ucs2_hex(hex: &str) -> Option<String> {
    let octets = octets(hex)?;
    if octets.len() % 2 == 1 { None } else { Some(from_ucs2(&octets)) }
}

/// The text of big-endian UTF-16; a half pair is shown as the replacement character.
pub(super) fn from_ucs2(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|pair| pair.iter().fold(0, |unit, octet| unit << 8 | u16::from(*octet)));
    char::decode_utf16(units).map(|char| char.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

/// The octets of pairs of hex digits.
pub(super) fn octets(hex: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> =
        hex.chars().map(|char| char.to_digit(16).and_then(|digit| u8::try_from(digit).ok())).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    Some(digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit)).collect())
}

/// Upper-case hex digits.
pub(super) fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_of_the_specification_packs_as_everywhere() {
        assert_eq!(hex(&pack(&septets("hellohello").unwrap(), 0)), "E8329BFD4697D9EC37");
        assert_eq!(septets("€"), Some(vec![0x1B, 0x65]));
        assert_eq!(septets("温"), None);
        assert_eq!(ucs2_hex("温度"), "6E295EA6");
        assert_eq!(from_ucs2_hex("6E295EA6").as_deref(), Some("温度"));
        assert_eq!(from_ucs2_hex("6E295E"), None);
    }

    proptest! {
        #[test]
        fn septets_survive_packing(septets in proptest::collection::vec(0_u8..128, 0..170), skip in 0_usize..7) {
            let octets = pack(&septets, skip);
            prop_assert_eq!(unpack(&octets, skip, septets.len()), septets);
        }

        #[test]
        fn text_of_the_table_survives(codes in proptest::collection::vec(0_u8..128, 0..60)) {
            let codes: Vec<u8> = codes.into_iter().filter(|code| *code != ESCAPE).collect();
            let shown = text(&codes);
            prop_assert_eq!(septets(&shown), Some(codes));
        }
    }
}
