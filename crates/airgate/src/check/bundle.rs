//! `airgate check --bundle FILE`: everything that a person at a distance needs to see what is wrong, and no secret.
//!
//! The parts are texts. Secrets are kept out three times: settings are masked where they are drawn, files and units are
//! blotted out behind whatever looks like the name of a secret, and at last the value of every configured secret is taken
//! out of all parts.

use super::Report;
use crate::config::{ConfigError, Loaded, Secret, blotted};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder in the archive.
const FOLDER: &str = "airgate-diagnosis";
/// Lines of the daemon's log, and of the kernel's.
const LOG_LINES: &str = "3000";
const KERNEL_LINES: &str = "500";
/// A shorter secret may be part of a number by accident: it is taken out where it stands alone.
const SHORT: usize = 8;
const MASK: &str = "********";

const README: &str = "\
What `airgate check --bundle` found on this host, for whoever helps to find a fault.

It holds no secret: passwords, keys and PINs are masked. It does hold names: the module's IMEI, the numbers of the SIM card,
the product and the device, topics in the log. Read it before you give it away.

check.txt, check.json  the way from the configuration to the cloud, rung by rung
settings.txt           every setting in effect, and where it came from
files.txt              the configuration files, with secrets blotted out
status.json            what a running daemon says of itself
log.txt, kernel.txt    the journal of the daemon, and of the kernel since the boot
unit.txt               how systemd runs the daemon
host.txt               versions, serial ports, rights
";

/// The parts of an archive.
#[derive(Debug, Default)]
pub struct Bundle {
    parts: Vec<(&'static str, String)>,
    secrets: Vec<Secret>,
}

impl Bundle {
    /// Gathers what can be read of this host. What cannot be read says why in its place.
    pub fn gather(loaded: &Result<Loaded, Vec<ConfigError>>, report: &Report, status: Option<&Value>) -> Self {
        let mut bundle = Self::default();
        bundle.add("README.txt", README.to_owned());
        let hint = report.failed().map(|finding| format!("hint: {}\n", finding.hint)).unwrap_or_default();
        bundle.add("check.txt", report.to_text() + &hint);
        bundle.add("check.json", format!("{:#}\n", report.to_json()));
        match loaded {
            Ok(loaded) => {
                bundle.secrets = loaded.config.secrets();
                bundle.add("settings.txt", settings(loaded));
                bundle.add("files.txt", loaded.files.iter().map(|file| shown(file)).collect());
                bundle.add("host.txt", host(&loaded.config.modem.port));
            }
            Err(errors) => {
                let files: std::collections::BTreeSet<PathBuf> =
                    errors.iter().filter_map(|error| Some(error.place()?.file()?.to_owned())).collect();
                bundle.add("files.txt", files.iter().map(|file| shown(file)).collect());
                bundle.add("host.txt", host(Path::new("/dev/ttyAMA0")));
            }
        }
        bundle.add("status.json", status.map_or("no daemon answers\n".to_owned(), |status| format!("{status:#}\n")));
        let log = ["--unit=airgate", "--lines", LOG_LINES, "--no-pager", "--output=short-iso-precise"];
        bundle.add("log.txt", said("journalctl", &log));
        bundle.add("kernel.txt", said("journalctl", &["--dmesg", "--boot", "--lines", KERNEL_LINES, "--no-pager"]));
        bundle.add("unit.txt", blotted(&said("systemctl", &["cat", "airgate.service", "airgate.socket"])));
        bundle
    }

    fn add(&mut self, name: &'static str, text: String) {
        self.parts.push((name, text));
    }

    /// Writes the archive: tar, packed with gzip.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, to: impl Write, unix_s: u64) -> io::Result<()> {
        let mut archive = tar::Builder::new(GzEncoder::new(to, Compression::default()));
        for (name, text) in &self.parts {
            let text = scrubbed(text, &self.secrets);
            let mut header = tar::Header::new_gnu();
            header.set_size(text.len() as u64);
            header.set_mode(0o600);
            header.set_mtime(unix_s);
            archive.append_data(&mut header, format!("{FOLDER}/{name}"), text.as_bytes())?;
        }
        archive.into_inner()?.finish()?.flush()
    }
}

/// The text without the value of any secret.
fn scrubbed(text: &str, secrets: &[Secret]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().map(Secret::expose).filter(|secret| !secret.is_empty()) {
        text = without(&text, secret, secret.len() < SHORT);
        // As JSON writes it.
        let quoted = Value::from(secret).to_string();
        text = without(&text, quoted.trim_matches('"'), secret.len() < SHORT);
    }
    text
}

fn without(text: &str, secret: &str, alone: bool) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, from) = rest.split_at(at);
        let after = from.get(secret.len()..).unwrap_or_default();
        let part_of_a_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let last = before.chars().next_back().or_else(|| kept.chars().next_back());
        let inside = part_of_a_word(last) || part_of_a_word(after.chars().next());
        kept.push_str(before);
        kept.push_str(if alone && inside { secret } else { MASK });
        rest = after;
    }
    kept + rest
}

fn settings(loaded: &Loaded) -> String {
    let from =
        |from: Option<_>| from.map_or_else(|| "default".to_owned(), |place: crate::config::Place| place.to_string());
    let lines = loaded.settings().into_iter().map(|s| format!("{} = {}  # {}\n", s.key, s.value, from(s.from)));
    let notices = loaded.notices.iter().map(|notice| format!("notice: {notice}\n"));
    lines.chain(notices).collect()
}

fn shown(file: &Path) -> String {
    let text =
        fs::read_to_string(file).map_or_else(|error| format!("cannot be read: {error}\n"), |text| blotted(&text));
    format!("==> {} <==\n{text}\n", file.display())
}

/// Versions, ports and rights.
fn host(port: &Path) -> String {
    let system = rustix::system::uname();
    let mut text = format!(
        "airgate {} ({})\n{} {} {} {}\n",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::ARCH,
        system.sysname().to_string_lossy(),
        system.release().to_string_lossy(),
        system.version().to_string_lossy(),
        system.machine().to_string_lossy(),
    );
    for file in [
        "/etc/os-release",
        "/proc/device-tree/model",
        "/proc/cmdline",
        "/proc/uptime",
        "/proc/loadavg",
        "/proc/tty/drivers",
        "/proc/self/status",
    ] {
        let content = fs::read(file).map(|bytes| String::from_utf8_lossy(&bytes).replace('\0', ""));
        text += &format!("\n==> {file} <==\n{}\n", content.unwrap_or_else(|error| error.to_string()).trim_end());
    }
    text += "\n==> serial ports <==\n";
    for path in std::iter::once(port.to_owned()).chain(super::port::candidates().into_iter().map(PathBuf::from)) {
        text += &about(&path);
    }
    text + "\n==> systemd <==\n" + &said("systemctl", &["--version"])
}

fn about(path: &Path) -> String {
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    match fs::metadata(path) {
        Ok(file) => {
            let (mode, uid, gid) = (file.mode() & 0o7777, file.uid(), file.gid());
            format!("{} -> {}: mode {mode:o}, user {uid}, group {gid}\n", path.display(), real.display())
        }
        Err(error) => format!("{}: {error}\n", path.display()),
    }
}

/// What a command of the system says.
fn said(program: &str, arguments: &[&str]) -> String {
    match Command::new(program).args(arguments).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8").output() {
        Ok(output) => {
            let errors = String::from_utf8_lossy(&output.stderr);
            format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
        }
        Err(error) => format!("{program}: {error}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
    use proptest::prelude::*;
    use std::io::Read;

    fn unpacked(bytes: &[u8]) -> Vec<(String, String)> {
        let mut archive = tar::Archive::new(GzDecoder::new(bytes));
        let parts = archive.entries().unwrap().map(|entry| {
            let mut entry = entry.unwrap();
            let name = entry.path().unwrap().display().to_string();
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            (name, text)
        });
        parts.collect()
    }

    #[test]
    fn the_archive_holds_every_part_and_no_secret_wherever_it_came_from() {
        let mut bundle = Bundle {
            secrets: vec![Secret::new("hunter2hunter2"), Secret::new("4711"), Secret::new("a\"b\\c12345")],
            ..Bundle::default()
        };
        bundle.add("log.txt", "a fault of ours logged hunter2hunter2; AT+CPIN=4711 at 14711 baud\n".into());
        bundle.add("status.json", serde_json::json!({ "leak": "a\"b\\c12345" }).to_string());
        let mut packed = Vec::new();
        bundle.write(&mut packed, 1_700_000_000).unwrap();
        let parts = unpacked(&packed);
        let names: Vec<_> = parts.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["airgate-diagnosis/log.txt", "airgate-diagnosis/status.json"]);
        assert_eq!(parts[0].1, "a fault of ours logged ********; AT+CPIN=******** at 14711 baud\n");
        assert!(!parts[1].1.contains("c12345"), "{}", parts[1].1);
    }

    proptest! {
        #[test]
        fn no_long_secret_survives_and_everything_else_does(
            before in "[a-z =\\n]{0,20}", secret in "[A-Z0-9]{8,20}", between in "[a-z]{0,5}", after in "[a-z]{0,20}",
        ) {
            let text = format!("{before}{secret}{between}{secret}{after}");
            let expected = format!("{before}{MASK}{between}{MASK}{after}");
            prop_assert_eq!(scrubbed(&text, &[Secret::new(secret)]), expected);
        }
    }
}
