//! `airgate check`: climbs from the configuration to the cloud and tells which rung fails and what to do.

use super::fail::Fail;
use super::rights::{self, Questions};
use crate::check::bundle::Bundle;
use crate::check::{self, Report, Rung, Stop};
use crate::config::{self, Loaded};
use airgate_client::Client;
use serde_json::Value;
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file; /etc/airgate/airgate.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How long to wait for the network and the cloud, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 90, value_parser = clap::value_parser!(u64).range(1..=3600))]
    wait: u64,
    /// Print one JSON object: `ok`, `failed` (the rung) and `rungs`.
    #[arg(long)]
    json: bool,
    /// Write a diagnosis archive (tar.gz) for whoever helps: the result, settings, status, log, versions; no secrets.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    #[command(flatten)]
    questions: Questions,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    let loaded = config::load(args.config.as_deref(), std::env::vars());
    if args.questions.any() {
        return rights::main(&args.questions, loaded.as_ref().map_err(Vec::as_slice), args.json);
    }
    // Who may not come in may mostly not read the configuration either.
    if let Err(errors) = &loaded
        && errors.iter().any(|error| error.code() == "config_unreadable")
        && let Some(shut) = rights::shut_out(&args.questions.local())
    {
        return Err(Fail::refused(&shut.what, &shut.hint));
    }
    let mut report = Report::default();
    let mut status = None;
    let errors = match &loaded {
        Ok(loaded) => {
            file(&mut report, loaded);
            super::block_on(async {
                // What came of it is in the report.
                let _: Result<(), Stop> = climb(&mut report, loaded, Duration::from_secs(args.wait), &mut status).await;
                Ok(())
            })?;
            None
        }
        Err(errors) => {
            let what = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let hint = errors.iter().find_map(|error| error.hint()).unwrap_or_default();
            let _ = report.fail(Rung::File, what, hint);
            Some(errors)
        }
    };
    if args.json {
        println!("{:#}", report.to_json());
    } else if errors.is_none() {
        print!("{}", report.to_text());
    }
    if let Some(file) = &args.bundle {
        let bundle = Bundle::gather(&loaded, &report, status.as_ref());
        pack(&bundle, file).map_err(|error| Fail::failed("bundle", format!("{}: {error}", file.display())))?;
        eprintln!(
            "written: {} (read it before you give it away: it names the device and the SIM card)",
            file.display()
        );
    }
    match (errors, report.failed()) {
        (Some(errors), _) => Err(Fail::config(errors)),
        (None, Some(finding)) => Err(Fail::check(finding.rung.title(), &finding.what, &finding.hint)),
        (None, None) => Ok(()),
    }
}

fn file(report: &mut Report, loaded: &Loaded) {
    let files: Vec<_> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    let files = if files.is_empty() { "from the environment".to_owned() } else { files.join(", ") };
    match loaded.notices.as_slice() {
        [] => report.ok(Rung::File, files),
        notices => {
            let notices: Vec<_> = notices.iter().map(ToString::to_string).collect();
            report.warn(Rung::File, files, notices.join("\n"));
        }
    }
}

/// For its owner alone: it names the device and the SIM card.
fn pack(bundle: &Bundle, path: &Path) -> io::Result<()> {
    let file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    bundle.write(file, crate::clock::host::unix_ms() / 1000)
}

/// `status` gets what a running daemon says.
async fn climb(
    report: &mut Report,
    loaded: &Loaded,
    patience: Duration,
    status: &mut Option<Value>,
) -> Result<(), Stop> {
    let config = &loaded.config;
    if let Some(shut) = rights::shut_out(&config.local) {
        return report.fail(Rung::Rights, shut.what, shut.hint);
    }
    if let Ok((client, _events)) = Client::connect(&config.local.socket).await
        && let Ok(told) = client.status().await
    {
        let told = status.insert(told);
        let climbed = check::daemon::climb(report, told);
        if report.state(Rung::Firmware).is_some() {
            let firmware = told.pointer("/module/firmware").and_then(Value::as_str).unwrap_or_default();
            check::lengths::compare(report, firmware, loaded);
        }
        return climbed;
    }
    let baud = check::port::climb(report, &config.modem).await?;
    check::module::climb(report, loaded, baud, patience).await
}
