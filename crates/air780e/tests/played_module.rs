//! The driver as its users see it, against a module that the test plays. Time stands still until somebody waits.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use air780e::exchange::{Ends, Failure};
use air780e::link::Down;
use air780e::session::{Desired, Session};
use air780e::status::Phase;
use air780e::{Event, Modem, Publication, PublishError};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(3600);

/// What a healthy module answers. `None`: nothing at all.
fn healthy(line: &str) -> Option<&'static str> {
    Some(match line {
        "AT+CGMR" => "\r\n+CGMR: \"AirM2M_780E_V1169_LTE_AT\"\r\n\r\nOK\r\n",
        "AT+CGMM" => "\r\n+CGMM: \"Air780E\"\r\n\r\nOK\r\n",
        "AT+CGMI" => "\r\n+CGMI: \"AirM2M\"\r\n\r\nOK\r\n",
        "AT+CGSN" => "\r\n861551056421746\r\n\r\nOK\r\n",
        "AT+CPIN?" => "\r\n+CPIN: READY\r\n\r\nOK\r\n",
        "AT+CSQ" => "\r\n+CSQ: 25,0\r\n\r\nOK\r\n",
        "AT+CIMI" => "\r\n460041234567890\r\n\r\nOK\r\n",
        "AT+ICCID" => "\r\n+ICCID: 898604981022C0254186\r\n\r\nOK\r\n",
        "AT+CESQ" => "\r\n+CESQ: 99,99,255,255,22,48\r\n\r\nOK\r\n",
        "AT+CEREG?" => "\r\n+CEREG: 0,1\r\n\r\nOK\r\n",
        "AT+CGATT?" => "\r\n+CGATT: 1\r\n\r\nOK\r\n",
        "AT+MQTTSTATU" => "\r\n+MQTTSTATU :1\r\n\r\nOK\r\n",
        _ if line.starts_with("AT+MIPSTART") => "\r\nOK\r\n\r\nCONNECT OK\r\n",
        _ if line.starts_with("AT+MCONNECT") => "\r\nOK\r\n\r\nCONNACK OK\r\n",
        _ if line.starts_with("AT+MSUB") => "\r\nOK\r\n\r\nSUBACK\r\n",
        _ if line.starts_with("AT+MPUB") => "\r\nOK\r\n\r\nPUBACK\r\n",
        _ => "\r\nOK\r\n",
    })
}

/// Plays a module behind the given port until the driver lets go of it, and tells every line that it heard.
fn play(
    port: DuplexStream,
    mut answer: impl FnMut(&str) -> Option<&'static str> + Send + 'static,
) -> mpsc::UnboundedReceiver<String> {
    let (heard, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let (reader, mut writer) = tokio::io::split(port);
        let mut commands = BufReader::new(reader).split(b'\r');
        while let Ok(Some(command)) = commands.next_segment().await {
            let line = String::from_utf8_lossy(&command).trim().to_owned();
            let reply = answer(&line);
            let _ = heard.send(line);
            if let Some(reply) = reply
                && writer.write_all(reply.as_bytes()).await.is_err()
            {
                return;
            }
        }
    });
    lines
}

/// A modem whose port is the next of `ports`, each time it is opened.
fn start(ports: impl IntoIterator<Item = DuplexStream>) -> (Modem, mpsc::Receiver<Event>) {
    let ports = Mutex::new(ports.into_iter().collect::<VecDeque<_>>());
    let open = move || ports.lock().unwrap().pop_front().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    Modem::start_on(open, 115_200, None)
}

fn wanted(attempt: u64) -> Desired {
    let session = Session::new(attempt, "broker", 1883, "id");
    Desired { session: Some(Arc::new(session)), ..Desired::default() }
}

fn message(text: &'static str) -> Publication {
    Publication { topic: "t".into(), payload: Bytes::from_static(text.as_bytes()), qos: 1, retain: false }
}

async fn next(events: &mut mpsc::Receiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    let found = async {
        loop {
            let event = events.recv().await.expect("the driver runs");
            if wanted(&event) {
                return event;
            }
        }
    };
    timeout(LONG, found).await.expect("it happens")
}

#[tokio::test(start_paused = true)]
async fn a_publication_without_session_is_refused_at_once_and_nothing_is_sent() {
    let (port, module) = duplex(4096);
    let mut heard = play(module, healthy);
    let (modem, mut events) = start([port]);
    next(&mut events, |event| matches!(event, Event::Identified(_))).await;
    assert_eq!(modem.publish(message("x")).await, Err(PublishError::Offline));
    drop(modem);
    while let Some(line) = heard.recv().await {
        assert!(!line.starts_with("AT+MPUB"));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_in_order_goes_in_order_and_is_acknowledged_one_by_one() {
    let (port, module) = duplex(4096);
    let mut heard = play(module, healthy);
    let (modem, mut events) = start([port]);
    modem.want(wanted(1));
    next(&mut events, |event| *event == Event::Online(1)).await;
    let (a, b, c) = tokio::join!(modem.publish(message("a")), modem.publish(message("b")), modem.publish(message("c")));
    assert_eq!((a, b, c), (Ok(()), Ok(()), Ok(())));
    let mut published = Vec::new();
    while published.len() < 3 {
        let line = heard.recv().await.unwrap();
        published.extend(line.starts_with("AT+MPUB").then_some(line));
    }
    assert_eq!(published, ["AT+MPUB=\"t\",1,0,\"a\"", "AT+MPUB=\"t\",1,0,\"b\"", "AT+MPUB=\"t\",1,0,\"c\""]);
}

#[tokio::test(start_paused = true)]
async fn when_one_is_not_acknowledged_those_behind_it_fail_unsent_so_that_order_is_kept() {
    let (port, module) = duplex(4096);
    let mut heard = play(module, |line| match line {
        "AT+MPUB=\"t\",1,0,\"a\"" => Some("\r\nOK\r\n"),
        line => healthy(line),
    });
    let (modem, mut events) = start([port]);
    modem.want(wanted(1));
    next(&mut events, |event| *event == Event::Online(1)).await;
    let (a, b) = tokio::join!(modem.publish(message("a")), modem.publish(message("b")));
    assert_eq!(a, Err(PublishError::Failed(Failure::NoFollowUp(Ends::Puback))));
    assert_eq!(b, Err(PublishError::Offline));
    next(&mut events, |event| matches!(event, Event::Offline(1, _))).await;
    drop(modem);
    while let Some(line) = heard.recv().await {
        assert!(!line.contains("\"b\""), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_vanishes_and_comes_back_is_set_up_from_nothing() {
    let (first, first_module) = duplex(4096);
    let (second, second_module) = duplex(4096);
    // The first module is pulled out in the middle of a publication: its end of the line is gone.
    let (reader, mut writer) = tokio::io::split(first_module);
    tokio::spawn(async move {
        let mut commands = BufReader::new(reader).split(b'\r');
        while let Ok(Some(command)) = commands.next_segment().await {
            let line = String::from_utf8_lossy(&command).trim().to_owned();
            if line.starts_with("AT+MPUB") {
                return;
            }
            writer.write_all(healthy(&line).unwrap_or_default().as_bytes()).await.unwrap();
        }
    });
    let _heard = play(second_module, healthy);
    let (modem, mut events) = start([first, second]);
    modem.want(wanted(1));
    next(&mut events, |event| *event == Event::Online(1)).await;
    assert_eq!(modem.publish(message("x")).await, Err(PublishError::Failed(Failure::PortLost)));
    next(&mut events, |event| *event == Event::Offline(1, Down::PortLost)).await;
    modem.want(wanted(2));
    next(&mut events, |event| matches!(event, Event::Identified(_))).await;
    next(&mut events, |event| *event == Event::Online(2)).await;
    assert_eq!(modem.publish(message("x")).await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_silent_module_is_told_and_the_next_word_of_it_is_heard() {
    let (port, module) = duplex(4096);
    let mut deaf_for = 100;
    let _heard = play(module, move |line| {
        deaf_for -= i32::from(deaf_for > 0);
        if deaf_for > 0 { None } else { healthy(line) }
    });
    let (modem, mut events) = start([port]);
    let mut status = modem.status();
    timeout(LONG, status.wait_for(|s| s.phase == Phase::NoAnswer)).await.unwrap().unwrap();
    next(&mut events, |event| matches!(event, Event::Identified(_))).await;
    timeout(LONG, status.wait_for(|s| s.phase == Phase::Attached)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_line_from_the_console_gets_its_lines_and_only_its_own() {
    let (port, module) = duplex(4096);
    let _heard = play(module, |line| match line {
        "AT+CIMI" => Some("\r\n460041234567890\r\n\r\n+NITZ: 2024/07/10,08:33:44+0,0\r\n\r\nOK\r\n"),
        "AT+NO" => Some("\r\nERROR\r\n"),
        line => healthy(line),
    });
    let (modem, _events) = start([port]);
    assert_eq!(modem.ask("AT+CIMI").await, Ok(vec!["460041234567890".to_owned()]));
    assert!(matches!(modem.ask("AT+NO").await, Err(Failure::Refused(_))));
    assert!(matches!(modem.ask("AT\rAT+RESET").await, Err(Failure::Unusable(_))), "one line, not two");
}

#[tokio::test(start_paused = true)]
async fn a_module_that_does_not_end_its_session_holds_up_the_next_one_for_ten_seconds_at_most() {
    let (port, module) = duplex(4096);
    let mut heard = play(module, |line| match line {
        "AT+MDISCONNECT" | "AT+MIPCLOSE" => None,
        line if line.starts_with("AT+MPUB") => Some("\r\nOK\r\n\r\nCLOSED\r\n"),
        line => healthy(line),
    });
    let (modem, mut events) = start([port]);
    modem.want(wanted(1));
    next(&mut events, |event| *event == Event::Online(1)).await;
    assert_eq!(modem.publish(message("x")).await, Err(PublishError::Failed(Failure::Closed)));
    next(&mut events, |event| *event == Event::Offline(1, Down::Closed)).await;
    let lost = tokio::time::Instant::now();
    while heard.try_recv().is_ok() {}
    modem.want(wanted(2));
    while !heard.recv().await.unwrap().starts_with("AT+MIPSTART") {}
    assert!(lost.elapsed() <= Duration::from_secs(10), "{:?}", lost.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_module_that_says_nothing_any_more_holds_up_nobody_who_ends() {
    let (port, module) = duplex(4096);
    let mut deaf = false;
    let _heard = play(module, move |line| {
        deaf |= line.starts_with("AT+MPUB");
        if deaf { None } else { healthy(line) }
    });
    let (modem, mut events) = start([port]);
    modem.want(wanted(1));
    next(&mut events, |event| *event == Event::Online(1)).await;
    let publisher = modem.clone();
    let publication = tokio::spawn(async move { publisher.publish(message("x")).await });
    tokio::time::sleep(Duration::from_secs(1)).await;
    let asked = tokio::time::Instant::now();
    modem.want(Desired::default());
    next(&mut events, |event| *event == Event::Offline(1, Down::Unwanted)).await;
    assert!(asked.elapsed() <= Duration::from_secs(10), "{:?}", asked.elapsed());
    publication.abort();
}
