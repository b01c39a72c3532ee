//! The client against a daemon that says what the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use airgate_client::{Client, Code, EVENT_QUEUE, Error, Event, Events, Publish};
use airgate_proto::{Done, Hello, Link, LinkState, Op, Refusal, Reply, Request, parse_line};
use serde_json::{Map, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// The daemon's end of one connection.
struct Peer(BufReader<UnixStream>);

impl Peer {
    async fn say(&mut self, line: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(line.as_ref()).await.unwrap();
    }

    async fn hear(&mut self) -> Request {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        parse_line(line.as_bytes()).unwrap()
    }

    async fn accept(&mut self, request: Request, seq: u64) {
        self.say(Reply::Ok(Done { seq: Some(seq), ..Done::new(request.id) }).to_line()).await;
    }
}

fn hello() -> Vec<u8> {
    let (daemon, link) = ("airgate 0.1.0".into(), LinkState::Online);
    Event::Hello(Hello { version: 1, daemon, device: None, link }).to_line()
}

async fn meet(first: impl AsRef<[u8]>) -> (Result<(Client, Events), Error>, Peer) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        let mut peer = Peer(BufReader::new(listener.accept().await.unwrap().0));
        peer.say(first).await;
        peer
    };
    tokio::join!(Client::connect(&path), serve)
}

async fn connected() -> (Client, Events, Peer) {
    let (met, peer) = meet(hello()).await;
    let (client, events) = met.unwrap();
    (client, events, peer)
}

#[tokio::test]
async fn absent_daemon_is_told_with_its_path_and_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("none");
    let error = Client::connect(&path).await.expect_err("nobody listens");
    assert!(matches!(&error, Error::NoDaemon { path: tried, .. } if *tried == path));
    assert!(error.to_string().contains("systemctl start airgate"), "{error}");
    drop(UnixListener::bind(&path).unwrap());
    assert!(Client::connect(&path).await.expect_err("left over").to_string().contains("left over"));
}

#[tokio::test]
async fn hello_is_read_first() {
    let (client, _events, _peer) = connected().await;
    assert_eq!((client.hello().daemon.as_str(), client.hello().version), ("airgate 0.1.0", 1));
}

#[tokio::test]
async fn refusal_instead_of_hello_is_told() {
    let refusal = Reply::Refused(Refusal::new(None, Code::TooManyClients, "full", "close one"));
    let (met, _peer) = meet(refusal.to_line()).await;
    assert!(matches!(met, Err(Error::Refused { code: Code::TooManyClients, .. })));
}

#[tokio::test]
async fn stranger_behind_the_socket_is_told() {
    for first in ["220 mail.example ESMTP\r\n", "{\"event\":\"sent\",\"seq\":1}\n"] {
        assert!(matches!(meet(first).await.0, Err(Error::Protocol(_))));
    }
}

#[tokio::test(start_paused = true)]
async fn daemon_that_says_nothing_is_given_up() {
    assert!(matches!(meet("").await.0, Err(Error::Protocol(_))));
}

#[tokio::test]
async fn every_operation_gets_its_answer() {
    let (client, _events, mut peer) = connected().await;
    let serve = async {
        for expected in ["publish", "subscribe", "unsubscribe", "status", "at", "ping"] {
            let Request { id, op } = peer.hear().await;
            assert_eq!(op.name(), expected);
            let mut done = Done::new(id);
            match op {
                Op::Publish(_) => (done.seq, done.duplicate) = (Some(7), true),
                Op::Status => done.status = Some(json!({"link": "online"})),
                Op::At { .. } => done.lines = Some(vec!["+CSQ: 20,0".into(), "OK".into()]),
                _ => {}
            }
            peer.say(Reply::Ok(done).to_line()).await;
        }
    };
    let ask = async {
        let accepted = client.publish(Publish::new("a", [0xff])).await.unwrap();
        assert_eq!((accepted.seq, accepted.duplicate), (7, true));
        client.subscribe("a/#").await.unwrap();
        client.unsubscribe("a/#").await.unwrap();
        assert_eq!(client.status().await.unwrap(), json!({"link": "online"}));
        assert_eq!(client.at("AT+CSQ").await.unwrap(), ["+CSQ: 20,0", "OK"]);
        client.ping().await.unwrap();
    };
    tokio::join!(ask, serve);
}

#[tokio::test]
async fn pipelined_requests_are_paired_whatever_the_order_of_answers() {
    let (client, _events, mut peer) = connected().await;
    let other = client.clone();
    let serve = async {
        let (first, second) = (peer.hear().await, peer.hear().await);
        for request in [second, first] {
            let Op::Publish(publish) = &request.op else { panic!() };
            let seq = if publish.topic == "one" { 1 } else { 2 };
            peer.accept(request, seq).await;
        }
    };
    let (one, two, ()) =
        tokio::join!(client.publish(Publish::new("one", "")), other.publish(Publish::new("two", "")), serve);
    assert_eq!((one.unwrap().seq, two.unwrap().seq), (1, 2));
}

#[tokio::test]
async fn refusal_carries_code_message_and_hint() {
    let (client, _events, mut peer) = connected().await;
    let serve = async {
        let id = peer.hear().await.id;
        peer.say(Reply::Refused(Refusal::new(id, Code::NotAllowed, "m", "h")).to_line()).await;
    };
    let (refused, ()) = tokio::join!(client.subscribe("/sys/#"), serve);
    let Err(Error::Refused { code, message, hint }) = refused else { panic!("{refused:?}") };
    assert_eq!((code, message.as_str(), hint.as_str()), (Code::NotAllowed, "m", "h"));
}

#[tokio::test]
async fn line_too_long_for_the_daemon_fails_the_long_request_only() {
    let (client, _events, mut peer) = connected().await;
    let serve = async {
        let (one, two) = (peer.hear().await, peer.hear().await);
        peer.say(Reply::Refused(Refusal::new(None, Code::LineTooLong, "m", "h")).to_line()).await;
        for request in [one, two] {
            peer.accept(request, 1).await;
        }
    };
    let long = client.publish(Publish::new("a", "x".repeat(20_000)));
    let (long, short, ()) = tokio::join!(long, client.publish(Publish::new("b", "x")), serve);
    assert!(matches!(long, Err(Error::Refused { code: Code::LineTooLong, .. })));
    assert!(short.is_ok());
}

#[tokio::test]
async fn request_no_daemon_would_take_is_refused_at_once() {
    let (client, _events, _peer) = connected().await;
    let refused = client.publish(Publish::new("a", "x".repeat(2 << 20))).await;
    assert!(matches!(refused, Err(Error::Refused { code: Code::LineTooLong, .. })));
}

#[tokio::test]
async fn large_requests_pass_while_the_daemon_is_talking() {
    let (client, mut events, mut peer) = connected().await;
    let message =
        format!("{{\"event\":\"message\",\"topic\":\"t\",\"qos\":0,\"payload\":\"{}\"}}\n", "y".repeat(200_000));
    let serve = async {
        // Neither end reads before it has written: more than the socket's buffers hold, both ways.
        for _ in 0..5 {
            peer.say(&message).await;
        }
        let request = peer.hear().await;
        peer.accept(request, 1).await;
    };
    let (accepted, ()) = tokio::join!(client.publish(Publish::new("a", "x".repeat(250_000))), serve);
    assert_eq!(accepted.unwrap().seq, 1);
    assert!(matches!(events.next().await, Some(Event::Message(m)) if m.payload.len() == 200_000));
}

#[tokio::test]
async fn lost_connection_ends_requests_and_events() {
    let (client, mut events, mut peer) = connected().await;
    let serve = async move {
        peer.hear().await;
        peer.say(Event::Sent { seq: 3 }.to_line()).await;
    };
    let (asked, ()) = tokio::join!(client.ping(), serve);
    assert!(matches!(asked, Err(Error::Closed)), "{asked:?}");
    assert_eq!(events.next().await, Some(Event::Sent { seq: 3 }));
    assert_eq!(events.next().await, None);
    assert!(matches!(client.ping().await, Err(Error::Closed)));
}

#[tokio::test]
async fn nonsense_from_the_daemon_fails_what_waits() {
    let (client, _events, mut peer) = connected().await;
    let serve = async {
        peer.hear().await;
        peer.say("nonsense\n").await;
    };
    let (asked, ()) = tokio::join!(client.ping(), serve);
    assert!(matches!(asked, Err(Error::Protocol(_))), "{asked:?}");
}

#[tokio::test]
async fn events_of_newer_daemons_are_skipped() {
    let (_client, mut events, mut peer) = connected().await;
    let link = Event::Link(Link { state: LinkState::Offline, detail: Map::new() });
    peer.say("{\"event\":\"weather\"}\n").await;
    peer.say(link.to_line()).await;
    assert_eq!(events.next().await, Some(link));
}

#[tokio::test]
async fn program_that_does_not_read_events_is_told_how_many_it_missed_and_still_answered() {
    let (client, mut events, mut peer) = connected().await;
    let serve = async {
        for seq in 0..EVENT_QUEUE as u64 + 5 {
            peer.say(Event::Sent { seq }.to_line()).await;
        }
        let request = peer.hear().await;
        peer.say(Reply::Ok(Done::new(request.id)).to_line()).await;
    };
    let (asked, ()) = tokio::join!(client.ping(), serve);
    asked.unwrap();
    for seq in 0..EVENT_QUEUE as u64 {
        assert_eq!(events.next().await, Some(Event::Sent { seq }));
    }
    assert_eq!(events.next().await, Some(Event::Lagged { missed: 5 }));
}

#[tokio::test]
async fn connection_lives_while_either_end_is_held_and_ends_with_the_last() {
    let (client, mut events, mut peer) = connected().await;
    drop(client);
    peer.say(Event::Sent { seq: 1 }.to_line()).await;
    assert_eq!(events.next().await, Some(Event::Sent { seq: 1 }));
    drop(events);
    let mut rest = String::new();
    assert_eq!(peer.0.read_line(&mut rest).await.unwrap(), 0, "the client hangs up");
}

#[tokio::test]
async fn abandoned_request_does_not_disturb_the_next() {
    let (client, _events, mut peer) = connected().await;
    let first = {
        let mut asked = std::pin::pin!(client.status());
        tokio::select! {
            _ = &mut asked => panic!("not answered yet"),
            request = peer.hear() => request,
        }
    };
    let serve = async {
        peer.say(Reply::Ok(Done::new(first.id)).to_line()).await;
        let request = peer.hear().await;
        peer.say(Reply::Ok(Done::new(request.id)).to_line()).await;
    };
    let (asked, ()) = tokio::join!(client.ping(), serve);
    asked.unwrap();
}

#[tokio::test]
async fn a_confirmation_is_told_once_and_to_all_who_wait_for_it() {
    let (client, mut events, mut peer) = connected().await;
    let serve = async {
        for seq in [1, 2, 2] {
            let request = peer.hear().await;
            assert!(matches!(&request.op, Op::Publish(publish) if publish.confirm));
            peer.accept(request, seq).await;
        }
        peer.say(Event::Sent { seq: 2 }.to_line()).await;
        peer.say(Event::Dropped(airgate_client::Dropped { seq: 1, reason: "ttl".into() }).to_line()).await;
        // Nobody waits for this one.
        peer.say(Event::Sent { seq: 9 }.to_line()).await;
    };
    let publish = || client.publish_confirmed(Publish::new("a", "x"));
    let (one, two, again, ()) = tokio::join!(publish(), publish(), publish(), serve);
    let (_, given_up) = one.unwrap();
    assert!(matches!(given_up.await, Err(Error::Dropped { reason }) if reason == "ttl"));
    two.unwrap().1.await.unwrap();
    again.unwrap().1.await.unwrap();
    assert_eq!(events.next().await, Some(Event::Sent { seq: 9 }));
}

#[tokio::test]
async fn a_confirmation_of_a_lost_connection_is_not_known() {
    let (client, _events, mut peer) = connected().await;
    let serve = async {
        let request = peer.hear().await;
        peer.accept(request, 1).await;
    };
    let (accepted, ()) = tokio::join!(client.publish_confirmed(Publish::new("a", "x")), serve);
    drop(peer);
    assert!(matches!(accepted.unwrap().1.await, Err(Error::Closed)));
}
