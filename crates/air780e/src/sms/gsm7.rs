//! The 7-bit alphabet of short messages, and how it is packed into octets. Source: 3GPP TS 23.038.

/// The default alphabet; U+001B stands for the escape to the extension.
const BASIC: [char; 128] = [
    '@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å', 'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω',
    'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', '\u{1b}', 'Æ', 'æ', 'ß', 'É', ' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+',
    ',', '-', '.', '/', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?', '¡', 'A', 'B',
    'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O', 'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y',
    'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§', '¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
    'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
];
const EXTENSION: [(u8, char); 10] = [
    (0x0a, '\u{c}'),
    (0x14, '^'),
    (0x28, '{'),
    (0x29, '}'),
    (0x2f, '\\'),
    (0x3c, '['),
    (0x3d, '~'),
    (0x3e, ']'),
    (0x40, '|'),
    (0x65, '€'),
];
const ESCAPE: u8 = 0x1b;

/// The septets of a character, one or two; `None` if the alphabet has no such character.
pub(super) fn septets(c: char) -> Option<Vec<u8>> {
    if let Some(n) = BASIC.iter().position(|&basic| basic == c && c != '\u{1b}') {
        return Some(vec![n as u8]);
    }
    let (code, _) = EXTENSION.iter().find(|(_, extended)| *extended == c)?;
    Some(vec![ESCAPE, *code])
}

/// The text of septets. An escape to what is not in the extension is shown as the character of the basic alphabet.
pub(super) fn text(septets: &[u8]) -> String {
    let mut out = String::with_capacity(septets.len());
    let mut escaped = false;
    for &septet in septets {
        let extended = EXTENSION.iter().find(|(code, _)| escaped && *code == septet).map(|(_, c)| *c);
        let basic = BASIC.get(usize::from(septet & 0x7f)).copied().unwrap_or(' ');
        let escapes = septet == ESCAPE && !escaped;
        if !escapes {
            out.push(extended.unwrap_or(if basic == '\u{1b}' { ' ' } else { basic }));
        }
        escaped = escapes;
    }
    out
}

/// Packs septets, the first of them behind `skip` bits.
pub(super) fn pack(septets: &[u8], skip: usize) -> Vec<u8> {
    let mut octets = vec![0_u8; (skip + septets.len() * 7).div_ceil(8)];
    for (n, septet) in septets.iter().enumerate() {
        for bit in 0..7 {
            let at = skip + n * 7 + bit;
            if let Some(octet) = octets.get_mut(at / 8) {
                *octet |= (septet >> bit & 1) << (at % 8);
            }
        }
    }
    octets
}

/// Unpacks `count` septets behind `skip` bits; fewer if the octets end before.
pub(super) fn unpack(octets: &[u8], skip: usize, count: usize) -> Vec<u8> {
    let bit = |at: usize| octets.get(at / 8).map(|octet| octet >> (at % 8) & 1);
    let septet = |n: usize| (0..7).try_fold(0, |septet, i| Some(septet | bit(skip + n * 7 + i)? << i));
    (0..count).map_while(septet).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hello_is_packed_as_in_every_textbook() {
        let septets: Vec<u8> = "hellohello".chars().flat_map(|c| septets(c).unwrap()).collect();
        assert_eq!(pack(&septets, 0), [0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37]);
        assert_eq!(text(&unpack(&[0xe8, 0x32, 0x9b, 0xfd, 0x46, 0x97, 0xd9, 0xec, 0x37], 0, 10)), "hellohello");
    }

    #[test]
    fn signs_of_the_extension_take_two_septets() {
        assert_eq!(septets('€'), Some(vec![0x1b, 0x65]));
        assert_eq!(text(&[0x1b, 0x65, 0x1b, 0x41, 0x1b]), "€A");
        assert_eq!(septets('中'), None);
        assert_eq!(septets('\u{1b}'), None);
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(septets in proptest::collection::vec(0_u8..128, 0..170), skip in 0_usize..70) {
            prop_assert_eq!(unpack(&pack(&septets, skip), skip, septets.len()), septets);
        }

        #[test]
        fn what_is_written_is_read(text in "[ -~€äöüßΔ\n]{0,80}") {
            let found: Option<Vec<Vec<u8>>> = text.chars().map(septets).collect();
            // The grave accent is not in the alphabet.
            if let Some(found) = found {
                prop_assert_eq!(super::text(&found.concat()), text);
            }
        }
    }
}
