//! Damage to bytes on their way.

use std::collections::VecDeque;

use super::super::engine::rng::Rng;

/// What is done to one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    Lose,
    Flip,
    Insert,
}

/// Damage that waits for its bytes, in one direction.
#[derive(Debug, Default)]
pub(super) struct Noise(VecDeque<(Damage, u32)>);

impl Noise {
    pub(super) fn add(&mut self, damage: Damage, count: u32) {
        if count > 0 {
            self.0.push_back((damage, count));
        }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Lets one byte through, as far as it comes.
    pub(super) fn pass(&mut self, byte: u8, dice: &mut Rng, out: &mut Vec<u8>) {
        let Some((damage, left)) = self.0.pop_front() else { return out.push(byte) };
        match damage {
            Damage::Lose => {}
            Damage::Flip => out.push(unless_prompt(byte ^ (1 << dice.below(8)))),
            Damage::Insert => {
                out.extend((0..left).map(|_| unless_prompt(u8::try_from(dice.below(256)).unwrap_or(0))));
                return out.push(byte);
            }
        }
        if left > 1 {
            self.0.push_front((damage, left - 1));
        }
    }
}

/// A `>` out of noise where a line begins would be a prompt that no driver can tell from a real one.
fn unless_prompt(byte: u8) -> u8 {
    if byte == b'>' { b'?' } else { byte }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(noise: &mut Noise, bytes: &[u8]) -> Vec<u8> {
        let (mut dice, mut out) = (Rng::new(1), Vec::new());
        bytes.iter().for_each(|byte| noise.pass(*byte, &mut dice, &mut out));
        out
    }

    #[test]
    fn without_damage_nothing_changes() {
        assert_eq!(through(&mut Noise::default(), b"\r\nOK\r\n"), b"\r\nOK\r\n");
    }

    #[test]
    fn lost_flipped_and_inserted_bytes_are_as_many_as_were_asked_for() {
        let mut noise = Noise::default();
        noise.add(Damage::Lose, 2);
        assert_eq!(through(&mut noise, b"abcd"), b"cd");
        noise.add(Damage::Flip, 2);
        let flipped = through(&mut noise, b"abcd");
        let bits: u32 = flipped.iter().zip(b"abcd").map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((flipped.len(), bits), (4, 2));
        noise.add(Damage::Insert, 3);
        assert!(through(&mut noise, b"abcd").ends_with(b"abcd"));
        assert_eq!(through(&mut noise, b"abcd"), b"abcd", "and then no more");
    }
}
