//! `airgate auth`: what sign-in would use; for a device that registers, its registration. Pure computation: nothing is opened but the configuration.

use super::fail::Fail;
use crate::cloud::{self, Identity};
use crate::config;
use crate::session;
use crate::status::unix_ms;
use iotcloud::{Moment, SignIn, Tls};
use serde_json::json;
use std::path::PathBuf;

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
    let identity = cloud::build(&loaded.config.cloud, args.imei.as_deref()).map_err(bad)?;
    let Some(identity) = identity else {
        return Err(imei_wanted(args.imei.as_deref()));
    };
    let mut moment = Moment::new(unix_ms(), session::random());
    if let Some(timestamp) = &args.timestamp {
        moment = moment.with_timestamp(timestamp).map_err(bad)?;
    }
    if let Some(random) = &args.random {
        moment = moment.with_random(random).map_err(bad)?;
    }
    let sign_in = match &identity {
        Identity::Ready(cloud) => cloud.sign_in(&moment),
        Identity::Registers(device) => device.registration.sign_in(&moment),
    };
    if args.json {
        print_json(&sign_in)
    } else {
        print_text(&sign_in, args.show_secrets)
    }
    Ok(())
}

/// The device's name is the IMEI; what was given as one, if anything, is none.
pub(super) fn imei_wanted(given: Option<&str>) -> Fail {
    if let Some(given) = given {
        let what = format!("`--imei` has 15 digits, and {given:?} is none");
        return Fail::usage("bad_value", what, "AT+CGSN tells it; it is printed on the module, too");
    }
    let hint = "give it with --imei, or a device_name in the configuration";
    Fail::usage("imei_wanted", "the device's name is the module's IMEI, which is not known here", hint)
}

pub(super) fn bad(error: iotcloud::ConfigError) -> Fail {
    Fail::usage("bad_value", format!("`{}` {}", error.field, error.message), &error.hint)
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
        Some(_) => "(hidden; --show-secrets prints it)",
    };
    println!("host       {}", sign_in.host);
    println!("port       {}", sign_in.port);
    println!("tls        {}", if sign_in.tls == Tls::Off { "off" } else { "on" });
    println!("client_id  {}", sign_in.client_id);
    println!("username   {}", sign_in.username.as_deref().unwrap_or("(none)"));
    println!("password   {password}");
}
