//! The platform's time.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

mod alink;

use alink::*;
use iotcloud::aliyun::dialogue::Output;
use serde_json::json;

#[test]
fn time_is_asked_after_sign_in_and_understood_as_text_and_as_number() {
    for as_text in [true, false] {
        let mut dialogue = quiet();
        dialogue.online(5_000, None, &[]);
        outputs(&mut dialogue);
        dialogue.subscribed(6_000, "/ext/ntp/pk/device/response");
        let sent = published(&outputs(&mut dialogue));
        assert_eq!(sent[0], ("/ext/ntp/pk/device/request".into(), json!({"deviceSendTime": "6000"})));
        let time = |ms: u64| if as_text { json!(ms.to_string()) } else { json!(ms) };
        let (came, went) = (1_700_000_000_000, 1_700_000_000_100);
        let answer = json!({"deviceSendTime": time(6_000), "serverRecvTime": time(came), "serverSendTime": time(went)});
        dialogue.received(6_500, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert_eq!(outputs(&mut dialogue), [Output::Clock { unix_ms: went + 200, round_trip_ms: 500 }]);
        dialogue.received(6_600, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert_eq!(outputs(&mut dialogue), [], "an answer counts once");
    }
}

#[test]
fn impossible_time_is_not_believed() {
    for (came, went) in [(17_u64, 17_u64), (1_700_000_000_100, 1_700_000_000_000), (1_700_000_000_000, u64::MAX)] {
        let mut dialogue = quiet();
        dialogue.online(0, None, &[]);
        dialogue.subscribed(0, "/ext/ntp/pk/device/response");
        outputs(&mut dialogue);
        let answer = json!({"deviceSendTime": "0", "serverRecvTime": came, "serverSendTime": went});
        dialogue.received(1, "/ext/ntp/pk/device/response", answer.to_string().as_bytes());
        assert!(matches!(outputs(&mut dialogue)[..], [Output::Note(_)]), "{came} {went}");
    }
}
