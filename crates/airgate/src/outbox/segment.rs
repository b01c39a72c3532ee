//! A segment file: its name, its head, and the walk over its records that finds torn and damaged ones.

use super::record::{self, Fault, Record};

/// Bytes of the file before the first record: the head, twice, so that one damaged byte in it costs nothing.
pub(super) const HEAD_LEN: usize = 2 * COPY_LEN;
/// The format that this program writes. It reads the one before too, and goes on in a new segment.
pub(super) const VERSION: u16 = 2;
const OLDEST: u16 = VERSION - 1;

const COPY_LEN: usize = 32;
const MAGIC: &[u8; 8] = b"airgateQ";

/// What a segment says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// Its number, which is also its file's name. Never used again.
    pub(super) number: u32,
    /// Random; part of every check in this file.
    pub(super) salt: u32,
    /// Its format.
    pub(super) version: u16,
}

/// Why a file's beginning is not a head that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadFault {
    /// Too short, or nothing but zeros: the power went while it was being created.
    Unborn,
    /// Both copies are damaged.
    Damaged,
    /// Another format.
    Version(u16),
}

impl Head {
    /// The head's bytes, both copies.
    pub(super) fn encode(self) -> Vec<u8> {
        let mut copy = Vec::with_capacity(HEAD_LEN);
        copy.extend_from_slice(MAGIC);
        copy.extend_from_slice(&self.version.to_le_bytes());
        copy.extend_from_slice(&[0; 2]);
        copy.extend_from_slice(&self.salt.to_le_bytes());
        copy.extend_from_slice(&u64::from(self.number).to_le_bytes());
        copy.extend_from_slice(&[0; 4]);
        copy.extend_from_slice(&crc32fast::hash(&copy).to_le_bytes());
        copy.repeat(2)
    }

    /// Reads the head of a segment file.
    pub(super) fn decode(file: &[u8]) -> Result<Self, HeadFault> {
        let head = file.get(..HEAD_LEN).ok_or(HeadFault::Unborn)?;
        let (copies, _) = head.as_chunks::<COPY_LEN>();
        match copies.iter().find_map(copy_of) {
            Some(found) => found,
            None if head.iter().all(|byte| *byte == 0) => Err(HeadFault::Unborn),
            None => Err(HeadFault::Damaged),
        }
    }
}

fn copy_of(copy: &[u8; COPY_LEN]) -> Option<Result<Head, HeadFault>> {
    let (checked, crc) = copy.split_last_chunk::<4>()?;
    let (magic, rest) = checked.split_first_chunk::<8>()?;
    if magic != MAGIC || crc32fast::hash(checked) != u32::from_le_bytes(*crc) {
        return None;
    }
    let (version, rest) = rest.split_first_chunk::<2>()?;
    let version = u16::from_le_bytes(*version);
    if !(OLDEST..=VERSION).contains(&version) {
        return Some(Err(HeadFault::Version(version)));
    }
    let (salt, rest) = rest.get(2..)?.split_first_chunk::<4>()?;
    let number = u32::try_from(u64::from_le_bytes(*rest.first_chunk::<8>()?)).ok()?;
    Some(Ok(Head { number, salt: u32::from_le_bytes(*salt), version }))
}

/// The file name of a segment.
pub(super) fn file_name(number: u32) -> String {
    format!("{number:010}.seg")
}

/// The segment that a file name stands for; `None` for any other file.
pub(super) fn number_of(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".seg")?.parse().ok()?;
    (file_name(number) == name).then_some(number)
}

/// The file name of a segment that is being written anew, before it is put in the place of the old one.
pub(super) fn unfinished_name(number: u32) -> String {
    format!("{}.new", file_name(number))
}

/// Whether a file's name is such a one.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".new").and_then(number_of).is_some()
}

/// What a walk over a segment found besides records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Walk {
    /// Damaged places with good records behind them.
    pub(super) corrupt: u64,
    /// Where the last good record ends.
    pub(super) good_end: usize,
    /// Where all ends that was written. What lies between both is torn; what lies behind it is room that was taken ahead.
    pub(super) end: usize,
}

/// Hands every good record of a segment to `each`, with its offset and length.
pub(super) fn walk<'a>(file: &'a [u8], salt: u32, mut each: impl FnMut(u32, u32, Record<'a>)) -> Walk {
    let written = written_len(file);
    let (mut corrupt, mut good_end) = (0, HEAD_LEN.min(file.len()));
    let mut at = good_end;
    // Damage counts as such only when a good record follows; else it is the torn tail.
    let mut doubtful = 0;
    while at < written {
        match decode_at(file, salt, at) {
            Ok((offset, record, len)) => {
                each(offset, u32::try_from(len).unwrap_or(u32::MAX), record);
                at += len;
                corrupt += std::mem::take(&mut doubtful);
                good_end = at;
            }
            Err(Fault::Body { len }) => {
                doubtful += 1;
                at += len;
            }
            Err(Fault::Header) => {
                doubtful += 1;
                let Some(next) = next_good(file, written, salt, at + 1) else { break };
                at = next;
            }
        }
    }
    Walk { corrupt, good_end, end: written.max(good_end) }
}

/// The length of a file without the zeros at its end: what was not written yet reads as zeros. The last record may end
/// with zeros of its own.
pub(super) fn written_len(file: &[u8]) -> usize {
    file.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn decode_at(file: &[u8], salt: u32, at: usize) -> Result<(u32, Record<'_>, usize), Fault> {
    let offset = u32::try_from(at).map_err(|_| Fault::Header)?;
    let bytes = file.get(at..).ok_or(Fault::Header)?;
    record::decode(bytes, salt, offset).map(|(record, len)| (offset, record, len))
}

fn next_good(file: &[u8], written: usize, salt: u32, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += record::find_marker(file.get(at..written)?)?;
        if decode_at(file, salt, at).is_ok() {
            return Some(at);
        }
        at += 1;
    }
}
