//! The byte format.

use proptest::prelude::*;

use super::message;
use crate::outbox::BatchId;
use crate::outbox::record::{Accept, Record, decode};
use crate::outbox::segment::{Head, walk};

proptest! {
    #[test]
    fn decode_of_arbitrary_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), salt: u32) {
        let _ = decode(&bytes, salt, 0);
        let _ = Head::decode(&bytes);
        let found = walk(&bytes, salt, |_, _, _| {});
        prop_assert!(found.good_end <= bytes.len());
    }

    #[test]
    fn accept_record_round_trips(text in ".{0,80}", seq: u64, at: u64, salt: u32, offset: u32, key in proptest::option::of("k.{0,20}"), batch: Option<u32>) {
        let mut message = message(&text);
        message.key = key;
        message.batch = batch.map(BatchId);
        message.expires_unix_ms = Some(at);
        let record = Record::Accept(Accept::of(seq, at, &message));
        let mut bytes = Vec::new();
        record.encode(salt, offset, &mut bytes);
        prop_assert_eq!(bytes.len(), record.encoded_len());
        let len = bytes.len();
        prop_assert_eq!(decode(&bytes, salt, offset), Ok((record, len)));
        prop_assert!(decode(&bytes, salt, offset ^ 1).is_err(), "a record is good in its own place only");
    }
}
