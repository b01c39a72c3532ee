//! `airgate completions` and `airgate man`: drawn from the command line and the annotated example themselves, so that
//! they cannot drift from them.

use super::Cli;
use super::fail::Fail;
use super::manual;
use crate::config::EXAMPLE;
use clap::CommandFactory;
use clap_mangen::roff::{Roff, bold, roman};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Which shell.
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write airgate.1, a page for each subcommand and airgate.toml.5 into this directory.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The page of this subcommand.
    #[arg(value_name = "SUBCOMMAND", conflicts_with = "dir")]
    subcommand: Option<String>,
}

pub(super) fn completions(args: &Completions) -> Result<(), Fail> {
    let mut text = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "airgate", &mut text);
    out(&text)
}

pub(super) fn man(args: &Man) -> Result<(), Fail> {
    let command = built();
    match (&args.dir, &args.subcommand) {
        (Some(dir), _) => {
            write_all(&command, dir)?;
            write(&dir.join("airgate.toml.5"), &manual::configuration(EXAMPLE))
        }
        (None, None) => out(&page(&command)?),
        (None, Some(name)) => {
            let known = command.get_subcommands().map(clap::Command::get_name).collect::<Vec<_>>().join(", ");
            let found = command.find_subcommand(name).ok_or_else(|| {
                Fail::usage("no_such_command", format!("there is no subcommand {name}"), &format!("there are: {known}"))
            })?;
            out(&page(found)?)
        }
    }
}

/// The whole command line, with the full name of each subcommand; `help` needs no page.
fn built() -> clap::Command {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    command
}

/// `airgate.1`, `airgate-pub.1`, `airgate-config-show.1`, ….
fn write_all(command: &clap::Command, dir: &Path) -> Result<(), Fail> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    write(&dir.join(format!("{name}.1")), &page(command)?)?;
    command.get_subcommands().try_for_each(|command| write_all(command, dir))
}

fn write(path: &Path, text: &[u8]) -> Result<(), Fail> {
    std::fs::write(path, text).map_err(|error| Fail::failed("write", format!("{}: {error}", path.display())))
}

/// The page of a command: what clap knows of it, and what holds for all of them.
fn page(command: &clap::Command) -> Result<Vec<u8>, Fail> {
    render(command).map_err(|error| Fail::failed("man", error))
}

fn render(command: &clap::Command) -> io::Result<Vec<u8>> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let man = clap_mangen::Man::new(command.clone()).source(crate::status::DAEMON);
    let mut text = Vec::new();
    man.render_title(&mut text)?;
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    if command.get_arguments().next().is_some() {
        man.render_options_section(&mut text)?;
    }
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    common(name).to_writer(&mut text)?;
    Ok(text)
}

/// Exit codes, files, environment, and where to read on.
fn common(name: &str) -> Roff {
    const EXITS: [(&str, &str); 5] = [
        ("0", "done"),
        ("1", "it failed"),
        ("2", "the arguments or the configuration are wrong"),
        ("3", "no daemon runs, or it may not be asked"),
        ("4", "the daemon refused; stderr says error[code], what, and a hint"),
    ];
    const ENVIRONMENT: [(&str, &str); 3] = [
        ("AIRGATE_SOCKET", "the daemon's socket, instead of /run/airgate/airgate.sock"),
        ("AIRGATE_LOG", "how much the daemon tells, for each part, as in info,air780e=debug"),
        ("AIRGATE_SECTION__KEY", "a single key of the configuration, as in AIRGATE_CLOUD__PRODUCT_KEY"),
    ];
    const FILES: [(&str, &str); 3] = [
        ("/etc/airgate/airgate.toml", "the configuration, see airgate.toml(5)"),
        ("/var/lib/airgate", "what must survive: the outbox, credentials, counts"),
        ("/usr/share/doc/airgate", "installation, recipes, troubleshooting, the protocols"),
    ];
    let mut page = Roff::new();
    list(&mut page, "EXIT STATUS", &EXITS);
    if name == "airgate" {
        list(&mut page, "ENVIRONMENT", &ENVIRONMENT);
        list(&mut page, "FILES", &FILES);
    }
    page.control("SH", ["SEE ALSO"]);
    let parent = name.rsplit_once('-').map_or("airgate-check", |(parent, _)| parent);
    page.text([bold(parent), roman("(1), "), bold("airgate.toml"), roman("(5)")]);
    page
}

fn list(page: &mut Roff, heading: &str, entries: &[(&str, &str)]) {
    page.control("SH", [heading]);
    for (term, meaning) in entries {
        page.control("TP", []).text([bold(*term)]).text([roman(*meaning)]);
    }
}

/// A reader that has seen enough, as in `airgate man | head`, is no failure.
fn out(text: &[u8]) -> Result<(), Fail> {
    match io::stdout().write_all(text) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Fail::failed("write", error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subcommand_gets_a_page_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let command = built();
        write_all(&command, dir.path()).map_err(|_| "written").unwrap();
        for name in ["airgate", "airgate-run", "airgate-config-show", "airgate-credentials-list"] {
            let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            for heading in ["SYNOPSIS", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
                assert!(page.contains(&format!(".SH {heading}")), "{heading} in {name}:\n{page}");
            }
        }
        assert!(!dir.path().join("airgate-help.1").exists());
        write(&dir.path().join("airgate.toml.5"), &manual::configuration(EXAMPLE)).map_err(|_| "written").unwrap();
        let page = std::fs::read_to_string(dir.path().join("airgate.toml.5")).unwrap();
        assert!(page.contains("product_key") && page.contains("commit_window_ms"));
    }
}
