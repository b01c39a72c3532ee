//! A module that a test plays, line by line, with data phases and blocks.

#![allow(dead_code, unreachable_pub, reason = "every test file uses a part of it")]

use air780e::{Event, Modem};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

pub const LONG: Duration = Duration::from_secs(3600);

/// What the module says to a line, and how many bytes of data it takes before the next.
pub struct Reply {
    pub says: Vec<u8>,
    pub data: usize,
}

pub fn says(text: &str) -> Reply {
    Reply { says: text.as_bytes().to_vec(), data: 0 }
}

pub fn ok() -> Reply {
    says("\r\nOK\r\n")
}

/// An answer of one information line.
pub fn tells(line: &str) -> Reply {
    says(&format!("\r\n{line}\r\n\r\nOK\r\n"))
}

/// `+HTTPREAD: n` and its sister.
pub fn block(name: &str, bytes: &[u8]) -> Reply {
    let head = format!("\r\n{name}: {}\r\n", bytes.len());
    Reply { says: [head.as_bytes(), bytes, b"\r\nOK\r\n"].concat(), data: 0 }
}

/// What a healthy module in the network answers.
pub fn healthy(line: &str) -> Reply {
    match line {
        "AT+CGMR" => tells("+CGMR: \"AirM2M_780E_V1169_LTE_AT\""),
        "AT+CGMM" => tells("+CGMM: \"Air780E\""),
        "AT+CGMI" => tells("+CGMI: \"AirM2M\""),
        "AT+CGSN" => tells("861551056421746"),
        "AT+CIMI" => tells("460041234567890"),
        "AT+ICCID" => tells("+ICCID: 898604981022C0254186"),
        "AT+CPIN?" => tells("+CPIN: READY"),
        "AT+CSQ" => tells("+CSQ: 25,0"),
        "AT+CESQ" => tells("+CESQ: 99,99,255,255,22,48"),
        "AT+COPS?" => tells("+COPS: 0,2,\"46000\",7"),
        "AT+CGPADDR=1" => tells("+CGPADDR: 1,\"10.76.1.35\""),
        "AT+CEREG?" => tells("+CEREG: 0,1"),
        "AT+CGATT?" => tells("+CGATT: 1"),
        "AT+MQTTSTATU" => tells("+MQTTSTATU :1"),
        "AT*EXINFO?" => tells("*EXINFO: 0"),
        "AT+SAPBR=2,1" => tells("+SAPBR: 1,1,\"10.159.1.145\""),
        _ => ok(),
    }
}

/// Every line and every piece of data (as `data: …`) that the module heard.
pub type Heard = Arc<Mutex<Vec<String>>>;

/// Plays a module that answers with `answer`, and drives it.
pub fn play(answer: impl FnMut(&str) -> Reply + Send + 'static) -> (Modem, mpsc::Receiver<Event>, Heard) {
    let (port, module) = duplex(16 * 1024);
    let heard = Heard::default();
    tokio::spawn(run(module, answer, heard.clone()));
    let ports = Mutex::new(VecDeque::from([port]));
    let open = move || ports.lock().unwrap().pop_front().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
    let (modem, events) = Modem::start_on(open, 115_200, None);
    (modem, events, heard)
}

async fn run(mut port: DuplexStream, mut answer: impl FnMut(&str) -> Reply, heard: Heard) {
    let (mut input, mut data) = (Vec::new(), 0);
    let mut buf = [0; 1024];
    loop {
        let Some(line) = take(&mut input, data) else {
            match port.read(&mut buf).await {
                Ok(0) | Err(_) => return,
                Ok(len) => input.extend_from_slice(&buf[..len]),
            }
            continue;
        };
        let reply = answer(&line);
        heard.lock().unwrap().push(line);
        data = reply.data;
        if port.write_all(&reply.says).await.is_err() {
            return;
        }
    }
}

/// The next line, or the next piece of data.
fn take(input: &mut Vec<u8>, data: usize) -> Option<String> {
    if data > 0 {
        let start = usize::from(input.first() == Some(&b'\n'));
        let taken: Vec<_> = (input.len() >= start + data).then(|| input.drain(..start + data).collect())?;
        return Some(format!("data: {}", String::from_utf8_lossy(&taken[start..])));
    }
    let end = input.iter().position(|&b| b == b'\r')?;
    let line: Vec<_> = input.drain(..=end).collect();
    Some(String::from_utf8_lossy(&line).trim().to_owned())
}

/// The lines that begin with one of `names`.
pub fn lines(heard: &Heard, names: &[&str]) -> Vec<String> {
    let heard = heard.lock().unwrap();
    heard.iter().filter(|line| names.iter().any(|name| line.starts_with(name))).cloned().collect()
}
