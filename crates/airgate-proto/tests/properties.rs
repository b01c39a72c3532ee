//! What holds for every input.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

use airgate_proto::topic::{matches, validate_filter, validate_name};
use airgate_proto::{
    Answer, Ask, Device, DeviceSecret, Id, LineBuffer, Op, Priority, Publish, Qos, Request, Use, parse_line,
    parse_server_line,
};
use proptest::prelude::*;
use std::num::NonZeroU32;

fn id() -> impl Strategy<Value = Id> {
    prop_oneof![any::<u64>().prop_map(Id::from), "\\PC{0,20}".prop_map(|s| Id::try_from(s.as_str()).unwrap())]
}

fn publish() -> impl Strategy<Value = Op> {
    (
        "[^\\pC+#]{1,40}",
        any::<Vec<u8>>(),
        0u8..=1,
        0u8..=9,
        any::<u32>(),
        any::<bool>(),
        proptest::option::of("\\PC{1,30}"),
    )
        .prop_map(|(topic, payload, qos, level, ttl, confirm, key)| {
            Op::Publish(Publish {
                topic,
                payload,
                qos: Qos::try_from(qos).unwrap(),
                priority: Priority::new(level).unwrap(),
                ttl_s: NonZeroU32::new(ttl),
                confirm,
                key,
            })
        })
}

fn ask() -> impl Strategy<Value = Ask> {
    let device = || {
        ("[a-zA-Z0-9]{1,11}", "[^\\pC/+#$]{1,10}")
            .prop_map(|(product_key, device_name)| Device { product_key, device_name })
    };
    let secret = || "\\PC{1,64}".prop_map(DeviceSecret);
    prop_oneof![
        ("thing[.][a-z.]{1,20}", "\\PC{0,20}", proptest::option::of(device()), proptest::option::of(1u32..=120))
            .prop_map(|(method, text, device, timeout_s)| Ask::Call {
                method,
                params: serde_json::json!({"text": text}),
                device,
                timeout_s
            }),
        (device(), secret()).prop_map(|(device, secret)| Ask::DeviceAdd(device, secret)),
        (device(), secret()).prop_map(|(device, secret)| Ask::DeviceLogin(device, secret)),
        device().prop_map(Ask::DeviceLogout),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let durable = || proptest::option::of("[a-zA-Z0-9._-]{1,64}");
    prop_oneof![
        publish(),
        ("[^\\pC+#]{1,40}/[+#]", durable()).prop_map(|(filter, durable)| Op::Subscribe { filter, durable }),
        ("[^\\pC+#]{1,40}", durable()).prop_map(|(filter, durable)| Op::Unsubscribe { filter, durable }),
        Just(Op::Status),
        Just(Op::Ping),
        "AT\\PC{0,50}".prop_map(|command| Op::At { command }),
        Just(Op::Time),
        "[a-z]{1,9}(/[a-z]{1,9})?".prop_map(|topic| Op::May(Use::Publish(topic))),
        "[a-z]{1,9}(/#)?".prop_map(|filter| Op::May(Use::Subscribe(filter))),
        ask().prop_map(Op::Ask),
        ("[0-9]{1,9}", any::<Vec<u8>>()).prop_map(|(call, bytes)| Op::Answer { call, answer: Answer::Payload(bytes) }),
        ("[0-9]{1,9}", 0u32..=110_000).prop_map(|(call, code)| Op::Answer {
            call,
            answer: Answer::Data { code, data: serde_json::json!({"code": code}) }
        }),
    ]
}

/// All lines of a stream given in chunks, the unfinished one included.
fn lines<'a>(limit: usize, chunks: impl Iterator<Item = &'a [u8]>) -> Vec<Result<Vec<u8>, airgate_proto::LineTooLong>> {
    let mut buffer = LineBuffer::new(limit);
    let mut out = Vec::new();
    for mut chunk in chunks {
        while let Some(line) = buffer.take_from(&mut chunk) {
            out.push(line);
        }
        assert!(buffer.held() <= limit + 1);
    }
    out.extend(buffer.finish());
    out
}

proptest! {
    #[test]
    fn request_comes_back_as_it_went(id in id(), op in op()) {
        let request = Request { id, op };
        let line = request.to_line();
        prop_assert_eq!(line.iter().filter(|b| **b == b'\n').count(), 1);
        prop_assert_eq!(parse_line(&line), Ok(request));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in any::<Vec<u8>>()) {
        let _ = parse_line(&bytes);
        let _ = parse_server_line(&bytes);
    }

    #[test]
    fn damaged_requests_are_read_or_refused(op in op(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut line = Request { id: Id::from(1), op }.to_line();
        let at = at.index(line.len());
        line[at] = byte;
        if let Err(refusal) = parse_line(&line) {
            prop_assert!(!refusal.message.is_empty() && !refusal.hint.is_empty());
        }
    }

    #[test]
    fn chunking_does_not_change_the_lines(
        stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..200),
        size in 1usize..50,
        limit in 1usize..20,
    ) {
        prop_assert_eq!(lines(limit, stream.chunks(size)), lines(limit, std::iter::once(stream.as_slice())));
    }

    #[test]
    fn short_lines_all_arrive(wanted in proptest::collection::vec("[a-z]{1,10}", 0..20)) {
        let stream: String = wanted.iter().map(|line| format!("{line}\r\n\n")).collect();
        let got: Vec<_> = lines(10, stream.as_bytes().chunks(3)).into_iter().map(|l| String::from_utf8(l.unwrap()).unwrap()).collect();
        prop_assert_eq!(got, wanted);
    }

    #[test]
    fn a_topic_matches_itself_and_the_filters_above_it(levels in proptest::collection::vec("[a-z]{0,3}", 1..6)) {
        let topic = levels.join("/");
        prop_assume!(validate_name(&topic).is_ok());
        prop_assert!(matches(&topic, &topic) && matches("#", &topic));
        for cut in 0..levels.len() {
            let mut filter = levels.clone();
            filter[cut] = "+".into();
            prop_assert!(validate_filter(&filter.join("/")).is_ok() && matches(&filter.join("/"), &topic));
            let above = [&levels[..cut], &["#".to_owned()]].concat().join("/");
            prop_assert!(validate_filter(&above).is_ok() && matches(&above, &topic));
        }
    }
}

#[test]
fn over_long_line_is_reported_once_and_the_next_is_read() {
    let limit = 4;
    let too_long = || Err(airgate_proto::LineTooLong { limit });
    let stream: &[u8] = b"12345\n1234\r\n123456789\nok\n";
    assert_eq!(lines(limit, stream.chunks(1)), [too_long(), Ok(b"1234".to_vec()), too_long(), Ok(b"ok".to_vec())]);
}

#[test]
fn line_without_end_counts_when_the_stream_ends() {
    assert_eq!(lines(9, [b"a\nb".as_slice()].into_iter()), [Ok(b"a".to_vec()), Ok(b"b".to_vec())]);
}
