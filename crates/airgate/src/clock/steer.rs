//! Whether to set the host's clock, and by how much: pure, `(state, now, sample) -> decision`.
//!
//! The policy:
//! - Within the uncertainty of what was heard, plus [`TOLERATED_MS`], nothing is done: the host's own clock is smooth, and
//!   each setting is a jump for the programs that look at it.
//! - A clock that is behind is set at once. That is how a computer without a battery for its clock starts.
//! - A clock that is ahead is set back only when it is further off ([`TOLERATED_AHEAD_MS`]), and only [`NOTICE_MS`] after
//!   that was told, if what is heard has said the same all the while: time that goes backwards surprises programs.
//! - A time before [`EARLIEST_UNIX_MS`] is that of somebody who does not know the time.

/// Beyond the uncertainty, a clock that is behind is left alone by so much.
pub const TOLERATED_MS: u64 = 500;
/// Beyond the uncertainty, a clock that is ahead is left alone by so much: going back does more harm than being ahead.
pub const TOLERATED_AHEAD_MS: u64 = 2_000;
/// How long it is told before the clock is set back.
pub const NOTICE_MS: u64 = 60_000;
/// The year 2024.
pub const EARLIEST_UNIX_MS: u64 = 1_704_067_200_000;

/// What the daemon says at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The time, in milliseconds since 1970.
    pub unix_ms: u64,
    /// To be added to the host's time, in milliseconds.
    pub offset_ms: i64,
    /// The true time is within so many milliseconds.
    pub uncertainty_ms: u64,
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nothing.
    Leave,
    /// Tell that the clock is ahead and will be set back.
    Announce {
        /// By how much it is ahead.
        ahead_ms: u64,
    },
    /// Set it.
    Set {
        /// To be added to the host's time, in milliseconds.
        by_ms: i64,
    },
}

/// What is remembered from one sample to the next.
#[derive(Clone, Copy, Debug, Default)]
pub struct Steering {
    /// That it was told that the clock is ahead.
    announced: Option<Announced>,
}

#[derive(Clone, Copy, Debug)]
struct Announced {
    at_ms: u64,
    offset_ms: i64,
}

impl Steering {
    /// Decides. `now_ms` is of a clock that nobody sets.
    pub fn decide(&mut self, now_ms: u64, sample: Sample) -> Decision {
        let off_ms = sample.offset_ms.unsigned_abs();
        let tolerated = if sample.offset_ms < 0 { TOLERATED_AHEAD_MS } else { TOLERATED_MS };
        if sample.unix_ms < EARLIEST_UNIX_MS || off_ms <= sample.uncertainty_ms.saturating_add(tolerated) {
            self.announced = None;
            return Decision::Leave;
        }
        if sample.offset_ms >= 0 {
            self.announced = None;
            return Decision::Set { by_ms: sample.offset_ms };
        }
        self.set_back(now_ms, sample)
    }

    fn set_back(&mut self, now_ms: u64, sample: Sample) -> Decision {
        match self.announced.filter(|said| agree(said.offset_ms, sample)) {
            None => {
                self.announced = Some(Announced { at_ms: now_ms, offset_ms: sample.offset_ms });
                Decision::Announce { ahead_ms: sample.offset_ms.unsigned_abs() }
            }
            Some(said) if now_ms.saturating_sub(said.at_ms) >= NOTICE_MS => {
                self.announced = None;
                Decision::Set { by_ms: sample.offset_ms }
            }
            Some(_) => Decision::Leave,
        }
    }
}

/// Whether a sample says what was announced.
fn agree(announced_ms: i64, sample: Sample) -> bool {
    announced_ms.abs_diff(sample.offset_ms) <= sample.uncertainty_ms.saturating_add(TOLERATED_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: u64 = 1_795_440_329_000;

    fn sample(offset_ms: i64, uncertainty_ms: u64) -> Sample {
        Sample { unix_ms: NOW, offset_ms, uncertainty_ms }
    }

    #[test]
    fn a_clock_that_starts_in_the_past_is_set_at_once() {
        let year = 31_536_000_000;
        assert_eq!(Steering::default().decide(0, sample(year, 1_000)), Decision::Set { by_ms: year });
    }

    #[test]
    fn the_networks_whole_seconds_do_not_make_a_right_clock_jump() {
        assert_eq!(Steering::default().decide(0, sample(1_400, 1_000)), Decision::Leave);
        assert_eq!(Steering::default().decide(0, sample(-2_900, 1_000)), Decision::Leave);
    }

    #[test]
    fn a_clock_that_is_ahead_is_set_back_a_minute_after_it_was_told() {
        let mut steering = Steering::default();
        assert_eq!(steering.decide(0, sample(-10_000, 100)), Decision::Announce { ahead_ms: 10_000 });
        assert_eq!(steering.decide(59_999, sample(-10_000, 100)), Decision::Leave);
        assert_eq!(steering.decide(60_000, sample(-10_010, 100)), Decision::Set { by_ms: -10_010 });
    }

    #[test]
    fn somebody_who_sets_the_clock_meanwhile_is_not_overruled_without_notice() {
        let mut steering = Steering::default();
        steering.decide(0, sample(-10_000, 100));
        assert_eq!(steering.decide(30_000, sample(-90_000, 100)), Decision::Announce { ahead_ms: 90_000 });
        assert_eq!(steering.decide(60_000, sample(-90_000, 100)), Decision::Leave);
        assert_eq!(steering.decide(61_000, sample(0, 100)), Decision::Leave);
        assert_eq!(steering.decide(95_000, sample(-90_000, 100)), Decision::Announce { ahead_ms: 90_000 });
    }

    #[test]
    fn a_source_that_does_not_know_the_time_is_not_believed() {
        let lost = Sample { unix_ms: 946_684_800_000, ..sample(946_684_800_000, 0) };
        assert_eq!(Steering::default().decide(0, lost), Decision::Leave);
    }

    fn samples() -> impl Strategy<Value = Vec<(u64, Sample)>> {
        let offset = prop_oneof![-4_000i64..4_000, -20_000i64..20_000, any::<i64>()];
        let one = (0u64..50_000, offset, prop_oneof![0u64..2_000, any::<u64>()], any::<bool>());
        let one = one.prop_map(|(wait, offset_ms, uncertainty_ms, known)| {
            (wait, Sample { unix_ms: if known { NOW } else { 0 }, offset_ms, uncertainty_ms })
        });
        proptest::collection::vec(one, 1..40)
    }

    proptest! {
        #[test]
        fn what_is_within_the_uncertainty_is_never_set(samples in samples()) {
            let (mut steering, mut now) = (Steering::default(), 0);
            for (wait, sample) in samples {
                now += wait;
                if let Decision::Set { by_ms } = steering.decide(now, sample) {
                    prop_assert_eq!(by_ms, sample.offset_ms);
                    prop_assert!(by_ms.unsigned_abs() > sample.uncertainty_ms);
                    prop_assert!(sample.unix_ms >= EARLIEST_UNIX_MS);
                }
            }
        }

        #[test]
        fn time_never_goes_backwards_without_a_notice_of_a_minute(samples in samples()) {
            let (mut steering, mut now, mut told) = (Steering::default(), 0, None);
            for (wait, sample) in samples {
                now += wait;
                match steering.decide(now, sample) {
                    Decision::Announce { .. } => told = Some(now),
                    Decision::Set { by_ms } if by_ms < 0 => {
                        prop_assert!(told.is_some_and(|told| now - told >= NOTICE_MS));
                        told = None;
                    }
                    Decision::Set { .. } | Decision::Leave => {}
                }
            }
        }

        #[test]
        fn any_clock_is_right_after_two_minutes_and_then_left_alone(
            off in -1_000_000_000i64..1_000_000_000, uncertainty_ms in 0u64..5_000, noise in -1i64..=1,
        ) {
            let (mut steering, mut off, mut sets) = (Steering::default(), off, 0);
            for at in (0..600_000).step_by(10_000) {
                // What is heard is off by up to its uncertainty, to the same side as long as nothing new is heard.
                let heard = off + noise * i64::try_from(uncertainty_ms).unwrap();
                if let Decision::Set { by_ms } = steering.decide(at, sample(heard, uncertainty_ms)) {
                    off -= by_ms;
                    sets += 1;
                }
            }
            prop_assert!(sets <= 1, "set {} times", sets);
            prop_assert!(off.unsigned_abs() <= 2 * uncertainty_ms + TOLERATED_AHEAD_MS, "off by {} ms", off);
        }
    }
}
