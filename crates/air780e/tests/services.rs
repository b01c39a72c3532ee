//! Short messages, place and time against a module that the test plays. Time stands still until somebody waits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod played;

use air780e::service::place::{Means, ServiceError};
use played::{Reply, healthy, lines, play, says, tells};
use std::collections::BTreeMap;
use tokio::time::timeout;

const PDU: &str = "07911326040000F0040B911346610089F60000208062917314080CC8F71D14969741F977FD07";

#[tokio::test(start_paused = true)]
async fn messages_on_the_card_are_given_out_once_each_and_deleted_when_the_next_is_asked_for() {
    let mut card = BTreeMap::from([(1, PDU), (2, "0006060606060606060606060606")]);
    let mut fresh = true;
    let (modem, _events, heard) = play(move |line| {
        if let Some(index) = line.strip_prefix("AT+CMGD=") {
            card.remove(&index.parse().unwrap());
            // While the card is read, another comes.
            if std::mem::take(&mut fresh) {
                card.insert(5, PDU);
                return says("\r\nOK\r\n\r\n+CMTI: \"SM\",5\r\n");
            }
        }
        match line {
            "AT+CMGL=4" => {
                let list: String = card.iter().map(|(n, pdu)| format!("\r\n+CMGL: {n},1,,31\r\n{pdu}\r\n")).collect();
                says(&format!("{list}\r\nOK\r\n"))
            }
            line => healthy(line),
        }
    });
    let mut texts = modem.texts();
    for _ in 0..2 {
        let sms = timeout(played::LONG, texts.next()).await.unwrap().unwrap();
        assert_eq!((sms.from.as_str(), sms.text.as_str()), ("+31641600986", "How are you?"));
    }
    assert!(timeout(played::LONG, texts.next()).await.is_err(), "there are no more");
    let deleted = lines(&heard, &["AT+CMGD"]);
    assert_eq!(deleted, ["AT+CMGD=2", "AT+CMGD=1", "AT+CMGD=5"], "what is no message would fill the card");
    drop(modem);
}

#[tokio::test(start_paused = true)]
async fn a_long_text_is_sent_in_parts_behind_their_prompts() {
    let mut sent = 0;
    let (modem, _events, heard) = play(move |line| {
        if let Some(octets) = line.strip_prefix("AT+CMGS=") {
            let octets: usize = octets.parse().unwrap();
            return Reply { data: 2 * (octets + 1) + 1, ..says("\r\n> ") };
        }
        if line.starts_with("data: ") {
            sent += 1;
            return tells(&format!("+CMGS: {sent}"));
        }
        healthy(line)
    });
    assert_eq!(modem.send_text("+8613800000000", &"ä".repeat(200)).await.unwrap(), [1, 2]);
    assert!(lines(&heard, &["data:"]).iter().all(|data| data.ends_with('\x1a')));
    assert!(modem.send_text("nobody", "hi").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_place_is_told_or_why_not() {
    let (modem, _events, heard) = play(|line| match line {
        "AT+SAPBR=2,1" => tells("+SAPBR: 1,3,\"0.0.0.0\""),
        "AT+CIPGSMLOC=1,1" => tells("+CIPGSMLOC: 0,34.7980542,114.3204965,2024/08/20,11:11:58"),
        "AT+WIFILOC=1,1" => tells("+WIFILOC: 404"),
        line => healthy(line),
    });
    assert_eq!(modem.locate(Means::Cells).await.unwrap().latitude, 34.798_054_2);
    assert_eq!(modem.locate(Means::Wifi).await, Err(ServiceError::Location(404)));
    let bearer = lines(&heard, &["AT+SAPBR=3", "AT+SAPBR=1"]);
    assert_eq!(bearer[..3], ["AT+SAPBR=3,1,\"CONTYPE\",\"GPRS\"", "AT+SAPBR=3,1,\"APN\",\"\"", "AT+SAPBR=1,1"]);
}

#[tokio::test(start_paused = true)]
async fn a_time_server_sets_the_clock_or_says_why_not() {
    let mut asked = 0;
    let (modem, _events, heard) = play(move |line| match line {
        "AT+CNTP" => {
            asked += 1;
            says(if asked == 1 { "\r\nOK\r\n\r\n+CNTP: 1\r\n" } else { "\r\nOK\r\n\r\n+CNTP: 62\r\n" })
        }
        "AT+CCLK?" => tells("+CCLK: \"24/07/10,08:33:44+00\""),
        line => healthy(line),
    });
    assert_eq!(modem.ask_time("ntp.example").await.unwrap(), 1_720_600_424);
    assert_eq!(modem.ask_time("ntp.example").await, Err(ServiceError::Time(62)));
    assert_eq!(lines(&heard, &["AT+CNTP="])[0], "AT+CNTP=\"ntp.example\",0");
}
