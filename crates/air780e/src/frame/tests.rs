//! What the line may do to the framer, and what it must make of it.

use super::*;
use proptest::prelude::*;

fn frames(framer: &mut Framer, bytes: &[u8]) -> Vec<Frame> {
    framer.push(bytes);
    std::iter::from_fn(|| framer.next_frame()).collect()
}

fn all(bytes: &[u8]) -> Vec<Frame> {
    frames(&mut Framer::default(), bytes)
}

fn line(text: &'static str) -> Frame {
    Frame::Line(Bytes::from_static(text.as_bytes()))
}

fn message(topic: &str, payload: &[u8]) -> Frame {
    Frame::Message(Message { topic: topic.into(), payload: Bytes::copy_from_slice(payload) })
}

/// Everything that would mislead a parser of lines.
pub(crate) fn nasty_payload(len: usize) -> Vec<u8> {
    let seed =
        b"\r\nOK\r\n\r\nERROR\r\n> +MSUB: \"x\",3 byte,abc\r\n\"quotes\" \\22 \x00\xff,\r\n+CME ERROR: 3\r\nCLOSED\r\n";
    seed.iter().copied().cycle().take(len).collect()
}

fn msub(topic: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("\r\n+MSUB: \"{topic}\",{} byte,", payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
    out
}

#[test]
fn an_answer_with_echo_and_blank_lines_is_three_lines() {
    assert_eq!(all(b"AT+CREG?\r\n\r\n+CREG: 0,1\r\n\r\nOK\r\n"), [line("AT+CREG?"), line("+CREG: 0,1"), line("OK")]);
}

#[test]
fn an_echo_that_ends_in_a_bare_cr_is_a_line() {
    assert_eq!(all(b"AT\r\r\nOK\r\n"), [line("AT"), line("OK")]);
}

#[test]
fn the_rom_banner_has_no_line_end_of_its_own() {
    assert_eq!(all(b"^boot.rom'v\x01'!\\n\r\nRDY\r\n"), [line("^boot.rom'v\u{1}'!\\n"), line("RDY")]);
}

#[test]
fn payload_that_looks_like_answers_stays_payload() {
    let payload = nasty_payload(4000);
    let mut bytes = msub("a/b", &payload);
    bytes.extend_from_slice(b"\r\nOK\r\n");
    assert_eq!(all(&bytes), [message("a/b", &payload), line("OK")]);
}

#[test]
fn an_empty_payload_is_a_message() {
    assert_eq!(all(b"\r\n+MSUB: \"t\",0 byte,\r\n"), [message("t", b"")]);
}

#[test]
fn cache_mode_prints_topics_without_quotes_and_without_blank() {
    assert_eq!(
        all(b"\r\n+MSUB:mqtt/sub_topic,6 byte,123456\r\n\r\nOK\r\n"),
        [message("mqtt/sub_topic", b"123456"), line("OK")]
    );
}

#[test]
fn a_cache_notice_is_a_line() {
    assert_eq!(all(b"\r\n+MSUB: 3\r\n"), [line("+MSUB: 3")]);
}

#[test]
fn a_topic_may_hold_commas_and_quotes() {
    assert_eq!(all(b"+MSUB: \"a,\"b\",c\",2 byte,hi\r\n"), [message("a,\"b\",c", b"hi")]);
}

#[test]
fn hex_mode_counts_bytes_but_prints_digits() {
    assert_eq!(all(b"+MSUB: \"v\",14 byte,7B22636D64223A2022313233227D\r\n"), [message("v", b"{\"cmd\": \"123\"}")]);
}

#[test]
fn text_of_hex_digits_in_plain_mode_is_not_decoded() {
    assert_eq!(all(b"+MSUB: \"v\",4 byte,1234\r\n"), [message("v", b"1234")]);
}

#[test]
fn a_prompt_counts_only_while_it_is_expected() {
    let mut framer = Framer::default();
    assert_eq!(frames(&mut framer, b"\r\n> text\r\n"), [line("> text")]);
    framer.allow_prompt();
    assert_eq!(frames(&mut framer, b"\r\n>"), [Frame::Prompt]);
    assert_eq!(frames(&mut framer, b" "), []);
    assert_eq!(frames(&mut framer, b"\r\nOK\r\n"), [line("OK")]);
}

#[test]
fn a_urc_before_the_prompt_is_not_lost() {
    let mut framer = Framer::default();
    framer.allow_prompt();
    assert_eq!(frames(&mut framer, b"\r\nPUBACK\r\n\r\n>"), [line("PUBACK"), Frame::Prompt]);
}

#[test]
fn a_greater_than_inside_a_line_is_no_prompt() {
    let mut framer = Framer::default();
    framer.allow_prompt();
    assert_eq!(frames(&mut framer, b"a>"), []);
    assert_eq!(frames(&mut framer, b"b\r\n"), [line("a>b")]);
}

#[test]
fn lost_bytes_of_a_payload_break_one_frame_and_no_more() {
    let frames = all(b"\r\n+MSUB: \"t\",11 byte,12345678\r\n\r\nOK\r\n\r\nPUBACK\r\n");
    assert_eq!(frames, [Frame::Broken(Broken::Length), line("OK"), line("PUBACK")]);
}

#[test]
fn a_damaged_payload_is_not_read_as_answers() {
    let payload = nasty_payload(400);
    let mut bytes = b"\r\n+MSUB: \"t\",390 byte,".to_vec();
    bytes.extend_from_slice(&payload[10..]);
    bytes.extend_from_slice(b"xx\r\n\r\nPUBACK\r\n");
    assert_eq!(all(&bytes), [Frame::Broken(Broken::Length), line("PUBACK")]);
}

#[test]
fn a_block_that_stalls_is_dropped_without_reading_it_as_lines() {
    let mut framer = Framer::default();
    assert_eq!(frames(&mut framer, b"+MSUB: \"t\",50 byte,12\r\nOK\r\n"), []);
    assert_eq!(framer.block_missing(), Some(44));
    assert_eq!(framer.give_up_block(), Some(Frame::Broken(Broken::Stalled)));
    assert_eq!(frames(&mut framer, b"\r\nRDY\r\n"), [line("RDY")]);
}

#[test]
fn an_absurd_length_is_a_damaged_line() {
    assert_eq!(all(b"+MSUB: \"t\",99999 byte,x\r\n"), [line("+MSUB: \"t\",99999 byte,x")]);
}

#[test]
fn a_topic_that_is_not_utf8_breaks_one_frame() {
    assert_eq!(all(b"+MSUB: \"\xff\",1 byte,x\r\nOK\r\n"), [Frame::Broken(Broken::Topic), line("OK")]);
}

#[test]
fn a_line_without_end_is_bounded() {
    let mut framer = Framer::default();
    let mut broken = 0;
    for _ in 0..1000 {
        broken += frames(&mut framer, &[b'x'; 100]).len();
        assert!(framer.buf.len() <= MAX_LINE + 100);
    }
    assert_eq!(broken, 1);
    assert_eq!(frames(&mut framer, b"\r\nOK\r\n"), [line("OK")]);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        Just(b"\r\nOK\r\n".to_vec()),
        Just(b"\r\n+CSQ: 25,0\r\n".to_vec()),
        Just(b"^boot.rom'v\x02'!\\n\r\nRDY\r\n".to_vec()),
        (0usize..5000).prop_map(|n| msub("/pk/dn/user/get", &nasty_payload(n))),
        proptest::collection::vec(any::<u8>(), 0..300).prop_map(|p| msub("t", &p)),
    ];
    proptest::collection::vec(part, 1..8).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_frames(bytes in stream(), cuts in proptest::collection::vec(1usize..700, 1..50)) {
        let whole = all(&bytes);
        let mut framer = Framer::default();
        let mut pieces = Vec::new();
        let (mut rest, mut cuts) = (&bytes[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, tail) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
            pieces.extend(frames(&mut framer, piece));
            rest = tail;
        }
        prop_assert_eq!(pieces, whole);
    }

    #[test]
    fn no_bytes_panic_or_grow_without_bound(bytes in proptest::collection::vec(any::<u8>(), 0..4000), prompt in any::<bool>()) {
        let mut framer = Framer::default();
        if prompt { framer.allow_prompt(); }
        for chunk in bytes.chunks(7) { frames(&mut framer, chunk); }
        prop_assert!(framer.buf.len() <= 2 * MAX_PAYLOAD + 2 + MAX_HEADER);
    }
}

#[test]
fn four_thousand_nasty_bytes_survive_every_single_cut() {
    let payload = nasty_payload(4000);
    let bytes = msub("/pk/dn/user/get", &payload);
    for cut in 0..bytes.len() {
        let mut framer = Framer::default();
        let mut found = frames(&mut framer, &bytes[..cut]);
        found.extend(frames(&mut framer, &bytes[cut..]));
        assert_eq!(found, [message("/pk/dn/user/get", &payload)], "cut at {cut}");
    }
}

fn block(block: Block, bytes: &[u8]) -> Frame {
    Frame::Block(block, Bytes::copy_from_slice(bytes))
}

#[test]
fn a_body_that_looks_like_answers_stays_a_body() {
    let body = nasty_payload(3072);
    for (blank, gap) in [(" ", ""), ("", ""), (" ", "\r\n")] {
        let mut bytes = format!("\r\n+HTTPREAD:{blank}3072\r\n").into_bytes();
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(gap.as_bytes());
        bytes.extend_from_slice(b"\r\nOK\r\n");
        assert_eq!(all(&bytes), [block(Block::HttpBody, &body), line("OK")]);
    }
}

#[test]
fn an_empty_body_is_a_block() {
    assert_eq!(all(b"\r\n+HTTPREAD: 0\r\n\r\nOK\r\n"), [block(Block::HttpBody, b""), line("OK")]);
}

#[test]
fn a_body_with_lost_bytes_is_broken_and_nothing_of_it_is_read_as_a_line() {
    let bytes = b"\r\n+HTTPREAD: 10\r\n12345\r\nOK\r\n\r\nRDY\r\n";
    assert_eq!(all(bytes), [Frame::Broken(Broken::Length), line("RDY")]);
}

#[test]
fn a_length_that_nobody_can_mean_is_a_line() {
    assert_eq!(all(b"\r\n+HTTPREAD: 99999999\r\n"), [line("+HTTPREAD: 99999999")]);
    assert_eq!(all(b"\r\n+HTTPREAD: -1\r\n"), [line("+HTTPREAD: -1")]);
}

#[test]
fn download_is_a_prompt_only_while_one_is_awaited() {
    let mut framer = Framer::default();
    assert_eq!(frames(&mut framer, b"\r\nDOWNLOAD\r\n"), [line("DOWNLOAD")]);
    framer.allow_prompt();
    assert_eq!(frames(&mut framer, b"\r\nDOWNLOAD\r\n\r\nDOWNLOAD\r\n"), [Frame::Prompt, line("DOWNLOAD")]);
}

proptest! {
    #[test]
    fn blocks_survive_any_chunking(body in proptest::collection::vec(any::<u8>(), 0..600), size in 1_usize..40) {
        let mut bytes = format!("\r\n+HTTPHEAD: {}\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(b"\r\nOK\r\n");
        let mut framer = Framer::default();
        let found: Vec<_> = bytes.chunks(size).flat_map(|piece| frames(&mut framer, piece)).collect();
        prop_assert_eq!(found, [block(Block::HttpHead, &body), line("OK")]);
    }
}
