//! The router and its table, as programs and the cloud see them.

use super::*;
use crate::service::pulse::Vigil;
use proptest::prelude::*;

fn pulse() -> Pulse {
    Vigil::default().room("router")
}

fn message(topic: &str) -> Message {
    Message { topic: topic.into(), payload: b"x".to_vec(), qos: Qos::AtLeastOnce }
}

fn deliver(table: &mut Table, topic: &str) -> usize {
    table.deliver(&Parcel::new(Event::Message(message(topic))), &[topic])
}

fn join(table: &mut Table, id: u64, filters: &[&str]) -> Arc<Mailbox> {
    let mailbox = Arc::new(Mailbox::default());
    table.join(ProgramId(id), Arc::clone(&mailbox), Hears { events: true, texts: false });
    for filter in filters {
        table.subscribe(Account::Program(ProgramId(id)), filter, Qos::AtLeastOnce).unwrap();
    }
    mailbox
}

fn name(name: &str) -> Name {
    Name { uid: 1000, door: "json", name: name.into() }
}

fn drain(mailbox: &Mailbox) -> Vec<Item> {
    let taken = std::iter::from_fn(|| mailbox.try_next());
    taken.filter_map(|taken| if let Taken::Item(item) = taken { Some(item) } else { None }).collect()
}

fn topics(items: &[Item]) -> Vec<&str> {
    items
        .iter()
        .map(|item| if let Event::Message(message) = &item.parcel.event { &*message.topic } else { "" })
        .collect()
}

#[test]
fn overlapping_filters_give_one_copy() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &["user/#", "user/get", "+/get"]);
    assert_eq!(deliver(&mut table, "user/get"), 1);
    assert_eq!(topics(&drain(&inbox)), ["user/get"]);
}

#[test]
fn a_program_that_asked_by_the_long_name_gets_it_under_the_short_one_once() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &["/pk/device/user/get"]);
    let both = join(&mut table, 2, &["/pk/device/user/get", "user/#"]);
    table.deliver(&Parcel::new(Event::Message(message("user/get"))), &["user/get", "/pk/device/user/get"]);
    for inbox in [inbox, both] {
        let items = drain(&inbox);
        assert_eq!((topics(&items), items[0].qos), (vec!["user/get"], Qos::AtLeastOnce));
    }
}

#[test]
fn only_those_who_asked_get_it() {
    let mut table = Table::default();
    let one = join(&mut table, 1, &["user/get"]);
    let two = join(&mut table, 2, &["user/other"]);
    deliver(&mut table, "user/get");
    deliver(&mut table, "user/none");
    assert_eq!((drain(&one).len(), drain(&two).len()), (1, 0));
    assert_eq!((table.status.delivered, table.status.unwanted), (1, 1));
}

#[test]
fn a_program_that_does_not_read_is_told_what_it_missed_and_slows_nobody_down() {
    let mut table = Table::default();
    let slow = join(&mut table, 1, &["#"]);
    let quick = join(&mut table, 2, &["#"]);
    for _ in 0..WAITING_MESSAGES + 3 {
        deliver(&mut table, "t");
        assert_eq!(drain(&quick).len(), 1);
    }
    for _ in 0..WAITING_MESSAGES {
        assert!(matches!(slow.try_next(), Some(Taken::Item(_))));
    }
    deliver(&mut table, "t");
    assert!(matches!(slow.try_next(), Some(Taken::Lagged(3))));
    assert!(matches!(slow.try_next(), Some(Taken::Item(_))));
    assert_eq!(table.status.lagged, 3);
}

#[test]
fn the_cloud_is_asked_for_a_filter_while_anybody_wants_it() {
    let mut table = Table::default();
    let _one = join(&mut table, 1, &["a", "b", "b", "local/x", "local"]);
    let _two = join(&mut table, 2, &["b"]);
    assert_eq!(table.wanted().len(), 2);
    table.unsubscribe(Account::Program(ProgramId(1)), "b");
    table.unsubscribe(Account::Program(ProgramId(1)), "b");
    assert_eq!(table.wanted().len(), 2);
    assert_eq!(table.wanted_anew(), Some(table.wanted()), "it is told when it has changed");
    assert_eq!(table.wanted_anew(), None);
    table.leave(ProgramId(2), Vec::new());
    assert_eq!(table.wanted_anew(), Some(BTreeSet::from(["a".to_owned()])));
}

#[test]
fn a_durable_subscription_keeps_messages_while_its_program_is_away() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &["user/#"]);
    let (durable, known) = table.attach(name("me"), ProgramId(1));
    assert!(!known);
    table.subscribe(Account::Durable(durable), "user/get", Qos::AtLeastOnce).unwrap();
    deliver(&mut table, "user/get");
    assert_eq!(drain(&inbox).len(), 1, "once, though both subscriptions match");
    deliver(&mut table, "user/get");
    table.leave(ProgramId(1), Vec::new());
    assert_eq!(table.wanted(), BTreeSet::from(["user/get".to_owned()]));
    assert_eq!(deliver(&mut table, "user/get"), 0);
    let inbox = join(&mut table, 2, &[]);
    assert_eq!(table.attach(name("me"), ProgramId(2)), (durable, true));
    assert_eq!(drain(&inbox).len(), 2, "the one that was not read, and the one that came meanwhile");
    table.forget(&name("me"));
    assert!(table.wanted().is_empty());
}

#[test]
fn what_was_not_acknowledged_comes_again_first_and_is_marked() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &[]);
    let (durable, _) = table.attach(name("me"), ProgramId(1));
    table.subscribe(Account::Durable(durable), "user/+", Qos::AtLeastOnce).unwrap();
    for topic in ["user/1", "user/2"] {
        deliver(&mut table, topic);
    }
    let Some(Taken::Item(first)) = inbox.try_next() else { panic!("it was delivered") };
    table.leave(ProgramId(1), vec![first]);
    let inbox = join(&mut table, 2, &[]);
    table.attach(name("me"), ProgramId(2));
    let items = drain(&inbox);
    assert_eq!(topics(&items), ["user/1", "user/2"]);
    assert_eq!(items.iter().map(|item| item.again).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn another_user_or_door_has_another_durable_of_the_same_name() {
    let mut table = Table::default();
    let _inbox = join(&mut table, 1, &[]);
    let (mine, _) = table.attach(name("me"), ProgramId(1));
    for other in [Name { uid: 1001, ..name("me") }, Name { door: "mqtt", ..name("me") }] {
        let (others, known) = table.attach(other, ProgramId(1));
        assert!(others != mine && !known);
    }
}

#[test]
fn durables_of_a_user_are_bounded_and_the_one_longest_away_goes() {
    let mut table = Table::default();
    for number in 0..=DURABLES_PER_USER as u64 {
        let _inbox = join(&mut table, number, &[]);
        table.attach(name(&number.to_string()), ProgramId(number));
        table.leave(ProgramId(number), Vec::new());
    }
    assert_eq!(table.status.away, DURABLES_PER_USER);
    let _inbox = join(&mut table, 1_000, &[]);
    assert!(!table.attach(name("0"), ProgramId(1_000)).1, "the first is the one that was forgotten");
    assert!(table.attach(name("2"), ProgramId(1_000)).1);
}

#[test]
fn a_retained_message_greets_later_subscribers() {
    let mut table = Table::default();
    let early = join(&mut table, 1, &["local/#"]);
    table.publish(message("local/a"), true);
    let late = join(&mut table, 2, &["local/+"]);
    assert_eq!(drain(&early).iter().map(|item| item.retained).collect::<Vec<_>>(), [false]);
    assert_eq!(drain(&late).iter().map(|item| item.retained).collect::<Vec<_>>(), [true]);
}

#[test]
fn the_lower_quality_of_message_and_subscription_counts() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &[]);
    table.subscribe(Account::Program(ProgramId(1)), "a/#", Qos::AtMostOnce).unwrap();
    deliver(&mut table, "a/b");
    table.subscribe(Account::Program(ProgramId(1)), "a/b", Qos::AtLeastOnce).unwrap();
    deliver(&mut table, "a/b");
    table.publish(Message { qos: Qos::AtMostOnce, ..message("a/b") }, false);
    let qos: Vec<u8> = drain(&inbox).iter().map(|item| item.qos.into()).collect();
    assert_eq!(qos, [0, 1, 0]);
}

#[test]
fn a_text_message_reaches_only_those_who_may_read_it_also_when_they_come_back() {
    let mut table = Table::default();
    let others = join(&mut table, 1, &["local/#", "#"]);
    let reader = Arc::new(Mailbox::default());
    table.join(ProgramId(2), Arc::clone(&reader), Hears { events: true, texts: true });
    let (durable, _) = table.attach(name("reader"), ProgramId(2));
    table.subscribe(Account::Durable(durable), TEXTS, Qos::AtLeastOnce).unwrap();
    let text = Event::Sms(serde_json::Map::new());
    let (message, retain) = announcement(&text).unwrap();
    assert_eq!((message.topic.as_str(), retain), (TEXTS, false));
    table.publish(message.clone(), retain);
    table.tell_all(text);
    assert_eq!((drain(&others).len(), drain(&reader).len()), (0, 2));
    table.leave(ProgramId(2), Vec::new());
    table.publish(message, false);
    let back = Arc::new(Mailbox::default());
    table.join(ProgramId(3), Arc::clone(&back), Hears { events: false, texts: true });
    table.attach(name("reader"), ProgramId(3));
    assert_eq!(topics(&drain(&back)), [TEXTS]);
}

#[test]
fn what_the_daemon_announces_is_the_event_without_its_name() {
    let link = airgate_proto::Link { state: airgate_proto::LinkState::Online, detail: serde_json::Map::new() };
    let (message, retain) = announcement(&Event::Link(link)).unwrap();
    assert_eq!((message.topic.as_str(), retain), ("local/airgate/link", true));
    assert_eq!(message.payload, br#"{"state":"online"}"#);
}

fn up(outgoing: Outgoing) -> outbox::Message {
    match outgoing {
        Outgoing::Up(message) => message,
        Outgoing::Local(message) => panic!("{message:?} stays"),
    }
}

#[test]
fn a_right_that_is_withdrawn_ends_durable_subscriptions_whether_their_program_is_here_or_away() {
    let mut table = Table::default();
    let inbox = join(&mut table, 1, &[]);
    for (account, owner) in [("here", 1), ("away", 2)] {
        join(&mut table, 2, &[]);
        let (id, _) = table.attach(name(account), ProgramId(owner));
        table.subscribe(Account::Durable(id), "user/secret", Qos::AtLeastOnce).unwrap();
        table.subscribe(Account::Durable(id), "user/open", Qos::AtLeastOnce).unwrap();
        table.leave(ProgramId(2), Vec::new());
    }
    table.withdraw(|uid, filter| uid == 1000 && filter == "user/open");
    assert_eq!(table.wanted().into_iter().collect::<Vec<_>>(), ["user/open"]);
    deliver(&mut table, "user/secret");
    deliver(&mut table, "user/open");
    assert_eq!(topics(&drain(&inbox)), ["user/open"]);
    let again = join(&mut table, 3, &[]);
    table.attach(name("away"), ProgramId(3));
    assert_eq!(topics(&drain(&again)), ["user/open"]);
}

#[tokio::test]
async fn routes_that_change_count_from_the_next_message_on() {
    let route =
        |priority| Route { from: "#".into(), to: None, qos: None, priority: Some(priority), ttl: None, batch: None };
    let (router, _ends) = start(vec![route(1)], pulse());
    let door = router.clone();
    assert_eq!(up(door.outgoing(Publish::new("a", "x"), 1, 0)).priority, 1);
    router.set_routes(vec![route(8)]);
    assert_eq!(up(door.outgoing(Publish::new("a", "x"), 1, 0)).priority, 8);
}

#[tokio::test]
async fn a_route_renames_and_sets_policy() {
    let route = Route {
        from: "sensors/+/t".into(),
        to: Some("user/{1}/update".into()),
        qos: None,
        priority: Some(7),
        ttl: Some(Duration::from_secs(60)),
        batch: None,
    };
    let (router, _ends) = start(vec![route], pulse());
    let out = up(router.outgoing(Publish::new("sensors/1/t", "21.5"), 1000, 5_000));
    assert_eq!((out.topic.as_str(), out.priority, out.expires_unix_ms), ("user/1/update", 7, Some(65_000)));
    let out = up(router.outgoing(Publish::new("else", "21.5"), 1000, 5_000));
    assert_eq!((out.topic.as_str(), out.priority, out.expires_unix_ms), ("else", 4, None));
}

#[tokio::test]
async fn only_what_a_batch_route_took_may_be_joined_and_the_same_after_a_restart() {
    // [batch-2]
    let batch = Some(Batch::default());
    let route = |from: &str, to: Option<&str>| Route {
        from: from.into(),
        to: to.map(str::to_owned),
        qos: None,
        priority: None,
        ttl: None,
        batch,
    };
    let routes = vec![route("sensors/#", Some("user/update")), route("#", None)];
    let (router, _ends) = start(routes.clone(), pulse());
    let message = |topic: &str| up(router.outgoing(Publish::new(topic, "1"), 1000, 0));
    let one = message("sensors/1");
    assert_eq!(router.batch(&one), batch);
    assert_eq!(one.batch, message("sensors/2").batch);
    assert_ne!(one.batch, message("user/update").batch);
    assert_eq!(message("$thing/event/property/post").batch, None, "the thing model has envelopes of its own");
    let (again, mut ends) = start(routes, pulse());
    assert_eq!(again.batch(&one), batch);
    again.set_routes(Vec::new());
    assert_eq!(again.batch(&one), None, "the configuration was read again");
    assert!(ends.policies.borrow_and_update().is_empty(), "and the session knows");
}

#[tokio::test]
async fn what_is_local_never_leaves_whatever_the_routes_say() {
    let route = |from: &str, to: &str| Route {
        from: from.into(),
        to: Some(to.into()),
        qos: None,
        priority: None,
        ttl: None,
        batch: None,
    };
    let (router, _ends) = start(vec![route("#", "user/all"), route("local/#", "user/local")], pulse());
    assert!(matches!(router.outgoing(Publish::new("local/a", "x"), 1, 0), Outgoing::Local(m) if m.topic == "local/a"));
    let (router, _ends) = start(vec![route("debug/#", "local/debug/{1}"), route("local/#", "debug/x")], pulse());
    let kept = router.outgoing(Publish::new("debug/a/b", "x"), 1, 0);
    assert!(matches!(kept, Outgoing::Local(m) if m.topic == "local/debug/a/b"), "renamed once, not looked up again");
}

proptest! {
    #[test]
    fn whatever_comes_and_goes_the_table_is_empty_at_the_end(
        steps in proptest::collection::vec((0u64..4, 0usize..5, "(a|\\+|local)(/(b|\\+|#))?"), 0..60),
    ) {
        let mut table = Table::default();
        let mut here = BTreeSet::new();
        for (id, what, filter) in steps {
            let program = ProgramId(id);
            match what {
                0 if here.insert(program) => drop(join(&mut table, id, &[])),
                0 => {}
                1 => {
                    table.subscribe(Account::Program(program), &filter, Qos::AtLeastOnce).unwrap();
                }
                2 => table.unsubscribe(Account::Program(program), &filter),
                3 => { table.leave(program, Vec::new()); here.remove(&program); }
                _ => drop(deliver(&mut table, "a/b")),
            }
        }
        for program in here {
            table.leave(program, Vec::new());
        }
        prop_assert!(table.wanted().is_empty());
        prop_assert_eq!(deliver(&mut table, "a/b"), 0);
    }
}

#[test]
fn a_durable_subscription_ends_with_its_last_filter_whoever_says_so() {
    let mut table = Table::default();
    join(&mut table, 1, &[]);
    let (durable, _) = table.attach(name("pump"), ProgramId(1));
    for filter in ["user/a", "user/b"] {
        table.subscribe(Account::Durable(durable), filter, Qos::AtLeastOnce).unwrap();
    }
    table.leave(ProgramId(1), Vec::new());
    deliver(&mut table, "user/b");
    assert!(!table.release(&name("pump"), "user/a"), "it has another");
    assert!(table.release(&name("never"), "user/a"));
    assert_eq!(table.status.away, 1, "asking for the end of what never was makes nothing");
    let inbox = join(&mut table, 2, &[]);
    assert!(table.attach(name("pump"), ProgramId(2)).1);
    assert_eq!(topics(&drain(&inbox)), ["user/b"], "what was kept is there");
    assert!(table.release(&name("pump"), "user/b"));
    assert!(table.wanted().is_empty() && !table.attach(name("pump"), ProgramId(2)).1);
}

#[test]
fn connections_that_come_and_go_do_not_gather_filters_without_end() {
    let mut table = Table::default();
    let mut granted = 0;
    for visit in 0..2 * FILTERS_PER_PROGRAM as u64 {
        join(&mut table, visit, &[]);
        let (durable, _) = table.attach(name("pump"), ProgramId(visit));
        granted +=
            usize::from(table.subscribe(Account::Durable(durable), &format!("user/{visit}"), Qos::AtLeastOnce).is_ok());
        assert_eq!(table.subscribe(Account::Durable(durable), "user/0", Qos::AtLeastOnce), Ok(()), "one that it has");
        table.leave(ProgramId(visit), Vec::new());
    }
    assert_eq!((granted, table.wanted().len()), (FILTERS_PER_PROGRAM, FILTERS_PER_PROGRAM));
}
