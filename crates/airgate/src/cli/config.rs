//! `airgate config`: what is in effect and where it came from; an annotated example to start from.

use super::fail::Fail;
use crate::cloud::Topics;
use crate::config::{self, EXAMPLE, Loaded, Setting};
use serde_json::{Map, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show every setting in effect and where it came from; secrets are masked.
    Show(Show),
    /// Read all files and say every mistake in them, or that there is none; opens no port.
    Verify(Verify),
    /// Print the annotated example, to start a configuration from.
    Example,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The configuration file; /etc/airgate/airgate.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print one JSON object: each key with its `value` and `from`.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct Verify {
    /// The configuration file; /etc/airgate/airgate.toml by default.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

pub(super) fn main(args: &Args) -> Result<(), Fail> {
    match &args.command {
        Command::Show(show) => self::show(show),
        Command::Verify(verify) => self::verify(verify),
        Command::Example => {
            print!("{EXAMPLE}");
            Ok(())
        }
    }
}

fn verify(args: &Verify) -> Result<(), Fail> {
    let loaded = load(args.config.as_deref())?;
    Topics::new(&loaded.config.cloud).map_err(|error| Fail::usage("config_bad_value", error, ""))?;
    let files: Vec<_> = loaded.files.iter().map(|file| file.display().to_string()).collect();
    println!("no mistake in {}", if files.is_empty() { "the environment".to_owned() } else { files.join(", ") });
    Ok(())
}

/// What is in effect; notices go to stderr.
fn load(file: Option<&Path>) -> Result<Loaded, Fail> {
    let loaded = config::load(file, std::env::vars()).map_err(|errors| Fail::config(&errors))?;
    for notice in &loaded.notices {
        eprintln!("notice: {notice}");
    }
    Ok(loaded)
}

fn show(args: &Show) -> Result<(), Fail> {
    let loaded = load(args.config.as_deref())?;
    let settings = loaded.settings();
    if args.json {
        println!("{:#}", serde_json::Value::Object(settings.iter().map(as_json).collect::<Map<_, _>>()));
    } else {
        print!("{}", draw(&settings));
    }
    Ok(())
}

fn as_json(setting: &Setting) -> (String, serde_json::Value) {
    (setting.key.clone(), json!({ "value": setting.value, "from": from(setting) }))
}

fn from(setting: &Setting) -> String {
    setting.from.as_ref().map_or_else(|| "default".to_owned(), ToString::to_string)
}

/// One line a setting, which a configuration file would understand: dotted key, value, and the origin as a comment.
fn draw(settings: &[Setting]) -> String {
    let lines: Vec<_> = settings.iter().map(|setting| format!("{} = {}", setting.key, setting.value)).collect();
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0).min(60);
    let lines = lines.iter().zip(settings);
    lines.map(|(line, setting)| format!("{line:<width$}  # {}\n", from(setting))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_says_key_value_and_origin() {
        let setting = |key: &str, value: toml::Value| Setting { key: key.into(), value, from: None };
        let drawn = draw(&[setting("modem.baud", 115_200.into()), setting("log.level", "info".into())]);
        assert_eq!(drawn, "modem.baud = 115200  # default\nlog.level = \"info\"   # default\n");
    }
}
