//! `airgate completions` and `airgate man`: drawn from the command line itself, so that they cannot drift from it.

use super::Cli;
use super::fail::Fail;
use clap::CommandFactory;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(super) struct Completions {
    /// Which shell.
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub(super) struct Man {
    /// Write airgate.1 and a page for each subcommand into this directory.
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
    let mut command = Cli::command();
    command.build();
    match (&args.dir, &args.subcommand) {
        (Some(dir), _) => write_all(&command, dir),
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

/// `airgate.1`, `airgate-pub.1`, `airgate-config-show.1`, ….
fn write_all(command: &clap::Command, dir: &Path) -> Result<(), Fail> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let path = dir.join(format!("{name}.1"));
    let written = std::fs::write(&path, page(command)?);
    written.map_err(|error| Fail::failed("write", format!("{}: {error}", path.display())))?;
    let subcommands = command.get_subcommands().filter(|command| command.get_name() != "help");
    subcommands.into_iter().try_for_each(|command| write_all(command, dir))
}

fn page(command: &clap::Command) -> Result<Vec<u8>, Fail> {
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone()).render(&mut text);
    page.map_err(|error| Fail::failed("man", error))?;
    Ok(text)
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
        let mut command = Cli::command();
        command.build();
        write_all(&command, dir.path()).map_err(|_| "written").unwrap();
        for name in ["airgate", "airgate-run", "airgate-config-show", "airgate-credentials-list"] {
            let page = std::fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            assert!(page.contains(".SH SYNOPSIS"), "{name}:\n{page}");
        }
        assert!(!dir.path().join("airgate-help.1").exists());
    }
}
