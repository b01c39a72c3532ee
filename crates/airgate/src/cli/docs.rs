//! `airgate completions` and `airgate man`: drawn from the command line and the annotated example themselves, so that
//! they cannot drift from them.

use super::Cli;
use super::fail::Fail;
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
    let mut command = Cli::command();
    command.build();
    match (&args.dir, &args.subcommand) {
        (Some(dir), _) => {
            write_all(&command, dir)?;
            write(&dir.join("airgate.toml.5"), &configuration())
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

/// `airgate.1`, `airgate-pub.1`, `airgate-config-show.1`, ….
fn write_all(command: &clap::Command, dir: &Path) -> Result<(), Fail> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    write(&dir.join(format!("{name}.1")), &page(command)?)?;
    let subcommands = command.get_subcommands().filter(|command| command.get_name() != "help");
    subcommands.into_iter().try_for_each(|command| write_all(command, dir))
}

fn write(path: &Path, text: &[u8]) -> Result<(), Fail> {
    std::fs::write(path, text).map_err(|error| Fail::failed("write", format!("{}: {error}", path.display())))
}

/// airgate.toml(5): the annotated example, which says everything about each key.
fn configuration() -> Vec<u8> {
    let intro = "/etc/airgate/airgate.toml, then /etc/airgate/conf.d/*.toml in order of name, then the environment. The file \
                 below is the annotated example, as `airgate config example` prints it.";
    let mut page = Roff::new();
    page.control("TH", ["airgate.toml", "5"]).control("SH", ["NAME"]);
    page.text([roman("airgate.toml - configuration of airgate")]).control("SH", ["DESCRIPTION"]).text([roman(intro)]);
    page.control("SH", ["EXAMPLE"]).control("nf", []).text([roman(EXAMPLE)]).control("fi", []);
    page.control("SH", ["SEE ALSO"]).text([bold("airgate"), roman("(1)")]);
    page.render().into_bytes()
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
        write(&dir.path().join("airgate.toml.5"), &configuration()).map_err(|_| "written").unwrap();
        let page = std::fs::read_to_string(dir.path().join("airgate.toml.5")).unwrap();
        assert!(page.contains("product_key") && page.contains("commit_window_ms"));
    }
}
