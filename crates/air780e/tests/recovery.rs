//! The driver against modules that need help, in memory and with the clock turned.

use air780e::session::{Desired, Session};
use air780e::{Modem, Recovery};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

fn wanted() -> Desired {
    let session = Session::new(1, "broker", 1883, "id");
    Desired { session: Some(Arc::new(session)), ..Desired::default() }
}

/// A module without a network: answers everything, never registers. Tells the lines it was sent.
async fn unregistered(port: DuplexStream, told: mpsc::UnboundedSender<String>) {
    let (reader, mut writer) = tokio::io::split(port);
    let mut lines = BufReader::new(reader).split(b'\r');
    while let Ok(Some(line)) = lines.next_segment().await {
        let line = String::from_utf8_lossy(&line).trim().to_owned();
        let answer = match line.as_str() {
            "AT+CGMR" | "AT+CGMM" | "AT+CGMI" => {
                let name = &line[3..];
                format!(
                    "+{name}: \"{}\"\r\n\r\nOK\r\n",
                    if name == "CGMR" { "AirM2M_780E_V1169_LTE_AT" } else { "Air780E" }
                )
            }
            "AT+CGSN" => "861551056421746\r\n\r\nOK\r\n".into(),
            "AT+CPIN?" => "+CPIN: READY\r\n\r\nOK\r\n".into(),
            "AT+CEREG?" => "+CEREG: 0,2\r\n\r\nOK\r\n".into(),
            _ => "OK\r\n".into(),
        };
        let _ = told.send(line);
        if writer.write_all(format!("\r\n{answer}").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn once(mut port: Option<DuplexStream>) -> impl FnMut() -> io::Result<DuplexStream> {
    move || port.take().ok_or_else(|| io::ErrorKind::NotFound.into())
}

#[tokio::test(start_paused = true)]
async fn a_module_that_never_registers_gets_its_radio_cycled_and_then_a_restart() {
    let (ours, theirs) = tokio::io::duplex(4096);
    let (told, mut lines) = mpsc::unbounded_channel();
    tokio::spawn(unregistered(theirs, told));
    let (modem, _events) = Modem::start_on(once(Some(ours)), 115_200, None);
    modem.want(wanted());
    let mut rungs = Vec::new();
    while rungs.len() < 3 {
        let line = timeout(Duration::from_secs(900), lines.recv()).await.unwrap().unwrap();
        if line.starts_with("AT+CFUN") || line == "AT+RESET" {
            rungs.push(line);
        }
    }
    assert_eq!(rungs, ["AT+CFUN=0", "AT+CFUN=1", "AT+RESET"]);
    assert_eq!(modem.status().borrow().budget.used[1], 1);
}

#[tokio::test(start_paused = true)]
async fn a_silent_module_is_reset_by_the_host() {
    let (ours, _theirs) = tokio::io::duplex(1 << 20);
    let (resets, mut was_reset) = mpsc::unbounded_channel();
    let reset = Box::new(move || resets.send(tokio::time::Instant::now()).unwrap());
    let recovery = Recovery { reset: Some(reset), ..Recovery::default() };
    let start = tokio::time::Instant::now();
    let (modem, _events) = Modem::start_with(once(Some(ours)), 115_200, None, recovery);
    modem.want(wanted());
    let first = timeout(Duration::from_secs(120), was_reset.recv()).await.unwrap().unwrap();
    assert!(first >= start + Duration::from_secs(60), "not before its time");
    let second = timeout(Duration::from_secs(1200), was_reset.recv()).await.unwrap().unwrap();
    assert!(second >= first + Duration::from_secs(600), "not before the cool-down");
}
