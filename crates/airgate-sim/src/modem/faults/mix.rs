//! Mixed faults, drawn from a seed.

use std::time::Duration;

use super::super::engine::rng::Rng;
use super::rule::{Cure, Direction, Fault, Rule, When};

/// What a seed makes of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mix {
    /// Mean time from one fault to the next.
    pub every: Duration,
    /// Spares bytes that no host could find damaged; see [`super`].
    pub careful: bool,
    /// Also draws hangs that only a reset or a power cut ends.
    pub hangs: bool,
}

impl Mix {
    /// From one fault to the next.
    pub(super) fn pause(&self, dice: &mut Rng) -> Duration {
        millis(dice, 0, 2 * u64::try_from(self.every.as_millis()).unwrap_or(u64::MAX / 4))
    }

    /// The next fault and what calls it: the clock, a command, or the middle of a data phase.
    pub(super) fn draw(&self, dice: &mut Rng) -> Rule {
        let when = match dice.below(4) {
            0 => When::Now,
            1 => When::InData(usize::try_from(dice.below(60)).unwrap_or(0)),
            _ => When::Command { name: String::new(), nth: small(dice, 6) },
        };
        Rule { when, fault: self.fault(dice), times: Some(1) }
    }

    fn fault(&self, dice: &mut Rng) -> Fault {
        let direction = if dice.below(2) == 0 { Direction::ToHost } else { Direction::ToModule };
        match dice.below(20) {
            0 => Fault::Lose(direction, small(dice, 4)),
            1 => Fault::Flip(direction, small(dice, 4)),
            2 => Fault::Insert(direction, small(dice, 4)),
            // A burst: a plug that is moved, a motor that starts.
            3 => Fault::Lose(direction, 40),
            4 => Fault::Insert(direction, 40),
            5 => Fault::Stall(millis(dice, 100, 8_000)),
            6 => Fault::Late(millis(dice, 100, 30_000)),
            7 => Fault::Double,
            8 => Fault::Swallow("OK".into()),
            9 => Fault::Swallow("PUBACK".into()),
            10 => Fault::NoPrompt,
            11 => Fault::Say("+CGEV: NW PDN DEACT 1".into()),
            12 => Fault::Close,
            13 => Fault::NoService(millis(dice, 500, 180_000)),
            14 => Fault::NoSim(millis(dice, 500, 20_000)),
            15 => Fault::Refuse(
                [3, 4, 767, 100].get(small(dice, 4) as usize - 1).copied().unwrap_or(3),
                millis(dice, 500, 15_000),
            ),
            16 => Fault::Reboot,
            17 => Fault::BootLoop(small(dice, 6)),
            18 => Fault::Vanish(millis(dice, 100, 10_000), None),
            _ if self.hangs && dice.below(2) == 0 => {
                Fault::Hang(if dice.below(2) == 0 { Cure::Reset } else { Cure::Power })
            }
            _ => Fault::Hang(Cure::Time(millis(dice, 1_000, 60_000))),
        }
    }
}

/// 1 to `most`.
fn small(dice: &mut Rng, most: u64) -> u32 {
    u32::try_from(1 + dice.below(most)).unwrap_or(1)
}

fn millis(dice: &mut Rng, least: u64, most: u64) -> Duration {
    Duration::from_millis(least + dice.below(most.saturating_sub(least)))
}
