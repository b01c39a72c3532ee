//! Many payloads as one: a JSON array, or lines.

use crate::config::{Batch, BatchForm};
use bytes::Bytes;

/// By how much what cannot be compressed may grow: a stored block has a header of 5 bytes for each 65,535.
/// Source: RFC 1951, section 3.2.4.
const DEFLATE_GROWS: usize = 16;
/// How hard the compressor tries, 1 to 10: more gains little on texts this short.
const LEVEL: u8 = 8;

/// What a batch may hold before it is compressed, in bytes, on a way up that carries payloads of `max_payload`.
pub(super) fn most(batch: &Batch, max_payload: usize) -> usize {
    let carried = if batch.deflate { max_payload.saturating_sub(DEFLATE_GROWS) } else { max_payload };
    batch.max_bytes.min(carried)
}

/// Bytes of so many payloads, `sum` bytes together, once they are joined.
pub(super) fn joined_len(form: BatchForm, count: usize, sum: usize) -> usize {
    let around = match form {
        BatchForm::JsonArray => 2,
        BatchForm::Lines => 0,
    };
    around + sum + count.saturating_sub(1)
}

/// Bytes of a batch with nothing in it but one payload of `len` bytes, or fewer where it is compressed.
pub fn alone_len(batch: &Batch, len: usize) -> usize {
    joined_len(batch.form, 1, len) + if batch.deflate { DEFLATE_GROWS } else { 0 }
}

/// Whether a message can be part of such a batch, whatever its length.
///
/// # Errors
/// What is wrong with it, for who published it.
pub fn fits(batch: &Batch, payload: &[u8]) -> Result<(), &'static str> {
    match batch.form {
        BatchForm::JsonArray if serde_json::from_slice::<serde::de::IgnoredAny>(payload).is_err() => {
            Err("its route joins messages into a JSON array, and the payload is no JSON")
        }
        BatchForm::Lines if payload.contains(&b'\n') => {
            Err("its route joins messages line by line, and the payload has several lines")
        }
        _ => Ok(()),
    }
}

/// The payload that carries them all.
pub(super) fn join<'p>(batch: &Batch, payloads: impl Iterator<Item = &'p Bytes>) -> Bytes {
    let (open, between, close): (&[u8], u8, &[u8]) = match batch.form {
        BatchForm::JsonArray => (b"[", b',', b"]"),
        BatchForm::Lines => (b"", b'\n', b""),
    };
    let mut joined = open.to_vec();
    for (at, payload) in payloads.enumerate() {
        if at > 0 {
            joined.push(between);
        }
        joined.extend_from_slice(payload);
    }
    joined.extend_from_slice(close);
    if batch.deflate { miniz_oxide::deflate::compress_to_vec(&joined, LEVEL).into() } else { joined.into() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn batch(form: BatchForm, deflate: bool) -> Batch {
        Batch { form, deflate, ..Batch::default() }
    }

    fn inflated(batch: &Batch, payload: &[u8]) -> Vec<u8> {
        if batch.deflate { miniz_oxide::inflate::decompress_to_vec(payload).unwrap() } else { payload.to_vec() }
    }

    #[test]
    fn what_is_no_json_or_breaks_the_lines_is_refused_before_it_spoils_a_batch() {
        let array = batch(BatchForm::JsonArray, false);
        for (payload, good) in
            [("21.5", true), (" {\"t\":1} ", true), ("on", false), ("1,2", false), ("", false), ("[1", false)]
        {
            assert_eq!(fits(&array, payload.as_bytes()).is_ok(), good, "{payload}");
        }
        let lines = batch(BatchForm::Lines, false);
        for (payload, good) in [("on", true), ("", true), ("a\nb", false), ("a\n", false)] {
            assert_eq!(fits(&lines, payload.as_bytes()).is_ok(), good, "{payload}");
        }
    }

    #[test]
    fn the_longest_message_that_is_taken_is_carried_also_where_nothing_in_it_can_be_compressed() {
        for (form, deflate) in [(BatchForm::JsonArray, false), (BatchForm::Lines, true)] {
            let batch = batch(form, deflate);
            // Nothing that a compressor could shorten.
            let mut state = 1u32;
            let noise = |_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'0' + (state >> 24) as u8 % 9 + 1
            };
            let mut payload: Vec<u8> = (0..100).map(noise).collect();
            while alone_len(&batch, payload.len()) > 100 {
                payload.pop();
            }
            assert!(join(&batch, std::iter::once(&Bytes::from(payload.clone()))).len() <= 100);
            assert!(payload.len() > 80, "{}", payload.len());
        }
    }

    proptest! {
        #[test]
        fn a_batch_comes_apart_into_what_went_in(numbers in proptest::collection::vec(any::<i32>(), 1..40), deflate: bool) {
            let payloads: Vec<Bytes> = numbers.iter().map(|n| n.to_string().into()).collect();
            let sum = payloads.iter().map(Bytes::len).sum();
            let array = batch(BatchForm::JsonArray, deflate);
            let joined = inflated(&array, &join(&array, payloads.iter()));
            prop_assert_eq!(joined.len(), joined_len(array.form, payloads.len(), sum));
            prop_assert_eq!(serde_json::from_slice::<Vec<i32>>(&joined).unwrap(), numbers);
            let lines = batch(BatchForm::Lines, deflate);
            let joined = inflated(&lines, &join(&lines, payloads.iter()));
            prop_assert_eq!(joined.len(), joined_len(lines.form, payloads.len(), sum));
            let parts: Vec<&[u8]> = joined.split(|byte| *byte == b'\n').collect();
            prop_assert!(parts.into_iter().eq(payloads.iter().map(|payload| payload.as_ref())));
        }
    }
}
