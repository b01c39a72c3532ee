//! The whole of airgate in one process, from the module to a program: the tutorial of a device in the cloud.
//!
//! A simulated module on a pty, a stand-in for the Aliyun IoT Platform, the daemon between them, and one program that
//! publishes `hello world` at QoS 1 every two seconds to `user/update` and gets a message on `user/get`. Nothing of it
//! is faked: the bytes cross a pty at 115,200 baud, the module's MQTT client connects by TCP, and the platform checks
//! the signature.

mod summary;

use airgate::{config, daemon};
use airgate_client::{Client, Event, Publish};
use airgate_sim::cloud::{self, Cloud, Devices, Qos};
use airgate_sim::modem::engine::Setup;
use airgate_sim::modem::{self, Modem};
use clap::Parser;
use serde_json::json;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use summary::Summary;
use tokio::time::{Instant, interval, sleep_until};

const PRODUCT_KEY: &str = "a1Tutorial0";
const DEVICE_NAME: &str = "861551056421746";
const DEVICE_SECRET: &str = "0123456789abcdef0123456789abcdef";
const BAUD: u32 = 115_200;
const EVERY: Duration = Duration::from_secs(2);
/// How long the acknowledgements of what was published last may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a module, a cloud, the daemon and a program in one process.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// How long to publish.
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Print the summary as one JSON object on the last line.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&args)));
    match done {
        Ok(summary) => {
            println!("\n{}", summary.text());
            if args.json {
                println!("{}", summary.json());
            }
            if summary.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("error[demo]: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> Result<Summary, Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let cloud = Cloud::start(cloud::Options {
        devices: Devices::one(PRODUCT_KEY, DEVICE_NAME, DEVICE_SECRET),
        ..cloud::Options::default()
    })
    .await?;
    println!("cloud    stand-in for Aliyun at {}", cloud.mqtt_addr());
    let modem = Modem::start(modem::Options {
        link: Some(dir.path().join("modem")),
        broker: Some(cloud.mqtt_addr().to_string()),
        setup: Setup { imei: DEVICE_NAME.to_owned(), baud: BAUD, ..Setup::default() },
        ..modem::Options::default()
    })?;
    println!("module   simulated Air780E at {}, {BAUD} baud", modem.path().display());
    let file = dir.path().join("airgate.toml");
    std::fs::write(&file, configuration(dir.path()))?;
    let config = config::load(Some(&file), std::iter::empty()).map_err(|errors| format!("{errors:?}"))?.config;
    let socket = config.local.socket.clone();
    let daemon = daemon::start(config).await?;
    println!("daemon   listens on {}\n", socket.display());

    let summary = program(&socket, &cloud, Duration::from_secs(args.seconds)).await?;
    daemon.stop().await;
    modem.shutdown().await;
    cloud.shutdown().await;
    Ok(summary)
}

fn configuration(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        r#"
[modem]
port = "{dir}/modem"
baud = {BAUD}

[cloud]
provider = "aliyun"
product_key = "{PRODUCT_KEY}"
device_name = "{DEVICE_NAME}"
device_secret = "{DEVICE_SECRET}"
tls = false

[outbox]
dir = "{dir}/outbox"

[local]
socket = "{dir}/airgate.sock"

[ota]
version = "1.0.0"
"#
    )
}

/// The tutorial's program.
async fn program(socket: &Path, cloud: &Cloud, duration: Duration) -> Result<Summary, Box<dyn Error>> {
    let (client, mut events) = Client::connect(socket).await?;
    client.subscribe("user/get").await?;
    let mut summary = Summary::default();
    let mut tick = interval(EVERY);
    let end = Instant::now() + duration;
    let mut greeted = false;
    loop {
        let publishing = Instant::now() < end;
        if !publishing && (summary.is_complete() || Instant::now() > end + PATIENCE) {
            break;
        }
        tokio::select! {
            _ = tick.tick(), if publishing => {
                let asked = Instant::now();
                let publish = Publish { confirm: true, ..Publish::new("user/update", "hello world") };
                let accepted = client.publish(publish).await?;
                println!("publish  user/update  hello world  -> accepted as {}", accepted.seq);
                summary.accepted(accepted.seq, asked);
            }
            event = events.next() => match event.ok_or("the daemon is gone")? {
                Event::Sent { seq } => {
                    let latency = summary.acknowledged(seq);
                    println!("cloud    has {seq} after {:.0} ms", latency.unwrap_or_default().as_secs_f64() * 1e3);
                    if !greeted {
                        greeted = true;
                        cloud.publish(PRODUCT_KEY, DEVICE_NAME, &format!("/{PRODUCT_KEY}/{DEVICE_NAME}/user/get"), "hello device", Qos::AtLeastOnce)?;
                    }
                }
                Event::Message(message) => {
                    summary.received += 1;
                    println!("receive  {}  {}", message.topic, String::from_utf8_lossy(&message.payload));
                }
                Event::Link(link) => println!("link     {}", json!(link.state).as_str().unwrap_or_default()),
                other => println!("event    {other:?}"),
            },
            () = sleep_until(if publishing { end } else { end + PATIENCE }) => {}
        }
    }
    let status = client.status().await?;
    let line = |name: &str| status.pointer(&format!("/line/{name}")).and_then(serde_json::Value::as_u64).unwrap_or(0);
    summary.uart_tx_bytes = line("tx_bytes");
    summary.uart_rx_bytes = line("rx_bytes");
    Ok(summary)
}
