//! The subcommand `airgate-sim cloud`.

use super::{Cloud, Devices, Options};
use serde_json::json;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Whether the platform's rates hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Limits {
    On,
    Off,
}

/// The stand-in Aliyun IoT Platform. Prints one JSON line with what it listens on, and runs until it is interrupted.
/// `RUST_LOG=debug` shows on stderr what happens.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to serve plain MQTT; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    listen: String,
    /// Where to serve MQTT over TLS; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    tls_listen: String,
    /// Where to serve MQTT whose TLS a front has taken off: for clients that know only cipher suites which are not
    /// offered here, such as static RSA
    #[arg(long, value_name = "HOST:PORT")]
    fronted_listen: Option<String>,
    /// Where to serve HTTP, plain and over TLS; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:0")]
    http_listen: String,
    /// The products and devices it knows, in TOML
    #[arg(long, value_name = "FILE")]
    devices: PathBuf,
    /// Open a JSON-lines console on this Unix socket
    #[arg(long, value_name = "SOCKET")]
    console: Option<PathBuf>,
    /// Write the CA certificate here instead of to a temporary file
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// The platform's rates: 5 connects a minute, 30 and 10 messages a second up, 50 down
    #[arg(long, value_enum, default_value = "on")]
    limits: Limits,
    /// Bad days as the section `soak` of the devices file says, or of the usual kind: refused, slow, thrown out, lost, garbled
    #[arg(long)]
    soak: bool,
    /// Which bad days, and which secrets are handed out; another at each start when absent
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Refuse registrations whose instanceId is not that of the product, and clients that come by the name of another instance
    #[arg(long)]
    strict_instance: bool,
}

/// Runs the stand-in until SIGINT or SIGTERM.
///
/// # Errors
/// It cannot start; the error says why.
pub async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Another subcommand's or test's log, if there is one already, does as well.
    let log = tracing_subscriber::fmt().with_writer(std::io::stderr).with_env_filter(EnvFilter::from_default_env());
    let _ = log.try_init();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut devices = Devices::load(&args.devices)?;
    if args.soak {
        devices.soak.get_or_insert_default();
    }
    let cloud = Cloud::start(Options {
        listen: args.listen,
        fronted_listen: args.fronted_listen,
        tls_listen: args.tls_listen,
        http_listen: args.http_listen,
        devices,
        seed: args.seed,
        console: args.console,
        ca_file: args.ca_file,
        limits: args.limits == Limits::On,
        strict_instance: args.strict_instance,
    })
    .await?;
    let mut addresses = json!({
        "mqtt": cloud.mqtt_addr(), "mqtts": cloud.mqtts_addr(), "http": cloud.http_addr(), "ca": cloud.ca_path()
    });
    if let (Some(fronted), Some(fields)) = (cloud.fronted_addr(), addresses.as_object_mut()) {
        fields.insert("fronted".to_owned(), fronted.to_string().into());
    }
    println!("{addresses}");
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted?,
        _ = terminate.recv() => {}
    }
    cloud.shutdown().await;
    Ok(())
}
