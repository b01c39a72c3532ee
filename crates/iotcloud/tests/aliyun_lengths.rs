//! The dialogue says nothing that is longer than one message may be, and what does not fit is told at once. [dialogue-5]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::{SYS, ask, call_for, carrying, done, log_line, outputs, published, quiet, reply, signed_in, with_logs};
use iotcloud::Secret;
use iotcloud::aliyun::dialogue::{
    Answer, AnswerRefused, DeviceId, Failure, LEAST_PAYLOAD, LogLine, Output, Request, RequestId,
};
use serde_json::json;

/// Everything that was said, in bytes.
fn said(outputs: &[Output]) -> Vec<usize> {
    let len = |output: &Output| match output {
        Output::Publish { payload, .. } => Some(payload.len()),
        _ => None,
    };
    outputs.iter().filter_map(len).collect()
}

#[test]
fn a_request_that_no_message_carries_ends_at_once_and_says_how_long_it_is() {
    let max = LEAST_PAYLOAD;
    for (ticket, params) in [(1, json!({"text": "x".repeat(max)})), (2, json!(["\n".repeat(max / 2)]))] {
        let mut dialogue = signed_in(carrying(max));
        dialogue.request(0, ticket, call_for("thing.deviceinfo.update", params));
        let told = done(&outputs(&mut dialogue));
        let [(of, Err(Failure::TooLong { len, max: bound }))] = &told[..] else { panic!("{told:?}") };
        assert!((*of, *bound) == (ticket, max) && *len > max, "{told:?}");
        dialogue.tick(20_000);
        assert_eq!(done(&outputs(&mut dialogue)), [], "it has ended");
    }
    let mut dialogue = signed_in(carrying(max));
    dialogue.request(0, 3, Request::Shadow(json!({"method": "update", "state": "x".repeat(max)})));
    assert!(matches!(done(&outputs(&mut dialogue))[..], [(3, Err(Failure::TooLong { .. }))]));
}

#[test]
fn the_longest_request_is_sent_and_one_byte_more_is_not() {
    let mut dialogue = signed_in(carrying(LEAST_PAYLOAD));
    let with = |len| call_for("thing.topo.get", json!("x".repeat(len)));
    let (_, short) = ask(&mut dialogue, 1, with(0));
    let room = LEAST_PAYLOAD - short.to_string().len();
    dialogue.request(0, 2, with(room));
    assert_eq!(said(&outputs(&mut dialogue)), [LEAST_PAYLOAD]);
    dialogue.request(0, 3, with(room + 1));
    assert!(matches!(done(&outputs(&mut dialogue))[..], [(3, Err(Failure::TooLong { .. }))]));
}

/// The request that an output makes.
fn made(output: &Output) -> RequestId {
    let Output::Publish { request: Some(request), .. } = output else { panic!("{output:?}") };
    *request
}

#[test]
fn a_request_whose_length_turns_out_not_to_be_taken_ends_at_once_and_no_other_with_it() {
    let mut dialogue = signed_in(quiet());
    let topic = format!("{SYS}/thing/topo/get_reply");
    for ticket in [1, 2] {
        dialogue.request(0, ticket, call_for("thing.topo.get", json!("x")));
    }
    dialogue.subscribed(0, &topic);
    let sent = outputs(&mut dialogue);
    let mut last = sent.iter().rev().map(made);
    let (first, second) = (last.next().unwrap(), last.next().unwrap());
    assert_ne!(first, second);
    let why = || "too long for it".to_owned();
    dialogue.not_taken(first, why());
    assert_eq!(done(&outputs(&mut dialogue)), [(2, Err(Failure::NotTaken(why())))]);
    dialogue.not_taken(first, why());
    assert_eq!(outputs(&mut dialogue), [], "once");
    dialogue.tick(20_000);
    assert_eq!(done(&outputs(&mut dialogue)), [(1, Err(Failure::TimedOut))], "the other waits on");
    dialogue.not_taken(second, why());
    assert_eq!(outputs(&mut dialogue), [], "it has ended");
}

#[test]
fn a_request_that_could_not_be_sent_ends_at_once() {
    let mut dialogue = signed_in(quiet());
    dialogue.request(0, 1, call_for("thing.topo.get", json!({})));
    dialogue.subscribed(0, &format!("{SYS}/thing/topo/get_reply"));
    let sent = outputs(&mut dialogue);
    dialogue.not_sent(made(sent.last().unwrap()), "refused".to_owned());
    let told = outputs(&mut dialogue);
    let [(1, Err(failure))] = &done(&told)[..] else { panic!("{told:?}") };
    assert_eq!(failure.to_string(), "the request was not sent: refused");
    dialogue.tick(20_000);
    assert_eq!(done(&outputs(&mut dialogue)), [], "once");
}

#[test]
fn the_next_of_those_that_go_one_at_a_time_goes_when_one_is_not_taken() {
    let mut dialogue = signed_in(quiet());
    for ticket in [1, 2] {
        dialogue.request(0, ticket, Request::Shadow(json!({"method": "update", "state": ticket})));
    }
    dialogue.subscribed(0, "/shadow/get/pk/device");
    let sent = outputs(&mut dialogue);
    assert_eq!(published(&sent).last().unwrap().1["state"], 1);
    dialogue.not_taken(made(sent.last().unwrap()), String::new());
    let told = outputs(&mut dialogue);
    assert_eq!(published(&told)[0].1["state"], 2, "{told:?}");
    assert!(matches!(done(&told)[..], [(1, Err(Failure::NotTaken(_)))]), "{told:?}");
}

#[test]
fn warnings_that_are_not_taken_go_up_in_shorter_messages() {
    let mut dialogue = with_logs(quiet(), 1);
    let reply_topic = format!("{SYS}/thing/log/post_reply");
    (0..20).for_each(|n| dialogue.log(log_line(&format!("{n} {}", "x".repeat(200)))));
    let mut lengths = Vec::new();
    for _ in 0..2 {
        let now = dialogue.next_deadline().unwrap();
        dialogue.tick(now);
        dialogue.subscribed(now, &reply_topic);
        let sent = outputs(&mut dialogue);
        let post = sent.iter().find(|output| said(std::slice::from_ref(output)).iter().any(|len| *len > 500)).unwrap();
        lengths.extend(said(std::slice::from_ref(post)));
        dialogue.not_taken(made(post), String::new());
    }
    assert!(lengths[0] > LEAST_PAYLOAD && lengths[1] <= LEAST_PAYLOAD, "{lengths:?}");
}

#[test]
fn an_answer_that_no_message_carries_is_refused_and_a_shorter_one_still_goes() {
    let mut dialogue = signed_in(carrying(LEAST_PAYLOAD));
    let asked = json!({"id": 1, "params": {}, "method": "thing.service.x"});
    let heard = reply(&mut dialogue, &format!("{SYS}/thing/service/x"), &asked);
    let [Output::Call(call)] = &heard[..] else { panic!("{heard:?}") };
    let answer = |text: String| Answer::Data { code: 200, data: json!({ "text": text }) };
    let refused = dialogue.answer(&call.id, answer("x".repeat(LEAST_PAYLOAD)));
    assert!(matches!(refused, Err(AnswerRefused::TooLong { max: LEAST_PAYLOAD, .. })), "{refused:?}");
    dialogue.answer(&call.id, answer("short".into())).unwrap();
    assert_eq!(published(&outputs(&mut dialogue))[0].1["data"]["text"], "short");
}

#[test]
fn a_call_whose_id_is_as_long_as_a_message_gets_no_answer_and_a_line_in_the_log() {
    let mut dialogue = signed_in(carrying(LEAST_PAYLOAD));
    let asked = json!({"id": "9".repeat(LEAST_PAYLOAD), "params": {}, "method": "thing.service.x"});
    let heard = reply(&mut dialogue, &format!("{SYS}/thing/service/x"), &asked);
    let [Output::Call(call)] = &heard[..] else { panic!("{heard:?}") };
    dialogue.delivered(&call.id, 0);
    assert!(matches!(&outputs(&mut dialogue)[..], [Output::Note(_)]));
}

#[test]
fn warnings_go_up_in_messages_that_are_carried_however_long_and_odd_they_are() {
    let odd: [&dyn Fn(usize) -> String; 3] =
        [&|n| format!("warning {n}"), &|n| format!("{n} {}", "\u{7}\n".repeat(300)), &|_| "\"\\".repeat(300)];
    for text in odd {
        let mut dialogue = with_logs(carrying(LEAST_PAYLOAD), 1);
        for n in 0..20 {
            dialogue.log(LogLine { module: "\u{0}\"".repeat(50), ..log_line(&text(n)) });
        }
        let (mut now, mut told) = (dialogue.next_deadline().unwrap(), 0);
        while told < 20 {
            dialogue.tick(now);
            dialogue.subscribed(now, &format!("{SYS}/thing/log/post_reply"));
            let out = outputs(&mut dialogue);
            assert!(said(&out).iter().all(|len| *len <= LEAST_PAYLOAD), "{:?}", said(&out));
            let sent = published(&out);
            let (topic, post) = sent.iter().find(|(topic, _)| topic.ends_with("log/post")).expect("a post");
            told += post["params"].as_array().unwrap().len();
            let taken = json!({"id": post["id"], "code": 200}).to_string();
            dialogue.received(now, &format!("{topic}_reply"), taken.as_bytes());
            now += 60_000;
        }
        assert_eq!(told, 20, "each once");
    }
}

/// With the longest names that the platform has.
#[test]
fn what_the_dialogue_says_by_itself_is_shorter_than_any_message() {
    let longest = DeviceId { product_key: "p".repeat(32), device_name: "\u{20000}".repeat(32) };
    for request in [
        Request::Login { device: longest.clone(), secret: Secret::new("s") },
        Request::AddDevice { device: longest.clone(), secret: Secret::new("s") },
        Request::Logout { device: longest.clone() },
    ] {
        let mut dialogue = signed_in(carrying(LEAST_PAYLOAD));
        dialogue.request(0, 1, request);
        for filter in dialogue.filters().into_keys() {
            dialogue.subscribed(0, &filter);
        }
        let out = outputs(&mut dialogue);
        assert!(done(&out).is_empty() && !said(&out).is_empty(), "{out:?}");
    }
    let mut dialogue = carrying(LEAST_PAYLOAD);
    dialogue.online(0, Some(&"1".repeat(64)), &[("m".repeat(64), "2".repeat(64))]);
    assert!(said(&outputs(&mut dialogue)).len() >= 2, "both versions");
}
