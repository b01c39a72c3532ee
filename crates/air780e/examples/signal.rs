//! Tells signal, cell, operator and address as they are learnt.
//!
//!     cargo run -p air780e --example signal -- /dev/ttyAMA0 [SECONDS]

use air780e::{Config, Modem};
use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next().ok_or("which port? signal PORT [SECONDS]")?;
    let seconds = args.next().map_or(Ok(u64::MAX), |seconds| seconds.parse())?;
    let (modem, _events) = Modem::start(Config::new(port));
    let mut status = modem.status();
    let mut told = String::new();
    let watch = async {
        while status.changed().await.is_ok() {
            let now = status.borrow_and_update().clone();
            let number = |value: Option<String>| value.unwrap_or_else(|| "?".into());
            let line = format!(
                "{}: {} dBm, RSRP {} dBm, RSRQ {} dB, operator {}, address {}",
                now.phase.as_str(),
                number(now.signal.and_then(|signal| signal.rssi_dbm()).map(|dbm| dbm.to_string())),
                number(now.facts.cell.and_then(|cell| cell.rsrp_dbm()).map(|dbm| dbm.to_string())),
                number(now.facts.cell.and_then(|cell| cell.rsrq_db()).map(|db| db.to_string())),
                number(now.facts.operator),
                number(now.facts.address),
            );
            if line != told {
                println!("{line}");
                told = line;
            }
            // At most one line a tenth of a second, while much is learnt at once.
            sleep(Duration::from_millis(100)).await;
        }
    };
    // The end of the given time is the end wanted.
    let _ = timeout(Duration::from_secs(seconds.min(1 << 30)), watch).await;
    Ok(())
}
