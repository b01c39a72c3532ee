//! `airgate credentials`: what the store keeps. No secret is ever printed, and none is taken from the command line.

use super::fail::Fail;
use super::whose;
use crate::clock::host::unix_ms;
use crate::cloud::{self, Identity, Registers};
use crate::config::{self, Config};
use crate::store::{Entry, Origin, Record, Store};
use clap::Subcommand;
use iotcloud::aliyun::Credential;
use serde_json::{Value, json};
use std::io::Read;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// Far above the longest credential.
const MAX_INPUT: u64 = 16 * 1024;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List what is kept, without the secrets.
    List(List),
    /// Keep the answer of an earlier registration for the configured device: its JSON is read from stdin.
    Import(Whose),
    /// Forget what is kept of the configured device, so that it registers anew when the daemon is restarted.
    Forget(Whose),
}

#[derive(Debug, clap::Args)]
struct List {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON array.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Whose {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The module's IMEI, where it is the device's name.
    #[arg(long)]
    imei: Option<String>,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    match &args.command {
        Command::List(args) => list(args),
        Command::Import(args) => import(args),
        Command::Forget(args) => forget(args),
    }
}

fn load(file: Option<&PathBuf>) -> Result<(Config, Store), Fail> {
    let loaded = config::load(file.map(PathBuf::as_path), std::env::vars()).map_err(|errors| Fail::config(&errors))?;
    for notice in &loaded.notices {
        eprintln!("notice: {notice}");
    }
    let store = loaded.config.store();
    Ok((loaded.config, store))
}

fn whose(args: &Whose) -> Result<(Box<Registers>, Store), Fail> {
    let (config, store) = load(args.config.as_ref())?;
    match cloud::build(&config.cloud, args.imei.as_deref()).map_err(whose::bad)? {
        Some(Identity::Registers(device)) => Ok((device, store)),
        Some(Identity::Ready(_)) => Err(whose::not_registering()),
        None => Err(whose::imei_wanted(args.imei.as_deref())),
    }
}

fn list(args: &List) -> Result<(), Fail> {
    let (_, store) = load(args.config.as_ref())?;
    let entries = store.list().map_err(whose::store_failed)?;
    let rows: Vec<Value> = entries
        .iter()
        .flat_map(|(key, entry)| {
            let kept = [("current", &entry.current), ("candidate", &entry.candidate)];
            kept.into_iter().filter_map(move |(state, record)| {
                let record = record.as_ref()?;
                Some(json!({
                    "cloud": key.cloud, "instance": key.place, "product_key": key.product, "device_name": key.device,
                    "mode": mode(&record.credential), "state": state, "obtained_unix_ms": record.obtained_unix_ms,
                    "by": record.by,
                }))
            })
        })
        .collect();
    if args.json {
        println!("{}", Value::Array(rows));
        return Ok(());
    }
    if rows.is_empty() {
        println!("nothing is kept in {}", store.path().display());
    }
    for row in rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let words = ["cloud", "instance", "product_key", "device_name", "mode", "state", "by"].map(text);
        println!("{}", words.join("  "));
    }
    Ok(())
}

fn mode(credential: &Credential) -> &'static str {
    match credential {
        Credential::DeviceSecret(_) => "device_secret",
        Credential::Token { .. } => "token",
    }
}

fn import(args: &Whose) -> Result<(), Fail> {
    let (device, store) = whose(args)?;
    let mut input = Zeroizing::new(Vec::with_capacity(MAX_INPUT as usize));
    let read = std::io::stdin().take(MAX_INPUT).read_to_end(&mut input);
    read.map_err(|error| Fail::failed("stdin", error))?;
    let hint = "give the JSON that the cloud answered: {\"productKey\":…,\"deviceName\":…,\"deviceSecret\":…}, or with \
                \"clientId\" and \"deviceToken\" for auth = \"register_no_prereg\"";
    let answer = device.registration.read_answer(&input);
    let credential = answer.map_err(|error| Fail::usage("bad_credential", error, hint))?;
    let record = Record { credential, obtained_unix_ms: unix_ms(), by: Origin::Import };
    store.put(&device.key, &Entry { current: Some(record), ..Entry::default() }).map_err(whose::store_failed)?;
    println!("kept for {}; a running daemon uses it when it is restarted", device.key.device);
    Ok(())
}

fn forget(args: &Whose) -> Result<(), Fail> {
    let (device, store) = whose(args)?;
    if store.forget(&device.key).map_err(whose::store_failed)? {
        println!("forgotten; the device registers anew when the daemon is restarted");
        Ok(())
    } else {
        Err(whose::nothing_kept(&device.key.device))
    }
}
