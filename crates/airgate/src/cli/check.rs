//! `airgate check`: climbs from the configuration to the cloud and tells which rung fails and what to do.

use super::fail::Fail;
use super::rights::{self, Questions};
use crate::check::{self, Finding, Report, Rung, State, Stop};
use crate::config::{self, Loaded, Local};
use airgate_client::Client;
use std::path::PathBuf;
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
        && let Some(shut) = rights::shut_out(&Local::default())
    {
        return Err(Fail::refused(&shut.what, &shut.hint));
    }
    let mut report = Report::default();
    let errors = match &loaded {
        Ok(loaded) => {
            file(&mut report, loaded);
            super::block_on(async {
                // What came of it is in the report.
                let _: Result<(), Stop> = climb(&mut report, loaded, Duration::from_secs(args.wait)).await;
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
        print!("{}", draw(&report));
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

async fn climb(report: &mut Report, loaded: &Loaded, patience: Duration) -> Result<(), Stop> {
    let config = &loaded.config;
    if let Some(shut) = rights::shut_out(&config.local) {
        return report.fail(Rung::Rights, shut.what, shut.hint);
    }
    if let Ok((client, _events)) = Client::connect(&config.local.socket).await
        && let Ok(status) = client.status().await
    {
        return check::daemon::climb(report, &status);
    }
    let baud = check::port::climb(report, &config.modem.port, config.modem.baud).await?;
    check::module::climb(report, config, baud, patience).await
}

fn draw(report: &Report) -> String {
    report.findings().iter().map(line).collect()
}

fn line(finding: &Finding) -> String {
    let mark = match finding.state {
        State::Ok => "ok",
        State::Warning => "note",
        State::Failed => "FAIL",
        State::Skipped => "-",
    };
    let mut lines = format!("{mark:<5} {:<17} {}\n", finding.rung.title(), finding.what);
    if finding.state == State::Warning {
        lines.extend(finding.hint.lines().map(|hint| format!("{:24}{hint}\n", "")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rung_has_its_line_and_a_warning_says_what_to_do() {
        let mut report = Report::default();
        report.ok(Rung::File, "/etc/airgate/airgate.toml");
        report.warn(Rung::Firmware, "V1140 is old", "write a newer one");
        let drawn = draw(&report);
        assert_eq!(drawn.lines().count(), Rung::ALL.len() + 1, "{drawn}");
        assert!(drawn.contains("write a newer one") && drawn.contains("not reached"), "{drawn}");
    }
}
