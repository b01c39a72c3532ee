//! HTTP against a module that the test plays. Time stands still until somebody waits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod played;

use air780e::exchange::Failure;
use air780e::service::http::{DownloadError, HttpError, Request};
use air780e::session::{Roots, Tls};
use bytes::Bytes;
use played::{Reply, block, healthy, lines, ok, play, says};
use std::time::Duration;

/// A server behind the module that answers every request with this.
fn server(status: u16, head: &'static str, body: Vec<u8>) -> impl FnMut(&str) -> Reply + Send + 'static {
    move |line| {
        if let Some(method) = line.strip_prefix("AT+HTTPACTION=") {
            let len = if method == "2" { 0 } else { body.len() };
            return says(&format!("\r\nOK\r\n\r\n+HTTPACTION: {method},{status},{len}\r\n"));
        }
        if let Some(piece) = line.strip_prefix("AT+HTTPREAD=") {
            let (start, len) = piece.split_once(',').unwrap();
            let (start, len): (usize, usize) = (start.parse().unwrap(), len.parse().unwrap());
            return block("+HTTPREAD", &body[start..(start + len).min(body.len())]);
        }
        match line {
            "AT+HTTPHEAD" => block("+HTTPHEAD", head.as_bytes()),
            _ if line.starts_with("AT+HTTPDATA=") => {
                let len = line["AT+HTTPDATA=".len()..].split(',').next().unwrap().parse().unwrap();
                Reply { data: len, ..says("\r\nDOWNLOAD\r\n") }
            }
            _ => healthy(line),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_goes_over_the_line_as_in_a_log_of_a_real_module() {
    let (modem, _events, heard) = play(server(200, "Content-Length: 13", b"{\"code\":200}\n".to_vec()));
    let request = Request::post("http://h/auth", "a=1&b=2").header("Content-Type", "text/plain");
    let response = modem.http(&request).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"{\"code\":200}\n"[..]));
    let said = lines(&heard, &["AT+HTTP", "data:"]);
    let wanted = [
        "AT+HTTPTERM",
        "AT+HTTPINIT",
        "AT+HTTPPARA=\"URL\",\"http://h/auth\"",
        "AT+HTTPPARA=\"USER_DEFINED\",\"Content-Type: text/plain\"",
        "AT+HTTPPARA=\"TIMEOUT\",",
        "AT+HTTPDATA=7,10000",
        "data: a=1&b=2",
        "AT+HTTPACTION=1",
        "AT+HTTPHEAD",
        "AT+HTTPREAD=0,13",
        "AT+HTTPTERM",
    ];
    assert_eq!(said.len(), wanted.len(), "{said:#?}");
    assert!(said.iter().zip(wanted).all(|(said, wanted)| said.starts_with(wanted)), "{said:#?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_as_large_as_the_modules_buffer_is_read_in_pieces() {
    let body: Vec<u8> = (0..4096_u32).map(|n| (n % 251) as u8).collect();
    let (modem, _events, heard) = play(server(200, "Content-Length: 4096", body.clone()));
    let response = modem.http(&Request::get("http://h/")).await.unwrap();
    assert_eq!(&response.body[..], &body[..]);
    assert_eq!(lines(&heard, &["AT+HTTPREAD"]), ["AT+HTTPREAD=0,3072", "AT+HTTPREAD=3072,1024"]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_larger_than_the_buffer_is_an_error_and_not_half_an_answer() {
    let (modem, _events, _) = play(server(200, "Content-Length: 9000", vec![0; 4096]));
    let error = modem.http(&Request::get("http://h/")).await.unwrap_err();
    assert_eq!(error, HttpError::TooLarge { len: 9000 });
}

#[tokio::test(start_paused = true)]
async fn a_urc_that_comes_before_the_body_is_whole_is_not_believed() {
    let mut whole = false;
    let (modem, _events, _) = play(move |line| match line {
        "AT+HTTPACTION=0" => says("\r\nOK\r\n\r\n+HTTPACTION: 0,200,2\r\n"),
        "AT+HTTPHEAD" => {
            whole = true;
            let mut reply = block("+HTTPHEAD", b"Content-Length: 5");
            reply.says.extend_from_slice(b"\r\n+HTTPACTION: 0,200,5\r\n");
            reply
        }
        "AT+HTTPREAD=0,5" if whole => block("+HTTPREAD", b"hello"),
        line => healthy(line),
    });
    let response = modem.http(&Request::get("http://h/")).await.unwrap();
    assert_eq!(&response.body[..], b"hello");
}

#[tokio::test(start_paused = true)]
async fn a_network_failure_is_told_whether_the_module_refuses_first_or_not() {
    for refusal in ["\r\nOK\r\n", "\r\n+CME ERROR: 3\r\n"] {
        let (modem, _events, _) = play(move |line| match line {
            "AT+HTTPACTION=0" => says(&format!("{refusal}\r\n+HTTPACTION: 0,603,0\r\n")),
            line => healthy(line),
        });
        let error = modem.http(&Request::get("http://h/")).await.unwrap_err();
        assert_eq!(error, HttpError::Transport(603));
    }
}

#[tokio::test(start_paused = true)]
async fn a_reboot_while_the_answer_is_awaited_ends_the_request() {
    let (modem, _events, _) = play(|line| match line {
        "AT+HTTPACTION=0" => says("\r\nOK\r\n\r\n^boot.rom'v'!\\n\r\nRDY\r\n"),
        line => healthy(line),
    });
    let error = modem.http(&Request::get("http://h/")).await.unwrap_err();
    assert_eq!(error, HttpError::Module { during: "waiting for the answer", failure: Failure::Rebooted });
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_ends_at_the_deadline_and_the_next_request_clears_up() {
    let mut deaf = true;
    let mut answers = server(200, "Content-Length: 2", b"hi".to_vec());
    let (modem, _events, heard) = play(move |line| match line {
        "AT+HTTPACTION=0" if std::mem::take(&mut deaf) => ok(),
        line => answers(line),
    });
    let request = Request::get("http://h/").deadline(Duration::from_secs(20));
    assert_eq!(modem.http(&request).await.unwrap_err(), HttpError::Deadline("waiting for the answer"));
    assert_eq!(modem.http(&request).await.unwrap().body, "hi");
    let session = lines(&heard, &["AT+HTTPINIT", "AT+HTTPTERM", "AT+HTTPACTION"]);
    assert_eq!(session[3], "AT+HTTPTERM", "before the second begins");
}

#[tokio::test(start_paused = true)]
async fn publications_go_while_an_answer_is_awaited() {
    let (modem, mut events, heard) = play(|line| match line {
        "AT+HTTPACTION=0" => ok(),
        _ if line.starts_with("AT+MIPSTART") => says("\r\nOK\r\n\r\nCONNECT OK\r\n"),
        _ if line.starts_with("AT+MCONNECT") => says("\r\nOK\r\n\r\nCONNACK OK\r\n"),
        _ if line.starts_with("AT+MPUB") => says("\r\nOK\r\n\r\nPUBACK\r\n"),
        line => healthy(line),
    });
    modem.want(air780e::session::Desired {
        session: Some(std::sync::Arc::new(air780e::session::Session::new(1, "broker", 1883, "id"))),
        ..Default::default()
    });
    while events.recv().await.unwrap() != air780e::Event::Online(1) {}
    let request = Request::get("http://h/").deadline(Duration::from_secs(30));
    let publishing = async {
        for _ in 0..5 {
            let publication = air780e::Publication { topic: "t".into(), payload: "x".into(), qos: 1, retain: false };
            modem.publish(publication).await.unwrap();
        }
    };
    let (outcome, ()) = tokio::join!(modem.http(&request), publishing);
    assert_eq!(outcome.unwrap_err(), HttpError::Deadline("waiting for the answer"));
    let heard = lines(&heard, &["AT+MPUB", "AT+HTTPINIT", "AT+HTTPACTION"]);
    assert_eq!(heard.iter().filter(|line| line.starts_with("AT+MPUB")).count(), 5);
    let first = heard.iter().position(|line| line.starts_with("AT+MPUB")).unwrap();
    let begun = heard.iter().position(|line| line.starts_with("AT+HTTPINIT")).unwrap();
    let last = heard.iter().rposition(|line| line.starts_with("AT+MPUB")).unwrap();
    assert!(first < begun && begun < last, "they take turns: {heard:#?}");
}

#[tokio::test(start_paused = true)]
async fn roots_are_written_once_and_verification_is_asked_for() {
    let mut size = None;
    let mut answers = server(200, "Content-Length: 2", b"hi".to_vec());
    let (modem, _events, heard) = play(move |line| match (line, size) {
        ("AT+FSFLSIZE=\"ca-1.pem\"", None) => says("\r\n+CME ERROR: 62\r\n"),
        ("AT+FSFLSIZE=\"ca-1.pem\"", Some(len)) => played::tells(&format!("+FSFLSIZE: {len}")),
        ("AT+FSWRITE=\"ca-1.pem\",0,3,15", _) => {
            size = Some(3);
            Reply { data: 3, ..says("\r\n>") }
        }
        (line, _) => answers(line),
    });
    let roots = Roots { name: "ca-1.pem".into(), pem: Bytes::from_static(b"pem") };
    let request = Request::get("https://h/").tls(Tls { host_name: "h".into(), roots: Some(roots) });
    for _ in 0..2 {
        assert_eq!(modem.http(&request).await.unwrap().body, "hi");
    }
    assert_eq!(lines(&heard, &["AT+FSWRITE", "data:"]), ["AT+FSWRITE=\"ca-1.pem\",0,3,15", "data: pem"]);
    let last = lines(&heard, &["AT+SSLCFG"]).split_off(5);
    assert_eq!(
        last,
        [
            "AT+SSLCFG=\"sslversion\",153,3",
            "AT+SSLCFG=\"ignorelocaltime\",153,1",
            "AT+SSLCFG=\"hostname\",153,\"h\"",
            "AT+SSLCFG=\"cacert\",153,\"ca-1.pem\"",
            "AT+SSLCFG=\"seclevel\",153,1",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_file_comes_in_ranges_and_a_lost_piece_is_asked_for_again() {
    let file: Vec<u8> = (0..7000_u32).map(|n| (n % 253) as u8).collect();
    let served = file.clone();
    let (mut first, mut last, mut fail) = (0, 0, true);
    let (modem, _events, heard) = play(move |line| {
        if let Some(n) = line.strip_prefix("AT+HTTPPARA=\"BREAK\",") {
            first = n.parse().unwrap();
        }
        if let Some(n) = line.strip_prefix("AT+HTTPPARA=\"BREAKEND\",") {
            last = n.parse::<usize>().unwrap();
        }
        let piece = &served[first..=last.max(first)];
        match line {
            "AT+HTTPACTION=2" => says("\r\nOK\r\n\r\n+HTTPACTION: 2,200,0\r\n"),
            "AT+HTTPACTION=0" if first == 3072 && std::mem::take(&mut fail) => {
                says("\r\nOK\r\n\r\n+SAPBR 1: DEACT\r\n\r\n+HTTPACTION: 0,601,0\r\n")
            }
            "AT+HTTPACTION=0" => says(&format!("\r\nOK\r\n\r\n+HTTPACTION: 0,206,{}\r\n", piece.len())),
            "AT+HTTPHEAD" if last == 0 => block("+HTTPHEAD", b"Content-Length: 7000\r\nETag: \"v1\""),
            "AT+HTTPHEAD" => block("+HTTPHEAD", format!("Content-Length: {}", piece.len()).as_bytes()),
            _ if line.starts_with("AT+HTTPREAD") => block("+HTTPREAD", piece),
            line => healthy(line),
        }
    });
    let mut download = modem.download(Request::get("http://h/file"));
    let mut got = Vec::new();
    let mut failures = Vec::new();
    loop {
        match download.next().await {
            Ok(Some(piece)) => got.extend_from_slice(&piece),
            Ok(None) => break,
            Err(error) => failures.push(error),
        }
    }
    assert_eq!(got, file);
    assert_eq!(failures, [DownloadError::Http(HttpError::Transport(601))]);
    assert_eq!((download.total(), download.etag()), (Some(7000), Some("\"v1\"")));
    let marks = lines(&heard, &["AT+HTTPPARA=\"USER_DEFINED\""]);
    assert!(marks.iter().all(|mark| mark == "AT+HTTPPARA=\"USER_DEFINED\",\"If-Match: \\22v1\\22\""), "{marks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_ignores_ranges_is_not_mistaken_for_a_piece() {
    let (modem, _events, _) = play(server(200, "Content-Length: 4000", vec![7; 4000]));
    let mut download = modem.download(Request::get("http://h/file")).resume(10);
    assert_eq!(download.next().await, Err(DownloadError::Status(200)));
    let mut whole = modem.download(Request::get("http://h/file"));
    assert_eq!(whole.next().await.unwrap().unwrap().len(), 4000, "the whole file is all right from its beginning");
    assert_eq!(whole.next().await, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_made_from_any_task() {
    let (modem, _events, _) = play(server(200, "Content-Length: 2", b"hi".to_vec()));
    let task = tokio::spawn(async move { modem.http(&Request::get("http://h/")).await });
    assert_eq!(task.await.unwrap().unwrap().body, "hi");
}
