//! What a receiver hears that listens at another rate than the sender speaks: the bits of a real line, sampled.

/// Bits of a character: start, eight data, stop.
const FRAME: u64 = 10;

/// The bytes that a receiver at `listens` bits per second makes of bytes sent without a pause at `speaks`.
/// A rate of 0 is a line without rate, on which everybody understands everybody.
pub(super) fn heard(bytes: &[u8], speaks: u32, listens: u32) -> Vec<u8> {
    if speaks == listens || speaks == 0 || listens == 0 {
        return bytes.to_vec();
    }
    // The unit of time in which a bit of the sender and half a bit of the receiver are both whole numbers.
    let (bit, half) = (2 * u64::from(listens), u64::from(speaks));
    let bits = bytes.len() as u64 * FRAME;
    let level = |time: u64| high(bytes, time / bit);
    let mut out = Vec::new();
    let mut now = 0_u64;
    while let Some(start) = (now.div_ceil(bit)..bits).find(|at| !high(bytes, *at) && (*at == 0 || high(bytes, at - 1)))
    {
        let edge = start * bit;
        if level(edge + half) {
            // Too short for a start bit: noise.
            now = edge + half;
            continue;
        }
        let data = (0..8).filter(|index| level(edge + half * (2 * index + 3)));
        out.push(data.fold(0, |byte, index| byte | 1 << index));
        now = edge + half * 19;
    }
    out
}

/// The level of the line in this bit; it is high when nobody speaks.
fn high(bytes: &[u8], bit: u64) -> bool {
    let byte = usize::try_from(bit / FRAME).ok().and_then(|index| bytes.get(index));
    match (byte, bit % FRAME) {
        (None, _) | (_, 9) => true,
        (_, 0) => false,
        (Some(byte), index) => byte >> (index - 1) & 1 == 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrong_rate_makes_garbage_of_a_command() {
        for (speaks, listens) in [(9600, 115_200), (115_200, 9600), (115_200, 57_600), (921_600, 115_200)] {
            let heard = heard(b"AT\r\n", speaks, listens);
            assert!(!heard.windows(2).any(|pair| pair == b"AT"), "{speaks} at {listens}: {heard:?}");
        }
        assert!(heard(b"AT\r\n", 9600, 115_200).len() > 4, "a slow bit is many fast characters");
        assert!(heard(b"AT\r\n", 115_200, 9600).len() < 4, "fast characters melt together");
    }

    proptest! {
        #[test]
        fn right_rate_and_one_that_is_two_percent_off_are_understood(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            prop_assert_eq!(heard(&bytes, 9600, 9600), bytes.clone());
            prop_assert_eq!(heard(&bytes, 115_200, 0), bytes.clone());
            prop_assert_eq!(heard(&bytes, 9792, 9600), bytes);
        }

        #[test]
        fn any_bytes_at_any_rates_end(bytes in proptest::collection::vec(any::<u8>(), 0..60), a in 1_u32..2_000_000, b in 1_u32..2_000_000) {
            let most = bytes.len() as u64 * 10 * u64::from(b) / u64::from(a) + 10;
            prop_assert!((heard(&bytes, a, b).len() as u64) <= most);
        }
    }
}
