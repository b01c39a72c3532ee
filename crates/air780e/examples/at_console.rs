//! A console: each line from the keyboard goes to the module, each line of its answer to the screen.
//!
//!     cargo run -p air780e --example at_console -- /dev/ttyAMA0 [BAUD]

use air780e::{Config, Modem};
use std::io::BufRead;
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let port = args.next().ok_or("which port? at_console PORT [BAUD]")?;
    let baud = args.next().map_or(Ok(115_200), |baud| baud.parse())?;
    let (modem, _events) = Modem::start(Config { baud, ..Config::new(port) });
    // Reading a terminal blocks, so it has a thread of its own.
    let (typed, mut lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut urcs = modem.urcs();
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                match modem.ask(line.trim()).await {
                    Ok(answer) => answer.iter().chain([&"OK".to_owned()]).for_each(|line| println!("{line}")),
                    Err(failure) => println!("{failure}"),
                }
            }
            Ok(urc) = urcs.recv() => println!("by itself: {urc:?}"),
        }
    }
}
