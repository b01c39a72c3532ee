//! One hour of what happened, and its place in the file: 128 bytes with a checksum. See `FORMAT.md`.

use air780e::ladder::Rung;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Bytes of an hour in the file. A divisor of every disk's sector: an hour lies in one of them.
pub const SLOT: usize = 128;
/// Changes when the meaning of a byte does.
const VERSION: u8 = 1;
/// The checksum stands at the end.
const CHECKED: usize = SLOT - 4;
/// Milliseconds of an hour.
pub const HOUR_MS: u64 = 3_600_000;

/// Lowest, highest and mean of what was read now and then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    low: i16,
    high: i16,
    sum: i32,
    count: u16,
}

impl Span {
    /// One more reading. An hour has fewer than fit, so those beyond are left out.
    pub fn add(&mut self, value: i16) {
        self.join(Self { low: value, high: value, sum: value.into(), count: 1 });
    }

    fn join(&mut self, more: Self) {
        let Some(count) = self.count.checked_add(more.count).filter(|_| more.count > 0) else { return };
        if self.count == 0 {
            *self = more;
            return;
        }
        *self = Self {
            low: self.low.min(more.low),
            high: self.high.max(more.high),
            sum: self.sum.saturating_add(more.sum),
            count,
        };
    }

    /// With `unit` as 1, as in 10 for what was read in tenths; `None` without a reading.
    fn shown(self, unit: f64) -> Option<Range> {
        let of = |value: f64| (value / unit * 10.0).round() / 10.0;
        (self.count > 0).then(|| Range {
            min: of(self.low.into()),
            mean: of(f64::from(self.sum) / f64::from(self.count)),
            max: of(self.high.into()),
        })
    }
}

/// One hour, or the part of it that is known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hour {
    /// Which: hours since 1970, UTC.
    pub hour: u32,
    /// How long the daemon watched, in milliseconds, at most an hour.
    pub watched_ms: u32,
    /// How much of that the link was up.
    pub online_ms: u32,
    /// How often the link was lost.
    pub outages: u16,
    /// How often the module booted.
    pub boots: u16,
    /// How often each rung of recovery was climbed, in the order of [`Rung::ALL`].
    pub heals: [u16; Rung::ALL.len()],
    /// Reference signal received power, in dBm.
    pub rsrp: Span,
    /// Reference signal received quality, in tenths of a dB.
    pub rsrq_tenths: Span,
    /// Received signal strength, in dBm.
    pub rssi: Span,
    /// Bytes to the network, estimated.
    pub up_bytes: u32,
    /// Bytes from the network, estimated.
    pub down_bytes: u32,
    /// Messages that the outbox accepted.
    pub accepted: u32,
    /// Messages that the cloud acknowledged.
    pub acknowledged: u32,
    /// Messages that were given up.
    pub dropped: u32,
    /// Messages handed to programs.
    pub delivered: u32,
    /// The most messages that waited.
    pub waiting_max: u32,
}

impl Hour {
    /// What came of the same hour before or after a restart.
    pub fn merge(&mut self, more: &Self) {
        let within = |a: u32, b: u32| a.saturating_add(b).min(HOUR_MS as u32);
        self.watched_ms = within(self.watched_ms, more.watched_ms);
        self.online_ms = within(self.online_ms, more.online_ms);
        self.outages = self.outages.saturating_add(more.outages);
        self.boots = self.boots.saturating_add(more.boots);
        for (mine, theirs) in self.heals.iter_mut().zip(more.heals) {
            *mine = mine.saturating_add(theirs);
        }
        self.rsrp.join(more.rsrp);
        self.rsrq_tenths.join(more.rsrq_tenths);
        self.rssi.join(more.rssi);
        for (mine, theirs) in [
            (&mut self.up_bytes, more.up_bytes),
            (&mut self.down_bytes, more.down_bytes),
            (&mut self.accepted, more.accepted),
            (&mut self.acknowledged, more.acknowledged),
            (&mut self.dropped, more.dropped),
            (&mut self.delivered, more.delivered),
        ] {
            *mine = mine.saturating_add(theirs);
        }
        self.waiting_max = self.waiting_max.max(more.waiting_max);
    }

    /// As it stands in the file.
    pub fn encode(&self) -> [u8; SLOT] {
        let mut bytes = Vec::with_capacity(SLOT);
        bytes.extend([VERSION, 0, 0, 0]);
        for word in [self.hour, self.watched_ms, self.online_ms] {
            bytes.extend(word.to_le_bytes());
        }
        for half in [self.outages, self.boots].into_iter().chain(self.heals) {
            bytes.extend(half.to_le_bytes());
        }
        for span in [self.rsrp, self.rsrq_tenths, self.rssi] {
            bytes.extend(span.low.to_le_bytes());
            bytes.extend(span.high.to_le_bytes());
            bytes.extend(span.sum.to_le_bytes());
            bytes.extend(span.count.to_le_bytes());
        }
        let totals = [self.up_bytes, self.down_bytes, self.accepted, self.acknowledged, self.dropped, self.delivered];
        for word in totals.into_iter().chain([self.waiting_max]) {
            bytes.extend(word.to_le_bytes());
        }
        bytes.resize(CHECKED, 0);
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        let mut slot = [0; SLOT];
        slot.copy_from_slice(&bytes);
        slot
    }

    /// Reads a slot; `None` when it is damaged or of another version.
    pub fn decode(slot: &[u8; SLOT]) -> Option<Self> {
        let (checked, crc) = slot.split_at(CHECKED);
        if crc32fast::hash(checked).to_le_bytes() != crc || checked.first() != Some(&VERSION) {
            return None;
        }
        let mut bytes = Reader(checked.get(4..)?);
        Some(Self {
            hour: bytes.word()?,
            watched_ms: bytes.word()?,
            online_ms: bytes.word()?,
            outages: bytes.half()?,
            boots: bytes.half()?,
            heals: [bytes.half()?, bytes.half()?, bytes.half()?, bytes.half()?],
            rsrp: bytes.span()?,
            rsrq_tenths: bytes.span()?,
            rssi: bytes.span()?,
            up_bytes: bytes.word()?,
            down_bytes: bytes.word()?,
            accepted: bytes.word()?,
            acknowledged: bytes.word()?,
            dropped: bytes.word()?,
            delivered: bytes.word()?,
            waiting_max: bytes.word()?,
        })
    }

    /// As programs see it.
    pub fn row(&self) -> Row {
        let heals = Rung::ALL.iter().zip(self.heals).filter(|(_, count)| *count > 0);
        Row {
            hour: self.hour,
            watched_s: self.watched_ms / 1000,
            online_s: self.online_ms / 1000,
            outages: self.outages,
            boots: self.boots,
            heals: heals.map(|(rung, count)| (rung.as_str().to_owned(), count)).collect(),
            rsrp_dbm: self.rsrp.shown(1.0),
            rsrq_db: self.rsrq_tenths.shown(10.0),
            rssi_dbm: self.rssi.shown(1.0),
            up_bytes: self.up_bytes,
            down_bytes: self.down_bytes,
            accepted: self.accepted,
            acknowledged: self.acknowledged,
            dropped: self.dropped,
            delivered: self.delivered,
            waiting_max: self.waiting_max,
        }
    }
}

/// Takes little-endian numbers off the front.
struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn word(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn half(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn span(&mut self) -> Option<Span> {
        let (low, high) = (i16::from_le_bytes(self.take()?), i16::from_le_bytes(self.take()?));
        Some(Span { low, high, sum: i32::from_le_bytes(self.take()?), count: self.half()? })
    }
}

/// Lowest, mean and highest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Range {
    /// The lowest.
    pub min: f64,
    /// The mean, to a tenth.
    pub mean: f64,
    /// The highest.
    pub max: f64,
}

/// One hour as the operation `history` tells it; each field as in [`Hour`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "see `Hour`")]
pub struct Row {
    pub hour: u32,
    pub watched_s: u32,
    pub online_s: u32,
    pub outages: u16,
    pub boots: u16,
    /// Only the rungs that were climbed.
    pub heals: BTreeMap<String, u16>,
    pub rsrp_dbm: Option<Range>,
    pub rsrq_db: Option<Range>,
    pub rssi_dbm: Option<Range>,
    pub up_bytes: u32,
    pub down_bytes: u32,
    pub accepted: u32,
    pub acknowledged: u32,
    pub dropped: u32,
    pub delivered: u32,
    pub waiting_max: u32,
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        pub(in crate::history) fn any_hour()(
            hour: u32, times in (0..=3_600_000u32, 0..=3_600_000u32), counts: [u16; 6],
            readings in prop::collection::vec(-200..200i16, 0..5), totals: [u32; 7],
        ) -> Hour {
            let mut rsrp = Span::default();
            readings.iter().for_each(|reading| rsrp.add(*reading));
            let [outages, boots, a, b, c, d] = counts;
            let [up_bytes, down_bytes, accepted, acknowledged, dropped, delivered, waiting_max] = totals;
            Hour {
                hour, watched_ms: times.0, online_ms: times.1, outages, boots, heals: [a, b, c, d],
                rsrp, rsrq_tenths: rsrp, rssi: Span::default(),
                up_bytes, down_bytes, accepted, acknowledged, dropped, delivered, waiting_max,
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(hour in any_hour()) {
            prop_assert_eq!(Hour::decode(&hour.encode()), Some(hour));
        }

        #[test]
        fn a_flipped_bit_anywhere_is_noticed(hour in any_hour(), bit in 0..SLOT * 8) {
            let mut slot = hour.encode();
            slot[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Hour::decode(&slot), None);
        }

        #[test]
        fn no_slot_panics(slot in prop::collection::vec(any::<u8>(), SLOT)) {
            let _ = Hour::decode(&slot.try_into().unwrap());
        }

        #[test]
        fn parts_of_an_hour_never_exceed_it(mut a in any_hour(), b in any_hour()) {
            a.merge(&b);
            prop_assert!(u64::from(a.watched_ms) <= HOUR_MS && u64::from(a.online_ms) <= HOUR_MS);
        }
    }

    #[test]
    fn a_mean_is_that_of_all_readings_also_after_a_restart() {
        let (mut first, mut second) = (Hour::default(), Hour::default());
        [-90, -92].iter().for_each(|dbm| first.rsrp.add(*dbm));
        second.rsrp.add(-101);
        first.rsrq_tenths.add(-95);
        first.merge(&second);
        assert_eq!(first.row().rsrp_dbm, Some(Range { min: -101.0, mean: -94.3, max: -90.0 }));
        assert_eq!(first.row().rsrq_db, Some(Range { min: -9.5, mean: -9.5, max: -9.5 }));
        assert_eq!(first.row().rssi_dbm, None);
    }
}
