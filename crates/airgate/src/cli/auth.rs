//! `airgate auth`: what sign-in would use; for a device that registers, its registration, or with `--kept` the sign-in with
//! what that fetched. Pure computation: nothing is opened but the configuration, and the store if it is asked for.

use super::fail::Fail;
use super::whose;
use crate::clock::host::unix_ms;
use crate::cloud::{self, Identity, Registers};
use crate::config::{self, RegisterBy};
use crate::session;
use crate::store::Store;
use iotcloud::aliyun::HttpsRequest;
use iotcloud::{Moment, SignIn, Tls};
use serde_json::json;
use std::path::PathBuf;

/// In place of a secret.
const HIDDEN: &str = "(hidden; --show-secrets prints it)";

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Sign this timestamp as it stands, instead of the present time (Aliyun: milliseconds).
    #[arg(long, value_name = "T")]
    timestamp: Option<String>,
    /// Sign this random text as it stands.
    #[arg(long, value_name = "R")]
    random: Option<String>,
    /// The module's IMEI, where it is the device's name.
    #[arg(long)]
    imei: Option<String>,
    /// For a device that registers: the sign-in with the credential that is kept of it.
    #[arg(long)]
    kept: bool,
    /// Print one JSON object, the password included.
    #[arg(long)]
    json: bool,
    /// Print the password.
    #[arg(long)]
    show_secrets: bool,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let loaded = config::load(args.config.as_deref(), std::env::vars()).map_err(|errors| Fail::config(&errors))?;
    for notice in &loaded.notices {
        eprintln!("notice: {notice}");
    }
    let identity = cloud::build(&loaded.config.cloud, args.imei.as_deref()).map_err(whose::bad)?;
    let Some(identity) = identity else {
        return Err(whose::imei_wanted(args.imei.as_deref()));
    };
    let mut moment = Moment::new(unix_ms(), session::random());
    if let Some(timestamp) = &args.timestamp {
        moment = moment.with_timestamp(timestamp).map_err(whose::bad)?;
    }
    if let Some(random) = &args.random {
        moment = moment.with_random(random).map_err(whose::bad)?;
    }
    let sign_in = match &identity {
        Identity::Ready(_) if args.kept => return Err(whose::not_registering()),
        Identity::Ready(cloud) => cloud.sign_in(&moment),
        Identity::Registers(device) if args.kept => kept(device, &loaded.config.store(), &moment)?,
        Identity::Registers(device) => match device.registration.https_request(&moment) {
            Some(request) if device.by == RegisterBy::Https => {
                print_request(&request, args);
                return Ok(());
            }
            _ => device.registration.sign_in(&moment),
        },
    };
    if args.json {
        print_json(&sign_in)
    } else {
        print_text(&sign_in, args.show_secrets)
    }
    Ok(())
}

/// The sign-in with what is kept of the device: what the daemon would use next.
fn kept(device: &Registers, store: &Store, moment: &Moment) -> Result<SignIn, Fail> {
    let entry = store.entry(&device.key).map_err(whose::store_failed)?;
    let Some(record) = entry.candidate.or(entry.current) else {
        return Err(whose::nothing_kept(&device.key.device));
    };
    Ok(device.cloud(record.credential).map_err(whose::bad)?.sign_in(moment))
}

fn print_json(sign_in: &SignIn) {
    let object = json!({
        "host": sign_in.host,
        "port": sign_in.port,
        "tls": sign_in.tls != Tls::Off,
        "client_id": sign_in.client_id,
        "username": sign_in.username,
        "password": sign_in.password.as_ref().map(|password| password.expose()),
    });
    println!("{object}");
}

fn print_text(sign_in: &SignIn, show_secrets: bool) {
    let password = match &sign_in.password {
        None => "(none)",
        Some(password) if show_secrets => password.expose(),
        Some(_) => HIDDEN,
    };
    println!("host       {}", sign_in.host);
    println!("port       {}", sign_in.port);
    println!("tls        {}", if sign_in.tls == Tls::Off { "off" } else { "on" });
    println!("client_id  {}", sign_in.client_id);
    println!("username   {}", sign_in.username.as_deref().unwrap_or("(none)"));
    println!("password   {password}");
}

/// A registration over HTTPS. The whole of its body is a secret: it registers in our place.
fn print_request(request: &HttpsRequest, args: &Args) {
    let HttpsRequest { host, port, path, tls, content_type, body } = request;
    if args.json {
        let object = json!({
            "method": "POST",
            "host": host,
            "port": port,
            "tls": *tls != Tls::Off,
            "path": path,
            "content_type": content_type,
            "body": body.expose(),
        });
        return println!("{object}");
    }
    let body = if args.show_secrets { body.expose() } else { HIDDEN };
    println!("POST          https://{host}:{port}{path}");
    println!("Content-Type  {content_type}");
    println!("body          {body}");
}
