//! The byte format of one record. `FORMAT.md` beside this file has it byte for byte.
//!
//! A record's checks cover the segment's salt and the record's own offset, so that neither the remains of an older file
//! nor a record that some program wrote into its payload can be taken for one of ours.

use super::message::{BatchId, KEY_MAX, Message, PAYLOAD_MAX, PRIORITY_MAX, Qos, TOPIC_MAX};
use super::notice::DropReason;

/// Bytes before a record's body.
pub(super) const HEADER_LEN: usize = 12;
/// Bytes of an accept record's body before batch, topic, key and payload.
const ACCEPT_FIXED: usize = 34;
const BATCH_LEN: usize = 4;
/// The longest record, header included.
pub const RECORD_MAX: usize = HEADER_LEN + ACCEPT_FIXED + BATCH_LEN + TOPIC_MAX + KEY_MAX + PAYLOAD_MAX;
/// The most ranges one settle or drop record holds.
pub(super) const RANGES_MAX: usize = 4096;

const _: () = assert!(RECORD_MAX < 1 << 20, "a length must fit the 20 bits that the index has for it");
const _: () = assert!(HEADER_LEN + 1 + RANGES_MAX * 16 < RECORD_MAX, "the ranges must fit a record");

const MARKER: [u8; 2] = [0xA1, 0x7E];
const KIND_ACCEPT: u8 = 1;
const KIND_SETTLE: u8 = 2;
const KIND_DROP: u8 = 3;
const KIND_REMEMBER: u8 = 4;
const KIND_RESERVE: u8 = 5;
const FLAG_EXPIRES: u8 = 1;
const FLAG_KEY: u8 = 2;
const FLAG_BATCH: u8 = 4;

/// As numbers on the disk.
impl DropReason {
    fn code(self) -> u8 {
        match self {
            Self::Ttl => 1,
            Self::RingFull => 2,
            Self::Corrupt => 3,
            Self::Unsendable => 4,
            Self::Full => 5,
            Self::MaxAge => 6,
            Self::Operator => 7,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        use DropReason::{Corrupt, Full, MaxAge, Operator, RingFull, Ttl, Unsendable};
        let all = [Ttl, RingFull, Corrupt, Unsendable, Full, MaxAge, Operator];
        all.into_iter().find(|reason| reason.code() == code)
    }
}

/// Sequence numbers from `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u64,
    pub(super) last: u64,
}

/// A message as it lies in a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Accept<'a> {
    pub(super) seq: u64,
    pub(super) accepted_unix_ms: u64,
    pub(super) expires_unix_ms: Option<u64>,
    pub(super) uid: u32,
    pub(super) priority: u8,
    pub(super) topic: &'a str,
    pub(super) key: Option<&'a str>,
    pub(super) batch: Option<BatchId>,
    pub(super) payload: &'a [u8],
}

impl<'a> Accept<'a> {
    pub(super) fn of(seq: u64, accepted_unix_ms: u64, message: &'a Message) -> Self {
        Self {
            seq,
            accepted_unix_ms,
            expires_unix_ms: message.expires_unix_ms,
            uid: message.uid,
            priority: message.priority,
            topic: &message.topic,
            key: message.key.as_deref(),
            batch: message.batch,
            payload: &message.payload,
        }
    }

    pub(super) fn to_message(self) -> Message {
        Message {
            topic: self.topic.to_owned(),
            payload: bytes::Bytes::copy_from_slice(self.payload),
            qos: Qos::AtLeastOnce,
            priority: self.priority,
            expires_unix_ms: self.expires_unix_ms,
            uid: self.uid,
            key: self.key.map(str::to_owned),
            batch: self.batch,
        }
    }
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record<'a> {
    /// A message was accepted.
    Accept(Accept<'a>),
    /// The cloud acknowledged these.
    Settle(Vec<Range>),
    /// These are given up.
    Drop { reason: DropReason, ranges: Vec<Range> },
    /// This key was settled, and its accept record may be gone.
    Remember { seq: u64, uid: u32, key: &'a str },
    /// Sequence numbers below this one may have been handed out without a record.
    Reserve { ceiling: u64 },
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No record begins here, or its length cannot be trusted.
    Header,
    /// A record of this length, whole, lies here and its content is damaged.
    Body { len: usize },
}

impl Record<'_> {
    /// Its length on the disk, header included.
    pub(super) fn encoded_len(&self) -> usize {
        HEADER_LEN
            + match self {
                Self::Accept(a) => {
                    let batch = a.batch.map_or(0, |_| BATCH_LEN);
                    ACCEPT_FIXED + batch + a.topic.len() + a.key.map_or(0, str::len) + a.payload.len()
                }
                Self::Settle(ranges) => ranges.len() * 16,
                Self::Drop { ranges, .. } => 1 + ranges.len() * 16,
                Self::Remember { key, .. } => 12 + key.len(),
                Self::Reserve { .. } => 8,
            }
    }

    /// Appends it to `out`, sealed for `offset` of the segment with this salt. Lengths were checked by [`Message::check`].
    pub(super) fn encode(&self, salt: u32, offset: u32, out: &mut Vec<u8>) {
        let mut body = Vec::with_capacity(self.encoded_len());
        let kind = self.put_body(&mut body);
        let seal = seal(salt, offset, kind, body.len());
        out.extend_from_slice(&MARKER);
        out.extend_from_slice(&seal.check.to_le_bytes());
        out.extend_from_slice(&seal.kind_and_len);
        out.extend_from_slice(&seal.body_crc(&body).to_le_bytes());
        out.extend_from_slice(&body);
    }

    fn put_body(&self, out: &mut Vec<u8>) -> u8 {
        match self {
            Self::Accept(accept) => {
                put_accept(accept, out);
                KIND_ACCEPT
            }
            Self::Settle(ranges) => {
                put_ranges(ranges, out);
                KIND_SETTLE
            }
            Self::Drop { reason, ranges } => {
                out.push(reason.code());
                put_ranges(ranges, out);
                KIND_DROP
            }
            Self::Remember { seq, uid, key } => {
                out.extend_from_slice(&seq.to_le_bytes());
                out.extend_from_slice(&uid.to_le_bytes());
                out.extend_from_slice(key.as_bytes());
                KIND_REMEMBER
            }
            Self::Reserve { ceiling } => {
                out.extend_from_slice(&ceiling.to_le_bytes());
                KIND_RESERVE
            }
        }
    }
}

fn put_accept(accept: &Accept<'_>, out: &mut Vec<u8>) {
    let key = accept.key.unwrap_or_default();
    let flags = if accept.expires_unix_ms.is_some() { FLAG_EXPIRES } else { 0 }
        | if accept.key.is_some() { FLAG_KEY } else { 0 }
        | if accept.batch.is_some() { FLAG_BATCH } else { 0 };
    out.extend_from_slice(&accept.seq.to_le_bytes());
    out.extend_from_slice(&accept.accepted_unix_ms.to_le_bytes());
    out.extend_from_slice(&accept.expires_unix_ms.unwrap_or(0).to_le_bytes());
    out.extend_from_slice(&accept.uid.to_le_bytes());
    out.push(accept.priority);
    out.push(flags);
    out.extend_from_slice(&length16(accept.topic).to_le_bytes());
    out.extend_from_slice(&length16(key).to_le_bytes());
    out.extend(accept.batch.iter().flat_map(|BatchId(id)| id.to_le_bytes()));
    out.extend_from_slice(accept.topic.as_bytes());
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(accept.payload);
}

fn length16(text: &str) -> u16 {
    u16::try_from(text.len()).unwrap_or(u16::MAX)
}

fn put_ranges(ranges: &[Range], out: &mut Vec<u8>) {
    for range in ranges {
        out.extend_from_slice(&range.first.to_le_bytes());
        out.extend_from_slice(&range.last.to_le_bytes());
    }
}

struct Seal {
    kind_and_len: [u8; 4],
    check: u16,
    hasher: crc32fast::Hasher,
}

impl Seal {
    fn body_crc(self, body: &[u8]) -> u32 {
        let mut hasher = self.hasher;
        hasher.update(body);
        hasher.finalize()
    }
}

fn seal(salt: u32, offset: u32, kind: u8, len: usize) -> Seal {
    let [a, b, c, _] = u32::try_from(len).unwrap_or(u32::MAX).to_le_bytes();
    let kind_and_len = [kind, a, b, c];
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&salt.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(&kind_and_len);
    let [low, high, ..] = hasher.clone().finalize().to_le_bytes();
    Seal { kind_and_len, check: u16::from_le_bytes([low, high]), hasher }
}

/// Reads the record at the start of `bytes`, which lies at `offset` of the segment with this salt.
///
/// # Errors
/// [`Fault`] says whether the record's length can be trusted.
pub(super) fn decode(bytes: &[u8], salt: u32, offset: u32) -> Result<(Record<'_>, usize), Fault> {
    let (header, rest) = bytes.split_first_chunk::<HEADER_LEN>().ok_or(Fault::Header)?;
    let [m0, m1, c0, c1, kind, l0, l1, l2, crc @ ..] = *header;
    let body_len = u32::from_le_bytes([l0, l1, l2, 0]) as usize;
    let seal = seal(salt, offset, kind, body_len);
    if [m0, m1] != MARKER || u16::from_le_bytes([c0, c1]) != seal.check {
        return Err(Fault::Header);
    }
    let body = rest.get(..body_len).ok_or(Fault::Header)?;
    let len = HEADER_LEN + body_len;
    if seal.body_crc(body) != u32::from_le_bytes(crc) {
        return Err(Fault::Body { len });
    }
    body_of(kind, body).map(|record| (record, len)).ok_or(Fault::Body { len })
}

/// Where in `bytes` the next record might begin.
pub(super) fn find_marker(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARKER.len()).position(|window| window == MARKER)
}

fn body_of(kind: u8, mut body: &[u8]) -> Option<Record<'_>> {
    match kind {
        KIND_ACCEPT => accept_of(body).map(Record::Accept),
        KIND_SETTLE => ranges_of(body).map(Record::Settle),
        KIND_DROP => {
            let reason = DropReason::from_code(u8::from_le_bytes(take(&mut body)?))?;
            Some(Record::Drop { reason, ranges: ranges_of(body)? })
        }
        KIND_REMEMBER => {
            let seq = u64::from_le_bytes(take(&mut body)?);
            let uid = u32::from_le_bytes(take(&mut body)?);
            Some(Record::Remember { seq, uid, key: std::str::from_utf8(body).ok()? })
        }
        KIND_RESERVE => {
            let ceiling = u64::from_le_bytes(take(&mut body)?);
            body.is_empty().then_some(Record::Reserve { ceiling })
        }
        _ => None,
    }
}

fn accept_of(mut body: &[u8]) -> Option<Accept<'_>> {
    let seq = u64::from_le_bytes(take(&mut body)?);
    let accepted_unix_ms = u64::from_le_bytes(take(&mut body)?);
    let expires = u64::from_le_bytes(take(&mut body)?);
    let uid = u32::from_le_bytes(take(&mut body)?);
    let [priority, flags] = take(&mut body)?;
    let topic_len = usize::from(u16::from_le_bytes(take(&mut body)?));
    let key_len = usize::from(u16::from_le_bytes(take(&mut body)?));
    let batch = if flags & FLAG_BATCH == 0 { None } else { Some(BatchId(u32::from_le_bytes(take(&mut body)?))) };
    let (topic, rest) = body.split_at_checked(topic_len)?;
    let (key, payload) = rest.split_at_checked(key_len)?;
    let key = std::str::from_utf8(key).ok()?;
    (priority <= PRIORITY_MAX).then_some(Accept {
        seq,
        accepted_unix_ms,
        expires_unix_ms: (flags & FLAG_EXPIRES != 0).then_some(expires),
        uid,
        priority,
        topic: std::str::from_utf8(topic).ok()?,
        key: (flags & FLAG_KEY != 0).then_some(key),
        batch,
        payload,
    })
}

fn ranges_of(body: &[u8]) -> Option<Vec<Range>> {
    let (ranges, rest) = body.as_chunks::<16>();
    rest.is_empty().then(|| ranges.iter().filter_map(|bytes| range_of(bytes)).collect())
}

fn range_of(mut bytes: &[u8]) -> Option<Range> {
    let first = u64::from_le_bytes(take(&mut bytes)?);
    let last = u64::from_le_bytes(take(&mut bytes)?);
    Some(Range { first, last })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (head, rest) = bytes.split_first_chunk::<N>()?;
    *bytes = rest;
    Some(*head)
}
