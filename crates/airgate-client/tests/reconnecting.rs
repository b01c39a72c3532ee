//! The client that connects again, against a daemon that comes and goes as the test wants; and the blocking one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]

use airgate_client::{Code, Error, Event, Message, Publish, Qos, Reconnecting, Update, Updates, blocking};
use airgate_proto::{Done, Hello, LinkState, Op, Refusal, Reply, Request, parse_line};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};

/// A daemon's place, which it may leave and come back to.
struct Place {
    dir: TempDir,
}

/// The daemon's end of one connection.
struct Peer(BufReader<UnixStream>);

impl Place {
    fn new() -> Self {
        Self { dir: TempDir::new().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("s")
    }

    fn open(&self) -> UnixListener {
        let _ = std::fs::remove_file(self.path());
        UnixListener::bind(self.path()).unwrap()
    }
}

impl Peer {
    async fn meet(listener: &UnixListener) -> Self {
        let mut peer = Self(BufReader::new(listener.accept().await.unwrap().0));
        let (daemon, link) = ("airgate 0.1.0".into(), LinkState::Online);
        peer.say(Event::Hello(Hello { version: 1, daemon, device: None, link }).to_line()).await;
        peer
    }

    async fn say(&mut self, line: impl AsRef<[u8]>) {
        self.0.get_mut().write_all(line.as_ref()).await.unwrap();
    }

    async fn hear(&mut self) -> Request {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        parse_line(line.as_bytes()).unwrap()
    }

    async fn grant(&mut self) -> Op {
        let Request { id, op } = self.hear().await;
        self.say(Reply::Ok(Done { seq: Some(7), ..Done::new(id) }).to_line()).await;
        op
    }
}

async fn connected(updates: &mut Updates) {
    loop {
        match updates.next().await.expect("it goes on") {
            Update::Connected(_) => return,
            Update::Lost(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn subscription(op: Op) -> (String, Option<String>) {
    let Op::Subscribe { filter, durable } = op else { panic!("{op:?}") };
    (filter, durable)
}

#[tokio::test]
async fn a_publish_whose_answer_was_lost_is_repeated_under_its_key() {
    let place = Place::new();
    let (client, _updates) = Reconnecting::new(place.path());
    let serve = async {
        let listener = place.open();
        let Op::Publish(first) = Peer::meet(&listener).await.hear().await.op else { panic!() };
        let Op::Publish(again) = Peer::meet(&listener).await.grant().await else { panic!() };
        assert!(first.key.is_some());
        assert_eq!(first, again);
    };
    let (accepted, ()) = tokio::join!(client.publish(Publish::new("a", "x")), serve);
    assert_eq!(accepted.unwrap().seq, 7);
}

#[tokio::test]
async fn what_may_be_lost_is_not_repeated() {
    let place = Place::new();
    let listener = place.open();
    let (client, _updates) = Reconnecting::new(place.path());
    let publish = Publish { qos: Qos::AtMostOnce, ..Publish::new("a", "x") };
    let serve = async { drop(Peer::meet(&listener).await.hear().await) };
    let (lost, ()) = tokio::join!(client.publish(publish), serve);
    assert!(matches!(lost, Err(Error::Closed)));
}

#[tokio::test]
async fn subscriptions_are_made_again_and_a_refused_one_is_told_and_forgotten() {
    let place = Place::new();
    let listener = place.open();
    let (client, mut updates) = Reconnecting::new(place.path());
    let serve = async {
        let mut peer = Peer::meet(&listener).await;
        vec![peer.grant().await, peer.grant().await]
    };
    let ask = async {
        client.subscribe("a/#").await.unwrap();
        client.subscribe_durable("b", "me").await.unwrap();
    };
    // The daemon ends here.
    let (first, ()) = tokio::join!(serve, ask);
    connected(&mut updates).await;
    let mut peer = Peer::meet(&listener).await;
    let again = subscription(peer.grant().await);
    let Request { id, op } = peer.hear().await;
    peer.say(Reply::Refused(Refusal::new(id, Code::NotAllowed, "m", "h")).to_line()).await;
    let first: Vec<_> = first.into_iter().map(subscription).collect();
    assert_eq!(vec![again, subscription(op)], first);
    assert!(matches!(updates.next().await, Some(Update::Lost(Error::Closed))));
    let refused = updates.next().await;
    assert!(matches!(&refused, Some(Update::Unsubscribed { filter, .. }) if filter == "b"), "{refused:?}");
    connected(&mut updates).await;
    drop(peer);
    assert_eq!(subscription(Peer::meet(&listener).await.grant().await).0, "a/#");
}

#[tokio::test]
async fn events_come_through_and_nobody_reading_them_holds_up_nothing() {
    let place = Place::new();
    let listener = place.open();
    let (client, mut updates) = Reconnecting::new(place.path());
    let message = Message { topic: "t".into(), payload: b"x".to_vec(), qos: Qos::AtMostOnce };
    let mut peer = Peer::meet(&listener).await;
    peer.say(Event::Message(message.clone()).to_line()).await;
    connected(&mut updates).await;
    assert!(matches!(updates.next().await, Some(Update::Event(Event::Message(got))) if got == message));
    for _ in 0..100 {
        peer.say(Event::Message(message.clone()).to_line()).await;
    }
    let (accepted, _) = tokio::join!(client.publish(Publish::new("a", "x")), peer.grant());
    assert!(accepted.is_ok());
    drop(peer);
    // It comes back although the updates are not read.
    let serve = async { Peer::meet(&listener).await.grant().await };
    let (accepted, _) = tokio::join!(client.publish(Publish::new("a", "y")), serve);
    assert!(accepted.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_comes_late_is_found_and_its_absence_is_told_once() {
    let place = Place::new();
    let (client, mut updates) = Reconnecting::new(place.path());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let lost = updates.next().await;
    assert!(matches!(lost, Some(Update::Lost(Error::NoDaemon { .. }))), "{lost:?}");
    let listener = place.open();
    let _peer = Peer::meet(&listener).await;
    assert!(matches!(updates.next().await, Some(Update::Connected(_))));
    drop(client);
    assert!(updates.next().await.is_none());
}

#[test]
fn the_blocking_client_publishes_waits_and_hears() {
    let place = Place::new();
    let path = place.path();
    let ready = std::sync::Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = place.open();
                ready.wait();
                let mut peer = Peer::meet(&listener).await;
                peer.grant().await;
                peer.grant().await;
                peer.say(Event::Sent { seq: 7 }.to_line()).await;
                peer.say(Event::Lagged { missed: 1 }.to_line()).await;
            });
        });
        ready.wait();
        let mut client = blocking::Client::connect(&path).unwrap();
        client.subscribe("a").unwrap();
        let (accepted, mut sent) = client.publish_confirmed(Publish::new("a", "x")).unwrap();
        assert_eq!(accepted.seq, 7);
        assert!(client.wait(&mut sent, Duration::from_secs(60)).unwrap());
        assert_eq!(client.event(Duration::from_secs(60)).unwrap(), Some(Event::Lagged { missed: 1 }));
        assert!(matches!(client.event(Duration::from_secs(60)), Err(Error::Closed)));
    });
}
